// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/policy/policy_reader.hpp"

namespace weft::policy {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Result<Policy> read(const std::string& yaml) {
    auto documents = read_policies(yaml);
    if (!documents) return std::unexpected(documents.error());
    return documents->front().policy;
}

/// What a kind is called, and what its spec needs at least.
struct Flavour {
    std::string_view kind;
    std::string_view version;
    std::string_view name;
    std::string_view least; ///< of the spec, in flow style, without subject
    std::string_view allow;
    std::string_view ports;
    std::size_t items_max;
};

constexpr Flavour cluster{
    "ClusterNetworkPolicy", "v1alpha2", "lock", "tier: Admin, priority: 7", "Accept", "protocols", 25};
constexpr Flavour admin{"AdminNetworkPolicy", "v1alpha1", "lock", "priority: 7", "Allow", "ports", 100};
constexpr Flavour baseline{"BaselineAdminNetworkPolicy", "v1alpha1", "default", "", "Allow", "ports", 100};

/// A document of that spec, in flow style and without the braces; all of the spec is on line 4.
std::string document(const Flavour& flavour, std::string_view spec) {
    return fmt::format("apiVersion: policy.networking.k8s.io/{}\nkind: {}\nmetadata: {{name: {}}}\nspec: {{{}}}\n",
                       flavour.version, flavour.kind, flavour.name, spec);
}

/// Of a spec that has what it needs and, beside it, `rest`.
std::string with_subject(const Flavour& flavour, std::string_view rest) {
    return document(flavour, fmt::format("{}{}subject: {{namespaces: {{}}}}, {}", flavour.least,
                                         flavour.least.empty() ? "" : ", ", rest));
}

std::string refusal(const std::string& yaml) {
    const auto policy = read(yaml);
    return policy ? "accepted" : policy.error().message;
}

net::Prefix prefix(const char* text) { return net::Prefix::parse(text).value(); }

const LabelSelector everything;
const LabelSelector team_a{{{"team", Operator::in, {"a"}}}};
const LabelSelector app_exists{{{"app", Operator::exists, {}}}};

TEST(ClusterNetworkPolicy, ReadsEverythingThatIsSupported) {
    const std::string yaml = R"(
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata:
  name: lock
  annotations: {weft.dev/audit: "true"}
spec:
  tier: Admin
  priority: 1000
  subject:
    pods:
      namespaceSelector: {matchLabels: {team: a}}
      podSelector: {matchExpressions: [{key: app, operator: Exists}]}
  ingress:
  - name: from the team
    action: Pass
    from:
    - namespaces: {matchLabels: {team: a}}
    - pods: {podSelector: {}}
    - pods: {namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: Exists}]}}
    protocols:
    - tcp: {destinationPort: {number: 80}}
    - udp: {destinationPort: {range: {start: 1, end: 65535}}}
    - sctp: {destinationPort: {number: 65535}}
    - destinationNamedPort: http
  - {action: Accept, from: [{namespaces: {}}]}
  egress:
  - action: Deny
    to:
    - networks: [10.0.0.0/8, "fd00::/8"]
    - namespaces: {}
status: {conditions: [{type: Anything}]}
)";
    const auto documents = read_policies(yaml);
    ASSERT_TRUE(documents) << documents.error().message;
    const Policy& policy = documents->front().policy;
    const Policy expected{
        .name = {Kind::cluster_network_policy, "", "lock"},
        .tier = Tier::admin,
        .priority = 1000,
        .audit = true,
        .subject = {.pods = app_exists, .namespaces = team_a},
        .ingress = {.isolates = false,
                    .rules = {{.action = Action::pass,
                               .name = "from the team",
                               .peers = {EndpointSelector{.pods = {}, .namespaces = team_a},
                                         EndpointSelector{.pods = everything, .namespaces = everything},
                                         EndpointSelector{.pods = app_exists, .namespaces = everything}},
                               .ports = {PortRange{6, 80, 80}, PortRange{17, 1, 65535}, PortRange{132, 65535, 65535},
                                         NamedPort{0, "http"}}},
                              {.action = Action::allow,
                               .name = "",
                               .peers = {EndpointSelector{.pods = {}, .namespaces = everything}},
                               .ports = {}}}},
        .egress = {.isolates = false,
                   .rules = {{.action = Action::deny,
                              .name = "",
                              .peers = {IpBlock{prefix("10.0.0.0/8"), {}}, IpBlock{prefix("fd00::/8"), {}},
                                        EndpointSelector{.pods = {}, .namespaces = everything}},
                              .ports = {}}}},
    };
    EXPECT_EQ(policy, expected);

    const auto again = read_policies(documents->front().yaml);
    ASSERT_TRUE(again) << again.error().message << "\n" << documents->front().yaml;
    EXPECT_EQ(again->front().policy, policy);
}

