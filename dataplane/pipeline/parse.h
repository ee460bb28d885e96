/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* From bytes to what the pipeline decides on. Pure: reads only [packet, packet + linear), writes only *out. `linear`
 * is how much of the packet lies in one piece, at most WEFT_HEADERS_MAX; `length` is all of it. Headers must lie
 * within `linear`. */
#pragma once

#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/drop_reason.h"
#include "dataplane/pipeline/types.h"
#include "dataplane/pipeline/wire.h"

enum weft_fragment { WEFT_FRAGMENT_NONE, WEFT_FRAGMENT_FIRST, WEFT_FRAGMENT_LATER };

/* An IP packet, taken apart. Ports and identifiers are in network order as they came. */
struct weft_ip {
    struct weft_address source;
    struct weft_address destination;
    uint16_t source_port; /* ICMP echo: the identifier, in both */
    uint16_t destination_port;
    uint16_t l3_offset; /* from the start of `packet` */
    uint16_t l4_offset; /* of the upper-layer header */
    uint32_t l3_length; /* IP header and payload, by the header's word; at most what is there */
    uint32_t fragment_id;
    uint8_t family; /* 4, 6 */
    uint8_t protocol;
    uint8_t ttl;
    uint8_t fragment; /* enum weft_fragment */
    uint8_t dont_fragment;
    uint8_t tcp_flags;
    uint8_t icmp_type;
    uint8_t icmp_code;
};

/* Which ICMP and ICMPv6 types speak about another packet. */
WEFT_INLINE int weft_is_icmp_error(const struct weft_ip* ip) {
    if (ip->fragment == WEFT_FRAGMENT_LATER) return 0;
    if (ip->protocol == WEFT_PROTO_ICMP && ip->family == 4)
        return ip->icmp_type == WEFT_ICMP_UNREACHABLE || ip->icmp_type == WEFT_ICMP_SOURCE_QUENCH ||
               ip->icmp_type == WEFT_ICMP_REDIRECT || ip->icmp_type == WEFT_ICMP_TIME_EXCEEDED ||
               ip->icmp_type == WEFT_ICMP_PARAMETER_PROBLEM;
    return ip->protocol == WEFT_PROTO_ICMPV6 && ip->family == 6 && ip->icmp_type < 128;
}

/* The upper-layer header at ip->l4_offset. `whole`: the packet's length is at hand, so length fields can be checked
 * against it; not so for the excerpt inside an ICMP error, of which RFC 792 guarantees eight bytes. */
WEFT_INLINE enum weft_drop_reason weft_parse_transport(const uint8_t* packet, uint32_t linear, int whole,
                                                       struct weft_ip* ip) {
    const uint32_t at = ip->l4_offset;
    const uint32_t room = ip->l3_length + ip->l3_offset - at; /* bytes that the IP header grants */

    ip->source_port = 0;
    ip->destination_port = 0;
    ip->tcp_flags = 0;
    ip->icmp_type = 0;
    ip->icmp_code = 0;
    if (ip->fragment == WEFT_FRAGMENT_LATER) return WEFT_DROP_none;
    switch (ip->protocol) {
    case WEFT_PROTO_TCP:
        if (whole) {
            if (room < WEFT_TCP_SIZE || at + WEFT_TCP_SIZE > linear) return WEFT_DROP_malformed_transport;
            const uint8_t* const tcp = weft_at(packet, at);
            const uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
            if (header < WEFT_TCP_SIZE || header > room) return WEFT_DROP_malformed_transport;
            ip->tcp_flags = tcp[13];
        }
        break;
    case WEFT_PROTO_UDP:
        if (whole) {
            if (room < WEFT_UDP_SIZE || at + WEFT_UDP_SIZE > linear) return WEFT_DROP_malformed_transport;
            const uint32_t size = weft_load_be16(weft_at(packet, at) + 4);
            if (size < WEFT_UDP_SIZE || (ip->fragment == WEFT_FRAGMENT_NONE && size > room))
                return WEFT_DROP_malformed_transport;
        }
        break;
    case WEFT_PROTO_SCTP:
        if (whole && (room < 12 || at + 12 > linear)) return WEFT_DROP_malformed_transport;
        break;
    case WEFT_PROTO_ICMP:
    case WEFT_PROTO_ICMPV6: {
        if (room < WEFT_ICMP_SIZE || at + WEFT_ICMP_SIZE > linear) return WEFT_DROP_malformed_transport;
        const uint8_t* const icmp = weft_at(packet, at);
        ip->icmp_type = icmp[0];
        ip->icmp_code = icmp[1];
        if ((ip->family == 4 && ip->protocol == WEFT_PROTO_ICMP &&
             (ip->icmp_type == WEFT_ICMP_ECHO || ip->icmp_type == WEFT_ICMP_ECHO_REPLY)) ||
            (ip->family == 6 && ip->protocol == WEFT_PROTO_ICMPV6 &&
             (ip->icmp_type == WEFT_ICMPV6_ECHO || ip->icmp_type == WEFT_ICMPV6_ECHO_REPLY))) {
            ip->source_port = weft_load16(icmp + 4);
            ip->destination_port = ip->source_port;
        }
        return WEFT_DROP_none;
    }
    default:
        return WEFT_DROP_none;
    }
    if (room < 4 || at + 4 > linear) return WEFT_DROP_malformed_transport;
    /* Both in one store, since they are read in one: the session key holds them in this order or the other. */
    const uint32_t ports = weft_load32(weft_at(packet, at));
    ip->source_port = (uint16_t)ports;
    ip->destination_port = (uint16_t)(ports >> 16);
    return WEFT_DROP_none;
}

