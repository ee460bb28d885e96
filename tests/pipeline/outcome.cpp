// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/outcome.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/pipeline/world.hpp"

namespace weft::cases {

namespace {

constexpr const char* reason_names[] = {
#define WEFT_NAME(number, name, text) #name,
    WEFT_DROP_REASONS(WEFT_NAME)
#undef WEFT_NAME
};

} // namespace

void add_sent(Outcome& outcome, Sent sent) {
    if (sent.port == World::uplink && sent.frame.size() > ethernet_size + 40) {
        const std::size_t source_port = ethernet_size + ip_size(sent.frame);
        outcome.outer_source_ports.push_back(
            static_cast<std::uint16_t>(sent.frame[source_port] << 8 | sent.frame[source_port + 1]));
        put16(sent.frame, source_port, 0);
    }
    outcome.sent.push_back(std::move(sent));
}

const char* name_of(weft_drop_reason reason) { return reason_names[reason]; }

std::string describe(const std::map<weft_drop_reason, std::uint64_t>& drops) {
    std::string text;
    for (const auto& [reason, count] : drops)
        text += fmt::format("{}{} x{}", text.empty() ? "" : ", ", name_of(reason), count);
    return text.empty() ? "none" : text;
}

std::string compare(const Bytes& expected, const Bytes& got) {
    const auto line = [](const Bytes& bytes, std::size_t at) {
        std::string text;
        for (std::size_t i = at; i < std::min(at + 16, bytes.size()); ++i)
            text += fmt::format("{:02x} ", bytes[i]);
        return text;
    };
    std::string text = fmt::format("expected {} bytes, got {}\n", expected.size(), got.size());
    unsigned shown = 0;
    for (std::size_t at = 0; at < std::max(expected.size(), got.size()) && shown < 12; at += 16) {
        const std::string a = line(expected, at);
        const std::string b = line(got, at);
        if (a == b) continue;
        text += fmt::format("{:5}: expected {}\n       got      {}\n", at, a, b);
        ++shown;
    }
    return text;
}

void expect_outcome(const Step& step, weft_drop_reason reason, const Outcome& outcome) {
    std::map<weft_drop_reason, std::uint64_t> drops;
    if (reason != WEFT_DROP_none) drops[reason] = 1;
    ASSERT_EQ(drops, outcome.drops) << "expected " << describe(drops) << ", got " << describe(outcome.drops);
    ASSERT_EQ(outcome.sent.size(), step.sent.size());
    for (std::size_t i = 0; i < step.sent.size(); ++i) {
        EXPECT_EQ(outcome.sent[i].port, step.sent[i].port);
        EXPECT_EQ(outcome.sent[i].segment, step.sent[i].segment);
        EXPECT_TRUE(outcome.sent[i].frame == step.sent[i].frame)
            << compare(step.sent[i].frame, outcome.sent[i].frame);
    }
    for (const std::uint16_t port : outcome.outer_source_ports)
        EXPECT_GE(port, 49152);
}

std::vector<Hits> to_hits(const fastpath::RuleHitsReply& reply) {
    std::vector<Hits> all;
    for (const auto& each : reply.rules())
        all.push_back({each.rule(), each.connections(), each.denied(), each.audited()});
    std::ranges::sort(all);
    return all;
}

void PrintTo(const Hits& hits, std::ostream* out) {
    *out << fmt::format("rule {}: {} connections, {} denied, {} audited", hits.rule, hits.connections, hits.denied,
                        hits.audited);
}

void expect_hits(const Step& step, const std::vector<Hits>& hits) {
    if (!step.hits) return;
    EXPECT_EQ(*step.hits, hits);
}

} // namespace weft::cases
