// SPDX-License-Identifier: BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/policy_model.hpp"

namespace weft::policy {
namespace {

using testing::HasSubstr;

TEST(PolicyName, GoesBothWays) {
    const std::vector<std::pair<PolicyName, std::string>> cases{
        {{Kind::network_policy, "shop", "web"}, "shop/web"},
        {{Kind::network_policy, "shop", "web.v2"}, "shop/web.v2"},
        {{Kind::cluster_network_policy, "", "lockdown"}, "cnp:lockdown"},
        {{Kind::admin_network_policy, "", "a.b"}, "anp:a.b"},
        {{Kind::baseline_admin_network_policy, "", "default"}, "banp:default"},
    };
    for (const auto& [name, text] : cases) {
        EXPECT_EQ(name.to_string(), text);
        EXPECT_EQ(PolicyName::parse(text), name) << text;
    }
}

TEST(PolicyName, WithoutNamespaceIsOfTheDefaultOne) {
    EXPECT_EQ(PolicyName::parse("web"), (PolicyName{Kind::network_policy, "default", "web"}));
}

TEST(PolicyName, RefusesWhatNoPolicyIsCalled) {
    const auto message = [](std::string_view text) {
        const auto parsed = PolicyName::parse(text);
        return parsed ? "accepted" : parsed.error().message;
    };
    for (const auto* const text : {"np:web", ":web", "CNP:web", "cnp/shop:web"})
        EXPECT_THAT(message(text), HasSubstr("want NAME, NAMESPACE/NAME, cnp:NAME, anp:NAME or banp:NAME")) << text;
    EXPECT_THAT(message("cnp:shop/web"), HasSubstr("policy: name 'shop/web': want"));
    EXPECT_THAT(message("a/b/c"), HasSubstr("policy: name 'b/c': want"));
    EXPECT_THAT(message("/web"), HasSubstr("namespace '': want"));
    for (const auto* const text : {"", "shop/", "cnp:", "Web"})
        EXPECT_THAT(message(text), HasSubstr("policy: name ")) << text;
}

TEST(PolicyName, KindsAndTiersHaveWords) {
    EXPECT_EQ(to_string(Kind::network_policy), "NetworkPolicy");
    EXPECT_EQ(to_string(Kind::baseline_admin_network_policy), "BaselineAdminNetworkPolicy");
    EXPECT_EQ(to_string(Tier::admin), "admin");
    EXPECT_EQ(to_string(Tier::network_policy), "network_policy");
    EXPECT_EQ(to_string(Tier::baseline), "baseline");
}

} // namespace
} // namespace weft::policy
