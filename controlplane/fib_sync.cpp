// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/fib_sync.hpp"

#include <algorithm>
#include <functional>

#include <spdlog/spdlog.h>

namespace weft::agent {

namespace {

constexpr std::uint32_t anybody = 0; ///< as a policy entry's peer: who has none of their own

template <class Key, class Entries, class KeyOf>
std::map<Key, std::string> index(const Entries& entries, KeyOf key_of) {
    std::map<Key, std::string> has;
    for (const auto& entry : entries)
        has[key_of(entry)] = entry.SerializeAsString();
    return has;
}

fastpath::PolicyKey policy_key(const std::string& text) {
    fastpath::PolicyKey key;
    key.ParseFromString(text);
    return key;
}

} // namespace

void FibSync::connected(fastpath::FastPath& fast_path, const fastpath::TableUpdate& tables) {
    fast_path_ = &fast_path;
    in_flight_ = false;
    doubtful_ = false;
    retry_refused();
    adopt(tables);
    commit();
}

void FibSync::adopt(const fastpath::TableUpdate& tables) {
    std::map<std::uint32_t, std::string> host_settings;
    if (tables.has_host()) host_settings[0] = tables.host().SerializeAsString();
    host.adopt(std::move(host_settings));
    networks.adopt(index<std::uint32_t>(tables.networks(), [](const auto& entry) { return entry.vni(); }));
    ports.adopt(index<std::uint32_t>(tables.ports(), [](const auto& entry) { return entry.id(); }));
    verdict_lists.adopt(
        index<std::uint64_t>(tables.verdict_lists(), [](const auto& entry) { return entry.number(); }));
    policies.adopt(
        index<std::string>(tables.policies(), [](const auto& entry) { return entry.key().SerializeAsString(); }));
    endpoints.adopt(index<std::uint32_t>(tables.endpoints(), [](const auto& entry) { return entry.port(); }));
    next_hops.adopt(index<std::uint32_t>(tables.next_hops(), [](const auto& entry) { return entry.id(); }));
    routes.adopt(
        index<RouteKey>(tables.routes(), [](const auto& entry) { return key_of(entry.vni(), entry.prefix()); }));
    sweep();
}

void FibSync::sweep() {
    const auto any = [](const auto&, const std::string&) { return true; };
    ports.sweep(any);
    endpoints.sweep(any);
    next_hops.sweep([this](std::uint32_t id, const std::string&) { return swept_ || id < first_remote_next_hop; });
    routes.sweep([this](const RouteKey&, const std::string& text) {
        fastpath::Route route;
        return swept_ || (route.ParseFromString(text) && route.next_hop() < first_remote_next_hop);
    });
    policies.sweep([this](const std::string& key, const std::string&) { return swept_ || knows_(policy_key(key)); });
    if (!swept_) return;
    verdict_lists.sweep(any);
    networks.sweep(any);
}

void FibSync::disconnected(const std::string& reason) {
    fast_path_ = nullptr;
    in_flight_ = false;
    reset_rules_.merge(reset_rules_sent_);
    for (const auto& done : std::exchange(waiting_, {}))
        done(fail(ErrorCode::unavailable, reason));
}

void FibSync::sweep_routes() {
    swept_ = true;
    if (fast_path_ == nullptr) return;
    sweep();
    commit();
}

void FibSync::retry_refused() {
    if (doubtful_ && fast_path_ != nullptr && !in_flight_) return take_stock([this] { answered({}, {}); });
    with_tables(*this, [](auto&... table) { (table.retry_refused(), ...); });
}

std::size_t FibSync::refused() const {
    return with_tables(*this, [](const auto&... table) { return (table.refused().size() + ...); });
}

std::size_t FibSync::pending() const {
    return with_tables(*this, [](const auto&... table) { return (table.pending() + ...); }) + reset_rules_.size();
}

void FibSync::send_policies_of_changes() {
    if (policies.refused().empty()) return;
    std::set<std::uint32_t> locals;
    std::set<std::uint32_t> peers;
    endpoints.for_each_change([&](const fastpath::Endpoint& endpoint) {
        locals.insert(endpoint.identity());
        peers.insert(endpoint.identity());
    });
    routes.for_each_change([&](const fastpath::Route& route) { peers.insert(route.identity()); });
    if (peers.empty()) return;
    for (const std::string& text : policies.refused())
        if (const auto key = policy_key(text); key.peer_identity() == anybody || peers.contains(key.peer_identity()))
            locals.insert(key.local_identity());
    verdict_lists.retry_refused();
    policies.retry_refused(
        [&](const std::string& text) { return locals.contains(policy_key(text).local_identity()); });
}

fastpath::TableUpdate FibSync::take_update() {
    send_policies_of_changes();
    // Whoever could not be changed may still need what goes: in one update, the fast path sees to that.
    if (policies.erases()) retry_refused();
    fastpath::TableUpdate update;
    host.take_changes([&](const auto& entry) { *update.mutable_host() = entry; }, [](std::uint32_t) {});
    networks.take_changes([&](const auto& entry) { *update.add_networks() = entry; },
                          [&](std::uint32_t vni) { update.add_deleted_networks(vni); });
    ports.take_changes([&](const auto& entry) { *update.add_ports() = entry; },
                       [&](std::uint32_t id) { update.add_deleted_ports(id); });
    verdict_lists.take_changes([&](const auto& entry) { *update.add_verdict_lists() = entry; },
                               [&](std::uint64_t number) { update.add_deleted_verdict_lists(number); },
                               // A policy that is not swept yet may still have it.
                               [&](std::uint64_t) { return swept_; });
    policies.take_changes([&](const auto& entry) { *update.add_policies() = entry; },
                          [&](const std::string& key) { update.add_deleted_policies()->ParseFromString(key); });
    // Peers that have an entry of their own go ahead of the rest, and come back to the rest behind it: each goes from
    // what held to what holds, and meets no list that is neither.
    const auto is_of_one_peer = [](const fastpath::PolicyKey& key) { return key.peer_identity() != 0; };
    std::ranges::stable_partition(*update.mutable_policies(), is_of_one_peer, &fastpath::PolicyEntry::key);
    std::ranges::stable_partition(*update.mutable_deleted_policies(), std::not_fn(is_of_one_peer));
    endpoints.take_changes([&](const auto& entry) { *update.add_endpoints() = entry; },
                           [&](std::uint32_t port) { update.add_deleted_endpoints(port); });
    next_hops.take_changes([&](const auto& entry) { *update.add_next_hops() = entry; },
                           [&](std::uint32_t id) { update.add_deleted_next_hops(id); },
                           // A route that is not swept yet may still need it.
                           [&](std::uint32_t id) { return swept_ || id < first_remote_next_hop; });
    routes.take_changes([&](const auto& entry) { *update.add_routes() = entry; },
                        [&](const RouteKey& key) {
                            auto& deleted = *update.add_deleted_routes();
                            deleted.set_vni(key.first);
                            deleted.mutable_prefix()->ParseFromString(key.second);
                        });
    reset_rules_sent_ = std::exchange(reset_rules_, {});
    for (const std::uint32_t rule : reset_rules_sent_)
        update.add_reset_rules(rule);
    return update;
}

void FibSync::commit(fastpath::Done<void> done) {
    if (done) waiting_.push_back(std::move(done));
    if (fast_path_ != nullptr && !in_flight_ && !doubtful_) send();
}

void FibSync::send() {
    if (pending() == 0) {
        for (const auto& done : std::exchange(waiting_, {}))
            done({});
        return;
    }
    in_flight_ = true;
    fast_path_->apply(take_update(), [this, told = std::exchange(waiting_, {})](Result<void> applied) mutable {
        if (!applied && (applied.error().code == ErrorCode::unavailable || fast_path_ == nullptr)) {
            waiting_.insert(waiting_.begin(), told.begin(), told.end());
            return disconnected(applied.error().message);
        }
        if (applied) return answered(applied, told);
        if (last_refusal_ != applied.error().message)
            spdlog::error("the fast path refused: {}", applied.error().message);
        last_refusal_ = applied.error().message;
        // The rest it has taken; which is which, it knows itself.
        take_stock([this, applied = std::move(applied), told = std::move(told)] { answered(applied, told); });
    });
}

void FibSync::take_stock(std::function<void()> then) {
    in_flight_ = true;
    auto* const fast_path = fast_path_;
    fast_path->dump([this, fast_path, then = std::move(then)](const Result<fastpath::TableUpdate>& tables) {
        if (fast_path_ == fast_path) {
            doubtful_ = !tables;
            if (tables) {
                adopt(*tables);
                with_tables(*this, [](auto&... table) { (table.hold_refused(), ...); });
            } else {
                with_tables(*this, [](auto&... table) { (table.doubt(), ...); });
            }
        }
        then();
    });
}

void FibSync::answered(const Result<void>& applied, const std::vector<fastpath::Done<void>>& told) {
    in_flight_ = false;
    reset_rules_sent_.clear();
    for (const auto& done : told)
        done(applied);
    if (fast_path_ != nullptr && !in_flight_ && !doubtful_ && (pending() > 0 || !waiting_.empty())) send();
}

} // namespace weft::agent
