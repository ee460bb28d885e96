// SPDX-License-Identifier: BSD-3-Clause
// FibSync: keeps a fast path's tables as the agent wants them. Callers change the desired tables and commit; what
// differs from the acknowledged tables goes out as one update at a time, and changes that come meanwhile fold into
// the next. After a reconnect the fast path's own dump is what counts as acknowledged: mark and sweep, never flush.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/api/fast_path.hpp"
#include "dataplane/api/limits.hpp"

namespace weft::agent {

/// One table: what we want, what the fast path has, where they may differ, and what it refused.
template <class Key, class Entry>
class SyncedTable {
  public:
    void set(const Key& key, Entry entry) {
        std::string text = entry.SerializeAsString();
        const auto [found, added] = desired_.try_emplace(key);
        if (!added && found->second.second == text) return;
        found->second = {std::move(entry), std::move(text)};
        touch(key);
    }

    void erase(const Key& key) {
        if (desired_.erase(key) > 0) touch(key);
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

    /// Is it wanted, or still there?
    [[nodiscard]] bool in_use(const Key& key) const { return desired_.contains(key) || acknowledged_.contains(key); }

    [[nodiscard]] const std::set<Key>& refused() const { return refused_; }

    [[nodiscard]] std::size_t pending() const { return changed_.size(); }

    /// The fast path was asked what it has. What differs is to be sent, but for what it refused before.
    void adopt(std::map<Key, std::string> has) {
        acknowledged_ = std::move(has);
        changed_.clear();
        for (const auto& [key, entry] : desired_)
            if (const auto found = acknowledged_.find(key);
                found == acknowledged_.end() || found->second != entry.second)
                changed_.insert(key);
        for (const Key& key : refused_)
            changed_.erase(key);
    }

    /// What we do not want and `gone` agrees to goes.
    template <class Gone>
    void sweep(Gone gone) {
        for (const auto& [key, text] : acknowledged_)
            if (!desired_.contains(key) && !refused_.contains(key) && gone(key, text)) changed_.insert(key);
    }

    /// After adopt(): what was sent last, did not change since and did not arrive was refused, and waits for a change
    /// of it or for retry_refused().
    void hold_refused() {
        for (const Key& key : std::exchange(sent_, {}))
            if (differs(key)) {
                refused_.insert(key);
                changed_.erase(key);
            }
    }

    /// Whether what was sent last has arrived, nobody knows.
    void doubt() {
        for (const Key& key : sent_)
            acknowledged_.erase(key);
    }

    /// Those that `wanted` agrees to.
    template <class Wanted>
    void retry_refused(Wanted wanted) {
        std::erase_if(refused_, [&](const Key& key) {
            if (!wanted(key)) return false;
            if (differs(key)) changed_.insert(key);
            return true;
        });
    }

    void retry_refused() {
        retry_refused([](const Key&) { return true; });
    }

    /// Is anything to go?
    [[nodiscard]] bool erases() const {
        return std::ranges::any_of(
            changed_, [&](const Key& key) { return !desired_.contains(key) && acknowledged_.contains(key); });
    }

    /// Of what is to be sent, without what is to go.
    template <class Visit>
    void for_each_change(Visit visit) const {
        for (const Key& key : changed_)
            if (const auto* const entry = find(key)) visit(*entry);
    }

    /// Hands every difference to `upsert` or `remove` and remembers it as sent. What `may_go` denies stays for now.
    template <class Upsert, class Remove, class MayGo>
    void take_changes(Upsert upsert, Remove remove, MayGo may_go) {
        sent_ = std::exchange(changed_, {});
        std::erase_if(sent_, [&](const Key& key) {
            const auto wants = desired_.find(key);
            if (wants == desired_.end()) {
                const auto has = acknowledged_.find(key);
                if (has == acknowledged_.end() || !may_go(key)) return true;
                remove(key);
                acknowledged_.erase(has);
                return false;
            }
            const auto& [entry, text] = wants->second;
            const auto [has, added] = acknowledged_.try_emplace(key, text);
            if (!added && std::exchange(has->second, text) == text) return true;
            upsert(entry);
            return false;
        });
    }

    template <class Upsert, class Remove>
    void take_changes(Upsert upsert, Remove remove) {
        take_changes(upsert, remove, [](const Key&) { return true; });
    }

  private:
    void touch(const Key& key) {
        changed_.insert(key);
        refused_.erase(key);
        sent_.erase(key); // what it was then is not what is refused
    }

    [[nodiscard]] bool differs(const Key& key) const {
        const auto wants = desired_.find(key);
        const auto has = acknowledged_.find(key);
        if (wants == desired_.end()) return has != acknowledged_.end();
        return has == acknowledged_.end() || has->second != wants->second.second;
    }

    std::map<Key, std::pair<Entry, std::string>> desired_;
    std::map<Key, std::string> acknowledged_; ///< or sent, and not refused yet
    std::set<Key> changed_;
    std::set<Key> sent_; ///< by the last update
    std::set<Key> refused_;
};

class FibSync {
  public:
    using RouteKey = std::pair<std::uint32_t, std::string>; ///< VNI, serialized prefix
    using Knows = std::function<bool(const fastpath::PolicyKey&)>;

