// SPDX-License-Identifier: BSD-3-Clause
// What policy asks of a real database on a disk that fills: what an operator says is refused as a whole, what follows
// from the network has effect and is written down once there is room.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy_tables.hpp"
#include "tests/controlplane/memory_fast_path.hpp"
#include "tests/controlplane/small_disk.hpp"

namespace weft::agent {
namespace {

using testing::HasSubstr;

constexpr const char* deny = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\n";

class FullDisk : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "mounts a small disk: run as root";
        ASSERT_TRUE(disk.mounted());
        store.emplace(*Store::open(disk.path()));
        tables.emplace(sync, *store);
        policy.emplace(1, *tables);
        add("web-1", "10.9.0.1");
    }

    void add(const std::string& name, const char* address) {
        ASSERT_TRUE(policy->set_endpoint(
            name, {.name_space = "default", .labels = {}, .addresses = {*net::Address::parse(address)}}));
    }

    [[nodiscard]] std::map<std::string, std::string> rows(std::string_view kind) const {
        std::map<std::string, std::string> found;
        EXPECT_TRUE(
            store->for_each(kind, [&](std::string_view key, std::string_view value) { found.emplace(key, value); }));
        return found;
    }

    SmallDisk disk;
    FibSync sync;
    std::optional<Store> store;
    std::optional<PolicyTables> tables;
    std::optional<policy::PolicyEngine> policy;
};

TEST_F(FullDisk, rules_that_come_and_go_have_no_hits_of_others) {
    MemoryFastPath fast_path;
    const auto reset = [&] {
        sync.commit();
        fast_path.run();
        const auto& numbers = fast_path.updates.back().reset_rules();
        return std::vector<std::uint32_t>(numbers.begin(), numbers.end());
    };
    sync.connected(fast_path, {});
    ASSERT_TRUE(policy->apply(deny));
    ASSERT_EQ(policy->list().size(), 1U);
    const std::vector<std::uint32_t> rules(policy->list()[0].rules.begin(), policy->list()[0].rules.end());
    ASSERT_FALSE(rules.empty());
    EXPECT_EQ(policy->rule_text(rules[0]), "ingress isolation of default/deny");
    EXPECT_EQ(reset(), rules);
    ASSERT_TRUE(policy->remove(*policy::PolicyName::parse("default/deny")));
    EXPECT_EQ(reset(), rules);
}

TEST_F(FullDisk, a_policy_is_refused_and_nothing_changes) {
    disk.fill();
    const auto refused = policy->apply(deny);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr(disk.path() + "/weft.db"));
    EXPECT_THAT(refused.error().message, HasSubstr("free some space there, then try again"));
    EXPECT_TRUE(policy->list().empty());
    EXPECT_EQ(sync.pending(), 0U);
    disk.free();
    ASSERT_TRUE(policy->apply(deny));
    EXPECT_EQ(policy->list().size(), 1U);
    EXPECT_GT(sync.pending(), 0U);
    EXPECT_EQ(rows("policy-document").size(), 1U);
}

TEST_F(FullDisk, a_policy_that_is_to_go_stays) {
    ASSERT_TRUE(policy->apply(deny));
    const auto pending = sync.pending();
    disk.fill();
    EXPECT_FALSE(policy->remove({.name_space = "default", .name = "deny"}));
    EXPECT_EQ(policy->list().size(), 1U);
    EXPECT_EQ(sync.pending(), pending);
    EXPECT_FALSE(policy->set_namespace("default", {{"team", "a"}}));
    EXPECT_FALSE(policy->namespaces().at("default").items().contains("team"));
    disk.free();
    EXPECT_TRUE(policy->remove({.name_space = "default", .name = "deny"}));
}

TEST_F(FullDisk, numbers_are_written_down_once_there_is_room) {
    const auto before = rows("policy-identity");
    ASSERT_FALSE(before.empty());
    disk.fill();
    ASSERT_TRUE(policy->set_endpoint(
        "web-2", {.name_space = "shop", .labels = {}, .addresses = {*net::Address::parse("10.9.0.2")}}));
    policy->erase_endpoint("web-1");
    EXPECT_EQ(rows("policy-identity"), before);
    EXPECT_EQ(tables->owed(), 2U) << "one that came, one that went";
    tables->write_owed();
    EXPECT_EQ(tables->owed(), 2U) << "no room yet";
    disk.free();
    tables->write_owed();
    EXPECT_EQ(tables->owed(), 0U);
    const auto after = rows("policy-identity");
    EXPECT_EQ(after.size(), 1U);
    EXPECT_TRUE(after.contains(std::to_string(policy->endpoint_identity("web-2"))));
}

} // namespace
} // namespace weft::agent
