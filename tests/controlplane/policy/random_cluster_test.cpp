// SPDX-License-Identifier: BSD-3-Clause
// Two hosts and the world, random changes, and after each of them every pair of ends: the tables of both hosts must
// decide as the naive evaluator does, for the reason that it gives, and audit as it does; and whoever asks beforehand
// is told the same. When everything is gone, nothing is left.
//
//   host 0: endpoints, its own ---- routes with communities ---- host 1: endpoints, its own
//        \______________ default route: the world ______________/
//
// WEFT_SEED repeats a run, WEFT_CLUSTERS and WEFT_STEPS make it longer.
#include <iostream>
#include <memory>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/controlplane/policy/host_tables.hpp"
#include "tests/controlplane/policy/naive_policy.hpp"

namespace weft::policy {
namespace {

constexpr std::uint32_t marker = 4267132230;
constexpr std::uint32_t vni = 4000;
constexpr std::uint32_t tunnel = 70000;

struct Host {
    std::unique_ptr<HostTables> tables = std::make_unique<HostTables>();
    std::unique_ptr<PolicyEngine> engine = std::make_unique<PolicyEngine>(marker, *tables);
};

struct Pod {
    unsigned host = 0;
    std::string name_space;
    naive::Labels labels;
    std::vector<naive::PortName> ports;
    std::vector<net::Address> addresses; ///< IPv4, IPv6
    bool announced = true;               ///< to the other host
};

struct Protocol {
    const char* name;
    std::uint8_t number;
};

constexpr Protocol tcp{"TCP", 6};
constexpr Protocol udp{"UDP", 17};
constexpr Protocol sctp{"SCTP", 132};

std::uint8_t protocol_number(const std::string& name) {
    for (const Protocol& protocol : {tcp, udp, sctp})
        if (name == protocol.name) return protocol.number;
    return 1;
}

/// At the borders of what policies name, and away from them.
constexpr std::pair<Protocol, std::uint16_t> services[]{
    {tcp, 1},  {tcp, 79}, {tcp, 80}, {tcp, 81}, {tcp, 82}, {tcp, 83},  {tcp, 84},  {tcp, 8080},   {tcp, 65535},
    {udp, 79}, {udp, 80}, {udp, 81}, {udp, 90}, {sctp, 0}, {sctp, 80}, {sctp, 81}, {sctp, 65535}, {{"ICMP", 1}, 0},
};

struct Tally {
    unsigned questions = 0;
    unsigned denied = 0;
    unsigned audited = 0;
    unsigned audited_by_default = 0;       ///< of these
    std::map<std::string, unsigned> kinds; ///< of what decided
};

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* const value = std::getenv(name);
    return value != nullptr ? std::strtoull(value, nullptr, 10) : otherwise;
}

class RandomCluster {
  public:
    RandomCluster(std::uint64_t seed, Tally& tally) : random_(seed), tally_(tally) {
        for (Host& host : hosts_)
            for (const char* prefix : {"0.0.0.0/0", "::/0"})
                host.engine->set_remote_route({vni, net::Prefix::parse(prefix).value()}, tunnel + 9, {});
    }

    void change() {
        switch (up_to(13)) {
        case 0:
        case 1:
            add_pod();
            break;
        case 2:
            remove_pod();
            break;
        case 3:
            relabel_pod();
            break;
        case 4:
            relabel_namespace();
            break;
        case 5:
            remove_policy();
            break;
        case 6:
            restart(hosts_[up_to(2)]);
            break;
        case 7:
            toggle_announcement();
            break;
        case 8:
            toggle_host(up_to(2));
            break;
        default:
            apply_policies();
            break;
        }
    }

    /// Takes everything away, in any order; only the routes to the world stay.
    void clear() {
        while (!pods_.empty() || !cluster_.policies.empty())
            if (up_to(2) == 0) {
                remove_pod();
            } else {
                remove_policy();
            }
        for (unsigned i = 0; i < hosts_.size(); ++i)
            if (has_own_[i]) toggle_host(i);
        for (Host& host : hosts_) {
            for (const auto& [name, labels] : cluster_.namespaces)
                static_cast<void>(host.engine->remove_namespace(name));
            ASSERT_EQ(host.engine->in_use(), PolicyEngine::InUse{});
            ASSERT_TRUE(host.tables->policies.empty());
            ASSERT_TRUE(host.tables->lists.empty());
            ASSERT_TRUE(host.tables->database.empty());
            ASSERT_EQ(host.tables->routes.size(), 2U);
            ASSERT_EQ(host.tables->contradictions, 0U);
        }
    }

