// SPDX-License-Identifier: BSD-3-Clause
// Tables: what goes in comes out again, what is wrong is refused by name and changes nothing, and readers never see
// half a change.
#include <random>
#include <ranges>
#include <thread>

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "dataplane/api/verdict_wire.hpp"
#include "dataplane/tables.hpp"
#include "dataplane/view.hpp"
#include "tests/pipeline/deletion.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::Bytes;
using cases::deletion_of;
using cases::text_of;
using cases::World;
using fastpath::TableUpdate;

const World world{4, 4};

/// One host without workers.
struct Writer {
    Quiescence quiescence{1};
    Tables tables{quiescence};

    TableUpdate dump() const { return tables.dump(); }
};

bool same_entries(const TableUpdate& a, const TableUpdate& b, std::string& difference) {
    google::protobuf::util::MessageDifferencer differencer;
    differencer.set_repeated_field_comparison(google::protobuf::util::MessageDifferencer::AS_SET);
    differencer.ReportDifferencesToString(&difference);
    return differencer.Compare(a, b);
}

#define EXPECT_SAME_ENTRIES(a, b)                                                                                    \
    do {                                                                                                             \
        std::string difference;                                                                                      \
        EXPECT_TRUE(same_entries(a, b, difference)) << difference;                                                   \
    } while (false)

/// Lists that begin alike and differ in the end.
std::vector<World::Said> ranges_from(std::uint32_t rule, std::uint32_t count) {
    std::vector<World::Said> ranges{{0, 0, fastpath::VERDICT_ALLOW, 7}};
    for (std::uint32_t i = 1; i < count; ++i)
        ranges.push_back({6, 10 * i, i % 2 == 0 ? fastpath::VERDICT_ALLOW : fastpath::VERDICT_DENY, i, i + 1});
    ranges.push_back({17, 0, fastpath::VERDICT_DENY, ~rule});
    return ranges;
}

TableUpdate everything() {
    TableUpdate update = world.tables();
    const World v6{6, 6};
    const TableUpdate second = v6.tables();
    update.mutable_host()->set_vtep_v6(second.host().vtep_v6());
    update.mutable_routes()->MergeFrom(second.routes());
    for (std::uint32_t i = 0; i < 200; ++i) {
        update.MergeFrom(World::policy(i % 2 == 0 ? fastpath::DIRECTION_INGRESS : fastpath::DIRECTION_EGRESS, 100 + i,
                                       i % 7, ranges_from(i, i % 5 == 0 ? 40 : 1)));
    }
    return update;
}

TEST(Tables, DumpHoldsWhatWasApplied) {
    Writer writer;
    const TableUpdate update = everything();
    ASSERT_TRUE(writer.tables.apply(update));
    EXPECT_SAME_ENTRIES(update, writer.dump());
}

TEST(Tables, DumpRebuildsTheTables) {
    Writer first;
    ASSERT_TRUE(first.tables.apply(everything()));
    Writer second;
    ASSERT_TRUE(second.tables.apply(first.dump()));
    EXPECT_SAME_ENTRIES(first.dump(), second.dump());
}

TEST(Tables, ApplyingTwiceIsApplyingOnce) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(everything()));
    ASSERT_TRUE(writer.tables.apply(everything()));
    EXPECT_SAME_ENTRIES(everything(), writer.dump());
}

TEST(Tables, DeletionLeavesNothing) {
    Writer writer;
    const TableUpdate update = everything();
    ASSERT_TRUE(writer.tables.apply(update));
    const TableUpdate deletion = deletion_of(update);
    ASSERT_TRUE(writer.tables.apply(deletion));
    TableUpdate empty;
    *empty.mutable_host() = update.host();
    EXPECT_SAME_ENTRIES(empty, writer.dump());
    // And what is gone may go again.
    EXPECT_TRUE(writer.tables.apply(deletion));
}

TEST(Tables, EveryUpdateMovesTheEpoch) {
    Writer writer;
    const auto before = writer.tables.epoch();
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    EXPECT_NE(writer.tables.epoch(), before);
}

struct Refusal {
    const char* name;
    TableUpdate update;
    const char* told; ///< what the message must name
};

TableUpdate changed(void (*change)(TableUpdate&)) {
    TableUpdate update;
    change(update);
    return update;
}

TableUpdate vtep_with(void (*change)(fastpath::VtepNextHop&)) {
    TableUpdate update;
    world.add_vtep(update, 50, world.vtep(7), world.c_router, world.next_nic);
    change(*update.mutable_next_hops(0)->mutable_vtep());
    return update;
}

TableUpdate route_with(void (*change)(fastpath::Route&)) {
    TableUpdate update;
    World::add_route(update, world.address(7, 1), 32, World::to_c, 5);
    change(*update.mutable_routes(0));
    return update;
}

