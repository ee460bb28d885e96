// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/random_packets.hpp"

#include <algorithm>

#include "tests/pipeline/packet_mutator.hpp"

namespace weft::cases {

namespace {

constexpr std::size_t remembered_max = 48;

template <class T>
void remember_in(std::vector<T>& list, const T& entry, Random& random) {
    if (list.size() < remembered_max)
        list.push_back(entry);
    else
        list[random.below(list.size())] = entry;
}

/// Sets the outer UDP checksum of a VXLAN packet, whose outer addresses are at hand.
void sum_outer(Bytes& frame, const Bytes& source, const Bytes& destination) {
    const std::size_t udp = source.size() == 4 ? 34 : 54;
    const Bytes datagram(frame.begin() + static_cast<std::ptrdiff_t>(udp), frame.end());
    put16(frame, udp + 6,
          internet_checksum(source + destination + be32(static_cast<std::uint32_t>(datagram.size())) + be32(17) +
                            datagram));
}

} // namespace

Bytes RandomPackets::address_of(const World& world, End end) const {
    switch (end) {
    case End::web:
        return world.web_ip();
    case End::db:
        return world.db_ip();
    case End::cache:
        return world.cache_ip();
    case End::other:
        break;
    }
    return world.other_ip();
}

RandomPackets::End RandomPackets::end_of(const World& world, const Bytes& address) {
    for (const End end : {End::web, End::db, End::cache})
        if (address_of(world, end) == address) return end;
    return random_.chance(80) ? End::other : End::cache;
}

Bytes RandomPackets::destination(const World& world) {
    const std::uint32_t choice = random_.below(32);
    if (choice < 22) return address_of(world, random_.one_of({End::web, End::db, End::cache, End::other}));
    if (choice < 28)
        return world.address(static_cast<std::uint8_t>(random_.below(8)),
                             static_cast<std::uint8_t>(random_.below(4)));
    if (choice == 28) return world.gateway_ip();
    if (world.inner == 4)
        return random_.one_of({Bytes{224, 0, 0, 251}, Bytes{255, 255, 255, 255}, Bytes{127, 0, 0, 1}, zeros(4)});
    return random_.one_of({Bytes{0xff, 2} + zeros(13) + Bytes{1}, zeros(16), zeros(15) + Bytes{1},
                           zeros(10) + Bytes{0xff, 0xff, 10, 0, 1, 1}});
}

void RandomPackets::add_extensions(Packet& packet) {
    std::vector<std::uint8_t> types;
    do
        types.push_back(random_.one_of<std::uint8_t>({60, 60, 43, 44}));
    while (random_.chance(50) && types.size() < 10);
    if (random_.chance(30)) types.insert(types.begin() + (random_.chance(80) ? 0 : 1), 0);
    if (random_.chance(5)) types.insert(types.end(), 9, 60);
    packet.first_header = types.front();
    for (std::size_t i = 0; i < types.size(); ++i) {
        const std::uint8_t next = i + 1 < types.size() ? types[i + 1] : packet.protocol();
        if (types[i] == 44) {
            packet.extensions = packet.extensions + Bytes{next, 0} +
                                be16(random_.chance(70) ? 0 : random_.below(65536)) + be32(random_.below(4));
            continue;
        }
        const auto more = static_cast<std::uint8_t>(random_.chance(80) ? 0 : random_.below(4));
        packet.extensions = packet.extensions + Bytes{next, more} + random_.bytes(6U + 8U * more);
    }
}

void RandomPackets::choose_upper_layer(Packet& packet) {
    const std::uint32_t choice = random_.below(100);
    packet.payload = pattern(random_.chance(70) ? random_.below(64) : 400 + random_.below(1200));
    packet.source_port = random_.one_of<std::uint16_t>({40000, 40000, 40001, 53, 8080});
    packet.destination_port = random_.one_of<std::uint16_t>({8080, 8080, 53, 80, 40000, 4789});
    if (choice < 45) {
        packet.l4 = L4::tcp;
        packet.tcp_flags =
            random_.one_of<std::uint8_t>({0x02, 0x02, 0x02, 0x10, 0x10, 0x18, 0x12, 0x11, 0x01, 0x04, 0x14, 0x00});
    } else if (choice < 70) {
        packet.l4 = L4::udp;
    } else if (choice < 88) {
        packet.l4 = L4::icmp;
        const std::uint8_t echo = packet.v4() ? 8 : 128;
        packet.icmp_type = random_.chance(70) ? echo : random_.chance(50) ? echo & 0x80 : random_.byte();
        packet.icmp_rest = random_.below(4) << 16 | random_.below(3);
    } else {
        packet.l4 = L4::other;
        packet.other_protocol = random_.one_of<std::uint8_t>({132, 132, 99, 47, 44, 0, 43, 50, 51, 59, 60, 1, 58});
        packet.payload = pattern(random_.below(40));
    }
}

RandomPackets::Flow RandomPackets::first_of_flow() {
    Flow flow{.inner = world_.inner,
              .outer = world_.outer,
              .sender = random_.one_of({End::web, End::web, End::db, End::cache, End::other}),
              .packet = {}};
    if (random_.chance(20)) flow.inner = 10 - world_.inner;
    if (random_.chance(5)) flow.outer = 10 - world_.outer;
    Packet& packet = flow.packet;
    packet.source = random_.chance(94) ? address_of(flow.world(), flow.sender) : destination(flow.world());
    packet.destination = destination(flow.world());
    packet.ttl = random_.chance(85) ? 64 : random_.one_of<std::uint8_t>({0, 1, 2, 3, 255});
    packet.id = static_cast<std::uint16_t>(random_.below(6));
    packet.dont_fragment = random_.chance(50);
    packet.tos = random_.chance(80) ? 0 : random_.byte();
    choose_upper_layer(packet);
    if (packet.v4() && random_.chance(8)) packet.options = random_.bytes(4U * (1 + random_.below(10)));
    if (!packet.v4() && random_.chance(12)) add_extensions(packet);
    return random_.chance(10) ? fragments_of(flow) : flow;
}

RandomPackets::Flow RandomPackets::fragments_of(const Flow& flow) {
    const Bytes all = flow.packet.upper_layer();
    if (all.size() < 24 || !flow.packet.extensions.empty()) return flow;
    Flow first = flow;
    first.packet.is_fragment = true;
    first.packet.dont_fragment = false;
    Flow later = first;
    const std::size_t cut = random_.chance(10) ? 8 : 8 * (1 + random_.below(all.size() / 8 - 1));
    const auto at = all.begin() + static_cast<std::ptrdiff_t>(cut);
    first.packet.more_fragments = true;
    first.packet.raw = {all.begin(), at};
    later.packet.fragment_offset = random_.chance(97) ? static_cast<std::uint32_t>(cut) : 65528;
    later.packet.raw = {at, all.end()};
    remember_in(fragments_, later, random_);
    return random_.chance(85) ? first : later;
}

RandomPackets::Flow RandomPackets::error_about(const Flow& flow) {
    Flow error = flow;
    // Whoever received it speaks, or a router on the way.
    error.sender = end_of(flow.world(), flow.packet.destination);
    const Bytes from = random_.chance(70) ? flow.packet.destination : destination(flow.world());
    const auto type = flow.packet.v4() ? random_.one_of<std::uint8_t>({3, 3, 4, 5, 11, 12})
                                       : random_.one_of<std::uint8_t>({1, 1, 2, 3, 4, 100});
    error.packet = flow.world().icmp_error(from, World::one_hop_on(flow.packet), type,
                                           static_cast<std::uint8_t>(random_.below(5)), 1400);
    if (random_.chance(20)) error.packet.payload.resize(random_.below(error.packet.payload.size()));
    return error;
}

RandomPackets::Flow RandomPackets::more_of_flow() {
    if (!fragments_.empty() && random_.chance(25)) return random_.one_of(fragments_);
    Flow flow = random_.one_of(flows_);
    if (random_.chance(20)) return error_about(flow);
    if (random_.chance(60)) {
        flow.sender = end_of(flow.world(), flow.packet.destination);
        flow.packet = World::answer(flow.packet);
        if (flow.packet.l4 == L4::icmp && random_.chance(80)) flow.packet.icmp_type = flow.packet.v4() ? 0 : 129;
        flow.packet.tcp_flags = random_.one_of<std::uint8_t>({0x12, 0x12, 0x10, 0x11, 0x14, 0x02});
    } else if (random_.chance(70)) {
        flow.packet.tcp_flags = random_.one_of<std::uint8_t>({0x02, 0x10, 0x10, 0x18, 0x11, 0x04});
    }
    return flow;
}

Arrival RandomPackets::tunnelled_by(const Flow& flow) {
    const World w = flow.world();
    const bool c = (flow.sender == End::cache) == random_.chance(95);
    const Bytes remote = random_.chance(98) ? (c ? w.c_vtep() : w.d_vtep()) : w.vtep(random_.byte());
    const Bytes inner = frame(random_.chance(98) ? w.router_mac : w.d_router, w.c_router, flow.packet);
    Bytes outer = w.tunnelled(remote, inner, random_.chance(98) ? World::vni : 4000 + random_.below(3));
    if (random_.chance(15)) sum_outer(outer, remote, w.our_vtep());
    return {World::uplink, std::move(outer)};
}

Arrival RandomPackets::sent_by(const Flow& flow) {
    if (flow.sender == End::cache || flow.sender == End::other) return tunnelled_by(flow);
    const World w = flow.world();
    const bool web = flow.sender == End::web;
    const Bytes groups_mac{0x01, 0x00, 0x5e, 0, 0, 1};
    const Bytes to = random_.chance(97) ? w.gateway_mac : random_.one_of({w.db_mac, groups_mac});
    const Bytes from = (web == random_.chance(98)) ? w.web_mac : w.db_mac;
    const std::uint32_t port = random_.chance(99) ? (web ? World::web : World::db) : World::without_endpoint;
    return {port, frame(to, from, flow.packet)};
}

/// ARP, neighbour discovery or an echo request: for the gateway.
Arrival RandomPackets::question() {
    const World v4{4, world_.outer};
    const World v6{6, world_.outer};
    if (random_.chance(40)) {
        const Bytes asker = random_.chance(80) ? v4.web_ip() : random_.one_of({zeros(4), v4.db_ip()});
        return {World::web, ethernet(Bytes(6, 0xff), v4.web_mac, 0x0806) + be16(1) + be16(0x0800) + Bytes{6, 4} +
                                be16(random_.chance(90) ? 1 : 2) + v4.web_mac + asker + zeros(6) +
                                (random_.chance(90) ? v4.gateway_ip() : v4.db_ip())};
    }
    const bool echo = random_.chance(40);
    const World& w = echo ? world_ : v6;
    const Bytes link_local = Bytes{0xfe, 0x80} + zeros(13) + Bytes{7};
    Packet packet = World::between(w.web_ip(), w.gateway_ip());
    packet.l4 = L4::icmp;
    if (echo) {
        packet.icmp_type = w.inner == 4 ? 8 : 128;
        return {World::web, w.from_web(packet)};
    }
    if (random_.chance(40)) packet.source = random_.one_of({link_local, zeros(16), w.db_ip()});
    if (random_.chance(60)) packet.destination = Bytes{0xff, 2} + zeros(9) + Bytes{1, 0xff, 0, 0, 1};
    packet.icmp_type = random_.chance(85) ? 135 : static_cast<std::uint8_t>(133 + random_.below(5));
    packet.ttl = random_.chance(92) ? 255 : 64;
    packet.payload = (random_.chance(85) ? w.gateway_ip() : w.db_ip()) + Bytes{1, 1} + w.web_mac;
    if (random_.chance(10)) packet.payload.resize(random_.below(32));
    return {World::web, frame(Bytes{0x33, 0x33, 0xff, 0, 0, 1}, w.web_mac, packet)};
}

void RandomPackets::remember(const Flow& flow) {
    if (!flow.packet.is_fragment) remember_in(flows_, flow, random_);
}

Arrival RandomPackets::whole() {
    const std::uint32_t choice = random_.below(100);
    if (choice < 12) return random_.one_of(seeds_);
    if (choice < 16) return question();
    if (choice < 22 && !history_.empty()) return random_.one_of(history_);
    const Flow flow = choice < 60 || flows_.empty() ? first_of_flow() : more_of_flow();
    remember(flow);
    Arrival arrival = sent_by(flow);
    // Short frames are padded on the wire.
    if (arrival.frame.size() < mutated_max - 60 && random_.chance(10))
        arrival.frame.resize(arrival.frame.size() + 1 + random_.below(46));
    return arrival;
}

Arrival RandomPackets::next() {
    Arrival arrival = whole();
    if (random_.chance(35)) {
        mutate(arrival.frame, history_.empty() ? random_.one_of(seeds_).frame : random_.one_of(history_).frame,
               random_);
        if (random_.chance(30))
            if (const std::size_t payload = repair_lengths(arrival.frame, 0); payload != 0)
                repair_lengths(arrival.frame, payload + 8);
        if (random_.chance(50))
            if (const std::size_t payload = repair_checksum(arrival.frame, 0); payload != 0)
                repair_checksum(arrival.frame, payload + 8);
        if (random_.chance(3)) arrival.port = random_.one_of({World::web, World::db, World::uplink});
    }
    remember_in(history_, arrival, random_);
    return arrival;
}

} // namespace weft::cases
