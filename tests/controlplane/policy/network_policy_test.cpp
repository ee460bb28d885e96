// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/policy_reader.hpp"

namespace weft::policy {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view head = R"(apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
)";

/// A policy of that spec, in flow style and without the braces.
Result<Policy> read_spec(std::string_view spec) {
    auto documents = read_policies(fmt::format("{}spec: {{{}}}\n", head, spec));
    if (!documents) return std::unexpected(documents.error());
    return documents->front().policy;
}

std::string refusal(std::string_view spec) {
    const auto policy = read_spec(spec);
    return policy ? "accepted" : policy.error().message;
}

TEST(NetworkPolicy, ReadsEverythingThatIsSupported) {
    const auto documents = read_policies(R"(---
# a comment
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
  labels: {any: thing}
  annotations: {note: "free text"}
spec:
  podSelector:
    matchLabels: {app: web}
    matchExpressions:
    - {key: tier, operator: NotIn, values: [back, "1"]}
    - {key: old, operator: DoesNotExist}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {}
    - namespaceSelector: {matchLabels: {team: a}}
      podSelector: {matchExpressions: [{key: app, operator: Exists}]}
    ports:
    - port: 80
    - {protocol: UDP, port: 53, endPort: 8053}
    - protocol: SCTP
    - port: http
    - {protocol: UDP, port: "dns-2"}
  - {}
  egress:
  - to:
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}
    - ipBlock: {cidr: "fd00::/8"}
)");
    ASSERT_TRUE(documents) << documents.error().message;
    ASSERT_EQ(documents->size(), 1U);
    const Policy& policy = documents->front().policy;
    EXPECT_EQ(policy.name.to_string(), "shop/web");
    const LabelSelector pods{{{"app", Operator::in, {"web"}},
                              {"tier", Operator::not_in, {"back", "1"}},
                              {"old", Operator::does_not_exist, {}}}};
    EXPECT_EQ(policy.subject, (EndpointSelector{.pods = pods, .namespaces = {}}));
    EXPECT_EQ(policy.tier, Tier::network_policy);
    EXPECT_FALSE(policy.audit);
    const Rule from{.peers = {EndpointSelector{.pods = LabelSelector{}, .namespaces = {}},
                              EndpointSelector{.pods = LabelSelector{{{"app", Operator::exists, {}}}},
                                               .namespaces = LabelSelector{{{"team", Operator::in, {"a"}}}}}},
                    .ports = {PortRange{6, 80, 80}, PortRange{17, 53, 8053}, PortRange{132, 0, 65535},
                              NamedPort{6, "http"}, NamedPort{17, "dns-2"}}};
    EXPECT_EQ(policy.ingress, (Direction{true, {from, {}}}));
    const auto prefix = [](const char* text) { return net::Prefix::parse(text).value(); };
    const Rule to{.peers = {IpBlock{prefix("10.0.0.0/8"), {prefix("10.1.0.0/16"), prefix("10.2.0.0/16")}},
                            IpBlock{prefix("fd00::/8"), {}}}};
    EXPECT_EQ(policy.egress, (Direction{true, {to}}));

    const auto again = read_policies(documents->front().yaml);
    ASSERT_TRUE(again) << again.error().message << "\n" << documents->front().yaml;
    EXPECT_EQ(again->front().policy, policy) << documents->front().yaml;
    EXPECT_EQ(again->front().yaml, documents->front().yaml);
}

TEST(NetworkPolicy, AbsentAndEmptyMeanWhatKubernetesSays) {
    EXPECT_EQ(read_spec("podSelector: {}")->ingress, (Direction{true, {}}));
    EXPECT_EQ(read_spec("podSelector: {}")->egress, (Direction{false, {}}));
    EXPECT_EQ(read_spec("")->ingress, (Direction{true, {}}));
    EXPECT_EQ(read_spec("ingress: [], egress: []")->egress, (Direction{false, {}}));
    EXPECT_EQ(read_spec("egress: [{}]")->egress, (Direction{true, {Rule{}}}));
    EXPECT_EQ(read_spec("egress: [{}]")->ingress, (Direction{true, {}}));
    EXPECT_EQ(read_spec("policyTypes: [Egress]")->ingress, (Direction{false, {}}));
    EXPECT_EQ(read_spec("policyTypes: [Egress]")->egress, (Direction{true, {}}));
    EXPECT_EQ(read_spec("policyTypes: [], ingress: null")->ingress, (Direction{true, {}}));
    EXPECT_EQ(read_spec("ingress: [{from: [], ports: null}]")->ingress, (Direction{true, {Rule{}}}));
    const auto peer =
        read_spec("ingress: [{from: [{podSelector: {}, namespaceSelector: null}]}]")->ingress.rules[0].peers[0];
    EXPECT_EQ(peer, Peer(EndpointSelector{.pods = LabelSelector{}, .namespaces = {}}));
    EXPECT_EQ(read_spec("ingress: [{ports: [{}]}]")->ingress.rules[0].ports,
              std::vector<Port>{(PortRange{6, 0, 65535})});
    EXPECT_EQ(read_spec("ingress: [{ports: [{port: 1, endPort: 65535}]}]")->ingress.rules[0].ports,
              std::vector<Port>{(PortRange{6, 1, 65535})});
    EXPECT_TRUE(read_policies(head)) << "no spec is an empty spec";
}

