// SPDX-License-Identifier: BSD-3-Clause
// Tracing on the DPDK fast path: every packet case is told as it went, nothing goes another way for being traced, and
// what cannot be carried is counted.
#include <algorithm>
#include <map>
#include <ranges>

#include <gtest/gtest.h>

#include "dataplane/tracer.hpp"
#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::Bytes;
using cases::events_of;
using cases::Fixture;
using cases::Outcome;
using cases::Packet;
using cases::PacketCase;
using cases::Sent;
using cases::Step;
using cases::TestHost;
using cases::text_of;
using cases::World;
using fastpath::TraceEvent;

const World world{4, 4};

Trace::Settings everything(std::uint32_t snap_length = WEFT_TRACE_SNAP_MAX) {
    return {.filter = {}, .snap_length = snap_length, .events_per_s = 0};
}

void expect_same(const Outcome& expected, const Outcome& got) {
    EXPECT_EQ(expected.drops, got.drops);
    ASSERT_EQ(expected.sent.size(), got.sent.size());
    for (std::size_t i = 0; i < expected.sent.size(); ++i) {
        EXPECT_EQ(expected.sent[i].port, got.sent[i].port);
        EXPECT_EQ(expected.sent[i].frame, got.sent[i].frame);
    }
}

/// An outer frame's UDP source port is any; cases have 0 there.
std::string without_source_port(const TraceEvent& event) {
    std::string frame = event.frame_out();
    if (event.port_out() == World::uplink) frame.replace(frame.at(12) == 8 ? 34 : 54, 2, 2, '\0');
    return frame;
}

/// What a trace keeps of a frame at most.
std::string kept(const Bytes& frame) { return text_of(frame).substr(0, WEFT_TRACE_SNAP_MAX); }

void expect_told(const Step& step, const std::vector<TraceEvent>& events) {
    ASSERT_EQ(events.size(), std::max<std::size_t>(step.sent.size(), 1));
    const TraceEvent& first = events.front();
    EXPECT_EQ(first.port_in(), step.port);
    EXPECT_EQ(first.drop_reason(), static_cast<std::uint32_t>(step.reason));
    EXPECT_EQ(first.verdict() == fastpath::TRACE_VERDICT_DROPPED, step.reason != WEFT_DROP_none);
    EXPECT_EQ(first.parts(), step.sent.size());
    EXPECT_EQ(first.length_in(), step.frame.size());
    EXPECT_NE(first.stage(), static_cast<std::uint32_t>(WEFT_STAGE_unknown));
    const bool whole = !step.offload.checksum; // else the field holds what the port left open
    EXPECT_TRUE(!whole || first.frame_in() == kept(step.frame));
    for (std::size_t part = 0; part < step.sent.size(); ++part) {
        const TraceEvent& event = events[part];
        EXPECT_EQ(event.part(), part);
        EXPECT_EQ(event.port_out(), step.sent[part].port);
        EXPECT_EQ(event.length_out(), step.sent[part].frame.size());
        EXPECT_TRUE(!whole || without_source_port(event) == kept(step.sent[part].frame));
        EXPECT_TRUE(part == 0 || event.frame_in().empty());
    }
    const bool policy = step.reason == WEFT_DROP_egress_policy || step.reason == WEFT_DROP_ingress_policy;
    EXPECT_TRUE(!policy || step.hits || first.rule() == 7) << first.rule(); // cases of hits have rules of their own
}

TEST(Tracer, TellsEveryPacketCaseAndChangesNone) {
    const TestHost& host = TestHost::get();
    std::map<fastpath::TraceVerdict, unsigned> verdicts;
    for (const PacketCase& each : cases::all_cases()) {
        SCOPED_TRACE(each.name);
        Fixture plain(host.pool(), each.sessions_max);
        Fixture traced(host.pool(), each.sessions_max);
        Trace trace(1, everything(), 1);
        for (const Step& step : each.steps) {
            ASSERT_TRUE(plain.apply(step.tables) && traced.apply(step.tables));
            expect_same(plain.run(step), traced.run_traced({&step, 1}, {&trace}));
            const auto events = events_of(trace);
            expect_told(step, events);
            ++verdicts[events.front().verdict()];
        }
        EXPECT_EQ(trace.lost(), 0U);
        EXPECT_EQ(plain.sessions().size(), traced.sessions().size());
        if (HasFailure()) return;
    }
    EXPECT_EQ(host.buffers_in_use(), 0U);
    EXPECT_GT(verdicts[fastpath::TRACE_VERDICT_FORWARDED], 100U);
    EXPECT_GT(verdicts[fastpath::TRACE_VERDICT_ANSWERED], 3U);
    EXPECT_GT(verdicts[fastpath::TRACE_VERDICT_DROPPED], 100U);
}