TableUpdate endpoint_with(void (*change)(fastpath::Endpoint&)) {
    TableUpdate update;
    World::add_endpoint(update, 60, "late", world.web_mac, world.address(7, 1), 9);
    change(*update.mutable_endpoints(0));
    return update;
}

TableUpdate policy_with(void (*change)(fastpath::PolicyEntry&)) {
    TableUpdate update = World::policy(fastpath::DIRECTION_INGRESS, 1, 2, fastpath::VERDICT_DENY);
    update.clear_verdict_lists();
    change(*update.mutable_policies(0));
    return update;
}

TableUpdate verdicts_with(void (*change)(fastpath::VerdictList&)) {
    TableUpdate update =
        World::policy(fastpath::DIRECTION_INGRESS, 1, 2, 6, 80, fastpath::VERDICT_DENY, fastpath::VERDICT_ALLOW);
    change(*update.mutable_verdict_lists(0));
    return update;
}

std::vector<Refusal> refusals() {
    return {
        {"HostWithoutRouterMac", changed([](auto& u) { u.mutable_host()->set_gateway_mac("123456"); }), "router MAC"},
        {"HostWithLongVtep", changed([](auto& u) { u.mutable_host()->set_vtep_v4("12345"); }), "VTEP"},
        {"HostWithoutPort", changed([](auto& u) {
             u.mutable_host()->set_router_mac("123456");
             u.mutable_host()->set_gateway_mac("123456");
         }),
         "VXLAN port"},
        {"NetworkZero", changed([](auto& u) { u.add_networks()->set_vni(0); }), "VNI"},
        {"NetworkBeyond24Bits", changed([](auto& u) { u.add_networks()->set_vni(1U << 24); }), "VNI"},
        {"EndpointOnPortZero", endpoint_with([](auto& e) { e.set_port(0); }), "late on port 0"},
        {"EndpointWithoutNetwork", endpoint_with([](auto& e) { e.set_vni(77); }), "77"},
        {"EndpointWithShortMac", endpoint_with([](auto& e) { e.set_mac("12345"); }), "6 bytes"},
        {"EndpointWithOddAddress", endpoint_with([](auto& e) { e.set_addresses(0, "123"); }), "late"},
        {"EndpointWithMappedAddress", endpoint_with([](auto& e) {
             e.set_addresses(0, std::string(10, '\0') + "\xff\xff"
                                                        "1234");
         }),
         "IPv4-mapped"},
        {"NextHopZero", changed([](auto& u) { u.add_next_hops()->mutable_drop(); }), "next hop 0"},
        {"NextHopBeyondTheTable", changed([](auto& u) {
             u.add_next_hops()->set_id((1U << 22) + 1);
             u.mutable_next_hops(0)->mutable_drop();
         }),
         "4194305"},
        {"NextHopOfNoKind", changed([](auto& u) { u.add_next_hops()->set_id(9); }), "next hop 9"},
        {"VtepWithoutAddress", vtep_with([](auto& v) { v.clear_address(); }), "next hop 50"},
        {"VtepWithoutRouterMac", vtep_with([](auto& v) { v.clear_inner_destination_mac(); }), "6 bytes"},
        {"VtepWithLongMac", vtep_with([](auto& v) { v.set_outer_destination_mac("1234567"); }), "6 bytes"},
        {"VtepOfNoNetwork", vtep_with([](auto& v) { v.set_vni(0); }), "VNI"},
        {"VtepWithTinyMtu", vtep_with([](auto& v) { v.set_mtu(67); }), "MTU of 67"},
        {"RouteOfUnknownNetwork", route_with([](auto& r) { r.set_vni(77); }), "77"},
        // Whose key could be taken for that of a route which is there.
        {"RouteOfNetworkBeyond24Bits", route_with([](auto& r) {
             r = everything().routes(0);
             r.set_vni(r.vni() | 1U << 24);
             r.set_identity(r.identity() + 1);
         }),
         "no network has this VNI"},
        {"RouteToUnknownNextHop", route_with([](auto& r) { r.set_next_hop(99); }), "next hop 99"},
        {"RouteWithHostBits", route_with([](auto& r) { r.mutable_prefix()->set_length(24); }), "host bits"},
        {"RouteLongerThanTheAddress", route_with([](auto& r) { r.mutable_prefix()->set_length(33); }), "route"},
        {"RouteToMappedAddresses", route_with([](auto& r) {
             r.mutable_prefix()->set_address(std::string(10, '\0') + "\xff\xff" + std::string(4, '\0'));
             r.mutable_prefix()->set_length(96);
         }),
         "IPv4-mapped"},
        {"RouteOfNoFamily", route_with([](auto& r) { r.mutable_prefix()->set_address("12345"); }), "route"},
        {"PolicyWithoutDirection",
         policy_with([](auto& p) { p.mutable_key()->set_direction(fastpath::DIRECTION_UNSPECIFIED); }), "direction"},
        {"PolicyWithoutList", policy_with([](auto& p) { p.set_list(12345); }), "0000000000003039"},
        {"VerdictsWithoutNumber", verdicts_with([](auto& l) { l.set_number(0); }), "0 is no number"},
        {"VerdictsWithoutRanges", verdicts_with([](auto& l) { l.clear_ranges(); }), "do not begin"},
        {"VerdictsThatBeginLate", verdicts_with([](auto& l) { l.mutable_ranges(0)->set_first(1); }), "do not begin"},
        {"VerdictsOutOfOrder", verdicts_with([](auto& l) { l.mutable_ranges(2)->set_first(6 << 16 | 80); }), "order"},
        {"VerdictsWithoutVerdict",
         verdicts_with([](auto& l) { l.mutable_ranges(1)->set_verdict(fastpath::VERDICT_UNSPECIFIED); }), "verdict"},
        {"VerdictsBeyondAllProtocols", verdicts_with([](auto& l) { l.mutable_ranges(2)->set_first(1U << 24); }),
         "255"},
        {"VerdictsOfTooManyRanges", verdicts_with([](auto& l) {
             for (std::uint32_t i = 0; i < fastpath::verdict_ranges_max; ++i) {
                 auto& range = *l.add_ranges();
                 range.set_first((7 << 16) + i);
                 range.set_verdict(fastpath::VERDICT_ALLOW);
             }
         }),
         "too many ranges"},
        {"VerdictsInUse",
         changed([](auto& u) { u.add_deleted_verdict_lists(everything().verdict_lists(0).number()); }),
         "still used by"},
        {"NextHopInUse", changed([](auto& u) { u.add_deleted_next_hops(World::to_c); }), "still used"},
        {"NetworkInUse", changed([](auto& u) { u.add_deleted_networks(World::vni); }), "still has"},
    };
}

