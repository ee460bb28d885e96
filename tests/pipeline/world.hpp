// SPDX-License-Identifier: BSD-3-Clause
// The little world of the cases, in every combination of inner and outer family:
//
//   port 1: web (identity 101) --+                       +-- VTEP c: cache (identity 201)
//   port 2: db  (identity 102) --+-- this host -- port 9 -+-- VTEP d: other (identity 202)
//                               VNI 4000                 +-- VTEP u: unresolved
#pragma once

#include "tests/pipeline/packet_case.hpp"

namespace weft::cases {

struct World {
    int inner;
    int outer;

    static constexpr std::uint32_t vni = 4000;
    static constexpr std::uint32_t mtu = 1450;

    enum Port : std::uint32_t { web = 1, db = 2, without_endpoint = 3, uplink = 9 };

    enum NextHops : std::uint32_t {
        to_web = 1,
        to_db = 2,
        to_c = 3,
        to_d = 4,
        to_nowhere = 5,
        to_unresolved = 6,
        to_empty_port = 7
    };

    enum Identity : std::uint32_t { id_web = 101, id_db = 102, id_cache = 201, id_other = 202 };

    const Bytes gateway_mac{0x02, 0x77, 0x65, 0x66, 0x74, 0x01};
    const Bytes router_mac{0x02, 0, 0, 0, 0, 0xaa};
    const Bytes web_mac{0x02, 0, 0, 0, 0, 0x01};
    const Bytes db_mac{0x02, 0, 0, 0, 0, 0x02};
    const Bytes c_router{0x02, 0, 0, 0, 0, 0xcc};
    const Bytes d_router{0x02, 0, 0, 0, 0, 0xdd};
    const Bytes our_nic{0x52, 0, 0, 0, 0, 0x0a};
    const Bytes next_nic{0x52, 0, 0, 0, 0, 0x0b};

    /// Network `net`, host `host`: 10.0.NET.HOST or fd00:0:NET::HOST.
    [[nodiscard]] Bytes address(std::uint8_t net, std::uint8_t host) const {
        if (inner == 4) return {10, 0, net, host};
        return Bytes{0xfd, 0, 0, 0, 0, net} + zeros(9) + Bytes{host};
    }

    [[nodiscard]] Bytes vtep(std::uint8_t host) const {
        if (outer == 4) return {192, 0, 2, host};
        return Bytes{0x20, 0x01, 0x0d, 0xb8} + zeros(11) + Bytes{host};
    }

    [[nodiscard]] Bytes web_ip() const { return address(0, 1); }

    [[nodiscard]] Bytes db_ip() const { return address(0, 2); }

    [[nodiscard]] Bytes cache_ip() const { return address(1, 1); }

    [[nodiscard]] Bytes other_ip() const { return address(2, 1); }

    [[nodiscard]] Bytes gateway_ip() const {
        return inner == 4 ? Bytes{169, 254, 1, 1} : Bytes{0xfe, 0x80} + zeros(13) + Bytes{1};
    }

    [[nodiscard]] Bytes our_vtep() const { return vtep(1); }

    [[nodiscard]] Bytes c_vtep() const { return vtep(3); }

    [[nodiscard]] Bytes d_vtep() const { return vtep(4); }

    [[nodiscard]] fastpath::TableUpdate tables() const {
        fastpath::TableUpdate update;
        auto& host = *update.mutable_host();
        (outer == 4 ? host.mutable_vtep_v4() : host.mutable_vtep_v6())->assign(text_of(our_vtep()));
        host.set_router_mac(text_of(router_mac));
        host.set_gateway_mac(text_of(gateway_mac));
        host.set_vxlan_port(4789);
        auto& network = *update.add_networks();
        network.set_vni(vni);
        network.set_name("default");
        add_endpoint(update, web, "web", web_mac, web_ip(), id_web);
        add_endpoint(update, db, "db", db_mac, db_ip(), id_db);
        add_local(update, to_web, web);
        add_local(update, to_db, db);
        add_vtep(update, to_c, c_vtep(), c_router, next_nic);
        add_vtep(update, to_d, d_vtep(), d_router, next_nic);
        auto& nowhere = *update.add_next_hops();
        nowhere.set_id(to_nowhere);
        nowhere.mutable_drop();
        add_vtep(update, to_unresolved, vtep(5), d_router, {});
        add_local(update, to_empty_port, without_endpoint);
        const auto whole = static_cast<std::uint32_t>(inner == 4 ? 32 : 128);
        const auto block = static_cast<std::uint32_t>(inner == 4 ? 24 : 48);
        add_route(update, web_ip(), whole, to_web, id_web);
        add_route(update, db_ip(), whole, to_db, id_db);
        add_route(update, cache_ip(), whole, to_c, id_cache);
        add_route(update, address(2, 0), block, to_d, id_other);
        add_route(update, address(3, 0), block, to_nowhere, 2);
        add_route(update, address(4, 0), block, to_unresolved, 2);
        add_route(update, address(5, 0), block, to_empty_port, 2);
        return update;
    }