struct Traced : testing::Test {
    Traced() { EXPECT_TRUE(fixture.apply(world.tables())); }

    static Step from_web(const Packet& packet) {
        return {.port = World::web, .frame = world.from_web(packet), .sent = {}};
    }

    static Packet udp(std::uint16_t source_port, const Bytes& to) {
        Packet packet = World::between(world.web_ip(), to);
        packet.source_port = source_port;
        return packet;
    }

    TraceEvent only_event(const Step& step) {
        Trace trace(1, everything(), 1);
        static_cast<void>(fixture.run_traced({&step, 1}, {&trace}));
        const auto events = events_of(trace);
        EXPECT_EQ(events.size(), 1U);
        return events.empty() ? TraceEvent() : events.front();
    }

    Fixture fixture{TestHost::get().pool()};
};

TEST_F(Traced, EncapsulatedPacketHasItsVtep) {
    const TraceEvent event = only_event(from_web(udp(1000, world.cache_ip())));
    EXPECT_EQ(event.verdict(), fastpath::TRACE_VERDICT_FORWARDED);
    EXPECT_EQ(event.stage(), static_cast<std::uint32_t>(WEFT_STAGE_encapsulate));
    EXPECT_EQ(event.vtep(), text_of(world.c_vtep()));
    EXPECT_EQ(event.vni(), World::vni);
    EXPECT_EQ(event.source(), text_of(world.web_ip()));
    EXPECT_EQ(event.destination(), text_of(world.cache_ip()));
    EXPECT_EQ(event.source_port(), 1000U);
    EXPECT_EQ(event.port_out(), std::uint32_t{World::uplink});
    EXPECT_EQ(event.length_out(), event.length_in() + 50);
    EXPECT_FALSE(event.from_underlay());
}

TEST_F(Traced, PacketFromTheUnderlayHasItsVtepAndItsInnerAddresses) {
    const Packet packet = World::between(world.cache_ip(), world.web_ip());
    const TraceEvent event = only_event({.port = World::uplink, .frame = world.from_cache(packet), .sent = {}});
    EXPECT_EQ(event.stage(), static_cast<std::uint32_t>(WEFT_STAGE_deliver));
    EXPECT_TRUE(event.from_underlay());
    EXPECT_FALSE(event.outer());
    EXPECT_EQ(event.vtep(), text_of(world.c_vtep()));
    EXPECT_EQ(event.source(), text_of(world.cache_ip()));
    EXPECT_EQ(event.port_out(), std::uint32_t{World::web});
}

TEST_F(Traced, RuleIsTheSessionsForBothDirections) {
    ASSERT_TRUE(fixture.apply(
        World::policy(fastpath::DIRECTION_INGRESS, World::id_db, World::id_web, fastpath::VERDICT_ALLOW)));
    const Packet packet = udp(1000, world.db_ip());
    EXPECT_EQ(only_event(from_web(packet)).rule(), 7U);
    EXPECT_EQ(only_event(from_web(packet)).rule(), 7U) << "of the session that is known";
    const Step answer{.port = World::db, .frame = world.from_db(World::answer(packet)), .sent = {}};
    EXPECT_EQ(only_event(answer).rule(), 7U);
}

