// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/fib_sync.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

namespace weft::agent {

namespace {

constexpr unsigned refusals_max = 3;

template <class Key, class Entries, class KeyOf>
std::map<Key, std::string> index(const Entries& entries, KeyOf key_of) {
    std::map<Key, std::string> has;
    for (const auto& entry : entries)
        has[key_of(entry)] = entry.SerializeAsString();
    return has;
}

} // namespace

void FibSync::connected(fastpath::FastPath& fast_path, const fastpath::TableUpdate& tables) {
    fast_path_ = &fast_path;
    in_flight_ = false;
    std::map<std::uint32_t, std::string> host_settings;
    if (tables.has_host()) host_settings[0] = tables.host().SerializeAsString();
    host.adopt(std::move(host_settings), false);
    networks.adopt(index<std::uint32_t>(tables.networks(), [](const auto& entry) { return entry.vni(); }), swept_);
    ports.adopt(index<std::uint32_t>(tables.ports(), [](const auto& entry) { return entry.id(); }), true);
    policies.adopt(
        index<std::string>(tables.policies(), [](const auto& entry) { return entry.key().SerializeAsString(); }),
        swept_);
    endpoints.adopt(index<std::uint32_t>(tables.endpoints(), [](const auto& entry) { return entry.port(); }), true);
    next_hops.adopt(index<std::uint32_t>(tables.next_hops(), [](const auto& entry) { return entry.id(); }), swept_);
    routes.adopt(
        index<RouteKey>(tables.routes(), [](const auto& entry) { return key_of(entry.vni(), entry.prefix()); }),
        swept_);
    if (refusals_ < refusals_max) commit(); // else at the next change: the same would be refused again
}

void FibSync::disconnected() {
    fast_path_ = nullptr;
    in_flight_ = false;
    for (const auto& done : std::exchange(waiting_, {}))
        done(fail(ErrorCode::unavailable, "the fast path went away; it is started again, so try once more"));
}

void FibSync::sweep_routes() {
    swept_ = true;
    if (fast_path_ == nullptr) return;
    routes.sweep();
    next_hops.sweep();
    networks.sweep();
    policies.sweep();
    commit();
}

std::size_t FibSync::pending() const {
    return host.pending() + networks.pending() + ports.pending() + policies.pending() + endpoints.pending() +
           next_hops.pending() + routes.pending();
}

fastpath::TableUpdate FibSync::take_update() {
    fastpath::TableUpdate update;
    host.take_changes([&](const auto& entry) { *update.mutable_host() = entry; }, [](std::uint32_t) {});
    networks.take_changes([&](const auto& entry) { *update.add_networks() = entry; },
                          [&](std::uint32_t vni) { update.add_deleted_networks(vni); });
    ports.take_changes([&](const auto& entry) { *update.add_ports() = entry; },
                       [&](std::uint32_t id) { update.add_deleted_ports(id); });
    policies.take_changes([&](const auto& entry) { *update.add_policies() = entry; },
                          [&](const std::string& key) { update.add_deleted_policies()->ParseFromString(key); });
    // What is allowed comes before what is denied, so that a flow which both allow is not dropped between the two.
    std::ranges::stable_partition(*update.mutable_policies(),
                                  [](const auto& entry) { return entry.verdict() == fastpath::VERDICT_ALLOW; });
    endpoints.take_changes([&](const auto& entry) { *update.add_endpoints() = entry; },
                           [&](std::uint32_t port) { update.add_deleted_endpoints(port); });
    next_hops.take_changes([&](const auto& entry) { *update.add_next_hops() = entry; },
                           [&](std::uint32_t id) { update.add_deleted_next_hops(id); });
    routes.take_changes([&](const auto& entry) { *update.add_routes() = entry; },
                        [&](const RouteKey& key) {
                            auto& deleted = *update.add_deleted_routes();
                            deleted.set_vni(key.first);
                            deleted.mutable_prefix()->ParseFromString(key.second);
                        });
    return update;
}

void FibSync::commit(fastpath::Done<void> done) {
    if (done) waiting_.push_back(std::move(done));
    if (fast_path_ != nullptr && !in_flight_) send();
}

void FibSync::send() {
    if (pending() == 0) {
        for (const auto& done : std::exchange(waiting_, {}))
            done({});
        return;
    }
    in_flight_ = true;
    fast_path_->apply(take_update(), [this, told = std::exchange(waiting_, {})](Result<void> applied) {
        in_flight_ = false;
        refusals_ = applied ? 0 : refusals_ + 1;
        if (!applied && applied.error().code != ErrorCode::unavailable) {
            spdlog::error("the fast path refused an update: {}", applied.error().message);
            // What it has now is known to it alone; callers undo what they asked for before the next commit.
            if (auto* const fast_path = fast_path_) {
                in_flight_ = true;
                fast_path->dump([this, fast_path](Result<fastpath::TableUpdate> tables) {
                    if (tables && fast_path_ == fast_path) connected(*fast_path, *tables);
                });
            }
        }
        for (const auto& done : told)
            done(applied);
        if (fast_path_ != nullptr && !in_flight_) send();
    });
}

} // namespace weft::agent
