// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tables.hpp"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>

#include "dataplane/tables_wire.hpp"

namespace weft::dataplane {

namespace {

constexpr std::uint32_t next_hop_id_max = 1U << 22;
constexpr std::uint32_t precedence_max = (1U << 30) - 1;

std::uint64_t as_value(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

std::uint32_t load_word(const std::uint8_t* at) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

/// The first `length` bits of four words in network byte order.
void mask_words(std::uint32_t* words, unsigned length) {
    for (unsigned i = 0; i < 4; ++i) {
        const int kept = std::clamp(static_cast<int>(length) - static_cast<int>(32 * i), 0, 32);
        words[i] &= kept == 0 ? 0 : __builtin_bswap32(~0U << (32 - kept));
    }
}

Result<void> check_vni(std::uint32_t vni) {
    if (auto checked = net::Vni::make(vni); !checked) return std::unexpected(std::move(checked).error());
    return {};
}

weft_policy_key policy_key(const fastpath::PolicyKey& key) {
    return {.local_identity = key.local_identity(),
            .peer_identity = key.peer_identity(),
            .protocol_port = key.protocol() << 16 | key.port(),
            .direction = static_cast<std::uint32_t>(key.direction())};
}

Result<void> check_policy_key(const fastpath::PolicyKey& key) {
    if (key.direction() != fastpath::DIRECTION_INGRESS && key.direction() != fastpath::DIRECTION_EGRESS)
        return fail(ErrorCode::invalid, "policy entry: no direction");
    if (key.protocol() > 255 || key.port() > 65535 || (key.port() != 0 && key.protocol() == 0))
        return fail(ErrorCode::invalid,
                    "policy entry: protocol is at most 255, port at most 65535, and a port needs a protocol");
    return {};
}

Result<void> check_policy(const fastpath::PolicyEntry& entry) {
    if (auto checked = check_policy_key(entry.key()); !checked) return checked;
    if (entry.verdict() != fastpath::VERDICT_ALLOW && entry.verdict() != fastpath::VERDICT_DENY)
        return fail(ErrorCode::invalid, "policy entry: no verdict");
    if (entry.precedence() > precedence_max)
        return fail(ErrorCode::invalid, "policy entry: precedence beyond 2^30 - 1");
    return {};
}

} // namespace

/// What an update lost, so that nothing which builds on it is applied to what was there before.
struct Tables::Refused {
    std::set<std::uint32_t> identities; ///< whose policy has a wrong entry
    std::set<std::uint32_t> endpoints;  ///< by port
    std::set<std::uint32_t> next_hops;
};

Tables::Tables(Quiescence& quiescence, std::uint64_t seed) :
    quiescence_(quiescence),
    host_(nullptr),
    networks_(seed),
    endpoints_(seed),
    routes_v4_(seed),
    routes_v6_(seed),
    vteps_(seed),
    policies_(seed),
    next_hops_(nullptr),
    host_owner_(std::make_shared<const weft_host>()),
    next_hop_array_(std::make_shared<NextHopArray>(64)) {
    host_.store(host_owner_.get());
    next_hops_.store(next_hop_array_.get());
}

Tables::~Tables() = default;

weft_route_value Tables::route(const Network& network, const weft_address& address) const {
    const auto unpack = [](std::uint64_t value) {
        return weft_route_value{.next_hop = static_cast<std::uint32_t>(value),
                                .identity = static_cast<std::uint32_t>(value >> 32)};
    };
    if (weft_address_is_v4(&address)) {
        const std::uint32_t host = address.words[3];
        if (const auto value = routes_v4_.find({host, network.vni << 8 | 32})) return unpack(value);
        for (const std::uint8_t length : network.lengths_v4) {
            const std::uint32_t kept = length == 0 ? 0 : __builtin_bswap32(~0U << (32 - length));
            if (const auto value = routes_v4_.find({host & kept, network.vni << 8 | length})) return unpack(value);
        }
        return {};
    }
    RouteKeyV6 key{{address.words[0], address.words[1], address.words[2], address.words[3]}, network.vni << 8 | 128};
    if (const auto value = routes_v6_.find(key)) return unpack(value);
    for (const std::uint8_t length : network.lengths_v6) { // longest first, so masking may go on in place
        mask_words(key.address, length);
        key.vni_length = network.vni << 8 | length;
        if (const auto value = routes_v6_.find(key)) return unpack(value);
    }
    return {};
}

void Tables::prefetch_route(const Network& network, const weft_address& address) const {
    if (weft_address_is_v4(&address))
        routes_v4_.prefetch({address.words[3], network.vni << 8 | 32});
    else
        routes_v6_.prefetch(
            {{address.words[0], address.words[1], address.words[2], address.words[3]}, network.vni << 8 | 128});
}

weft_policy_value Tables::policy(weft_direction direction, std::uint32_t local, std::uint32_t peer,
                                 std::uint32_t protocol, std::uint32_t port) const {
    weft_policy_value strongest{};
    for (int probe = 0; probe < WEFT_POLICY_PROBES; ++probe) {
        const std::uint64_t value = policies_.find(weft_policy_probe(probe, direction, local, peer, protocol, port));
        strongest = weft_policy_stronger(
            strongest, {static_cast<std::uint32_t>(value), static_cast<std::uint32_t>(value >> 32)});
    }
    return strongest;
}

Result<void> Tables::apply(const fastpath::TableUpdate& update) {
    Result<void> applied;
    try {
        applied = apply_entries(update);
    } catch (const std::bad_alloc&) {
        applied = fail(ErrorCode::exhausted,
                       "no memory for more table entries: stop something on this host, or use fewer routes");
    }
    epoch_.fetch_add(1, std::memory_order_release);
    quiescence_.wait();
    retired_.clear();
    return applied;
}

Result<void> Tables::apply_entries(const fastpath::TableUpdate& update) {
    Result<void> first;
    const auto each = [&first](const auto& entries, auto set) {
        for (const auto& entry : entries)
            if (auto done = set(entry); !done && first) first = std::move(done);
    };
    Refused refused;
    // The policy of an identity changes as a whole or not at all: half of it could allow what the whole denies.
    for (const auto& entry : update.policies())
        if (!check_policy(entry)) refused.identities.insert(entry.key().local_identity());
    if (update.has_host()) first = set_host(update.host());
    each(update.networks(), [&](const auto& entry) { return set_network(entry); });
    each(update.policies(), [&](const auto& entry) { return set_policy(entry, refused); });
    each(update.endpoints(), [&](const auto& entry) {
        auto done = set_endpoint(entry, refused);
        if (!done) refused.endpoints.insert(entry.port());
        return done;
    });
    each(update.next_hops(), [&](const auto& entry) {
        auto done = set_next_hop(entry, refused);
        if (!done) refused.next_hops.insert(entry.id());
        return done;
    });
    each(update.routes(), [&](const auto& entry) { return set_route(entry, refused); });
    each(update.deleted_routes(), [&](const auto& key) { return delete_route(key); });
    each(update.deleted_next_hops(), [&](std::uint32_t id) -> Result<void> {
        const auto found = next_hop_states_.find(id);
        if (found != next_hop_states_.end() && found->second.routes != 0)
            return fail(ErrorCode::invalid,
                        fmt::format("next hop {} is still used by {} routes", id, found->second.routes));
        delete_next_hop(id);
        return {};
    });
    each(update.deleted_endpoints(), [&](std::uint32_t port) -> Result<void> {
        if (const auto found = endpoint_states_.find(port); found != endpoint_states_.end()) {
            endpoints_.erase({port, 1});
            retired_.push_back(found->second.first);
            endpoint_states_.erase(found);
        }
        return {};
    });
    each(update.deleted_policies(), [&](const auto& key) -> Result<void> {
        if (auto checked = check_policy_key(key); !checked) return checked;
        if (!refused.identities.contains(key.local_identity())) policies_.erase(policy_key(key));
        return {};
    });
    each(update.deleted_networks(), [&](std::uint32_t vni) -> Result<void> {
        const auto found = network_states_.find(vni);
        if (found != network_states_.end() && found->second.routes != 0)
            return fail(ErrorCode::invalid, fmt::format("network {} still has {} routes", vni, found->second.routes));
        delete_network(vni);
        return {};
    });
    return first;
}

Result<void> Tables::set_host(const fastpath::HostSettings& message) {
    auto host = std::make_shared<weft_host>();
    for (const auto& [bytes, address] :
         {std::pair{&message.vtep_v4(), &host->vtep_v4}, std::pair{&message.vtep_v6(), &host->vtep_v6}}) {
        if (bytes->empty()) continue;
        auto parsed = to_address(*bytes);
        if (!parsed) return fail_in(std::move(parsed), "host: VTEP");
        *address = *parsed;
    }
    auto router = to_mac(message.router_mac());
    auto gateway = to_mac(message.gateway_mac());
    if (!router) return fail_in(std::move(router), "host: router MAC");
    if (!gateway) return fail_in(std::move(gateway), "host: gateway MAC");
    if (message.vxlan_port() == 0 || message.vxlan_port() > 65535)
        return fail(ErrorCode::invalid, "host: the VXLAN port is not 1 to 65535");
    std::ranges::copy(*router, host->router_mac);
    std::ranges::copy(*gateway, host->gateway_mac);
    host->vxlan_port = static_cast<std::uint16_t>(message.vxlan_port());
    host_message_ = message;
    host_.store(host.get(), std::memory_order_release);
    retired_.push_back(std::exchange(host_owner_, std::move(host)));
    return refresh_next_hops();
}

Result<void> Tables::set_network(const fastpath::Network& message) {
    if (auto checked = check_vni(message.vni()); !checked) return checked;
    publish_network(message.vni(), message.name());
    return {};
}

void Tables::publish_network(std::uint32_t vni, std::string name) {
    NetworkState& state = network_states_[vni];
    auto network = std::make_shared<Network>();
    network->vni = vni;
    network->name = std::move(name);
    for (const auto& [counts, lengths, host] : {std::tuple{&state.lengths_v4, &network->lengths_v4, 32},
                                                std::tuple{&state.lengths_v6, &network->lengths_v6, 128}})
        for (const std::uint8_t length : *counts | std::views::keys | std::views::reverse)
            if (length != host) lengths->push_back(length);
    networks_.insert({vni, 1}, as_value(network.get()), retired_);
    retired_.push_back(std::exchange(state.shared, std::move(network)));
}

void Tables::delete_network(std::uint32_t vni) {
    const auto found = network_states_.find(vni);
    if (found == network_states_.end()) return;
    networks_.erase({vni, 1});
    retired_.push_back(std::move(found->second.shared));
    network_states_.erase(found);
}

Result<void> Tables::set_policy(const fastpath::PolicyEntry& entry, const Refused& refused) {
    if (auto checked = check_policy(entry); !checked) return checked;
    if (refused.identities.contains(entry.key().local_identity())) return {}; // the wrong entry is told
    const std::uint64_t strength =
        std::uint64_t{entry.precedence()} << 2 | static_cast<std::uint32_t>(entry.verdict());
    policies_.insert(policy_key(entry.key()), std::uint64_t{entry.rule()} << 32 | strength, retired_);
    return {};
}

Result<void> Tables::set_endpoint(const fastpath::Endpoint& message, const Refused& refused) {
    const std::string what = fmt::format("endpoint {} on port {}", message.name(), message.port());
    if (refused.identities.contains(message.identity()))
        return fail(ErrorCode::invalid,
                    fmt::format("{}: the policy of identity {} was refused", what, message.identity()));
    if (!network_states_.contains(message.vni()))
        return fail(ErrorCode::invalid, fmt::format("{}: no network has VNI {}", what, message.vni()));
    if (message.port() == 0) return fail(ErrorCode::invalid, what + ": port 0 is none");
    auto endpoint = std::make_shared<Endpoint>();
    auto mac = to_mac(message.mac());
    if (!mac) return fail_in(std::move(mac), what);
    if (message.addresses_size() > WEFT_ENDPOINT_ADDRESSES)
        return fail(ErrorCode::invalid, fmt::format("{}: {} addresses, where at most {} can be", what,
                                                    message.addresses_size(), int{WEFT_ENDPOINT_ADDRESSES}));
    for (const auto& bytes : message.addresses()) {
        auto address = to_address(bytes);
        if (!address) return fail_in(std::move(address), what);
        endpoint->addresses[endpoint->address_count++] = *address;
    }
    endpoint->port = message.port();
    endpoint->vni = message.vni();
    endpoint->identity = message.identity();
    std::ranges::copy(*mac, endpoint->mac);
    endpoint->name = message.name();
    endpoints_.insert({message.port(), 1}, as_value(endpoint.get()), retired_);
    auto& state = endpoint_states_[message.port()];
    retired_.push_back(std::exchange(state.first, std::move(endpoint)));
    state.second = message;
    return {};
}

Result<std::shared_ptr<NextHop>> Tables::make_next_hop(const fastpath::NextHop& message) const {
    auto next_hop = std::make_shared<NextHop>();
    next_hop->resolved = 1;
    if (message.has_drop()) return next_hop; // kind 0
    if (message.has_local()) {
        next_hop->kind = WEFT_NEXT_HOP_LOCAL;
        next_hop->port = message.local().port();
        return next_hop;
    }
    if (!message.has_vtep()) return fail(ErrorCode::invalid, "neither local, VTEP nor drop");
    const auto& vtep = message.vtep();
    auto remote = to_address(vtep.address());
    auto inner_destination = to_mac(vtep.inner_destination_mac());
    auto outer_source = to_optional_mac(vtep.outer_source_mac());
    auto outer_destination = to_optional_mac(vtep.outer_destination_mac());
    if (!remote) return fail_in(std::move(remote), "VTEP");
    for (auto* mac : {&inner_destination, &outer_source, &outer_destination})
        if (!*mac) return std::unexpected(std::move(*mac).error());
    if (auto checked = check_vni(vtep.vni()); !checked) return std::unexpected(std::move(checked).error());
    if (vtep.mtu() != 0 && vtep.mtu() < WEFT_IPV4_MTU_MIN)
        return fail(ErrorCode::invalid, fmt::format("an MTU of {}: IP needs {}", vtep.mtu(), int{WEFT_IPV4_MTU_MIN}));

    const weft_host& host = *host_owner_;
    weft_tunnel tunnel{};
    tunnel.remote = *remote;
    tunnel.local = weft_address_is_v4(&*remote) ? host.vtep_v4 : host.vtep_v6;
    tunnel.vni = vtep.vni();
    tunnel.port = host.vxlan_port;
    std::ranges::copy(*outer_source, tunnel.outer_source_mac);
    std::ranges::copy(*outer_destination, tunnel.outer_destination_mac);
    std::ranges::copy(host.router_mac, tunnel.inner_source_mac);
    std::ranges::copy(*inner_destination, tunnel.inner_destination_mac);
    next_hop->kind = WEFT_NEXT_HOP_VTEP;
    next_hop->resolved = !vtep.outer_destination_mac().empty();
    next_hop->outer_v4 = weft_address_is_v4(&*remote) != 0;
    next_hop->port = vtep.port();
    next_hop->vni = vtep.vni();
    next_hop->remote = *remote;
    next_hop->outer_size = static_cast<std::uint8_t>(weft_tunnel_template(&tunnel, next_hop->tunnel_template));
    const std::uint32_t longest = 65535 - next_hop->outer_size; // that the outer length fields can say
    next_hop->mtu = vtep.mtu() == 0 ? longest : std::min(vtep.mtu(), longest);
    return next_hop;
}

Result<void> Tables::set_next_hop(const fastpath::NextHop& message, const Refused& refused) {
    const std::string what = fmt::format("next hop {}", message.id());
    if (message.has_local() && refused.endpoints.contains(message.local().port()))
        return fail(ErrorCode::invalid,
                    fmt::format("{}: the endpoint on port {} was refused", what, message.local().port()));
    if (message.id() == 0 || message.id() > next_hop_id_max)
        return fail(ErrorCode::invalid, fmt::format("{}: ids are 1 to {}", what, next_hop_id_max));
    auto next_hop = make_next_hop(message);
    if (!next_hop) return fail_in(std::move(next_hop), what);
    NextHopState& state = next_hop_states_[message.id()];
    // The new one first: if both lead to one VTEP, it is known all the time.
    count_vtep(**next_hop, 1);
    publish_next_hop(message.id(), next_hop->get());
    if (state.shared) {
        count_vtep(*state.shared, -1);
        retired_.push_back(state.shared);
    }
    state.shared = std::move(*next_hop);
    state.message = message;
    return {};
}

void Tables::publish_next_hop(std::uint32_t id, const NextHop* next_hop) {
    if (id >= next_hop_array_->size()) {
        auto larger = std::make_shared<NextHopArray>(std::bit_ceil(std::size_t{id} + 1));
        for (std::size_t i = 0; i < next_hop_array_->size(); ++i)
            (*larger)[i].store((*next_hop_array_)[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
        next_hops_.store(larger.get(), std::memory_order_release);
        retired_.push_back(std::exchange(next_hop_array_, std::move(larger)));
    }
    (*next_hop_array_)[id].store(next_hop, std::memory_order_release);
}

void Tables::delete_next_hop(std::uint32_t id) {
    const auto found = next_hop_states_.find(id);
    if (found == next_hop_states_.end()) return;
    count_vtep(*found->second.shared, -1);
    publish_next_hop(id, nullptr);
    retired_.push_back(std::move(found->second.shared));
    next_hop_states_.erase(found);
}

void Tables::count_vtep(const NextHop& next_hop, int change) {
    if (next_hop.kind != WEFT_NEXT_HOP_VTEP) return;
    const auto& words = next_hop.remote.words;
    const AddressKey key{{words[0], words[1], words[2], words[3]}, 1};
    const std::array<std::uint32_t, 4> address{words[0], words[1], words[2], words[3]};
    auto& count = vtep_counts_[address];
    count += static_cast<std::size_t>(change);
    if (count != 0) {
        vteps_.insert(key, 1, retired_);
    } else {
        vteps_.erase(key);
        vtep_counts_.erase(address);
    }
}

Result<void> Tables::refresh_next_hops() {
    for (auto& [id, state] : next_hop_states_) {
        auto next_hop = make_next_hop(state.message);
        if (!next_hop) return fail_in(std::move(next_hop), fmt::format("next hop {}", id));
        publish_next_hop(id, next_hop->get());
        retired_.push_back(std::exchange(state.shared, std::move(*next_hop)));
    }
    return {};
}

Result<void> Tables::set_route(const fastpath::Route& route, const Refused& refused) {
    auto prefix = to_prefix(route.prefix());
    if (!prefix) return fail_in(std::move(prefix), "route");
    const std::string what = fmt::format("route {} of VNI {}", prefix->to_string(), route.vni());
    if (refused.next_hops.contains(route.next_hop()))
        return fail(ErrorCode::invalid, fmt::format("{}: next hop {} was refused", what, route.next_hop()));
    const auto network = network_states_.find(route.vni());
    if (network == network_states_.end()) return fail(ErrorCode::invalid, what + ": no network has this VNI");
    const auto next_hop = next_hop_states_.find(route.next_hop());
    if (next_hop == next_hop_states_.end())
        return fail(ErrorCode::invalid, fmt::format("{}: no next hop {}", what, route.next_hop()));

    const std::uint64_t value = std::uint64_t{route.identity()} << 32 | route.next_hop();
    const auto bytes = prefix->address().bytes();
    const auto length = static_cast<std::uint8_t>(prefix->length());
    const bool v4 = prefix->family() == net::Family::ipv4;
    std::uint64_t before = 0;
    if (v4) {
        const RouteKeyV4 key{load_word(bytes.data()), route.vni() << 8 | length};
        before = routes_v4_.find(key);
        routes_v4_.insert(key, value, retired_);
    } else {
        RouteKeyV6 key{{}, route.vni() << 8 | length};
        std::memcpy(key.address, bytes.data(), 16);
        before = routes_v6_.find(key);
        routes_v6_.insert(key, value, retired_);
    }
    ++next_hop->second.routes;
    if (before != 0) {
        --next_hop_states_[static_cast<std::uint32_t>(before)].routes;
        return {};
    }
    ++network->second.routes;
    auto& lengths = v4 ? network->second.lengths_v4 : network->second.lengths_v6;
    if (++lengths[length] == 1 && !prefix->is_host()) publish_network(route.vni(), network->second.shared->name);
    return {};
}

Result<void> Tables::delete_route(const fastpath::RouteKey& message) {
    auto prefix = to_prefix(message.prefix());
    if (!prefix) return fail_in(std::move(prefix), "route");
    const auto network = network_states_.find(message.vni());
    if (network == network_states_.end()) return {};
    const auto bytes = prefix->address().bytes();
    const auto length = static_cast<std::uint8_t>(prefix->length());
    const bool v4 = prefix->family() == net::Family::ipv4;
    std::uint64_t before = 0;
    if (v4) {
        const RouteKeyV4 key{load_word(bytes.data()), message.vni() << 8 | length};
        before = routes_v4_.find(key);
        routes_v4_.erase(key);
    } else {
        RouteKeyV6 key{{}, message.vni() << 8 | length};
        std::memcpy(key.address, bytes.data(), 16);
        before = routes_v6_.find(key);
        routes_v6_.erase(key);
    }
    if (before == 0) return {};
    --next_hop_states_[static_cast<std::uint32_t>(before)].routes;
    --network->second.routes;
    auto& lengths = v4 ? network->second.lengths_v4 : network->second.lengths_v6;
    if (--lengths[length] == 0) {
        lengths.erase(length);
        if (!prefix->is_host()) publish_network(message.vni(), network->second.shared->name);
    }
    return {};
}

fastpath::TableUpdate Tables::dump() const {
    fastpath::TableUpdate update;
    if (host_message_.vxlan_port() != 0) *update.mutable_host() = host_message_;
    for (const auto& [vni, state] : network_states_) {
        auto& network = *update.add_networks();
        network.set_vni(vni);
        network.set_name(state.shared->name);
    }
    policies_.for_each([&](const weft_policy_key& key, std::uint64_t value) {
        auto& entry = *update.add_policies();
        entry.mutable_key()->set_direction(static_cast<fastpath::Direction>(key.direction));
        entry.mutable_key()->set_local_identity(key.local_identity);
        entry.mutable_key()->set_peer_identity(key.peer_identity);
        entry.mutable_key()->set_protocol(key.protocol_port >> 16);
        entry.mutable_key()->set_port(key.protocol_port & 0xffff);
        entry.set_verdict(static_cast<fastpath::Verdict>(value & 3));
        entry.set_precedence(static_cast<std::uint32_t>(value) >> 2);
        entry.set_rule(static_cast<std::uint32_t>(value >> 32));
    });
    for (const auto& state : endpoint_states_ | std::views::values)
        *update.add_endpoints() = state.second;
    for (const auto& state : next_hop_states_ | std::views::values)
        *update.add_next_hops() = state.message;
    const auto add_route = [&](const void* address, std::size_t size, std::uint32_t vni_length, std::uint64_t value) {
        auto& route = *update.add_routes();
        route.set_vni(vni_length >> 8);
        route.mutable_prefix()->set_address(address, size);
        route.mutable_prefix()->set_length(vni_length & 0xff);
        route.set_next_hop(static_cast<std::uint32_t>(value));
        route.set_identity(static_cast<std::uint32_t>(value >> 32));
    };
    routes_v4_.for_each(
        [&](const RouteKeyV4& key, std::uint64_t value) { add_route(&key.address, 4, key.vni_length, value); });
    routes_v6_.for_each(
        [&](const RouteKeyV6& key, std::uint64_t value) { add_route(key.address, 16, key.vni_length, value); });
    return update;
}

std::vector<fastpath::Gauge> Tables::gauges() const {
    std::vector<fastpath::Gauge> gauges;
    const auto add = [&](const char* name, std::size_t used, std::size_t capacity, std::size_t bytes) {
        auto& gauge = gauges.emplace_back();
        gauge.set_name(name);
        gauge.set_used(used);
        gauge.set_capacity(capacity);
        gauge.set_bytes(bytes);
    };
    // Capacity 0: the table grows.
    add("fib", routes_v4_.size() + routes_v6_.size(), 0, routes_v4_.bytes() + routes_v6_.bytes());
    add("next_hop", next_hop_states_.size(), next_hop_id_max,
        next_hop_states_.size() * sizeof(NextHop) + next_hop_array_->size() * 8);
    add("policy", policies_.size(), 0, policies_.bytes());
    add("endpoint", endpoints_.size(), 0, endpoints_.bytes());
    add("network", networks_.size(), 0, networks_.bytes());
    return gauges;
}

} // namespace weft::dataplane
