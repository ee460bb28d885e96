/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What comes from the underlay: outer IP and UDP headers, and the VXLAN header with the network that it names (RFC
 * 7348). Pure, like parse.h: nothing is believed before it is checked, and nothing is read behind `linear`. */
#pragma once

#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/drop_reason.h"
#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/wire.h"

/* How much of a packet weft_parse_outer() looks at: the longest headers there are. */
enum { WEFT_OUTER_HEADERS_MAX = WEFT_ETHERNET_SIZE + 60 + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE };

struct weft_outer {
    struct weft_address source;
    uint32_t l3_offset;
    uint32_t udp_offset;
    uint32_t udp_length;   /* what lies behind is padding */
    uint32_t inner_offset; /* of the inner Ethernet header */
    uint32_t vni;
};

/* Which packets of the underlay's interface are weft's to judge; all others stay with the host's kernel, fragments
 * and odd headers too: whole UDP packets to the VXLAN port, without IP options, which never stand before VXLAN. */
WEFT_INLINE int weft_is_ours(const uint8_t* packet, uint32_t linear, uint32_t vxlan_port) {
    if (linear < WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE + WEFT_UDP_SIZE) return 0;
    const uint32_t type = weft_load_be16(packet + 12);
    const uint8_t* const ip = packet + WEFT_ETHERNET_SIZE;
    if (type == WEFT_ETHERTYPE_IPV4)
        return ip[0] == 0x45 && ip[9] == WEFT_PROTO_UDP &&
               (weft_load_be16(ip + 6) & (WEFT_IPV4_MF | WEFT_IPV4_OFFSET)) == 0 &&
               weft_load_be16(ip + WEFT_IPV4_SIZE + 2) == vxlan_port;
    return type == WEFT_ETHERTYPE_IPV6 && linear >= WEFT_ETHERNET_SIZE + WEFT_IPV6_SIZE + WEFT_UDP_SIZE &&
           ip[6] == WEFT_PROTO_UDP && weft_load_be16(ip + WEFT_IPV6_SIZE + 2) == vxlan_port;
}

WEFT_INLINE enum weft_drop_reason weft_parse_outer_ipv4(const uint8_t* packet, uint32_t linear, uint32_t length,
                                                        const struct weft_host* host, struct weft_outer* outer,
                                                        uint32_t* end) {
    const uint32_t l3 = WEFT_ETHERNET_SIZE;
    const uint8_t* const ip = packet + l3;
    if (linear < l3 + WEFT_IPV4_SIZE) return WEFT_DROP_malformed_outer;
    const uint32_t header = (uint32_t)(ip[0] & 0x0f) * 4;
    const uint32_t total = weft_load_be16(ip + 2);
    if (ip[0] >> 4 != 4 || header < WEFT_IPV4_SIZE || l3 + header > linear || total < header + WEFT_UDP_SIZE ||
        l3 + total > length)
        return WEFT_DROP_malformed_outer;
    if (!weft_ipv4_checksum_is_good(ip)) return WEFT_DROP_bad_outer_checksum;
    const struct weft_address destination = weft_address_v4(ip + 16);
    if (ip[9] != WEFT_PROTO_UDP || !weft_address_equal(&destination, &host->vtep_v4)) return WEFT_DROP_not_vxlan;
    if (weft_load_be16(ip + 6) & (WEFT_IPV4_MF | WEFT_IPV4_OFFSET)) return WEFT_DROP_fragmented_outer;
    outer->source = weft_address_v4(ip + 12);
    outer->udp_offset = l3 + header;
    *end = l3 + total;
    return WEFT_DROP_none;
}

