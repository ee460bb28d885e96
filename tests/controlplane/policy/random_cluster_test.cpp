// SPDX-License-Identifier: BSD-3-Clause
// Two hosts and the world, random changes, and after each of them every pair of ends: the tables of both hosts must
// decide as the naive evaluator does.
//
//   host 0: endpoints ---- routes with communities ---- host 1: endpoints
//        \______________ default route: the world ______________/
#include <memory>
#include <random>

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
    std::vector<net::Address> addresses; ///< IPv4, IPv6
};

class RandomCluster {
  public:
    explicit RandomCluster(unsigned seed) : random_(seed) {
        for (Host& host : hosts_)
            for (const char* prefix : {"0.0.0.0/0", "::/0"})
                host.engine->set_remote_route({vni, net::Prefix::parse(prefix).value()}, tunnel + 9, {});
    }

    void change() {
        switch (up_to(10)) {
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
        default:
            apply_policy();
            break;
        }
    }

    void check() {
        const auto ends = all_ends();
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

    naive::Rule any_rule() {
        naive::Rule rule;
        for (unsigned i = up_to(3); i > 0; --i) {
            naive::Peer peer;
            const unsigned kind = up_to(4);
            if (kind == 0) {
                peer.block = any_block();
            } else {
                if (kind != 1) peer.namespaces = any_selector(true);
                if (kind != 2) peer.pods = any_selector(false);
            }
            rule.peers.push_back(peer);
        }
        for (unsigned i = up_to(3); i > 0; --i) {
            naive::Port port{one_of({"", "TCP", "UDP", "SCTP"}), 0, 0};
            if (up_to(3) != 0) port.port = 79 + up_to(3);
            if (port.port != 0 && up_to(3) == 0) port.end_port = port.port + up_to(4);
            rule.ports.push_back(port);
        }
        return rule;
    }

    void apply_policy() {
        naive::Policy policy;
        policy.name_space = any_namespace();
        policy.name = one_of({"p", "q", "r"});
        policy.pods = any_selector(false);
        if (up_to(2) == 0) policy.types.emplace_back("Ingress");
        if (up_to(2) == 0) policy.types.emplace_back("Egress");
        for (unsigned i = up_to(3); i > 0; --i)
            policy.ingress.push_back(any_rule());
        for (unsigned i = up_to(3); i > 0; --i)
            policy.egress.push_back(any_rule());
        for (Host& host : hosts_) {
            const auto applied = host.engine->apply(policy.to_yaml());
            ASSERT_TRUE(applied) << applied.error().message << "\n" << policy.to_yaml();
        }
        forget(policy.name_space, policy.name);
        cluster_.policies.push_back(std::move(policy));
    }

    void forget(const std::string& name_space, const std::string& name) {
        std::erase_if(cluster_.policies,
                      [&](const auto& policy) { return policy.name_space == name_space && policy.name == name; });
    }

    void remove_policy() {
        if (cluster_.policies.empty()) return;
        const naive::Policy policy = cluster_.policies[up_to(static_cast<unsigned>(cluster_.policies.size()))];
        for (Host& host : hosts_)
            ASSERT_TRUE(host.engine->remove({.name_space = policy.name_space, .name = policy.name}));
        forget(policy.name_space, policy.name);
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

    static void attach(Host& host, const std::string& name, const Pod& pod) {
        ASSERT_TRUE(host.engine->set_endpoint(
            name, {pod.name_space, LabelSet::make({pod.labels.begin(), pod.labels.end()}).value(), pod.addresses}));
        for (std::size_t i = 0; i < pod.addresses.size(); ++i)
            host.engine->set_local_route({vni, net::Prefix::host(pod.addresses[i])}, 1, name);
    }

    void relabel_pod() {
        if (pods_.empty()) return;
        auto& [name, pod] = *std::next(pods_.begin(), up_to(static_cast<unsigned>(pods_.size())));
        pod.labels = any_labels();
        ASSERT_TRUE(hosts_[pod.host].engine->set_endpoint(
            name, {pod.name_space, LabelSet::make({pod.labels.begin(), pod.labels.end()}).value(), pod.addresses}));
        announce_all();
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
            announce(hosts_[1 - pod.host], name, pod);
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
        for (const char* prefix : {"0.0.0.0/0", "::/0"})
            fresh.engine->set_remote_route({vni, net::Prefix::parse(prefix).value()}, tunnel + 9, {});
        for (const auto& [name, pod] : pods_)
            if (pod.host != number) announce(fresh, name, pod);
        fresh.engine->sweep();
        ASSERT_EQ(fresh.tables->routes, host.tables->routes);
        ASSERT_EQ(fresh.tables->database, host.tables->database);
        ASSERT_EQ(fresh.tables->policies.size(), host.tables->policies.size());
        for (const auto& [key, value] : host.tables->policies) {
            ASSERT_TRUE(fresh.tables->policies.contains(key));
            ASSERT_EQ(fresh.tables->policies[key].precedence_verdict, value.precedence_verdict);
            ASSERT_EQ(fresh.tables->policies[key].rule, value.rule);
        }
        host = std::move(fresh);
    }

    std::vector<NamedEnd> all_ends() const {
        std::vector<NamedEnd> ends;
        for (const auto& [name, pod] : pods_)
            for (const net::Address& address : pod.addresses)
                ends.push_back({name, {address, true, pod.name_space, pod.labels}, pod.host});
        for (const char* world : {"192.0.2.1", "192.0.2.200", "10.244.7.7", "2001:db8::1"})
            ends.push_back({world, {net::Address::parse(world).value(), false, "", {}}, 0});
        return ends;
    }

    bool tables_deny(const Host& host, weft_direction direction, const net::Address& local, const net::Address& peer,
                     std::uint8_t protocol, std::uint16_t port) const {
        const auto* const local_route = host.tables->lookup(vni, local);
        const auto* const peer_route = host.tables->lookup(vni, peer);
        return weft_policy_denies(
            host.tables->decide(direction, local_route->identity, peer_route->identity, protocol, port));
    }

    void check(const NamedEnd& from, const NamedEnd& to) {
        struct Service {
            const char* protocol;
            std::uint8_t number;
            std::uint16_t port;
        };

        static constexpr Service services[]{
            {"TCP", 6, 80}, {"TCP", 6, 82}, {"UDP", 17, 80}, {"SCTP", 132, 81}, {"ICMP", 1, 0}};
        for (const auto& [protocol, number, port] : services) {
            const bool expected = cluster_.allows(from.end, to.end, protocol, port);
            const bool denied = (from.end.endpoint && tables_deny(hosts_[from.host], WEFT_EGRESS, from.end.address,
                                                                  to.end.address, number, port)) ||
                                (to.end.endpoint && tables_deny(hosts_[to.host], WEFT_INGRESS, to.end.address,
                                                                from.end.address, number, port));
            ASSERT_EQ(!denied, expected)
                << from.name << " " << from.end.address.to_string() << " -> " << to.name << " "
                << to.end.address.to_string() << " " << protocol << " " << port << "\n"
                << all_policies();
        }
    }

    std::string all_policies() const {
        std::string text;
        for (const auto& policy : cluster_.policies)
            text += policy.to_yaml();
        return text;
    }

    std::mt19937 random_;
    std::array<Host, 2> hosts_;
    std::map<std::string, Pod> pods_;
    naive::Cluster cluster_;
};

TEST(RandomCluster, TablesDecideAsTheNaiveEvaluator) {
    const unsigned base = std::random_device{}();
    for (unsigned i = 0; i < 20; ++i) {
        SCOPED_TRACE(testing::Message() << "seed " << base + i);
        RandomCluster cluster(base + i);
        for (unsigned step = 0; step < 60; ++step) {
            SCOPED_TRACE(testing::Message() << "step " << step);
            cluster.change();
            cluster.check();
            if (testing::Test::HasFatalFailure()) return;
        }
    }
}

} // namespace
} // namespace weft::policy