class TablesRefuse : public testing::TestWithParam<Refusal> {};

TEST_P(TablesRefuse, ByNameAndUnchanged) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(everything()));
    const auto applied = writer.tables.apply(GetParam().update);
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code, ErrorCode::invalid);
    EXPECT_NE(applied.error().message.find(GetParam().told), std::string::npos) << applied.error().message;
    EXPECT_SAME_ENTRIES(everything(), writer.dump());
}

INSTANTIATE_TEST_SUITE_P(Entry, TablesRefuse, testing::ValuesIn(refusals()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Tables, WrongEntryKeepsNoOtherOut) {
    Writer writer;
    TableUpdate update = world.tables();
    update.mutable_next_hops(2)->mutable_vtep()->set_mtu(1);
    update.mutable_host()->set_router_mac("short");
    const auto applied = writer.tables.apply(update);
    ASSERT_FALSE(applied);
    EXPECT_NE(applied.error().message.find("router MAC"), std::string::npos) << applied.error().message;
    // All but the host, the next hop and the route that leads there.
    TableUpdate expected = world.tables();
    expected.clear_host();
    ASSERT_EQ(expected.next_hops(2).id(), World::to_c);
    expected.mutable_next_hops()->DeleteSubrange(2, 1);
    ASSERT_EQ(expected.routes(2).next_hop(), World::to_c);
    expected.mutable_routes()->DeleteSubrange(2, 1);
    EXPECT_SAME_ENTRIES(expected, writer.dump());
    // The agent sends it again, mended.
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    EXPECT_SAME_ENTRIES(world.tables(), writer.dump());
}

TEST(Tables, WrongEntryKeepsNoDeletionOut) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(everything()));
    TableUpdate update = changed([](auto& u) { u.add_networks()->set_vni(0); });
    update.MergeFrom(deletion_of(everything()));
    ASSERT_FALSE(writer.tables.apply(update));
    EXPECT_EQ(writer.dump().routes_size(), 0);
    EXPECT_EQ(writer.tables.endpoint(World::db), nullptr);
}

TEST(Tables, NothingIsBuiltOnWhatStoodBeforeAWrongEntry) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    // Another container on web's port, and another VTEP behind the same next hop: both wrong, both with a route.
    TableUpdate update;
    World::add_endpoint(update, World::web, "other", world.web_mac, world.address(7, 1), 9);
    update.mutable_endpoints(0)->set_mac("short");
    World::add_local(update, 50, World::web);
    World::add_route(update, world.address(7, 1), 32, 50, 9);
    world.add_vtep(update, World::to_c, world.vtep(7), world.c_router, world.next_nic, 1);
    World::add_route(update, world.address(7, 2), 32, World::to_c, 9);
    World::add_route(update, world.address(7, 3), 32, World::to_d, 9);
    const auto applied = writer.tables.apply(update);
    ASSERT_FALSE(applied);
    EXPECT_NE(applied.error().message.find("endpoint other"), std::string::npos) << applied.error().message;
    TableUpdate expected = world.tables();
    for (auto& endpoint : *expected.mutable_endpoints())
        if (endpoint.port() == World::web) endpoint.set_identity(0); // neither who it was nor who it was to be
    World::add_route(expected, world.address(7, 3), 32, World::to_d, 9);
    EXPECT_SAME_ENTRIES(expected, writer.dump());
}

