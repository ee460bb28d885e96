// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include "tests/controlplane/policy/host_tables.hpp"

namespace weft::policy {
namespace {

HashedLabels with_port(std::uint16_t port) {
    return {LabelSet(), "default", namespace_labels("default", {}).value(), std::vector<PortName>{{"http", 6, port}}};
}

/// A local identity that may reach everybody at the port that is called http there: every peer has a list of its own.
class EveryPeerIsAnother : public testing::Test {
  protected:
    EveryPeerIsAnother() {
        entries.insert(policy);
        entries.add_peer(300, local);
        entries.add_local(300);
        entries.write();
    }

    LoweredPolicy lowered() {
        Policy made;
        made.name = {.kind = Kind::network_policy, .name_space = "default", .name = "http"};
        made.subject.pods.emplace();
        made.egress = {
            .isolates = true,
            .rules = {{.action = Action::allow, .name = "", .peers = {}, .ports = {NamedPort{6, "http"}}}}};
        return lower(made, entries.groups(), [this](const std::string&) { return ++rules; });
    }

    HostTables tables;
    PolicyEntries entries{tables};
    std::uint32_t rules = 0;
    LoweredPolicy policy = lowered();
    Identity local{with_port(1), {}};
};

TEST_F(EveryPeerIsAnother, WhatIsKeptDoesNotGrowWithTime) {
    for (std::uint16_t i = 0; i < 2000; ++i) {
        const Identity peer{with_port(static_cast<std::uint16_t>(2 + i)), {}};
        entries.add_peer(1000, peer);
        entries.write();
        ASSERT_EQ(tables.decide(fastpath::DIRECTION_EGRESS, 300, 1000, 6, static_cast<std::uint16_t>(2 + i)).rule(),
                  1U);
        entries.remove_peer(1000);
        entries.write();
    }
    EXPECT_LT(entries.compiled(), 100U);
    EXPECT_EQ(entries.lists(), 2U) << "its own with itself, and anybody's";
    EXPECT_EQ(tables.lists.size(), 2U);
    EXPECT_EQ(tables.contradictions, 0U);
}

TEST_F(EveryPeerIsAnother, AListGoesWithItsLastEntry) {
    const Identity other{with_port(2), {}};
    entries.add_peer(301, other);
    entries.write();
    EXPECT_EQ(tables.lists.size(), 3U);
    entries.remove_local(300);
    entries.write();
    EXPECT_TRUE(tables.policies.empty());
    EXPECT_TRUE(tables.lists.empty());
    EXPECT_EQ(entries.compiled(), 0U);
}

} // namespace
} // namespace weft::policy
