// SPDX-License-Identifier: BSD-3-Clause
// Attach and detach against a real network namespace, a real speaker (without neighbours) and a fast path in memory:
// the order of the steps, what a failed step leaves behind (nothing), and what a restart finds.
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include "controlplane/endpoints.hpp"
#include "controlplane/policy_tables.hpp"
#include "tests/controlplane/memory_fast_path.hpp"
#include "tests/controlplane/small_disk.hpp"

namespace weft::agent {
namespace {

using namespace std::chrono_literals;

/// A network namespace with an interface eth0, kept by a thread that lives in it.
class Namespace {
  public:
    Namespace() :
        thread_([this] {
            const bool made =
                unshare(CLONE_NEWNET) == 0 && std::system("ip link add eth0 type veth peer name far0") == 0;
            std::unique_lock lock(mutex_);
            path_ = made ? "/proc/" + std::to_string(getpid()) + "/task/" + std::to_string(gettid()) + "/ns/net" : "";
            ready_ = true;
            changed_.notify_all();
            changed_.wait(lock, [this] { return ended_; });
        }) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return ready_; });
    }

    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;

    ~Namespace() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::string path_;
    bool ready_ = false;
    bool ended_ = false;
    std::thread thread_;
};

class EndpointsTest : public testing::Test {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "makes network namespaces: run as root";
        config.host_name = "h1";
        NetworkSettings network{.name = "default",
                                .vni = *net::Vni::make(4000),
                                .targets = {},
                                .blocks = {*net::Prefix::parse("10.9.0.0/29"), *net::Prefix::parse("fd09::/64")}};
        config.networks = {network};
        start();
    }

    /// Everything of an agent that ends with its process; what stays is the directory and the fast path.
    void start() {
        fast_path.hang_up();
        endpoints.reset();
        speaker.reset();
        policy.reset();
        sync.emplace();
        store.emplace(*Store::open(directory.path()));
        tables.emplace(*sync, *store);
        policy.emplace(config.label_asn, *tables);
        bgp::SpeakerConfig settings;
        settings.accept = false;
        settings.router_id = 1;
        settings.networks = {
            {.vni = *net::Vni::make(4000), .name = "default", .rd = {}, .import_targets = {}, .export_targets = {}}};
        speaker = *bgp::Speaker::start(
            loop, settings, {.on_routes = [](const bgp::RouteUpdate&) {}, .on_converged = [] {}, .on_peer = {}});
        endpoints = std::make_unique<Endpoints>(loop, config, uplink, *store, *sync, *policy, *speaker);
        ASSERT_TRUE(restore_policy(*policy, *store));
        ASSERT_TRUE(endpoints->restore());
        sync->connected(fast_path, fast_path.tables());
        run();
    }

    void run() {
        for (int quiet = 0; quiet < 3;) {
            loop.restart();
            const bool worked = loop.poll() > 0 || fast_path.due() > 0;
            fast_path.run();
            quiet = worked ? 0 : quiet + 1;
        }
    }

    Result<v1::Endpoint> add(const std::string& name, const std::string& netns,
                             const std::vector<std::string>& addresses = {}) {
        v1::AddEndpointRequest request;
        request.set_name(name);
        request.set_netns(netns);
        for (const auto& address : addresses)
            request.add_addresses(address);
        return add(request);
    }

    Result<v1::Endpoint> add(const v1::AddEndpointRequest& request) {
        Result<v1::Endpoint> result = fail(ErrorCode::internal, "no answer");
        endpoints->add(request, [&](Result<v1::Endpoint> attached) { result = std::move(attached); });
        run();
        return result;
    }

    Result<v1::Endpoint> remove(const std::string& name) {
        Result<v1::Endpoint> result = fail(ErrorCode::internal, "no answer");
        endpoints->remove(name, [&](Result<v1::Endpoint> detached) { result = std::move(detached); });
        run();
        return result;
    }

    [[nodiscard]] std::size_t announced() const {
        std::size_t count = 0;
        speaker->for_each_route(bgp::RibView::loc, {}, [&](const bgp::RouteEntry&) { ++count; });
        return count;
    }

    void expect_nothing_left() {
        EXPECT_TRUE(fast_path.ports.empty());
        EXPECT_TRUE(fast_path.endpoints.empty());
        EXPECT_TRUE(fast_path.next_hops.empty());
        EXPECT_TRUE(fast_path.routes.empty());
        EXPECT_EQ(announced(), 0U);
        EXPECT_TRUE(endpoints->all().empty());
        EXPECT_EQ(endpoints->addresses_used("default"), 0U);
        EXPECT_EQ(records(), 0U);
    }

    [[nodiscard]] std::size_t records() const {
        std::size_t rows = 0;
        EXPECT_TRUE(store->for_each("endpoint", [&](std::string_view, std::string_view) { ++rows; }));
        return rows;
    }

    [[nodiscard]] std::string state(const std::string& name) const {
        const auto* const endpoint = endpoints->find(name);
        return endpoint == nullptr ? "none" : endpoint->state();
    }

    SmallDisk directory;
    Namespace web;
    Namespace database;
    boost::asio::io_context loop;
    Config config;
    Uplink uplink;
    MemoryFastPath fast_path;
    std::optional<Store> store;
    std::optional<FibSync> sync;
    std::optional<PolicyTables> tables;
    std::optional<policy::PolicyEngine> policy;
    std::unique_ptr<bgp::Speaker> speaker;
    std::unique_ptr<Endpoints> endpoints;
};

