// SPDX-License-Identifier: BSD-3-Clause
// Explain and the pipeline give one answer: random tables, random packets, both asked.
#include <random>

#include <gtest/gtest.h>

#include "dataplane/explain.hpp"
#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::Bytes;
using cases::Fixture;
using cases::L4;
using cases::Packet;
using cases::Step;
using cases::TestHost;
using cases::text_of;
using cases::World;

/// The port where a packet from `source` comes in, and its frame there.
Step arrival(const World& world, const Tables& tables, const Packet& packet) {
    if (packet.source == world.web_ip()) return {.port = World::web, .frame = world.from_web(packet), .sent = {}};
    if (packet.source == world.db_ip()) return {.port = World::db, .frame = world.from_db(packet), .sent = {}};
    if (packet.source == world.address(5, 1))
        return {.port = World::without_endpoint, .frame = world.from_web(packet), .sent = {}};
    const weft_address source =
        world.inner == 4 ? weft_address_v4(packet.source.data()) : weft_address_v6(packet.source.data());
    const NextHop* const back = tables.next_hop(tables.route(*tables.network(World::vni), source).next_hop);
    Bytes vtep = world.c_vtep();
    if (back != nullptr && back->kind == WEFT_NEXT_HOP_VTEP) {
        const auto* const at = back->remote.bytes;
        vtep = world.outer == 4 ? Bytes(at + 12, at + 16) : Bytes(at, at + 16);
    }
    return {.port = World::uplink,
            .frame = world.tunnelled(vtep, cases::frame(world.router_mac, world.c_router, packet)),
            .sent = {}};
}

class ExplainRace : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(ExplainRace, AgreesWithThePipeline) {
    const auto& [inner, outer] = GetParam();
    const World world{inner, outer};
    std::mt19937 random(static_cast<unsigned>(inner * 10 + outer));
    const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random() % limit); };
    // Networks 0 to 5 of the world, where there is every kind of next hop, and 9, where there is none.
    const auto any_address = [&]() -> Bytes {
        constexpr std::uint8_t nets[] = {0, 0, 1, 2, 3, 4, 5, 9};
        const std::uint8_t net = nets[below(8)];
        return world.address(net, static_cast<std::uint8_t>(net == 0 ? 1 + below(3) : 1));
    };
    const auto any_verdict = [&] { return below(2) == 0 ? fastpath::VERDICT_ALLOW : fastpath::VERDICT_DENY; };
    std::map<std::uint32_t, unsigned> verdicts;
    for (int round = 0; round < 30; ++round) {
        Fixture fixture(TestHost::get().pool(), 4096);
        fastpath::TableUpdate update = world.tables();
        constexpr std::uint32_t identities[] = {0, 2, World::id_web, World::id_db, World::id_cache, World::id_other};
        for (int i = 0; i < 8; ++i)
            update.MergeFrom(World::policy(below(2) == 0 ? fastpath::DIRECTION_INGRESS : fastpath::DIRECTION_EGRESS,
                                           identities[2 + below(2)], identities[below(6)],
                                           {{0, 0, any_verdict(), 1 + below(1000)},
                                            {17, 0, any_verdict(), 1 + below(1000)},
                                            {17, 1 + below(65535), any_verdict(), 1 + below(1000)}}));
        if (round % 5 == 4) update.mutable_endpoints()->DeleteSubrange(1, 1); // db's route without db
        ASSERT_TRUE(fixture.apply(update));
        for (std::uint16_t number = 1; number <= 100; ++number) {
            Packet packet = World::between(any_address(), any_address());
            if (packet.source == packet.destination) continue;
            if (packet.source == world.db_ip() && round % 5 == 4) continue; // that port itself is not ready
            packet.l4 = below(2) == 0 ? L4::udp : L4::tcp;
            packet.source_port = number; // a connection of its own
            fastpath::ExplainRequest request;
            request.set_vni(World::vni);
            request.set_source(text_of(packet.source));
            request.set_destination(text_of(packet.destination));
            request.set_protocol(packet.protocol());
            request.set_source_port(packet.source_port);
            request.set_destination_port(packet.destination_port);
            const auto told = explain(fixture.tables(), request);
            ASSERT_TRUE(told) << told.error().message;
            const auto before = fixture.sessions().size();
            const auto outcome = fixture.run(arrival(world, fixture.tables(), packet));

            const std::string story = told->ShortDebugString();
            ++verdicts[told->drop_reason()];
            ASSERT_GT(told->steps_size(), 0);
            if (told->verdict() == fastpath::VERDICT_ALLOW) {
                ASSERT_TRUE(outcome.drops.empty()) << story << " but " << outcome.drops.begin()->first;
                ASSERT_EQ(outcome.sent.size(), 1U) << story;
                EXPECT_EQ(outcome.sent[0].port, fixture.tables().next_hop(told->next_hop())->port) << story;
                EXPECT_EQ(fixture.sessions().size(), before + 1);
                // The session remembers the rule that explain names.
                weft_ip ip{};
                ip.source =
                    inner == 4 ? weft_address_v4(packet.source.data()) : weft_address_v6(packet.source.data());
                ip.destination = inner == 4 ? weft_address_v4(packet.destination.data())
                                            : weft_address_v6(packet.destination.data());
                ip.protocol = packet.protocol();
                ip.source_port = __builtin_bswap16(packet.source_port);
                ip.destination_port = __builtin_bswap16(packet.destination_port);
                weft_session_key key{};
                weft_session_key_of(&ip, World::vni, &key);
                weft_session_value session{};
                ASSERT_TRUE(fixture.sessions().find(key, fixture.sessions().hash(key), session));
                EXPECT_EQ(session.rule, told->rule()) << story;
            } else {
                const auto reason = static_cast<weft_drop_reason>(told->drop_reason());
                EXPECT_EQ(outcome.drops, (std::map<weft_drop_reason, std::uint64_t>{{reason, 1}})) << story;
                EXPECT_TRUE(told->steps(told->steps_size() - 1).stops()) << story;
                EXPECT_TRUE(reason == WEFT_DROP_next_hop_unresolved || fixture.sessions().size() == before) << story;
            }
        }
    }
    // The race met everything that explain can say.
    for (const auto reason :
         {WEFT_DROP_none, WEFT_DROP_no_route, WEFT_DROP_blackhole, WEFT_DROP_egress_policy, WEFT_DROP_ingress_policy,
          WEFT_DROP_next_hop_unresolved, WEFT_DROP_wrong_vtep, WEFT_DROP_not_local, WEFT_DROP_endpoint_not_ready})
        EXPECT_GT(verdicts[reason], 0U) << "reason " << reason;
}