/* An IPv4 header at ip->l3_offset (RFC 791). The checksum is the caller's business. */
WEFT_INLINE enum weft_drop_reason weft_parse_ipv4_header(const uint8_t* packet, uint32_t linear, uint32_t length,
                                                         int whole, struct weft_ip* ip) {
    const uint32_t at = ip->l3_offset;
    if (at + WEFT_IPV4_SIZE > linear) return WEFT_DROP_malformed_ipv4;
    const uint8_t* const header = weft_at(packet, at);
    const uint32_t header_size = (uint32_t)(header[0] & 0x0f) * 4;
    const uint32_t total = weft_load_be16(header + 2);
    if (header[0] >> 4 != 4 || header_size < WEFT_IPV4_SIZE || at + header_size > linear || total < header_size)
        return WEFT_DROP_malformed_ipv4;
    if (whole && at + total > length) return WEFT_DROP_malformed_ipv4;
    const uint16_t fragment = weft_load_be16(header + 6);
    /* No packet is that long; and a fragment of it would begin at a place that its header cannot say. */
    if ((uint32_t)(fragment & WEFT_IPV4_OFFSET) * 8 + total > 65535) return WEFT_DROP_malformed_ipv4;
    ip->family = 4;
    ip->source = weft_address_v4(header + 12);
    ip->destination = weft_address_v4(header + 16);
    ip->l4_offset = (uint16_t)(at + header_size);
    ip->l3_length = total;
    ip->fragment_id = weft_load_be16(header + 4);
    ip->protocol = header[9];
    ip->ttl = header[8];
    ip->dont_fragment = (fragment & WEFT_IPV4_DF) != 0;
    ip->fragment = fragment & WEFT_IPV4_OFFSET ? WEFT_FRAGMENT_LATER
                   : fragment & WEFT_IPV4_MF   ? WEFT_FRAGMENT_FIRST
                                               : WEFT_FRAGMENT_NONE;
    /* Eight bytes in is inside the TCP header: it would overwrite flags that were judged in the first fragment (RFC
     * 1858). */
    if (ip->protocol == WEFT_PROTO_TCP && (fragment & WEFT_IPV4_OFFSET) == 1) return WEFT_DROP_malformed_transport;
    /* 44 is IPv6's fragment header: as an IPv4 protocol it would share keys with tracked fragments. */
    return ip->protocol == WEFT_PROTO_FRAGMENT ? WEFT_DROP_malformed_extension : WEFT_DROP_none;
}

