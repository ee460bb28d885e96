/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Traces: what an operator wants to see (the filter), and what a fast path tells of one packet (the event), the same
 * for both. A fast path fills events only while somebody traces. An event is followed by the first bytes of the frame
 * as it came in, then of the frame as it left. */
#pragma once

#include "dataplane/pipeline/neighbour.h"
#include "dataplane/pipeline/policy.h"

/* What became of a packet (stages.md). */
enum weft_trace_verdict {
    WEFT_TRACE_ANY = 0, /* in filters */
    WEFT_TRACE_FORWARDED = 1,
    WEFT_TRACE_ANSWERED = 2, /* turned into the gateway's reply */
    WEFT_TRACE_DROPPED = 3,
};

/* The stages of stages.md in which a packet can end: number, name here, name there. */
#define WEFT_STAGES(X)                                                                                               \
    X(0, unknown, "")                                                                                                \
    X(1, endpoint, "E1 endpoint")                                                                                    \
    X(2, ethernet, "E2 Ethernet")                                                                                    \
    X(3, arp, "E3 ARP")                                                                                              \
    X(4, neighbours, "E4 neighbours")                                                                                \
    X(5, gateway_mac, "E5 gateway MAC")                                                                              \
    X(6, source, "E6 source")                                                                                        \
    X(7, gateway, "E7 gateway")                                                                                      \
    X(8, nested_vxlan, "E8 nested VXLAN")                                                                            \
    X(9, outer_ip, "U1 outer IP")                                                                                    \
    X(10, udp, "U2 UDP")                                                                                             \
    X(11, vxlan, "U3 VXLAN")                                                                                         \
    X(12, network, "U4 network")                                                                                     \
    X(13, vtep, "U5 VTEP")                                                                                           \
    X(14, decapsulation, "U6 decapsulation")                                                                         \
    X(15, addresses, "U7 addresses")                                                                                 \
    X(16, parse, "P parse")                                                                                          \
    X(17, later_fragment, "S4 later fragment")                                                                       \
    X(18, icmp_error, "S5 ICMP error")                                                                               \
    X(19, fib, "S6 fib")                                                                                             \
    X(20, egress_policy, "S6 egress policy")                                                                         \
    X(21, ingress_policy, "S6 ingress policy")                                                                       \
    X(22, state, "S6 state")                                                                                         \
    X(23, ends, "S7 ends")                                                                                           \
    X(24, ttl, "F1 TTL")                                                                                             \
    X(25, mtu, "F2 MTU")                                                                                             \
    X(26, deliver, "F3 deliver")                                                                                     \
    X(27, encapsulate, "F4 encapsulate")                                                                             \
    X(28, port, "port")

#define WEFT_STAGE_ENUM(number, name, text) WEFT_STAGE_##name = number,

enum weft_stage { WEFT_STAGES(WEFT_STAGE_ENUM) WEFT_STAGE_COUNT };

#undef WEFT_STAGE_ENUM

enum {
    WEFT_TRACES_MAX = 4,        /* that run at a time */
    WEFT_TRACE_SNAP_MAX = 9216, /* bytes of a frame that one event may carry */
    WEFT_TRACE_ENDS = 2,
    WEFT_TRACE_PREFIXES = 2,
};

/* One end of what is looked for: an endpoint (its port and its addresses), or a prefix. */
struct weft_trace_end {
    struct weft_address prefixes[WEFT_TRACE_PREFIXES];
    uint8_t prefix_lengths[WEFT_TRACE_PREFIXES]; /* of 128 bits, for IPv4 too */
    uint8_t prefix_count;
    uint8_t reserved;
    uint32_t port; /* what comes in by it is this end's, whatever addresses it claims; 0: none */
};

/* Zero means any, everywhere. Of two ends, the packet goes from one to the other, either way; of one, it goes from or
 * to it. */
struct weft_trace_filter {
    struct weft_trace_end ends[WEFT_TRACE_ENDS];
    uint32_t end_count;
    uint32_t vni;
    uint16_t l4_port;    /* of either end, host order; no packet without ports has it */
    uint8_t protocol;    /* IANA number; 1 takes ICMPv6 as well */
    uint8_t verdict;     /* enum weft_trace_verdict */
    uint8_t drop_reason; /* enum weft_drop_reason */
    uint8_t decisions;   /* of enum weft_decided, any of these */
    uint8_t reserved[2];
};

/* One packet, or a further frame that it left as: a packet that leaves in several frames has an event for each, whose
 * `part` counts from 0; only the first has the frame that came in. An ICMP error that answered a dropped packet is
 * the frame that left. */
