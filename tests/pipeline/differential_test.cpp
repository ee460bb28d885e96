// SPDX-License-Identifier: BSD-3-Clause
// Random tables and packets, many of them malformed, through both fast paths: each packet must meet the same fate in
// both, to the byte, and a trace tell the same of it.
//
// A round is a host of each kind that just started, with tables of its own and several hundred packets. It depends on
// nothing but the seed and its number, so that a difference can be had again alone:
//
//   WEFT_SEED=N       another seed
//   WEFT_ROUND=N      this round only
//   WEFT_PACKETS=N    so many packets instead of those of CI
#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/ebpf_runner.hpp"
#include "tests/pipeline/random_packets.hpp"
#include "tests/pipeline/random_tables.hpp"
#include "tests/pipeline/test_host.hpp"

namespace weft::cases {
namespace {

constexpr std::uint64_t packets_in_ci = 200'000;
constexpr unsigned packets_per_round = 500;
constexpr std::size_t one_buffer = 2048; // of the DPDK fast path
/// Time advances in steps of this. No multiple of it is within a second of any timeout: the kernel's clock runs by
/// itself, and may tick while a packet is under way.
constexpr std::uint32_t time_step_s = 13;

/// Reasons that no packet of this test can meet in both fast paths.
constexpr weft_drop_reason elsewhere[] = {
    WEFT_DROP_port_down,           // no port is down here
    WEFT_DROP_port_full,           // the sending port's, of the DPDK fast path
    WEFT_DROP_rx_overrun,          // the device's
    WEFT_DROP_unknown_handover,    // of an upgrade of the eBPF fast path
    WEFT_DROP_no_buffer,           // an exhausted pool's
    WEFT_DROP_unsupported_offload, // a test run has no offloads
    WEFT_DROP_fragmented_outer,    // these stay with the host
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
}

std::string hex(const Bytes& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

std::string describe_outcome(const Outcome& outcome) {
    std::string text = "dropped: " + describe(outcome.drops);
    for (std::size_t i = 0; i < outcome.sent.size(); ++i)
        text += fmt::format("; sent to port {}: {} bytes", outcome.sent[i].port, outcome.sent[i].frame.size());
    for (const std::uint16_t port : outcome.outer_source_ports)
        text += fmt::format(", outer source port {}", port);
    return text;
}

/// Empty: none.
std::string difference(const Outcome& dpdk, const Outcome& ebpf) {
    const bool same_ways = dpdk.drops == ebpf.drops && dpdk.sent.size() == ebpf.sent.size() &&
                           dpdk.outer_source_ports == ebpf.outer_source_ports;
    std::string text;
    for (std::size_t i = 0; same_ways && i < dpdk.sent.size(); ++i)
        if (dpdk.sent[i].port != ebpf.sent[i].port || dpdk.sent[i].frame != ebpf.sent[i].frame)
            text += "frames (\"expected\" is DPDK's): " + compare(dpdk.sent[i].frame, ebpf.sent[i].frame);
    if (same_ways && text.empty()) return {};
    return fmt::format("DPDK: {}\neBPF: {}\n{}", describe_outcome(dpdk), describe_outcome(ebpf), text);
}

/// The trace of the DPDK fast path; that of the eBPF one is its host's. 0: of everything.
dataplane::Trace trace_of(std::uint8_t decisions) {
    dataplane::Trace::Settings settings{.filter = {}, .snap_length = WEFT_TRACE_SNAP_MAX, .events_per_s = 0};
    settings.filter.decisions = decisions;
    return {1, settings, 1};
}

/// Empty: none. When a packet came is each fast path's own.
std::string difference(const std::vector<fastpath::TraceEvent>& dpdk, const std::vector<fastpath::TraceEvent>& ebpf) {
    const auto text_of_all = [](std::vector<fastpath::TraceEvent> events) {
        std::string text;
        for (fastpath::TraceEvent& event : events) {
            if (event.time_unix_ns() == 0) text += "without a time\n";
            event.clear_time_unix_ns();
            text += event.ShortDebugString() + "\n";
        }
        return text;
    };
    const std::string dpdk_tells = text_of_all(dpdk);
    const std::string ebpf_tells = text_of_all(ebpf);
    return dpdk_tells == ebpf_tells ? "" : fmt::format("DPDK tells {}eBPF tells {}", dpdk_tells, ebpf_tells);
}

/// The frames of all packet cases, by the families of their world.
const std::vector<Arrival>& frames_of_cases(int inner, int outer) {
    static const auto all = [] {
        std::map<std::pair<int, int>, std::vector<Arrival>> frames;
        for (const PacketCase& each : all_cases())
            for (const Step& step : each.steps)
                if (step.frame.size() <= one_buffer)
                    frames[{each.inner, each.outer}].push_back({step.port, step.frame});
        return frames;
    }();
    return all.at({inner, outer});
}

/// What became of the packets of a run.
struct Tally {
    std::uint64_t compared = 0;
    std::uint64_t with_the_host = 0; ///< not VXLAN at all
    std::uint64_t in_fragments = 0;  ///< of these: that we made
    std::uint64_t cannot_run = 0;
    std::uint64_t told = 0;         ///< to traces
    std::uint64_t told_decided = 0; ///< of these: to those that want decisions
    std::uint64_t hits = 0;         ///< of rules
    std::uint64_t audited = 0;
    std::uint64_t sent = 0;
    std::uint64_t in_sessions = 0; ///< of these: that opened none
    std::uint64_t updates = 0;
    std::uint64_t updates_refused = 0;
    std::array<std::uint64_t, WEFT_DROP_REASON_COUNT> drops{};
    std::map<std::string, std::uint64_t> errors; ///< ICMP errors, by the reason that they tell

    [[nodiscard]] std::string text() const {
        std::string text = fmt::format(
            "{} packets compared: {} sent, {} of them without opening a session; {} stayed with "
            "the host, {} left in fragments, "
            "{} no test run can do; {} told to traces, {} of them for what was decided; {} hits of rules, {} of "
            "audited ones; {} table updates, {} refused\n",
            compared, sent, in_sessions, with_the_host, in_fragments, cannot_run, told, told_decided, hits, audited,
            updates, updates_refused);
        for (std::size_t i = 0; i < drops.size(); ++i)
            if (drops[i] != 0)
                text += fmt::format("{:>24} {}\n", name_of(static_cast<weft_drop_reason>(i)), drops[i]);
        for (const auto& [reason, count] : errors)
            text += fmt::format("{:>24} {}, with an ICMP error\n", reason, count);
        return text;
    }
};

class Round {
  public:
    Round(std::uint64_t seed, std::uint64_t number, Tally& tally) :
        seed_(seed),
        number_(number),
        tally_(tally),
        random_(seed + number * 0x9e3779b97f4a7c15ULL),
        world_{number % 2 == 0 ? 4 : 6, number / 2 % 2 == 0 ? 4 : 6},
        traced_(number / 4 % 4 >= 2),
        decisions_(number / 4 % 4 == 2 ? WEFT_DECIDED_ANY : 0),
        sessions_max_(random_.chance(30) ? 64 : 1024),
        dpdk_(TestHost::get().pool(), sessions_max_),
        ebpf_(sessions_max_, EbpfDevices::get(), EbpfFixture::Entrance::test_run) {}

    /// Stops at the first difference, which fails the test.
    void run() {
        RandomTables tables(world_, random_);
        RandomPackets packets(world_, frames_of_cases(world_.inner, world_.outer), random_);
        if (traced_) ebpf_.trace(decisions_);
        ASSERT_NO_FATAL_FAILURE(apply(tables.first()));
        for (packet_ = 0; packet_ < packets_per_round; ++packet_) {
            if (random_.chance(4)) {
                ASSERT_NO_FATAL_FAILURE(apply(tables.next()));
            }
            if (random_.chance(2)) now_s_ += time_step_s * random_.one_of({1U, 1U, 1U, 2U, 3U, 10U, 47U, 600U});
            Arrival arrival = packets.next();
            ASSERT_NO_FATAL_FAILURE(pass({.tables = {},
                                          .now_s = now_s_,
                                          .port = arrival.port,
                                          .frame = std::move(arrival.frame),
                                          .sent = {}}));
        }
        EXPECT_EQ(dpdk_.sessions().size(), ebpf_.sessions()) << how_to_repeat();
        EXPECT_EQ(dpdk_.hits(), ebpf_.hits()) << how_to_repeat();
        for (const Hits& each : dpdk_.hits()) {
            tally_.hits += each.connections + each.denied;
            tally_.audited += each.audited;
        }
    }

  private:
    [[nodiscard]] std::string how_to_repeat() const {
        return fmt::format("seed {}, round {}, packet {}; again: WEFT_SEED={} WEFT_ROUND={} "
                           "build/tests/pipeline/differential-test",
                           seed_, number_, packet_, seed_, number_);
    }

    void apply(const fastpath::TableUpdate& update) {
        const auto dpdk = dpdk_.apply(update);
        const auto ebpf = ebpf_.apply(update);
        const std::string dpdk_says = dpdk ? "applied" : dpdk.error().message;
        const std::string ebpf_says = ebpf ? "applied" : ebpf.error().message;
        ASSERT_EQ(dpdk_says, ebpf_says) << how_to_repeat() << "\n" << update.ShortDebugString();
        ++tally_.updates;
        tally_.updates_refused += dpdk ? 0 : 1;
    }

    void pass(const Step& step) {
        if (EbpfFixture::cannot_run(step) != nullptr || step.frame.size() > one_buffer) {
            ++tally_.cannot_run;
            return;
        }
        const Outcome ebpf = traced_ ? ebpf_.run_traced(step) : ebpf_.run(step);
        const auto ebpf_events = traced_ ? ebpf_.take_events() : std::vector<fastpath::TraceEvent>();
        if (EbpfFixture::expected_reason(step) == WEFT_DROP_not_vxlan) {
            Outcome stays;
            stays.drops[WEFT_DROP_not_vxlan] = 1;
            ASSERT_EQ(difference(stays, ebpf), "") << how_to_repeat() << "\nframe " << hex(step.frame);
            ASSERT_TRUE(ebpf_events.empty()) << how_to_repeat() << "\nframe " << hex(step.frame);
            ++tally_.with_the_host;
            return;
        }
        const std::size_t sessions = dpdk_.sessions().size();
        const Outcome dpdk = traced_ ? dpdk_.run_traced({&step, 1}, {&trace_}) : dpdk_.run(step);
        auto dpdk_events = traced_ ? events_of(trace_) : std::vector<fastpath::TraceEvent>();
        if (dpdk.drops.contains(WEFT_DROP_not_vxlan))
            dpdk_events.clear(); // the host's, and none of a trace's business
        ASSERT_EQ(difference(dpdk, ebpf), "")
            << how_to_repeat() << "\nin on port " << step.port << " at second " << step.now_s << ", inner IPv"
            << world_.inner << ", outer IPv" << world_.outer << "\nframe " << hex(step.frame);
        ASSERT_EQ(difference(dpdk_events, ebpf_events), "") << how_to_repeat() << "\nframe " << hex(step.frame);
        tally_.told += ebpf_events.size();
        tally_.told_decided += decisions_ != 0 ? ebpf_events.size() : 0;
        count(dpdk, dpdk_.sessions().size() == sessions);
    }

    void count(const Outcome& outcome, bool opened_none) {
        ++tally_.compared;
        tally_.in_fragments += outcome.sent.size() > 1 ? 1 : 0;
        if (outcome.drops.empty()) {
            ++tally_.sent;
            tally_.in_sessions += opened_none ? 1 : 0;
        }
        for (const auto& [reason, number] : outcome.drops) {
            tally_.drops[reason] += number;
            if (!outcome.sent.empty()) ++tally_.errors[name_of(reason)];
        }
    }

    std::uint64_t seed_;
    std::uint64_t number_;
    Tally& tally_;
    Random random_;
    World world_;
    bool traced_;            ///< half of the rounds, of all families
    std::uint8_t decisions_; ///< of half of these: the trace wants these, else everything
    std::size_t sessions_max_;
    dataplane::Trace trace_ = trace_of(decisions_);
    Fixture dpdk_;
    EbpfFixture ebpf_;
    unsigned packet_ = 0;
    std::uint32_t now_s_ = 1000;
};

void expect_variety(const Tally& tally) {
    for (int number = 1; number < WEFT_DROP_REASON_COUNT; ++number) {
        const auto reason = static_cast<weft_drop_reason>(number);
        if (std::ranges::find(elsewhere, reason) != std::end(elsewhere)) continue;
        EXPECT_GT(tally.drops[reason], 0U) << "no packet was dropped as " << name_of(reason);
    }
    for (const weft_drop_reason reason :
         {WEFT_DROP_ttl_exceeded, WEFT_DROP_packet_too_big, WEFT_DROP_no_route, WEFT_DROP_blackhole})
        EXPECT_TRUE(tally.errors.contains(name_of(reason))) << "no ICMP error told of " << name_of(reason);
    EXPECT_GT(tally.sent * 10, tally.compared) << "less than a tenth of the packets went on";
    EXPECT_GT(tally.in_sessions * 20, tally.compared) << "less than a twentieth of the packets had a session";
    EXPECT_LT(tally.cannot_run * 20, tally.compared) << "too many packets that no test run can do";
    EXPECT_GT(tally.in_fragments, 100U) << "hardly any packet was cut";
    EXPECT_GT(tally.told * 10, tally.compared) << "less than a tenth of the packets were told to traces";
    EXPECT_GT(tally.told_decided * 100, tally.compared) << "hardly any decision was told to traces";
    EXPECT_GT(tally.hits * 50, tally.compared) << "rules have hardly any hits";
    EXPECT_GT(tally.audited * 500, tally.compared) << "audited rules have hardly any";
    EXPECT_GT(tally.updates, 2 * tally.updates_refused) << "too many table updates were refused";
}

TEST(Differential, BothFastPathsDoTheSame) {
    if (geteuid() != 0) GTEST_SKIP() << "eBPF programs need root";
    const std::uint64_t seed = setting("WEFT_SEED", 1);
    const std::uint64_t wanted = setting("WEFT_PACKETS", packets_in_ci);
    std::cout << "seed " << seed << std::endl;
    const auto begin = std::chrono::steady_clock::now();
    Tally tally;
    if (const char* const only = std::getenv("WEFT_ROUND"); only != nullptr) {
        Round(seed, std::strtoull(only, nullptr, 10), tally).run();
        std::cout << tally.text();
        return;
    }
    for (std::uint64_t number = 0; tally.compared < wanted && !HasFatalFailure(); ++number) {
        ASSERT_LT(number, wanted / packets_per_round * 2 + 1) << "most packets could not be compared";
        Round(seed, number, tally).run();
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << tally.text()
              << fmt::format("{:.0f} packets/s\n", static_cast<double>(tally.compared) / took.count());
    if (HasFatalFailure()) return;
    EXPECT_GE(tally.compared, wanted);
    if (wanted >= packets_in_ci) expect_variety(tally);
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

/// Of everything, or of what policy decides.
class Traces : public testing::TestWithParam<int> {};

TEST_P(Traces, TellTheSameOfEveryCase) {
    if (geteuid() != 0) GTEST_SKIP() << "eBPF programs need root";
    const auto decisions = static_cast<std::uint8_t>(GetParam());
    std::map<fastpath::TraceVerdict, unsigned> verdicts;
    for (const PacketCase& each : all_cases()) {
        if (std::ranges::any_of(each.steps,
                                [](const Step& step) { return EbpfFixture::cannot_run(step) != nullptr; }))
            continue;
        SCOPED_TRACE(each.name);
        Fixture dpdk(TestHost::get().pool(), each.sessions_max);
        EbpfFixture ebpf(each.sessions_max, EbpfDevices::get(), EbpfFixture::Entrance::test_run);
        dataplane::Trace trace = trace_of(decisions);
        ebpf.trace(decisions);
        for (const Step& step : each.steps) {
            ASSERT_TRUE(dpdk.apply(step.tables) && ebpf.apply(step.tables));
            ASSERT_NO_FATAL_FAILURE(expect_outcome(step, EbpfFixture::expected_reason(step), ebpf.run_traced(step)));
            static_cast<void>(dpdk.run_traced({&step, 1}, {&trace}));
            const auto dpdk_events = events_of(trace);
            const auto ebpf_events = ebpf.take_events();
            if (step.offload.checksum) continue; // in a test run they are complete
            if (EbpfFixture::expected_reason(step) == WEFT_DROP_not_vxlan) {
                ASSERT_TRUE(ebpf_events.empty()) << "the host's packets are none of a trace's business";
                continue;
            }
            ASSERT_EQ(difference(dpdk_events, ebpf_events), "");
            ASSERT_TRUE(decisions != 0 || !ebpf_events.empty());
            if (!ebpf_events.empty()) ++verdicts[ebpf_events[0].verdict()];
        }
    }
    EXPECT_GT(verdicts[fastpath::TRACE_VERDICT_FORWARDED], 50U);
    EXPECT_GT(verdicts[fastpath::TRACE_VERDICT_DROPPED], 50U);
    EXPECT_EQ(verdicts[fastpath::TRACE_VERDICT_ANSWERED] > 3, decisions == 0) << "policy has no say in answers";
}

INSTANTIATE_TEST_SUITE_P(All, Traces, testing::Values(0, int{WEFT_DECIDED_ANY}),
                         [](const auto& info) { return info.param == 0 ? "Everything" : "Decisions"; });

} // namespace
} // namespace weft::cases