TEST(Tables, EndpointsOfPortsBeyondTheLastAreRefusedByName) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    TableUpdate update;
    World::add_endpoint(update, 16383, "last", world.web_mac, world.address(7, 1), 9);
    ASSERT_TRUE(writer.tables.apply(update));
    update.mutable_endpoints(0)->set_port(16384);
    const auto applied = writer.tables.apply(update);
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().message, "endpoint last on port 16384: ports are 1 to 16383");
}

TEST(Tables, PolicyOfAnIdentityChangesAsAWholeOrNotAtAll) {
    Writer writer;
    TableUpdate before = world.tables();
    before.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, 0, fastpath::VERDICT_DENY));
    ASSERT_TRUE(writer.tables.apply(before));
    // db's old deny goes, its new list is wrong; web's policy has nothing to do with it.
    TableUpdate update = World::policy(fastpath::DIRECTION_INGRESS, World::id_db, World::id_cache, 6, 80,
                                       fastpath::VERDICT_ALLOW, fastpath::VERDICT_DENY);
    const TableUpdate good = update;
    update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, 0,
                                   {{0, 0, fastpath::VERDICT_DENY}, {300, 0, fastpath::VERDICT_ALLOW}}));
    const TableUpdate web = World::policy(fastpath::DIRECTION_INGRESS, World::id_web, 0, fastpath::VERDICT_DENY);
    update.MergeFrom(web);
    *update.add_deleted_policies() = before.policies(0).key();
    // A new endpoint of db's identity would be open.
    World::add_endpoint(update, 60, "late", world.web_mac, world.address(7, 1), World::id_db);
    const auto applied = writer.tables.apply(update);
    ASSERT_FALSE(applied);
    EXPECT_NE(applied.error().message.find("255"), std::string::npos) << applied.error().message;
    *before.add_policies() = web.policies(0);            // whose list is the same as db's
    *before.add_verdict_lists() = good.verdict_lists(0); // which nobody has
    EXPECT_SAME_ENTRIES(before, writer.dump());
}

TEST(Tables, EndpointThatCannotChangeIsNobody) {
    Writer writer;
    TableUpdate before = world.tables();
    before.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, 0, fastpath::VERDICT_DENY));
    ASSERT_TRUE(writer.tables.apply(before));
    // Every endpoint of db's identity becomes somebody whose policy is wrong, and nobody is db any more.
    constexpr std::uint32_t somebody = 900;
    TableUpdate change;
    TableUpdate nobody = before;
    for (auto& endpoint : *nobody.mutable_endpoints())
        if (endpoint.identity() == World::id_db) {
            *change.add_endpoints() = endpoint;
            change.mutable_endpoints(change.endpoints_size() - 1)->set_identity(somebody);
            endpoint.set_identity(0);
        }
    ASSERT_GT(change.endpoints_size(), 0);
    *change.add_deleted_policies() = before.policies(0).key();
    nobody.clear_policies();
    TableUpdate wrong = World::policy(fastpath::DIRECTION_INGRESS, somebody, 0,
                                      {{0, 0, fastpath::VERDICT_DENY}, {300, 0, fastpath::VERDICT_ALLOW}});
    wrong.MergeFrom(change);
    ASSERT_FALSE(writer.tables.apply(wrong));
    EXPECT_SAME_ENTRIES(nobody, writer.dump()); // so that who was db's needs no policy any more
    TableUpdate right = World::policy(fastpath::DIRECTION_INGRESS, somebody, 0, fastpath::VERDICT_DENY);
    right.MergeFrom(change);
    ASSERT_TRUE(writer.tables.apply(right));
    EXPECT_EQ(std::ranges::count(writer.dump().endpoints(), somebody, &fastpath::Endpoint::identity),
              change.endpoints_size());
}

TEST(Tables, NobodyIsTakenAndToldAsAnyOther) {
    TableUpdate update = world.tables();
    update.mutable_endpoints(0)->set_identity(0);
    update.mutable_routes(0)->set_identity(0);
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(update));
    Writer second;
    ASSERT_TRUE(second.tables.apply(writer.dump()));
    EXPECT_SAME_ENTRIES(update, second.dump());
    // Whatever becomes of policy, nobody may stand there.
    update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, 0,
                                   {{0, 0, fastpath::VERDICT_DENY}, {300, 0, fastpath::VERDICT_ALLOW}}));
    update.mutable_routes(1)->set_identity(0);
    ASSERT_FALSE(writer.tables.apply(update));
    EXPECT_EQ(std::ranges::count(writer.dump().routes(), 0U, &fastpath::Route::identity), 2);
}

