// SPDX-License-Identifier: BSD-3-Clause
// The tables in the kernel's maps: they hold what DPDK's hold, whatever comes; what does not fit is refused by name
// and leaves no trace; and who opens them again goes on where the last one stopped, also one that died in between.
#include <csignal>
#include <random>
#include <set>

#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/api/explain.hpp"
#include "dataplane/tables.hpp"
#include "dataplane/view.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/tables.hpp"
#include "tests/ebpf/bpf_maps.hpp"
#include "tests/pipeline/deletion.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::ebpf {
namespace {

using cases::Bytes;
using cases::deletion_of;
using cases::text_of;
using cases::World;
using fastpath::TableUpdate;

const World world{4, 4};

using Entries = std::multimap<std::string, const google::protobuf::Message*>; ///< by kind and bytes, which tells all

Entries entries_of(const TableUpdate& update) {
    Entries entries;
    const auto add = [&](const char* kind, const auto& messages) {
        for (const auto& message : messages)
            entries.emplace(kind + message.SerializeAsString(), &message);
    };
    if (update.has_host()) add("host", std::span(&update.host(), 1));
    add("network", update.networks());
    add("verdict list", update.verdict_lists());
    add("policy", update.policies());
    add("endpoint", update.endpoints());
    add("next hop", update.next_hops());
    add("route", update.routes());
    return entries;
}

/// Empty when both hold the same, in whatever order.
std::string difference(const TableUpdate& found, const TableUpdate& wanted) {
    const auto has = entries_of(found);
    const auto wants = entries_of(wanted);
    std::string told;
    for (const auto& [bytes, message] : has)
        if (!wants.contains(bytes)) told += "not wanted: " + message->ShortDebugString() + "\n";
    for (const auto& [bytes, message] : wants)
        if (!has.contains(bytes)) told += "missing: " + message->ShortDebugString() + "\n";
    return told.empty() && has.size() != wants.size() ? "an entry is there twice" : told;
}

std::unique_ptr<Tables> open(const MapSetOptions& options) {
    auto tables = Tables::open(options);
    if (!tables) throw std::runtime_error(tables.error().message);
    return std::move(*tables);
}

class EbpfTables : public BpfTest {};

TEST_F(EbpfTables, DumpHoldsWhatWasApplied) {
    const auto tables = open(unpinned());
    EXPECT_EQ(difference(tables->dump().value(), TableUpdate()), "");
    ASSERT_TRUE(tables->apply(world.tables()));
    EXPECT_EQ(difference(tables->dump().value(), world.tables()), "");
}

TEST_F(EbpfTables, EveryUpdateMovesTheEpoch) {
    const auto tables = open(unpinned());
    const auto before = tables->epoch();
    ASSERT_TRUE(tables->apply(world.tables()));
    EXPECT_NE(tables->epoch(), before);
}

TEST_F(EbpfTables, GaugesTellUsedAndCapacity) {
    const auto tables = open(unpinned({{"host_routes", 1000}, {"next_hops", 50}}));
    ASSERT_TRUE(tables->apply(world.tables()));
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> gauges;
    for (const auto& gauge : tables->gauges()) {
        gauges[gauge.name()] = {gauge.used(), gauge.capacity()};
        EXPECT_GT(gauge.bytes(), 0U) << gauge.name();
    }
    using Pair = std::pair<std::uint64_t, std::uint64_t>;
    EXPECT_EQ(gauges["fib"], Pair(3, 1000));
    EXPECT_EQ(gauges["fib_prefix"].first, 4U);
    EXPECT_EQ(gauges["next_hop"], Pair(7, 50));
    EXPECT_EQ(gauges["endpoint"].first, 2U);
    EXPECT_EQ(gauges["network"].first, 1U);
    EXPECT_EQ(gauges["policy"].first, 0U);
}

/// Random updates of everything, some of them wrong, over few keys so that entries are replaced, nested and deleted.
class RandomUpdates {
  public:
    explicit RandomUpdates(unsigned seed) : random_(seed) {}