TEST_F(EndpointsTest, attaches_port_before_tables_and_announces_last) {
    std::size_t announced_at_last_update = 99;
    fast_path.refuse = [&](const auto&) -> std::optional<Error> {
        announced_at_last_update = announced();
        return std::nullopt;
    };
    fast_path.updates.clear();
    const auto attached = add("web-1", web.path());
    ASSERT_TRUE(attached) << attached.error().message;
    EXPECT_EQ(attached->state(), "ready");
    EXPECT_EQ(attached->addresses(0), "10.9.0.1");
    EXPECT_EQ(attached->addresses(1), "fd09::1");
    ASSERT_EQ(fast_path.updates.size(), 2U);
    EXPECT_EQ(fast_path.updates[0].ports_size(), 1);
    EXPECT_EQ(fast_path.updates[0].endpoints_size() + fast_path.updates[0].routes_size(), 0);
    EXPECT_EQ(fast_path.updates[1].endpoints_size(), 1);
    EXPECT_EQ(fast_path.updates[1].routes_size(), 2);
    EXPECT_EQ(announced_at_last_update, 0U);
    EXPECT_EQ(announced(), 2U);
}

TEST_F(EndpointsTest, policy_arrives_before_the_endpoint_and_its_labels_with_the_routes) {
    ASSERT_TRUE(policy->apply("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\n"));
    fast_path.updates.clear();
    const auto attached = add("web-1", web.path());
    ASSERT_TRUE(attached);
    EXPECT_GE(attached->identity(), policy::identity_first);
    ASSERT_EQ(fast_path.updates.size(), 2U);
    ASSERT_EQ(fast_path.updates[0].policies_size(), 1);
    EXPECT_EQ(fast_path.updates[0].policies(0).key().local_identity(), attached->identity());
    EXPECT_EQ(fast_path.updates[1].routes(0).identity(), attached->identity());
    speaker->for_each_route(bgp::RibView::loc, {}, [&](const bgp::RouteEntry& route) {
        EXPECT_EQ(route.attributes->large_communities, policy->endpoint_communities("web-1"));
        EXPECT_EQ(route.attributes->large_communities.size(), 3U);
    });
    ASSERT_TRUE(remove("web-1"));
    expect_nothing_left();
    EXPECT_TRUE(fast_path.policies.empty());
}

TEST_F(EndpointsTest, relabelled_namespaces_are_announced_again) {
    ASSERT_TRUE(add("web-1", web.path()));
    const auto before = endpoints->find("web-1")->identity();
    ASSERT_TRUE(policy->set_namespace("default", {{"team", "a"}}));
    for (const auto& name : tables->take_changed_endpoints())
        endpoints->refresh(name);
    sync->commit();
    run();
    EXPECT_NE(endpoints->find("web-1")->identity(), before);
    EXPECT_EQ(fast_path.endpoints.begin()->second.identity(), endpoints->find("web-1")->identity());
    EXPECT_EQ(fast_path.routes.begin()->second.identity(), endpoints->find("web-1")->identity());
    speaker->for_each_route(bgp::RibView::loc, {}, [&](const bgp::RouteEntry& route) {
        EXPECT_EQ(route.attributes->large_communities.size(), 5U);
    });
}

TEST_F(EndpointsTest, tells_who_cannot_become_another) {
    ASSERT_TRUE(add("web-1", web.path()));
    const auto shown = [&] { return endpoints->shown(*endpoints->find("web-1")).state(); };
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.endpoints_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "no room"}) : std::nullopt;
    };
    ASSERT_TRUE(policy->set_namespace("default", {{"team", "a"}}));
    for (const auto& name : tables->take_changed_endpoints())
        endpoints->refresh(name);
    sync->commit();
    run();
    EXPECT_TRUE(shown().starts_with("refused: ")) << shown();
    fast_path.refuse = [](const auto&) { return std::nullopt; };
    sync->retry_refused();
    sync->commit();
    run();
    EXPECT_EQ(shown(), "ready");
}

TEST_F(EndpointsTest, who_becomes_another_while_it_is_attached_has_policy) {
    ASSERT_TRUE(policy->apply("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\n"));
    bool relabelled = false;
    fast_path.refuse = [&](const fastpath::TableUpdate& update) -> std::optional<Error> {
        if (update.endpoints_size() == 0 || std::exchange(relabelled, true)) return std::nullopt;
        EXPECT_TRUE(policy->set_namespace("default", {{"team", "a"}}));
        for (const auto& name : tables->take_changed_endpoints())
            endpoints->refresh(name);
        sync->commit();
        return std::nullopt;
    };
    ASSERT_TRUE(add("web-1", web.path()));
    ASSERT_TRUE(relabelled);
    const auto identity = endpoints->find("web-1")->identity();
    EXPECT_EQ(state("web-1"), "ready");
    EXPECT_EQ(fast_path.endpoints.begin()->second.identity(), identity);
    ASSERT_EQ(fast_path.policies.size(), 1U);
    EXPECT_EQ(fast_path.policies.begin()->second.key().local_identity(), identity);
}

