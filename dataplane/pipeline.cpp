// SPDX-License-Identifier: BSD-3-Clause
// The burst loop. Each pass goes over the whole burst, so that the memory which the next pass needs is on its way,
// and is short, so that a packet's chain of dependent instructions runs beside those of the next packets:
//
//   parse (headers), key -> hash, prefetch bucket -> prefetch entry, or routes -> session or decision -> TTL, MTU,
//   way out
#include "dataplane/pipeline.hpp"

#include <array>

#include <rte_prefetch.h>

#include "dataplane/decision.hpp"
#include "dataplane/stage_forward.hpp"
#include "dataplane/stage_fragment.hpp"
#include "dataplane/stage_icmp.hpp"
#include "dataplane/stage_neighbour.hpp"
#include "dataplane/stage_underlay.hpp"

namespace weft::dataplane {

namespace {

constexpr std::uint32_t icmp_errors_per_s = 1000;

/// What the passes know about one packet.
struct Context {
    rte_mbuf* packet;
    const Network* network;
    weft_ip ip;
    weft_session_key key;
    std::uint64_t hash;
    SessionTable::Hint hint;
    weft_address outer_source; ///< from the underlay only
    int from_low;
};

/// The two ends of a session's next packet, as the session stage found them.
struct Path {
    const NextHop* forward = nullptr;
    const NextHop* back = nullptr; ///< of packets from the underlay, whose sender it proves
};

Flow flow_of(const weft_ip& ip) {
    return {ip.source, ip.destination, ip.source_port, ip.destination_port, ip.protocol};
}

Flow reversed(const Flow& flow) {
    return {flow.destination, flow.source, flow.destination_port, flow.source_port, flow.protocol};
}

bool is_invalid_source(const weft_address& address) {
    if (!weft_address_is_v4(&address)) {
        constexpr weft_address loopback{.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
        constexpr weft_address unspecified{};
        return address.bytes[0] == 0xff || weft_address_equal(&address, &loopback) ||
               weft_address_equal(&address, &unspecified);
    }
    return address.bytes[12] == 0 || address.bytes[12] == 127 || address.bytes[12] >= 224;
}

/// The headers of a frame a few packets ahead, of all of them in the beginning.
[[gnu::always_inline]] inline void prefetch_frame(std::span<rte_mbuf*> burst, std::size_t at) {
    constexpr std::size_t ahead = 4;
    if (at == 0)
        for (std::size_t i = 0; i < std::min(ahead, burst.size()); ++i)
            rte_prefetch0(data_of(burst[i]));
    if (at + ahead < burst.size()) rte_prefetch0(data_of(burst[at + ahead]));
}

/// Does the offload that the port asked for speak of the packet that is there? Nobody completes a checksum elsewhere
/// in it.
bool offload_fits(const rte_mbuf* packet, const weft_ip& ip) {
    const std::uint64_t l4 = packet->ol_flags & RTE_MBUF_F_TX_L4_MASK;
    const bool tcp = is_gso(packet) || l4 == RTE_MBUF_F_TX_TCP_CKSUM;
    if (packet->l2_len != ip.l3_offset || ip.l3_offset + packet->l3_len != ip.l4_offset ||
        ip.fragment != WEFT_FRAGMENT_NONE)
        return false;
    if (is_gso(packet) && rte_pktmbuf_pkt_len(packet) > packet->tso_segsz * segments_max) return false;
    return tcp ? ip.protocol == WEFT_PROTO_TCP : l4 == RTE_MBUF_F_TX_UDP_CKSUM && ip.protocol == WEFT_PROTO_UDP;
}

bool is_multicast(const weft_address& address) {
    return weft_address_is_v4(&address) ? address.bytes[12] >= 224 : address.bytes[0] == 0xff;
}

} // namespace

/// One burst on its way. Lives on the stack of Pipeline::process().
class Burst {
  public:
    Burst(Pipeline& pipeline, std::uint32_t port, PortCounts& counts, std::uint32_t now_s, Output& out) :
        pipeline_(pipeline),
        tables_(pipeline.tables_),
        sessions_(pipeline.sessions_),
        host_(tables_.host()),
        epoch_(tables_.epoch()),
        port_(port),
        counts_(counts),
        now_s_(now_s),
        out_(out) {}

