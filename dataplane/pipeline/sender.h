/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What an endpoint may send: stages E2 to E8 of stages.md, but for parsing and for writing answers. */
#pragma once

#include "dataplane/pipeline/icmp.h"
#include "dataplane/pipeline/neighbour.h"

/* What becomes of a packet at the gateway. */
enum weft_at_gateway {
    WEFT_GATEWAY_FORWARDS,
    WEFT_GATEWAY_ADVERTISES, /* answers a neighbour solicitation */
    WEFT_GATEWAY_ECHOES,
};

/* The frame's Ethernet header. */
WEFT_INLINE enum weft_drop_reason weft_check_ethernet(const uint8_t* frame, uint32_t linear,
                                                      const struct weft_endpoint* endpoint) {
    if (linear < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    return weft_mac_equal(frame + WEFT_MAC_SIZE, endpoint->mac) ? WEFT_DROP_none : WEFT_DROP_spoofed_mac;
}

WEFT_INLINE int weft_is_arp(const uint8_t* frame) { return weft_load_be16(frame + 12) == WEFT_ETHERTYPE_ARP; }

/* Who the packet that was parsed is from and for. */
WEFT_INLINE enum weft_drop_reason weft_check_sender(const uint8_t* frame, uint32_t linear, const struct weft_ip* ip,
                                                    const struct weft_endpoint* endpoint,
                                                    const struct weft_host* host, enum weft_at_gateway* action) {
    if (weft_is_neighbour_discovery(ip)) {
        *action = WEFT_GATEWAY_ADVERTISES;
        return weft_check_solicitation(frame, linear, ip, endpoint);
    }
    if ((frame[0] & 1) != 0 || weft_is_group(&ip->destination)) return WEFT_DROP_multicast;
    if (!weft_mac_equal(frame, host->gateway_mac)) return WEFT_DROP_not_for_gateway;
    const struct weft_address gateway = weft_gateway_address(ip->family);
    const int to_gateway = weft_address_equal(&ip->destination, &gateway);
    if (!weft_endpoint_owns(endpoint, &ip->source) &&
        !(to_gateway && ip->family == 6 && weft_is_link_local_v6(&ip->source)))
        return weft_is_invalid_source(&ip->source) ? WEFT_DROP_invalid_source : WEFT_DROP_spoofed_address;
    if (to_gateway) {
        const int echo = ip->fragment == WEFT_FRAGMENT_NONE &&
                         (ip->family == 4 ? ip->protocol == WEFT_PROTO_ICMP && ip->icmp_type == WEFT_ICMP_ECHO
                                          : ip->protocol == WEFT_PROTO_ICMPV6 && ip->icmp_type == WEFT_ICMPV6_ECHO);
        *action = WEFT_GATEWAY_ECHOES;
        return echo ? WEFT_DROP_none : WEFT_DROP_no_route;
    }
    *action = WEFT_GATEWAY_FORWARDS;
    if (ip->protocol == WEFT_PROTO_UDP && ip->destination_port == __builtin_bswap16(host->vxlan_port))
        return WEFT_DROP_nested_vxlan;
    return WEFT_DROP_none;
}
