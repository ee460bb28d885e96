// SPDX-License-Identifier: BSD-3-Clause
// Every packet case through the eBPF programs, as far as BPF_PROG_TEST_RUN can do it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/pipeline/ebpf_runner.hpp"

namespace weft::cases {
namespace {

const std::vector<PacketCase>& cases_of_the_table() {
    static const std::vector<PacketCase> cases = all_cases();
    return cases;
}

/// What BPF_PROG_TEST_RUN cannot do is left to the cases on devices.
std::vector<std::size_t> runnable_cases() {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < cases_of_the_table().size(); ++i)
        if (std::ranges::none_of(cases_of_the_table()[i].steps,
                                 [](const Step& step) { return EbpfFixture::cannot_run_alone(step) != nullptr; }))
            numbers.push_back(i);
    return numbers;
}

class Ebpf : public testing::TestWithParam<std::size_t> {};

TEST_P(Ebpf, Case) {
    if (geteuid() != 0) GTEST_SKIP() << "eBPF programs need root";
    const PacketCase& each = cases_of_the_table()[GetParam()];
    EbpfFixture fixture(each.sessions_max);
    run_case(fixture, each);
}

INSTANTIATE_TEST_SUITE_P(Cases, Ebpf, testing::ValuesIn(runnable_cases()),
                         [](const auto& info) { return cases_of_the_table()[info.param].name; });

TEST(EbpfCases, MostCanRun) { EXPECT_GT(runnable_cases().size() * 10, cases_of_the_table().size() * 9); }

} // namespace
} // namespace weft::cases
