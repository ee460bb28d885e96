// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>

#include <gtest/gtest.h>

#include "tools/ctl/text.hpp"

namespace weft::ctl {
namespace {

constexpr std::string_view verbs[] = {"list", "show", "add", "delete", "watch"};

TEST(Nearest, TypingMistakesFindTheName) {
    EXPECT_EQ(nearest("lst", verbs), "list");
    EXPECT_EQ(nearest("lits", verbs), "list");
    EXPECT_EQ(nearest("ad", verbs), "add");
    EXPECT_EQ(nearest("deleet", verbs), "delete");
}

TEST(Nearest, ABeginningIsNearWhateverItsLength) {
    constexpr std::string_view nouns[] = {"endpoint", "namespace", "status"};
    EXPECT_EQ(nearest("na", nouns), "namespace");
    EXPECT_EQ(nearest("endpoints", nouns), "endpoint");
}

TEST(Nearest, NothingNearIsNothing) {
    EXPECT_EQ(nearest("frobnicate", verbs), "");
    EXPECT_EQ(nearest("", verbs), "");
    EXPECT_EQ(did_you_mean("frobnicate", verbs), "");
    EXPECT_EQ(did_you_mean("shwo", verbs), "; did you mean 'show'?");
}

TEST(NaturalOrder, NumbersCountAsNumbers) {
    std::vector<std::string> names{"web-10", "web-2", "web", "db-1", "web-02"};
    std::ranges::sort(names, [](const auto& a, const auto& b) { return natural_less(a, b); });
    EXPECT_EQ(names, (std::vector<std::string>{"db-1", "web", "web-02", "web-2", "web-10"}));
    EXPECT_TRUE(natural_less("a99999999999999999998", "a99999999999999999999"));
    EXPECT_FALSE(natural_less("web-1", "web-1"));
}

TEST(Printable, NoByteMovesTheCursor) {
    EXPECT_EQ(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
    EXPECT_EQ(printable("C1: \xc2\x9b"), "C1: \\x9b");
    EXPECT_EQ(printable("Zürich"), "Zürich");
    EXPECT_EQ(printable_lines("a:\n\tb\r"), "a:\n\tb\\x0d");
}

TEST(Text, KnowsUtf8) {
    for (const char* text : {"", "web-1", "Zürich", "\xe2\x82\xac", "\xf0\x9f\x98\x80"})
        EXPECT_TRUE(is_utf8(text)) << text;
    for (const char* text :
         {"\xff", "\x80", "a\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"})
        EXPECT_FALSE(is_utf8(text)) << printable(text);
}

TEST(Numbers, AsPeopleReadThem) {
    EXPECT_EQ(duration(0), "0s");
    EXPECT_EQ(duration(185), "3m 5s");
    EXPECT_EQ(duration(7800), "2h 10m");
    EXPECT_EQ(duration(442800), "5d 3h");
    EXPECT_EQ(scaled(0), "0");
    EXPECT_EQ(scaled(9.96), "10.0");
    EXPECT_EQ(scaled(999.4), "999");
    EXPECT_EQ(scaled(999.7), "1.0k");
    EXPECT_EQ(scaled(35.04e6), "35.0M");
    EXPECT_EQ(bytes(512), "512 B");
    EXPECT_EQ(bytes(1536 * 1024), "1.5 MiB");
    EXPECT_EQ(counted(1, "route"), "1 route");
    EXPECT_EQ(counted(0, "policy", "policies"), "0 policies");
    EXPECT_EQ(utc_time(1795246200), "2026-11-21 07:30:00 UTC");
    EXPECT_EQ(utc_time(UINT64_MAX), "18446744073709551615 s after 1970");
}

TEST(Wrap, BreaksAtBlanksAndIndents) {
    EXPECT_EQ(wrap("one two three four", 9, 2), "one two\n  three\n  four");
    EXPECT_EQ(wrap("unbreakable-beyond-the-width", 10, 0), "unbreakable-beyond-the-width");
    EXPECT_EQ(wrap("", 10, 0), "");
}

} // namespace
} // namespace weft::ctl
