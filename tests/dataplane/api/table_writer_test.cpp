// SPDX-License-Identifier: BSD-3-Clause
// TableWriter on a store that fails: policy stays as long as somebody may be there who needs it.
#include <algorithm>
#include <map>
#include <ranges>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "dataplane/api/table_writer.hpp"
#include "tests/pipeline/deletion.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::fastpath {
namespace {

using cases::World;

const World world{4, 4};

/// Keeps routes and policies, as much as the writer asks for, and fails where it is told to.
class FailingStore final : public TableStore {
  public:
    bool takes_endpoints = true;
    bool takes_routes = true;
    bool erases_routes = true;
    bool erases_endpoints = true;
    bool reads_routes = true;
    std::set<std::uint32_t> full_for; ///< local identities whose policy it refuses

    std::map<std::string, weft_route_value> routes;  ///< by prefix
    std::map<std::uint32_t, std::uint64_t> policies; ///< list by local identity, which has one peer at a time

    Result<void> set_host(const weft_host&, const HostSettings&) override { return {}; }

    Result<void> set_network(const Network&) override { return {}; }

    Result<void> set_verdicts(std::uint64_t, std::span<const weft_verdict_block>) override { return {}; }

    Result<void> set_vtep(const weft_address&) override { return {}; }

    Result<void> set_next_hop(std::uint32_t, const weft_next_hop&, const NextHop&) override { return {}; }

    Result<void> set_endpoint(const weft_endpoint&, const Endpoint&) override { return done(takes_endpoints); }

    Result<void> set_policies(std::span<PolicyRow> rows) override {
        for (const PolicyRow& row : rows)
            if (full_for.contains(row.key.local_identity)) return done(false);
        for (PolicyRow& row : rows)
            row.before = std::exchange(policies[row.key.local_identity], row.list);
        return {};
    }

    Result<void> set_routes(std::span<RouteRow> rows) override {
        for (RouteRow& row : rows) {
            if (reads_routes) row.before = standing(row);
            row.is_read = reads_routes;
            row.refused = !takes_routes;
            if (takes_routes) routes[row.prefix.to_string()] = row.value;
        }
        return done(takes_routes);
    }

    Result<void> wait_for_readers() override { return {}; }

    Result<void> erase_routes(std::span<RouteRow> rows) override {
        for (RouteRow& row : rows) {
            row.before = standing(row);
            row.refused = !erases_routes;
            if (erases_routes) routes.erase(row.prefix.to_string());
        }
        return done(erases_routes);
    }

    Result<void> erase_endpoint(std::uint32_t) override { return done(erases_endpoints); }

    Result<void> erase_policies(std::span<PolicyRow> rows) override {
        for (PolicyRow& row : rows) {
            row.before = policies[row.key.local_identity];
            policies.erase(row.key.local_identity);
        }
        return {};
    }

    Result<void> erase_next_hop(std::uint32_t) override { return {}; }

    Result<void> erase_vtep(const weft_address&) override { return {}; }

    Result<void> erase_verdicts(std::span<const VerdictListRow>) override { return {}; }

    Result<void> erase_network(std::uint32_t) override { return {}; }

    Result<void> find_route(RouteRow& row) const override {
        if (reads_routes) row.before = standing(row);
        return done(reads_routes);
    }

    Result<void> for_each_vtep(const std::function<void(const weft_address&)>&) const override { return {}; }

    Result<void> for_each_verdict(const std::function<void(const VerdictRow&)>&) const override { return {}; }

    Result<void> for_each_policy(const std::function<void(const PolicyRow&)>&) const override { return {}; }

    Result<void> for_each_route(const std::function<void(const RouteRow&)>& visit) const override {
        for (const auto& [prefix, value] : routes)
            visit({.vni = World::vni, .prefix = *net::Prefix::parse(prefix), .value = value});
        return done(reads_routes);
    }

  private:
    [[nodiscard]] weft_route_value standing(const RouteRow& row) const {
        const auto at = routes.find(row.prefix.to_string());
        return at != routes.end() ? at->second : weft_route_value{};
    }

    static Result<void> done(bool well) {
        if (!well) return fail(ErrorCode::exhausted, "no room");
        return {};
    }
};

TableUpdate denied(std::uint32_t local, std::uint32_t peer) {
    return World::policy(DIRECTION_INGRESS, local, peer, VERDICT_DENY);
}

/// db and cache become others, and no policy speaks of cache any more.
class WriterOnAFailingStore : public testing::Test {
  protected:
    static constexpr std::uint32_t stranger = 900;

