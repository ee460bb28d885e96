// SPDX-License-Identifier: BSD-3-Clause
// Every packet case through the DPDK pipeline, and that every drop reason has one.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::cases {
namespace {

const std::vector<PacketCase>& cases_of_the_table() {
    static const std::vector<PacketCase> cases = all_cases();
    return cases;
}

class Pipeline : public testing::TestWithParam<std::size_t> {};

TEST_P(Pipeline, Case) {
    const PacketCase& each = cases_of_the_table()[GetParam()];
    const TestHost& host = TestHost::get();
    Fixture fixture(host.pool(), each.sessions_max);
    for (std::size_t number = 0; number < each.steps.size(); ++number) {
        const Step& step = each.steps[number];
        SCOPED_TRACE(fmt::format("step {}", number + 1));
        const auto applied = fixture.apply(step.tables);
        ASSERT_TRUE(applied) << applied.error().message;
        ASSERT_NO_FATAL_FAILURE(expect_outcome(step, step.reason, fixture.run(step)));
        expect_hits(step, fixture.hits());
    }
    EXPECT_EQ(host.buffers_in_use(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Cases, Pipeline, testing::Range(std::size_t{0}, cases_of_the_table().size()),
                         [](const auto& info) { return cases_of_the_table()[info.param].name; });

/// What came out, in no order: answers leave a burst before what has a session.
std::multiset<std::pair<std::uint32_t, Bytes>> frames_of(const std::vector<Sent>& all) {
    std::multiset<std::pair<std::uint32_t, Bytes>> frames;
    for (const Sent& sent : all)
        frames.insert({sent.port, sent.frame});
    return frames;
}

class Bursts : public testing::TestWithParam<std::tuple<int, int, std::uint32_t>> {};

TEST_P(Bursts, GiveWhatSinglePacketsGive) {
    const auto& [inner, outer, port] = GetParam();
    // Packets of all cases between the same tables, at one port, whatever they are: some open sessions that others
    // use.
    std::vector<Step> steps;
    for (const PacketCase& each : cases_of_the_table())
        if (each.inner == inner && each.outer == outer)
            for (const Step& step : each.steps)
                if (step.port == port && steps.size() < 2000) {
                    steps.push_back(step);
                    steps.back().now_s = 1000;
                }
    ASSERT_GT(steps.size(), 30U);
    const TestHost& host = TestHost::get();
    const fastpath::TableUpdate tables = World{inner, outer}.tables();
    Fixture alone(host.pool());
    Fixture together(host.pool());
    ASSERT_TRUE(alone.apply(tables) && together.apply(tables));
    for (std::size_t done = 0; done < steps.size();) {
        const std::size_t count = std::min<std::size_t>(1 + done % dataplane::burst_max, steps.size() - done);
        Outcome expected;
        for (std::size_t i = done; i < done + count; ++i) {
            const Outcome one = alone.run(steps[i]);
            expected.sent.insert(expected.sent.end(), one.sent.begin(), one.sent.end());
            for (const auto& [reason, number] : one.drops)
                expected.drops[reason] += number;
        }
        const Outcome got = together.run(std::span(steps).subspan(done, count));
        ASSERT_EQ(expected.drops, got.drops) << "packets " << done << " to " << done + count;
        ASSERT_TRUE(frames_of(expected.sent) == frames_of(got.sent)) << "packets " << done << " to " << done + count;
        done += count;
    }
    EXPECT_EQ(alone.sessions().size(), together.sessions().size());
    EXPECT_EQ(host.buffers_in_use(), 0U);
}

std::string burst_name(const testing::TestParamInfo<Bursts::ParamType>& info) {
    const auto& [inner, outer, port] = info.param;
    return fmt::format("v{}_in_v{}_{}", inner, outer, port == World::uplink ? "underlay" : "endpoint");
}

INSTANTIATE_TEST_SUITE_P(All, Bursts,
                         testing::Combine(testing::Values(4, 6), testing::Values(4, 6),
                                          testing::Values(std::uint32_t{World::web}, std::uint32_t{World::uplink})),
                         burst_name);

TEST(Cases, NamesAreUnique) {
    std::set<std::string> names;
    for (const PacketCase& each : cases_of_the_table())
        EXPECT_TRUE(names.insert(each.name).second) << each.name;
}

TEST(Cases, EveryDropReasonHasOne) {
    // Reasons that the pipeline itself cannot give: who gives them, and where that is tested.
    const std::map<weft_drop_reason, std::string> elsewhere = {
        {WEFT_DROP_none, "not a drop"},
        {WEFT_DROP_port_down, "the worker and the port that sends: tests/dataplane/one_host_test.py"},
        {WEFT_DROP_port_full, "the port that sends: tests/dataplane/ethdev_port_test.cpp"},
        {WEFT_DROP_rx_overrun, "the device: tests/lab/failures_test.py"},
        {WEFT_DROP_unknown_handover, "between two eBPF programs: tests/pipeline/ebpf_devices_test.cpp"},
        {WEFT_DROP_no_buffer,
         "an exhausted pool, which is no part of a case: tests/dataplane/fragment_test.cpp, gso_test.cpp"},
    };
    std::set<weft_drop_reason> seen;
    for (const PacketCase& each : cases_of_the_table())
        for (const Step& step : each.steps)
            seen.insert(step.reason);
    for (int number = 0; number < WEFT_DROP_REASON_COUNT; ++number) {
        const auto reason = static_cast<weft_drop_reason>(number);
        if (elsewhere.contains(reason)) continue;
        EXPECT_TRUE(seen.contains(reason))
            << "no packet case is dropped as " << name_of(static_cast<weft_drop_reason>(number));
    }
}

TEST(Stages, SpecificationNamesEveryDropReason) {
    std::ifstream file(WEFT_SOURCE_ROOT "/dataplane/pipeline/stages.md");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    ASSERT_FALSE(text.empty());
    for (int number = 1; number < WEFT_DROP_REASON_COUNT; ++number)
        EXPECT_NE(text.find(fmt::format("`{}`", name_of(static_cast<weft_drop_reason>(number)))), std::string::npos)
            << name_of(static_cast<weft_drop_reason>(number));
}

} // namespace
} // namespace weft::cases
