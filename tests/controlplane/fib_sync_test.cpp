// SPDX-License-Identifier: BSD-3-Clause
// FibSync against a fast path in memory: what is desired arrives, in folded updates, and comes back after restarts
// and refusals.
#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "controlplane/fast_path_wire.hpp"
#include "controlplane/fib_sync.hpp"
#include "tests/controlplane/memory_fast_path.hpp"

namespace weft::agent {
namespace {

void want_route(FibSync& sync, const char* prefix, std::uint32_t next_hop, std::uint32_t identity = 0) {
    fastpath::Route route;
    route.set_vni(4000);
    *route.mutable_prefix() = wire(*net::Prefix::parse(prefix));
    route.set_next_hop(next_hop);
    route.set_identity(identity);
    const auto key = FibSync::key_of(4000, route.prefix());
    sync.routes.set(key, std::move(route));
}

void forget_route(FibSync& sync, const char* prefix) {
    sync.routes.erase(FibSync::key_of(4000, wire(*net::Prefix::parse(prefix))));
}

void want_port(FibSync& sync, std::uint32_t id) {
    fastpath::Port port;
    port.set_id(id);
    sync.ports.set(id, std::move(port));
}

/// Whose list is `list`.
void want_policy(FibSync& sync, std::uint32_t peer, std::uint64_t list) {
    fastpath::VerdictList verdicts;
    verdicts.set_number(list);
    sync.verdict_lists.set(list, std::move(verdicts));
    fastpath::PolicyEntry entry;
    entry.mutable_key()->set_direction(fastpath::DIRECTION_INGRESS);
    entry.mutable_key()->set_local_identity(256);
    entry.mutable_key()->set_peer_identity(peer);
    entry.set_list(list);
    const std::string key = entry.key().SerializeAsString();
    sync.policies.set(key, std::move(entry));
}

void forget_policy(FibSync& sync, std::uint32_t peer) {
    fastpath::PolicyKey key;
    key.set_direction(fastpath::DIRECTION_INGRESS);
    key.set_local_identity(256);
    key.set_peer_identity(peer);
    sync.policies.erase(key.SerializeAsString());
}

void want_endpoint(FibSync& sync, std::uint32_t identity) {
    fastpath::Endpoint endpoint;
    endpoint.set_port(1);
    endpoint.set_identity(identity);
    sync.endpoints.set(1, endpoint);
}

class FibSyncTest : public testing::Test {
  protected:
    void connect() {
        sync.connected(fast_path, fast_path.tables());
        fast_path.run();
    }

    /// Commits and gives the answers; the result of the commit, if it came.
    std::optional<Result<void>> commit() {
        std::optional<Result<void>> result;
        sync.commit([&](Result<void> applied) { result = std::move(applied); });
        fast_path.run();
        return result;
    }

