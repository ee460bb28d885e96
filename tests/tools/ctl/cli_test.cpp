// SPDX-License-Identifier: BSD-3-Clause
// Whole commands against an agent with canned answers: what they ask, what they print, and how they end.
#include <cstring>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/tools/ctl/canned_agent.hpp"
#include "tests/tools/ctl/run_cli.hpp"

namespace weft::ctl {
namespace {

class Cli : public testing::Test {
  protected:
    Ended weft(const Words& words, const std::string& input = {}) { return run_at(agent.socket(), words, input); }

    CannedAgent agent;
};

v1::Endpoint endpoint(const std::string& name, const std::string& address, const std::string& app) {
    v1::Endpoint endpoint;
    endpoint.set_name(name);
    endpoint.set_namespace_("default");
    endpoint.set_network("default");
    endpoint.set_vni(4000);
    endpoint.add_addresses(address);
    endpoint.set_netns("/run/netns/" + name);
    endpoint.set_ifname("eth0");
    endpoint.set_identity(5);
    endpoint.set_state("ready");
    (*endpoint.mutable_labels())["app"] = app;
    return endpoint;
}

v1::Route route(const std::string& prefix, const std::string& peer, bool best) {
    v1::Route route;
    route.set_network("default");
    route.set_vni(4000);
    route.set_prefix(prefix);
    route.set_next_hop("192.0.2.2");
    route.set_peer(peer);
    route.set_best(best);
    route.set_why(best ? "only route" : "longer AS path");
    return route;
}

TEST_F(Cli, EndpointListIsSortedAndAligned) {
    agent.endpoints = {endpoint("web-10", "10.244.0.10", "web"), endpoint("web-2", "10.244.0.2", "web"),
                       endpoint("db", "10.244.0.3", "db")};
    EXPECT_EQ(weft({"endpoint", "list"}).out,
              "NAME    NAMESPACE  NETWORK  ADDRESSES    STATE  IDENTITY  NETNS              LABELS\n"
              "db      default    default  10.244.0.3   ready         5  /run/netns/db      app=db\n"
              "web-2   default    default  10.244.0.2   ready         5  /run/netns/web-2   app=web\n"
              "web-10  default    default  10.244.0.10  ready         5  /run/netns/web-10  app=web\n");
}

TEST_F(Cli, EndpointListFilters) {
    agent.endpoints = {endpoint("web", "10.244.0.10", "web"), endpoint("db", "10.244.0.3", "db")};
    const Json json = weft({"endpoint", "list", "--label", "app=db", "-o", "json"}).json();
    ASSERT_EQ(json["endpoints"].size(), 1U);
    EXPECT_EQ(json["endpoints"][0]["name"], "db");
    EXPECT_EQ(json["endpoints"][0]["labels"], Json({{"app", "db"}}));
    EXPECT_TRUE(weft({"endpoint", "list", "--namespace", "other", "-o", "json"}).json()["endpoints"].empty());
}

TEST_F(Cli, AnEmptyListSaysSoBesideTheOutput) {
    const Ended ended = weft({"endpoint", "list"});
    EXPECT_EQ(ended.exit, Exit::ok);
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.err.find("no endpoints"), std::string::npos);
    EXPECT_EQ(weft({"endpoint", "list", "-o", "json"}).json(), Json({{"endpoints", Json::array()}}));
}

TEST_F(Cli, EndpointShowNamesTheNearest) {
    agent.endpoints = {endpoint("web-1", "10.244.0.2", "web")};
    EXPECT_NE(weft({"endpoint", "show", "web-1"}).out.find("interface  eth0 in /run/netns/web-1"), std::string::npos);
    EXPECT_EQ(weft({"endpoint", "show", "web-1", "-o", "json"}).json()["vni"], 4000);
    const Ended ended = weft({"endpoint", "show", "wbe-1"});
    EXPECT_EQ(ended.exit, Exit::failed);
    EXPECT_EQ(ended.err, "weft: no endpoint is named wbe-1; did you mean 'web-1'?\n");
}

TEST_F(Cli, EndpointsShowTheirNamedPorts) {
    agent.endpoints = {endpoint("web-1", "10.244.0.2", "web")};
    EXPECT_EQ(weft({"endpoint", "list"}).out.find("NAMED PORTS"), std::string::npos);
    agent.endpoints[0].add_named_ports("dns=53/UDP");
    agent.endpoints[0].add_named_ports("http=80/TCP");
    EXPECT_NE(weft({"endpoint", "list"}).out.find("dns=53/UDP,http=80/TCP\n"), std::string::npos);
    EXPECT_NE(weft({"endpoint", "show", "web-1"}).out.find("named ports  dns=53/UDP\n             http=80/TCP\n"),
              std::string::npos)
        << weft({"endpoint", "show", "web-1"}).out;
    EXPECT_EQ(weft({"endpoint", "show", "web-1", "-o", "json"}).json()["named_ports"],
              Json({"dns=53/UDP", "http=80/TCP"}));
}

TEST_F(Cli, EndpointAddAsksForWhatWasSaid) {
    const Ended ended = weft({"endpoint",   "add",
                              "web-1",      "--netns",
                              "blue",       "--namespace",
                              "shop",       "--label",
                              "app=web",    "--label",
                              "tier=front", "--address",
                              "10.9.0.1",   "--address",
                              "fd09::1",    "--network",
                              "n",          "--ifname",
                              "net0",       "--named-port",
                              "http=80",    "--named-port=dns=53/UDP"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    EXPECT_EQ(ended.out, "web-1: ready, 10.244.0.9, fd00:244::9\n");
    EXPECT_EQ(agent.added.netns(), "/run/netns/blue");
    EXPECT_EQ(agent.added.namespace_(), "shop");
    EXPECT_EQ(agent.added.labels().at("tier"), "front");
    EXPECT_EQ(agent.added.addresses_size(), 2);
    EXPECT_EQ(agent.added.network(), "n");
    EXPECT_EQ(agent.added.ifname(), "net0");
    ASSERT_EQ(agent.added.named_ports_size(), 2);
    EXPECT_EQ(agent.added.named_ports(0), "http=80");
    EXPECT_EQ(agent.added.named_ports(1), "dns=53/UDP");
    EXPECT_EQ(weft({"endpoint", "add", "x", "--netns", "/proc/7/ns/net"}).exit, Exit::ok);
    EXPECT_EQ(agent.added.netns(), "/proc/7/ns/net");
    EXPECT_EQ(weft({"endpoint", "add", "x"}).exit, Exit::usage);
    EXPECT_EQ(weft({"endpoint", "add", "x", "--netns", "n", "--label", "bad"}).exit, Exit::usage);
}

TEST_F(Cli, TheHostsOwnEndpointNeedsNoNamespace) {
    const Ended ended =
        weft({"endpoint", "add", "host", "--host", "--route", "10.244.0.0/16", "--route", "fd00::/8"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    EXPECT_TRUE(agent.added.host());
    EXPECT_EQ(agent.added.netns(), "");
    EXPECT_EQ(agent.added.namespace_(), "");
    ASSERT_EQ(agent.added.routes_size(), 2);
    EXPECT_EQ(agent.added.routes(1), "fd00::/8");
    EXPECT_EQ(weft({"endpoint", "add", "x", "--host", "--netns", "web-1"}).exit, Exit::ok) << "the agent refuses it";
    EXPECT_EQ(agent.added.netns(), "/run/netns/web-1");

    v1::Endpoint own = endpoint("host", "10.244.0.4", "");
    own.set_host(true);
    own.clear_labels();
    own.clear_namespace_();
    own.clear_netns();
    own.set_ifname("weft0");
    own.set_identity(1);
    own.add_routes("10.244.0.0/16");
    agent.endpoints = {own};
    const std::string list = weft({"endpoint", "list"}).out;
    EXPECT_NE(list.find("ready         1  host"), std::string::npos) << list;
    const std::string shown = weft({"endpoint", "show", "host"}).out;
    EXPECT_NE(shown.find("weft0 of the host"), std::string::npos) << shown;
    EXPECT_NE(shown.find("10.244.0.0/16"), std::string::npos) << shown;
    EXPECT_EQ(shown.find("labels"), std::string::npos) << shown;
    EXPECT_EQ(shown.find("replies"), std::string::npos) << shown;
    agent.endpoints[0].clear_routes();
    const std::string alone = weft({"endpoint", "show", "host"}).out;
    EXPECT_NE(alone.find("containers of other hosts, replies too, needs --route"), std::string::npos) << alone;
}

TEST_F(Cli, WhatTheAgentRefusesIsPassedOn) {
    const Ended ended = weft({"endpoint", "delete", "nobody"});
    EXPECT_EQ(ended.exit, Exit::failed);
    EXPECT_EQ(ended.err, "weft: no endpoint is named nobody\n");
    agent.refusal = {grpc::StatusCode::UNAVAILABLE, "the fast path does not answer: look at weftd's log"};
    const Ended away = weft({"status"});
    EXPECT_EQ(away.exit, Exit::failed) << "weftd itself is there";
    EXPECT_EQ(away.err, "weft: the fast path does not answer: look at weftd's log\n");
    agent.refusal = {grpc::StatusCode::UNIMPLEMENTED, ""};
    EXPECT_NE(weft({"peer", "list"}).err.find("older than this weft"), std::string::npos);
}

TEST_F(Cli, AMessageFromAfarCannotMoveTheCursor) {
    agent.refusal = {grpc::StatusCode::INTERNAL, "peer said \x1b[2J"};
    EXPECT_EQ(weft({"peer", "list"}).err, "weft: peer said \\x1b[2J\n");
}

TEST_F(Cli, NamespaceSetReplacesLabels) {
    EXPECT_EQ(weft({"namespace", "set", "shop", "team=blue", "env=prod"}).out, "shop: env=prod,team=blue\n");
    EXPECT_EQ(agent.set.labels_size(), 2);
    EXPECT_EQ(weft({"namespace", "set", "shop"}).out, "shop: no labels\n");
    agent.namespaces = {agent.set};
    EXPECT_EQ(weft({"namespace", "list"}).out, "NAMESPACE  LABELS\nshop       -\n");
    EXPECT_EQ(weft({"namespace", "delete", "shop"}).out, "shop: deleted\n");
}

TEST_F(Cli, RoutesAreSortedAsNumbersTheBestFirst) {
    agent.routes = {route("fd00::/64", "192.0.2.9", true), route("10.244.10.0/24", "192.0.2.9", true),
                    route("10.244.2.0/24", "192.0.2.10", false), route("10.244.2.0/24", "192.0.2.9", true)};
    EXPECT_EQ(weft({"route", "list"}).out, "   NETWORK  PREFIX          NEXT HOP   PEER        WHY\n"
                                           "*  default  10.244.2.0/24   192.0.2.2  192.0.2.9   only route\n"
                                           "   default  10.244.2.0/24   192.0.2.2  192.0.2.10  longer AS path\n"
                                           "*  default  10.244.10.0/24  192.0.2.2  192.0.2.9   only route\n"
                                           "*  default  fd00::/64       192.0.2.2  192.0.2.9   only route\n");
    EXPECT_EQ(agent.routes_asked.view(), v1::ROUTE_VIEW_LOC);
}

TEST_F(Cli, RouteListAsksForItsView) {
    EXPECT_EQ(
        weft({"route", "list", "10.244.1.0/24", "--view", "adj-out", "--peer", "192.0.2.9", "--network", "blue"})
            .exit,
        Exit::ok);
    EXPECT_EQ(agent.routes_asked.view(), v1::ROUTE_VIEW_ADJ_OUT);
    EXPECT_EQ(agent.routes_asked.peer(), "192.0.2.9");
    EXPECT_EQ(agent.routes_asked.network(), "blue");
    EXPECT_EQ(agent.routes_asked.prefix(), "10.244.1.0/24");
    EXPECT_EQ(weft({"route", "list", "--peer", "192.0.2.9"}).exit, Exit::usage);
    EXPECT_EQ(weft({"route", "list", "10.244.1.1/24"}).exit, Exit::usage);
}

TEST_F(Cli, RouteGetShowsWinnersAndLosers) {
    v1::Route winner = route("10.244.1.7/32", "192.0.2.9", true);
    winner.set_router_mac("02:00:00:00:00:01");
    auto& community = *winner.add_large_communities();
    community.set_global(4267132230);
    community.set_local1(1);
    community.set_local2(2);
    agent.routes = {route("10.244.1.7/32", "192.0.2.10", false), winner};
    const Ended ended = weft({"route", "get", "10.244.1.7"});
    EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
    EXPECT_LT(ended.out.find("only route"), ended.out.find("longer AS path"));
    EXPECT_NE(ended.out.find("4267132230:1:2"), std::string::npos);
    EXPECT_TRUE(weft({"route", "get", "10.244.1.7", "-o", "json"}).json()["routes"][0]["med"].is_null());
    agent.routes.clear();
    EXPECT_EQ(weft({"route", "get", "10.244.1.7"}).exit, Exit::failed);
    EXPECT_EQ(weft({"route", "get", "nonsense"}).exit, Exit::usage);
}

TEST_F(Cli, RouteWatchPrintsEachChange) {
    v1::RouteEvent came, went;
    *came.mutable_route() = route("10.244.1.7/32", "192.0.2.9", true);
    *went.mutable_route() = came.route();
    went.set_withdrawn(true);
    agent.events = {came, went};
    const Ended ended = weft({"route", "watch"});
    EXPECT_EQ(ended.out, "+ default 10.244.1.7/32 via 192.0.2.2 from 192.0.2.9 (only route)\n"
                         "- default 10.244.1.7/32 via 192.0.2.2 from 192.0.2.9 (only route)\n");
    EXPECT_EQ(ended.exit, Exit::unreachable) << "the stream should never end";
    std::istringstream lines(weft({"route", "watch", "-o", "json"}).out);
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(Json::parse(line)["route"]["prefix"], "10.244.1.7/32");
}

TEST_F(Cli, PeersByAddressAsNumbers) {
    for (const char* const address : {"192.0.2.10", "2001:db8::1", "192.0.2.9"}) {
        v1::Peer peer;
        peer.set_address(address);
        peer.set_remote_as(65000);
        peer.set_state("Established");
        peer.set_in_state_s(3700);
        agent.peers.push_back(peer);
    }
    agent.peers[0].set_last_error("hold timer expired");
    agent.peers[0].set_state("Connect");
    agent.peers[1].set_last_error("long past");
    EXPECT_EQ(weft({"peer", "list"}).out,
              "PEER            AS  STATE        SINCE  RECEIVED  ACCEPTED  ADVERTISED  LAST ERROR\n"
              "192.0.2.9    65000  Established  1h 1m         0         0           0  -\n"
              "192.0.2.10   65000  Connect      1h 1m         0         0           0  hold timer expired\n"
              "2001:db8::1  65000  Established  1h 1m         0         0           0  -\n");
    EXPECT_NE(weft({"peer", "show", "192.0.2.10"}).out.find("hold timer expired"), std::string::npos);
    EXPECT_EQ(weft({"peer", "show", "192.0.2.77"}).exit, Exit::failed);
}

v1::Policy network_policy(const std::string& name_space, const std::string& name) {
    v1::Policy policy;
    policy.set_namespace_(name_space);
    policy.set_name(name);
    policy.set_full_name(name_space + "/" + name);
    policy.set_kind("NetworkPolicy");
    policy.set_tier("network_policy");
    policy.add_types("Ingress");
    policy.set_rules(1);
    policy.set_selected_endpoints(2);
    return policy;
}

v1::Policy cluster_policy(const std::string& name, const std::string& tier, unsigned priority) {
    v1::Policy policy = network_policy("", name);
    policy.set_full_name("cnp:" + name);
    policy.set_kind("ClusterNetworkPolicy");
    policy.set_tier(tier);
    policy.set_priority(priority);
    return policy;
}

TEST_F(Cli, PolicyApplyReadsFilesAndStandardInputAsOneSet) {
    v1::Policy policy = network_policy("default", "web");
    policy.set_action("created");
    agent.policies = {policy};
    const std::string file = agent.directory() / "a.yaml";
    std::ofstream(file) << "kind: A";
    const Ended ended = weft({"policy", "apply", "-f", file, "-f", "-"}, "kind: B\n");
    EXPECT_EQ(ended.out, "default/web: created (Ingress; 1 rule; selects 2 endpoints here)\n") << ended.err;
    EXPECT_EQ(agent.applied.yaml(), "kind: A\n---\nkind: B\n");
    agent.refusal = {grpc::StatusCode::INVALID_ARGUMENT, "document 1: kind: 'A' is not supported"};
    EXPECT_EQ(weft({"policy", "apply", "-f", file}).err,
              "weft: " + file + ": document 1: kind: 'A' is not supported\n");
}

TEST_F(Cli, PolicyApplyRefusesWhatItCannotRead) {
    EXPECT_EQ(weft({"policy", "apply"}).exit, Exit::usage);
    EXPECT_EQ(weft({"policy", "apply", "-f", "/nonexistent.yaml"}).err,
              "weft: /nonexistent.yaml cannot be opened: No such file or directory\n");
    EXPECT_EQ(weft({"policy", "apply", "-f", agent.directory()}).exit, Exit::failed);
    EXPECT_EQ(weft({"policy", "apply", "-f", "-"}, "  \n").exit, Exit::failed);
    EXPECT_NE(weft({"policy", "apply", "-f", "-"}, std::string(4'000'001, 'x')).err.find("longer than"),
              std::string::npos);
    EXPECT_EQ(agent.applied.yaml(), "");
}

TEST_F(Cli, PolicyNamesHaveANamespace) {
    v1::Policy policy = network_policy("shop", "web");
    policy.set_yaml("kind: NetworkPolicy\n\x1b");
    agent.policies = {policy};
    EXPECT_EQ(weft({"policy", "show", "shop/web"}).out,
              "# shop/web: Ingress; 1 rule; selects 2 endpoints here\nkind: NetworkPolicy\n\\x1b\n");
    EXPECT_EQ(weft({"policy", "show", "web", "--namespace", "shop"}).exit, Exit::ok);
    EXPECT_EQ(weft({"policy", "show", "web"}).err, "weft: no policy is named default/web\n");
    EXPECT_EQ(weft({"policy", "show", "shpo/web"}).err,
              "weft: no policy is named shpo/web; did you mean 'shop/web'?\n");
    EXPECT_EQ(weft({"policy", "delete", "shop/web"}).out, "shop/web: deleted\n");
    EXPECT_EQ(agent.policy_deleted.namespace_(), "shop");
    EXPECT_EQ(weft({"policy", "delete", "/web"}).exit, Exit::usage);
    EXPECT_EQ(weft({"policy", "delete", "a/web", "--namespace", "b"}).exit, Exit::usage);
}

TEST_F(Cli, PolicyShowHasHitsAsComments) {
    v1::Policy policy = network_policy("shop", "web");
    policy.set_yaml("kind: NetworkPolicy\n");
    const auto add = [&](const char* rule, std::uint64_t connections, std::uint64_t denied, std::uint64_t audited) {
        auto& hits = *policy.add_hits();
        hits.set_rule(rule);
        hits.set_connections(connections);
        hits.set_denied(denied);
        hits.set_audited(audited);
    };
    add("ingress rule 1 of shop/web", 12, 0, 0);
    add("ingress isolation of shop/web", 0, 1234, 0);
    agent.policies = {policy};
    EXPECT_EQ(weft({"policy", "show", "shop/web"}).out,
              "# shop/web: Ingress; 1 rule; selects 2 endpoints here\n"
              "# RULE                           CONNECTIONS  DENIED PACKETS\n"
              "# ingress rule 1 of shop/web              12               0\n"
              "# ingress isolation of shop/web            0            1234\n"
              "kind: NetworkPolicy\n");
    EXPECT_EQ(weft({"policy", "show", "shop/web", "-o", "json"}).json()["hits"][1]["denied"], 1234);
    EXPECT_EQ(weft({"policy", "list"}).out, "TIER     NAMESPACE  NAME  TYPES    RULES  ENDPOINTS HERE  HITS\n"
                                            "network  shop       web   Ingress      1               2  1246\n");
    agent.host_access.emplace().set_rule("host access");
    agent.host_access->set_connections(3);
    EXPECT_EQ(weft({"policy", "list"}).out,
              "TIER     NAMESPACE  NAME         TYPES           RULES  ENDPOINTS HERE  HITS\n"
              "host     -          host access  Ingress,Egress      1               -     3\n"
              "network  shop       web          Ingress             1               2  1246\n");
    agent.host_access.reset();
    agent.policies.clear();
    EXPECT_NE(weft({"policy", "list"}).err.find("everything is allowed"), std::string::npos);
    EXPECT_NE(weft({"policy", "list", "--namespace", "shop"}).err.find("no policies of namespace shop; those of all"),
              std::string::npos);
    policy.set_audit(true);
    policy.clear_hits();
    add("ingress rule 1 of shop/web", 0, 0, 7);
    agent.policies = {policy};
    EXPECT_EQ(weft({"policy", "show", "shop/web"}).out,
              "# shop/web: audit: decides nothing; Ingress; 1 rule; selects 2 endpoints here\n"
              "# RULE                        WOULD HAVE DECIDED\n"
              "# ingress rule 1 of shop/web                   7\n"
              "kind: NetworkPolicy\n");
}

TEST_F(Cli, PoliciesAreListedAsTheyAreAsked) {
    agent.policies = {network_policy("shop", "web-10"),        network_policy("shop", "web-2"),
                      network_policy("default", "web"),        cluster_policy("last", "baseline", 5),
                      cluster_policy("second", "admin", 1000), cluster_policy("first", "admin", 30)};
    agent.policies[4].set_audit(true);
    EXPECT_EQ(weft({"policy", "list"}).out,
              "TIER      PRIORITY  NAMESPACE  NAME        TYPES    RULES  ENDPOINTS HERE  MODE\n"
              "admin           30  -          cnp:first   Ingress      1               2  -\n"
              "admin         1000  -          cnp:second  Ingress      1               2  audit\n"
              "network          -  default    web         Ingress      1               2  -\n"
              "network          -  shop       web-2       Ingress      1               2  -\n"
              "network          -  shop       web-10      Ingress      1               2  -\n"
              "baseline         5  -          cnp:last    Ingress      1               2  -\n");
    const Json json = weft({"policy", "list", "-o", "json"}).json();
    EXPECT_EQ(json["policies"][1]["audit"], true);
    EXPECT_EQ(json["policies"][1]["priority"], 1000);
    EXPECT_EQ(json["policies"][1]["tier"], "admin");
    EXPECT_EQ(json["policies"][2]["kind"], "NetworkPolicy");
    EXPECT_EQ(json["policies"][2]["full_name"], "default/web");
}

TEST_F(Cli, PoliciesOfTheClusterAreNamedByTheirKind) {
    agent.policies = {cluster_policy("lock", "admin", 7)};
    agent.policies[0].set_audit(true);
    agent.policies[0].set_yaml("kind: ClusterNetworkPolicy\n");
    EXPECT_EQ(
        weft({"policy", "show", "cnp:lock"}).out,
        "# cnp:lock: audit: decides nothing; admin tier, priority 7; Ingress; 1 rule; selects 2 endpoints here\n"
        "kind: ClusterNetworkPolicy\n");
    EXPECT_EQ(weft({"policy", "show", "cnp:lokc"}).err,
              "weft: no policy is named cnp:lokc; did you mean 'cnp:lock'?\n");
    EXPECT_EQ(weft({"policy", "delete", "cnp:lock"}).out, "cnp:lock: deleted\n");
    EXPECT_EQ(agent.policy_deleted.namespace_(), "");
    EXPECT_EQ(agent.policy_deleted.name(), "cnp:lock");
    EXPECT_EQ(weft({"policy", "show", "cnp:lock", "--namespace", "shop"}).exit, Exit::usage);
    EXPECT_EQ(weft({"__complete", "--", "policy", "show", "cn"}).out, "words\ncnp:lock\n");
}

v1::CountersReply counters(std::uint64_t packets, std::uint64_t dropped) {
    v1::CountersReply reply;
    auto& port = *reply.add_ports();
    port.set_name("web-1");
    port.set_up(true);
    port.set_rx_packets(packets);
    port.set_rx_bytes(packets * 100);
    auto& drop = *port.add_drops();
    drop.set_reason("egress_policy");
    drop.set_text("the source's egress policy does not allow it");
    drop.set_packets(dropped);
    return reply;
}

TEST_F(Cli, CountersListPortsAndDrops) {
    agent.counters = {counters(1000, 7)};
    EXPECT_EQ(weft({"counters"}).out,
              "PORT   UP   RX PACKETS  RX BYTES  TX PACKETS  TX BYTES  DROPPED\n"
              "web-1  yes        1000    100000           0         0        7\n"
              "\n"
              "PORT   DROP REASON    PACKETS  MEANS\n"
              "web-1  egress_policy        7  the source's egress policy does not allow it\n");
    EXPECT_EQ(weft({"counters", "-o", "json"}).json()["ports"][0]["drops"][0]["packets"], 7);
    EXPECT_EQ(weft({"counters", "wbe-1"}).err, "weft: no port is named 'wbe-1'; did you mean 'web-1'?\n");
    EXPECT_EQ(weft({"counters", "uplink"}).err, "weft: no port is named 'uplink'; `weft counters` shows all\n");
    EXPECT_EQ(weft({"counters", "\xff"}).err, "weft: PORT is not UTF-8 text; `weft counters --help` explains it\n");
}

TEST_F(Cli, CountersWatchPrintsRates) {
    agent.counters = {counters(1000, 7), counters(5000, 9), counters(5000, 9)};
    EXPECT_EQ(weft({"counters", "--watch", "2", "--times", "1"}).out,
              "PORT   RX PACKETS/S  RX BIT/S  TX PACKETS/S  TX BIT/S  DROPPED/S\n"
              "web-1          2.0k      1.6M             0         0        1.0\n"
              "\n"
              "PORT   DROP REASON    PACKETS/S\n"
              "web-1  egress_policy        1.0\n"
              "over 2.0 s\n\n");
    agent.counters = {counters(1000, 7), counters(5000, 9)};
    std::istringstream lines(weft({"counters", "--watch=2", "--times=2", "-o", "json"}).out);
    std::string first, second, third;
    ASSERT_TRUE(std::getline(lines, first) && std::getline(lines, second));
    EXPECT_FALSE(std::getline(lines, third));
    EXPECT_EQ(Json::parse(first)["ports"][0]["rx_packets_per_s"], 2000.0);
    EXPECT_EQ(Json::parse(first)["ports"][0]["drops"][0]["packets_per_s"], 1.0);
    EXPECT_EQ(Json::parse(second)["ports"][0]["rx_packets_per_s"], 0.0);
    EXPECT_EQ(weft({"counters", "--times", "2"}).exit, Exit::usage);
}

TEST_F(Cli, ExplainEndsWithTheVerdict) {
    auto& step = *agent.explanation.add_steps();
    step.set_stage("fib");
    step.set_detail("10.244.1.7 is VTEP 192.0.2.2");
    agent.explanation.set_allowed(true);
    const Ended allowed = weft({"explain", "web-1", "10.244.1.7", "tcp", "80"});
    EXPECT_EQ(allowed.exit, Exit::ok) << allowed.err;
    EXPECT_EQ(allowed.out, "web-1 to 10.244.1.7, tcp port 80\n"
                           "   STAGE  WHAT HAPPENS\n"
                           "1  fib    10.244.1.7 is VTEP 192.0.2.2\n"
                           "allowed\n");
    EXPECT_EQ(agent.explain_asked.protocol(), "tcp");
    EXPECT_EQ(agent.explain_asked.port(), 80U);
    agent.explanation.set_allowed(false);
    agent.explanation.set_drop_reason("ingress_policy");
    agent.explanation.set_rule("ingress rule 1 of default/web");
    const Ended denied = weft({"explain", "web-1", "web-2"});
    EXPECT_EQ(denied.exit, Exit::denied);
    EXPECT_NE(
        denied.out.find("denied: ingress_policy (the destination's ingress policy does not allow it); decided by: "
                        "ingress rule 1 of default/web\n"),
        std::string::npos)
        << denied.out;
    EXPECT_EQ(weft({"explain", "web-1", "web-2", "-o", "json"}).exit, Exit::denied);
    for (const Words& wrong :
         {Words{"explain", "a", "b", "tcp"}, Words{"explain", "a", "b", "icmp", "8"},
          Words{"explain", "a", "b", "tcp", "0"}, Words{"explain", "a", "b", "tpc", "80"}, Words{"explain", "a"}})
        EXPECT_EQ(weft(wrong).exit, Exit::usage);
}

TEST_F(Cli, StatusTellsTheWholeHost) {
    agent.status.set_version("0.1.0");
    agent.status.set_host_name("host-1");
    agent.status.set_uplink("eth0");
    agent.status.add_vteps("192.0.2.1");
    agent.status.mutable_fast_path()->set_kind("dpdk");
    agent.status.mutable_fast_path()->set_state("running");
    agent.status.mutable_fast_path()->set_in_sync(true);
    auto& gauge = *agent.status.mutable_fast_path()->add_gauges();
    gauge.set_name("sessions");
    gauge.set_used(90);
    gauge.set_capacity(100);
    agent.status.add_warnings("peer 192.0.2.9 is down: look at `weft peer show 192.0.2.9`");
    const Ended ended = weft({"status"});
    EXPECT_EQ(ended.exit, Exit::ok);
    for (const char* const part : {"0.1.0 on host-1", "eth0, VTEP 192.0.2.1", "dpdk, running, in sync",
                                   "sessions    90       100  90 %", "warning: peer 192.0.2.9 is down"})
        EXPECT_NE(ended.out.find(part), std::string::npos) << part << " in\n" << ended.out;
    EXPECT_EQ(weft({"status", "-o", "json"}).json()["fast_path"]["in_sync"], true);
    EXPECT_EQ(weft({"version", "-o", "json"}).json()["weftd"], "0.1.0");
}

TEST_F(Cli, CompletionAsksTheAgent) {
    agent.endpoints = {endpoint("web-10", "10.244.0.2", "web"), endpoint("web-2", "10.244.0.3", "web")};
    EXPECT_EQ(weft({"__complete", "--", "endpoint", "show", "we"}).out,
              "words\nweb-2\t10.244.0.3\nweb-10\t10.244.0.2\n");
    EXPECT_EQ(
        run_at("/nonexistent", {"__complete", "--", "--socket", agent.socket(), "endpoint", "show", "web-1"}).out,
        "words\nweb-10\t10.244.0.2\n");
    EXPECT_EQ(run_at("/nonexistent", {"__complete", "--", "endpoint", "show", ""}).out, "words\n");
    EXPECT_EQ(weft({"__complete", "--", "policy", "apply", "-f", ""}).out, "files\n");
}

TEST_F(Cli, AnAgentThatDoesNotAnswerInTime) {
    agent.stop();
    // A socket that accepts, since connections queue, and never says a word.
    const std::string path = agent.directory() / "mute.sock";
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(listen(listener, 4), 0);
    const Ended ended = run_at(path, {"status", "--timeout", "0.2"});
    EXPECT_EQ(ended.exit, Exit::unreachable);
    EXPECT_NE(ended.err.find("has not answered within 0.2 s"), std::string::npos) << ended.err;
    close(listener);
    const Ended dead = run_at(path, {"status"});
    EXPECT_EQ(dead.exit, Exit::unreachable);
    EXPECT_NE(dead.err.find("refuses: the weftd that made it is gone; start weftd again"), std::string::npos)
        << dead.err;
}

TEST(Unreachable, EachReasonHasItsRemedy) {
    const Ended absent = run_at("/nonexistent/weftd.sock", {"status"});
    EXPECT_EQ(absent.exit, Exit::unreachable);
    EXPECT_EQ(absent.err, "weft: socket /nonexistent/weftd.sock does not exist: weftd is not running here; start it, "
                          "or name its socket with --socket\n");
    EXPECT_EQ(run_at("/etc/passwd", {"status"}).err,
              "weft: /etc/passwd is not a socket; name weftd's socket with --socket\n");
    EXPECT_EQ(run_at(std::string(200, 'x'), {"status"}).exit, Exit::usage);
    EXPECT_EQ(run_at("/nonexistent", {"doctor", "-o", "json"}).json()["agent"]["reachable"], false);
    EXPECT_EQ(run_at("/nonexistent", {"version"}).out, "weft " WEFT_VERSION "\n");
}

TEST(Output, ThatIsLostIsAFailure) {
    std::ofstream full("/dev/full");
    std::ostringstream err;
    std::istringstream in;
    Environment environment{.out = full, .err = err, .in = in};
    EXPECT_EQ(run(Words{"help"}, environment), Exit::failed);
    EXPECT_NE(err.str().find("standard output cannot be written"), std::string::npos);
}

TEST(Help, TeachesOnEveryLevel) {
    for (const Words& words : {Words{"--help"}, Words{"help"}, Words{"endpoint", "--help"},
                               Words{"help", "endpoint", "add"}, Words{"endpoint", "add", "-h"}}) {
        const Ended ended = run_at("/nonexistent", words);
        EXPECT_EQ(ended.exit, Exit::ok) << ended.err;
        EXPECT_NE(ended.out.find("Examples\n"), std::string::npos);
    }
    const Ended bare = run_at("/nonexistent", {"endpoint"});
    EXPECT_EQ(bare.exit, Exit::usage);
    EXPECT_EQ(bare.out, "");
    EXPECT_NE(bare.err.find("delete  detach a container"), std::string::npos) << bare.err;
    EXPECT_EQ(run_at("/nonexistent", {"help", "nonsense"}).exit, Exit::usage);
}

} // namespace
} // namespace weft::ctl
