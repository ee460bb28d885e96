/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* ARP (RFC 826) and neighbour discovery (RFC 4861): endpoints ask for the gateway and for nobody else, since their
 * addresses are host prefixes. Checks read the frame's first `linear` bytes; answers are written over them. */
#pragma once

#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/parse.h"
#include "dataplane/pipeline/special_address.h"

enum {
    WEFT_SOLICITATION_SIZE = 24,
    WEFT_ADVERTISEMENT_SIZE = 32, /* with the target's link-layer address option */
};

WEFT_INLINE int weft_mac_equal(const uint8_t* a, const uint8_t* b) {
    return ((weft_load32(a) ^ weft_load32(b)) | (uint32_t)(weft_load16(a + 4) ^ weft_load16(b + 4))) == 0;
}

WEFT_INLINE void weft_set_ethernet(uint8_t* frame, const uint8_t* destination, const uint8_t* source) {
    weft_store32(frame, weft_load32(destination));
    weft_store16(frame + 4, weft_load16(destination + 4));
    weft_store32(frame + 6, weft_load32(source));
    weft_store16(frame + 10, weft_load16(source + 4));
}

/* Is it a request for the gateway, by the endpoint? */
WEFT_INLINE enum weft_drop_reason weft_check_arp(const uint8_t* frame, uint32_t linear,
                                                 const struct weft_endpoint* endpoint) {
    const uint8_t* const arp = frame + WEFT_ETHERNET_SIZE;
    if (linear < WEFT_ETHERNET_SIZE + WEFT_ARP_SIZE || weft_load_be32(arp) != 0x00010800 ||
        weft_load_be16(arp + 4) != 0x0604)
        return WEFT_DROP_malformed_arp;
    if (!weft_mac_equal(arp + 8, endpoint->mac)) return WEFT_DROP_spoofed_mac;
    const struct weft_address sender = weft_address_v4(arp + 14);
    const struct weft_address target = weft_address_v4(arp + 24);
    const struct weft_address gateway = weft_gateway_address(4);
    if (!weft_endpoint_owns(endpoint, &sender) && sender.words[3] != 0) return WEFT_DROP_spoofed_address;
    return weft_load_be16(arp + 6) == 1 && weft_address_equal(&target, &gateway) ? WEFT_DROP_none
                                                                                 : WEFT_DROP_not_for_gateway;
}

/* Turns the request into the reply. */
WEFT_INLINE void weft_write_arp_reply(uint8_t* frame, const struct weft_endpoint* endpoint,
                                      const struct weft_host* host) {
    uint8_t* const arp = frame + WEFT_ETHERNET_SIZE;
    const struct weft_address gateway = weft_gateway_address(4);
    weft_set_ethernet(frame, endpoint->mac, host->gateway_mac);
    weft_store_be16(arp + 6, 2);
    for (int i = 0; i < 10; i++)
        arp[18 + i] = arp[8 + i]; /* sender becomes target */
    __builtin_memcpy(arp + 8, host->gateway_mac, WEFT_MAC_SIZE);
    __builtin_memcpy(arp + 14, gateway.bytes + 12, 4);
}

WEFT_INLINE int weft_is_neighbour_discovery(const struct weft_ip* ip) {
    return ip->family == 6 && ip->protocol == WEFT_PROTO_ICMPV6 && ip->fragment == WEFT_FRAGMENT_NONE &&
           ip->icmp_type >= WEFT_ICMPV6_ROUTER_SOLICITATION && ip->icmp_type <= WEFT_ICMPV6_REDIRECT;
}

/* Is it a valid solicitation (RFC 4861 section 7.1.1) for the gateway, by the endpoint? Everything else of the
 * protocol ends here. */
WEFT_INLINE enum weft_drop_reason weft_check_solicitation(const uint8_t* frame, uint32_t linear,
                                                          const struct weft_ip* ip,
                                                          const struct weft_endpoint* endpoint) {
    const uint32_t l4 = WEFT_ETHERNET_SIZE + WEFT_IPV6_SIZE;
    const uint32_t payload = ip->l3_length - WEFT_IPV6_SIZE;
    if (ip->ttl != 255 || ip->icmp_code != 0 || ip->l4_offset != l4) return WEFT_DROP_malformed_nd;
    if (ip->icmp_type != WEFT_ICMPV6_NEIGHBOUR_SOLICITATION) return WEFT_DROP_not_for_gateway;
    if (payload < WEFT_SOLICITATION_SIZE || l4 + payload > linear) return WEFT_DROP_malformed_nd;
    const uint32_t pseudo = weft_pseudo_sum_v6(frame + WEFT_ETHERNET_SIZE, payload, WEFT_PROTO_ICMPV6);
    if (weft_sum_fold(weft_sum_headers(pseudo, frame, l4, payload)) != 0xffff) return WEFT_DROP_malformed_nd;
    const struct weft_address target = weft_address_v6(frame + l4 + 8);
    const struct weft_address gateway = weft_gateway_address(6);
    if (!weft_address_equal(&target, &gateway)) return WEFT_DROP_not_for_gateway;
    if ((ip->source.halves[0] | ip->source.halves[1]) == 0)
        return WEFT_DROP_not_for_gateway; /* somebody else wants to be fe80::1 */
    return weft_endpoint_owns(endpoint, &ip->source) || weft_is_link_local_v6(&ip->source)
               ? WEFT_DROP_none
               : WEFT_DROP_spoofed_address;
}

enum { WEFT_ADVERTISEMENT_FRAME = WEFT_ETHERNET_SIZE + WEFT_IPV6_SIZE + WEFT_ADVERTISEMENT_SIZE };

/* Turns the solicitation into the advertisement, WEFT_ADVERTISEMENT_FRAME bytes, which there must be room for. */
WEFT_INLINE void weft_write_advertisement(uint8_t* frame, const struct weft_endpoint* endpoint,
                                          const struct weft_host* host) {
    uint8_t* const l3 = frame + WEFT_ETHERNET_SIZE;
    uint8_t* const icmp = l3 + WEFT_IPV6_SIZE;
    const struct weft_address gateway = weft_gateway_address(6);
    weft_set_ethernet(frame, endpoint->mac, host->gateway_mac);
    weft_store_be16(l3 + 4, WEFT_ADVERTISEMENT_SIZE);
    __builtin_memcpy(l3 + 24, l3 + 8, 16);
    __builtin_memcpy(l3 + 8, gateway.bytes, 16);
    __builtin_memset(icmp, 0, 8);
    icmp[0] = WEFT_ICMPV6_NEIGHBOUR_ADVERTISEMENT;
    icmp[4] = 0xe0; /* router, solicited, override */
    __builtin_memcpy(icmp + 8, gateway.bytes, 16);
    icmp[24] = 2; /* target link-layer address */
    icmp[25] = 1;
    __builtin_memcpy(icmp + 26, host->gateway_mac, WEFT_MAC_SIZE);
    const uint32_t sum = weft_pseudo_sum_v6(l3, WEFT_ADVERTISEMENT_SIZE, WEFT_PROTO_ICMPV6);
    weft_store_be16(icmp + 2, weft_checksum(weft_sum_add(sum, icmp, WEFT_ADVERTISEMENT_SIZE)));
}