    MemoryFastPath fast_path;
    FibSync sync;
};

TEST_F(FibSyncTest, waits_for_a_fast_path_and_then_acknowledges) {
    want_route(sync, "10.0.0.1/32", 5);
    std::optional<Result<void>> result;
    sync.commit([&](Result<void> applied) { result = std::move(applied); });
    EXPECT_FALSE(result);
    EXPECT_FALSE(sync.in_sync());
    connect();
    ASSERT_TRUE(result);
    EXPECT_TRUE(*result);
    EXPECT_TRUE(sync.in_sync());
    EXPECT_EQ(fast_path.routes.size(), 1U);
}

TEST_F(FibSyncTest, folds_changes_that_come_while_an_update_is_under_way) {
    connect();
    fast_path.updates.clear();
    want_route(sync, "10.0.0.1/32", 5);
    sync.commit();
    for (std::uint32_t i = 0; i < 100; ++i) {
        want_route(sync, "10.0.0.2/32", i);
        sync.commit();
    }
    fast_path.run();
    ASSERT_EQ(fast_path.updates.size(), 2U);
    EXPECT_EQ(fast_path.updates[1].routes_size(), 1);
    EXPECT_EQ(fast_path.updates[1].routes(0).next_hop(), 99U);
}

TEST_F(FibSyncTest, sends_nothing_for_a_change_that_was_taken_back) {
    connect();
    want_route(sync, "10.0.0.1/32", 5);
    forget_route(sync, "10.0.0.1/32");
    fast_path.updates.clear();
    ASSERT_TRUE(commit());
    for (const auto& update : fast_path.updates)
        EXPECT_EQ(update.ByteSizeLong(), 0U) << update.ShortDebugString();
    EXPECT_TRUE(fast_path.routes.empty());
}

TEST_F(FibSyncTest, adopts_what_is_there_and_sweeps_routes_only_when_told) {
    connect();
    want_route(sync, "10.0.0.1/32", FibSync::first_remote_next_hop);
    want_port(sync, 7);
    ASSERT_TRUE(commit());
    FibSync next; // the agent came back, and has announced nothing yet
    want_route(next, "10.0.0.2/32", 6);
    next.connected(fast_path, fast_path.tables());
    fast_path.run();
    EXPECT_EQ(fast_path.routes.size(), 2U) << "a route that nobody has claimed yet stays";
    EXPECT_TRUE(fast_path.ports.empty()) << "ports are known from the database at once";
    next.sweep_routes();
    fast_path.run();
    EXPECT_EQ(fast_path.routes.size(), 1U);
    EXPECT_TRUE(next.in_sync());
}

TEST_F(FibSyncTest, keeps_policy_for_peers_that_are_not_known_again_yet_until_routes_are_swept) {
    connect();
    want_policy(sync, 0, 1);
    want_policy(sync, 300, 2);
    ASSERT_TRUE(commit());
    FibSync next; // the agent came back; the neighbour with identity 300 has not spoken yet
    want_policy(next, 0, 3);
    next.verdict_lists.erase(1); // asked for and given up before the neighbour came
    next.connected(fast_path, fast_path.tables());
    fast_path.run();
    EXPECT_EQ(fast_path.policies.size(), 2U);
    EXPECT_EQ(fast_path.verdict_lists.size(), 3U) << "the neighbour's list is needed, and who knows which else";
    next.sweep_routes();
    fast_path.run();
    EXPECT_EQ(fast_path.policies.size(), 1U);
    ASSERT_EQ(fast_path.verdict_lists.size(), 1U);
    EXPECT_TRUE(fast_path.verdict_lists.contains(3));
    EXPECT_TRUE(next.in_sync());
}

TEST_F(FibSyncTest, erases_policy_about_who_is_known_at_once) {
    connect();
    want_policy(sync, 0, 1);
    want_policy(sync, 300, 2);
    want_policy(sync, 301, 2);
    ASSERT_TRUE(commit());
    FibSync next([](const fastpath::PolicyKey& key) { return key.peer_identity() != 301; });
    next.connected(fast_path, fast_path.tables());
    fast_path.run();
    ASSERT_EQ(fast_path.policies.size(), 1U);
    EXPECT_EQ(fast_path.policies.begin()->second.key().peer_identity(), 301U);
    next.sweep_routes();
    fast_path.run();
    EXPECT_TRUE(fast_path.policies.empty());
    EXPECT_TRUE(next.in_sync());
}

TEST_F(FibSyncTest, forgets_no_policy_to_erase_when_something_is_refused_before_routes_are_swept) {
    connect();
    want_policy(sync, 300, 2);
    ASSERT_TRUE(commit());
    FibSync next([](const fastpath::PolicyKey&) { return true; });
    want_policy(next, 300, 2);
    next.connected(fast_path, fast_path.tables());
    fast_path.run();
    fast_path.refuse = [](const fastpath::TableUpdate& single) -> std::optional<Error> {
        if (single.routes().empty()) return std::nullopt;
        return Error{ErrorCode::exhausted, "no room"};
    };
    want_route(next, "10.0.0.1/32", 5);
    next.commit();
    forget_policy(next, 300); // while that is under way
    std::optional<Result<void>> result;
    next.commit([&](Result<void> applied) { result = std::move(applied); });
    fast_path.run();
    EXPECT_TRUE(fast_path.policies.empty());
    EXPECT_TRUE(result);
}

TEST_F(FibSyncTest, leads_no_peer_from_its_list_to_everybodys_and_on) {
    const auto of_one_peer = [](const fastpath::PolicyKey& key) { return key.peer_identity() != 0; };
    const auto of_everybody = std::not_fn(of_one_peer);
    connect();
    fast_path.updates.clear();
    for (const std::uint32_t peer : {0U, 300U, 301U, 302U})
        want_policy(sync, peer, 1 + peer % 2);
    ASSERT_TRUE(commit());
    const auto& sent = fast_path.updates.back().policies();
    ASSERT_EQ(sent.size(), 4);
    EXPECT_TRUE(std::ranges::is_partitioned(sent, of_one_peer, &fastpath::PolicyEntry::key))
        << "peers have their own list before the others' changes";
    const fastpath::TableUpdate tables = fast_path.tables();
    for (const auto& entry : tables.policies())
        sync.policies.erase(entry.key().SerializeAsString());
    ASSERT_TRUE(commit());
    const auto& gone = fast_path.updates.back().deleted_policies();
    ASSERT_EQ(gone.size(), 4);
    EXPECT_TRUE(std::ranges::is_partitioned(gone, of_everybody)) << "and fall back to the others' once that is gone";
}

TEST_F(FibSyncTest, rebuilds_everything_in_a_fast_path_that_came_up_empty) {
    connect();
    want_route(sync, "10.0.0.1/32", 5);
    want_port(sync, 7);
    ASSERT_TRUE(commit());
    sync.disconnected("it went");
    want_route(sync, "10.0.0.2/32", 5);
    MemoryFastPath other;
    sync.connected(other, other.tables());
    other.run();
    EXPECT_EQ(other.routes.size(), 2U);
    EXPECT_EQ(other.ports.size(), 1U);
    EXPECT_TRUE(sync.in_sync());
}

TEST_F(FibSyncTest, numbers_of_rules_are_reset_once_the_fast_path_says_so) {
    connect();
    fast_path.updates.clear();
    const auto reset = [](const fastpath::TableUpdate& update) {
        return std::vector<std::uint32_t>(update.reset_rules().begin(), update.reset_rules().end());
    };
    sync.reset_rule(4);
    sync.reset_rule(3);
    ASSERT_TRUE(commit());
    ASSERT_EQ(fast_path.updates.size(), 1U);
    EXPECT_EQ(reset(fast_path.updates[0]), (std::vector<std::uint32_t>{3, 4}));
    want_port(sync, 7);
    ASSERT_TRUE(commit());
    EXPECT_TRUE(reset(fast_path.updates[1]).empty());
    // One that went unanswered may not have been heard.
    sync.reset_rule(5);
    sync.commit();
    fast_path.hang_up();
    sync.disconnected("it went");
    connect();
    EXPECT_EQ(reset(fast_path.updates.back()), (std::vector<std::uint32_t>{5}));
}

TEST_F(FibSyncTest, answers_who_came_while_an_update_was_under_way_and_changed_nothing) {
    connect();
    want_route(sync, "10.0.0.1/32", 5);
    sync.commit();
    EXPECT_TRUE(commit());
}

TEST_F(FibSyncTest, fails_who_waits_when_the_fast_path_dies) {
    connect();
    want_route(sync, "10.0.0.1/32", 5);
    std::optional<Result<void>> result;
    sync.commit([&](Result<void>) {});
    want_route(sync, "10.0.0.2/32", 5);
    sync.commit([&](Result<void> applied) { result = std::move(applied); });
    sync.disconnected("it went");
    ASSERT_TRUE(result);
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().code, ErrorCode::unavailable);
}

TEST_F(FibSyncTest, keeps_one_refused_entry_from_spoiling_the_others) {
    connect();
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        for (const auto& port : update.ports())
            if (port.id() == 9) return Error{ErrorCode::invalid, "port 9: no"};
        return std::nullopt;
    };
    want_port(sync, 9);
    want_route(sync, "10.0.0.1/32", 5);
    const auto first = commit();
    ASSERT_TRUE(first);
    ASSERT_FALSE(*first);
    EXPECT_EQ(first->error().message, "port 9: no");
    EXPECT_EQ(sync.ports.refused(), std::set<std::uint32_t>{9});
    EXPECT_EQ(fast_path.routes.size(), 1U);
    EXPECT_FALSE(sync.in_sync());
    EXPECT_TRUE(sync.idle());
    want_route(sync, "10.0.0.2/32", 5);
    const auto second = commit();
    ASSERT_TRUE(second);
    EXPECT_TRUE(*second) << "what was refused is not sent again with everything that follows";
    EXPECT_EQ(fast_path.routes.size(), 2U);
}

