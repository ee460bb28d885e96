// SPDX-License-Identifier: BSD-3-Clause
// Ports while their devices are set down, go, and come back, as the agent is told of it, on devices of two network
// namespaces of the test's own:
//
//   host: uplink up0, weft5 ======= eth0 of the container
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <stdexcept>
#include <vector>

#include "ebpf/device_pins.hpp"
#include "ebpf/hook.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/seed.hpp"
#include "ebpf/xdp_hook.hpp"
#include "tests/ebpf/maps_of_program.hpp"
#include "tests/ebpf/refused_call.hpp"
#include "tests/ebpf/served_devices.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::ebpf {
namespace {

using cases::Bytes;
using cases::World;
using fastpath::TableUpdate;

const World world{4, 4};

class PortsTest : public ServedDevices {
  protected:
    void apply_all(const TableUpdate& update) {
        const auto applied = apply(update);
        ASSERT_TRUE(applied) << applied.error().message;
    }

    /// "up", "down" or "gone".
    std::string state_of(std::uint32_t id) {
        const auto reply = counters();
        for (const auto& port : reply.ports())
            if (port.port() == id) return port.up() ? "up" : port.present() ? "down" : "gone";
        return "not told";
    }

    bool lists(std::uint32_t id) {
        const TableUpdate tables = dump();
        return std::ranges::any_of(tables.ports(), [&](const auto& port) { return port.id() == id; });
    }

    [[nodiscard]] std::uint32_t endpoint_program(std::uint32_t ifindex) const {
        return IngressHook(ifindex, options_.directory).attached();
    }

    [[nodiscard]] std::uint32_t uplink_programs(std::uint32_t ifindex) const {
        return endpoint_program(ifindex) != 0 && XdpHook(ifindex, *options_.directory).attached() != 0 ? 2 : 0;
    }

    /// The kernel lets go of a pin's program a little after the pin has gone.
    template <class Condition>
    void look_until(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!condition() && std::chrono::steady_clock::now() < deadline)
            EXPECT_NE(state_of(web), "gone");
    }

    /// What the programs know of a device's number.
    [[nodiscard]] std::uint32_t port_of(std::uint32_t ifindex) const {
        const MapSet maps = MapSet::open(options_).value();
        std::uint32_t port = 0;
        static_cast<void>(maps["port_of_ifindex"].find(&ifindex, &port).value());
        return port;
    }
};

TEST_F(PortsTest, DeviceThatIsSetDownIsDownAndComesBack) {
    ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    EXPECT_EQ(state_of(web), "up");
    HostNamespaces::set_up("weft5", false);
    EXPECT_EQ(state_of(web), "down");
    EXPECT_TRUE(lists(web)) << "or the agent would make it anew";
    HostNamespaces::set_up("weft5", true);
    EXPECT_EQ(state_of(web), "up");
    EXPECT_EQ(HostNamespaces::number_of("weft5"), near);
    HostNamespaces::remove_device(near);
    EXPECT_EQ(state_of(web), "gone");
    EXPECT_FALSE(lists(web));
    EXPECT_EQ(port_of(near), 0U);
    ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
    EXPECT_EQ(state_of(web), "up");
}

TEST_F(PortsTest, HostsOwnInterfaceHasBothEndsHere) {
    TableUpdate own = web_port("weft0");
    own.mutable_ports(0)->mutable_veth()->clear_netns();
    ASSERT_NO_FATAL_FAILURE(apply_all(own));
    EXPECT_NE(HostNamespaces::number_of("weft5"), 0U);
    EXPECT_NE(HostNamespaces::number_of("weft0"), 0U);
    const std::uint32_t id = web;
    const auto role = [&] {
        weft_port port{};
        EXPECT_TRUE(MapSet::open(options_).value()["ports"].find(&id, &port).value());
        return port.role;
    };
    EXPECT_EQ(role(), WEFT_PORT_HOST) << "or packets to it would be lost in bpf_redirect_peer()";
    EXPECT_FALSE(is_near_name("weft0")) << "no port has the number 0";
    ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
    EXPECT_EQ(role(), WEFT_PORT_ENDPOINT);
    EXPECT_EQ(HostNamespaces::number_of("weft0"), 0U);
}