TEST(ClusterNetworkPolicy, TierVersionAndPriority) {
    const auto baseline_tier =
        read(document(cluster, "tier: Baseline, priority: 0, subject: {namespaces: {}}, ingress: [{action: Pass, "
                               "from: [{namespaces: {}}]}]"));
    ASSERT_TRUE(baseline_tier) << baseline_tier.error().message;
    EXPECT_EQ(baseline_tier->tier, Tier::baseline);
    EXPECT_EQ(baseline_tier->priority, 0U);
    EXPECT_EQ(baseline_tier->ingress.rules[0].action, Action::pass);
    Flavour newer = cluster;
    newer.version = "v1beta1";
    EXPECT_TRUE(read(with_subject(newer, "")));
}

TEST(AdminNetworkPolicy, ReadsEverythingThatIsSupported) {
    const auto policy = read(R"(
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: lock}
spec:
  priority: 7
  subject: {namespaces: {matchLabels: {team: a}}}
  ingress:
  - action: Allow
    from: [{pods: {namespaceSelector: {}, podSelector: {}}}]
    ports:
    - portNumber: {port: 80}
    - portNumber: {protocol: UDP, port: 53}
    - portRange: {start: 100, end: 200}
    - portRange: {protocol: SCTP, start: 1, end: 2}
    - namedPort: http
  egress:
  - {name: not out, action: Deny, to: [{networks: [0.0.0.0/0]}]}
  - {action: Pass, to: [{namespaces: {}}]}
)");
    ASSERT_TRUE(policy) << policy.error().message;
    const Policy expected{
        .name = {Kind::admin_network_policy, "", "lock"},
        .tier = Tier::admin,
        .priority = 7,
        .audit = false,
        .subject = {.pods = {}, .namespaces = team_a},
        .ingress = {.isolates = false,
                    .rules = {{.action = Action::allow,
                               .name = "",
                               .peers = {EndpointSelector{.pods = everything, .namespaces = everything}},
                               .ports = {PortRange{6, 80, 80}, PortRange{17, 53, 53}, PortRange{6, 100, 200},
                                         PortRange{132, 1, 2}, NamedPort{0, "http"}}}}},
        .egress = {.isolates = false,
                   .rules = {{.action = Action::deny,
                              .name = "not out",
                              .peers = {IpBlock{prefix("0.0.0.0/0"), {}}},
                              .ports = {}},
                             {.action = Action::pass,
                              .name = "",
                              .peers = {EndpointSelector{.pods = {}, .namespaces = everything}},
                              .ports = {}}}},
    };
    EXPECT_EQ(*policy, expected);
}

TEST(BaselineAdminNetworkPolicy, IsAskedLast) {
    const auto policy = read(with_subject(baseline, "egress: [{action: Deny, to: [{networks: [0.0.0.0/0]}]}]"));
    ASSERT_TRUE(policy) << policy.error().message;
    EXPECT_EQ(policy->name.to_string(), "banp:default");
    EXPECT_EQ(policy->tier, Tier::baseline);
    EXPECT_EQ(policy->priority, priority_max + 1);
    EXPECT_EQ(policy->subject, (EndpointSelector{.pods = {}, .namespaces = everything}));
    EXPECT_EQ(policy->egress.rules.size(), 1U);
}