    TableUpdate next() {
        TableUpdate update;
        if (one_in(8)) *update.mutable_host() = host();
        for (unsigned i = below(3); i > 0; --i) {
            auto& network = *update.add_networks();
            network.set_vni(vni());
            network.set_name("network-" + std::to_string(below(3)));
        }
        for (unsigned i = below(4); i > 0; --i)
            add_policy(update);
        for (unsigned i = below(3); i > 0; --i)
            *update.add_endpoints() = endpoint();
        for (unsigned i = below(4); i > 0; --i)
            *update.add_next_hops() = next_hop();
        for (unsigned i = below(12); i > 0; --i)
            *update.add_routes() = route();
        for (unsigned i = below(6); i > 0; --i) {
            const auto gone = route();
            auto& key = *update.add_deleted_routes();
            key.set_vni(gone.vni());
            *key.mutable_prefix() = gone.prefix();
        }
        if (one_in(3)) update.add_deleted_next_hops(next_hop_id());
        if (one_in(6)) update.add_deleted_endpoints(port());
        for (unsigned i = below(3); i > 0; --i)
            update.mutable_deleted_policies()->Add(key());
        // Some of them in use.
        for (unsigned i = one_in(3) ? below(3) : 0; i > 0 && !lists_.empty(); --i)
            update.add_deleted_verdict_lists(lists_[below(static_cast<unsigned>(lists_.size()))]);
        if (one_in(10)) update.add_deleted_networks(vni());
        return update;
    }

    unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

    bool one_in(unsigned count) { return below(count) == 0; }

    std::uint32_t vni() { return one_in(40) ? 0 : 7 + below(3); }

    std::uint32_t port() { return one_in(40) ? 0 : 1 + below(6); }

    std::uint32_t next_hop_id() { return one_in(60) ? 0 : 1 + below(12); }

    /// 4 or 16 bytes, few of them not zero.
    std::string address() {
        std::string bytes(one_in(2) ? 4 : 16, '\0');
        for (auto& byte : bytes)
            if (one_in(4)) byte = static_cast<char>(one_in(2) ? 0x80 : below(256));
        if (bytes.size() == 16 && one_in(50)) bytes.replace(0, 12, std::string(10, '\0') + "\xff\xff");
        if (one_in(100)) bytes.pop_back();
        return bytes;
    }

  private:
    std::string mac() { return one_in(60) ? "short" : std::string("\x02web-") + static_cast<char>('0' + below(4)); }

    fastpath::HostSettings host() {
        fastpath::HostSettings host;
        if (!one_in(4)) host.set_vtep_v4(std::string("\x0a\x00\x00", 3) + static_cast<char>(below(3)));
        if (!one_in(4)) host.set_vtep_v6(std::string(15, '\x20') + static_cast<char>(below(3)));
        host.set_router_mac(mac());
        host.set_gateway_mac(mac());
        host.set_vxlan_port(one_in(20) ? 0 : 4789);
        return host;
    }

    fastpath::PolicyKey key() {
        fastpath::PolicyKey key;
        key.set_direction(static_cast<fastpath::Direction>(one_in(40) ? 0 : 1 + below(2)));
        key.set_local_identity(1 + below(3));
        key.set_peer_identity(below(4));
        return key;
    }

    /// With its list, or one that was told before, or none.
    void add_policy(TableUpdate& update) {
        std::vector<World::Said> ranges{{0, 0, verdict(), below(3)}};
        const unsigned step = 1 + below(3);
        for (unsigned i = one_in(2) ? below(4) : below(40); i > 0; --i)
            ranges.push_back({ranges.back().protocol + (one_in(60) ? 0 : step), 0, verdict(), below(1000), below(3)});
        TableUpdate made = World::policy(fastpath::DIRECTION_INGRESS, 1, 0, ranges);
        const std::uint64_t list = made.policies(0).list();
        if (!one_in(40)) update.mutable_verdict_lists()->MergeFrom(made.verdict_lists());
        lists_.push_back(list);
        auto& entry = *update.add_policies();
        *entry.mutable_key() = key();
        entry.set_list(one_in(4) ? lists_[below(static_cast<unsigned>(lists_.size()))] : list);
    }

    fastpath::Verdict verdict() { return static_cast<fastpath::Verdict>(one_in(200) ? 0 : 1 + below(2)); }

    fastpath::Endpoint endpoint() {
        fastpath::Endpoint endpoint;
        endpoint.set_port(port());
        endpoint.set_vni(vni());
        endpoint.set_mac(mac());
        for (unsigned i = below(one_in(40) ? 4 : 3); i > 0; --i)
            endpoint.add_addresses(address());
        endpoint.set_identity(below(4));
        // Some names do not fit the map; DPDK's tables take any, so they are not raced here.
        endpoint.set_name(std::string(below(200), 'n'));
        return endpoint;
    }