    /// `knows`: is all wanted that is to be said about these two, even before sweep_routes()?
    explicit FibSync(Knows knows = [](const fastpath::PolicyKey&) { return false; }) : knows_(std::move(knows)) {}

    SyncedTable<std::uint32_t, fastpath::HostSettings> host; ///< key 0
    SyncedTable<std::uint32_t, fastpath::Network> networks;
    SyncedTable<std::uint32_t, fastpath::Port> ports;
    SyncedTable<std::uint64_t, fastpath::VerdictList> verdict_lists;
    SyncedTable<std::string, fastpath::PolicyEntry> policies; ///< key: serialized PolicyKey
    SyncedTable<std::uint32_t, fastpath::Endpoint> endpoints;
    SyncedTable<std::uint32_t, fastpath::NextHop> next_hops;
    SyncedTable<RouteKey, fastpath::Route> routes;

    [[nodiscard]] static RouteKey key_of(std::uint32_t vni, const fastpath::Prefix& prefix) {
        return {vni, prefix.SerializeAsString()};
    }

    /// Next hops from here on lead to other hosts; smaller ones to ports.
    static constexpr std::uint32_t first_remote_next_hop = fastpath::port_id_max + 1;

    /// The fast path is there (again) and has these tables. What is local and not wanted goes at once, as does policy
    /// about whom we know; routes to other hosts, and what they need, stay until sweep_routes().
    void connected(fastpath::FastPath& fast_path, const fastpath::TableUpdate& tables);
    void disconnected(const std::string& reason);
    /// All peers have told their routes: what nobody claimed goes.
    void sweep_routes();

    /// The rule's number comes to mean this rule, or none: with the next update its hits are forgotten.
    void reset_rule(std::uint32_t number) { reset_rules_.insert(number); }

    /// Sends again, with the next commit, what was refused: there may be room now. In doubt, asks what that is.
    void retry_refused();

    /// It refused something, and could not say what: nothing is sent until it can.
    [[nodiscard]] bool is_doubtful() const { return doubtful_; }

    /// Sends what changed. `done` when it is acknowledged, or with the first reason why something was refused;
    /// acknowledged() and refused() of the tables then say what. Without a fast path it waits for one.
    void commit(fastpath::Done<void> done = {});

    [[nodiscard]] std::size_t pending() const;

    [[nodiscard]] std::size_t refused() const;

    /// Why the fast path last refused something.
    [[nodiscard]] const std::string& last_refusal() const { return last_refusal_; }

    [[nodiscard]] bool in_sync() const { return idle() && refused() == 0; }

    /// Connected, and nothing under way: what is acknowledged is what the fast path has.
    [[nodiscard]] bool idle() const { return fast_path_ != nullptr && !in_flight_ && !doubtful_ && pending() == 0; }

  private:
    /// What `use` makes of all tables.
    template <class Self, class Use>
    static auto with_tables(Self& self, Use use) {
        return use(self.host, self.networks, self.ports, self.verdict_lists, self.policies, self.endpoints,
                   self.next_hops, self.routes);
    }

    void adopt(const fastpath::TableUpdate& tables);
    void sweep();
    /// An endpoint goes with the policy of who it becomes, and both it and a route with what policy says about whom
    /// they become, refused before or not: without it, they would be open.
    void send_policies_of_changes();
    /// Asks the fast path what it has, and takes what it was sent and has not as refused.
    void take_stock(std::function<void()> then);
    fastpath::TableUpdate take_update();
    void send();
    void answered(const Result<void>& applied, const std::vector<fastpath::Done<void>>& told);

    Knows knows_;
    fastpath::FastPath* fast_path_ = nullptr;
    bool in_flight_ = false;
    bool doubtful_ = false;
    bool swept_ = false;
    std::string last_refusal_;
    std::set<std::uint32_t> reset_rules_;
    std::set<std::uint32_t> reset_rules_sent_; ///< by the last update, which is not answered yet
    std::vector<fastpath::Done<void>> waiting_;
};

} // namespace weft::agent