    void from_endpoint(std::span<rte_mbuf*> burst);
    void from_underlay(std::span<rte_mbuf*> burst);

  private:
    void drop(rte_mbuf* packet, weft_drop_reason reason) {
        counts_.drops[reason].add(1);
        rte_pktmbuf_free(packet);
    }

    /// Layers 2 and 3 of what an endpoint sent. `taken`: answered or dropped already.
    weft_drop_reason check_endpoint_packet(rte_mbuf* packet, const Endpoint& endpoint, Context& context, bool& taken);
    weft_drop_reason check_underlay_packet(rte_mbuf* packet, Context& context);
    weft_drop_reason parse_inner(rte_mbuf* packet, std::uint32_t type, weft_ip& ip) const;
    void finish_parse(Context& context, std::uint32_t vni);
    void run_sessions(bool from_underlay);

    /// Session stages: how the packet may go on, or why not.
    weft_drop_reason admit(Context& context, bool from_underlay, Path& path);
    /// The session of a key, if there is one that did not end meanwhile.
    bool find_session(const weft_session_key& key, std::uint64_t hash, SessionTable::Hint hint,
                      weft_session_value& value) const;
    weft_drop_reason admit_known(Context& context, weft_session_value& value, bool from_underlay, Path& path);
    weft_drop_reason admit_later_fragment(Context& context, const weft_session_value& train, bool from_underlay,
                                          Path& path) const;
    weft_drop_reason admit_new(Context& context, bool from_underlay, Path& path);
    weft_drop_reason admit_icmp_error(Context& context, bool from_underlay, Path& path);
    /// From the underlay, the sender must be the VTEP that the source is routed to, and the destination must live
    /// here.
    weft_drop_reason check_ends(const Context& context, bool from_underlay, Path& path) const;
    void remember_fragments(const Context& context, const weft_session_value& value);

    weft_drop_reason forward(Context& context, const Path& path, bool from_underlay);
    /// What the outer source port is made of.
    std::uint64_t tunnel_hash(const Context& context) const;
    weft_drop_reason send_fragments(const Context& context, const NextHop& next_hop);
    void send_icmp_error(const Context& context, const Path& path, weft_drop_reason reason, bool from_underlay);