TEST_F(Traced, DeniedAnswerHasTheRuleThatDeniesItsQuestion) {
    const Packet packet = udp(1000, world.db_ip());
    EXPECT_EQ(only_event(from_web(packet)).rule(), 0U);
    ASSERT_TRUE(fixture.apply(
        World::policy(fastpath::DIRECTION_EGRESS, World::id_web, World::id_db, fastpath::VERDICT_DENY)));
    const Step answer{.port = World::db, .frame = world.from_db(World::answer(packet)), .sent = {}};
    const TraceEvent event = only_event(answer);
    EXPECT_EQ(event.drop_reason(), static_cast<std::uint32_t>(WEFT_DROP_egress_policy));
    EXPECT_EQ(event.rule(), 7U);
}

TEST_F(Traced, OnlyWhatMatchesIsToldAndTheRestGoesOn) {
    // A burst in which every third packet is wanted, runs of others between them.
    std::vector<Step> burst;
    for (std::uint16_t i = 0; i < burst_max; ++i)
        burst.push_back(from_web(udp(static_cast<std::uint16_t>(i % 3 == 0 ? 1000 : 2000 + i), world.db_ip())));
    Trace::Settings settings = everything(0);
    settings.filter.l4_port = 1000;
    Trace trace(1, settings, 1);
    Trace::Settings none = everything(0);
    none.filter.verdict = WEFT_TRACE_DROPPED;
    Trace nothing(2, none, 1);
    Fixture plain(TestHost::get().pool());
    ASSERT_TRUE(plain.apply(world.tables()));
    expect_same(plain.run(burst), fixture.run_traced(burst, {&trace, &nothing}));
    const auto events = events_of(trace);
    EXPECT_EQ(events.size(), (burst_max + 2) / 3);
    for (const TraceEvent& event : events) {
        EXPECT_EQ(event.source_port(), 1000U);
        EXPECT_TRUE(event.frame_in().empty() && event.frame_out().empty());
    }
    EXPECT_TRUE(events_of(nothing).empty());
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

TEST_F(Traced, DecisionsAreToldAndWhatFollowsThemIsNot) {
    const auto policy = [](fastpath::Verdict verdict) {
        return World::policy(fastpath::DIRECTION_EGRESS, World::id_web, 0, {{0, 0, verdict, 7, 8}});
    };
    Trace::Settings settings = everything();
    settings.filter.decisions = WEFT_DECIDED_ANY;
    Trace trace(1, settings, 1);
    settings.filter.decisions = WEFT_DECIDED_DENIED;
    Trace denials(2, settings, 1);
    const auto run = [&](const std::vector<Step>& burst) {
        static_cast<void>(fixture.run_traced(burst, {&trace, &denials}));
        return events_of(trace);
    };
    const Step first = from_web(udp(1000, world.db_ip()));
    const Step other = from_web(udp(1001, world.db_ip()));
    ASSERT_TRUE(fixture.apply(policy(fastpath::VERDICT_ALLOW)));
    auto events = run({first, first, first, other, first, other});
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[0].source_port(), 1000U);
    EXPECT_EQ(events[1].source_port(), 1001U);
    EXPECT_EQ(events[0].decided(), std::uint32_t{WEFT_DECIDED_ALLOWED | WEFT_DECIDED_AUDITED});
    EXPECT_EQ(events[0].rule(), 7U);
    EXPECT_EQ(events[0].audited_rule(), 8U);
    EXPECT_EQ(events[0].verdict(), fastpath::TRACE_VERDICT_FORWARDED);
    EXPECT_TRUE(events_of(denials).empty());
    // Every packet of a session that the tables now deny.
    ASSERT_TRUE(fixture.apply(policy(fastpath::VERDICT_DENY)));
    events = run({first, first});
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(events[1].decided(), std::uint32_t{WEFT_DECIDED_DENIED | WEFT_DECIDED_AUDITED});
    EXPECT_EQ(events_of(denials).size(), 2U);
    ASSERT_TRUE(fixture.apply(policy(fastpath::VERDICT_ALLOW)));
    EXPECT_TRUE(run({first, first}).empty()) << "it opened no session: that is there";
}