TEST(AdminPolicies, RefuseByTheFullPath) {
    struct Case {
        const Flavour& flavour;
        std::string rest; ///< of the spec
        std::string expected;
    };

    const auto rule = [](const Flavour& flavour, std::string_view ports) {
        return fmt::format("egress: [{{action: Deny, to: [{{namespaces: {{}}}}], {}: {}}}]", flavour.ports, ports);
    };
    const std::vector<Case> cases{
        {cluster, "policyTypes: []", "spec.policyTypes: unknown field; known here: tier, priority, subject"},
        {admin, "tier: Admin", "spec.tier: unknown field; known here: priority, subject, ingress, egress"},
        {baseline, "priority: 7", "spec.priority: unknown field; known here: subject, ingress, egress"},
        {cluster, "ingress: {}", "spec.ingress: want a list"},
        // Rules.
        {cluster, "ingress: [null]", "spec.ingress[0].action: want Accept, Deny or Pass"},
        {cluster, "ingress: [{action: Allow}]", "spec.ingress[0].action: want Accept, Deny or Pass"},
        {admin, "ingress: [{action: Accept}]", "spec.ingress[0].action: want Allow, Deny or Pass"},
        {baseline, "ingress: [{action: Pass}]", "spec.ingress[0].action: want Allow or Deny"},
        {cluster, "ingress: [{action: Deny}]", "spec.ingress[0].from: names nobody"},
        {cluster, "egress: [{action: Deny, to: []}]", "spec.egress[0].to: names nobody"},
        {cluster, "egress: [{action: Deny, from: []}]",
         "spec.egress[0].from: unknown field; known here: name, action, to, protocols"},
        {admin, "ingress: [{action: Deny, protocols: []}]",
         "spec.ingress[0].protocols: unknown field; known here: name, action, from, ports"},
        {cluster, fmt::format("ingress: [{{action: Deny, name: {}}}]", std::string(101, 'a')),
         "spec.ingress[0].name: want at most 100 characters, on one line"},
        {cluster, "ingress: [{action: Deny, name: \"a\\nb\"}]", "spec.ingress[0].name: want at most 100 characters"},
        {cluster, "ingress: [{action: Deny, name: [a]}]", "spec.ingress[0].name: want text"},
        // Peers.
        {cluster, "ingress: [{action: Deny, from: [{}]}]",
         "spec.ingress[0].from[0]: empty: want one of namespaces, pods"},
        {cluster, "ingress: [{action: Deny, from: [null]}]", "spec.ingress[0].from[0]: missing: want one of"},
        {cluster, "ingress: [{action: Deny, from: [{namespaces: null}]}]", "spec.ingress[0].from[0]: empty: want"},
        {cluster, "ingress: [{action: Deny, from: [{namespaces: {}, pods: {podSelector: {}}}]}]",
         "spec.ingress[0].from[0].pods: stands beside namespaces: want only one of namespaces, pods"},
        {cluster, "ingress: [{action: Deny, from: [{networks: [10.0.0.0/8]}]}]",
         "spec.ingress[0].from[0].networks: unknown field; known here: namespaces, pods"},
        {admin, "ingress: [{action: Deny, from: [{nodes: {}}]}]", "spec.ingress[0].from[0].nodes: unknown field"},
        {cluster, "ingress: [{action: Deny, from: [{namespaces: {a: b}}]}]",
         "spec.ingress[0].from[0].namespaces.a: unknown field; known here: matchLabels"},
        {cluster, "ingress: [{action: Deny, from: [{pods: {}}]}]",
         "spec.ingress[0].from[0].pods.podSelector: missing; {} selects all"},
        {admin, "ingress: [{action: Deny, from: [{pods: {podSelector: {}}}]}]",
         "spec.ingress[0].from[0].pods.namespaceSelector: missing; {} selects all"},
        {admin, "ingress: [{action: Deny, from: [{pods: {selector: {}}}]}]",
         "spec.ingress[0].from[0].pods.selector: unknown field; known here: namespaceSelector, podSelector"},
        {cluster, "egress: [{action: Deny, to: [{nodes: {}}]}]",
         "spec.egress[0].to[0].nodes: hosts carry no labels in weft; name their addresses in networks"},
        {admin, "egress: [{action: Deny, to: [{domainNames: [example.org]}]}]",
         "spec.egress[0].to[0].domainNames: weft does not resolve names; name the addresses in networks"},
        {cluster, "egress: [{action: Deny, to: [{networks: []}]}]",
         "spec.egress[0].to[0].networks: empty: want at least one CIDR"},
        {cluster, "egress: [{action: Deny, to: [{networks: [10.0.0.0]}]}]",
         "spec.egress[0].to[0].networks[0]: '10.0.0.0' has no length: did you mean 10.0.0.0/32?"},
        {admin, "egress: [{action: Deny, to: [{networks: [10.0.0.1/8]}]}]", "spec.egress[0].to[0].networks[0]: "},
        // Ports.
        {cluster, rule(cluster, "[]"), "spec.egress[0].protocols: empty: leave it out"},
        {admin, rule(admin, "[]"), "spec.egress[0].ports: empty: leave it out"},
        {cluster, rule(cluster, "[{}]"),
         "spec.egress[0].protocols[0]: empty: want one of tcp, udp, sctp, destinationNamedPort"},
        {cluster, rule(cluster, "[{tcp: {}}]"),
         "spec.egress[0].protocols[0].tcp.destinationPort: missing: want one of number, range"},
        {cluster, rule(cluster, "[{icmp: {}}]"), "spec.egress[0].protocols[0].icmp: unknown field"},
        {cluster, rule(cluster, "[{tcp: {port: 80}}]"),
         "spec.egress[0].protocols[0].tcp.port: unknown field; known here: destinationPort"},
        {cluster, rule(cluster, "[{tcp: {destinationPort: {number: 80}}, udp: {destinationPort: {number: 80}}}]"),
         "spec.egress[0].protocols[0].udp: stands beside tcp"},
        {cluster, rule(cluster, "[{tcp: {destinationPort: {number: 0}}}]"),
         "spec.egress[0].protocols[0].tcp.destinationPort.number: want a number from 1 to 65535"},
        {cluster, rule(cluster, "[{tcp: {destinationPort: {number: '80'}}}]"),
         "number: want a number from 1 to 65535, without"},
        {cluster, rule(cluster, "[{tcp: {destinationPort: {range: {start: 80}}}}]"),
         "spec.egress[0].protocols[0].tcp.destinationPort.range.end: missing"},
        {cluster, rule(cluster, "[{udp: {destinationPort: {range: {start: 80, end: 80}}}}]"),
         "range.end: want a number greater than start"},
        {cluster, rule(cluster, "[{udp: {destinationPort: {range: {start: 80, end: 90, step: 2}}}}]"),
         "range.step: unknown field; known here: start, end"},
        {cluster, rule(cluster, "[{destinationNamedPort: HTTP}]"),
         "spec.egress[0].protocols[0].destinationNamedPort: port name 'HTTP'"},
        {cluster, rule(cluster, "[{destinationNamedPort: ''}]"), "destinationNamedPort: port name ''"},
        {admin, rule(admin, "[{}]"), "spec.egress[0].ports[0]: empty: want one of portNumber, portRange, namedPort"},
        {admin, rule(admin, "[{port: 80}]"), "spec.egress[0].ports[0].port: unknown field"},
        {admin, rule(admin, "[{portNumber: {}}]"), "spec.egress[0].ports[0].portNumber.port: missing"},
        {admin, rule(admin, "[{portNumber: {protocol: ICMP, port: 1}}]"),
         "spec.egress[0].ports[0].portNumber.protocol: want TCP, UDP or SCTP"},
        {admin, rule(admin, "[{portNumber: {number: 1}}]"),
         "portNumber.number: unknown field; known here: protocol, port"},
        {admin, rule(admin, "[{portRange: {start: 9, end: 8}}]"),
         "spec.egress[0].ports[0].portRange.end: want a number greater than start"},
        {admin, rule(admin, "[{portRange: {from: 9}}]"),
         "portRange.from: unknown field; known here: protocol, start, end"},
        {admin, rule(admin, "[{namedPort: 80}]"), "spec.egress[0].ports[0].namedPort: port name '80'"},
        {admin, rule(admin, "[{namedPort: 0x50}]"), "namedPort: '0x50' is a number to YAML"},
        {admin,
         "egress: [{action: Deny, to: [{namespaces: {}}, {networks: [10.0.0.0/8]}], ports: [{namedPort: http}]}]",
         "spec.egress[0].ports[0]: networks do not name their ports; give a number"},
    };
    for (const auto& [flavour, rest, expected] : cases) {
        const std::string message = refusal(with_subject(flavour, rest));
        EXPECT_THAT(message, HasSubstr(expected)) << rest;
        EXPECT_THAT(message, HasSubstr("(line 4)")) << rest;
    }
}