TEST_F(EndpointsTest, refuses_labels_that_cannot_be) {
    v1::AddEndpointRequest request;
    request.set_name("web-1");
    request.set_netns(web.path());
    (*request.mutable_labels())["app"] = "a b";
    std::string message;
    endpoints->add(request,
                   [&](Result<v1::Endpoint> attached) { message = attached ? "" : attached.error().message; });
    run();
    EXPECT_NE(message.find("endpoint web-1: label app: label value 'a b'"), std::string::npos) << message;
    expect_nothing_left();
}

TEST_F(EndpointsTest, refuses_named_ports_that_cannot_be) {
    v1::AddEndpointRequest request;
    request.set_name("web-1");
    request.set_netns(web.path());
    request.add_named_ports("http=80");
    request.add_named_ports("http=81");
    std::string message;
    endpoints->add(request,
                   [&](Result<v1::Endpoint> attached) { message = attached ? "" : attached.error().message; });
    run();
    EXPECT_NE(message.find("endpoint web-1: named port http: is"), std::string::npos) << message;
    expect_nothing_left();
}

TEST_F(EndpointsTest, detaches_completely) {
    ASSERT_TRUE(add("web-1", web.path()));
    const auto detached = remove("web-1");
    ASSERT_TRUE(detached) << detached.error().message;
    expect_nothing_left();
}

TEST_F(EndpointsTest, a_ports_number_rests_before_it_is_given_again) {
    ASSERT_TRUE(add("web-1", web.path()));
    const auto first = endpoints->find("web-1")->port();
    ASSERT_TRUE(remove("web-1"));
    ASSERT_TRUE(add("web-1", web.path()));
    EXPECT_EQ(endpoints->find("web-1")->port(), first + 1);
    // One that comes back goes on behind the largest that it knows.
    start();
    ASSERT_TRUE(add("db-1", database.path()));
    EXPECT_EQ(endpoints->find("db-1")->port(), first + 2);
}

TEST_F(EndpointsTest, undoes_everything_when_the_port_is_refused) {
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.ports_size() > 0 ? std::optional(Error{ErrorCode::internal, "port 2: no"}) : std::nullopt;
    };
    const auto refused = add("web-1", web.path());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "endpoint web-1: port 2: no");
    expect_nothing_left();
}

TEST_F(EndpointsTest, undoes_everything_when_the_tables_are_full) {
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.routes_size() > 0 ? std::optional(Error{ErrorCode::exhausted, "fib is full"}) : std::nullopt;
    };
    ASSERT_FALSE(add("web-1", web.path()));
    expect_nothing_left();
    fast_path.refuse = [](const auto&) { return std::nullopt; };
    EXPECT_TRUE(add("web-1", web.path())) << "and the same name can be tried again";
}

TEST_F(EndpointsTest, attaches_beside_something_that_the_fast_path_refuses) {
    fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.networks_size() > 0 ? std::optional(Error{ErrorCode::invalid, "network 7: no"}) : std::nullopt;
    };
    fastpath::Network network;
    network.set_vni(7);
    sync->networks.set(7, network); // goes out with the attach
    const auto attached = add("web-1", web.path());
    EXPECT_TRUE(attached) << attached.error().message;
    EXPECT_EQ(sync->refused(), 1U);
}

TEST_F(EndpointsTest, refuses_the_hosts_own_namespace) {
    const auto refused = add("web-1", "/proc/self/ns/net");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("host's own network namespace"), std::string::npos)
        << refused.error().message;
    expect_nothing_left();
}

/// The test's process is alone on its host as long as the value lives. A port of the fast path makes `weft0`.
class OwnHost {
  public:
    explicit OwnHost(MemoryFastPath& fast_path) : before_(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) {
        if (unshare(CLONE_NEWNET) != 0) throw std::runtime_error("cannot make a network namespace");
        fast_path.refuse = [](const fastpath::TableUpdate& update) -> std::optional<Error> {
            if (update.ports_size() > 0)
                run("ip link add weft0 address " + mac_of(update) + " type veth peer name near0");
            return std::nullopt;
        };
    }

    OwnHost(const OwnHost&) = delete;
    OwnHost& operator=(const OwnHost&) = delete;

    ~OwnHost() {
        setns(before_, CLONE_NEWNET);
        close(before_);
    }

