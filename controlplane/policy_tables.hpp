// SPDX-License-Identifier: BSD-3-Clause
// PolicyTables: takes what PolicyEngine answers to where it belongs: entries and routes into FibSync's desired
// tables, state into the database. Endpoints that became others are kept until the agent asks, since the engine is
// not to be called back.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "controlplane/fib_sync.hpp"
#include "controlplane/policy/policy_engine.hpp"
#include "controlplane/store.hpp"

namespace weft::agent {

class PolicyTables final : public policy::PolicySink {
  public:
    PolicyTables(FibSync& sync, Store& store) : sync_(sync), store_(store) {}

    void set_list(const fastpath::VerdictList& list) override;
    void erase_list(std::uint64_t number) override;
    void set_policy(const fastpath::PolicyEntry& entry) override;
    void erase_policy(const fastpath::PolicyKey& key) override;
    void set_route(const policy::RouteTable::Key& key, std::uint32_t next_hop, std::uint32_t identity) override;
    void erase_route(const policy::RouteTable::Key& key) override;

    void endpoint_changed(const std::string& name) override { changed_.insert(name); }

    [[nodiscard]] Result<void> keep(std::string_view kind, std::span<const policy::Kept> items) override;
    /// What cannot be written now is owed.
    void persist(std::string_view kind, std::span<const policy::Kept> items) override;
    /// Tries once more to write what is owed.
    void write_owed();

    [[nodiscard]] std::set<std::string> take_changed_endpoints() { return std::exchange(changed_, {}); }

    /// Rows that the database lacks.
    [[nodiscard]] std::size_t owed() const;

  private:
    FibSync& sync_;
    Store& store_;
    std::set<std::string> changed_;
    std::map<std::string, std::map<std::string, std::optional<std::string>>, std::less<>> owed_; ///< by kind
};

/// Gives the engine what an earlier run wrote down.
[[nodiscard]] Result<void> restore_policy(policy::PolicyEngine& engine, const Store& store);

} // namespace weft::agent