    void check() {
        const auto ends = all_ends();
        for (std::size_t i = 0; i < hosts_.size(); ++i)
            judges_[i] = hosts_[i].engine->judge();
        for (const auto& from : ends)
            for (const auto& to : ends)
                if (from.name != to.name && (from.end.endpoint || to.end.endpoint) &&
                    from.end.address.family() == to.end.address.family())
                    check(from, to);
        for (const Host& host : hosts_)
            ASSERT_EQ(host.tables->contradictions, 0U);
    }

  private:
    struct NamedEnd {
        std::string name;
        naive::End end;
        unsigned host = 0;
        bool announced = true;
    };

    unsigned up_to(unsigned n) { return static_cast<unsigned>(random_() % n); }

    template <std::size_t N>
    const char* one_of(const char* const (&choices)[N]) {
        return choices[up_to(N)];
    }

    naive::Labels any_labels() {
        naive::Labels labels;
        if (up_to(3) != 0) labels["app"] = one_of({"web", "db", "cache"});
        if (up_to(2) != 0) labels["tier"] = one_of({"front", "back"});
        return labels;
    }

    std::string any_namespace() { return one_of({"x", "y", "z"}); }

    naive::Selector any_selector(bool of_namespaces) {
        naive::Selector selector;
        const auto key = [&] {
            return std::string(of_namespaces ? one_of({"team", "kubernetes.io/metadata.name"})
                                             : one_of({"app", "tier"}));
        };
        const auto value = [&](const std::string& of) -> std::string {
            if (of == "team") return one_of({"a", "b"});
            if (of == "app") return one_of({"web", "db", "cache"});
            if (of == "tier") return one_of({"front", "back"});
            return any_namespace();
        };
        if (up_to(3) == 0) {
            const std::string k = key();
            selector.match_labels[k] = value(k);
        }
        for (unsigned i = up_to(3); i > 1; --i) {
            const std::string k = key();
            naive::Expression expression{k, one_of({"In", "NotIn", "Exists", "DoesNotExist"}), {}};
            if (expression.op.ends_with("In")) expression.values = {value(k), value(k)};
            selector.match_expressions.push_back(expression);
        }
        return selector;
    }

    naive::Block any_block() {
        const auto prefix = [](const char* text) { return net::Prefix::parse(text).value(); };
        switch (up_to(6)) {
        case 0:
            return {prefix("0.0.0.0/0"), {}};
        case 1:
            return {prefix("10.244.0.0/16"), {prefix("10.244.1.0/24"), prefix("10.244.0.2/32")}};
        case 2:
            return {prefix("10.244.1.0/24"), {}};
        case 3:
            return {prefix("192.0.2.0/24"), {prefix("192.0.2.128/25")}};
        case 4:
            return {prefix("fd00:244::/32"), {prefix("fd00:244:0:1::/64")}};
        default:
            return {prefix("2001:db8::/32"), {}};
        }
    }

    naive::Port any_port(bool namespaced) {
        naive::Port port;
        if (up_to(4) == 0) {
            port.name = one_of({"http", "dns", "nobody"});
            if (namespaced) port.protocol = one_of({"", "TCP", "UDP", "SCTP"});
            return port;
        }
        port.protocol = one_of({"", "TCP", "UDP", "SCTP"});
        if (!namespaced || up_to(3) != 0) port.port = 79 + up_to(4);
        if (port.port != 0 && up_to(3) == 0) port.end_port = up_to(4) == 0 ? 65535 : port.port + 1 + up_to(5);
        return port;
    }

    naive::Peer any_endpoints(bool namespaced) {
        naive::Peer peer;
        const unsigned shape = up_to(3);
        if (!namespaced || shape != 0) peer.namespaces = any_selector(true);
        if (shape != 1) peer.pods = any_selector(false);
        return peer;
    }

    naive::Rule any_rule(const naive::Policy& policy, bool ingress) {
        const bool namespaced = policy.kind == "NetworkPolicy";
        naive::Rule rule;
        if (!namespaced) {
            rule.action = policy.kind == "BaselineAdminNetworkPolicy" ? one_of({"Allow", "Deny"})
                                                                      : one_of({"Allow", "Deny", "Pass"});
            if (up_to(3) == 0) rule.name = one_of({"first", "second"});
        }
        bool blocks = false;
        for (unsigned i = up_to(3) + (namespaced ? 0 : 1); i > 0; --i) {
            if (up_to(4) == 0 && (namespaced || !ingress)) {
                rule.peers.push_back({std::nullopt, std::nullopt, any_block()});
                if (!namespaced) rule.peers.back().block->except.clear();
                blocks = true;
            } else {
                rule.peers.push_back(any_endpoints(namespaced));
            }
        }
        for (unsigned i = up_to(3); i > 0; --i) {
            naive::Port port = any_port(namespaced);
            // The API has no names of ports for networks.
            if (!namespaced && blocks && !port.name.empty()) port = {"", 80, 0, ""};
            rule.ports.push_back(port);
        }
        return rule;
    }