/// Without a thread of their own.
class UnansweredPorts : public PortsTest {
  protected:
    void SetUp() override {
        PortsTest::SetUp();
        if (IsSkipped()) return;
        fast_path_.reset();
        tables_ = Tables::open(options_).value();
        programs_.emplace(Programs::load(tables_->maps(), {.hash_seed = 1}).value());
        ports_.emplace(tables_->maps(), tables_->told(), *programs_);
        ASSERT_TRUE(ports_->set(uplink_port().ports(0)));
        ASSERT_TRUE(ports_->set(web_port().ports(0)));
    }

    [[nodiscard]] int listed() const {
        TableUpdate update;
        ports_->dump(update);
        return update.ports_size();
    }

    std::unique_ptr<Tables> tables_;
    std::optional<Programs> programs_;
    std::optional<Ports> ports_;
};

TEST_F(UnansweredPorts, KernelThatDoesNotAnswerHasTakenNoDeviceAway) {
    with_refused(SYS_socket, EMFILE, [&] {
        fastpath::CountersReply reply;
        const auto told = ports_->counters(reply);
        ASSERT_FALSE(told);
        EXPECT_NE(told.error().message.find("netlink"), std::string::npos) << told.error().message;
        EXPECT_FALSE(ports_->look());
    });
    EXPECT_EQ(listed(), 2);
    fastpath::CountersReply reply;
    ASSERT_TRUE(ports_->counters(reply));
    ASSERT_EQ(reply.ports_size(), 2);
    EXPECT_TRUE(reply.ports(0).up() && reply.ports(1).up());
}

TEST_F(UnansweredPorts, PairThatCannotBeRemovedKeepsItsProgram) {
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    with_refused(SYS_socket, EMFILE, [&] { EXPECT_FALSE(ports_->remove(web)); });
    EXPECT_EQ(listed(), 2) << "or the agent would not try again";
    EXPECT_EQ(HostNamespaces::number_of("weft5"), near);
    EXPECT_NE(endpoint_program(near), 0U);
    ASSERT_TRUE(ports_->remove(web));
    EXPECT_EQ(HostNamespaces::number_of("weft5"), 0U);
    EXPECT_EQ(listed(), 1);
}

TEST_F(PortsTest, UplinkThatIsMadeAnewIsServedAgain) {
    ASSERT_NO_FATAL_FAILURE(apply_all(uplink_port()));
    EXPECT_EQ(uplink_programs(up0_), 2U);
    for (const bool seen_missing : {true, false}) {
        const std::uint32_t before = HostNamespaces::number_of("up0");
        HostNamespaces::remove_device(before);
        if (seen_missing) {
            EXPECT_EQ(state_of(uplink), "gone");
        }
        const std::uint32_t now = devices_->add_device("up0");
        ASSERT_NE(now, before);
        EXPECT_EQ(state_of(uplink), "up");
        EXPECT_TRUE(lists(uplink));
        EXPECT_EQ(uplink_programs(now), 2U);
        EXPECT_EQ(port_of(now), uplink);
        EXPECT_EQ(port_of(before), 0U);
        EXPECT_EQ(pinned_devices(*options_.directory), (std::set{now, HostNamespaces::number_of("weft-sum1")}));
        const MapSet maps = MapSet::open(options_).value();
        weft_port entry{};
        EXPECT_TRUE(maps["ports"].find(&uplink, &entry).value());
        EXPECT_EQ(entry.ifindex, now);
        EXPECT_EQ(entry.up, 1);
    }
}