    fastpath::NextHop next_hop() {
        fastpath::NextHop next_hop;
        next_hop.set_id(next_hop_id());
        if (one_in(3)) {
            next_hop.mutable_local()->set_port(port());
        } else if (one_in(6)) {
            next_hop.mutable_drop();
        } else if (!one_in(40)) {
            auto& vtep = *next_hop.mutable_vtep();
            vtep.set_address(one_in(30) ? address() : std::string("\x0a\x00\x00", 3) + static_cast<char>(below(4)));
            vtep.set_vni(vni());
            vtep.set_inner_destination_mac(mac());
            if (!one_in(3)) vtep.set_outer_destination_mac(mac());
            vtep.set_port(9);
            vtep.set_mtu(one_in(20) ? 20 : 1450);
        }
        return next_hop;
    }

    fastpath::Route route() {
        fastpath::Route route;
        route.set_vni(vni());
        std::string bytes = address();
        const auto bits = static_cast<unsigned>(8 * bytes.size());
        const unsigned length = one_in(3) ? bits : below(bits + 1);
        if (!one_in(40))
            for (unsigned bit = length; bit < bits; ++bit)
                bytes[bit / 8] = static_cast<char>(bytes[bit / 8] & ~(1U << (7 - bit % 8)));
        route.mutable_prefix()->set_address(bytes);
        route.mutable_prefix()->set_length(length);
        route.set_next_hop(next_hop_id());
        route.set_identity(below(1000));
        return route;
    }

    std::mt19937 random_;
    std::vector<std::uint64_t> lists_; ///< that were told
};

/// Does a lookup in the maps find what a worker of the DPDK process would?
void expect_same_lookups(const MapReader& reader, const dataplane::Tables& tables, RandomUpdates& random) {
    for (std::uint32_t port = 0; port < 8; ++port) {
        const auto* const wanted = tables.endpoint(port);
        const auto found = reader.endpoint(port).value();
        ASSERT_EQ(found.has_value(), wanted != nullptr) << port;
        if (wanted == nullptr) continue;
        ASSERT_EQ(std::memcmp(&*found, static_cast<const weft_endpoint*>(wanted), sizeof *found), 0);
    }
    for (std::uint32_t id = 0; id < 14; ++id) {
        const auto* const wanted = tables.next_hop(id);
        const auto found = reader.next_hop(id).value();
        ASSERT_EQ(found.has_value(), wanted != nullptr) << id;
        if (wanted == nullptr) continue;
        ASSERT_EQ(std::memcmp(&*found, static_cast<const weft_next_hop*>(wanted), sizeof *found), 0);
        ASSERT_EQ(reader.is_vtep(found->remote).value(), tables.is_vtep(found->remote));
    }
    for (int probe = 0; probe < 40; ++probe) {
        const std::uint32_t vni = 7 + random.below(3);
        const auto* const network = tables.network(vni);
        ASSERT_EQ(reader.network(vni).value(), network != nullptr ? std::optional(network->name) : std::nullopt);
        const std::string bytes = random.address();
        if (network == nullptr || (bytes.size() != 4 && bytes.size() != 16)) continue;
        const auto* const at = reinterpret_cast<const std::uint8_t*>(bytes.data());
        const weft_address address = bytes.size() == 4 ? weft_address_v4(at) : weft_address_v6(at);
        if (bytes.size() == 16 && weft_address_is_v4(&address)) continue;
        const auto wanted = tables.route(*network, address);
        const auto found = reader.route(vni, address).value();
        ASSERT_EQ(found.next_hop, wanted.next_hop);
        ASSERT_EQ(found.identity, wanted.identity);
    }
    for (int probe = 0; probe < 20; ++probe) {
        const auto direction = static_cast<weft_direction>(1 + random.below(2));
        const std::uint32_t local = 1 + random.below(3);
        const std::uint32_t peer = random.below(4);
        const std::uint32_t protocol_port = random.below(60) << 16 | random.below(3);
        const weft_view view{.tables = &tables};
        weft_policy_value wanted{};
        const weft_policy_key key = weft_policy_key_of(direction, local, peer);
        weft_ask_policy(&view, &key, protocol_port, &wanted);
        const auto found = fastpath::ask_policy(reader, direction, local, peer, protocol_port).value();
        ASSERT_EQ(std::memcmp(&found, &wanted, sizeof found), 0);
    }
}

TEST_F(EbpfTables, HoldWhatThoseOfDpdkHold) {
    const BpfFileSystem file_system;
    const MapSetOptions options = file_system.pinned();
    for (unsigned seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        RandomUpdates random(seed);
        dataplane::Quiescence quiescence(1);
        dataplane::Tables wanted(quiescence);
        ASSERT_TRUE(remove_pins(*options.directory));
        auto tables = open(options);
        unsigned refused = 0;
        for (int round = 0; round < 300; ++round) {
            SCOPED_TRACE("round " + std::to_string(round));
            const TableUpdate update = random.next();
            const auto expected = wanted.apply(update);
            const auto applied = tables->apply(update);
            ASSERT_EQ(applied.has_value(), expected.has_value());
            if (!applied) {
                ASSERT_EQ(applied.error(), expected.error());
            }
            refused += applied ? 0 : 1;
            const auto dump = tables->dump();
            ASSERT_TRUE(dump) << dump.error().message;
            ASSERT_EQ(difference(*dump, wanted.dump()), "");
            ASSERT_NO_FATAL_FAILURE(expect_same_lookups(tables->reader(), wanted, random));
            if (!random.one_in(10)) continue;
            // The agent goes, and comes back.
            const auto epoch = tables->epoch();
            tables.reset();
            tables = open(options);
            ASSERT_TRUE(tables->maps().adopted());
            ASSERT_EQ(tables->epoch(), epoch);
            ASSERT_EQ(difference(tables->dump().value(), wanted.dump()), "");
        }
        // Both kinds were met.
        EXPECT_GT(refused, 30U);
        EXPECT_LT(refused, 270U);
    }
}

struct Full {
    const char* name;
    std::map<std::string, std::uint32_t> sizes;
    const char* told;                  ///< the map that the error names
    std::set<std::uint32_t> next_hops; ///< that are left
    int routes;                        ///< that are left
};

void PrintTo(const Full& full, std::ostream* out) { *out << full.name; }

class FullMap : public PinnedTest, public testing::WithParamInterface<Full> {};

TEST_P(FullMap, RefusesByNameAndLeavesNoTrace) {
    options_.entries = small(GetParam().sizes);
    auto tables = open(options_);
    const auto applied = tables->apply(world.tables());
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code, ErrorCode::exhausted);
    const std::string name = GetParam().told;
    const std::string full = "map " + name + " is full with its " + std::to_string(GetParam().sizes.at(name)) + " ";
    EXPECT_NE(applied.error().message.find(full), std::string::npos) << applied.error().message;
    const TableUpdate dump = tables->dump().value();
    std::set<std::uint32_t> next_hops;
    for (const auto& next_hop : dump.next_hops())
        next_hops.insert(next_hop.id());
    EXPECT_EQ(next_hops, GetParam().next_hops);
    EXPECT_EQ(dump.routes_size(), GetParam().routes);
    // What stands there already may be told again, and changed.
    TableUpdate again = dump;
    if (again.routes_size() != 0) again.mutable_routes(0)->set_identity(77);
    EXPECT_TRUE(tables->apply(again));
    EXPECT_EQ(difference(tables->dump().value(), again), "");
    // What was half written would show now.
    const auto epoch = tables->epoch();
    tables.reset();
    tables = open(options_);
    EXPECT_EQ(difference(tables->dump().value(), again), "");
    EXPECT_EQ(tables->epoch(), epoch);
    // And there is room again for what makes room.
    EXPECT_TRUE(tables->apply(deletion_of(again)));
    EXPECT_EQ(tables->dump()->routes_size(), 0);
}