TEST(Tables, NextHopOfNobodysRouteGoesOnceTheRouteHasMoved) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    constexpr std::uint32_t stranger = 900;
    TableUpdate update = World::policy(fastpath::DIRECTION_INGRESS, World::id_db, stranger,
                                       {{0, 0, fastpath::VERDICT_DENY}, {300, 0, fastpath::VERDICT_ALLOW}});
    update.MergeFrom(world.route(world.cache_ip(), World::to_d, stranger));
    update.add_deleted_next_hops(World::to_c);
    ASSERT_FALSE(writer.tables.apply(update)); // cache is nobody, and still behind host c
    ASSERT_NE(writer.tables.next_hop(World::to_c), nullptr);
    update.clear_verdict_lists();
    update.clear_policies();
    ASSERT_TRUE(writer.tables.apply(update));
    EXPECT_EQ(writer.tables.next_hop(World::to_c), nullptr);
}

TEST(Tables, RouteWaitsForThePolicyAboutWhomItLeadsTo) {
    Writer writer;
    TableUpdate before = world.tables();
    before.MergeFrom(
        World::policy(fastpath::DIRECTION_INGRESS, World::id_web, World::id_cache, fastpath::VERDICT_DENY));
    ASSERT_TRUE(writer.tables.apply(before));
    // To db the stranger would be anybody. The policy that nobody here has does not keep the newcomer out.
    constexpr std::uint32_t stranger = 900;
    constexpr std::uint32_t newcomer = 901;
    const std::vector<World::Said> wrong = {{0, 0, fastpath::VERDICT_DENY}, {300, 0, fastpath::VERDICT_ALLOW}};
    TableUpdate update = World::policy(fastpath::DIRECTION_INGRESS, World::id_db, stranger, wrong);
    update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, 902, newcomer, wrong));
    World::add_route(update, world.address(7, 1), 32, World::to_d, stranger);
    World::add_route(update, world.address(7, 2), 32, World::to_d, newcomer);
    // Who was cache becomes the stranger, and nobody is cache any more.
    update.MergeFrom(world.route(world.cache_ip(), World::to_d, stranger));
    *update.add_deleted_policies() = before.policies(before.policies_size() - 1).key();
    const auto applied = writer.tables.apply(update);
    ASSERT_FALSE(applied);
    EXPECT_NE(applied.error().message.find("255"), std::string::npos) << applied.error().message;
    World::add_route(before, world.address(7, 2), 32, World::to_d, newcomer);
    for (auto& route : *before.mutable_routes())
        if (route.identity() == World::id_cache) route.set_identity(0); // whom policy says nothing about any more
    before.mutable_policies()->RemoveLast();
    EXPECT_SAME_ENTRIES(before, writer.dump());
    // Sent once more, with a list that can be.
    update.mutable_policies()->DeleteSubrange(0, 2);
    update.clear_verdict_lists();
    update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, stranger, fastpath::VERDICT_DENY));
    ASSERT_TRUE(writer.tables.apply(update));
    const TableUpdate after = writer.dump();
    EXPECT_EQ(std::ranges::count(after.routes(), stranger, &fastpath::Route::identity), 2);
    EXPECT_EQ(after.policies_size(), 1);
}

TEST(Tables, RefusedRouteLooksAtTheOneBeforeItInTheUpdate) {
    Writer writer;
    TableUpdate expected = world.tables();
    ASSERT_TRUE(writer.tables.apply(expected));
    TableUpdate update;
    for (const std::uint32_t next_hop : {std::uint32_t{World::to_d}, 99U}) {
        World::add_route(update, world.address(7, 1), 32, next_hop, next_hop);
        update.MergeFrom(world.route(world.cache_ip(), next_hop, next_hop));
    }
    ASSERT_FALSE(writer.tables.apply(update));
    World::add_route(expected, world.address(7, 1), 32, World::to_d, 0);
    for (auto& route : *expected.mutable_routes())
        if (route.identity() == World::id_cache) {
            route.set_next_hop(World::to_d);
            route.set_identity(0);
        }
    EXPECT_SAME_ENTRIES(expected, writer.dump());
}

