// SPDX-License-Identifier: BSD-3-Clause
// Random changes of the little world's tables: what an agent may say, and some of what it may not.
#pragma once

#include "tests/pipeline/random.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::cases {

class RandomTables {
  public:
    RandomTables(const World& world, Random& random) : world_(world), random_(random) {}

    /// The world's, and in half of the cases its endpoints and networks in the other family as well.
    [[nodiscard]] fastpath::TableUpdate first();
    /// One or two changes, or the first tables again.
    [[nodiscard]] fastpath::TableUpdate next();

  private:
    void change(fastpath::TableUpdate& update);
    void change_policy(fastpath::TableUpdate& update);
    void delete_policy(fastpath::TableUpdate& update);
    fastpath::Verdict verdict();
    void change_route(fastpath::TableUpdate& update);
    void delete_route(fastpath::TableUpdate& update);
    void change_next_hop(fastpath::TableUpdate& update);
    void change_endpoint(fastpath::TableUpdate& update);
    void change_network(fastpath::TableUpdate& update);
    void change_host(fastpath::TableUpdate& update);
    /// Of the world's, or the same in the other family.
    [[nodiscard]] World any_world();
    [[nodiscard]] fastpath::Prefix prefix();

    World world_;
    Random& random_;
    fastpath::TableUpdate first_;
    std::vector<fastpath::PolicyKey> policies_; ///< that were told
    std::vector<fastpath::Prefix> prefixes_;
};

} // namespace weft::cases