using Sizes = std::map<std::string, std::uint32_t>;
const std::set<std::uint32_t> every{1, 2, 3, 4, 5, 6, 7};

INSTANTIATE_TEST_SUITE_P(
    Of, FullMap,
    testing::Values(Full{"HostRoutes", Sizes{{"host_routes", 2}}, "host_routes", every, 6},
                    Full{"PrefixRoutes", Sizes{{"prefix_routes", 3}}, "prefix_routes", every, 6},
                    // Next hops come in their order, and so do the routes that lead there.
                    Full{"NextHops", Sizes{{"next_hops", 4}}, "next_hops", {1, 2, 3}, 3},
                    Full{"Vteps", Sizes{{"vteps", 1}}, "vteps", {1, 2, 3, 5, 7}, 5},
                    Full{"Endpoints", Sizes{{"endpoints", 2}}, "endpoints", {1, 3, 4, 5, 6, 7}, 6},
                    Full{"Told", Sizes{{"told", 6}}, "told", {1, 2}, 2}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(EbpfTables, PolicyOfAnIdentityFitsAsAWholeOrNotAtAll) {
    const auto tables = open(unpinned({{"policies", 5}}));
    ASSERT_TRUE(tables->apply(world.tables()));
    const auto policies = [](std::uint32_t identity, std::uint32_t peers) {
        TableUpdate update;
        for (std::uint32_t peer = 0; peer < peers; ++peer)
            update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, identity, peer,
                                           {{0, 0, fastpath::VERDICT_DENY, identity}}));
        update.mutable_verdict_lists()->DeleteSubrange(1, update.verdict_lists_size() - 1);
        return update;
    };
    ASSERT_TRUE(tables->apply(policies(World::id_web, 3)));
    TableUpdate update = policies(World::id_db, 3);
    update.MergeFrom(policies(World::id_cache, 2));
    World::add_endpoint(update, 60, "late", world.web_mac, world.address(7, 1), World::id_db);
    const auto applied = tables->apply(update);
    ASSERT_FALSE(applied);
    EXPECT_NE(applied.error().message.find("map policies is full with its 5 entries"), std::string::npos)
        << applied.error().message;
    TableUpdate expected = world.tables();
    expected.MergeFrom(policies(World::id_web, 3));
    expected.MergeFrom(policies(World::id_cache, 2));
    *expected.add_verdict_lists() = update.verdict_lists(0); // db's, which nobody has
    EXPECT_EQ(difference(tables->dump().value(), expected), "");
    // A full map takes what is already there, and one key twice is one.
    TableUpdate again = policies(World::id_web, 3);
    again.MergeFrom(policies(World::id_web, 3));
    EXPECT_TRUE(tables->apply(again));
    EXPECT_EQ(difference(tables->dump().value(), expected), "");
}

