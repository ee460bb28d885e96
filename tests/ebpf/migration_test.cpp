// SPDX-License-Identifier: BSD-3-Clause
// From a layout that never was (older_maps.bpf.c) to ours and back: what was in the maps is in the others, by the
// names of members; what is the same is the same map; what packets write meanwhile comes after; and whoever is killed
// on the way leaves enough to begin again.
#include <cerrno>
#include <chrono>
#include <csignal>
#include <random>
#include <set>
#include <thread>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ebpf/migration.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/session_sweeper.hpp"
#include "ebpf/tables.hpp"
#include "tests/ebpf/bpf_maps.hpp"
#include "tests/ebpf/refused_call.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::ebpf {
namespace {

using cases::World;
using fastpath::TableUpdate;

const World world{4, 4};

/// As older_maps.bpf.c has them.
struct OlderHost {
    std::uint16_t vxlan_port;
    std::uint8_t gateway_mac[6];
    std::uint8_t router_mac[6];
};

struct OlderSessionKey {
    std::uint32_t vni_protocol;
    std::uint16_t high_port;
    std::uint16_t low_port;
    weft_address high;
    weft_address low;
};

struct OlderSession {
    std::uint64_t without_heir;
    std::uint16_t state;
    std::uint16_t flags;
    std::uint32_t next_hop[2];
    std::uint32_t last_seen_s;
    std::uint64_t epoch;
};

struct OlderToldKey {
    std::uint32_t id;
    std::uint32_t kind;
};

struct OlderTold {
    std::uint8_t message[600];
    std::uint32_t size;
};

std::uint32_t id_of(const Map& map) { return TypedMap::of(map).value().id(); }

class Migrated : public PinnedTest {
  protected:
    void SetUp() override {
        PinnedTest::SetUp();
        if (IsSkipped()) return;
        spdlog::set_level(spdlog::level::warn);
        object_ = bpf_object__open(WEFT_OLDER_MAPS);
        ASSERT_NE(object_, nullptr);
        ASSERT_EQ(bpf_object__load(object_), 0);
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, object_) older_.emplace(
            bpf_map__name(map), Map::own(fcntl(bpf_map__fd(map), F_DUPFD_CLOEXEC, 0), bpf_map__name(map)).value());
    }

    void TearDown() override {
        spdlog::set_level(spdlog::level::info);
        bpf_object__close(object_);
    }

    [[nodiscard]] PinDirectory pins() const { return PinDirectory::at(*options_.directory).value(); }

    [[nodiscard]] std::string ours() const { return pins().layout(WEFT_LAYOUT); }

    [[nodiscard]] std::string theirs() const { return pins().layout(0); }