TEST_F(FibSyncTest, sends_what_was_refused_again_when_it_changes_or_is_told_to) {
    connect();
    bool full = true;
    fast_path.refuse = [&](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return full && update.routes_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "fib is full"})
                                                : std::nullopt;
    };
    want_route(sync, "10.0.0.1/32", 5);
    want_route(sync, "10.0.0.2/32", 5);
    ASSERT_TRUE(commit());
    EXPECT_EQ(sync.refused(), 2U);
    fast_path.updates.clear();
    ASSERT_TRUE(commit());
    EXPECT_TRUE(fast_path.updates.empty()) << "nothing is sent over and over";
    full = false;
    want_route(sync, "10.0.0.1/32", 6);
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.routes.size(), 1U);
    sync.retry_refused();
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.routes.size(), 2U);
    EXPECT_TRUE(sync.in_sync());
}

TEST_F(FibSyncTest, sends_an_endpoint_with_the_policy_that_was_refused) {
    connect();
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.policies_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "policies are full"})
                                          : std::nullopt;
    };
    want_policy(sync, 300, 1);
    ASSERT_TRUE(commit());
    ASSERT_EQ(sync.policies.refused().size(), 1U);
    fast_path.updates.clear();
    want_endpoint(sync, 257);
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.updates.at(0).policies_size(), 0) << "of somebody else";
    want_endpoint(sync, 256);
    const auto refused = commit();
    ASSERT_TRUE(refused);
    EXPECT_EQ(fast_path.updates.at(1).policies_size(), 1) << "so that the fast path can refuse both";
    EXPECT_FALSE(*refused);
}