TEST(AdminPolicies, NeedTierPriorityAndSubject) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {document(cluster, "priority: 7"), "policy cnp:lock: spec.tier: want Admin or Baseline"},
        {document(cluster, "tier: admin, priority: 7"), "spec.tier: want Admin or Baseline"},
        {document(cluster, "tier: Admin"), "spec.priority: missing: want a number from 0 to 1000"},
        {document(admin, "priority: 1001"), "policy anp:lock: spec.priority: want a number from 0 to 1000"},
        {document(admin, "priority: -1"), "spec.priority: want a number from 0 to 1000"},
        {document(admin, "priority: '1'"), "spec.priority: want a number from 0 to 1000"},
        {document(admin, "priority: 1"), "spec.subject: missing: want one of namespaces, pods"},
        {document(baseline, "subject: {}"), "policy banp:default: spec.subject: empty: want one of namespaces, pods"},
        {document(baseline, "subject: {namespaces: {}, pods: {}}"), "spec.subject.pods: stands beside namespaces"},
        {document(baseline, "subject: {networks: []}"), "spec.subject.networks: unknown field"},
        {document(baseline, "subject: {pods: {namespaceSelector: {}}}"), "spec.subject.pods.podSelector: missing"},
        {"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\n",
         "policy anp:a: spec.priority: missing"},
    };
    for (const auto& [yaml, expected] : cases)
        EXPECT_THAT(refusal(yaml), HasSubstr(expected)) << yaml;
}

