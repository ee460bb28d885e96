// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "tools/ctl/table.hpp"

namespace weft::ctl {
namespace {

TEST(Table, ColumnsAlignAndTheLastIsNotPadded) {
    Table table({{"NAME"}, {"COUNT", align_right}, {"LABELS"}});
    table.add({"web-1", std::uint64_t{7}, "app=web"});
    table.add({"db", std::uint64_t{12345678}, ""});
    EXPECT_EQ(table.render({}), "NAME      COUNT  LABELS\n"
                                "web-1         7  app=web\n"
                                "db     12345678  -\n");
}

TEST(Table, WidthsAreCharactersNotBytes) {
    Table table({{"N"}, {"X"}});
    table.add({"zür", "1"});
    table.add({"abc", "2"});
    EXPECT_EQ(table.render({}), "N    X\nzür  1\nabc  2\n");
}

TEST(Table, AnOptionalColumnWithoutCellsIsLeftOut) {
    Table table({{"A"}, {"NOTE", Column::Align::left, true}});
    table.add({"1", ""});
    EXPECT_EQ(table.render({}), "A\n1\n");
    table.add({"2", "x"});
    EXPECT_EQ(table.render({}), "A  NOTE\n1  -\n2  x\n");
}

TEST(Table, ColourComesOnlyWithTheStyleAndNeverFromACell) {
    Table table({{"STATE"}});
    table.add({Cell("up\x1b[31m", Tone::good)});
    EXPECT_EQ(table.render({}), "STATE\nup\\x1b[31m\n");
    EXPECT_EQ(table.render({.colour = true}), "\x1b[1mSTATE\x1b[0m\n\x1b[32mup\\x1b[31m\x1b[0m\n");
}

TEST(Details, ValuesAlignAndContinueInTheirColumn) {
    Details details;
    details.add("name", "web-1");
    details.add("addresses", "10.244.0.2\nfd00::2");
    details.add_if("nothing", "");
    details.add("labels", "");
    EXPECT_EQ(details.render({}), "name       web-1\n"
                                  "addresses  10.244.0.2\n"
                                  "           fd00::2\n"
                                  "labels     -\n");
}

} // namespace
} // namespace weft::ctl