TEST_F(FibSyncTest, sends_a_route_with_the_policy_that_was_refused) {
    connect();
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.policies_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "policies are full"})
                                          : std::nullopt;
    };
    want_policy(sync, 300, 1);
    want_policy(sync, 302, 1);
    ASSERT_TRUE(commit());
    ASSERT_EQ(sync.policies.refused().size(), 2U);
    fast_path.updates.clear();
    want_route(sync, "10.0.0.1/32", 5, 301);
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.updates.at(0).policies_size(), 0) << "about somebody else";
    want_route(sync, "10.0.0.2/32", 5, 300);
    const auto refused = commit();
    ASSERT_TRUE(refused);
    EXPECT_EQ(fast_path.updates.at(1).policies_size(), 2) << "all of the local identity's, not half of it";
    EXPECT_FALSE(*refused);
}

TEST_F(FibSyncTest, sends_a_route_with_the_deletion_that_was_refused) {
    connect();
    want_policy(sync, 300, 1);
    ASSERT_TRUE(commit());
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.deleted_policies_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "no"}) : std::nullopt;
    };
    forget_policy(sync, 300);
    ASSERT_TRUE(commit());
    fast_path.updates.clear();
    want_route(sync, "10.0.0.1/32", 5, 300);
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.updates.at(0).deleted_policies_size(), 1) << "what held before does not hold for it";
}

TEST_F(FibSyncTest, sends_who_could_not_change_with_the_policy_that_goes) {
    connect();
    want_policy(sync, 300, 1);
    want_endpoint(sync, 256);
    want_route(sync, "10.0.0.1/32", 5, 300);
    ASSERT_TRUE(commit());
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.endpoints_size() + update.routes_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "no"})
                                                                  : std::nullopt;
    };
    want_endpoint(sync, 257);
    want_route(sync, "10.0.0.1/32", 5, 301);
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.endpoints.at(1).identity(), 0U);
    EXPECT_EQ(fast_path.routes.begin()->second.identity(), 0U);
    fast_path.updates.clear();
    forget_policy(sync, 300);
    ASSERT_TRUE(commit());
    ASSERT_EQ(fast_path.updates.size(), 1U);
    EXPECT_EQ(fast_path.updates[0].deleted_policies_size(), 1);
    EXPECT_EQ(fast_path.updates[0].endpoints_size(), 1) << "so that the fast path sees who still needs it";
    EXPECT_EQ(fast_path.updates[0].routes_size(), 1);
    fast_path.refuse = [](const auto&) { return std::nullopt; };
    sync.retry_refused();
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.endpoints.at(1).identity(), 257U) << "nobody for as long as it is refused";
    EXPECT_EQ(fast_path.routes.begin()->second.identity(), 301U);
}

TEST_F(FibSyncTest, sends_what_changed_while_something_else_was_refused) {
    connect();
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.routes_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "fib is full"}) : std::nullopt;
    };
    want_route(sync, "10.0.0.1/32", 5);
    want_endpoint(sync, 256);
    sync.commit();
    fast_path.run_one(); // it asks now what was refused
    want_endpoint(sync, 257);
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.endpoints.at(1).identity(), 257U);
    EXPECT_EQ(sync.refused(), 1U);
}