struct weft_trace_event {
    uint64_t time_ns;         /* when it came in, CLOCK_MONOTONIC */
    struct weft_ip ip;        /* of the inner packet; `outer`: of the outer one; family 0: no IP header can be read */
    struct weft_address vtep; /* that sent it or that it is sent to, zeros: none */
    uint32_t port_in;
    uint32_t port_out;     /* 0: none */
    uint32_t vni;          /* 0: not known */
    uint32_t rule;         /* of policy that decided: of the session, or of the drop; 0: none */
    uint32_t audited_rule; /* of a decision: that would have decided otherwise; 0: none */
    uint32_t length_in;
    uint32_t length_out;
    uint16_t snapshot_in;  /* bytes that follow the event */
    uint16_t snapshot_out; /* bytes that follow those */
    uint16_t part;
    uint16_t parts; /* 0: nothing left */
    uint16_t ethertype;
    uint8_t verdict;     /* enum weft_trace_verdict, never ANY */
    uint8_t drop_reason; /* enum weft_drop_reason */
    uint8_t stage;       /* enum weft_stage */
    uint8_t from_underlay;
    uint8_t outer;   /* it ended before its inner packet could be found */
    uint8_t decided; /* of enum weft_decided; 0: nothing */
    uint8_t reserved[4];
};

WEFT_INLINE int weft_trace_prefix_contains(const struct weft_address* prefix, uint32_t length,
                                           const struct weft_address* address) {
    for (int half = 0; half < 2; half++) {
        const uint32_t bits = length > 64 ? 64 : length;
        const uint64_t differ = __builtin_bswap64(prefix->halves[half] ^ address->halves[half]);
        if (bits != 0 && differ >> (64 - bits) != 0) return 0;
        length -= bits;
    }
    return 1;
}

WEFT_INLINE int weft_trace_end_has(const struct weft_trace_end* end, const struct weft_address* address) {
    for (int i = 0; i < WEFT_TRACE_PREFIXES; i++)
        if (i < end->prefix_count && weft_trace_prefix_contains(&end->prefixes[i], end->prefix_lengths[i], address))
            return 1;
    return 0;
}

WEFT_INLINE int weft_trace_ends_match(const struct weft_trace_filter* filter, const struct weft_trace_event* event) {
    const struct weft_trace_end* const a = &filter->ends[0];
    const struct weft_trace_end* const b = &filter->ends[1];
    const struct weft_ip* const ip = &event->ip;
    if (filter->end_count == 0) return 1;
    const int a_sent =
        (a->port != 0 && a->port == event->port_in) || (ip->family != 0 && weft_trace_end_has(a, &ip->source));
    const int a_receives = ip->family != 0 && weft_trace_end_has(a, &ip->destination);
    if (filter->end_count == 1) return a_sent || a_receives;
    if (ip->family == 0) return 0;
    const int b_sent = (b->port != 0 && b->port == event->port_in) || weft_trace_end_has(b, &ip->source);
    return (a_sent && weft_trace_end_has(b, &ip->destination)) || (b_sent && a_receives);
}

/* Whether a packet may be wanted, as far as can be told before its verdict is known. Needs the event's port_in, vni,
 * ip. */
WEFT_INLINE int weft_trace_may_match(const struct weft_trace_filter* filter, const struct weft_trace_event* event) {
    const struct weft_ip* const ip = &event->ip;
    if (filter->vni != 0 && filter->vni != event->vni) return 0;
    if (filter->protocol != 0) {
        const int also_icmpv6 = filter->protocol == WEFT_PROTO_ICMP && ip->protocol == WEFT_PROTO_ICMPV6;
        if (ip->family == 0 || (filter->protocol != ip->protocol && !also_icmpv6)) return 0;
    }
    if (filter->l4_port != 0) {
        const uint16_t port = __builtin_bswap16(filter->l4_port);
        const int has_ports =
            ip->family != 0 && ip->fragment != WEFT_FRAGMENT_LATER &&
            (ip->protocol == WEFT_PROTO_TCP || ip->protocol == WEFT_PROTO_UDP || ip->protocol == WEFT_PROTO_SCTP);
        if (!has_ports || (port != ip->source_port && port != ip->destination_port)) return 0;
    }
    return weft_trace_ends_match(filter, event);
}

WEFT_INLINE int weft_trace_matches(const struct weft_trace_filter* filter, const struct weft_trace_event* event) {
    if (filter->verdict != WEFT_TRACE_ANY && filter->verdict != event->verdict) return 0;
    if (filter->drop_reason != 0 && filter->drop_reason != event->drop_reason) return 0;
    if (filter->decisions != 0 && (filter->decisions & event->decided) == 0) return 0;
    return weft_trace_may_match(filter, event);
}

