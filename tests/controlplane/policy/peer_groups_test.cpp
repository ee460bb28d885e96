// SPDX-License-Identifier: BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/peer_groups.hpp"

namespace weft::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

net::Prefix prefix(std::string_view text) { return net::Prefix::parse(text).value(); }

Identity identity(const std::string& app, std::initializer_list<const char*> cidrs = {}) {
    Identity made{
        HashedLabels(LabelSet::make({{"app", app}}).value(), "default", namespace_labels("default", {}).value()), {}};
    for (const char* cidr : cidrs)
        made.cidrs.push_back(prefix(cidr));
    return made;
}

LoweredPeer apps(std::vector<std::string> values) {
    return lower(
        EndpointSelector{.pods = LabelSelector{{{"app", Operator::in, std::move(values)}}}, .namespaces = {}},
        "default");
}

LoweredPeer block(std::string_view cidr, std::initializer_list<const char*> except = {}) {
    IpBlock made{prefix(cidr), {}};
    for (const char* each : except)
        made.except.push_back(prefix(each));
    return lower(made, "default");
}

TEST(PeerGroups, PeersThatMeanTheSameAreOneGroup) {
    PeerGroups groups;
    const GroupId both = groups.acquire(apps({"web", "db"}));
    EXPECT_EQ(groups.acquire(apps({"db", "web", "db"})), both);
    EXPECT_NE(groups.acquire(apps({"web"})), both);
    EXPECT_EQ(groups.acquire(block("10.0.0.0/8", {"10.1.0.0/16", "10.2.0.0/16"})),
              groups.acquire(block("10.0.0.0/8", {"10.2.0.0/16", "10.1.0.0/16"})));
    EXPECT_EQ(groups.size(), 3U);
    groups.release(both);
    EXPECT_EQ(groups.size(), 3U) << "one use is left";
    groups.release(both);
    EXPECT_EQ(groups.size(), 2U);
    EXPECT_GT(groups.acquire(apps({"web", "db"})), both) << "no number is given twice";
}

TEST(PeerGroups, IdentitiesAndGroupsMayComeInAnyOrder) {
    PeerGroups groups;
    const Identity web = identity("web");
    const Identity web_inside = identity("web", {"10.0.0.0/8"});
    const Identity excepted = identity("db", {"10.0.0.0/8", "10.1.0.0/16"});
    const Identity world{{}, {prefix("10.0.0.0/8")}};
    groups.add(1, web);
    groups.add(2, web_inside);
    const GroupId webs = groups.acquire(apps({"web"}));
    const GroupId inside = groups.acquire(block("10.0.0.0/8", {"10.1.0.0/16"}));
    const GroupId not_web = groups.acquire(lower(
        EndpointSelector{.pods = {}, .namespaces = LabelSelector{{{"x", Operator::does_not_exist, {}}}}}, "default"));
    groups.add(3, excepted);
    groups.add(4, world);
    EXPECT_THAT(groups.at(1).by_labels(), ElementsAre(webs, not_web));
    EXPECT_THAT(groups.at(1).by_address(), IsEmpty());
    EXPECT_THAT(groups.at(2).by_labels(), ElementsAre(webs, not_web));
    EXPECT_THAT(groups.at(2).by_address(), ElementsAre(inside));
    EXPECT_THAT(groups.at(3).by_labels(), ElementsAre(not_web));
    EXPECT_THAT(groups.at(3).by_address(), IsEmpty());
    EXPECT_THAT(groups.at(4).by_labels(), IsEmpty()) << "the world is nobody that a selector could mean";
    EXPECT_THAT(groups.at(4).by_address(), ElementsAre(inside));
    groups.release(inside);
    groups.release(webs);
    EXPECT_THAT(groups.at(2).by_labels(), ElementsAre(not_web));
    EXPECT_THAT(groups.at(2).by_address(), IsEmpty());
    const auto of_webs = groups.label_sets().find(web.labels);
    ASSERT_NE(of_webs, groups.label_sets().end());
    EXPECT_THAT(of_webs->second.identities, ElementsAre(1, 2));
    EXPECT_THAT(groups.cidr_sets().at({prefix("10.0.0.0/8")}).identities, ElementsAre(2, 4));
    groups.remove(1);
    EXPECT_THAT(of_webs->second.identities, ElementsAre(2));
    EXPECT_FALSE(groups.cidr_sets().contains({})) << "nobody is outside of all CIDRs any more";
}

} // namespace
} // namespace weft::policy