    static void run(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

    static bool succeeds(const std::string& command) { return std::system((command + " >&2").c_str()) == 0; }

  private:
    static std::string mac_of(const fastpath::TableUpdate& update) {
        const auto& bytes =
            update.ports(0).tap().mac().empty() ? update.ports(0).veth().mac() : update.ports(0).tap().mac();
        return net::Mac::from_bytes({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()})->to_string();
    }

    int before_;
};

TEST_F(EndpointsTest, the_hosts_own_leads_to_the_overlay_and_is_announced_as_nobodys) {
    const OwnHost host(fast_path);
    v1::AddEndpointRequest request;
    request.set_name("host");
    request.set_host(true);
    request.add_routes("10.8.0.0/16");
    const auto attached = add(request);
    ASSERT_TRUE(attached) << attached.error().message;
    EXPECT_EQ(attached->identity(), policy::identity_host);
    EXPECT_EQ(attached->ifname(), "weft0");
    const auto& port = fast_path.ports.begin()->second;
    EXPECT_EQ(port.tap().netns() + port.veth().netns(), "");
    EXPECT_EQ(fast_path.endpoints.begin()->second.identity(), policy::identity_host);
    for (const char* route : {"10.9.0.0/29", "10.8.0.0/16"})
        EXPECT_TRUE(OwnHost::succeeds(std::string("ip route show exact ") + route + " dev weft0 | grep 169.254.1.1"));
    EXPECT_TRUE(OwnHost::succeeds("ip -6 route show exact fd09::/64 dev weft0 | grep fe80::1"));
    EXPECT_FALSE(OwnHost::succeeds("ip route show default | grep weft0"));
    EXPECT_EQ(announced(), 2U);
    speaker->for_each_route(bgp::RibView::loc, {}, [](const bgp::RouteEntry& route) {
        EXPECT_TRUE(route.attributes->large_communities.empty());
    });

    // An agent that comes back leads where its blocks are now.
    config.networks[0].blocks = {*net::Prefix::parse("10.9.0.0/28"), *net::Prefix::parse("fd09::/64")};
    start();
    endpoints->configure_all();
    run();
    EXPECT_EQ(state("host"), "ready");
    EXPECT_TRUE(OwnHost::succeeds("ip route show exact 10.9.0.0/28 | grep weft0"));
    EXPECT_FALSE(OwnHost::succeeds("ip route show exact 10.9.0.0/29 | grep weft0"));

    request.set_name("second");
    request.set_ifname("weft1000x");
    const auto second = add(request);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message,
              "endpoint second: the host has endpoint host in network default already, and needs no second one: use "
              "that, or weft endpoint delete host");
    ASSERT_TRUE(remove("host"));
    expect_nothing_left();
    EXPECT_FALSE(OwnHost::succeeds("ip link show dev weft0"));
}

v1::AddEndpointRequest host_request(const std::vector<const char*>& routes = {}) {
    v1::AddEndpointRequest request;
    request.set_name("host");
    request.set_host(true);
    for (const char* route : routes)
        request.add_routes(route);
    return request;
}

TEST_F(EndpointsTest, a_route_beside_the_hosts_own_is_let_be) {
    const OwnHost host(fast_path);
    OwnHost::run("ip link add other0 type veth peer name other1 && ip link set other0 up && ip link set other1 up");
    OwnHost::run("ip route add 10.8.0.0/16 dev other0 metric 100 && ip route add blackhole 10.8.0.0/16 metric 200");
    OwnHost::run("ip -6 route add fd08::/64 dev other0 metric 2000");
    const auto attached = add(host_request({"10.8.0.0/16", "fd08::/64"}));
    ASSERT_TRUE(attached) << attached.error().message;
    EXPECT_TRUE(OwnHost::succeeds("ip route get 10.8.0.9 | grep weft0"));
    EXPECT_TRUE(OwnHost::succeeds("ip -6 route get fd08::9 | grep weft0"));
    OwnHost::run("ip route add 10.9.0.0/29 dev other0 metric 100 && ip route add unreachable 10.9.0.0/29 metric 50");
    start();
    endpoints->configure_all();
    run();
    EXPECT_EQ(state("host"), "ready");
    for (const char* foreign : {"10.9.0.0/29 dev other0", "unreachable 10.9.0.0/29", "blackhole 10.8.0.0/16"})
        EXPECT_TRUE(OwnHost::succeeds(std::string("ip route show | grep '^") + foreign + "'")) << foreign;
}

TEST_F(EndpointsTest, a_route_in_the_place_of_the_hosts_own_is_an_error_of_whichever_type) {
    const OwnHost host(fast_path);
    OwnHost::run("ip link set lo up && ip -6 route add fd08::/64 dev lo metric 100"); // not in the way
    for (const std::string type : {"blackhole", "unreachable", "prohibit"})
        for (const bool v6 : {false, true}) {
            const std::string ip = v6 ? "ip -6" : "ip";
            const std::string prefix = v6 ? "fd08::/64" : "10.8.0.0/16";
            const std::string route = type + " " + prefix + (v6 ? " metric 256" : "");
            OwnHost::run(ip + " route add " + route + " protocol bgp");
            const auto refused = add(host_request({prefix.c_str()}));
            ASSERT_FALSE(refused) << route;
            EXPECT_EQ(refused.error().message, "endpoint host: weft0 of the host: the host has another route to " +
                                                   prefix + ": " + ip + " route delete " + route +
                                                   ", or give the overlay other addresses");
            expect_nothing_left();
            OwnHost::run(ip + " route delete " + route);
        }
    EXPECT_TRUE(add(host_request({"10.8.0.0/16", "fd08::/64"})));
}