/* ip and ethertype of a frame. What lies about itself shows as far as it can be read. */
WEFT_INLINE void weft_trace_read_frame(const uint8_t* frame, uint32_t linear, uint32_t length,
                                       struct weft_trace_event* event) {
    __builtin_memset(&event->ip, 0, sizeof event->ip);
    event->ethertype = 0;
    if (linear < WEFT_ETHERNET_SIZE) return;
    if (linear > WEFT_HEADERS_MAX) linear = WEFT_HEADERS_MAX;
    event->ethertype = weft_load_be16(frame + 12);
    if (event->ethertype != WEFT_ETHERTYPE_IPV4 && event->ethertype != WEFT_ETHERTYPE_IPV6) return;
    const int family = event->ethertype == WEFT_ETHERTYPE_IPV4 ? 4 : 6;
    for (int whole = 1; whole >= 0; whole--) {
        if (weft_parse_ip(frame, linear, length, WEFT_ETHERNET_SIZE, family, whole, &event->ip) == WEFT_DROP_none)
            return;
        __builtin_memset(&event->ip, 0, sizeof event->ip);
    }
}

/* Of a frame from the underlay that was read: what its outer headers say, and where the inner frame begins, which is
 * to be read then; 0: none can be found. */
WEFT_INLINE uint32_t weft_trace_enter(const uint8_t* frame, uint32_t linear, uint16_t vxlan_port,
                                      struct weft_trace_event* event) {
    const struct weft_ip* const ip = &event->ip;
    event->outer = 1;
    if (ip->family == 0) return 0;
    event->vtep = ip->source;
    const uint32_t inner = (uint32_t)ip->l4_offset + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE;
    if (ip->protocol != WEFT_PROTO_UDP || ip->fragment != WEFT_FRAGMENT_NONE ||
        ip->destination_port != __builtin_bswap16(vxlan_port) || linear < inner)
        return 0;
    event->vni = weft_load_be32(weft_at(frame, ip->l4_offset) + WEFT_UDP_SIZE + 4) >> 8;
    if (linear < inner + WEFT_ETHERNET_SIZE) return 0;
    event->outer = 0;
    return inner;
}

/* The facts of a frame that may not have passed a single check: ip and ethertype, if it came from the underlay also
 * vtep, vni and outer. Reads only [frame, frame + linear); the frame has `length` bytes. Returns where in it the
 * frame of `ip` begins: 0, or the inner one's place. */
WEFT_INLINE uint32_t weft_trace_read(const uint8_t* frame, uint32_t linear, uint32_t length, int from_underlay,
                                     uint16_t vxlan_port, struct weft_trace_event* event) {
    weft_trace_read_frame(frame, linear, length, event);
    const uint32_t inner = from_underlay ? weft_trace_enter(frame, linear, vxlan_port, event) : 0;
    if (inner != 0) weft_trace_read_frame(frame + inner, linear - inner, length - inner, event);
    return inner;
}

WEFT_INLINE int weft_trace_is_for_gateway(const struct weft_ip* ip) {
    const struct weft_address gateway = weft_gateway_address(ip->family);
    return ip->family != 0 && weft_address_equal(&ip->destination, &gateway);
}

/* Needs all but `verdict`, `stage`, the rules and `decided`. */
WEFT_INLINE enum weft_trace_verdict weft_trace_verdict_of(const struct weft_trace_event* event) {
    if (event->drop_reason != WEFT_DROP_none) return WEFT_TRACE_DROPPED;
    const int asks_gateway = !event->from_underlay && event->port_out == event->port_in &&
                             (event->ethertype == WEFT_ETHERTYPE_ARP || weft_trace_is_for_gateway(&event->ip) ||
                              weft_is_neighbour_discovery(&event->ip));
    return asks_gateway ? WEFT_TRACE_ANSWERED : WEFT_TRACE_FORWARDED;
}

/* The stage that an event's packet ended in. It is told by the drop reason and the packet, so that no fast path need
 * carry it along; stages.md says where one reason stands in several. Needs all but `stage`. */