TEST(AdminPolicies, ListsHaveTheApisLimits) {
    const auto repeat = [](std::string_view item, std::size_t times) {
        std::string text;
        for (std::size_t i = 0; i < times; ++i)
            text += fmt::format("{}{}", text.empty() ? "" : ", ", item);
        return text;
    };
    const auto peers = [&](const Flavour& flavour, std::string_view item, std::size_t times) {
        return refusal(
            with_subject(flavour, fmt::format("egress: [{{action: Deny, to: [{}]}}]", repeat(item, times))));
    };
    for (const Flavour* flavour : {&cluster, &admin, &baseline}) {
        const std::size_t max = flavour->items_max;
        const auto too_many = fmt::format("{} items: at most {}", max + 1, max);
        EXPECT_EQ(peers(*flavour, "{namespaces: {}}", max), "accepted");
        EXPECT_THAT(peers(*flavour, "{namespaces: {}}", max + 1), HasSubstr("spec.egress[0].to: " + too_many));
        const auto rules = [&](std::size_t times) {
            return refusal(with_subject(
                *flavour, fmt::format("ingress: [{}]", repeat("{action: Deny, from: [{namespaces: {}}]}", times))));
        };
        EXPECT_EQ(rules(max), "accepted");
        EXPECT_THAT(rules(max + 1), HasSubstr("spec.ingress: " + too_many));
        const std::string_view port =
            flavour == &cluster ? "{tcp: {destinationPort: {number: 80}}}" : "{portNumber: {port: 80}}";
        const auto ports = [&](std::size_t times) {
            return refusal(with_subject(
                *flavour, fmt::format("ingress: [{{action: Deny, from: [{{namespaces: {{}}}}], {}: [{}]}}]",
                                      flavour->ports, repeat(port, times))));
        };
        EXPECT_EQ(ports(max), "accepted");
        EXPECT_THAT(ports(max + 1), HasSubstr(fmt::format("spec.ingress[0].{}: {}", flavour->ports, too_many)));
        const auto networks = [&](std::size_t times) {
            return peers(*flavour, fmt::format("{{networks: [{}]}}", repeat("10.0.0.0/8", times)), 1);
        };
        EXPECT_EQ(networks(25), "accepted");
        EXPECT_THAT(networks(26), HasSubstr("spec.egress[0].to[0].networks: 26 items: at most 25"));
    }
    // A hundred characters, of two bytes each.
    EXPECT_EQ(refusal(with_subject(cluster, fmt::format("ingress: [{{action: Deny, name: {}, from: [{{namespaces: "
                                                        "{{}}}}]}}]",
                                                        [] {
                                                            std::string name;
                                                            for (unsigned i = 0; i < 100; ++i)
                                                                name += "\xC3\xA4";
                                                            return name;
                                                        }()))),
              "accepted");
}