TEST_F(EndpointsTest, what_an_operator_leads_to_the_hosts_own_stays) {
    const OwnHost host(fast_path);
    ASSERT_TRUE(add(host_request()));
    OwnHost::run("ip route add 10.7.0.0/16 via 169.254.1.1 dev weft0 onlink");
    OwnHost::run("ip -6 route add fd07::/64 via fe80::1 dev weft0");
    EXPECT_TRUE(OwnHost::succeeds("ip route show exact 10.9.0.0/29 protocol 119 | grep weft0"));
    config.networks[0].blocks = {*net::Prefix::parse("10.9.0.0/28"), *net::Prefix::parse("fd09::/60")};
    start();
    endpoints->configure_all();
    run();
    EXPECT_EQ(state("host"), "ready");
    EXPECT_TRUE(OwnHost::succeeds("ip route show exact 10.7.0.0/16 | grep weft0"));
    EXPECT_TRUE(OwnHost::succeeds("ip -6 route show exact fd07::/64 | grep weft0"));
    EXPECT_FALSE(OwnHost::succeeds("ip route show exact 10.9.0.0/29 | grep weft0"));
    EXPECT_FALSE(OwnHost::succeeds("ip -6 route show exact fd09::/64 | grep weft0"));
    EXPECT_TRUE(OwnHost::succeeds("ip -6 route show exact fd09::/60 protocol 119 | grep weft0"));
}

TEST_F(EndpointsTest, each_family_of_the_hosts_own_has_a_way_or_it_waits) {
    const OwnHost host(fast_path);
    config.networks[0].blocks = {*net::Prefix::parse("10.9.0.0/29")};
    start();
    auto request = host_request();
    request.add_addresses("10.9.0.2");
    request.add_addresses("fd09::2");
    const auto refused = add(request);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("address fd09::2: network default has no block of this host"),
              std::string::npos)
        << refused.error().message;
    expect_nothing_left();
    request.add_routes("fd09::/64");
    ASSERT_TRUE(add(request));

    config.networks[0].blocks = {*net::Prefix::parse("fd09::/64")};
    start();
    EXPECT_TRUE(state("host").starts_with("waiting: address 10.9.0.2: network default has no block of this host"))
        << state("host");
    EXPECT_EQ(announced(), 0U);
    EXPECT_FALSE(OwnHost::succeeds("ip link show dev weft0"));
    ASSERT_TRUE(remove("host"));
    expect_nothing_left();
}

TEST_F(EndpointsTest, the_hosts_own_leads_nothing_of_the_underlay_to_itself) {
    uplink.interface = "up0";
    uplink.vtep = *net::Address::parse("10.5.0.1");
    uplink.subnets = {*net::Prefix::parse("10.6.0.0/24")};
    config.neighbors = {{.address = *net::Address::parse("fd05::7"), .description = ""}};
    config.bgp_listen = {*net::Address::parse("0.0.0.0"), *net::Address::parse("fd04::4")};
    for (const auto& [route, why] : {std::pair("10.5.0.0/16", "it would take this host's tunnel address 10.5.0.1"),
                                     {"10.6.0.0/16", "it overlaps 10.6.0.0/24, a subnet of the uplink up0"},
                                     {"10.6.0.128/25", "it overlaps 10.6.0.0/24, a subnet of the uplink up0"},
                                     {"fd05::/64", "it would take the address of neighbor fd05::7"},
                                     {"fd04::/64", "it would take fd04::4, which BGP listens on"}}) {
        const auto refused = add(host_request({route}));
        ASSERT_FALSE(refused) << route;
        EXPECT_TRUE(refused.error().message.starts_with(std::string("endpoint host: route ") + route + ": " + why))
            << refused.error().message;
    }
    expect_nothing_left();
    uplink = {};
}

TEST_F(EndpointsTest, the_hosts_own_takes_no_name_and_no_route_that_the_host_uses) {
    const OwnHost host(fast_path);
    v1::AddEndpointRequest request;
    request.set_name("host");
    request.set_host(true);
    OwnHost::run("ip link add other0 type veth peer name other1");
    request.set_ifname("other0");
    const auto taken = add(request);
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().message.find("the host has one of this name already"), std::string::npos);
    OwnHost::run("ip link set other0 up && ip link set other1 up && ip addr add 10.8.0.1/16 dev other0");
    request.clear_ifname();
    request.add_routes("10.8.0.0/16");
    const auto refused = add(request);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("the host has another route to 10.8.0.0/16"), std::string::npos)
        << refused.error().message;
    expect_nothing_left();
    EXPECT_FALSE(OwnHost::succeeds("ip link show dev weft0"));
}