/* An IPv6 header at ip->l3_offset and its extension headers (RFC 8200). */
WEFT_INLINE enum weft_drop_reason weft_parse_ipv6_header(const uint8_t* packet, uint32_t linear, uint32_t length,
                                                         int whole, struct weft_ip* ip) {
    uint32_t at = ip->l3_offset;
    if (at + WEFT_IPV6_SIZE > linear) return WEFT_DROP_malformed_ipv6;
    const uint8_t* const header = weft_at(packet, at);
    const uint32_t total = WEFT_IPV6_SIZE + (uint32_t)weft_load_be16(header + 4);
    if (header[0] >> 4 != 6) return WEFT_DROP_malformed_ipv6;
    if (whole && at + total > length) return WEFT_DROP_malformed_ipv6;
    const uint32_t end = at + total;
    uint32_t next = header[6];
    ip->family = 6;
    ip->source = weft_address_v6(header + 8);
    ip->destination = weft_address_v6(header + 24);
    /* Those stand for IPv4 here, and have no business on the wire. */
    if (weft_address_is_v4(&ip->source) || weft_address_is_v4(&ip->destination)) return WEFT_DROP_malformed_ipv6;
    ip->l3_length = total;
    ip->fragment_id = 0;
    ip->ttl = header[7];
    ip->dont_fragment = 1;
    ip->fragment = WEFT_FRAGMENT_NONE;
    at += WEFT_IPV6_SIZE;
    for (int i = 0;; ++i) {
        if (next != WEFT_PROTO_HOP_BY_HOP && next != WEFT_PROTO_ROUTING && next != WEFT_PROTO_DESTINATION &&
            next != WEFT_PROTO_FRAGMENT)
            break;
        if (i == WEFT_EXTENSIONS_MAX || ip->fragment == WEFT_FRAGMENT_LATER) break;
        if (at + 8 > linear || at + 8 > end) return WEFT_DROP_malformed_extension;
        const uint8_t* const extension = weft_at(packet, at);
        if (next == WEFT_PROTO_HOP_BY_HOP && i != 0) return WEFT_DROP_malformed_extension;
        if (next == WEFT_PROTO_FRAGMENT) {
            if (ip->fragment != WEFT_FRAGMENT_NONE) return WEFT_DROP_malformed_extension;
            const uint16_t offset = weft_load_be16(extension + 2);
            ip->fragment_id = weft_load_be32(extension + 4);
            /* An atomic fragment (RFC 6946), offset 0 without more, is a whole packet. */
            ip->fragment = offset & 0xfff8 ? WEFT_FRAGMENT_LATER
                           : offset & 1    ? WEFT_FRAGMENT_FIRST
                                           : WEFT_FRAGMENT_NONE;
            if ((uint32_t)(offset & 0xfff8) + (end - at - 8) > 65535) return WEFT_DROP_malformed_extension;
            if (extension[0] == WEFT_PROTO_TCP && (offset & 0xfff8) == 8)
                return WEFT_DROP_malformed_transport; /* as in IPv4 */
            at += 8;
        } else {
            at += ((uint32_t)extension[1] + 1) * 8;
            if (at > linear || at > end) return WEFT_DROP_malformed_extension;
        }
        next = extension[0];
    }
    if (ip->fragment != WEFT_FRAGMENT_LATER && (next == WEFT_PROTO_HOP_BY_HOP || next == WEFT_PROTO_ROUTING ||
                                                next == WEFT_PROTO_DESTINATION || next == WEFT_PROTO_FRAGMENT))
        return WEFT_DROP_malformed_extension; /* one too many */
    ip->protocol = (uint8_t)next;
    ip->l4_offset = (uint16_t)at;
    return WEFT_DROP_none;
}

/* An IP packet at `offset`, of the family that the Ethertype named (4 or 6), headers and ports. */
WEFT_INLINE enum weft_drop_reason weft_parse_ip(const uint8_t* packet, uint32_t linear, uint32_t length,
                                                uint32_t offset, int family, int whole, struct weft_ip* ip) {
    ip->l3_offset = (uint16_t)offset;
    const enum weft_drop_reason reason = family == 4 ? weft_parse_ipv4_header(packet, linear, length, whole, ip)
                                                     : weft_parse_ipv6_header(packet, linear, length, whole, ip);
    return reason != WEFT_DROP_none ? reason : weft_parse_transport(packet, linear, whole, ip);
}

/* The IP packet of an Ethernet frame. Padding behind it is the caller's to cut off. */
WEFT_INLINE enum weft_drop_reason weft_parse_frame(const uint8_t* frame, uint32_t linear, uint32_t length,
                                                   struct weft_ip* ip) {
    const uint32_t type = weft_load_be16(frame + 12);
    if (type != WEFT_ETHERTYPE_IPV4 && type != WEFT_ETHERTYPE_IPV6) return WEFT_DROP_unknown_ethertype;
    const enum weft_drop_reason reason =
        weft_parse_ip(frame, linear, length, WEFT_ETHERNET_SIZE, type == WEFT_ETHERTYPE_IPV4 ? 4 : 6, 1, ip);
    if (reason != WEFT_DROP_none) return reason;
    if (ip->family == 4 && !weft_ipv4_checksum_is_good(frame + WEFT_ETHERNET_SIZE))
        return WEFT_DROP_bad_ipv4_checksum;
    return WEFT_DROP_none;
}