    static TableUpdate tables() {
        TableUpdate update = world.tables();
        update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, World::id_web, 6, 80,
                                       fastpath::VERDICT_DENY, fastpath::VERDICT_ALLOW));
        return update;
    }

    /// A host of the other layout that holds tables(), and sessions of these last sights.
    void make_older(std::span<const std::uint32_t> sessions = {}) {
        {
            auto opened = Tables::open(options_);
            ASSERT_TRUE(opened) << opened.error().message;
            ASSERT_TRUE((*opened)->apply(tables()));
        }
        const auto filled = Migration::from(ours()).value().fill(older_);
        ASSERT_TRUE(filled) << filled.error().message;
        ASSERT_TRUE(remove_layout(ours()));
        for (std::uint32_t i = 0; i < sessions.size(); ++i)
            write_older(i, sessions[i]);
        pin_older();
    }

    void pin_older() {
        ASSERT_TRUE(PinDirectory::make_directory(theirs()));
        for (const auto& [name, map] : older_)
            ASSERT_EQ(bpf_obj_pin(map.descriptor(), (theirs() + "/" + name).c_str()), 0);
    }

    void write_older(std::uint32_t number, std::uint32_t last_seen_s) {
        OlderSessionKey key{};
        key.low = weft_address_v4(world.address(1, 1).data());
        key.low_port = static_cast<std::uint16_t>(1000 + number);
        key.vni_protocol = World::vni << 8 | WEFT_PROTO_TCP;
        const OlderSession value{.without_heir = 77,
                                 .state = WEFT_SESSION_ESTABLISHED,
                                 .flags = WEFT_SESSION_INITIATOR_LOW,
                                 .next_hop = {World::to_c, number},
                                 .last_seen_s = last_seen_s,
                                 .epoch = 5};
        ASSERT_TRUE(older_.at("sessions").set(&key, &value));
    }

    static weft_session_key session_key(std::uint32_t number) {
        weft_session_key key{};
        key.low = weft_address_v4(world.address(1, 1).data());
        key.low_port = static_cast<std::uint16_t>(1000 + number);
        key.vni_protocol = World::vni << 8 | WEFT_PROTO_TCP;
        return key;
    }

    static std::optional<weft_session_value> session(const MapSet& maps, std::uint32_t number) {
        const weft_session_key key = session_key(number);
        weft_session_value value;
        return maps["sessions"].find(&key, &value).value() ? std::optional(value) : std::nullopt;
    }

    static std::set<std::string> entries(const TableUpdate& update) {
        std::set<std::string> found;
        const auto add = [&](const char* kind, const auto& messages) {
            for (const auto& message : messages)
                found.insert(kind + message.ShortDebugString());
        };
        add("host", std::span(&update.host(), 1));
        add("network", update.networks());
        add("verdict list", update.verdict_lists());
        add("policy", update.policies());
        add("endpoint", update.endpoints());
        add("next hop", update.next_hops());
        add("route", update.routes());
        return found;
    }

    bpf_object* object_ = nullptr;
    std::map<std::string, Map> older_;
};

TEST_F(Migrated, BytesStandWhereTheOtherLayoutHasThem) {
    make_older();
    const std::uint32_t only = 0;
    std::vector<std::uint8_t> room(older_.at("host").value_room());
    ASSERT_TRUE(older_.at("host").find(&only, room.data()).value());
    OlderHost host;
    std::memcpy(&host, room.data(), sizeof host);
    EXPECT_EQ(host.vxlan_port, tables().host().vxlan_port());
    EXPECT_EQ(std::string(host.router_mac, host.router_mac + 6), tables().host().router_mac());
    EXPECT_EQ(std::string(host.gateway_mac, host.gateway_mac + 6), tables().host().gateway_mac());
    std::size_t next_hops = 0;
    ASSERT_TRUE(older_.at("next_hops").for_each([&](const void*, const void*) { ++next_hops; }));
    EXPECT_EQ(next_hops, static_cast<std::size_t>(tables().next_hops_size())) << "zeros of an array are none";
}

TEST_F(Migrated, TablesAreWhatTheyWere) {
    const std::uint32_t now_s = SessionSweeper::clock_s();
    make_older(std::array{now_s, now_s - 3});
    auto opened = Tables::open(options_);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(entries((*opened)->dump().value()), entries(tables()));
    const auto moved = session((*opened)->maps(), 1);
    ASSERT_TRUE(moved);
    EXPECT_EQ(moved->last_seen_s, now_s - 3);
    EXPECT_EQ(moved->state, WEFT_SESSION_ESTABLISHED);
    EXPECT_EQ(moved->flags, WEFT_SESSION_INITIATOR_LOW);
    EXPECT_EQ(moved->next_hop[0], std::uint32_t{World::to_c});
    EXPECT_EQ(moved->epoch, 5U);
    EXPECT_EQ(moved->rule, 0U);
    // An agent goes on with them, and the other layout goes.
    ASSERT_TRUE(PinDirectory::exists(theirs()));
    ASSERT_TRUE((*opened)->retire_predecessors());
    EXPECT_FALSE(PinDirectory::exists(theirs()));
    EXPECT_TRUE(pins().unfinished().empty());
    ASSERT_TRUE((*opened)->apply(tables()));
}

TEST_F(Migrated, WhatIsTheSameIsTheSameMap) {
    make_older();
    const MapSet maps = MapSet::open(options_).value();
    for (const char* const name : {"networks", "vteps", "port_of_ifindex", "epoch"})
        EXPECT_EQ(id_of(maps[name]), id_of(older_.at(name))) << name;
    for (const char* const name : {"host", "sessions", "next_hops", "told"})
        EXPECT_NE(id_of(maps[name]), id_of(older_.at(name))) << name;
}