INSTANTIATE_TEST_SUITE_P(Families, ExplainRace, testing::Combine(testing::Values(4, 6), testing::Values(4, 6)),
                         [](const auto& info) {
                             return "v" + std::to_string(std::get<0>(info.param)) + "_in_v" +
                                    std::to_string(std::get<1>(info.param));
                         });

TEST(Explain, RefusesWhatIsNoQuestion) {
    Fixture fixture(TestHost::get().pool());
    ASSERT_TRUE(fixture.apply(World{4, 4}.tables()));
    fastpath::ExplainRequest request;
    request.set_vni(World::vni);
    EXPECT_FALSE(explain(fixture.tables(), request));
    request.set_source("1234");
    request.set_destination("1234567890123456");
    const auto mixed = explain(fixture.tables(), request);
    ASSERT_FALSE(mixed);
    EXPECT_NE(mixed.error().message.find("families"), std::string::npos);
    request.set_destination("12345");
    EXPECT_FALSE(explain(fixture.tables(), request));
}

TEST(Explain, KnowsMulticastAndTheGateway) {
    const World world{4, 4};
    Fixture fixture(TestHost::get().pool());
    ASSERT_TRUE(fixture.apply(world.tables()));
    fastpath::ExplainRequest request;
    request.set_vni(World::vni);
    request.set_source(text_of(world.web_ip()));
    request.set_destination(text_of({224, 0, 0, 1}));
    auto told = explain(fixture.tables(), request);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->drop_reason(), WEFT_DROP_multicast);
    request.set_destination(text_of({169, 254, 1, 1}));
    told = explain(fixture.tables(), request);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->verdict(), fastpath::VERDICT_ALLOW) << "the gateway answers pings";
    request.set_protocol(WEFT_PROTO_TCP);
    told = explain(fixture.tables(), request);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->drop_reason(), WEFT_DROP_no_route);
}

TEST(Explain, NamesAnUnknownNetwork) {
    Fixture fixture(TestHost::get().pool());
    fastpath::ExplainRequest request;
    request.set_vni(77);
    request.set_source("1234");
    request.set_destination("5678");
    const auto told = explain(fixture.tables(), request);
    ASSERT_TRUE(told);
    EXPECT_EQ(told->drop_reason(), WEFT_DROP_unknown_vni);
    EXPECT_NE(told->steps(0).detail().find("77"), std::string::npos);
}

TEST(Explain, NamesIdentitiesOfAFixedMeaning) {
    Fixture fixture(TestHost::get().pool(), 64);
    const World world{4, 4};
    fastpath::TableUpdate update = world.tables();
    for (auto& route : *update.mutable_routes())
        if (route.prefix().address() == text_of(world.web_ip())) route.set_identity(WEFT_IDENTITY_HOST);
    ASSERT_TRUE(fixture.apply(update));
    fastpath::ExplainRequest request;
    request.set_vni(World::vni);
    request.set_source(text_of(world.web_ip()));
    request.set_destination(text_of(world.address(9, 1)));
    const auto reply = explain(fixture.tables(), request);
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_NE(reply->steps(1).detail().find("identity 1 (host)"), std::string::npos) << reply->steps(1).detail();
    EXPECT_NE(reply->steps(2).detail().find("identity 3 (unknown)"), std::string::npos) << reply->steps(2).detail();
}

TEST(Explain, NamesTheAuditedRuleThatWouldDecideOtherwise) {
    Fixture fixture(TestHost::get().pool(), 64);
    const World world{4, 4};
    fastpath::TableUpdate update = world.tables();
    update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, World::id_web,
                                   {{0, 0, fastpath::VERDICT_ALLOW, 5, 6}}));
    ASSERT_TRUE(fixture.apply(update));
    fastpath::ExplainRequest request;
    request.set_vni(World::vni);
    request.set_source(text_of(world.web_ip()));
    request.set_destination(text_of(world.db_ip()));
    const auto reply = explain(fixture.tables(), request);
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->verdict(), fastpath::VERDICT_ALLOW);
    for (const auto& step : reply->steps()) {
        const bool decides = step.stage() == "ingress policy";
        EXPECT_EQ(step.rule(), decides ? 5U : 0U) << step.stage();
        EXPECT_EQ(step.audited_rule(), decides ? 6U : 0U) << step.stage();
    }
}

} // namespace
} // namespace weft::dataplane