TEST_F(EbpfTables, RouteLeadsToNobodyUntilPolicyAboutWhomItShallLeadToHasRoom) {
    const auto tables = open(unpinned({{"policies", 2}}));
    constexpr std::uint32_t subnet = 900;
    constexpr std::uint32_t stranger = 901;
    const auto denied = [](std::uint32_t local, std::uint32_t peer) {
        return World::policy(fastpath::DIRECTION_INGRESS, local, peer, fastpath::VERDICT_DENY);
    };
    TableUpdate before = world.tables();
    World::add_route(before, world.address(7, 0), 24, World::to_d, subnet);
    before.MergeFrom(denied(World::id_web, World::id_cache));
    before.MergeFrom(denied(World::id_web, subnet));
    before.mutable_verdict_lists()->DeleteSubrange(1, 1); // the same
    ASSERT_TRUE(tables->apply(before));
    TableUpdate update = denied(World::id_db, stranger);
    update.MergeFrom(world.route(world.cache_ip(), World::to_d, stranger));
    World::add_route(update, world.address(7, 0), 24, World::to_d, stranger);
    for (const auto& policy : before.policies())
        *update.add_deleted_policies() = policy.key();
    EXPECT_FALSE(tables->apply(update));
    for (auto& route : *before.mutable_routes())
        if (route.identity() == subnet || route.identity() == World::id_cache) route.set_identity(0);
    before.clear_policies();
    EXPECT_EQ(difference(tables->dump().value(), before), "");
    EXPECT_TRUE(tables->apply(update)); // what went has made room
    const TableUpdate after = tables->dump().value();
    EXPECT_EQ(std::ranges::count(after.routes(), stranger, &fastpath::Route::identity), 2);
    EXPECT_EQ(after.policies_size(), 1);
}

TEST_F(EbpfTables, PeerThatIsGoneMakesRoomForTheNext) {
    const auto tables = open(unpinned({{"policies", 2}}));
    const auto denied = [](std::uint32_t peer) {
        return World::policy(fastpath::DIRECTION_INGRESS, World::id_web, peer, fastpath::VERDICT_DENY);
    };
    constexpr std::uint32_t newcomer = 900;
    TableUpdate before = world.tables();
    before.MergeFrom(denied(0));
    before.MergeFrom(denied(World::id_cache));
    before.mutable_verdict_lists()->DeleteSubrange(1, 1); // the same
    ASSERT_TRUE(tables->apply(before));
    TableUpdate update = denied(newcomer);
    World::add_route(update, world.address(7, 1), 32, World::to_d, newcomer);
    ASSERT_FALSE(tables->apply(update));
    // An agent tries again what was refused together with what goes.
    TableUpdate gone = update;
    gone.MergeFrom(deletion_of(world.route(world.cache_ip(), World::to_c, World::id_cache)));
    *gone.add_deleted_policies() = before.policies(1).key();
    ASSERT_FALSE(tables->apply(gone));
    ASSERT_TRUE(tables->apply(update));
    EXPECT_EQ(tables->dump()->policies_size(), 2);
    EXPECT_EQ(std::ranges::count(tables->dump()->routes(), newcomer, &fastpath::Route::identity), 1);
}