TEST_F(EndpointsTest, refuses_what_the_hosts_own_cannot_have) {
    const auto refusal = [&](auto change) {
        v1::AddEndpointRequest request;
        request.set_name("host");
        request.set_host(true);
        change(request);
        const auto added = add(request);
        return added ? "accepted" : added.error().message;
    };
    const std::string rest = ": leave it out, or leave --host out to attach a container";
    EXPECT_EQ(refusal([&](auto& request) { request.set_netns(web.path()); }),
              "endpoint host: --netns: the host's own endpoint takes none, since it lies in weftd's own network "
              "namespace" +
                  rest);
    const std::string no_policy =
        ": the host's own endpoint takes none, since policies neither select nor name it" + rest;
    EXPECT_EQ(refusal([](auto& request) { (*request.mutable_labels())["app"] = "web"; }),
              "endpoint host: --label" + no_policy);
    EXPECT_EQ(refusal([](auto& request) { request.set_namespace_("shop"); }),
              "endpoint host: --namespace" + no_policy);
    EXPECT_EQ(refusal([](auto& request) { request.add_named_ports("http=80"); }),
              "endpoint host: --named-port" + no_policy);
    for (const char* all : {"0.0.0.0/0", "::/0"})
        EXPECT_EQ(refusal([&](auto& request) { request.add_routes(all); }),
                  std::string("endpoint host: route ") + all +
                      ": it would take all that the host sends: name the prefixes of the overlay");
    EXPECT_NE(refusal([](auto& request) { request.add_routes("10.8.0.1/16"); }).find("did you mean 10.8.0.0/16"),
              std::string::npos);
    for (const auto& [route, why] : {std::pair("224.0.0.0/8", "224.0.0.0/4 (multicast)"),
                                     {"0.0.0.0/1", "127.0.0.0/8 (loopback)"},
                                     {"127.1.0.0/16", "127.0.0.0/8 (loopback)"},
                                     {"168.0.0.0/6", "169.254.0.0/16 (link-local)"},
                                     {"240.0.0.0/8", "240.0.0.0/4 (reserved)"},
                                     {"::/8", "::1/128 (loopback)"},
                                     {"::ffff:10.8.0.0/112", "::ffff:0:0/96 (IPv4-mapped)"},
                                     {"fe00::/7", "fe80::/10 (link-local)"}})
        EXPECT_EQ(refusal([&](auto& request) { request.add_routes(route); }),
                  std::string("endpoint host: route ") + net::Prefix::parse(route)->to_string() + ": it overlaps " +
                      why + ": name the prefixes of the overlay");
    EXPECT_NE(refusal([](auto& request) { request.set_ifname("weft12"); }).find("choose another, such as weft0"),
              std::string::npos);
    EXPECT_NE(refusal([](auto& request) {
                  request.add_addresses("10.9.0.2");
                  request.add_routes("fd00::/8");
              }).find("route fd00::/8: the endpoint has no address of this family"),
              std::string::npos);
    EXPECT_NE(refusal([&](auto& request) {
                  request.set_host(false);
                  request.set_netns(web.path());
                  request.add_routes("10.8.0.0/16");
              }).find("leave --route out, or add --host"),
              std::string::npos);
    expect_nothing_left();
}

TEST_F(EndpointsTest, refuses_duplicates_and_nonsense_by_name) {
    ASSERT_TRUE(add("web-1", web.path()));
    const auto message = [](const Result<v1::Endpoint>& result) {
        return result ? "accepted" : result.error().message;
    };
    EXPECT_EQ(message(add("web-1", database.path())),
              "endpoint web-1: the name is taken (ready): choose another, or weft endpoint delete web-1");
    EXPECT_EQ(
        message(add("web-2", database.path(), {"10.9.0.1"})),
        "endpoint web-2: address 10.9.0.1 belongs to endpoint web-1: choose another, or weft endpoint delete web-1");
    EXPECT_EQ(message(add("web-2", database.path(), {"10.9.0.4", "10.9.0.5"})),
              "endpoint web-2: address 10.9.0.5: one address of each family at most");
    EXPECT_EQ(message(add("web-2", database.path(), {"224.0.0.1"})),
              "endpoint web-2: address 224.0.0.1: an endpoint needs a global unicast address");
    for (const char* address : {"255.255.255.255", "::ffff:1.2.3.4"})
        EXPECT_NE(message(add("web-2", database.path(), {address})).find("needs a global unicast address"),
                  std::string::npos);
    EXPECT_NE(message(add("web-2", "/nonexistent")).find("network namespace /nonexistent: No such file"),
              std::string::npos);
    EXPECT_NE(message(add("web-2", "/dev/null")).find("/dev/null is not a network namespace"), std::string::npos);
    EXPECT_NE(message(add("web/2", database.path())).find("name 'web/2'"), std::string::npos);
    EXPECT_NE(message(add("web-2", web.path())).find("belongs to endpoint web-1"), std::string::npos);
    EXPECT_EQ(message(remove("web-9")), "no endpoint is named web-9: weft endpoint list shows them");
    EXPECT_EQ(endpoints->addresses_used("default"), 2U) << "a refused attach keeps no address";
}