TEST(AdminPolicies, MetadataAndVersion) {
    EXPECT_THAT(
        refusal("{apiVersion: policy.networking.k8s.io/v1alpha1, kind: ClusterNetworkPolicy, metadata: {name: "
                "a}}"),
        StartsWith("policy cnp:a: apiVersion: want policy.networking.k8s.io/v1alpha2 or "
                   "policy.networking.k8s.io/v1beta1 for kind ClusterNetworkPolicy"));
    EXPECT_THAT(refusal("{apiVersion: networking.k8s.io/v1, kind: AdminNetworkPolicy, metadata: {name: a}}"),
                HasSubstr("want policy.networking.k8s.io/v1alpha1 for kind AdminNetworkPolicy"));
    EXPECT_THAT(refusal("{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, "
                        "metadata: {name: a, namespace: shop}}"),
                StartsWith("policy anp:a: metadata.namespace: AdminNetworkPolicy has none"));
    EXPECT_THAT(refusal("{apiVersion: policy.networking.k8s.io/v1alpha1, kind: BaselineAdminNetworkPolicy, "
                        "metadata: {name: other}, spec: {subject: {namespaces: {}}}}"),
                StartsWith("policy banp:other: metadata.name: the one baseline is called default"));
    EXPECT_THAT(refusal(with_subject(admin, "") + "status: {phase: x}\n"),
                HasSubstr("status.phase: unknown field; known here: conditions"));
    EXPECT_THAT(refusal("{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, "
                        "metadata: {name: a, annotations: {weft.dev/audit: maybe}}}"),
                StartsWith("policy anp:a: metadata.annotations.weft.dev/audit: want \"true\" or \"false\""));
}

TEST(AdminPolicies, KindsShareTextsAndLists) {
    const auto mixed = read_policies(fmt::format("{}---\n{}---\n{}", with_subject(cluster, ""),
                                                 with_subject(admin, ""), with_subject(baseline, "")));
    ASSERT_TRUE(mixed) << mixed.error().message;
    ASSERT_EQ(mixed->size(), 3U) << "lock is the name of two kinds";
    EXPECT_THAT(refusal(with_subject(admin, "") + "---\n" + with_subject(admin, "")),
                HasSubstr("policy anp:lock: stands in the text twice"));
    for (const Flavour* flavour : {&cluster, &admin, &baseline}) {
        const auto list = read_policies(fmt::format(
            "{{apiVersion: policy.networking.k8s.io/{0}, kind: {1}List, items: [{{apiVersion: "
            "policy.networking.k8s.io/{0}, kind: {1}, metadata: {{name: {2}}}, spec: {{{3}{4}subject: "
            "{{namespaces: {{}}}}}}}}]}}",
            flavour->version, flavour->kind, flavour->name, flavour->least, flavour->least.empty() ? "" : ", "));
        ASSERT_TRUE(list) << list.error().message;
        EXPECT_EQ(to_string(list->front().policy.name.kind), flavour->kind);
    }
}

} // namespace
} // namespace weft::policy