    void SetUp() override {
        TableUpdate before = world.tables();
        before.MergeFrom(denied(World::id_web, World::id_cache));
        ASSERT_TRUE(writer_.apply(before));
        ASSERT_TRUE(store_.policies.contains(World::id_web));
        update_ = denied(World::id_db, stranger);
        *update_.add_deleted_policies() = before.policies(0).key();
    }

    [[nodiscard]] bool policy_stays() {
        EXPECT_FALSE(writer_.apply(update_));
        return store_.policies.contains(World::id_web);
    }

    void cache_becomes_the_stranger() { update_.MergeFrom(world.route(world.cache_ip(), World::to_c, stranger)); }

    void db_becomes_the_stranger() {
        World::add_endpoint(update_, World::db, "db", world.db_mac, world.db_ip(), stranger);
    }

    FailingStore store_;
    TableUpdate update_;

  private:
    TableWriter writer_{store_};
};

TEST_F(WriterOnAFailingStore, NobodyNeedsThePolicyThatGoes) {
    store_.full_for = {World::id_db};
    cache_becomes_the_stranger();
    db_becomes_the_stranger();
    EXPECT_FALSE(policy_stays());
    EXPECT_EQ(std::ranges::count(store_.routes | std::views::values, 0U, &weft_route_value::identity), 1);
}

TEST_F(WriterOnAFailingStore, EndpointThatCannotBeNobody) {
    store_.full_for = {World::id_db};
    store_.takes_endpoints = false;
    db_becomes_the_stranger();
    EXPECT_TRUE(policy_stays());
}

TEST_F(WriterOnAFailingStore, RouteThatCannotBeNobodys) {
    store_.full_for = {World::id_db};
    store_.takes_routes = false;
    cache_becomes_the_stranger();
    EXPECT_TRUE(policy_stays());
}

TEST_F(WriterOnAFailingStore, RouteThatCannotBeRead) {
    store_.full_for = {World::id_db};
    store_.reads_routes = false;
    cache_becomes_the_stranger();
    EXPECT_TRUE(policy_stays());
}

TEST_F(WriterOnAFailingStore, RouteThatIsRefusedUnread) {
    store_.takes_routes = false;
    store_.reads_routes = false;
    cache_becomes_the_stranger();
    EXPECT_TRUE(policy_stays());
}

TEST_F(WriterOnAFailingStore, NewRouteThatIsRefused) {
    store_.takes_routes = false;
    World::add_route(update_, world.address(7, 1), 32, World::to_c, World::id_cache);
    EXPECT_FALSE(policy_stays());
}

// What is gone makes room for what is refused.
TEST_F(WriterOnAFailingStore, PeerIsGoneOfPolicyThatIsRefused) {
    store_.full_for = {World::id_web};
    update_.MergeFrom(denied(World::id_web, stranger));
    update_.MergeFrom(cases::deletion_of(world.route(world.cache_ip(), World::to_c, World::id_cache)));
    EXPECT_FALSE(policy_stays());
}

TEST_F(WriterOnAFailingStore, PeerIsThereOfPolicyThatIsRefused) {
    store_.full_for = {World::id_web};
    update_.MergeFrom(denied(World::id_web, stranger));
    EXPECT_TRUE(policy_stays());
}

TEST_F(WriterOnAFailingStore, NobodyKnowsWhoIsThereOfPolicyThatIsRefused) {
    store_.full_for = {World::id_web};
    store_.reads_routes = false;
    update_.MergeFrom(denied(World::id_web, stranger));
    update_.MergeFrom(cases::deletion_of(world.route(world.cache_ip(), World::to_c, World::id_cache)));
    EXPECT_TRUE(policy_stays());
}

TEST_F(WriterOnAFailingStore, RouteThatStays) {
    store_.erases_routes = false;
    update_.MergeFrom(cases::deletion_of(world.route(world.cache_ip(), World::to_c, World::id_cache)));
    EXPECT_TRUE(policy_stays());
}

TEST_F(WriterOnAFailingStore, EndpointThatStays) {
    store_.erases_endpoints = false;
    update_.add_deleted_endpoints(World::db);
    EXPECT_TRUE(policy_stays());
}

} // namespace
} // namespace weft::fastpath
