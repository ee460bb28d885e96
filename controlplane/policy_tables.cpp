// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy_tables.hpp"

#include <spdlog/spdlog.h>

#include "controlplane/fast_path_wire.hpp"

namespace weft::agent {

// The table of lists is not there yet.
void PolicyTables::set_list(const fastpath::VerdictList& list) { sync_.verdict_lists.set(list.number(), list); }

void PolicyTables::erase_list(std::uint64_t number) { sync_.verdict_lists.erase(number); }

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

void PolicyTables::persist(std::string_view kind, std::span<const policy::Kept> items) {
    for (const auto& item : items)
        if (const auto rule = policy::PolicyEngine::rule_of(kind, item.key)) sync_.reset_rule(*rule);
    if (owed_.empty()) {
        const auto written = keep(kind, items);
        if (written) return;
        spdlog::error("{}: numbers that are not written down yet: {}: {}", kind, items.size(),
                      written.error().message);
    }
    // Until the database takes writes again, nothing may overtake what it lacks.
    for (const auto& item : items)
        owed_[std::string(kind)].insert_or_assign(item.key, item.value);
}

Result<void> PolicyTables::keep(std::string_view kind, std::span<const policy::Kept> items) {
    std::vector<Store::Change> changes;
    for (const auto& item : items)
        changes.push_back({item.key, item.value});
    return store_.change(kind, changes);
}

void PolicyTables::write_owed() {
    if (owed_.empty()) return;
    while (!owed_.empty()) {
        const auto& [kind, rows] = *owed_.begin();
        std::vector<Store::Change> changes;
        for (const auto& [key, value] : rows)
            changes.push_back({key, value});
        if (!store_.change(kind, changes)) return; // why was said when the first was not written
        owed_.erase(owed_.begin());
    }
    spdlog::info("database {}: written down what it lacked", store_.path());
}

std::size_t PolicyTables::owed() const {
    std::size_t rows = 0;
    for (const auto& [kind, of_kind] : owed_)
        rows += of_kind.size();
    return rows;
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