    naive::Policy any_policy() {
        naive::Policy policy;
        policy.kind = one_of({"NetworkPolicy", "NetworkPolicy", "NetworkPolicy", "ClusterNetworkPolicy",
                              "ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy"});
        policy.name = policy.kind == "BaselineAdminNetworkPolicy" ? "default" : one_of({"p", "q", "r"});
        policy.audit = up_to(3) == 0;
        if (policy.kind == "NetworkPolicy") {
            policy.name_space = any_namespace();
            policy.subject.pods = any_selector(false);
            if (up_to(2) == 0) policy.types.emplace_back("Ingress");
            if (up_to(2) == 0) policy.types.emplace_back("Egress");
        } else {
            policy.subject = any_endpoints(false);
            policy.priority = up_to(3);
            if (policy.kind == "ClusterNetworkPolicy") policy.tier = one_of({"Admin", "Baseline"});
        }
        for (unsigned i = up_to(3); i > 0; --i)
            policy.ingress.push_back(any_rule(policy, true));
        for (unsigned i = up_to(3); i > 0; --i)
            policy.egress.push_back(any_rule(policy, false));
        return policy;
    }

    /// Some at once, each name once.
    void apply_policies() {
        std::map<std::string, naive::Policy> policies;
        for (unsigned i = up_to(3); i < 3; ++i) {
            naive::Policy policy = any_policy();
            policies.insert_or_assign(policy.full_name(), std::move(policy));
        }
        std::string yaml;
        for (const auto& [name, policy] : policies)
            yaml += policy.to_yaml();
        for (Host& host : hosts_) {
            const auto applied = host.engine->apply(yaml);
            ASSERT_TRUE(applied) << applied.error().message << "\n" << yaml;
        }
        for (auto& [name, policy] : policies) {
            forget(name);
            cluster_.policies.push_back(std::move(policy));
        }
    }

    void forget(const std::string& name) {
        std::erase_if(cluster_.policies, [&](const auto& policy) { return policy.full_name() == name; });
    }

    void remove_policy() {
        if (cluster_.policies.empty()) return;
        const std::string name =
            cluster_.policies[up_to(static_cast<unsigned>(cluster_.policies.size()))].full_name();
        for (Host& host : hosts_)
            ASSERT_TRUE(host.engine->remove(PolicyName::parse(name).value()));
        forget(name);
    }

    void relabel_namespace() {
        const std::string name = any_namespace();
        cluster_.namespaces[name].clear();
        if (up_to(3) != 0) cluster_.namespaces[name]["team"] = one_of({"a", "b"});
        for (Host& host : hosts_)
            ASSERT_TRUE(host.engine->set_namespace(
                name, {cluster_.namespaces[name].begin(), cluster_.namespaces[name].end()}));
        announce_all();
    }

    void add_pod() {
        if (pods_.size() == 7) return;
        Pod pod;
        pod.host = up_to(2);
        pod.name_space = any_namespace();
        pod.labels = any_labels();
        pod.ports = any_ports();
        unsigned number = 1;
        while (pods_.contains(fmt_name(pod.host, number)))
            ++number;
        pod.addresses = {net::Address::v4(0x0af40000U + pod.host * 256 + number),
                         net::Address::parse("fd00:244:0:" + std::to_string(pod.host) + "::").value().plus(number)};
        const std::string name = fmt_name(pod.host, number);
        pods_[name] = pod;
        attach(hosts_[pod.host], name, pod);
        announce_all();
    }

    static std::string fmt_name(unsigned host, unsigned number) {
        return "pod-" + std::to_string(host) + "-" + std::to_string(number);
    }

    std::vector<naive::PortName> any_ports() {
        std::vector<naive::PortName> ports;
        if (up_to(2) == 0) ports.push_back({"http", one_of({"TCP", "UDP"}), 79 + up_to(4)});
        if (up_to(3) == 0) ports.push_back({"dns", "UDP", 81});
        if (up_to(3) == 0) ports.push_back({"dns", "TCP", 82});
        return ports;
    }