TEST(NetworkPolicy, RefusesByTheFullPath) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"ingress: [{ports: [{port: HTTP}]}]", "spec.ingress[0].ports[0].port: port name 'HTTP': want 1 to 15"},
        {"ingress: [{ports: [{port: web--1}]}]", "spec.ingress[0].ports[0].port: port name 'web--1': want"},
        {"ingress: [{ports: [{port: http, endPort: 90}]}]",
         "spec.ingress[0].ports[0].endPort: wants a port by number"},
        {"ingress: [{ports: [{port: '80'}]}]",
         "spec.ingress[0].ports[0].port: want a number from 1 to 65535, without"},
        {"ingress: [{ports: [{port: -4}]}]", "spec.ingress[0].ports[0].port: want a number from 1 to 65535"},
        {"ingress: [{}, {ports: [{port: 0}]}]", "spec.ingress[1].ports[0].port: want a number from 1 to 65535"},
        {"ingress: [{ports: [{port: 65536}]}]", "spec.ingress[0].ports[0].port: want a number"},
        {"ingress: [{ports: [{port: [1]}]}]", "spec.ingress[0].ports[0].port: want a number"},
        {"ingress: [{ports: [{port: 0120}]}]", "spec.ingress[0].ports[0].port: want a number"},
        {"ingress: [{ports: [{port: 0x50}]}]", "spec.ingress[0].ports[0].port: want a number"},
        {"ingress: [{ports: [{port: 0o120}]}]", "spec.ingress[0].ports[0].port: want a number"},
        {"ingress: [{ports: [{port: 1e3}]}]", "spec.ingress[0].ports[0].port: want a number"},
        {"ingress: [{ports: [{port: 80e-1}]}]", "spec.ingress[0].ports[0].port: want a number"},
        {"ingress: [{ports: [{port: 80, endPort: 0x51}]}]", "spec.ingress[0].ports[0].endPort: want a number"},
        {"ingress: [{ports: [{endPort: 90}]}]", "spec.ingress[0].ports[0].endPort: wants a port"},
        {"ingress: [{ports: [{port: 90, endPort: 80}]}]", "spec.ingress[0].ports[0].endPort: want a number from 90"},
        {"ingress: [{ports: [{port: 1, endPort: 65536}]}]",
         "spec.ingress[0].ports[0].endPort: want a number from 1 (port) to 65535"},
        {"ingress: [{ports: [{protocol: tcp}]}]", "spec.ingress[0].ports[0].protocol: want TCP, UDP or SCTP"},
        {"ingress: [{ports: [{protocol: ICMP}]}]", "spec.ingress[0].ports[0].protocol: want TCP"},
        {"ingress: [{ports: {port: 80}}]", "spec.ingress[0].ports: want a list"},
        {"ingress: [{ports: [{number: 80}]}]",
         "spec.ingress[0].ports[0].number: unknown field; known here: protocol, port, endPort"},
        {"ingress: {}", "spec.ingress: want a list"},
        {"ingress: [{to: []}]", "spec.ingress[0].to: unknown field"},
        {"egress: [{from: []}]", "spec.egress[0].from: unknown field; known here: to, ports"},
        {"egress: [null]", "spec.egress[0]: want a rule"},
        {"egress: [{to: [{}]}]", "spec.egress[0].to[0]: names no peer"},
        {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}]",
         "spec.egress[0].to[0].ipBlock: stands alone"},
        {"egress: [{to: [{ipBlock: {}}]}]", "spec.egress[0].to[0].ipBlock.cidr: missing"},
        {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0}}]}]", "did you mean 10.0.0.0/32?"},
        {"egress: [{to: [{ipBlock: {cidr: 10.0.0.1/8}}]}]", "did you mean 10.0.0.0/8?"},
        {"egress: [{to: [{ipBlock: {cidr: '::ffff:10.0.0.0/104'}}]}]",
         "spec.egress[0].to[0].ipBlock.cidr: ::ffff:10.0.0.0/104 is IPv4-mapped"},
        {"egress: [{to: [{ipBlock: {cidr: '::/0', except: ['::ffff:0:0/96']}}]}]",
         "ipBlock.except[0]: ::ffff:0.0.0.0/96 is IPv4-mapped"},
        {"egress: [{to: [{ipBlock: {cidr: ten}}]}]", "spec.egress[0].to[0].ipBlock.cidr: 'ten' is not a prefix"},
        {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]",
         "spec.egress[0].to[0].ipBlock.except[0]: 11.0.0.0/16 is not a part"},
        {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]",
         "except[0]: 10.0.0.0/8 is not a part"},
        {"egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/9']}}]}]",
         "except[0]: fd00::/9 is not a part"},
        {"podSelector: {app: web}", "spec.podSelector.app: unknown field; known here: matchLabels, matchExpressions"},
        {"podSelector: {matchLabels: {a b: c}}", "spec.podSelector.matchLabels.a b: label key 'a b'"},
        {"podSelector: {matchLabels: {a: b c}}", "spec.podSelector.matchLabels.a: label value 'b c'"},
        {"podSelector: {matchLabels: {a: null}}", "spec.podSelector.matchLabels.a: want a value"},
        {"podSelector: {matchLabels: [a]}", "spec.podSelector.matchLabels: want a map"},
        {"podSelector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}",
         "spec.podSelector.matchExpressions[0].operator: want In"},
        {"podSelector: {matchExpressions: [{key: a}]}", "spec.podSelector.matchExpressions[0].operator: want In"},
        {"podSelector: {matchExpressions: [{operator: Exists}]}",
         "spec.podSelector.matchExpressions[0].key: missing"},
        {"podSelector: {matchExpressions: [{key: a, operator: In}]}",
         "spec.podSelector.matchExpressions[0].values: In wants"},
        {"podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
         "values: Exists takes no values"},
        {"policyTypes: [ingress]", "spec.policyTypes[0]: want Ingress or Egress"},
        {"podselector: {}", "spec.podselector: unknown field"},
    };
    for (const auto& [spec, expected] : cases) {
        EXPECT_THAT(refusal(spec), HasSubstr(expected)) << spec;
        EXPECT_THAT(refusal(spec), StartsWith("policy default/web: spec.")) << spec;
        EXPECT_THAT(refusal(spec), HasSubstr("(line 4)")) << spec;
    }
}