WEFT_INLINE enum weft_stage weft_trace_stage(const struct weft_trace_event* event) {
    const struct weft_ip* const ip = &event->ip;
    const int underlay = event->from_underlay;
    const int arp = event->ethertype == WEFT_ETHERTYPE_ARP && !underlay;
    const int neighbours = !underlay && weft_is_neighbour_discovery(ip);
    const int for_gateway = !underlay && weft_trace_is_for_gateway(ip);
    switch (event->drop_reason) {
    case WEFT_DROP_none:
        if (event->verdict == WEFT_TRACE_ANSWERED)
            return arp ? WEFT_STAGE_arp : neighbours ? WEFT_STAGE_neighbours : WEFT_STAGE_gateway;
        return !underlay && (event->vtep.halves[0] | event->vtep.halves[1]) != 0 ? WEFT_STAGE_encapsulate
                                                                                 : WEFT_STAGE_deliver;
    case WEFT_DROP_malformed_ethernet:
        return !underlay                               ? WEFT_STAGE_ethernet
               : event->length_in < WEFT_ETHERNET_SIZE ? WEFT_STAGE_outer_ip
                                                       : WEFT_STAGE_decapsulation;
    case WEFT_DROP_unknown_ethertype:
        return underlay ? WEFT_STAGE_parse : WEFT_STAGE_ethernet;
    case WEFT_DROP_malformed_arp:
        return WEFT_STAGE_arp;
    case WEFT_DROP_spoofed_mac:
        return arp ? WEFT_STAGE_arp : WEFT_STAGE_ethernet;
    case WEFT_DROP_malformed_ipv4:
    case WEFT_DROP_malformed_ipv6:
    case WEFT_DROP_malformed_extension:
    case WEFT_DROP_malformed_transport:
        return ip->family != 0 && weft_is_icmp_error(ip) ? WEFT_STAGE_icmp_error : WEFT_STAGE_parse;
    case WEFT_DROP_bad_ipv4_checksum:
        return WEFT_STAGE_parse;
    case WEFT_DROP_malformed_nd:
        return WEFT_STAGE_neighbours;
    case WEFT_DROP_spoofed_address:
        return arp ? WEFT_STAGE_arp : neighbours ? WEFT_STAGE_neighbours : WEFT_STAGE_source;
    case WEFT_DROP_not_for_gateway:
        return arp ? WEFT_STAGE_arp : neighbours ? WEFT_STAGE_neighbours : WEFT_STAGE_gateway_mac;
    case WEFT_DROP_multicast:
        return underlay ? WEFT_STAGE_addresses : WEFT_STAGE_gateway_mac;
    case WEFT_DROP_nested_vxlan:
        return WEFT_STAGE_nested_vxlan;
    case WEFT_DROP_invalid_source:
        return underlay ? WEFT_STAGE_addresses : WEFT_STAGE_source;
    case WEFT_DROP_no_route:
        return for_gateway ? WEFT_STAGE_gateway : WEFT_STAGE_fib;
    case WEFT_DROP_blackhole:
        return WEFT_STAGE_fib;
    case WEFT_DROP_egress_policy:
        return WEFT_STAGE_egress_policy;
    case WEFT_DROP_ingress_policy:
        return WEFT_STAGE_ingress_policy;
    case WEFT_DROP_session_table_full:
    case WEFT_DROP_session_quota:
    case WEFT_DROP_half_open_quota:
    case WEFT_DROP_invalid_session_state:
        return WEFT_STAGE_state;
    case WEFT_DROP_ttl_exceeded:
        return WEFT_STAGE_ttl;
    case WEFT_DROP_packet_too_big:
        return WEFT_STAGE_mtu;
    case WEFT_DROP_next_hop_unresolved:
        return WEFT_STAGE_encapsulate;
    case WEFT_DROP_fragment_without_first:
        return WEFT_STAGE_later_fragment;
    case WEFT_DROP_malformed_outer:
    case WEFT_DROP_bad_outer_checksum:
    case WEFT_DROP_fragmented_outer:
        return WEFT_STAGE_outer_ip;
    case WEFT_DROP_not_vxlan:
        return ip->family != 0 && ip->protocol == WEFT_PROTO_UDP ? WEFT_STAGE_udp : WEFT_STAGE_outer_ip;
    case WEFT_DROP_malformed_vxlan:
        return WEFT_STAGE_vxlan;
    case WEFT_DROP_unknown_vni:
        return WEFT_STAGE_network;
    case WEFT_DROP_unknown_vtep:
        return WEFT_STAGE_vtep;
    case WEFT_DROP_wrong_router_mac:
        return WEFT_STAGE_decapsulation;
    case WEFT_DROP_wrong_vtep:
    case WEFT_DROP_not_local:
        return WEFT_STAGE_ends;
    case WEFT_DROP_port_down:
    case WEFT_DROP_port_full:
    case WEFT_DROP_rx_overrun:
    case WEFT_DROP_unknown_handover:
        return WEFT_STAGE_port;
    case WEFT_DROP_no_buffer:
        return event->port_out != 0 ? WEFT_STAGE_port : neighbours ? WEFT_STAGE_neighbours : WEFT_STAGE_encapsulate;
    case WEFT_DROP_unsupported_offload:
        return event->port_out != 0 ? WEFT_STAGE_port : WEFT_STAGE_parse;
    case WEFT_DROP_endpoint_not_ready:
        return event->vni == 0 ? WEFT_STAGE_endpoint : WEFT_STAGE_deliver;
    case WEFT_DROP_icmp_error_unrelated:
        return WEFT_STAGE_icmp_error;
    default:
        return WEFT_STAGE_unknown;
    }
}