TEST_F(PortsTest, OfDevicesThatWentUnseenNothingIsLeft) {
    TableUpdate both = uplink_port();
    both.MergeFrom(web_port());
    ASSERT_NO_FATAL_FAILURE(apply_all(both));
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    const std::uint32_t sum1 = HostNamespaces::number_of("weft-sum1");
    EXPECT_EQ(pinned_devices(*options_.directory), (std::set{up0_, near, sum1}));
    fast_path_.reset();
    HostNamespaces::remove_device(near);
    HostNamespaces::remove_device(up0_);
    const std::uint32_t now = devices_->add_device("up0");
    restart();
    EXPECT_EQ(pinned_devices(*options_.directory), (std::set{now, sum1}));
    EXPECT_EQ(port_of(near) + port_of(up0_), 0U);
    EXPECT_EQ(port_of(now), uplink);
    EXPECT_EQ(state_of(web), "gone");
    EXPECT_EQ(uplink_programs(now), 2U);
}

// The container is still behind it, and the host's own stack in front.
TEST_F(PortsTest, NearEndOfAnotherNameIsNeverWithoutAProgram) {
    for (const bool seen : {true, false}) {
        ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
        if (!seen) fast_path_.reset();
        HostNamespaces::set_up("weft5", false); // or older kernels rename nothing
        HostNamespaces::rename("weft5", "renamed");
        HostNamespaces::set_up("renamed", true);
        if (!seen) restart();
        EXPECT_EQ(state_of(web), "gone");
        EXPECT_EQ(HostNamespaces::number_of("renamed"), 0U) << "seen: " << seen;
        EXPECT_EQ(pinned_devices(*options_.directory), std::set<std::uint32_t>{});
    }
}

TEST_F(PortsTest, ProgramThatSomebodyTakesAwayIsPutThereAgain) {
    ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
    ASSERT_NO_FATAL_FAILURE(apply_all(uplink_port()));
    for (const char* const device : {"weft5", "up0", "weft-sum1"}) {
        const std::uint32_t ifindex = HostNamespaces::number_of(device);
        ASSERT_TRUE(std::filesystem::remove(fmt::format("{}/tcx-{}", *options_.directory, ifindex))) << device;
        look_until([&] { return endpoint_program(ifindex) != 0; });
        EXPECT_NE(endpoint_program(ifindex), 0U) << device;
    }
    EXPECT_TRUE(lists(web) && lists(uplink));
}

TEST_F(PortsTest, PinsThatSomebodyRemovesAreThereAgainAsTheyWere) {
    ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
    ASSERT_NO_FATAL_FAILURE(apply_all(uplink_port()));
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    const std::uint64_t seed = seed_of_boot(options_.directory).value();
    std::filesystem::remove_all(*options_.directory);
    look_until([&] { return endpoint_program(near) != 0 && uplink_programs(up0_) != 0; });
    EXPECT_EQ(uplink_programs(up0_), 2U);
    EXPECT_EQ(seed_of_boot(options_.directory).value(), seed);
    EXPECT_FALSE(PinLock::take(PinDirectory::at(*options_.directory).value())) << "it is ours";
    restart();
    EXPECT_TRUE(lists(web) && lists(uplink)) << "the maps are those that were there";
    EXPECT_EQ(port_of(near), web);
}

TEST_F(UnansweredPorts, WhatIsServedInAnotherNamespaceKeepsItsPrograms) {
    const std::uint32_t before = endpoint_program(up0_);
    fastpath::TableUpdate told;
    ports_->dump(told);
    const auto others = Programs::load(tables_->maps(), {.hash_seed = 2}).value();
    {
        const NetworkNamespace other = NetworkNamespace::make();
        while (HostNamespaces::number_of("up0") < up0_) {
            if (const auto made = HostNamespaces::number_of("up0"); made != 0) HostNamespaces::remove_device(made);
            devices_->add_device("up0");
        }
        ASSERT_EQ(HostNamespaces::number_of("up0"), up0_);
        Ports there(tables_->maps(), tables_->told(), others);
        ASSERT_TRUE(there.adopt(told));
        EXPECT_NE(there.notes().front().find("another network namespace"), std::string::npos)
            << there.notes().front();
        EXPECT_TRUE(there.serve_by(*programs_));
        EXPECT_TRUE(there.serve_by(others)); // as when a trace begins
    }
    devices_->host().enter();
    EXPECT_EQ(endpoint_program(up0_), before);
}