TEST(NetworkPolicy, RefusesOtherObjects) {
    const auto message = [](std::string_view text) {
        const auto read = read_policies(text);
        return read ? std::string("accepted") : read.error().message;
    };
    EXPECT_THAT(message(""), HasSubstr("no policy"));
    EXPECT_THAT(message("---\n---\n# nothing\n"), HasSubstr("no policy"));
    EXPECT_THAT(message("text"), HasSubstr("want a policy"));
    EXPECT_THAT(message("[]"), HasSubstr("want a policy"));
    EXPECT_THAT(message("{}"), HasSubstr("kind: missing"));
    EXPECT_THAT(message("{apiVersion: v1, kind: Pod}"),
                HasSubstr("kind: 'Pod' is not supported; want NetworkPolicy, ClusterNetworkPolicy, "
                          "AdminNetworkPolicy, BaselineAdminNetworkPolicy"));
    EXPECT_THAT(message("{apiVersion: v1, kind: PodList, items: []}"), HasSubstr("kind: 'PodList' is not supported"));
    EXPECT_THAT(message("{apiVersion: v1, kind: ListList, items: []}"), HasSubstr("'ListList' is not supported"));
    EXPECT_THAT(message("{apiVersion: v1, kind: NetworkPolicyList, items: []}"),
                HasSubstr("apiVersion: want networking.k8s.io/v1 for kind NetworkPolicyList"));
    EXPECT_THAT(message("{apiVersion: extensions/v1beta1, kind: NetworkPolicy, metadata: {name: a}}"),
                HasSubstr("policy default/a: apiVersion: want networking.k8s.io/v1"));
    EXPECT_THAT(message("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy}"),
                HasSubstr("metadata.name: missing"));
    EXPECT_THAT(message("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: A}}"),
                HasSubstr("metadata.name: name 'A'"));
    EXPECT_THAT(message("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {generateName: a}}"),
                HasSubstr("metadata.generateName: unknown"));
    EXPECT_THAT(message(std::string(head) + "metadata: {name: other}\n"),
                HasSubstr("line 4: 'metadata' stands here twice"));
    EXPECT_THAT(message(std::string(head) + "status: {conditions: []}\n"),
                HasSubstr("status.conditions: unknown field"));
    EXPECT_THAT(message(std::string(head) + "---\n" + std::string(head)), HasSubstr("stands in the text twice"));
    EXPECT_THAT(message(std::string(head) + "---\nnonsense: {}\n"), HasSubstr("kind: missing"));
}