TEST_F(PinnedTest, WhoIsNobodyIsSoForTheNextAgentToo) {
    options_.entries = small({{"policies", 2}});
    auto tables = open(options_);
    constexpr std::uint32_t stranger = 901;
    constexpr std::uint32_t successor = 902;
    const auto denied = [](std::uint32_t local, std::uint32_t peer) {
        return World::policy(fastpath::DIRECTION_INGRESS, local, peer, fastpath::VERDICT_DENY);
    };
    TableUpdate before = world.tables();
    before.MergeFrom(denied(World::id_web, World::id_cache));
    before.MergeFrom(denied(World::id_web, 900));
    ASSERT_TRUE(tables->apply(before));
    TableUpdate update = denied(World::id_db, stranger);
    update.MergeFrom(denied(successor, stranger));
    update.MergeFrom(world.route(world.cache_ip(), World::to_c, stranger));
    World::add_endpoint(update, World::db, "db", world.db_mac, world.db_ip(), successor);
    for (const auto& policy : before.policies())
        *update.add_deleted_policies() = policy.key();
    ASSERT_FALSE(tables->apply(update));
    const TableUpdate left = tables->dump().value();
    tables.reset();
    tables = open(options_);
    EXPECT_EQ(difference(tables->dump().value(), left), "");
    EXPECT_EQ(std::ranges::count(left.routes(), 0U, &fastpath::Route::identity), 1);
    EXPECT_EQ(std::ranges::count(left.endpoints(), 0U, &fastpath::Endpoint::identity), 1);
    // The next one has room for what was refused, and counts what it found.
    EXPECT_TRUE(tables->apply(update));
    const TableUpdate after = tables->dump().value();
    EXPECT_EQ(std::ranges::count(after.routes(), stranger, &fastpath::Route::identity), 1);
    EXPECT_EQ(std::ranges::count(after.endpoints(), successor, &fastpath::Endpoint::identity), 1);
    EXPECT_TRUE(tables->apply(deletion_of(after)));
    EXPECT_EQ(tables->dump()->networks_size(), 0);
}

TEST_F(EbpfTables, MessageThatIsTooLongIsRefusedByName) {
    const auto tables = open(unpinned());
    ASSERT_TRUE(tables->apply(world.tables()));
    TableUpdate update;
    World::add_endpoint(update, World::web, std::string(600, 'x').c_str(), world.web_mac, world.web_ip(),
                        World::id_web);
    const auto applied = tables->apply(update);
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code, ErrorCode::invalid);
    EXPECT_NE(applied.error().message.find("xxx on port 1: "), std::string::npos) << applied.error().message;
    EXPECT_NE(applied.error().message.find("room for 510"), std::string::npos) << applied.error().message;
    EXPECT_EQ(difference(tables->dump().value(), world.tables()), "");
}

TEST_F(EbpfTables, OneKeyTwiceInAnUpdateIsTheLastOne) {
    const auto tables = open(unpinned());
    TableUpdate update = world.tables();
    update.MergeFrom(world.route(world.cache_ip(), World::to_d, 5));
    ASSERT_TRUE(tables->apply(update));
    // To c leads nothing more, so it may go.
    TableUpdate deletion;
    deletion.add_deleted_next_hops(World::to_c);
    EXPECT_TRUE(tables->apply(deletion));
    EXPECT_EQ(tables->gauges().front().used(), 3U);
}

/// Maps that somebody filled and left.
class LeftTables : public PinnedTest {
  protected:
    void SetUp() override {
        PinnedTest::SetUp();
        if (IsSkipped()) return;
        const auto tables = open(options_);
        ASSERT_TRUE(tables->apply(world.tables()));
        epoch_ = tables->epoch();
    }

    template <class Key, class Value>
    void write(const char* map, const Key& key, const Value& value) {
        const MapSet maps = MapSet::open(options_).value();
        ASSERT_EQ(maps[map].key_size(), sizeof key);
        ASSERT_EQ(maps[map].value_size(), sizeof value);
        ASSERT_TRUE(maps[map].set(&key, &value));
    }

    template <class Key>
    void erase(const char* map, const Key& key) {
        const MapSet maps = MapSet::open(options_).value();
        ASSERT_EQ(maps[map].key_size(), sizeof key);
        ASSERT_TRUE(maps[map].erase(&key).value());
    }

    std::uint32_t epoch_ = 0;
};

TEST_F(LeftTables, AreTakenOverAsTheyAre) {
    const auto tables = open(options_);
    EXPECT_EQ(tables->epoch(), epoch_);
    EXPECT_EQ(difference(tables->dump().value(), world.tables()), "");
    // Counts came along.
    TableUpdate update;
    update.add_deleted_next_hops(World::to_c);
    update.add_deleted_networks(World::vni);
    const auto applied = tables->apply(update);
    ASSERT_FALSE(applied);
    EXPECT_NE(applied.error().message.find("next hop 3 is still used by 1 routes"), std::string::npos)
        << applied.error().message;
}

