// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "tools/ctl/complete.hpp"

namespace weft::ctl {
namespace {

std::vector<Candidate> some_names(Completes completes, std::span<const std::string>) {
    switch (completes) {
    case Completes::endpoint:
        return {{"web-1", "10.244.0.2"}, {"web-2", "10.244.0.3"}, {"db", "10.244.0.4"}};
    case Completes::peer:
        return {{"2001:db8::1", ""}};
    default:
        return {};
    }
}

std::string offered(const std::vector<std::string>& words) {
    static const Command root = all_commands();
    const Candidates candidates = complete(root, words, some_names);
    std::string text = candidates.files ? "FILES" : "";
    for (const Candidate& candidate : candidates.words)
        text += (text.empty() ? "" : " ") + candidate.word;
    return text;
}

TEST(Complete, NounsThenVerbs) {
    EXPECT_EQ(offered({"e"}), "endpoint explain");
    EXPECT_EQ(offered({"endpoint", ""}), "list show add delete");
    EXPECT_EQ(offered({"-o", "json", "peer", "s"}), "show");
    EXPECT_EQ(offered({"help", "pol"}), "policy");
    EXPECT_EQ(offered({"help", "policy", "a"}), "apply");
    EXPECT_EQ(offered({"__"}), "");
}

TEST(Complete, OptionsOfTheCommandAndOfAll) {
    EXPECT_EQ(offered({"endpoint", "add", "x", "--n"}), "--netns --namespace --named-port --network");
    EXPECT_EQ(offered({"status", "--s"}), "--socket");
    EXPECT_EQ(offered({"endpoint", "show", "--", "--s"}), "");
}

TEST(Complete, ValuesOfOptions) {
    EXPECT_EQ(offered({"route", "list", "--view", "a"}), "adj-in adj-out");
    EXPECT_EQ(offered({"route", "list", "--view=f"}), "--view=fib");
    EXPECT_EQ(offered({"route", "list", "--peer", "2001:"}), "2001:db8::1");
    EXPECT_EQ(offered({"policy", "apply", "-f", ""}), "FILES");
    EXPECT_EQ(offered({"-o", ""}), "table json");
}

TEST(Complete, OperandsByTheirPlace) {
    EXPECT_EQ(offered({"endpoint", "delete", "w"}), "web-1 web-2");
    EXPECT_EQ(offered({"endpoint", "delete", "web-1", ""}), "");
    EXPECT_EQ(offered({"explain", "web-1", "d"}), "db");
    EXPECT_EQ(offered({"explain", "web-1", "db", ""}), "tcp udp sctp icmp");
    EXPECT_EQ(offered({"explain", "--network", "blue", "web-1", "db", "u"}), "udp");
    EXPECT_EQ(offered({"counters", "web-1", "web-"}), "web-1 web-2");
    EXPECT_EQ(offered({"counters", "--watch", "w"}), "web-1 web-2");
    EXPECT_EQ(offered({"endpoint", "add", ""}), "");
    EXPECT_EQ(offered({}), "");
}

} // namespace
} // namespace weft::ctl
