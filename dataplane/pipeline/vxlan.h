/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The outer header (RFC 7348): a template per next hop, copied in front of a frame, then patched. It reaches into the
 * inner Ethernet header, whose addresses it holds too. */
#pragma once

#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/wire.h"

enum {
    WEFT_OUTER_V4_SIZE = WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE, /* 50 */
    WEFT_OUTER_V6_SIZE = WEFT_ETHERNET_SIZE + WEFT_IPV6_SIZE + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE, /* 70 */
    WEFT_TEMPLATE_MAX = WEFT_OUTER_V6_SIZE + 12, /* and both inner MAC addresses */
    WEFT_OUTER_TTL = 64,
};

struct weft_tunnel {
    struct weft_address local;
    struct weft_address remote;
    uint32_t vni;
    uint16_t port;
    uint8_t outer_source_mac[6];
    uint8_t outer_destination_mac[6];
    uint8_t inner_source_mac[6];
    uint8_t inner_destination_mac[6];
};

/* Writes the template; returns its size without the inner MAC addresses: 50 or 70. Lengths and source port are zero,
 * the IPv4 checksum covers the rest. */
WEFT_INLINE uint32_t weft_tunnel_template(const struct weft_tunnel* tunnel, uint8_t* at) {
    const int v4 = weft_address_is_v4(&tunnel->remote);
    __builtin_memset(at, 0, WEFT_TEMPLATE_MAX);
    __builtin_memcpy(at, tunnel->outer_destination_mac, 6);
    __builtin_memcpy(at + 6, tunnel->outer_source_mac, 6);
    weft_store_be16(at + 12, v4 ? WEFT_ETHERTYPE_IPV4 : WEFT_ETHERTYPE_IPV6);
    uint8_t* ip = at + WEFT_ETHERNET_SIZE;
    uint8_t* udp = ip + (v4 ? WEFT_IPV4_SIZE : WEFT_IPV6_SIZE);
    if (v4) {
        ip[0] = 0x45;
        weft_store_be16(ip + 6, WEFT_IPV4_DF);
        ip[8] = WEFT_OUTER_TTL;
        ip[9] = WEFT_PROTO_UDP;
        __builtin_memcpy(ip + 12, tunnel->local.bytes + 12, 4);
        __builtin_memcpy(ip + 16, tunnel->remote.bytes + 12, 4);
        weft_store_be16(ip + 10, weft_checksum(weft_sum_add(0, ip, WEFT_IPV4_SIZE)));
    } else {
        ip[0] = 0x60;
        ip[6] = WEFT_PROTO_UDP;
        ip[7] = WEFT_OUTER_TTL;
        __builtin_memcpy(ip + 8, tunnel->local.bytes, 16);
        __builtin_memcpy(ip + 24, tunnel->remote.bytes, 16);
    }
    weft_store_be16(udp + 2, tunnel->port);
    uint8_t* vxlan = udp + WEFT_UDP_SIZE;
    vxlan[0] = WEFT_VXLAN_FLAG_VNI;
    weft_store_be32(vxlan + 4, tunnel->vni << 8);
    uint8_t* inner = vxlan + WEFT_VXLAN_SIZE;
    __builtin_memcpy(inner, tunnel->inner_destination_mac, 6);
    __builtin_memcpy(inner + 6, tunnel->inner_source_mac, 6);
    return v4 ? WEFT_OUTER_V4_SIZE : WEFT_OUTER_V6_SIZE;
}

/* The outer UDP source port: entropy for ECMP (RFC 7348, section 5), one flow always the same, in 49152..65535. */
WEFT_INLINE uint16_t weft_tunnel_source_port(uint64_t session_hash) {
    return (uint16_t)(0xc000U | (session_hash >> 48 & 0x3fff));
}

/* Patches a copied template for a frame of `inner` bytes (Ethernet header included). UDP checksum stays zero (RFC
 * 7348; RFC 6935 for IPv6). */
WEFT_INLINE void weft_tunnel_patch(uint8_t* outer, int v4, uint32_t inner, uint16_t source_port) {
    const uint32_t udp_length = WEFT_UDP_SIZE + WEFT_VXLAN_SIZE + inner;
    uint8_t* ip = outer + WEFT_ETHERNET_SIZE;
    uint8_t* udp = ip + (v4 ? WEFT_IPV4_SIZE : WEFT_IPV6_SIZE);
    if (v4) {
        weft_store_be16(ip + 2, WEFT_IPV4_SIZE + udp_length);
        weft_checksum_replace(ip + 10, 0, (uint16_t)(WEFT_IPV4_SIZE + udp_length));
    } else {
        weft_store_be16(ip + 4, udp_length);
    }
    weft_store_be16(udp, source_port);
    weft_store_be16(udp + 4, udp_length);
}