TEST_F(LeftTables, UpdateThatWasCutOffIsCompleted) {
    // Its writer had told of another next hop and not made it, forgotten a VTEP, and not come to the epoch.
    weft_next_hop other{};
    other.kind = WEFT_NEXT_HOP_DROP;
    write("next_hops", std::uint32_t{World::to_c}, other);
    erase("endpoints", std::uint32_t{World::db});
    const weft_address stranger = weft_address_v4(world.vtep(99).data());
    write("vteps", stranger, std::uint32_t{1});
    write("epoch", std::uint32_t{0}, std::array{epoch_, 1U}[0]);
    const auto tables = open(options_);
    EXPECT_NE(tables->epoch(), epoch_);
    EXPECT_EQ(difference(tables->dump().value(), world.tables()), "");
    dataplane::Quiescence quiescence(1);
    dataplane::Tables wanted(quiescence);
    ASSERT_TRUE(wanted.apply(world.tables()));
    RandomUpdates random(1);
    expect_same_lookups(tables->reader(), wanted, random);
    EXPECT_FALSE(tables->reader().is_vtep(stranger).value());
    EXPECT_TRUE(tables->reader().is_vtep(weft_address_v4(world.c_vtep().data())).value());
}

TEST_F(LeftTables, UpdateWithoutAnEndMovesTheEpoch) {
    write("epoch", std::uint32_t{WEFT_EPOCH_UPDATING}, 1U);
    EXPECT_EQ(open(options_)->epoch(), epoch_ + 1);
    EXPECT_EQ(open(options_)->epoch(), epoch_ + 1);
}

/// Updates the tables until it is killed.
[[noreturn]] void update_for_ever(const MapSetOptions& options, unsigned seed) {
    auto tables = Tables::open(options);
    RandomUpdates random(seed);
    while (tables)
        static_cast<void>((*tables)->apply(random.next()));
    _exit(1);
}

TEST_F(LeftTables, AreWholeAgainWhereverTheirWriterWasKilled) {
    std::mt19937 random(1);
    unsigned cut_off = 0;
    for (unsigned round = 0; round < 100; ++round) {
        SCOPED_TRACE("round " + std::to_string(round));
        const MapSet maps = MapSet::open(options_).value();
        const Epoch epoch = Epoch::open(maps["epoch"]).value();
        const std::uint32_t begin = epoch.now();
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) update_for_ever(options_, round + 1);
        // Some updates, then somewhere in the next one.
        const std::uint32_t updates = 1 + static_cast<std::uint32_t>(random() % 20);
        int status = 0;
        while (epoch.now() - begin < updates)
            ASSERT_EQ(waitpid(child, &status, WNOHANG), 0) << "it ended by itself";
        for (auto spins = random() % 50'000; spins > 0; --spins)
            static_cast<void>(epoch.now());
        ASSERT_EQ(kill(child, SIGKILL), 0);
        ASSERT_EQ(waitpid(child, &status, 0), child);
        cut_off += epoch.is_updating() ? 1 : 0;

        const std::uint32_t left_at = epoch.now();
        const bool was_updating = epoch.is_updating();
        auto tables = Tables::open(options_);
        ASSERT_TRUE(tables) << tables.error().message;
        EXPECT_EQ(epoch.now(), left_at + (was_updating ? 1 : 0));
        const TableUpdate dump = (*tables)->dump().value();
        // Nothing is left to be done for the next one.
        tables = Tables::open(options_);
        ASSERT_TRUE(tables) << tables.error().message;
        EXPECT_EQ(epoch.now(), left_at + (was_updating ? 1 : 0));
        EXPECT_EQ(difference((*tables)->dump().value(), dump), "");
        // And the counts are right: everything can go.
        if (round % 4 == 3) {
            const auto deleted = (*tables)->apply(deletion_of(dump));
            ASSERT_TRUE(deleted) << deleted.error().message;
            TableUpdate empty;
            if (dump.has_host()) *empty.mutable_host() = dump.host();
            EXPECT_EQ(difference((*tables)->dump().value(), empty), "");
            std::size_t vteps = 0;
            ASSERT_TRUE(maps["vteps"].for_each([&](const void*, const void*) { ++vteps; }));
            EXPECT_EQ(vteps, 0U);
        }
    }
    EXPECT_GT(cut_off, 10U);
}

weft_told_value message(const std::string& bytes) {
    weft_told_value value{};
    value.size = static_cast<std::uint16_t>(bytes.size());
    std::memcpy(value.message, bytes.data(), std::min(bytes.size(), sizeof value.message));
    return value;
}