TEST_F(EndpointsTest, named_ports_are_stored_with_the_endpoint) {
    v1::AddEndpointRequest request;
    request.set_name("web-1");
    request.set_netns(web.path());
    request.add_named_ports("http=80");
    request.add_named_ports("dns=53/UDP");
    endpoints->add(request, [](const Result<v1::Endpoint>& attached) { ASSERT_TRUE(attached); });
    run();
    start();
    const auto* const endpoint = endpoints->find("web-1");
    ASSERT_NE(endpoint, nullptr);
    EXPECT_EQ(endpoint->state(), "ready");
    ASSERT_EQ(endpoint->named_ports_size(), 2);
    EXPECT_EQ(endpoint->named_ports(0), "dns=53/UDP");
    EXPECT_EQ(endpoint->named_ports(1), "http=80/TCP");
}

TEST_F(EndpointsTest, takes_up_after_a_restart_without_touching_the_fast_path) {
    ASSERT_TRUE(add("web-1", web.path()));
    ASSERT_TRUE(add("db-1", database.path()));
    fast_path.updates.clear();
    start();
    EXPECT_EQ(endpoints->all().size(), 2U);
    EXPECT_EQ(announced(), 4U);
    for (const auto& update : fast_path.updates)
        EXPECT_EQ(update.ByteSizeLong(), 0U) << update.ShortDebugString();
    const auto taken = add("web-2", web.path(), {"10.9.0.2"});
    EXPECT_FALSE(taken) << "leases are kept";
    EXPECT_TRUE(remove("web-1"));
    EXPECT_TRUE(remove("db-1"));
    expect_nothing_left();
}

TEST_F(EndpointsTest, undoes_what_a_crash_interrupted) {
    v1::AddEndpointRequest request;
    request.set_name("web-1");
    request.set_netns(web.path());
    endpoints->add(request, [](Result<v1::Endpoint>) {});
    loop.restart();
    loop.poll();         // the port is asked for
    fast_path.run_one(); // and made; here the agent ends
    EXPECT_EQ(fast_path.ports.size(), 1U);
    start();
    expect_nothing_left();
}

TEST_F(EndpointsTest, waits_for_a_namespace_that_went_and_comes_back) {
    {
        Namespace brief;
        ASSERT_TRUE(add("job-1", brief.path()));
    }
    endpoints->ports_gone({endpoints->find("job-1")->port()});
    run();
    EXPECT_TRUE(endpoints->find("job-1")->state().starts_with("waiting: "));
    EXPECT_EQ(announced(), 0U);
    EXPECT_TRUE(fast_path.routes.empty());
    EXPECT_TRUE(remove("job-1"));
    expect_nothing_left();
}

TEST_F(EndpointsTest, one_whose_port_is_refused_waits_with_the_reason) {
    ASSERT_TRUE(add("web-1", web.path()));
    ASSERT_TRUE(add("db-1", database.path()));
    const auto refused = endpoints->find("db-1")->port();
    // Another fast path, which has nothing yet and finds the interface of one of them taken.
    fast_path.ports.clear();
    fast_path.refuse = [refused](const fastpath::TableUpdate& update) -> std::optional<Error> {
        return update.ports_size() > 0 && update.ports(0).id() == refused
                   ? std::optional(Error{ErrorCode::exists, "eth0 is somebody else's"})
                   : std::nullopt;
    };
    start();
    endpoints->ports_refused();
    run();
    EXPECT_EQ(endpoints->find("web-1")->state(), "ready");
    EXPECT_EQ(endpoints->find("db-1")->state(), "waiting: the fast path refuses its port: eth0 is somebody else's");
    EXPECT_EQ(announced(), 2U) << "nobody is told that it can be reached here";
    EXPECT_EQ(fast_path.endpoints.size(), 1U);
    EXPECT_EQ(fast_path.routes.size(), 2U);
    EXPECT_TRUE(sync->in_sync());
}

TEST_F(EndpointsTest, a_full_disk_refuses_and_changes_nothing) {
    ASSERT_TRUE(add("web-1", web.path()));
    directory.fill();
    const auto refused = remove("web-1");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("disk is full: free some space there"), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(state("web-1"), "ready");
    EXPECT_EQ(announced(), 2U);
    EXPECT_FALSE(add("db-1", database.path()));
    EXPECT_EQ(endpoints->all().size(), 1U);
    directory.free();
    ASSERT_TRUE(remove("web-1"));
    expect_nothing_left();
}

