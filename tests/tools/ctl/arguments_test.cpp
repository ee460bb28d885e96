// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include <gtest/gtest.h>

#include "tools/ctl/arguments.hpp"

namespace weft::ctl {
namespace {

using Words = std::vector<std::string>;

Outcome<Arguments> read(const Words& words) {
    static const Command root = all_commands();
    auto resolved = resolve(root, words);
    if (!resolved) return pass_on(std::move(resolved));
    return parse(*resolved);
}

std::string refusal(const Words& words) {
    const auto arguments = read(words);
    if (arguments) return "accepted";
    EXPECT_EQ(arguments.error().exit, Exit::usage);
    return arguments.error().message;
}

TEST(Arguments, GlobalOptionsStandAnywhere) {
    for (const Words& words : {Words{"-o", "json", "endpoint", "list"}, Words{"endpoint", "-o", "json", "list"},
                               Words{"endpoint", "list", "-ojson"}, Words{"endpoint", "--output=json", "list"}}) {
        const auto arguments = read(words);
        ASSERT_TRUE(arguments) << arguments.error().message;
        EXPECT_EQ(arguments->get("output"), "json");
    }
}

TEST(Arguments, OptionsRepeatWhereTheyMay) {
    const auto arguments = read({"endpoint", "add", "web-1", "--label", "a=b", "--netns", "n", "--label=c=d=e"});
    ASSERT_TRUE(arguments) << arguments.error().message;
    EXPECT_EQ(arguments->all("label"), (Words{"a=b", "c=d=e"}));
    EXPECT_EQ(arguments->get("NAME"), "web-1");
}

std::string first_clause(const std::string& sentence) { return sentence.substr(0, sentence.find("; `")); }

TEST(Arguments, TwiceAndMissingAndTooMany) {
    EXPECT_EQ(first_clause(refusal({"endpoint", "add", "x", "--netns", "a", "--netns", "b"})),
              "--netns is given twice");
    EXPECT_EQ(refusal({"endpoint", "show"}),
              "weft endpoint show needs NAME; `weft endpoint show --help` explains it");
    EXPECT_EQ(first_clause(refusal({"endpoint", "show", "a", "b"})),
              "'b' is one word too many for weft endpoint show");
    EXPECT_EQ(first_clause(refusal({"endpoint", "show", ""})), "NAME is empty");
    EXPECT_EQ(first_clause(refusal({"endpoint", "add", "x", "--netns"})), "--netns needs its PATH");
    EXPECT_EQ(first_clause(refusal({"endpoint", "add", "x", "--netns="})), "--netns needs its PATH");
    EXPECT_EQ(first_clause(refusal({"status", "--help=yes"})), "--help takes no value");
}

TEST(Arguments, UnknownWordsNameTheNearest) {
    EXPECT_EQ(refusal({"endpont", "list"}), "weft has no command 'endpont'; did you mean 'endpoint'?");
    EXPECT_EQ(refusal({"endpoint", "lst"}), "weft endpoint has no verb 'lst'; did you mean 'list'?");
    EXPECT_EQ(refusal({"endpoint", "add", "x", "--labels", "a=b"}),
              "weft endpoint add has no option --labels; did you mean '--label'?");
    EXPECT_EQ(refusal({"route", "list", "--view", "adjin"}), "--view 'adjin' is not known; did you mean 'adj-in'?");
    EXPECT_EQ(refusal({"route", "list", "--view", "zzz"}),
              "--view 'zzz' is not known; there are adj-in, loc, fib, adj-out");
    EXPECT_EQ(refusal({"zzzzzz"}), "weft has no command 'zzzzzz'; `weft --help` explains it");
    EXPECT_EQ(refusal({"status", "--zzzzzz"}),
              "weft status has no option --zzzzzz; `weft status --help` explains it");
    EXPECT_EQ(refusal({"status", "-z"}), "weft status has no option -z; `weft status --help` explains it");
    EXPECT_EQ(refusal({"--zzzzzz"}), "weft has no option --zzzzzz; `weft --help` explains it");
}

TEST(Arguments, APartOfAnOptionIsNotTheOption) {
    EXPECT_EQ(refusal({"status", "--sock", "x"}), "weft status has no option --sock; did you mean '--socket'?");
}

TEST(Arguments, AHiddenCommandIsNeverProposed) {
    EXPECT_EQ(refusal({"__complet"}), "weft has no command '__complet'; `weft --help` explains it");
}

TEST(Arguments, AValueMayBeLeftOutWhereTheHelpSaysSo) {
    EXPECT_EQ(read({"counters", "--watch"})->get("watch"), "1");
    EXPECT_EQ(read({"counters", "--watch", "5"})->get("watch"), "5");
    EXPECT_EQ(read({"counters", "-w", "0.5"})->get("watch"), "0.5");
    const auto named = read({"counters", "--watch", "web-1"});
    EXPECT_EQ(named->get("watch"), "1");
    EXPECT_EQ(named->get("PORT"), "web-1");
    EXPECT_FALSE(read({"counters"})->has("watch"));
}

TEST(Arguments, BehindTwoDashesEverythingIsAnOperand) {
    const auto arguments = read({"__complete", "--", "endpoint", "--label", ""});
    ASSERT_TRUE(arguments) << arguments.error().message;
    EXPECT_EQ(arguments->all("WORD"), (Words{"endpoint", "--label", ""}));
    EXPECT_EQ(read({"endpoint", "show", "--", "--help"})->get("NAME"), "--help");
}

TEST(Arguments, ADashAloneIsStandardInput) {
    EXPECT_EQ(read({"policy", "apply", "-f", "-"})->all("file"), (Words{"-"}));
}

TEST(Arguments, HelpIsSeenOnEveryLevel) {
    const Command root = all_commands();
    for (const Words& words : {Words{"--help"}, Words{"endpoint", "-h"}, Words{"endpoint", "add", "--help"},
                               Words{"endpoint", "--help", "add"}})
        EXPECT_TRUE(resolve(root, words)->wants_help);
    EXPECT_EQ(resolve(root, Words{"endpoint", "--help", "add"})->words(), "weft endpoint add");
    EXPECT_FALSE(resolve(root, Words{"endpoint", "show", "--", "--help"})->wants_help);
}

TEST(Labels, AreKeyAndValue) {
    EXPECT_EQ(*parse_labels(Words{"a=b", "c="}), (std::map<std::string, std::string>{{"a", "b"}, {"c", ""}}));
    EXPECT_EQ(parse_labels(Words{"a"}).error().message, "label 'a' is not of the form key=value");
    EXPECT_FALSE(parse_labels(Words{"=b"}));
    EXPECT_EQ(parse_labels(Words{"a=b", "a=c"}).error().message,
              "label 'a' is given twice; an endpoint has one value for each key");
}

TEST(Numbers, AreWholeAndInRange) {
    EXPECT_EQ(*parse_number("PORT", "65535", 1, 65535), 65535U);
    for (const char* const text : {"0", "65536", "80x", "", "-1", "+80", " 80", "0x50", "99999999999999999999"})
        EXPECT_FALSE(parse_number("PORT", text, 1, 65535)) << text;
    EXPECT_EQ(parse_number("PORT", "http", 1, 65535).error().message, "PORT 'http' is not a number from 1 to 65535");
    EXPECT_DOUBLE_EQ(*parse_seconds("--watch", "0.5", 0.1, 10), 0.5);
    for (const char* const text : {"0", "nan", "inf", "1s", "11", "1e1"})
        EXPECT_FALSE(parse_seconds("--watch", text, 0.1, 10)) << text;
}

/// Every command of the tree is well formed: what help and completion print can be parsed.
void check_tree(const Command& command, const std::string& words) {
    EXPECT_FALSE(command.summary.empty()) << words;
    EXPECT_NE(command.run == nullptr, command.verbs.empty()) << words << " is either a noun or a verb";
    EXPECT_TRUE(command.hidden || !command.examples.empty() || command.name == "version")
        << words << " teaches by example";
    bool optional = false;
    for (const Operand& operand : command.operands) {
        EXPECT_FALSE(optional && operand.required)
            << words << " " << operand.name << " stands behind an optional one";
        optional = !operand.required;
        EXPECT_TRUE(!operand.repeatable || &operand == &command.operands.back()) << words;
    }
    const std::vector<Option> options = options_of(command);
    for (const Option& option : options)
        EXPECT_EQ(std::ranges::count(options, option.name, &Option::name), 1) << words << " --" << option.name;
    for (const Command& verb : command.verbs)
        check_tree(verb, words + " " + std::string(verb.name));
}

TEST(Commands, TheTreeIsWellFormed) { check_tree(all_commands(), "weft"); }

} // namespace
} // namespace weft::ctl