    static void add_endpoint(fastpath::TableUpdate& update, std::uint32_t port, const char* name, const Bytes& mac,
                             const Bytes& address, std::uint32_t identity) {
        auto& endpoint = *update.add_endpoints();
        endpoint.set_port(port);
        endpoint.set_vni(vni);
        endpoint.set_mac(text_of(mac));
        endpoint.add_addresses(text_of(address));
        endpoint.set_identity(identity);
        endpoint.set_name(name);
    }

    static void add_local(fastpath::TableUpdate& update, std::uint32_t id, std::uint32_t port) {
        auto& next_hop = *update.add_next_hops();
        next_hop.set_id(id);
        next_hop.mutable_local()->set_port(port);
    }

    void add_vtep(fastpath::TableUpdate& update, std::uint32_t id, const Bytes& address, const Bytes& router,
                  const Bytes& nic, std::uint32_t its_mtu = mtu) const {
        auto& next_hop = *update.add_next_hops();
        next_hop.set_id(id);
        auto& vtep = *next_hop.mutable_vtep();
        vtep.set_address(text_of(address));
        vtep.set_vni(vni);
        vtep.set_inner_destination_mac(text_of(router));
        vtep.set_outer_source_mac(text_of(our_nic));
        vtep.set_outer_destination_mac(text_of(nic));
        vtep.set_port(uplink);
        vtep.set_mtu(its_mtu);
    }

    static void add_route(fastpath::TableUpdate& update, const Bytes& address, std::uint32_t length,
                          std::uint32_t next_hop, std::uint32_t identity) {
        auto& route = *update.add_routes();
        route.set_vni(vni);
        route.mutable_prefix()->set_address(text_of(address));
        route.mutable_prefix()->set_length(length);
        route.set_next_hop(next_hop);
        route.set_identity(identity);
    }

    [[nodiscard]] fastpath::TableUpdate route(const Bytes& address, std::uint32_t next_hop,
                                              std::uint32_t identity) const {
        fastpath::TableUpdate update;
        add_route(update, address, inner == 4 ? 32 : 128, next_hop, identity);
        return update;
    }

    /// A range and what is said from there on; protocol 0 is where everything begins.
    struct Said {
        std::uint32_t protocol;
        std::uint32_t port;
        fastpath::Verdict verdict;
        std::uint32_t rule = 7;
        std::uint32_t audited_rule = 0;
    };

    /// A list for a pair of identities; peer 0: for all others.
    [[nodiscard]] static fastpath::TableUpdate policy(fastpath::Direction direction, std::uint32_t local,
                                                      std::uint32_t peer, const std::vector<Said>& ranges) {
        fastpath::TableUpdate update;
        auto& list = *update.add_verdict_lists();
        for (const Said& said : ranges) {
            auto& range = *list.add_ranges();
            range.set_first(said.protocol << 16 | said.port);
            range.set_verdict(said.verdict);
            range.set_rule(said.rule);
            range.set_audited_rule(said.audited_rule);
        }
        list.set_number(std::hash<std::string>{}(list.SerializeAsString()) | 1);
        auto& entry = *update.add_policies();
        entry.mutable_key()->set_direction(direction);
        entry.mutable_key()->set_local_identity(local);
        entry.mutable_key()->set_peer_identity(peer);
        entry.set_list(list.number());
        return update;
    }