    Pipeline& pipeline_;
    const Tables& tables_;
    SessionTable& sessions_;
    const weft_host& host_;
    const std::uint32_t epoch_;
    const std::uint32_t port_;
    PortCounts& counts_;
    const std::uint32_t now_s_;
    Output& out_;
    const Endpoint* endpoint_ = nullptr;     ///< that the burst came from, when from one
    const Network* known_network_ = nullptr; ///< of the last packet from the underlay that was from a known VTEP
    weft_address known_vtep_{};
    std::array<Context, burst_max> contexts_;
    unsigned used_ = 0;
};

[[gnu::always_inline]] inline weft_drop_reason Burst::parse_inner(rte_mbuf* packet, std::uint32_t type,
                                                                  weft_ip& ip) const {
    if (type != WEFT_ETHERTYPE_IPV4 && type != WEFT_ETHERTYPE_IPV6) return WEFT_DROP_unknown_ethertype;
    const std::uint8_t* const frame = data_of(packet);
    const auto reason = weft_parse_ip(frame, rte_pktmbuf_data_len(packet), rte_pktmbuf_pkt_len(packet),
                                      WEFT_ETHERNET_SIZE, type == WEFT_ETHERTYPE_IPV4 ? 4 : 6, 1, &ip);
    if (reason != WEFT_DROP_none) return reason;
    if (ip.family == 4 && !ipv4_checksum_is_good(frame + WEFT_ETHERNET_SIZE)) return WEFT_DROP_bad_ipv4_checksum;
    // Ethernet's padding does not travel. More of it than the last segment holds is none of Ethernet's.
    if (const std::uint32_t padding = rte_pktmbuf_pkt_len(packet) - WEFT_ETHERNET_SIZE - ip.l3_length; padding != 0)
        if (padding > 0xffff || rte_pktmbuf_trim(packet, static_cast<std::uint16_t>(padding)) != 0)
            return ip.family == 4 ? WEFT_DROP_malformed_ipv4 : WEFT_DROP_malformed_ipv6;
    return (packet->ol_flags & offload_wanted) == 0 || offload_fits(packet, ip) ? WEFT_DROP_none
                                                                                : WEFT_DROP_unsupported_offload;
}

[[gnu::always_inline]] inline weft_drop_reason
Burst::check_endpoint_packet(rte_mbuf* packet, const Endpoint& endpoint, Context& context, bool& taken) {
    if (rte_pktmbuf_data_len(packet) < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    std::uint8_t* const frame = data_of(packet);
    if (std::memcmp(frame + 6, endpoint.mac, 6) != 0) return WEFT_DROP_spoofed_mac;
    const std::uint32_t type = weft_load_be16(frame + 12);
    if (type == WEFT_ETHERTYPE_ARP) {
        const auto reason = answer_arp(packet, endpoint, host_);
        if ((taken = reason == WEFT_DROP_none)) out_.push(port_, packet);
        return reason;
    }
    weft_ip& ip = context.ip;
    if (const auto reason = parse_inner(packet, type, ip); reason != WEFT_DROP_none) return reason;
    if (type == WEFT_ETHERTYPE_IPV6 && is_neighbour_discovery(ip)) {
        const auto reason = answer_neighbour(packet, ip, endpoint, host_);
        if ((taken = reason == WEFT_DROP_none)) out_.push(port_, packet);
        return reason;
    }
    if ((frame[0] & 1) != 0 || is_multicast(ip.destination)) return WEFT_DROP_multicast;
    if (std::memcmp(frame, host_.gateway_mac, 6) != 0) return WEFT_DROP_not_for_gateway;
    const weft_address gateway = gateway_address(ip.family);
    const bool to_gateway = weft_address_equal(&ip.destination, &gateway) != 0;
    if (!weft_endpoint_owns(&endpoint, &ip.source)) {
        const bool link_local = ip.family == 6 && ip.source.bytes[0] == 0xfe && (ip.source.bytes[1] & 0xc0) == 0x80;
        if (!(to_gateway && link_local))
            return is_invalid_source(ip.source) ? WEFT_DROP_invalid_source : WEFT_DROP_spoofed_address;
    }
    if (to_gateway) {
        const bool echo = ip.fragment == WEFT_FRAGMENT_NONE &&
                          (ip.family == 4 ? ip.protocol == WEFT_PROTO_ICMP && ip.icmp_type == WEFT_ICMP_ECHO
                                          : ip.protocol == WEFT_PROTO_ICMPV6 && ip.icmp_type == WEFT_ICMPV6_ECHO);
        if (!echo) return WEFT_DROP_no_route;
        turn_echo(packet, ip);
        set_ethernet(frame, endpoint.mac, host_.gateway_mac);
        out_.push(port_, packet);
        taken = true;
        return WEFT_DROP_none;
    }
    if (ip.protocol == WEFT_PROTO_UDP && ip.destination_port == __builtin_bswap16(host_.vxlan_port))
        return WEFT_DROP_nested_vxlan;
    return WEFT_DROP_none;
}

[[gnu::always_inline]] inline weft_drop_reason Burst::check_underlay_packet(rte_mbuf* packet, Context& context) {
    Outer outer;
    if (const auto reason = parse_outer(packet, host_, outer); reason != WEFT_DROP_none) return reason;
    // Packets come in trains from one VTEP and network: those need no second look.
    if (known_network_ == nullptr || known_network_->vni != outer.vni ||
        !weft_address_equal(&known_vtep_, &outer.source)) {
        known_network_ = tables_.network(outer.vni);
        known_vtep_ = outer.source;
        if (known_network_ == nullptr) return WEFT_DROP_unknown_vni;
        if (!tables_.is_vtep(outer.source)) {
            known_network_ = nullptr;
            return WEFT_DROP_unknown_vtep;
        }
    }
    context.network = known_network_;
    context.outer_source = outer.source;
    rte_pktmbuf_adj(packet, static_cast<std::uint16_t>(outer.inner_offset));
    if (rte_pktmbuf_data_len(packet) < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    const std::uint8_t* const frame = data_of(packet);
    if (std::memcmp(frame, host_.router_mac, 6) != 0) return WEFT_DROP_wrong_router_mac;
    if (const auto reason = parse_inner(packet, weft_load_be16(frame + 12), context.ip); reason != WEFT_DROP_none)
        return reason;
    if (is_multicast(context.ip.destination)) return WEFT_DROP_multicast;
    return is_invalid_source(context.ip.source) ? WEFT_DROP_invalid_source : WEFT_DROP_none;
}

[[gnu::always_inline]] inline void Burst::finish_parse(Context& context, std::uint32_t vni) {
    context.from_low = weft_session_key_of(&context.ip, vni, &context.key);
    if (context.ip.fragment == WEFT_FRAGMENT_LATER) context.key = weft_fragment_key(&context.ip, &context.key);
}

void Burst::from_endpoint(std::span<rte_mbuf*> burst) {
    const Endpoint* const endpoint = tables_.endpoint(port_);
    endpoint_ = endpoint;
    const Network* const network = endpoint != nullptr ? tables_.network(endpoint->vni) : nullptr;
    if (network == nullptr) {
        for (rte_mbuf* packet : burst)
            drop(packet, WEFT_DROP_endpoint_not_ready);
        return;
    }
    for (std::size_t i = 0; i < burst.size(); ++i) {
        prefetch_frame(burst, i);
        rte_mbuf* const packet = burst[i];
        Context& context = contexts_[used_];
        bool taken = false;
        const auto reason = check_endpoint_packet(packet, *endpoint, context, taken);
        if (taken) continue;
        if (reason != WEFT_DROP_none) {
            drop(packet, reason);
            continue;
        }
        ++used_;
        context.packet = packet;
        context.network = network;
        finish_parse(context, endpoint->vni);
    }
    run_sessions(false);
}

void Burst::from_underlay(std::span<rte_mbuf*> burst) {
    for (std::size_t i = 0; i < burst.size(); ++i) {
        prefetch_frame(burst, i);
        rte_mbuf* const packet = burst[i];
        Context& context = contexts_[used_];
        if (const auto reason = check_underlay_packet(packet, context); reason != WEFT_DROP_none) {
            drop(packet, reason);
            continue;
        }
        ++used_;
        context.packet = packet;
        finish_parse(context, context.network->vni);
    }
    run_sessions(true);
}

void Burst::run_sessions(bool from_underlay) {
    for (unsigned i = 0; i < used_; ++i) {
        Context& context = contexts_[i];
        context.hash = sessions_.hash(context.key);
        sessions_.prefetch_bucket(context.hash);
    }
    for (unsigned i = 0; i < used_; ++i) {
        Context& context = contexts_[i];
        context.hint = sessions_.prefetch_entry(context.hash);
        if (context.hint.entry != SessionTable::Hint::none) [[likely]]
            continue;
        tables_.prefetch_route(*context.network, context.ip.destination);
        tables_.prefetch_route(*context.network, context.ip.source);
    }
    for (unsigned i = 0; i < used_; ++i) {
        Context& context = contexts_[i];
        Path path;
        auto reason = admit(context, from_underlay, path);
        if (reason == WEFT_DROP_none) reason = forward(context, path, from_underlay);
        if (reason == WEFT_DROP_none) continue;
        send_icmp_error(context, path, reason, from_underlay);
        drop(context.packet, reason);
    }
}

[[gnu::always_inline]] inline bool Burst::find_session(const weft_session_key& key, std::uint64_t hash,
                                                       SessionTable::Hint hint, weft_session_value& value) const {
    if (!sessions_.find(key, hash, hint, value)) return false;
    // The sweep comes by every few seconds; a session ends on time. Most were seen in this very second.
    return value.last_seen_s == now_s_ || !weft_session_is_over(&value, key.vni_protocol & 0xff, now_s_);
}

weft_drop_reason Burst::admit(Context& context, bool from_underlay, Path& path) {
    weft_session_value session;
    const bool found = find_session(context.key, context.hash, context.hint, session);
    if (context.ip.fragment == WEFT_FRAGMENT_LATER) [[unlikely]]
        return found ? admit_later_fragment(context, session, from_underlay, path) : WEFT_DROP_fragment_without_first;
    if (found && !weft_session_begins_anew(&session, &context.ip, context.from_low)) [[likely]]
        return admit_known(context, session, from_underlay, path);
    if (weft_is_icmp_error(&context.ip)) return admit_icmp_error(context, from_underlay, path);
    return admit_new(context, from_underlay, path);
}

weft_drop_reason Burst::admit_later_fragment(Context& context, const weft_session_value& train, bool from_underlay,
                                             Path& path) const {
    // The first fragment's verdict holds for the whole packet, which has no other ports to be asked about; its way
    // does not.
    const bool fresh = train.epoch == epoch_;
    path.forward = tables_.next_hop(fresh ? train.next_hop[context.from_low ? 1 : 0]
                                          : tables_.route(*context.network, context.ip.destination).next_hop);
    path.back = tables_.next_hop(fresh ? train.next_hop[context.from_low ? 0 : 1]
                                       : tables_.route(*context.network, context.ip.source).next_hop);
    return check_ends(context, from_underlay, path);
}

weft_drop_reason Burst::check_ends(const Context& context, bool from_underlay, Path& path) const {
    if (!from_underlay) return path.forward == nullptr ? WEFT_DROP_no_route : WEFT_DROP_none;
    const auto is_sender = [&](const NextHop* next_hop) {
        return next_hop != nullptr && next_hop->kind == WEFT_NEXT_HOP_VTEP &&
               weft_address_equal(&next_hop->remote, &context.outer_source);
    };
    if (!is_sender(path.back)) {
        path.back = tables_.next_hop(tables_.route(*context.network, context.ip.source).next_hop);
        if (!is_sender(path.back)) return WEFT_DROP_wrong_vtep;
    }
    return path.forward != nullptr && path.forward->kind == WEFT_NEXT_HOP_LOCAL ? WEFT_DROP_none
                                                                                : WEFT_DROP_not_local;
}

weft_drop_reason Burst::admit_known(Context& context, weft_session_value& value, bool from_underlay, Path& path) {
    const bool from_initiator = (weft_session_initiator_is_low(&value) != 0) == (context.from_low != 0);
    bool changed = value.last_seen_s != now_s_;
    weft_drop_reason reason = WEFT_DROP_none;
    if (value.epoch != epoch_) {
        const Flow flow = flow_of(context.ip);
        const Decision decision = from_initiator ? decide(tables_, *context.network, flow, endpoint_)
                                                 : decide(tables_, *context.network, reversed(flow), nullptr);
        reason = decision.reason;
        // It stays, and stays undecided: were it closed, the other end's next packet would open a session of its own,
        // of which this end's packets are the answers.
        if (reason == WEFT_DROP_egress_policy || reason == WEFT_DROP_ingress_policy) return reason;
        const int initiator_low = weft_session_initiator_is_low(&value);
        value.next_hop[initiator_low ? 0 : 1] = decision.source.next_hop;
        value.next_hop[initiator_low ? 1 : 0] = decision.destination.next_hop;
        value.rule = decision.rule();
        value.epoch = epoch_;
        changed = true;
    }
    path.forward = tables_.next_hop(value.next_hop[context.from_low ? 1 : 0]);
    if (from_underlay) path.back = tables_.next_hop(value.next_hop[context.from_low ? 0 : 1]);
    if (const auto wrong = check_ends(context, from_underlay, path); wrong != WEFT_DROP_none) return wrong;
    if (reason != WEFT_DROP_none) return reason;
    const std::uint32_t after =
        weft_session_advance(value.state, value.flags, context.ip.protocol, context.ip.tcp_flags, context.from_low);
    if (after != (value.state | std::uint32_t{value.flags} << 8)) {
        value.state = static_cast<std::uint8_t>(after);
        value.flags = static_cast<std::uint8_t>(after >> 8);
        changed = true;
    }
    if (changed) {
        value.last_seen_s = now_s_;
        sessions_.update(context.key, context.hash, value);
    }
    if (context.ip.fragment == WEFT_FRAGMENT_FIRST) remember_fragments(context, value);
    return WEFT_DROP_none;
}

weft_drop_reason Burst::admit_new(Context& context, bool from_underlay, Path& path) {
    const Decision decision = decide(tables_, *context.network, flow_of(context.ip), endpoint_);
    path.forward = decision.destination_next_hop;
    path.back = decision.source_next_hop;
    if (const auto reason = check_ends(context, from_underlay, path); reason != WEFT_DROP_none) return reason;
    if (decision.reason != WEFT_DROP_none) return decision.reason;
    if (!weft_session_may_open(&context.ip)) return WEFT_DROP_invalid_session_state;
    weft_session_value value{};
    value.epoch = epoch_;
    value.last_seen_s = now_s_;
    value.next_hop[context.from_low ? 0 : 1] = decision.source.next_hop;
    value.next_hop[context.from_low ? 1 : 0] = decision.destination.next_hop;
    value.rule = decision.rule();
    value.state = WEFT_SESSION_NEW;
    value.flags = context.from_low ? WEFT_SESSION_INITIATOR_LOW : 0;
    const std::uint32_t after =
        weft_session_advance(value.state, value.flags, context.ip.protocol, context.ip.tcp_flags, context.from_low);
    value.state = static_cast<std::uint8_t>(after);
    value.flags = static_cast<std::uint8_t>(after >> 8);
    if (!sessions_.open(context.key, context.hash, value)) return WEFT_DROP_session_table_full;
    if (context.ip.fragment == WEFT_FRAGMENT_FIRST) remember_fragments(context, value);
    return WEFT_DROP_none;
}

weft_drop_reason Burst::admit_icmp_error(Context& context, bool from_underlay, Path& path) {
    // The packet that the error is about went the other way, and so stands in the table under its own key.
    weft_ip about;
    const std::uint32_t at = context.ip.l4_offset + WEFT_ICMP_SIZE;
    const auto reason = weft_parse_ip(data_of(context.packet), rte_pktmbuf_data_len(context.packet),
                                      rte_pktmbuf_pkt_len(context.packet), at, context.ip.family, 0, &about);
    if (reason != WEFT_DROP_none) return reason;
    if (!weft_address_equal(&about.source, &context.ip.destination)) return WEFT_DROP_icmp_error_unrelated;
    // An endpoint is no router: it speaks of what was sent to itself.
    if (!from_underlay && !weft_address_equal(&about.destination, &context.ip.source))
        return WEFT_DROP_icmp_error_unrelated;
    weft_session_key key;
    const int about_from_low = weft_session_key_of(&about, context.network->vni, &key);
    if (about.fragment == WEFT_FRAGMENT_LATER) key = weft_fragment_key(&about, &key);
    weft_session_value session;
    if (!find_session(key, sessions_.hash(key), {}, session)) return WEFT_DROP_icmp_error_unrelated;
    if (session.epoch != epoch_ && about.fragment != WEFT_FRAGMENT_LATER) {
        const bool from_initiator = (weft_session_initiator_is_low(&session) != 0) == (about_from_low != 0);
        const Flow flow = flow_of(about);
        const auto denied = decide(tables_, *context.network, from_initiator ? flow : reversed(flow), nullptr).reason;
        if (denied == WEFT_DROP_egress_policy || denied == WEFT_DROP_ingress_policy) return denied;
    }
    path.forward = tables_.next_hop(session.next_hop[about_from_low ? 0 : 1]);
    // Any router on the way may say it; the FIB knows the way back to the speaker.
    path.back = tables_.next_hop(tables_.route(*context.network, context.ip.source).next_hop);
    return check_ends(context, from_underlay, path);
}

void Burst::remember_fragments(const Context& context, const weft_session_value& value) {
    const weft_session_key key = weft_fragment_key(&context.ip, &context.key);
    weft_session_value train = value;
    train.state = WEFT_SESSION_NEW;
    // A full table shows at the next fragment, as fragment_without_first.
    static_cast<void>(sessions_.open(key, sessions_.hash(key), train));
}

weft_drop_reason Burst::forward(Context& context, const Path& path, bool from_underlay) {
    const NextHop& next_hop = *path.forward;
    if (next_hop.kind == WEFT_NEXT_HOP_DROP) return WEFT_DROP_blackhole;
    if (context.ip.ttl <= 1) return WEFT_DROP_ttl_exceeded;
    rte_mbuf* const packet = context.packet;
    bool too_big = next_hop.mtu != 0 && wire_length(packet, context.ip) > next_hop.mtu;
    if (too_big) [[unlikely]] {
        if (!may_fragment(context.ip)) return WEFT_DROP_packet_too_big;
        if (is_gso(packet)) {
            if (!shrink_segments(packet, next_hop.mtu)) return WEFT_DROP_packet_too_big;
            too_big = false;
        }
    }
    std::uint8_t* const frame = data_of(packet);
    if (next_hop.kind == WEFT_NEXT_HOP_LOCAL) {
        const Endpoint* const endpoint = tables_.endpoint(next_hop.port);
        if (endpoint == nullptr) return WEFT_DROP_endpoint_not_ready;
        decrement_ttl(frame + WEFT_ETHERNET_SIZE, context.ip.family);
        set_ethernet(frame, endpoint->mac, host_.gateway_mac);
        out_.push(next_hop.port, packet);
        return WEFT_DROP_none;
    }
    if (from_underlay) return WEFT_DROP_not_local;
    if (!next_hop.resolved) return WEFT_DROP_next_hop_unresolved;
    decrement_ttl(frame + WEFT_ETHERNET_SIZE, context.ip.family);
    if (too_big) [[unlikely]]
        return send_fragments(context, next_hop);
    if (!encapsulate(packet, next_hop, tunnel_hash(context))) return WEFT_DROP_no_buffer;
    out_.push(next_hop.port, packet);
    return WEFT_DROP_none;
}

std::uint64_t Burst::tunnel_hash(const Context& context) const {
    // All fragments of a packet take one way through the underlay, so that the first can stay the first.
    if (context.ip.fragment != WEFT_FRAGMENT_FIRST) [[likely]]
        return context.hash;
    const weft_session_key train = weft_fragment_key(&context.ip, &context.key);
    return sessions_.hash(train);
}

weft_drop_reason Burst::send_fragments(const Context& context, const NextHop& next_hop) {
    auto& fragments = pipeline_.fragments_;
    fragments.clear();
    const auto reason = fragment_ipv4(context.packet, context.ip, next_hop.mtu, pipeline_.pool_, fragments);
    if (reason != WEFT_DROP_none) return reason;
    const std::uint64_t hash = tunnel_hash(context);
    for (rte_mbuf* const fragment : fragments) {
        if (encapsulate(fragment, next_hop, hash))
            out_.push(next_hop.port, fragment);
        else
            drop(fragment, WEFT_DROP_no_buffer);
    }
    rte_pktmbuf_free(context.packet);
    return WEFT_DROP_none;
}

void Burst::send_icmp_error(const Context& context, const Path& path, weft_drop_reason reason, bool from_underlay) {
    const weft_ip& ip = context.ip;
    const IcmpError error = icmp_error_for(reason, path.forward != nullptr ? path.forward->mtu : 0);
    if (error.type_v4 == 0 || ip.fragment == WEFT_FRAGMENT_LATER || weft_is_icmp_error(&ip))
        return; // RFC 1122 section 3.2.2
    // Towards another host only with a way back that was checked.
    if (from_underlay && (path.back == nullptr || path.back->kind != WEFT_NEXT_HOP_VTEP || !path.back->resolved))
        return;
    if (pipeline_.icmp_refilled_s_ != now_s_) {
        pipeline_.icmp_refilled_s_ = now_s_;
        pipeline_.icmp_tokens_ = icmp_errors_per_s;
    }
    if (pipeline_.icmp_tokens_ == 0) return;
    --pipeline_.icmp_tokens_;
    // An endpoint hears its gateway; another host only believes an address that is routed to us, which the
    // destination's is.
    rte_mbuf* const answer = make_icmp_error(pipeline_.pool_, context.packet, ip,
                                             from_underlay ? ip.destination : gateway_address(ip.family), error);
    if (answer == nullptr) return;
    std::uint8_t* const frame = data_of(answer);
    if (from_underlay) {
        if (encapsulate(answer, *path.back, context.hash))
            out_.push(path.back->port, answer);
        else
            rte_pktmbuf_free(answer);
        return;
    }
    const Endpoint* const endpoint = tables_.endpoint(port_);
    set_ethernet(frame, endpoint->mac, host_.gateway_mac);
    out_.push(port_, answer);
}

void Pipeline::process(std::uint32_t port, Role role, std::span<rte_mbuf*> packets, PortCounts& counts,
                       std::uint32_t now_s, Output& out) {
    std::uint64_t bytes = 0;
    for (const rte_mbuf* packet : packets)
        bytes += rte_pktmbuf_pkt_len(packet);
    counts.rx_packets.add(packets.size());
    counts.rx_bytes.add(bytes);
    Burst burst(*this, port, counts, now_s, out);
    if (role == Role::endpoint)
        burst.from_endpoint(packets);
    else
        burst.from_underlay(packets);
}

} // namespace weft::dataplane