TEST_F(Migrated, SizesThatWereAskedForAreMade) {
    make_older();
    options_.entries["networks"] = 2048;
    options_.entries.erase("host_routes");
    const MapSet maps = MapSet::open(options_).value();
    EXPECT_EQ(maps["networks"].capacity(), 2048U);
    EXPECT_NE(id_of(maps["networks"]), id_of(older_.at("networks")));
    EXPECT_EQ(maps["host_routes"].capacity(), 1048576U);
    std::uint32_t value = 0;
    EXPECT_TRUE(maps["networks"].find(&World::vni, &value).value());
}

TEST_F(Migrated, CountersOfEachCpuGoOn) {
    const std::uint32_t port = 3;
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    std::vector<std::array<std::uint64_t, 4 + 64>> counts(cpus);
    for (std::size_t cpu = 0; cpu < cpus; ++cpu)
        counts[cpu] = {cpu + 1, 2, 3, 4};
    ASSERT_TRUE(older_.at("counters").set(&port, counts.data()));
    make_older();
    const MapSet maps = MapSet::open(options_).value();
    std::vector<weft_port_counts> moved(cpus);
    ASSERT_TRUE(maps["counters"].find(&port, moved.data()).value());
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
        EXPECT_EQ(moved[cpu].tx_packets, cpu + 1);
        EXPECT_EQ(moved[cpu].rx_bytes, 4U);
    }
    // Drops were not kept for each CPU, and begin anew.
    std::size_t drops = 0;
    ASSERT_TRUE(maps["drops"].for_each([&](const void*, const void*) { ++drops; }));
    EXPECT_EQ(drops, 0U);
}

TEST_F(Migrated, WhatPacketsWroteMeanwhileComesAfter) {
    const std::uint32_t now_s = SessionSweeper::clock_s();
    make_older(std::array{now_s - 9, now_s - 9});
    MapSet maps = MapSet::open(options_).value();
    write_older(0, now_s - 1);    // went on
    write_older(2, now_s);        // opened
    write_older(3, now_s - 9000); // long over
    const weft_session_key both = session_key(1);
    weft_session_value seen_by_new = *session(maps, 1);
    seen_by_new.last_seen_s = now_s;
    ASSERT_TRUE(maps["sessions"].set(&both, &seen_by_new));
    write_older(1, now_s - 5);
    ASSERT_TRUE(maps.carry_sessions());
    EXPECT_EQ(session(maps, 0).value().last_seen_s, now_s - 1);
    write_older(4, now_s); // opened in the last moment
    ASSERT_TRUE(maps.retire_predecessors());
    EXPECT_EQ(session(maps, 0).value().last_seen_s, now_s - 1);
    EXPECT_EQ(session(maps, 1).value().last_seen_s, now_s) << "the new programs saw it last";
    EXPECT_EQ(session(maps, 2).value().last_seen_s, now_s);
    EXPECT_FALSE(session(maps, 3));
    EXPECT_TRUE(session(maps, 4));
    EXPECT_TRUE(pins().layouts() == std::vector{ours()});
}

// As of a kernel that has CPUs which take no part in it (nohz_full).
TEST_F(Migrated, WhoCannotWaitForPacketsUnderWaySaysSo) {
    make_older();
    MapSet maps = MapSet::open(options_).value();
    Result<void> retired;
    with_refused(SYS_membarrier, EINVAL, [&] { retired = maps.retire_predecessors(); });
    ASSERT_FALSE(retired);
    EXPECT_NE(retired.error().message.find("membarrier"), std::string::npos) << retired.error().message;
    EXPECT_EQ(pins().layouts(), std::vector{ours()});
}