weft_prefix_route_key prefix_of(std::uint32_t vni, const Bytes& address, std::uint32_t length) {
    const weft_address padded =
        address.size() == 4 ? weft_address_v4(address.data()) : weft_address_v6(address.data());
    return weft_prefix_route_key_of(vni, &padded, length);
}

TEST_F(LeftTables, ListThatWasCutOffGoesUnlessAPolicyHasIt) {
    weft_verdict_block first{.blocks = 2};
    for (std::uint32_t i = 0; i < WEFT_BLOCK_RANGES; ++i)
        first.ranges[i] = {.first = i, .value = {.verdict = WEFT_DENY, .rule = 1}};
    write("verdicts", weft_verdict_key_of(5, 1), first);
    const weft_policy_key key{1, 1, WEFT_EGRESS};
    write("policies", key, weft_policy_list{5});
    const auto refused = Tables::open(options_);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("verdict list 0000000000000005"), std::string::npos)
        << refused.error().message;
    erase("policies", key);
    const auto tables = Tables::open(options_);
    ASSERT_TRUE(tables) << tables.error().message;
    EXPECT_EQ(difference((*tables)->dump().value(), world.tables()), "");
}

TEST_F(LeftTables, WhatCannotBeReadIsAnError) {
    const weft_route_value route{World::to_c, 1};
    const weft_address address = weft_address_v4(world.address(9, 9).data());
    weft_prefix_route_key other_family = prefix_of(World::vni, world.address(9, 0), 96 + 24);
    other_family.vni_family ^= 0x02000000;
    const auto expect_refused = [&](const char* what, const char* map, const auto& key, const auto& value,
                                    int lists = 0) {
        SCOPED_TRACE(what);
        write(map, key, value);
        auto tables = Tables::open(options_);
        ASSERT_FALSE(tables);
        EXPECT_NE(tables.error().message.find("--purge"), std::string::npos) << tables.error().message;
        erase(map, key);
        tables = Tables::open(options_);
        ASSERT_TRUE(tables) << tables.error().message;
        TableUpdate dump = (*tables)->dump().value();
        EXPECT_EQ(dump.verdict_lists_size(), lists);
        dump.clear_verdict_lists();
        EXPECT_EQ(difference(dump, world.tables()), "");
    };
    expect_refused("no message", "told", weft_told_key{WEFT_TOLD_NEXT_HOP, 99}, message("\xff\xff\xff"));
    expect_refused("a message that ends behind its room", "told", weft_told_key{WEFT_TOLD_NETWORK, 99},
                   message(std::string(600, '\0')));
    expect_refused("a message of another kind", "told", weft_told_key{99, 1}, message(""));
    expect_refused("a message about something else", "told", weft_told_key{WEFT_TOLD_NETWORK, 99},
                   message(fastpath::Network().SerializeAsString()));
    expect_refused("a message that is refused", "told", weft_told_key{WEFT_TOLD_NEXT_HOP, 99}, message("\x08\x63"));
    expect_refused("no next hop", "host_routes", weft_host_route_key_of(World::vni, &address),
                   weft_route_value{0, 1});
    expect_refused("no network", "host_routes", weft_host_route_key_of(0, &address), route);
    expect_refused("an unknown network", "host_routes", weft_host_route_key_of(77, &address), route);
    expect_refused("an unknown next hop", "host_routes", weft_host_route_key_of(World::vni, &address),
                   weft_route_value{99, 1});
    expect_refused("host bits", "prefix_routes", prefix_of(World::vni, world.address(9, 9), 96 + 24), route);
    expect_refused("a host route", "prefix_routes", prefix_of(World::vni, world.address(9, 9), 96 + 32), route);
    expect_refused("shorter than IPv4", "prefix_routes", prefix_of(World::vni, world.address(9, 9), 90), route);
    expect_refused("no family", "prefix_routes", other_family, route);
    weft_verdict_block whole{.blocks = 1};
    for (auto& range : whole.ranges)
        range.first = WEFT_NO_RANGE;
    whole.ranges[0] = {.first = 0, .value = {.verdict = WEFT_ALLOW}};
    write("verdicts", weft_verdict_key_of(5, 1), whole);
    expect_refused("no direction", "policies", weft_policy_key{1, 1, 0}, weft_policy_list{5}, 1);
    erase("verdicts", weft_verdict_key_of(5, 1));
    expect_refused("no list", "policies", weft_policy_key{1, 1, WEFT_INGRESS}, weft_policy_list{6});
    expect_refused("no such block", "verdicts", weft_verdict_key_of(5, 0), whole);
}

} // namespace
} // namespace weft::ebpf
