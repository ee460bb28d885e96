// SPDX-License-Identifier: BSD-3-Clause
// FibSync: keeps a fast path's tables as the agent wants them. Callers change the desired tables and commit; what
// differs from the acknowledged tables goes out as one update at a time, and changes that come meanwhile fold into
// the next. After a reconnect the fast path's own dump is what counts as acknowledged: mark and sweep, never flush.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/api/fast_path.hpp"

namespace weft::agent {

/// One table: what we want, what the fast path has, and where they may differ.
template <class Key, class Entry>
class SyncedTable {
  public:
    void set(const Key& key, Entry entry) {
        const std::string text = entry.SerializeAsString();
        if (const auto found = desired_.find(key); found != desired_.end() && found->second.second == text) return;
        desired_[key] = {std::move(entry), text};
        changed_.insert(key);
    }

    void erase(const Key& key) {
        if (desired_.erase(key) > 0) changed_.insert(key);
    }

    [[nodiscard]] const Entry* find(const Key& key) const {
        const auto found = desired_.find(key);
        return found == desired_.end() ? nullptr : &found->second.first;
    }

    [[nodiscard]] const std::map<Key, std::pair<Entry, std::string>>& desired() const { return desired_; }

    [[nodiscard]] bool acknowledged(const Key& key) const {
        const auto has = acknowledged_.find(key);
        const auto wants = desired_.find(key);
        return has != acknowledged_.end() && wants != desired_.end() && has->second == wants->second.second;
    }

    [[nodiscard]] std::size_t pending() const { return changed_.size(); }

    /// The fast path was asked what it has. `sweep`: what we do not want goes.
    void adopt(std::map<Key, std::string> has, bool sweep) {
        acknowledged_ = std::move(has);
        changed_.clear();
        for (const auto& [key, entry] : desired_)
            if (const auto found = acknowledged_.find(key);
                found == acknowledged_.end() || found->second != entry.second)
                changed_.insert(key);
        if (sweep) this->sweep();
    }

    void sweep() {
        for (const auto& [key, text] : acknowledged_)
            if (!desired_.contains(key)) changed_.insert(key);
    }

    /// Hands every difference to `upsert` or `remove` and remembers it as sent.
    template <class Upsert, class Remove>
    void take_changes(Upsert upsert, Remove remove) {
        for (const Key& key : std::exchange(changed_, {})) {
            const auto wants = desired_.find(key);
            const auto has = acknowledged_.find(key);
            if (wants != desired_.end()) {
                if (has != acknowledged_.end() && has->second == wants->second.second) continue;
                upsert(wants->second.first);
                acknowledged_[key] = wants->second.second;
            } else if (has != acknowledged_.end()) {
                remove(key);
                acknowledged_.erase(has);
            }
        }
    }

  private:
    std::map<Key, std::pair<Entry, std::string>> desired_;
    std::map<Key, std::string> acknowledged_;
    std::set<Key> changed_;
};

class FibSync {
  public:
    using RouteKey = std::pair<std::uint32_t, std::string>; ///< VNI, serialized prefix

    SyncedTable<std::uint32_t, fastpath::HostSettings> host; ///< key 0
    SyncedTable<std::uint32_t, fastpath::Network> networks;
    SyncedTable<std::uint32_t, fastpath::Port> ports;
    SyncedTable<std::string, fastpath::PolicyEntry> policies; ///< key: serialized PolicyKey
    SyncedTable<std::uint32_t, fastpath::Endpoint> endpoints;
    SyncedTable<std::uint32_t, fastpath::NextHop> next_hops;
    SyncedTable<RouteKey, fastpath::Route> routes;

    [[nodiscard]] static RouteKey key_of(std::uint32_t vni, const fastpath::Prefix& prefix) {
        return {vni, prefix.SerializeAsString()};
    }

    /// The fast path is there (again) and has these tables. Routes and next hops that we do not want stay until
    /// sweep_routes().
    void connected(fastpath::FastPath& fast_path, const fastpath::TableUpdate& tables);
    void disconnected();
    /// All peers have told their routes: what nobody claimed goes.
    void sweep_routes();

    /// Sends what changed. `done` when it is acknowledged, or with the reason why not. Without a fast path it waits
    /// for one.
    void commit(fastpath::Done<void> done = {});

    [[nodiscard]] std::size_t pending() const;

    [[nodiscard]] bool in_sync() const { return fast_path_ != nullptr && !in_flight_ && pending() == 0; }

  private:
    fastpath::TableUpdate take_update();
    void send();

    fastpath::FastPath* fast_path_ = nullptr;
    bool in_flight_ = false;
    bool swept_ = false;
    unsigned refusals_ = 0; ///< in a row
    std::vector<fastpath::Done<void>> waiting_;
};

} // namespace weft::agent