TEST_F(Migrated, WhatDoesNotFitIsRefusedByName_AndNothingChanges) {
    make_older();
    const OlderToldKey key{.id = 99, .kind = WEFT_TOLD_NETWORK};
    OlderTold value{};
    value.size = 555;
    value.message[554] = 1;
    ASSERT_TRUE(older_.at("told").set(&key, &value));
    for (int round = 0; round < 2; ++round) {
        const auto refused = MapSet::open(options_);
        ASSERT_FALSE(refused);
        EXPECT_NE(refused.error().message.find(theirs() + "/told"), std::string::npos) << refused.error().message;
        EXPECT_NE(refused.error().message.find("--purge"), std::string::npos) << refused.error().message;
        EXPECT_EQ(pins().layouts(), std::vector{theirs()});
    }
    ASSERT_TRUE(older_.at("told").erase(&key));
    EXPECT_TRUE(Tables::open(options_));
}

TEST_F(Migrated, NumbersBeyondAnArrayAreRefusedByName) {
    make_older();
    const std::uint32_t number = 70000;
    std::vector<std::uint8_t> value(older_.at("next_hops").value_room(), 1);
    std::fill(value.begin() + 96, value.begin() + 104, 0); // of the template, which is shorter now
    ASSERT_TRUE(older_.at("next_hops").set(&number, value.data()));
    const auto refused = MapSet::open(options_);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("entry 70000 of the eBPF map next_hops"), std::string::npos)
        << refused.error().message;
}

TEST_F(Migrated, AnotherKeyOfATrieIsRefused) {
    const MapSet maps = MapSet::open(options_).value();
    const TypedMap trie = TypedMap::of(maps["prefix_routes"]).value();
    const TypedMap other = TypedMap::of(older_.at("policies")).value();
    EXPECT_FALSE(EntryConversion::make(trie, other));
    const auto same = EntryConversion::make(TypedMap::of(older_.at("prefix_routes")).value(), trie);
    EXPECT_TRUE(same) << same.error().message;
    const TypedMap hash = TypedMap::of(maps["host_routes"]).value(); // shares `address` with the trie's key
    const auto refused = EntryConversion::make(hash, trie);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("trie"), std::string::npos) << refused.error().message;
}

TEST_F(Migrated, AMapWithoutTypesIsRefused) {
    const int plain = bpf_map_create(BPF_MAP_TYPE_HASH, "plain", 4, 4, 16, nullptr);
    ASSERT_GE(plain, 0);
    const auto refused = TypedMap::own(plain, "plain");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("plain"), std::string::npos);
}

TEST_F(Migrated, WhoWasKilledOnTheWayIsFollowedByWhoBeginsAgain) {
    const std::uint32_t now_s = SessionSweeper::clock_s();
    make_older(std::array{now_s, now_s});
    std::mt19937 random(3);
    std::set<std::string> states; ///< what was found after a kill
    const auto expected = entries(tables());
    std::chrono::nanoseconds whole = std::chrono::milliseconds(20); ///< that it took last time
    for (int round = 0; round < 40; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            auto opened = Tables::open(options_);
            if (opened) static_cast<void>((*opened)->retire_predecessors());
            pause();
            _exit(0);
        }
        // At any moment of what it does, and a little longer, on a machine that is slow today as well.
        std::this_thread::sleep_for(whole * (random() % 1500) / 1000);
        kill(child, SIGKILL);
        ASSERT_EQ(waitpid(child, nullptr, 0), child);
        std::string state;
        for (const auto& layouts : {pins().layouts(), pins().unfinished()})
            for (const std::string& layout : layouts)
                state += layout.substr(layout.rfind('/'));
        states.insert(state);
        const auto begin = std::chrono::steady_clock::now();
        auto opened = Tables::open(options_);
        ASSERT_TRUE(opened) << opened.error().message;
        ASSERT_TRUE((*opened)->retire_predecessors());
        whole = std::chrono::steady_clock::now() - begin;
        EXPECT_EQ(entries((*opened)->dump().value()), expected);
        EXPECT_TRUE(session((*opened)->maps(), 0) && session((*opened)->maps(), 1));
        EXPECT_EQ(pins().layouts(), std::vector{ours()});
        EXPECT_TRUE(pins().unfinished().empty());
        opened->reset();
        ASSERT_TRUE(remove_layout(ours()));
        pin_older();
    }
    EXPECT_GE(states.size(), 3U) << "kills met too few stages";
}

} // namespace
} // namespace weft::ebpf
