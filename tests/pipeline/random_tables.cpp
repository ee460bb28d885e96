// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/random_tables.hpp"

namespace weft::cases {

namespace {

constexpr std::uint32_t other_vni = 4001;

/// Sets the bits behind the prefix to zero.
Bytes masked(Bytes address, std::uint32_t length) {
    for (std::uint32_t bit = length; bit < address.size() * 8; ++bit)
        address[bit / 8] = static_cast<std::uint8_t>(address[bit / 8] & ~(0x80U >> bit % 8));
    return address;
}

} // namespace

World RandomTables::any_world() {
    const int inner = random_.chance(70) ? world_.inner : 10 - world_.inner;
    const int outer = random_.chance(80) ? world_.outer : 10 - world_.outer;
    return {inner, outer};
}

fastpath::TableUpdate RandomTables::first() {
    first_ = world_.tables();
    // Often more than the table holds, so that this is full too.
    first_.mutable_host()->set_session_quota(random_.one_of({0U, 0U, 100U, 100U, 100U, 3U, 12U, 40U}));
    if (random_.chance(50)) {
        const World other{10 - world_.inner, world_.outer};
        const fastpath::TableUpdate more = other.tables();
        first_.mutable_routes()->MergeFrom(more.routes());
        for (int i = 0; i < first_.endpoints_size(); ++i)
            first_.mutable_endpoints(i)->add_addresses(more.endpoints(i).addresses(0));
    }
    return first_;
}

fastpath::TableUpdate RandomTables::next() {
    if (random_.chance(20)) return first_;
    fastpath::TableUpdate update;
    do
        change(update);
    while (random_.chance(30));
    return update;
}

void RandomTables::change(fastpath::TableUpdate& update) {
    struct Kind {
        unsigned weight;
        void (RandomTables::*change)(fastpath::TableUpdate&);
    };

    static constexpr Kind kinds[] = {
        {5, &RandomTables::change_policy},  {3, &RandomTables::delete_policy},   {4, &RandomTables::change_route},
        {2, &RandomTables::delete_route},   {3, &RandomTables::change_next_hop}, {1, &RandomTables::change_endpoint},
        {1, &RandomTables::change_network}, {1, &RandomTables::change_host},
    };
    unsigned choice = random_.below(20);
    for (const Kind& kind : kinds) {
        if (choice < kind.weight) return (this->*kind.change)(update);
        choice -= kind.weight;
    }
}

void RandomTables::change_policy(fastpath::TableUpdate& update) {
    using enum World::Identity;
    const std::uint32_t peers[] = {0, 2, id_web, id_db, id_cache, id_other};
    std::map<std::pair<std::uint32_t, std::uint32_t>, World::Said> ranges{{{0, 0}, {0, 0, verdict(), 1}}};
    for (std::uint32_t rule = 2; random_.chance(80) && rule < 40; ++rule) {
        const std::uint32_t protocol = random_.one_of({1U, 6U, 6U, 17U, 17U, 58U, 99U, 132U});
        const std::uint32_t port = random_.one_of({0U, 53U, 80U, 8080U, 40000U}) + random_.below(3);
        const std::uint32_t audited = random_.chance(30) ? 50 + random_.below(5) : 0;
        ranges[{protocol, port}] = {protocol, port, verdict(), rule, audited};
    }
    std::vector<World::Said> said;
    for (const auto& [first, range] : ranges)
        said.push_back(range);
    update.MergeFrom(World::policy(random_.chance(50) ? fastpath::DIRECTION_INGRESS : fastpath::DIRECTION_EGRESS,
                                   random_.one_of({id_web, id_db}), random_.one_of(peers), said));
    policies_.push_back(update.policies(update.policies_size() - 1).key());
}

fastpath::Verdict RandomTables::verdict() {
    return random_.chance(50) ? fastpath::VERDICT_ALLOW : fastpath::VERDICT_DENY;
}

void RandomTables::delete_policy(fastpath::TableUpdate& update) {
    if (!policies_.empty()) *update.add_deleted_policies() = random_.one_of(policies_);
}

fastpath::Prefix RandomTables::prefix() {
    const World world = any_world();
    const std::uint32_t lengths_v4[] = {0, 1, 8, 16, 23, 24, 25, 31, 32, 32, 32};
    const std::uint32_t lengths_v6[] = {0, 1, 16, 32, 47, 48, 64, 127, 128, 128, 128};
    const std::uint32_t length = world.inner == 4 ? random_.one_of(lengths_v4) : random_.one_of(lengths_v6);
    const Bytes address =
        world.address(static_cast<std::uint8_t>(random_.below(8)), static_cast<std::uint8_t>(random_.below(4)));
    fastpath::Prefix prefix;
    prefix.set_address(text_of(random_.chance(98) ? masked(address, length) : address));
    prefix.set_length(length);
    return prefix;
}

void RandomTables::change_route(fastpath::TableUpdate& update) {
    using enum World::Identity;
    auto& route = *update.add_routes();
    route.set_vni(random_.chance(97) ? World::vni : other_vni);
    *route.mutable_prefix() = prefix();
    route.set_next_hop(1 + random_.below(8));
    route.set_identity(random_.one_of({2U, std::uint32_t{id_web}, std::uint32_t{id_cache}, std::uint32_t{id_other}}));
    prefixes_.push_back(route.prefix());
}

void RandomTables::delete_route(fastpath::TableUpdate& update) {
    auto& key = *update.add_deleted_routes();
    key.set_vni(World::vni);
    if (!prefixes_.empty() && random_.chance(60))
        *key.mutable_prefix() = random_.one_of(prefixes_);
    else
        *key.mutable_prefix() = first_.routes(static_cast<int>(random_.below(first_.routes().size()))).prefix();
}

void RandomTables::change_next_hop(fastpath::TableUpdate& update) {
    const std::uint32_t id = 1 + random_.below(9);
    if (random_.chance(10)) return update.add_deleted_next_hops(id);
    const World world = any_world();
    const bool c = random_.chance(50);
    const std::uint32_t mtus[] = {68, 100, 576, 1000, 1280, 1450, 1450, 9000};
    switch (random_.below(6)) {
    case 0: {
        auto& drop = *update.add_next_hops();
        drop.set_id(id);
        drop.mutable_drop();
        break;
    }
    case 1:
        World::add_local(update, id, random_.one_of({World::web, World::db, World::without_endpoint}));
        break;
    case 2:
        world.add_vtep(update, id, world.vtep(5), world.d_router, {});
        break;
    default:
        world.add_vtep(update, id, c ? world.c_vtep() : world.d_vtep(), c ? world.c_router : world.d_router,
                       world.next_nic, random_.one_of(mtus));
    }
}

void RandomTables::change_endpoint(fastpath::TableUpdate& update) {
    const bool web = random_.chance(50);
    if (random_.chance(30)) return update.add_deleted_endpoints(web ? World::web : World::db);
    const World world = any_world();
    World::add_endpoint(update, random_.chance(90) == web ? World::web : World::db, web ? "web" : "db",
                        web ? world.web_mac : world.db_mac, web ? world.web_ip() : world.db_ip(),
                        random_.chance(50) ? World::id_web : World::id_db);
}

void RandomTables::change_network(fastpath::TableUpdate& update) {
    if (random_.chance(30)) return update.add_deleted_networks(random_.chance(50) ? World::vni : other_vni);
    auto& network = *update.add_networks();
    network.set_vni(random_.chance(50) ? World::vni : other_vni);
    network.set_name("another name");
}

void RandomTables::change_host(fastpath::TableUpdate& update) {
    const World other{world_.inner, 10 - world_.outer};
    auto& host = *update.mutable_host();
    host = first_.host();
    if (random_.chance(70))
        (other.outer == 4 ? host.mutable_vtep_v4() : host.mutable_vtep_v6())->assign(text_of(other.our_vtep()));
    if (random_.chance(30)) host.set_session_quota(random_.one_of({0U, 1U, 8U, 100U}));
    if (random_.chance(10)) host.set_router_mac(text_of(world_.d_router));
}

} // namespace weft::cases