TEST(NetworkPolicy, AuditIsAnAnnotation) {
    const auto read = [](std::string_view annotations) {
        return read_policies(fmt::format("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
                                         "metadata: {{name: web, annotations: {}}}\n",
                                         annotations));
    };
    EXPECT_TRUE(read("{weft.dev/audit: 'true'}")->front().policy.audit);
    EXPECT_FALSE(read("{weft.dev/audit: 'false'}")->front().policy.audit);
    EXPECT_FALSE(read("{example.org/audit: 'true', note: [anything]}")->front().policy.audit);
    EXPECT_FALSE(read("null")->front().policy.audit);
    for (const auto* const wrong : {"yes", "''", "null", "[true]"})
        EXPECT_THAT(read(fmt::format("{{weft.dev/audit: {}}}", wrong)).error().message,
                    StartsWith("policy default/web: metadata.annotations.weft.dev/audit: want"))
            << wrong;
}

TEST(NetworkPolicy, ReadsListsAndManyDocuments) {
    const auto list = read_policies(R"(
apiVersion: v1
kind: List
metadata: {resourceVersion: ""}
items:
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {podSelector: {}}}
- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: b, namespace: x}, spec: {podSelector: {}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: c}
---
)");
    ASSERT_TRUE(list) << list.error().message;
    ASSERT_EQ(list->size(), 3U);
    EXPECT_EQ((*list)[1].policy.name.to_string(), "x/b");
    const auto nested =
        read_policies("{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: List, items: []}]}");
    EXPECT_THAT(nested.error().message, HasSubstr("items[0]: policy: kind: a list in a list"));
    const auto wrong = read_policies("{apiVersion: v1, kind: List, items: [{apiVersion: networking.k8s.io/v1, kind: "
                                     "NetworkPolicy, metadata: {name: a}, spec: {x: 1}}]}");
    EXPECT_THAT(wrong.error().message, HasSubstr("items[0]: policy default/a: spec.x: unknown field"));
}

TEST(NetworkPolicy, HostileTextIsBounded) {
    const auto message = [](const std::string& text) {
        const auto read = read_policies(text);
        return read ? std::string("accepted") : read.error().message;
    };
    EXPECT_THAT(message(std::string(policy_text_max + 1, ' ')), HasSubstr("at most"));
    EXPECT_THAT(message("a: &a [x]\nb: [*a, *a]\n"), HasSubstr("line 2: aliases"));
    EXPECT_THAT(message("a: &a {b: *a}\n"), HasSubstr("aliases"));
    EXPECT_THAT(message(std::string(1000, '[')), HasSubstr("line 1: "));
    EXPECT_THAT(message(std::string(40, '[') + std::string(40, ']')), HasSubstr("nested deeper than 32"));
    EXPECT_THAT(message("? [a]\n: b\n"), HasSubstr("a key must be plain text"));
    EXPECT_THAT(message("!!binary abc\n"), HasSubstr("tag"));
    EXPECT_THAT(message("a: b: c\n"), HasSubstr("not YAML"));
    EXPECT_THAT(message("\"unfinished"), HasSubstr("not YAML"));
    std::string many = "[";
    for (unsigned i = 0; i < 150'000; ++i)
        many += "a,";
    EXPECT_THAT(message(many + "]"), HasSubstr("more than 100000 values"));
    std::string wide = "{";
    for (unsigned i = 0; i < 2000; ++i)
        wide += fmt::format("k{}: v,", i);
    EXPECT_THAT(message(wide + "}"), HasSubstr("more than 1000 fields"));
}

} // namespace
} // namespace weft::policy