TEST(Tables, NobodyNewComesWithoutThePolicyAboutEverybody) {
    Writer writer;
    TableUpdate expected = world.tables();
    ASSERT_TRUE(writer.tables.apply(expected));
    TableUpdate update = World::policy(fastpath::DIRECTION_INGRESS, World::id_db, 0,
                                       {{0, 0, fastpath::VERDICT_DENY}, {300, 0, fastpath::VERDICT_ALLOW}});
    World::add_route(update, world.address(7, 1), 32, World::to_d, 900);
    World::add_endpoint(update, 60, "late", world.web_mac, world.address(7, 2), 901);
    update.MergeFrom(world.route(world.cache_ip(), World::to_d, World::id_cache)); // known, and moved
    ASSERT_FALSE(writer.tables.apply(update));
    for (auto& route : *expected.mutable_routes())
        if (route.identity() == World::id_cache) route.set_next_hop(World::to_d);
    EXPECT_SAME_ENTRIES(expected, writer.dump());
}

TEST(Tables, MovedRouteFreesItsNextHop) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    ASSERT_TRUE(writer.tables.apply(world.route(world.cache_ip(), World::to_d, 1)));
    TableUpdate deletion;
    deletion.add_deleted_next_hops(World::to_c);
    EXPECT_TRUE(writer.tables.apply(deletion));
    EXPECT_EQ(writer.tables.next_hop(World::to_c), nullptr);
}

TEST(Tables, VtepIsKnownAsLongAsANextHopLeadsToIt) {
    Writer writer;
    weft_address address{};
    const Bytes bytes = world.vtep(7);
    address = weft_address_v4(bytes.data());
    TableUpdate update;
    world.add_vtep(update, 50, bytes, world.c_router, world.next_nic);
    world.add_vtep(update, 51, bytes, world.d_router, world.next_nic);
    ASSERT_TRUE(writer.tables.apply(update));
    EXPECT_TRUE(writer.tables.is_vtep(address));
    TableUpdate one;
    one.add_deleted_next_hops(50);
    ASSERT_TRUE(writer.tables.apply(one));
    EXPECT_TRUE(writer.tables.is_vtep(address));
    TableUpdate other; // replaced by one to another address
    world.add_vtep(other, 51, world.vtep(8), world.d_router, world.next_nic);
    ASSERT_TRUE(writer.tables.apply(other));
    EXPECT_FALSE(writer.tables.is_vtep(address));
}

TEST(Tables, NewHostAddressReachesEveryTemplate) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    TableUpdate update;
    *update.mutable_host() = world.tables().host();
    update.mutable_host()->set_vtep_v4(text_of(world.vtep(99)));
    ASSERT_TRUE(writer.tables.apply(update));
    for (const std::uint32_t id : {World::to_c, World::to_d}) {
        const NextHop* const next_hop = writer.tables.next_hop(id);
        ASSERT_NE(next_hop, nullptr);
        const auto source = next_hop->tunnel_template + 26;
        EXPECT_EQ(Bytes(source, source + 4), world.vtep(99));
    }
}

TEST(Tables, MtuIsWhatTheOuterLengthsCanSay) {
    Writer writer;
    TableUpdate update;
    world.add_vtep(update, 50, world.vtep(7), world.c_router, world.next_nic, 0);
    world.add_vtep(update, 51, world.vtep(7), world.c_router, world.next_nic, 9000);
    ASSERT_TRUE(writer.tables.apply(update));
    EXPECT_EQ(writer.tables.next_hop(50)->mtu, 65535U - 50);
    EXPECT_EQ(writer.tables.next_hop(51)->mtu, 9000U);
}

/// Races the FIB against a list of prefixes, both families, two networks, with deletions.
class FibRace : public testing::TestWithParam<int> {};