    static LocalEndpoint settings_of(const Pod& pod) {
        LocalEndpoint settings{
            pod.name_space, LabelSet::make({pod.labels.begin(), pod.labels.end()}).value(), pod.addresses, {}};
        for (const auto& [name, protocol, port] : pod.ports)
            settings.named_ports.push_back({name, protocol_number(protocol), static_cast<std::uint16_t>(port)});
        return settings;
    }

    static void attach(Host& host, const std::string& name, const Pod& pod) {
        ASSERT_TRUE(host.engine->set_endpoint(name, settings_of(pod)));
        for (const net::Address& address : pod.addresses)
            host.engine->set_local_route({vni, net::Prefix::host(address)}, 1, name);
    }

    void relabel_pod() {
        if (pods_.empty()) return;
        auto& [name, pod] = any_pod();
        pod.labels = any_labels();
        pod.ports = any_ports();
        ASSERT_TRUE(hosts_[pod.host].engine->set_endpoint(name, settings_of(pod)));
        announce_all();
    }

    std::pair<const std::string, Pod>& any_pod() {
        return *std::next(pods_.begin(), up_to(static_cast<unsigned>(pods_.size())));
    }

    /// A route that is withdrawn leaves the endpoint to be taken for the world, as far as the other host knows.
    void toggle_announcement() {
        if (pods_.empty()) return;
        auto& [name, pod] = any_pod();
        pod.announced = !pod.announced;
        Host& other = hosts_[1 - pod.host];
        if (pod.announced) {
            announce(other, name, pod);
        } else {
            for (const net::Address& address : pod.addresses)
                other.engine->erase_remote_route({vni, net::Prefix::host(address)});
        }
    }

    /// Of both families, in the blocks that endpoints' addresses are from and policies name.
    static std::vector<net::Address> own_addresses(unsigned host) {
        return {net::Address::v4(0x0af40000U + host * 256 + 200),
                net::Address::parse("fd00:244:0:" + std::to_string(host) + "::").value().plus(200)};
    }

    static void attach_own(Host& host, unsigned number) {
        LocalEndpoint own;
        own.addresses = own_addresses(number);
        own.host = true;
        ASSERT_TRUE(host.engine->set_endpoint("host", own));
        for (const net::Address& address : own.addresses)
            host.engine->set_local_route({vni, net::Prefix::host(address)}, 2, "host");
    }

    /// The host gets an endpoint of its own, or loses it. What the other host hears of has no communities.
    void toggle_host(unsigned number) {
        Host& host = hosts_[number];
        Host& other = hosts_[1 - number];
        has_own_[number] = !has_own_[number];
        if (has_own_[number]) {
            attach_own(host, number);
            announce_own(other, number);
            return;
        }
        for (const net::Address& address : own_addresses(number)) {
            host.engine->erase_local_route({vni, net::Prefix::host(address)});
            other.engine->erase_remote_route({vni, net::Prefix::host(address)});
        }
        host.engine->erase_endpoint("host");
    }

    void announce_own(Host& to, unsigned number) {
        const auto communities = hosts_[number].engine->endpoint_communities("host");
        ASSERT_TRUE(communities.empty());
        for (const net::Address& address : own_addresses(number))
            to.engine->set_remote_route({vni, net::Prefix::host(address)}, tunnel + number, communities);
    }

    void remove_pod() {
        if (pods_.empty()) return;
        const auto pod = std::next(pods_.begin(), up_to(static_cast<unsigned>(pods_.size())));
        for (const net::Address& address : pod->second.addresses)
            for (unsigned i = 0; i < hosts_.size(); ++i) {
                const RouteTable::Key key{vni, net::Prefix::host(address)};
                if (i == pod->second.host)
                    hosts_[i].engine->erase_local_route(key);
                else
                    hosts_[i].engine->erase_remote_route(key);
            }
        hosts_[pod->second.host].engine->erase_endpoint(pod->first);
        pods_.erase(pod);
    }

    /// What BGP does: every endpoint's communities on its routes, at the other host.
    void announce_all() {
        for (const auto& [name, pod] : pods_)
            if (pod.announced) announce(hosts_[1 - pod.host], name, pod);
    }

    void announce(Host& to, const std::string& name, const Pod& pod) {
        const auto communities = hosts_[pod.host].engine->endpoint_communities(name);
        for (const net::Address& address : pod.addresses)
            to.engine->set_remote_route({vni, net::Prefix::host(address)}, tunnel + pod.host, communities);
    }