TEST_F(Traced, EachTraceHasItsOwnSnapLength) {
    Trace small(1, everything(20), 1);
    Trace large(2, everything(60), 1);
    const Step step = from_web(udp(1000, world.cache_ip()));
    static_cast<void>(fixture.run_traced({&step, 1}, {&small, &large}));
    for (auto [trace, size] : {std::pair(&small, 20U), std::pair(&large, 60U)}) {
        const auto events = events_of(*trace);
        ASSERT_EQ(events.size(), 1U);
        EXPECT_EQ(events[0].frame_in(), text_of(step.frame).substr(0, size));
        EXPECT_EQ(events[0].frame_out().size(), size);
        EXPECT_GT(events[0].length_in(), 20U);
    }
}

/// A port that takes packets from the pipeline, and then drops them all.
class FullPort final : public ObservedOutput {
  public:
    void push(std::uint32_t, rte_mbuf* packet) override { queue_.push_back(packet); }

    void flush() override {
        for (rte_mbuf* const packet : std::exchange(queue_, {})) {
            counts_.drops[WEFT_DROP_port_full].add(1);
            rte_pktmbuf_free(packet);
        }
    }

    [[nodiscard]] const PortCounts* counts(std::uint32_t) const override { return &counts_; }

  private:
    PortCounts counts_;
    std::vector<rte_mbuf*> queue_;
};

TEST(TracerAndPorts, WhatThePortDropsIsDroppedThere) {
    rte_mempool* const pool = TestHost::get().pool();
    Quiescence quiescence(1);
    Tables tables(quiescence);
    const auto sessions = SessionTable::make(1024, 1).value();
    RuleHits hits(quiescence, 1);
    Pipeline pipeline(tables, *sessions, pool, hits.of_worker(0));
    Tracer tracer(0, tables, *sessions, pipeline);
    ASSERT_TRUE(tables.apply(world.tables()));
    FullPort out;
    PortCounts counts;
    // A packet that nobody wants waits in the same port, and its drop is not the next one's.
    Trace::Settings settings = everything();
    settings.filter.l4_port = 1000;
    Trace narrow(2, settings, 1);
    std::vector<rte_mbuf*> burst;
    for (const std::uint16_t port : {std::uint16_t{2000}, std::uint16_t{1000}}) {
        Packet packet = World::between(world.web_ip(), world.cache_ip());
        packet.source_port = port;
        burst.push_back(cases::make_packet(pool, {.port = World::web, .frame = world.from_web(packet), .sent = {}}));
    }
    tracer.process({&narrow}, World::web, Role::endpoint, burst, counts, 1000, out);
    const auto events = events_of(narrow);
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].source_port(), 1000U);
    EXPECT_EQ(events[0].verdict(), fastpath::TRACE_VERDICT_DROPPED);
    EXPECT_EQ(events[0].drop_reason(), static_cast<std::uint32_t>(WEFT_DROP_port_full));
    EXPECT_EQ(events[0].stage(), static_cast<std::uint32_t>(WEFT_STAGE_port));
    EXPECT_EQ(events[0].port_out(), std::uint32_t{World::uplink});
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

TEST(Trace, FullRingLosesAndCounts) {
    Trace trace(1, everything(0), 1);
    const std::vector<std::uint8_t> record(sizeof(weft_trace_event));
    constexpr std::size_t puts = 20'000; // more than a ring holds
    for (std::size_t i = 0; i < puts; ++i)
        trace.put(0, record);
    EXPECT_GT(trace.lost(), 0U);
    const auto lost = trace.lost();
    EXPECT_EQ(events_of(trace).size() + lost, puts);
    trace.put(0, record);
    EXPECT_EQ(events_of(trace).size(), 1U) << "it goes on once there is room";
    EXPECT_EQ(trace.lost(), lost);
}

TEST(Trace, RateIsKeptAndTheRestCounted) {
    Trace::Settings settings = everything(0);
    settings.events_per_s = 10;
    Trace trace(1, settings, 2);
    const std::vector<std::uint8_t> record(sizeof(weft_trace_event));
    for (unsigned i = 0; i < 100; ++i)
        trace.put(i % 2, record);
    EXPECT_EQ(events_of(trace).size(), 10U) << "both workers together";
    EXPECT_EQ(trace.lost(), 90U);
}

} // namespace
} // namespace weft::dataplane