WEFT_INLINE enum weft_drop_reason weft_parse_outer_ipv6(const uint8_t* packet, uint32_t linear, uint32_t length,
                                                        const struct weft_host* host, struct weft_outer* outer,
                                                        uint32_t* end) {
    const uint32_t l3 = WEFT_ETHERNET_SIZE;
    const uint8_t* const ip = packet + l3;
    if (linear < l3 + WEFT_IPV6_SIZE) return WEFT_DROP_malformed_outer;
    const uint32_t payload = weft_load_be16(ip + 4);
    if (ip[0] >> 4 != 6 || l3 + WEFT_IPV6_SIZE + payload > length) return WEFT_DROP_malformed_outer;
    const struct weft_address destination = weft_address_v6(ip + 24);
    if (ip[6] == WEFT_PROTO_FRAGMENT) return WEFT_DROP_fragmented_outer;
    if (ip[6] != WEFT_PROTO_UDP || !weft_address_equal(&destination, &host->vtep_v6)) return WEFT_DROP_not_vxlan;
    if (payload < WEFT_UDP_SIZE) return WEFT_DROP_malformed_outer;
    outer->source = weft_address_v6(ip + 8);
    if (weft_address_is_v4(&outer->source)) return WEFT_DROP_malformed_outer; /* would stand for an IPv4 VTEP */
    outer->udp_offset = l3 + WEFT_IPV6_SIZE;
    *end = outer->udp_offset + payload;
    return WEFT_DROP_none;
}

/* Outer IP and UDP. The UDP checksum, if weft_outer_has_checksum(), is the caller's to verify, before
 * weft_parse_vxlan().
 */
WEFT_INLINE enum weft_drop_reason weft_parse_outer(const uint8_t* packet, uint32_t linear, uint32_t length,
                                                   const struct weft_host* host, struct weft_outer* outer) {
    if (linear < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    const uint32_t type = weft_load_be16(packet + 12);
    if (type != WEFT_ETHERTYPE_IPV4 && type != WEFT_ETHERTYPE_IPV6) return WEFT_DROP_not_vxlan;
    uint32_t end = 0;
    const enum weft_drop_reason reason = type == WEFT_ETHERTYPE_IPV4
                                             ? weft_parse_outer_ipv4(packet, linear, length, host, outer, &end)
                                             : weft_parse_outer_ipv6(packet, linear, length, host, outer, &end);
    if (reason != WEFT_DROP_none) return reason;
    const uint32_t at = outer->udp_offset;
    if (at + WEFT_UDP_SIZE > linear) return WEFT_DROP_malformed_outer;
    const uint8_t* const udp = weft_at(packet, at);
    outer->l3_offset = WEFT_ETHERNET_SIZE;
    outer->udp_length = weft_load_be16(udp + 4);
    outer->inner_offset = at + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE;
    if (outer->udp_length < WEFT_UDP_SIZE || at + outer->udp_length > end) return WEFT_DROP_malformed_outer;
    if (weft_load_be16(udp + 2) != host->vxlan_port) return WEFT_DROP_not_vxlan;
    if (outer->udp_length < WEFT_UDP_SIZE + WEFT_VXLAN_SIZE || outer->inner_offset > linear)
        return WEFT_DROP_malformed_vxlan;
    return WEFT_DROP_none;
}

/* Zero means that there is none (RFC 768, RFC 6935). */
WEFT_INLINE int weft_outer_has_checksum(const uint8_t* packet, const struct weft_outer* outer) {
    return weft_load_be16(weft_at(packet, outer->udp_offset) + 6) != 0;
}

/* The pseudo-header's sum of the outer UDP packet. */
WEFT_INLINE uint32_t weft_outer_pseudo_sum(const uint8_t* packet, const struct weft_outer* outer) {
    const uint8_t* const ip = packet + WEFT_ETHERNET_SIZE;
    return ip[0] >> 4 == 4 ? weft_pseudo_sum_v4(ip, outer->udp_length, WEFT_PROTO_UDP)
                           : weft_pseudo_sum_v6(ip, outer->udp_length, WEFT_PROTO_UDP);
}

/* All but flag and VNI is ignored (RFC 7348, section 5). */
WEFT_INLINE enum weft_drop_reason weft_parse_vxlan(const uint8_t* packet, struct weft_outer* outer) {
    const uint8_t* const vxlan = weft_at(packet, outer->udp_offset) + WEFT_UDP_SIZE;
    if ((vxlan[0] & WEFT_VXLAN_FLAG_VNI) == 0) return WEFT_DROP_malformed_vxlan;
    outer->vni = weft_load_be32(vxlan + 4) >> 8;
    return WEFT_DROP_none;
}
