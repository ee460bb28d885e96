// SPDX-License-Identifier: BSD-3-Clause
// Labels that stay on their host: which keys, what travels, and which policies are refused for them.
#include <gtest/gtest.h>

#include "controlplane/policy/label_filter.hpp"
#include "controlplane/policy/policy_reader.hpp"

namespace weft::policy {
namespace {

Result<void> checked(const LabelFilter& filter, const std::string& spec) {
    const auto documents = read_policies("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: "
                                         "web, namespace: shop}\nspec: {" +
                                         spec + "}\n");
    return filter.check(documents.value().front().policy);
}

const LabelFilter& filter() {
    static const LabelFilter made = LabelFilter::make({"build-id", "example.com/*"}).value();
    return made;
}

TEST(LabelFilter, MatchesKeysAndPrefixesAndNothingElse) {
    for (const char* stays : {"build-id", "example.com/a", "example.com/build-id"})
        EXPECT_TRUE(filter().stays(stays)) << stays;
    for (const char* travels : {"build-id2", "build", "x/build-id", "example.com", "an.example.com/a", "app"})
        EXPECT_FALSE(filter().stays(travels)) << travels;
    EXPECT_FALSE(LabelFilter().stays("build-id"));
}

TEST(LabelFilter, TakesOutWhatStays) {
    const auto labels = LabelSet::make({{"app", "web"}, {"build-id", "7"}, {"example.com/a", ""}}).value();
    EXPECT_EQ(filter().travelling(labels).to_string(), "app=web");
    EXPECT_EQ(LabelFilter().travelling(labels), labels);
}

TEST(LabelFilter, RefusesWhatIsNoKey) {
    for (const char* wrong : {"", "/*", "*", "a b", "example.com/*/*", "x/*y", "kubernetes.io/*"})
        EXPECT_FALSE(LabelFilter::make({wrong})) << wrong;
    EXPECT_EQ(LabelFilter::make({"kubernetes.io/metadata.name"}).error().message,
              "kubernetes.io/metadata.name is who an endpoint is elsewhere: it has to travel");
}

TEST(LabelFilter, RefusesPeersThatAreSelectedByWhatStays) {
    const auto refused = checked(
        filter(), "podSelector: {}, ingress: [{}, {from: [{podSelector: {}}, {podSelector: {matchExpressions: "
                  "[{key: build-id, operator: DoesNotExist}]}}]}]");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message,
              "policy shop/web: ingress rule 2: peers cannot be selected by the label build-id, which stays on its "
              "host: select by another, or take it out of weftd --local-label");
    EXPECT_FALSE(checked(
        filter(), "podSelector: {}, egress: [{to: [{namespaceSelector: {matchLabels: {example.com/team: a}}}]}]"));
}

TEST(LabelFilter, LetsSubjectsBeSelectedByIt) {
    EXPECT_TRUE(checked(filter(), "podSelector: {matchLabels: {build-id: '7'}}, ingress: [{from: [{podSelector: "
                                  "{matchLabels: {app: web}}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]"));
}

} // namespace
} // namespace weft::policy