TEST_F(FibSyncTest, sends_nothing_until_the_fast_path_can_say_what_it_refused) {
    connect();
    fast_path.can_tell = false;
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.routes_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "fib is full"}) : std::nullopt;
    };
    want_route(sync, "10.0.0.1/32", 5);
    ASSERT_TRUE(commit());
    EXPECT_FALSE(sync.in_sync());
    EXPECT_FALSE(sync.idle());
    EXPECT_FALSE(sync.routes.acknowledged(FibSync::key_of(4000, wire(*net::Prefix::parse("10.0.0.1/32")))));
    fast_path.updates.clear();
    want_port(sync, 7);
    bool told = false;
    sync.commit([&](const Result<void>& applied) { told = applied.has_value(); });
    sync.retry_refused();
    fast_path.run();
    EXPECT_FALSE(told) << "who waits, waits on";
    EXPECT_TRUE(fast_path.updates.empty());
    fast_path.can_tell = true;
    sync.retry_refused();
    fast_path.run();
    EXPECT_TRUE(told);
    EXPECT_TRUE(fast_path.ports.contains(7));
    EXPECT_EQ(sync.routes.refused().size(), 1U);
    fast_path.refuse = [](const auto&) { return std::nullopt; };
    sync.retry_refused();
    ASSERT_TRUE(commit());
    EXPECT_EQ(fast_path.routes.size(), 1U);
    EXPECT_TRUE(sync.in_sync());
}

TEST_F(FibSyncTest, fails_who_waits_when_a_refusal_comes_behind_the_end_of_the_connection) {
    connect();
    fast_path.refuse = [](const fastpath::TableUpdate&) { return Error{ErrorCode::invalid, "too long"}; };
    want_route(sync, "10.0.0.1/32", 5);
    std::optional<Result<void>> result;
    sync.commit([&](Result<void> applied) { result = std::move(applied); });
    sync.disconnected("it went");
    fast_path.run();
    ASSERT_TRUE(result);
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().code, ErrorCode::unavailable);
}

TEST_F(FibSyncTest, tells_nobody_that_all_is_done_when_the_connection_is_lost) {
    connect();
    fast_path.refuse = [](const fastpath::TableUpdate&) { return Error{ErrorCode::unavailable, "it hung up"}; };
    std::vector<Result<void>> told;
    const auto tell = [&](Result<void> applied) { told.push_back(std::move(applied)); };
    want_route(sync, "10.0.0.1/32", 5);
    sync.commit([&](Result<void> applied) {
        tell(std::move(applied));
        sync.commit(tell); // about something else, which a new fast path must say
    });
    sync.commit(tell); // with the same, so that there is nothing to send for it
    fast_path.run();
    ASSERT_EQ(told.size(), 2U);
    for (const auto& applied : told)
        EXPECT_EQ(applied.error().code, ErrorCode::unavailable);
    fast_path.refuse = [](const auto&) { return std::nullopt; };
    connect();
    ASSERT_EQ(told.size(), 3U);
    EXPECT_TRUE(told.back());
    EXPECT_EQ(fast_path.routes.size(), 1U);
}

TEST_F(FibSyncTest, keeps_a_next_hop_that_an_unswept_route_may_need) {
    constexpr std::uint32_t remote = FibSync::first_remote_next_hop;
    fastpath::NextHop hop;
    hop.set_id(remote);
    fast_path.next_hops[remote] = hop;
    fastpath::Route stale;
    stale.set_vni(4000);
    *stale.mutable_prefix() = wire(*net::Prefix::parse("10.0.0.9/32"));
    stale.set_next_hop(remote);
    fast_path.routes["stale"] = stale;
    connect();
    sync.next_hops.set(remote, hop);
    ASSERT_TRUE(commit());
    sync.next_hops.erase(remote);
    ASSERT_TRUE(commit());
    EXPECT_TRUE(fast_path.next_hops.contains(remote));
    sync.sweep_routes();
    fast_path.run();
    EXPECT_FALSE(fast_path.next_hops.contains(remote));
}

TEST_F(FibSyncTest, removes_local_routes_that_nobody_wants_at_once) {
    want_route(sync, "10.0.0.1/32", 5);
    connect();
    ASSERT_TRUE(commit());
    FibSync next; // without the endpoint that port 5 had
    next.connected(fast_path, fast_path.tables());
    fast_path.run();
    EXPECT_TRUE(fast_path.routes.empty());
}

} // namespace
} // namespace weft::agent
