// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy_tables.hpp"

#include <spdlog/spdlog.h>

#include "controlplane/fast_path_wire.hpp"

namespace weft::agent {

void PolicyTables::set_policy(const fastpath::PolicyEntry& entry) {
    sync_.policies.set(entry.key().SerializeAsString(), entry);
}

void PolicyTables::erase_policy(const fastpath::PolicyKey& key) { sync_.policies.erase(key.SerializeAsString()); }

void PolicyTables::set_route(const policy::RouteTable::Key& key, std::uint32_t next_hop, std::uint32_t identity) {
    fastpath::Route route;
    route.set_vni(key.first);
    *route.mutable_prefix() = wire(key.second);
    route.set_next_hop(next_hop);
    route.set_identity(identity);
    const auto sync_key = FibSync::key_of(route.vni(), route.prefix());
    sync_.routes.set(sync_key, std::move(route));
}

void PolicyTables::erase_route(const policy::RouteTable::Key& key) {
    sync_.routes.erase(FibSync::key_of(key.first, wire(key.second)));
}

void PolicyTables::persist(std::string_view kind, const std::string& key, const std::string* value) {
    auto written = value != nullptr ? store_.put(kind, key, *value) : store_.erase(kind, key);
    if (written) return;
    spdlog::error("{} {}: {}", kind, key, written.error().message);
    if (failure_) failure_ = std::move(written);
}

Result<void> restore_policy(policy::PolicyEngine& engine, const Store& store) {
    for (const auto kind : policy::PolicyEngine::kinds) {
        // Read before anything is restored, which may write.
        std::vector<std::pair<std::string, std::string>> items;
        auto read = store.for_each(
            kind, [&](std::string_view key, std::string_view value) { items.emplace_back(key, value); });
        if (!read) return read;
        for (const auto& [key, value] : items)
            if (auto restored = engine.restore(kind, key, value); !restored) return restored;
    }
    return {};
}

} // namespace weft::agent