    [[nodiscard]] static fastpath::TableUpdate policy(fastpath::Direction direction, std::uint32_t local,
                                                      std::uint32_t peer, fastpath::Verdict verdict) {
        return policy(direction, local, peer, {{0, 0, verdict}});
    }

    /// The verdict for one port of a protocol, another one for everything else.
    [[nodiscard]] static fastpath::TableUpdate policy(fastpath::Direction direction, std::uint32_t local,
                                                      std::uint32_t peer, std::uint32_t protocol, std::uint32_t port,
                                                      fastpath::Verdict verdict, fastpath::Verdict otherwise) {
        return policy(direction, local, peer,
                      {{0, 0, otherwise}, {protocol, port, verdict}, {protocol, port + 1, otherwise}});
    }

    // --- packets ---

    [[nodiscard]] static Packet between(const Bytes& source, const Bytes& destination) {
        Packet packet;
        packet.source = source;
        packet.destination = destination;
        return packet;
    }

    /// The other direction of the same connection.
    [[nodiscard]] static Packet answer(Packet packet) {
        std::swap(packet.source, packet.destination);
        std::swap(packet.source_port, packet.destination_port);
        return packet;
    }

    [[nodiscard]] static Packet one_hop_on(Packet packet) {
        --packet.ttl;
        return packet;
    }

    /// As a container hands it to its gateway.
    [[nodiscard]] Bytes from_web(const Packet& packet) const { return cases::frame(gateway_mac, web_mac, packet); }

    [[nodiscard]] Bytes from_db(const Packet& packet) const { return cases::frame(gateway_mac, db_mac, packet); }

    /// As a container receives it.
    [[nodiscard]] Sent at_web(const Packet& packet) const {
        return {web, cases::frame(web_mac, gateway_mac, one_hop_on(packet))};
    }

    [[nodiscard]] Sent at_db(const Packet& packet) const {
        return {db, cases::frame(db_mac, gateway_mac, one_hop_on(packet))};
    }

    [[nodiscard]] Sent encapsulated(const Bytes& inner_frame, const Bytes& remote) const {
        return {uplink, next_nic + our_nic + outer_ip(our_vtep(), remote, vxlan(0, 4789, vni, inner_frame))};
    }

    [[nodiscard]] Sent to_cache(const Packet& packet) const {
        return encapsulated(cases::frame(c_router, router_mac, one_hop_on(packet)), c_vtep());
    }

    [[nodiscard]] Sent to_other(const Packet& packet) const {
        return encapsulated(cases::frame(d_router, router_mac, one_hop_on(packet)), d_vtep());
    }

    /// As the underlay brings it from VTEP `remote`.
    [[nodiscard]] Bytes tunnelled(const Bytes& remote, const Bytes& inner_frame, std::uint32_t network = vni) const {
        return our_nic + next_nic + outer_ip(remote, our_vtep(), vxlan(50000, 4789, network, inner_frame));
    }

    [[nodiscard]] Bytes from_cache(const Packet& packet) const {
        return tunnelled(c_vtep(), cases::frame(router_mac, c_router, packet));
    }

    [[nodiscard]] Bytes from_other(const Packet& packet) const {
        return tunnelled(d_vtep(), cases::frame(router_mac, d_router, packet));
    }

    /// An ICMP error about `packet`, from `from`: type and code of the family.
    [[nodiscard]] Packet icmp_error(const Bytes& from, const Packet& about, std::uint8_t type, std::uint8_t code,
                                    std::uint32_t rest = 0) const {
        Packet error = between(from, about.source);
        error.l4 = L4::icmp;
        error.icmp_type = type;
        error.icmp_code = code;
        error.icmp_rest = rest;
        error.payload = about.bytes();
        const std::size_t room = inner == 4 ? 576 - 28 : 1280 - 48;
        if (error.payload.size() > room) error.payload.resize(room);
        error.ttl = 64;
        error.tos = inner == 4 ? 0xc0 : 0;
        error.id = 0;
        error.dont_fragment = false;
        return error;
    }
};

} // namespace weft::cases