TEST_P(FibRace, LongestMatchIsThatOfAList) {
    std::mt19937 random(static_cast<unsigned>(GetParam()));
    const int family = GetParam();
    const World w{family, 4};
    Writer writer;
    TableUpdate base;
    for (const std::uint32_t vni : {7U, 8U})
        base.add_networks()->set_vni(vni);
    for (std::uint32_t id = 1; id <= 20; ++id)
        World::add_local(base, id, id);
    ASSERT_TRUE(writer.tables.apply(base));

    struct Known {
        std::uint32_t vni;
        Bytes address;
        std::uint32_t length;
        std::uint32_t next_hop;
    };

    std::vector<Known> known;
    const std::uint32_t bits = family == 4 ? 32 : 128;
    // Few distinct bits, so that prefixes nest.
    const auto any_address = [&] {
        Bytes address(bits / 8);
        for (auto& byte : address)
            byte = static_cast<std::uint8_t>(random() % 8 == 0 ? random() : 0);
        return address;
    };
    const auto covers = [](const Bytes& prefix, std::uint32_t length, const Bytes& address) {
        for (std::uint32_t bit = 0; bit < length; ++bit)
            if (((prefix[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
        return true;
    };
    for (int round = 0; round < 300; ++round) {
        TableUpdate update;
        if (!known.empty() && random() % 3 == 0) {
            const std::size_t at = random() % known.size();
            auto& key = *update.add_deleted_routes();
            key.set_vni(known[at].vni);
            key.mutable_prefix()->set_address(text_of(known[at].address));
            key.mutable_prefix()->set_length(known[at].length);
            known.erase(known.begin() + static_cast<std::ptrdiff_t>(at));
        } else {
            const std::uint32_t length = random() % 4 == 0 ? bits : static_cast<std::uint32_t>(random() % (bits + 1));
            Known route{7 + static_cast<std::uint32_t>(random() % 2), any_address(), length,
                        1 + static_cast<std::uint32_t>(random() % 20)};
            for (std::uint32_t bit = length; bit < bits; ++bit)
                route.address[bit / 8] &= static_cast<std::uint8_t>(~(1U << (7 - bit % 8)));
            std::erase_if(known, [&](const Known& k) {
                return k.vni == route.vni && k.address == route.address && k.length == length;
            });
            auto& message = *update.add_routes();
            message.set_vni(route.vni);
            message.mutable_prefix()->set_address(text_of(route.address));
            message.mutable_prefix()->set_length(length);
            message.set_next_hop(route.next_hop);
            message.set_identity(route.next_hop + 1000);
            known.push_back(route);
        }
        ASSERT_TRUE(writer.tables.apply(update));
        for (int probe = 0; probe < 20; ++probe) {
            const Bytes address = any_address();
            const std::uint32_t vni = 7 + static_cast<std::uint32_t>(random() % 2);
            const Known* best = nullptr;
            for (const Known& route : known)
                if (route.vni == vni && covers(route.address, route.length, address) &&
                    (best == nullptr || route.length > best->length))
                    best = &route;
            const weft_address key = family == 4 ? weft_address_v4(address.data()) : weft_address_v6(address.data());
            if (family == 6 && weft_address_is_v4(&key)) continue;
            const weft_route_value found = writer.tables.route(*writer.tables.network(vni), key);
            ASSERT_EQ(found.next_hop, best != nullptr ? best->next_hop : 0) << "round " << round;
            ASSERT_EQ(found.identity, best != nullptr ? best->next_hop + 1000 : 0);
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Family, FibRace, testing::Values(4, 6),
                         [](const auto& info) { return "v" + std::to_string(info.param); });

TEST(Tables, PolicyDecidesLikeTheRangesThatWereTold) {
    std::mt19937 random(1);
    Writer writer;
    std::map<std::array<std::uint32_t, 3>, std::vector<World::Said>> told; // direction, local, peer
    TableUpdate update;
    std::uint32_t rule = 0;
    for (int i = 0; i < 30; ++i) {
        const std::array<std::uint32_t, 3> key{1 + static_cast<std::uint32_t>(random() % 2),
                                               1 + static_cast<std::uint32_t>(random() % 4),
                                               static_cast<std::uint32_t>(random() % 4)};
        std::map<std::uint32_t, World::Said> ranges;
        ranges[0] = {0, 0, fastpath::VERDICT_ALLOW, ++rule};
        for (std::uint32_t wanted = random() % 2 == 0 ? random() % 8 : random() % 3000; wanted > 0; --wanted) {
            const std::uint32_t protocol = random() % 2 == 0 ? 6 : 17;
            const std::uint32_t port = random() % 2 == 0 ? random() % 40 : random() % 65536;
            ranges[protocol << 16 | port] = {protocol, port,
                                             random() % 2 == 0 ? fastpath::VERDICT_ALLOW : fastpath::VERDICT_DENY,
                                             ++rule, rule + 1};
        }
        told[key].clear();
        for (const auto& range : ranges | std::views::values)
            told[key].push_back(range);
        update.MergeFrom(World::policy(static_cast<fastpath::Direction>(key[0]), key[1], key[2], told[key]));
    }
    ASSERT_TRUE(writer.tables.apply(update));
    const weft_view view{.tables = &writer.tables};
    for (int probe = 0; probe < 20000; ++probe) {
        const std::uint32_t direction = 1 + random() % 2;
        const std::uint32_t local = 1 + random() % 5;
        const std::uint32_t peer = random() % 5;
        const std::uint32_t protocol_port =
            (random() % 19) << 16 | (random() % 2 == 0 ? random() % 40 : random() % 65536);
        weft_policy_value wanted{.verdict = WEFT_ALLOW};
        auto ranges = told.find({direction, local, peer});
        if (ranges == told.end()) ranges = told.find({direction, local, 0});
        if (ranges != told.end())
            for (const World::Said& said : ranges->second)
                if ((said.protocol << 16 | said.port) <= protocol_port)
                    wanted = {.verdict = static_cast<std::uint32_t>(said.verdict),
                              .rule = said.rule,
                              .audited_rule = said.audited_rule};
        weft_policy_value found{};
        const weft_policy_key key = weft_policy_key_of(static_cast<weft_direction>(direction), local, peer);
        weft_ask_policy(&view, &key, protocol_port, &found);
        ASSERT_EQ(found.verdict, wanted.verdict) << direction << ' ' << local << ' ' << peer << ' ' << protocol_port;
        ASSERT_EQ(found.rule, wanted.rule);
        ASSERT_EQ(found.audited_rule, wanted.audited_rule);
    }
}

TEST(Tables, ReadersSeeOneRouteOrTheOther) {
    Writer writer;
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    const Bytes cache = world.cache_ip();
    const weft_address address = weft_address_v4(cache.data());
    std::atomic<bool> stop = false;
    std::uint64_t wrong = 0;
    std::uint64_t reads = 0;
    writer.quiescence.register_worker(0);
    writer.quiescence.online(0);
    std::thread reader([&] {
        while (!stop.load(std::memory_order_relaxed)) {
            const Network* const network = writer.tables.network(World::vni);
            const weft_route_value route = writer.tables.route(*network, address);
            // Identity and next hop change together, and the next hop is what its id says.
            const NextHop* const next_hop = writer.tables.next_hop(route.next_hop);
            const bool right = next_hop != nullptr && ((route.next_hop == World::to_c && route.identity == 1) ||
                                                       (route.next_hop == World::to_d && route.identity == 2) ||
                                                       route.identity == World::id_cache);
            wrong += right ? 0 : 1;
            ++reads;
            writer.quiescence.quiescent(0);
        }
        writer.quiescence.offline(0);
    });
    for (std::uint32_t i = 0; i < 600; ++i) {
        TableUpdate update = world.route(cache, i % 2 == 0 ? World::to_c : World::to_d, i % 2 == 0 ? 1 : 2);
        // Growth at the same time: arrays are replaced under the reader.
        for (std::uint32_t more = 0; more < 20; ++more)
            World::add_route(update,
                             {10, static_cast<std::uint8_t>(100 + i % 100), static_cast<std::uint8_t>(more),
                              static_cast<std::uint8_t>(i / 100)},
                             32, World::to_d, 3);
        world.add_vtep(update, 100 + i, world.vtep(9), world.c_router, world.next_nic);
        ASSERT_TRUE(writer.tables.apply(update));
    }
    stop = true;
    reader.join();
    writer.quiescence.unregister_worker(0);
    EXPECT_EQ(wrong, 0U);
    EXPECT_GT(reads, 600U);
}

TEST(Tables, ReaderWhoMetAnEndpointFindsItsPolicy) {
    Writer writer;
    // Web is one or the other by turns, and policy denies both all; of who nobody is, no policy stays.
    constexpr std::array<std::uint32_t, 2> identities = {900, 901};
    std::array<TableUpdate, 2> turns;
    for (const std::size_t turn : {0U, 1U}) {
        turns[turn] = World::policy(fastpath::DIRECTION_EGRESS, identities[turn], 0, fastpath::VERDICT_DENY);
        World::add_endpoint(turns[turn], World::web, "web", world.web_mac, world.web_ip(), identities[turn]);
        auto& gone = *turns[turn].add_deleted_policies();
        gone.set_direction(fastpath::DIRECTION_EGRESS);
        gone.set_local_identity(identities[1 - turn]);
    }
    ASSERT_TRUE(writer.tables.apply(world.tables()));
    ASSERT_TRUE(writer.tables.apply(turns[0]));
    std::atomic<bool> stop = false;
    std::uint64_t open = 0;
    std::uint64_t reads = 0;
    writer.quiescence.register_worker(0);
    writer.quiescence.online(0);
    std::thread reader([&] {
        while (!stop.load(std::memory_order_relaxed)) {
            const Endpoint* const endpoint = writer.tables.endpoint(World::web);
            // What a burst does before it asks for policy.
            for (std::uint32_t packet = 0; packet < 32; ++packet)
                static_cast<void>(writer.tables.is_vtep(weft_address_v4(world.cache_ip().data())));
            open += writer.tables.verdicts(weft_policy_key_of(WEFT_EGRESS, endpoint->identity, 0)) == nullptr ? 1 : 0;
            ++reads;
            writer.quiescence.quiescent(0);
        }
        writer.quiescence.offline(0);
    });
    bool applied = true;
    for (std::size_t turn = 1; turn < 5000 && applied; ++turn)
        applied = writer.tables.apply(turns[turn % 2]).has_value();
    stop = true;
    reader.join();
    writer.quiescence.unregister_worker(0);
    EXPECT_TRUE(applied);
    EXPECT_EQ(open, 0U) << "of " << reads;
}

} // namespace
} // namespace weft::dataplane
