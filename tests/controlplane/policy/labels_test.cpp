// SPDX-License-Identifier: BSD-3-Clause
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/hashed_selector.hpp"

namespace weft::policy {
namespace {

using testing::HasSubstr;

constexpr std::uint32_t marker = 4267132230;

LabelSet labels(const LabelSet::Map& map) { return LabelSet::make(map).value(); }

TEST(Labels, KubernetesSyntaxIsAccepted) {
    for (const char* key : {"app", "a", "A.b_c-d", "example.com/App", "kubernetes.io/metadata.name", "x1/9"})
        EXPECT_TRUE(check_label_key(key)) << key;
    for (const char* value : {"", "web", "1.2.3", "A-b_c.D"})
        EXPECT_TRUE(check_label_value(value)) << value;
    EXPECT_TRUE(check_label_key(std::string(63, 'a')));
    EXPECT_TRUE(check_namespace_name("team-1"));
    EXPECT_TRUE(check_policy_name("allow-web.v2"));
}

TEST(Labels, OtherSyntaxIsRefusedByName) {
    for (const std::string key :
         {"", "-a", "a-", "a b", "a/b/c", "/a", "a/", "Example.com/a", "a=b", "ä", "example..com/a"})
        EXPECT_FALSE(check_label_key(key)) << key;
    EXPECT_FALSE(check_label_key(std::string(64, 'a')));
    for (const std::string value : {"-", "a b", "a,b", "a=b", "web.", "\n"})
        EXPECT_FALSE(check_label_value(value)) << value;
    for (const char* name : {"", "Team", "a.b", "-a", "a-", "a_b"})
        EXPECT_FALSE(check_namespace_name(name)) << name;
    EXPECT_THAT(LabelSet::make({{"app", "a b"}}).error().message, HasSubstr("label app: label value 'a b'"));
}

TEST(Labels, HostileTextIsShownShort) {
    EXPECT_LT(check_label_key(std::string(100'000, '=')).error().message.size(), 400U);
}

TEST(Labels, MoreThanFitOnARouteAreRefused) {
    LabelSet::Map many;
    for (std::size_t i = 0; i < labels_max; ++i)
        many.emplace("l" + std::to_string(i), "");
    EXPECT_TRUE(LabelSet::make(many));
    many.emplace("one-more", "");
    EXPECT_THAT(LabelSet::make(many).error().message, HasSubstr("at most 64"));
}

TEST(Labels, ANamespaceCarriesItsName) {
    EXPECT_EQ(namespace_labels("red", {{"team", "a"}})->to_string(), "kubernetes.io/metadata.name=red,team=a");
    EXPECT_FALSE(namespace_labels("red", {{"kubernetes.io/metadata.name", "blue"}}));
    EXPECT_FALSE(namespace_labels("Red", {}));
}

TEST(LabelHash, IsKindAndTruncatedSha256) {
    EXPECT_EQ(hash_label(LabelKind::endpoint_label, "app=web") >> 60, 1U);
    // SHA-256("abc") = ba7816bf 8f01cfea ... (FIPS 180-2, B.1); the first 60 bits stay.
    EXPECT_EQ(hash_label(LabelKind::namespace_name, "abc"), 0x5ba7816bf8f01cfeU);
    EXPECT_NE(hash_label(LabelKind::endpoint_label, "a=b"), hash_label(LabelKind::namespace_label, "a=b"));
}

TEST(HashedLabels, CommunitiesGoThereAndBack) {
    const HashedLabels sent(labels({{"app", "web"}, {"tier", "front"}}), "red", labels({{"team", "a"}}));
    auto communities = sent.to_communities(marker);
    EXPECT_EQ(communities.size(), 7U);
    EXPECT_TRUE(std::ranges::is_sorted(communities));
    for (const auto& community : communities)
        EXPECT_EQ(community.global, marker);
    std::ranges::reverse(communities);
    communities.push_back(communities.front());
    EXPECT_EQ(HashedLabels::from_communities(marker, communities), sent);
    EXPECT_EQ(HashedLabels::from_text(sent.to_text()), sent);
}

TEST(LabelHash, APortIsNameProtocolAndNumber) {
    // 42 bits of SHA-256("abc"), then UDP as 2, then the port.
    const LabelHash hash = hash_port({"abc", 17, 53});
    EXPECT_EQ(hash, (0x6ba7816bf8f01cfeU >> 18 << 18 | 2U << 16 | 53U));
    EXPECT_EQ(name_of_port(hash), hash_port_name("abc"));
    EXPECT_EQ(port_of(hash)->protocol, 17);
    EXPECT_EQ(port_of(hash)->port, 53);
    EXPECT_EQ(port_of(hash_port({"abc", 132, 65535}))->protocol, 132);
    EXPECT_FALSE(port_of(hash_port_name("abc"))) << "no protocol that is known";
}

TEST(HashedLabels, PortsTravelBesideLabels) {
    const std::vector<PortName> ports{{"http", 6, 80}, {"http", 17, 80}, {"dns", 17, 53}};
    const HashedLabels sent(labels({{"app", "web"}}), "red", {}, ports);
    EXPECT_TRUE(sent.is_endpoint());
    EXPECT_EQ(sent.ports().size(), 3U);
    EXPECT_NE(sent, HashedLabels(labels({{"app", "web"}}), "red", {}));
    EXPECT_EQ(HashedLabels::from_communities(marker, sent.to_communities(marker)), sent);
    EXPECT_EQ(HashedLabels::from_text(sent.to_text()), sent);
    EXPECT_FALSE(
        HashedLabels::from_communities(marker, std::vector<bgp::LargeCommunity>{sent.to_communities(marker).back()})
            .is_endpoint())
        << "a port alone belongs to nobody";
}

TEST(HashedLabels, ForeignCommunitiesMeanNothing) {
    const std::vector<bgp::LargeCommunity> foreign{
        {65000, 0x10000001, 2}, {marker, 0x00000001, 2}, {marker, 0x70000001, 2}, {marker, 0xf0000001, 2}};
    EXPECT_EQ(HashedLabels::from_communities(marker, foreign), HashedLabels());
    EXPECT_FALSE(HashedLabels().is_endpoint());
    EXPECT_FALSE(HashedLabels::from_communities(marker, std::vector<bgp::LargeCommunity>{{marker, 0x10000001, 2}})
                     .is_endpoint());
}

TEST(HashedLabels, TheHostIsNobodyToOthers) {
    const HashedLabels host = HashedLabels::of_host();
    EXPECT_TRUE(host.is_host());
    EXPECT_FALSE(host.is_endpoint());
    EXPECT_NE(host, HashedLabels());
    EXPECT_FALSE(HashedLabels::from_communities(marker, host.to_communities(marker)).is_host());
    EXPECT_FALSE(HashedLabels::from_text(host.to_text())->is_host());
}

TEST(HashedLabels, DamagedTextIsRefused) {
    for (const char* text : {".", "1", "zz", "5ba7816bf8f01cfe.", "5ba7816bf8f01cfe0", "0ba7816bf8f01cfe"})
        EXPECT_FALSE(HashedLabels::from_text(text)) << text;
    EXPECT_EQ(HashedLabels::from_text(""), HashedLabels());
}

TEST(HashedSelector, OperatorsAreKubernetes) {
    const HashedLabels web(labels({{"app", "web"}}), "red", labels({{"team", "a"}}));
    const auto matches = [&](Requirement requirement,
                             HashedSelector::Subject subject = HashedSelector::Subject::endpoint) {
        return HashedSelector({{std::move(requirement)}}, subject).matches(web);
    };
    EXPECT_TRUE(matches({"app", Operator::in, {"db", "web"}}));
    EXPECT_FALSE(matches({"app", Operator::in, {"db"}}));
    EXPECT_FALSE(matches({"team", Operator::in, {"a"}}));
    EXPECT_TRUE(matches({"team", Operator::in, {"a"}}, HashedSelector::Subject::name_space));
    EXPECT_FALSE(matches({"app", Operator::not_in, {"db", "web"}}));
    EXPECT_TRUE(matches({"app", Operator::not_in, {"db"}}));
    EXPECT_TRUE(matches({"other", Operator::not_in, {"db"}})); // absent keys are not in
    EXPECT_TRUE(matches({"app", Operator::exists, {}}));
    EXPECT_FALSE(matches({"other", Operator::exists, {}}));
    EXPECT_TRUE(matches({"other", Operator::does_not_exist, {}}));
    EXPECT_FALSE(matches({"app", Operator::does_not_exist, {}}));
    EXPECT_TRUE(HashedSelector({}, HashedSelector::Subject::endpoint).matches(web));
    EXPECT_FALSE(HashedSelector({{{"app", Operator::in, {"web"}}, {"x", Operator::exists, {}}}},
                                HashedSelector::Subject::endpoint)
                     .matches(web));
}

} // namespace
} // namespace weft::policy
