// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "controlplane/policy/identity.hpp"

namespace weft::policy {
namespace {

using Changes = std::vector<NumberTable::Change>;

Identity identity(const std::string& app, std::initializer_list<const char*> cidrs = {}) {
    Identity made{
        HashedLabels(LabelSet::make({{"app", app}}).value(), "default", namespace_labels("default", {}).value()), {}};
    for (const char* cidr : cidrs)
        made.cidrs.push_back(net::Prefix::parse(cidr).value());
    return made;
}

TEST(NumberTable, CountsUses) {
    NumberTable table(10);
    EXPECT_EQ(table.acquire("a").number, 10U);
    EXPECT_FALSE(table.acquire("a").first_use);
    EXPECT_EQ(table.acquire("b").number, 11U);
    EXPECT_FALSE(table.release(10));
    EXPECT_EQ(table.take_changes(), (Changes{{10, "a"}, {11, "b"}}));
    EXPECT_TRUE(table.release(10));
    EXPECT_EQ(table.take_changes(), (Changes{{10, std::nullopt}}));
    EXPECT_EQ(table.take_changes(), Changes{});
    EXPECT_EQ(table.find(10), nullptr);
    EXPECT_EQ(table.acquire("c").number, 12U) << "a number that just went is not given to another at once";
}

TEST(NumberTable, RestoredNumbersStay) {
    NumberTable table(1);
    EXPECT_TRUE(table.restore(7, "a"));
    EXPECT_TRUE(table.restore(5, "b"));
    EXPECT_FALSE(table.restore(7, "c"));
    EXPECT_FALSE(table.restore(8, "a"));
    EXPECT_FALSE(table.restore(0, "d"));
    const auto acquired = table.acquire("a");
    EXPECT_EQ(acquired.number, 7U);
    EXPECT_TRUE(acquired.first_use);
    EXPECT_EQ(table.acquire("new").number, 8U);
    table.sweep();
    EXPECT_EQ(table.find(5), nullptr);
    EXPECT_NE(table.find(7), nullptr);
    EXPECT_EQ(table.take_changes(), (Changes{{8, "new"}, {5, std::nullopt}})) << "what was restored is written";
}

TEST(NumberTable, ComesThroughTheEndOfTheNumbers) {
    NumberTable table(3);
    EXPECT_TRUE(table.restore(0xffffffff, "last"));
    EXPECT_EQ(table.acquire("next").number, 3U);
}

TEST(IdentityTable, NumbersAreTheSameAfterARestart) {
    IdentityTable first;
    const auto web = first.acquire(identity("web"));
    const auto web_inside = first.acquire(identity("web", {"10.0.0.0/8", "fd00::/8"}));
    EXPECT_GE(web.number, identity_first);
    EXPECT_NE(web.number, web_inside.number);

    IdentityTable second;
    for (const auto& [number, text] : first.take_changes())
        EXPECT_TRUE(second.restore(number, text.value()));
    EXPECT_EQ(second.acquire(identity("new")).number, web_inside.number + 1);
    EXPECT_EQ(second.acquire(identity("web", {"10.0.0.0/8", "fd00::/8"})).number, web_inside.number);
    EXPECT_EQ(second.acquire(identity("web")).number, web.number);
    EXPECT_EQ(*second.find(web_inside.number), identity("web", {"10.0.0.0/8", "fd00::/8"}));
}

TEST(IdentityTable, TheWorldIsReserved) {
    IdentityTable table;
    EXPECT_EQ(table.acquire({}).number, identity_world);
    EXPECT_FALSE(table.release(identity_world));
    EXPECT_GE(table.acquire({HashedLabels(), {net::Prefix::parse("10.0.0.0/8").value()}}).number, identity_first);
    EXPECT_EQ(table.size(), 1U);
}

TEST(IdentityTable, TheHostIsReservedAndOneWhereverItsAddressLies) {
    IdentityTable table;
    const auto host = Identity::of(HashedLabels::of_host(), {net::Prefix::parse("10.0.0.0/8").value()});
    EXPECT_EQ(host, Identity::of(HashedLabels::of_host(), {}));
    EXPECT_NE(host, Identity{});
    const auto acquired = table.acquire(host);
    EXPECT_EQ(acquired.number, identity_host);
    EXPECT_TRUE(acquired.first_use);
    EXPECT_FALSE(table.acquire(host).first_use);
    EXPECT_EQ(*table.find(identity_host), host);
    EXPECT_FALSE(table.release(identity_host));
    EXPECT_TRUE(table.release(identity_host));
    EXPECT_EQ(table.find(identity_host), nullptr);
    EXPECT_EQ(table.take_changes(), Changes{}) << "no other run has to be told";
}

TEST(IdentityTable, DamagedTextIsRefused) {
    IdentityTable table;
    for (const char* text : {"", "x|", "|10.0.0.0/33", "|10.0.0.1/8", "|10.0.0.0/8,", "5ba7816bf8f01cfe"})
        EXPECT_FALSE(table.restore(300, text)) << text;
    EXPECT_FALSE(table.restore(7, "|10.0.0.0/8")) << "a reserved number";
}

} // namespace
} // namespace weft::policy