TEST_F(EndpointsTest, a_record_goes_when_the_fast_path_has_nothing_of_it) {
    ASSERT_TRUE(add("web-1", web.path()));
    sync->disconnected("gone");
    EXPECT_FALSE(endpoints->find("web-1") == nullptr);
    Result<v1::Endpoint> result = fail(ErrorCode::internal, "no answer");
    endpoints->remove("web-1", [&](Result<v1::Endpoint> detached) { result = std::move(detached); });
    run();
    sync->disconnected("still gone"); // ends the waiting for it
    run();
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(records(), 1U) << "the fast path may have its port, as it does";
    EXPECT_EQ(fast_path.ports.size(), 1U);
    start();
    EXPECT_TRUE(endpoints->had_records());
    expect_nothing_left();
    start();
    EXPECT_FALSE(endpoints->had_records());
}

TEST_F(EndpointsTest, waits_while_its_network_is_not_configured) {
    auto blue = config.networks.front();
    blue.name = "blue";
    blue.vni = *net::Vni::make(5000);
    blue.blocks = {*net::Prefix::parse("10.10.0.0/29")};
    config.networks.push_back(blue);
    start();
    ASSERT_TRUE(add("web-1", web.path()));
    v1::AddEndpointRequest request;
    request.set_name("db-1");
    request.set_netns(database.path());
    request.set_network("blue");
    endpoints->add(request, [](const Result<v1::Endpoint>& attached) { EXPECT_TRUE(attached); });
    run();
    ASSERT_EQ(state("db-1"), "ready");
    const auto port = endpoints->find("db-1")->port();
    ASSERT_EQ(fast_path.ports.size(), 2U);

    config.networks.pop_back();
    start();
    EXPECT_EQ(state("db-1"), "waiting: its network blue is not configured: start weftd with --network blue=5000");
    EXPECT_EQ(state("web-1"), "ready");
    EXPECT_EQ(announced(), 2U) << "web-1's";
    EXPECT_FALSE(fast_path.ports.contains(port));
    EXPECT_EQ(fast_path.ports.size(), 1U);
    EXPECT_FALSE(add("db-1", web.path())) << "its name stays its own";

    config.networks.push_back(blue);
    start();
    EXPECT_EQ(state("db-1"), "ready");
    EXPECT_TRUE(fast_path.ports.contains(port));
    EXPECT_EQ(endpoints->find("db-1")->vni(), 5000U);
    EXPECT_EQ(announced(), 2U) << "the speaker of this test has no network blue";

    config.networks.pop_back();
    start();
    ASSERT_TRUE(remove("db-1"));
    EXPECT_EQ(state("web-1"), "ready");
    ASSERT_TRUE(remove("web-1"));
    expect_nothing_left();
}

TEST_F(EndpointsTest, a_damaged_record_is_named_and_harms_no_other) {
    ASSERT_TRUE(add("web-1", web.path()));
    ASSERT_TRUE(add("web-2", database.path()));
    const v1::Endpoint good = *endpoints->find("web-2");
    const auto damage = [&](const std::function<void(v1::Endpoint&)>& change) {
        v1::Endpoint bad = good;
        change(bad);
        ASSERT_TRUE(store->put("endpoint", "web-2", bad.SerializeAsString()));
        start();
        EXPECT_TRUE(state("web-2").starts_with("waiting: its record in the database " + directory.path() +
                                               "/weft.db is damaged ("))
            << state("web-2");
        EXPECT_EQ(state("web-1"), "ready");
        EXPECT_EQ(fast_path.ports.size(), 1U);
        EXPECT_EQ(announced(), 2U);
        EXPECT_EQ(records(), 2U) << "it is not for us to throw it away";
    };
    damage([](v1::Endpoint& endpoint) { endpoint.set_addresses(0, "10.999.0.2"); });
    EXPECT_NE(state("web-2").find("10.999.0.2"), std::string::npos) << state("web-2");
    EXPECT_NE(state("web-2").find("weft endpoint delete web-2, then add it again"), std::string::npos);
    damage([](v1::Endpoint& endpoint) { endpoint.set_addresses(0, "10.9.0.1"); }); // web-1's
    damage([](v1::Endpoint& endpoint) { endpoint.clear_addresses(); });
    damage([](v1::Endpoint& endpoint) { endpoint.set_mac("02:00"); });
    damage([](v1::Endpoint& endpoint) { endpoint.set_port(1); });
    damage([&](v1::Endpoint& endpoint) { endpoint.set_port(endpoints->find("web-1")->port()); });
    damage([](v1::Endpoint& endpoint) { endpoint.set_name("web-9"); });
    damage([](v1::Endpoint& endpoint) { endpoint.set_host(true); });
    damage([](v1::Endpoint& endpoint) { endpoint.clear_netns(); });
    ASSERT_TRUE(store->put("endpoint", "web-2", "\xff\xff"));
    start();
    EXPECT_TRUE(state("web-2").starts_with("waiting: its record")) << state("web-2");
    ASSERT_TRUE(remove("web-2"));
    EXPECT_EQ(state("web-1"), "ready");
    EXPECT_EQ(fast_path.ports.size(), 1U);
    ASSERT_TRUE(add("web-2", database.path()));
    ASSERT_TRUE(remove("web-1"));
    ASSERT_TRUE(remove("web-2"));
    expect_nothing_left();
}

} // namespace
} // namespace weft::agent