    /// A new agent with the database of the old one must come to the very tables that the fast path still has.
    void restart(Host& host) {
        Host fresh;
        fresh.tables->database = host.tables->database;
        for (const auto kind : PolicyEngine::kinds)
            for (const auto& [key, value] : host.tables->database)
                if (key.first == kind) {
                    const auto restored = fresh.engine->restore(kind, key.second, value);
                    ASSERT_TRUE(restored) << restored.error().message;
                }
        const unsigned number = &host == &hosts_[0] ? 0 : 1;
        for (const auto& [name, pod] : pods_)
            if (pod.host == number) attach(fresh, name, pod);
        if (has_own_[number]) attach_own(fresh, number);
        for (const char* prefix : {"0.0.0.0/0", "::/0"})
            fresh.engine->set_remote_route({vni, net::Prefix::parse(prefix).value()}, tunnel + 9, {});
        for (const auto& [name, pod] : pods_)
            if (pod.host != number && pod.announced) announce(fresh, name, pod);
        if (has_own_[1 - number]) announce_own(fresh, 1 - number);
        fresh.engine->sweep();
        ASSERT_EQ(fresh.tables->routes, host.tables->routes);
        ASSERT_EQ(fresh.tables->database, host.tables->database);
        ASSERT_EQ(fresh.tables->policies, host.tables->policies);
        ASSERT_EQ(fresh.tables->lists.size(), host.tables->lists.size());
        for (const auto& [number_of_list, list] : host.tables->lists) {
            ASSERT_TRUE(fresh.tables->lists.contains(number_of_list));
            ASSERT_EQ(fresh.tables->lists[number_of_list].SerializeAsString(), list.SerializeAsString());
        }
        ASSERT_EQ(fresh.engine->in_use(), host.engine->in_use());
        host = std::move(fresh);
    }

    std::vector<NamedEnd> all_ends() const {
        std::vector<NamedEnd> ends;
        for (const auto& [name, pod] : pods_)
            for (const net::Address& address : pod.addresses)
                ends.push_back(
                    {name, {address, true, pod.name_space, pod.labels, pod.ports}, pod.host, pod.announced});
        for (unsigned i = 0; i < hosts_.size(); ++i)
            if (has_own_[i])
                for (const net::Address& address : own_addresses(i))
                    ends.push_back({fmt::format("host {}", i), {address, false, "", {}, {}, true}, i, true});
        for (const char* world : {"192.0.2.1", "192.0.2.200", "10.244.7.7", "2001:db8::1"})
            ends.push_back({world, {net::Address::parse(world).value(), false, "", {}, {}}, 0, true});
        return ends;
    }

    static bool is_on_a_host(const NamedEnd& named) { return named.end.endpoint || named.end.host; }

    void check(const NamedEnd& from, const NamedEnd& to) {
        for (unsigned i = 0; i < 4; ++i) {
            const auto& [protocol, port] = services[up_to(std::size(services))];
            if (is_on_a_host(from)) check(false, from, to, protocol, port);
            if (is_on_a_host(to)) check(true, to, from, protocol, port);
        }
    }