TEST_F(PortsTest, OneThatTakesTooManyWordsIsRefusedByName) {
    ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    TableUpdate longer = web_port("eth1");
    auto& port = *longer.mutable_ports(0);
    port.set_id(web + 1);
    port.mutable_veth()->mutable_netns()->insert(0, 600, '/'); // the same file
    const auto refused = apply(longer);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    for (const char* const part : {"port 6: ", "the eBPF map told has room for 510", "the path of its namespace"})
        EXPECT_NE(refused.error().message.find(part), std::string::npos) << refused.error().message;
    EXPECT_FALSE(lists(web + 1));
    EXPECT_EQ(HostNamespaces::number_of("weft6"), 0U);
    EXPECT_TRUE(lists(web));
    EXPECT_EQ(HostNamespaces::number_of("weft5"), near);
    port.mutable_veth()->mutable_netns()->erase(0, 500);
    ASSERT_NO_FATAL_FAILURE(apply_all(longer));
    EXPECT_TRUE(lists(web + 1));
}

TEST_F(PortsTest, CompletionPairIsThereWhileAnUplinkIs) {
    const auto number_of = [](const char* name) { return HostNamespaces::number_of(name); };
    ASSERT_NO_FATAL_FAILURE(apply_all(web_port()));
    EXPECT_EQ(number_of("weft-sum0"), 0U);
    ASSERT_NO_FATAL_FAILURE(apply_all(uplink_port()));
    const std::uint32_t first = number_of("weft-sum0");
    ASSERT_NE(first, 0U);
    HostNamespaces::remove_device(first);
    EXPECT_EQ(state_of(uplink), "up"); // after a look
    const std::uint32_t second = number_of("weft-sum0");
    ASSERT_NE(second, 0U);
    EXPECT_NE(second, first);
    const std::uint32_t out = number_of("weft-sum1");
    EXPECT_NE(endpoint_program(out), 0U);
    EXPECT_EQ(pinned_devices(*options_.directory), (std::set{up0_, number_of("weft5"), out}));
    for (const char* const end : {"weft-sum0", "weft-sum1"}) {
        std::string disabled;
        std::ifstream(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", end)) >> disabled;
        EXPECT_EQ(disabled, "1") << "the host itself has nothing to say at " << end;
        HostNamespaces::set_up(end, false);
        EXPECT_EQ(state_of(uplink), "up");
        EXPECT_TRUE(find_device(end).value()->up) << end;
    }
    fast_path_.reset();
    restart();
    EXPECT_EQ(number_of("weft-sum0"), second);
    TableUpdate away;
    away.add_deleted_ports(uplink);
    ASSERT_NO_FATAL_FAILURE(apply_all(away));
    EXPECT_EQ(number_of("weft-sum0"), 0U);
    EXPECT_EQ(pinned_devices(*options_.directory), (std::set{number_of("weft5")}));
}

TEST_F(UnansweredPorts, HalfACompletionPairGoesWithTheUplinkToo) {
    ASSERT_TRUE(ports_->remove(uplink));
    with_refused(SYS_ioctl, EPERM, [&] { ASSERT_TRUE(ports_->set(uplink_port().ports(0))); });
    const auto notes = ports_->notes();
    EXPECT_TRUE(std::ranges::any_of(notes, [](const std::string& note) { return note.starts_with("tunnels of "); }));
    EXPECT_NE(HostNamespaces::number_of("weft-sum0"), 0U);
    ASSERT_TRUE(ports_->remove(uplink));
    EXPECT_EQ(HostNamespaces::number_of("weft-sum0"), 0U);
}

// The container that had the number before left an endpoint behind, which the same update takes away.
TEST_F(PortsTest, NumberThatIsUsedAgainIsNobodysUntilTheTablesSaySo) {
    options_.entries["host_routes"] = 65536;
    fast_path_.reset();
    std::filesystem::remove_all(*options_.directory);
    restart();
    TableUpdate before = world.tables();
    before.MergeFrom(web_port());
    World::add_endpoint(before, web, "web-1", world.web_mac, world.address(0, 9), 101);
    ASSERT_NO_FATAL_FAILURE(apply_all(before));
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    TableUpdate after = web_port("eth1");
    after.add_deleted_endpoints(web);
    for (unsigned i = 0; i < 40000; ++i) // so that there is time to look
        World::add_route(after, {10, 200, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}, 32,
                         World::to_c, 5);
    const MapSet maps = MapSet::open(options_).value();
    bool done = false;
    unsigned looks = 0;
    fast_path_->apply(after, [&](auto applied) { done = applied.has_value(); });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    loop_.restart();
    while (!done && std::chrono::steady_clock::now() < deadline) {
        const auto device = find_device("weft5").value();
        weft_endpoint endpoint{};
        EXPECT_TRUE(maps["endpoints"].find(&web, &endpoint).value());
        if (device && device->ifindex != near) {
            ASSERT_EQ(endpoint.port, 0U) << "the new container would be taken for the one before";
        }
        ++looks;
        loop_.poll();
    }
    ASSERT_TRUE(done);
    EXPECT_GT(looks, 20U);
    EXPECT_NE(HostNamespaces::number_of("weft5"), near);
    EXPECT_EQ(state_of(web), "up");
}

TEST(Seed, FollowsFromNothingThatAContainerCanRead) {
    const TemporaryDirectory first, second;
    const std::uint64_t seed = seed_of_boot(first.path()).value();
    EXPECT_EQ(seed_of_boot(first.path()).value(), seed);
    EXPECT_NE(seed_of_boot(second.path()).value(), seed);
    EXPECT_NE(seed_of_boot(std::nullopt).value(), seed_of_boot(std::nullopt).value());
}

TEST(Seed, IsThatOfTheBootWhileProgramsOfAVersionThatNotedNoneAreThere) {
    const TemporaryDirectory first, second;
    for (const TemporaryDirectory* const each : {&first, &second})
        PinDirectory::make_directory(each->path() + "/xdp-7").value();
    EXPECT_EQ(seed_of_boot(first.path()).value(), seed_of_boot(second.path()).value());
}

/// What a program was loaded with.
std::uint64_t seed_of(std::uint32_t program) {
    for (const Map& map : maps_of_program(program)) {
        if (!map.name().ends_with(".rodata")) continue;
        std::vector<std::uint64_t> words(map.value_room() / sizeof(std::uint64_t) + 1);
        const std::uint32_t zero = 0;
        if (map.find(&zero, words.data()).value()) return words.front();
    }
    throw std::runtime_error("the program has no constants");
}

// The programs of an uplink are of two versions for a moment, and know each other's handover by it.
TEST_F(PortsTest, ProgramsOfAllVersionsHaveTheSeedThatTheFirstOneNoted) {
    ASSERT_NO_FATAL_FAILURE(apply_all(uplink_port()));
    const std::uint64_t first = seed_of(endpoint_program(up0_));
    EXPECT_EQ(seed_of_boot(options_.directory).value(), first);
    restart();
    EXPECT_EQ(seed_of(endpoint_program(up0_)), first);
    const std::string note = fmt::format("{}/seed-", *options_.directory);
    std::filesystem::remove(note + fmt::format("{:016x}", first));
    PinDirectory::make_directory(note + "0123456789abcdef").value();
    restart();
    for (const std::uint32_t program : {endpoint_program(up0_), XdpHook(up0_, *options_.directory).attached()})
        EXPECT_EQ(seed_of(program), 0x0123456789abcdefULL);
}

} // namespace
} // namespace weft::ebpf
