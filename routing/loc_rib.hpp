// SPDX-License-Identifier: BSD-3-Clause
// LocRib: every network's candidates per prefix and which of them are best. Changes collect until take_update(), so
// that one turn of the event loop makes one RouteUpdate.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "routing/decision.hpp"

namespace weft::bgp {

class LocRib {
  public:
    using Key = RouteUpdate::Key;

    /// Adds the candidate, or replaces the one of the same peer and NLRI key.
    void set(const Key& key, Candidate candidate);
    void erase(const Key& key, const net::Address& peer, const Nlri& nlri_key);
    void erase_network(net::Vni vni);

    /// What changed since the last call; only prefixes whose best paths differ.
    [[nodiscard]] RouteUpdate take_update();

    struct Judged {
        const Candidate* candidate;
        bool best;
        std::string why;
    };

    /// All candidates of a prefix, the winner first.
    [[nodiscard]] std::vector<Judged> judge(const Key& key) const;
    [[nodiscard]] std::vector<Key> keys() const;

  private:
    struct Entry {
        std::vector<Candidate> candidates;
        std::vector<NetworkPath> best; ///< as told last
    };

    static bool is(const Candidate& candidate, const net::Address& peer, const Nlri& nlri_key);
    static std::vector<NetworkPath> best_of(const std::vector<Candidate>& candidates);

    std::map<Key, Entry> entries_;
    std::set<Key> changed_;
};

} // namespace weft::bgp