    void check(bool ingress, const NamedEnd& local, const NamedEnd& peer, const Protocol& protocol,
               std::uint16_t port) {
        const Host& host = hosts_[local.host];
        naive::End seen = peer.end;
        // Another host's own is an address.
        if (peer.host != local.host && (!peer.announced || peer.end.host)) seen = {seen.address, false, "", {}, {}};
        const naive::Question question{ingress, local.end, seen, protocol.name, port};
        const naive::Verdict expected = cluster_.decide(question, false);
        const naive::Verdict would_be = cluster_.decide(question, true);
        const auto found =
            host.tables->decide(ingress ? fastpath::DIRECTION_INGRESS : fastpath::DIRECTION_EGRESS,
                                host.tables->lookup(vni, local.end.address)->identity,
                                host.tables->lookup(vni, peer.end.address)->identity, protocol.number, port);
        const auto what = [&] {
            return fmt::format("{} of {} {}, peer {} {}, {} {}\n{}", ingress ? "ingress" : "egress", local.name,
                               local.end.address.to_string(), peer.name, peer.end.address.to_string(), protocol.name,
                               port, all_policies());
        };
        std::string audited;
        if (would_be.allowed != expected.allowed)
            audited = !would_be.by.empty() ? would_be.by
                                           : fmt::format("no policy denies {}", ingress ? "ingress" : "egress");
        ASSERT_EQ(found.verdict() == fastpath::VERDICT_ALLOW, expected.allowed) << what();
        ASSERT_EQ(host.engine->rule_text(found.rule()), expected.by) << what();
        ASSERT_EQ(found.rule() == 0, expected.by.empty()) << what();
        ASSERT_EQ(host.engine->rule_text(found.audited_rule()), audited) << what();
        ASSERT_EQ(found.audited_rule() == 0, audited.empty()) << what();
        const Judgement told = judges_[local.host]->judge(
            ingress ? Side::ingress : Side::egress, host.engine->end_at(vni, local.end.address),
            host.engine->end_at(vni, peer.end.address), protocol.number, port);
        ASSERT_EQ(told.allowed, expected.allowed) << what();
        ASSERT_EQ(told.rule, expected.by) << what();
        ASSERT_EQ(told.audited_rule, audited) << what();
        const auto decides = [](const MatchingRule& rule) { return rule.standing == Standing::decides; };
        ASSERT_EQ(std::ranges::count_if(told.matching, decides), expected.by.empty() ? 0 : 1) << what();
        const auto decider = std::ranges::find_if(told.matching, decides);
        ASSERT_EQ(decider != told.matching.end() ? decider->text : "", expected.by) << what();
        ++tally_.questions;
        if (!expected.allowed) ++tally_.denied;
        if (!audited.empty()) ++tally_.audited;
        if (!audited.empty() && would_be.by.empty()) ++tally_.audited_by_default;
        ++tally_.kinds[kind_of(expected.by)];
    }

    /// "ingress rule of cnp", "egress isolation", "default"
    static std::string kind_of(const std::string& rule) {
        if (rule.empty()) return "default";
        if (rule == host_access) return rule;
        const std::string side = rule.substr(0, rule.find(' '));
        if (rule.contains("isolation")) return side + " isolation";
        const std::string policy = rule.substr(rule.rfind(' ') + 1);
        return side + " rule of " + (policy.contains(':') ? policy.substr(0, policy.find(':')) : "np");
    }

    std::string all_policies() const {
        std::string text;
        for (const auto& policy : cluster_.policies)
            text += policy.to_yaml();
        return text;
    }

    std::mt19937_64 random_;
    Tally& tally_;
    std::array<Host, 2> hosts_;
    std::array<std::unique_ptr<Judge>, 2> judges_; ///< of each host, since the last change
    std::map<std::string, Pod> pods_;
    std::array<bool, 2> has_own_{}; ///< by host: an endpoint of its own
    naive::Cluster cluster_;
};

TEST(RandomCluster, TablesDecideAsTheNaiveEvaluator) {
    const std::uint64_t seed = setting("WEFT_SEED", std::random_device{}());
    const std::uint64_t clusters = setting("WEFT_CLUSTERS", 20);
    const std::uint64_t steps = setting("WEFT_STEPS", 40);
    Tally tally;
    for (std::uint64_t i = 0; i < clusters; ++i) {
        SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed + i << " WEFT_CLUSTERS=1 WEFT_STEPS=" << steps);
        RandomCluster cluster(seed + i, tally);
        for (std::uint64_t step = 0; step < steps; ++step) {
            SCOPED_TRACE(testing::Message() << "step " << step);
            cluster.change();
            if (HasFatalFailure()) return;
            cluster.check();
            if (HasFatalFailure()) return;
        }
        cluster.clear();
        if (HasFatalFailure()) return;
    }
    std::cout << fmt::format("seed {}: {} questions, {} denied, {} audited, {} of these by default\n", seed,
                             tally.questions, tally.denied, tally.audited, tally.audited_by_default);
    for (const auto& [kind, count] : tally.kinds)
        std::cout << fmt::format("  {:8} {}\n", count, kind);
    if (clusters < 20 || steps < 40) return;
    // What was never asked was never checked.
    for (const char* side : {"ingress", "egress"})
        for (const char* what : {"isolation", "rule of np", "rule of cnp", "rule of anp", "rule of banp"})
            EXPECT_GT(tally.kinds[fmt::format("{} {}", side, what)], 0U) << side << " " << what;
    EXPECT_GT(tally.kinds["default"], 0U);
    EXPECT_GT(tally.kinds[host_access], 0U);
    EXPECT_GT(tally.audited, 0U);
    // It takes an audited rule that passes on what the next one denies.
    if (clusters >= 500) {
        EXPECT_GT(tally.audited_by_default, 0U);
    }
}

} // namespace
} // namespace weft::policy
