// SPDX-License-Identifier: BSD-3-Clause
// Writes the fuzzers' first corpus: fuzz-seeds DIRECTORY makes DIRECTORY/{pipeline,bgp,fast_path,policy}/, from the
// packet cases, from what our own encoders write, and from policies that use every field. tools/test runs it before
// the fuzzers.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "dataplane/api/frame.hpp"
#include "routing/message.hpp"
#include "tests/fuzz/packet_input.hpp"

namespace {

using namespace weft;
namespace files = std::filesystem;

constexpr std::size_t seed_max = 8192; // as tools/test bounds an input

void write(const files::path& directory, const std::string& name, std::span<const std::uint8_t> bytes) {
    files::create_directories(directory);
    std::ofstream file(directory / name, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void pipeline_seeds(const files::path& directory) {
    for (const auto& each : cases::all_cases()) {
        const auto seed = fuzz::seed_of((each.inner == 6 ? 1U : 0U) | (each.outer == 6 ? 2U : 0U), each.steps);
        if (seed.size() <= seed_max) write(directory, each.name, seed);
    }
}

void bgp_seeds(const files::path& directory) {
    const bgp::CodecOptions options;
    const auto seed = [&](const std::string& name, const std::vector<std::uint8_t>& message) {
        std::vector<std::uint8_t> bytes{0};
        bytes.insert(bytes.end(), message.begin(), message.end());
        write(directory, name, bytes);
    };
    bgp::Open open;
    open.as_number = 65000;
    open.hold_time_s = 9;
    open.router_id = 0x0a000001;
    open.capabilities.families = {bgp::AddressFamily::l2vpn_evpn, bgp::AddressFamily::ipv4_unicast};
    open.capabilities.route_refresh = true;
    open.capabilities.extended_message = true;
    open.capabilities.four_octet_as = 4200000000;
    open.capabilities.graceful_restart = bgp::GracefulRestart{true, 30, {{bgp::AddressFamily::l2vpn_evpn, true}}};
    seed("open", bgp::encode(open, options));
    seed("keepalive", bgp::encode(bgp::Keepalive{}, options));
    seed("notification", bgp::encode(bgp::Notification{6, 2, {4, 'w', 'e', 'f', 't'}}, options));
    seed("refresh", bgp::encode(bgp::RouteRefresh{.afi = 25, .subtype = 0, .safi = 70}, options));
    seed("end_of_rib", bgp::encode_end_of_rib(bgp::AddressFamily::l2vpn_evpn, options));

    bgp::PathAttributes attributes;
    attributes.next_hop = net::Address::parse("192.0.2.1").value();
    attributes.local_pref = 100;
    attributes.extended_communities = {bgp::ExtendedCommunity::route_target(65000, 4000),
                                       bgp::ExtendedCommunity::vxlan_encapsulation()};
    attributes.large_communities = {{4267132230, 1, 2}, {4267132230, 3, 4}};
    for (const char* const text : {"10.244.0.5/32", "fd00:244::5/128"}) {
        bgp::EvpnPrefix route;
        route.prefix = net::Prefix::parse(text).value();
        route.label = 4000;
        const bgp::Nlri nlri = route;
        for (const auto& message : bgp::encode_routes({&nlri, 1}, &attributes, {}, options))
            seed(route.prefix.family() == net::Family::ipv4 ? "evpn_v4" : "evpn_v6", message);
        for (const auto& message : bgp::encode_routes({}, nullptr, {&nlri, 1}, options))
            seed(route.prefix.family() == net::Family::ipv4 ? "evpn_v4_withdrawn" : "evpn_v6_withdrawn", message);
    }
}

void fast_path_seeds(const files::path& directory) {
    for (const int family : {4, 6}) {
        const cases::World world{family, family};
        fastpath::Request update;
        *update.mutable_update() = world.tables();
        update.mutable_update()->MergeFrom(cases::World::policy(fastpath::DIRECTION_INGRESS, 1, 2, 6, 80,
                                                                fastpath::VERDICT_DENY, fastpath::VERDICT_ALLOW));
        fastpath::Request question;
        question.mutable_explain()->set_vni(cases::World::vni);
        question.mutable_explain()->set_source(cases::text_of(world.web_ip()));
        question.mutable_explain()->set_destination(cases::text_of(world.cache_ip()));
        fastpath::Request deletion;
        for (const auto& route : update.update().routes()) {
            auto& key = *deletion.mutable_update()->add_deleted_routes();
            key.set_vni(route.vni());
            *key.mutable_prefix() = route.prefix();
        }
        for (const auto& next_hop : update.update().next_hops())
            deletion.mutable_update()->add_deleted_next_hops(next_hop.id());
        fastpath::Request sessions;
        auto& filter = *sessions.mutable_sessions()->mutable_filter();
        *filter.add_ends()->add_prefixes() = update.update().routes(0).prefix();
        filter.set_vni(cases::World::vni);
        filter.set_l4_port(80);
        for (const std::uint8_t piece : {0, 7}) {
            std::string bytes(1, static_cast<char>(piece));
            for (const auto* const request : {&update, &question, &sessions, &deletion})
                if (!fastpath::append_frame(bytes, *request)) std::abort();
            write(directory, "v" + std::to_string(family) + "_by_" + std::to_string(piece),
                  {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
        }
    }
}

void policy_seeds(const files::path& directory) {
    constexpr std::string_view head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n";
    const std::string whole = std::string(head) + R"(metadata: {name: web, namespace: shop, labels: {a: "b\n"}}
spec:
  podSelector:
    matchLabels: {app: web}
    matchExpressions: [{key: tier, operator: NotIn, values: [back, "1"]}, {key: old, operator: DoesNotExist}]
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {}
    - namespaceSelector: {matchLabels: {team: a}}
    ports: [{port: 80}, {port: http}, {protocol: UDP, port: 53, endPort: 8053}]
  egress:
  - to:
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    - ipBlock: {cidr: "fd00::/8"}
)";
    const std::string block = std::string(head) + "metadata:\n  name: a\n  annotations:\n    x: |\n      text\n";
    const std::string list =
        "{apiVersion: v1, kind: List, items: [{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, "
        "metadata: {name: a}}]}\n---\n" +
        block;
    const std::string cluster = R"(apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: lock, annotations: {weft.dev/audit: "true"}}
spec:
  tier: Baseline
  priority: 10
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}
  ingress:
  - name: first
    action: Pass
    from: [{namespaces: {}}, {pods: {podSelector: {}}}]
    protocols:
    - tcp: {destinationPort: {number: 80}}
    - udp: {destinationPort: {range: {start: 1, end: 99}}}
    - sctp: {destinationPort: {number: 7}}
    - destinationNamedPort: http
  egress:
  - {action: Accept, to: [{networks: [10.0.0.0/8, "fd00::/8"]}]}
)";
    const std::string admin = R"(apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: lock}
spec:
  priority: 1000
  subject: {namespaces: {matchLabels: {team: a}}}
  ingress:
  - {action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {protocol: UDP, port: 53}}, {namedPort: http}]}
  egress:
  - {action: Deny, to: [{networks: [0.0.0.0/0]}], ports: [{portRange: {start: 1, end: 2}}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicyList
items:
- apiVersion: policy.networking.k8s.io/v1alpha1
  kind: BaselineAdminNetworkPolicy
  metadata: {name: default}
  spec: {subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
)";
    for (const auto& [name, text] : {std::pair("whole", whole), std::pair("block", block), std::pair("list", list),
                                     std::pair("cluster", cluster), std::pair("admin", admin)})
        write(directory, name, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: fuzz-seeds DIRECTORY\n", stderr);
        return 2;
    }
    const files::path directory = argv[1];
    pipeline_seeds(directory / "pipeline");
    bgp_seeds(directory / "bgp");
    fast_path_seeds(directory / "fast_path");
    policy_seeds(directory / "policy");
    return 0;
}
