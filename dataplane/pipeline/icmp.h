/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a router says about a packet that it could not forward: ICMP (RFC 792, RFC 1812 section 4.3) and ICMPv6 (RFC
 * 4443) errors, and the answer to an echo request for the gateway itself. */
#pragma once

#include "dataplane/pipeline/parse.h"

enum {
    WEFT_ICMP_HEADERS_V4 = WEFT_IPV4_SIZE + WEFT_ICMP_SIZE,
    WEFT_ICMP_HEADERS_V6 = WEFT_IPV6_SIZE + WEFT_ICMP_SIZE,
};

struct weft_icmp_error {
    uint8_t type; /* of the family's ICMP */
    uint8_t code;
    uint16_t speaks; /* 0: none is sent (policy, spoofing, damage) */
    uint32_t mtu;
};

/* Which error a router sends for the drop; `mtu` of the next hop. */
WEFT_INLINE struct weft_icmp_error weft_icmp_error_for(enum weft_drop_reason reason, int family, uint32_t mtu) {
    struct weft_icmp_error error = {0, 0, 0, 0};
    switch (reason) {
    case WEFT_DROP_ttl_exceeded:
        error.type = family == 4 ? WEFT_ICMP_TIME_EXCEEDED : WEFT_ICMPV6_TIME_EXCEEDED;
        break;
    case WEFT_DROP_packet_too_big:
        error.type = family == 4 ? WEFT_ICMP_UNREACHABLE : WEFT_ICMPV6_TOO_BIG;
        error.code = family == 4 ? WEFT_ICMP_FRAG_NEEDED : 0;
        error.mtu = mtu;
        break;
    case WEFT_DROP_no_route:
    case WEFT_DROP_blackhole:
        error.type = family == 4 ? WEFT_ICMP_UNREACHABLE : WEFT_ICMPV6_UNREACHABLE;
        break;
    default:
        return error;
    }
    error.speaks = 1;
    return error;
}

/* How much of a packet an error about it quotes: as fits the least MTU of the family (RFC 1812 section 4.3.2.3, RFC
 * 4443 section 2.4 (c)). */
WEFT_INLINE uint32_t weft_icmp_quoted(const struct weft_ip* ip) {
    const uint32_t room = ip->family == 4 ? 576 - WEFT_ICMP_HEADERS_V4 : 1280 - WEFT_ICMP_HEADERS_V6;
    return ip->l3_length < room ? ip->l3_length : room;
}

/* Writes the IP and ICMP headers of the error about `ip`, from `from` to its source, in front of `quoted` bytes whose
 * one's complement sum is `sum`. WEFT_ICMP_HEADERS_V4 or _V6 bytes at `l3`. */
WEFT_INLINE void weft_write_icmp_error(uint8_t* l3, const struct weft_ip* ip, const struct weft_address* from,
                                       const struct weft_icmp_error* error, uint32_t quoted, uint32_t sum) {
    const uint32_t payload = WEFT_ICMP_SIZE + quoted;
    if (ip->family == 4) {
        uint8_t* const icmp = l3 + WEFT_IPV4_SIZE;
        __builtin_memset(l3, 0, WEFT_ICMP_HEADERS_V4);
        l3[0] = 0x45;
        l3[1] = 0xc0; /* internetwork control, RFC 1812 section 4.3.2.5 */
        weft_store_be16(l3 + 2, WEFT_IPV4_SIZE + payload);
        l3[8] = 64;
        l3[9] = WEFT_PROTO_ICMP;
        __builtin_memcpy(l3 + 12, from->bytes + 12, 4);
        __builtin_memcpy(l3 + 16, ip->source.bytes + 12, 4);
        weft_store_be16(l3 + 10, weft_checksum(weft_sum_add(0, l3, WEFT_IPV4_SIZE)));
        icmp[0] = error->type;
        icmp[1] = error->code;
        weft_store_be16(icmp + 6, error->mtu);
        weft_store_be16(icmp + 2, weft_checksum(weft_sum_add(sum, icmp, WEFT_ICMP_SIZE)));
        return;
    }
    uint8_t* const icmp = l3 + WEFT_IPV6_SIZE;
    __builtin_memset(l3, 0, WEFT_ICMP_HEADERS_V6);
    l3[0] = 0x60;
    weft_store_be16(l3 + 4, payload);
    l3[6] = WEFT_PROTO_ICMPV6;
    l3[7] = 64;
    __builtin_memcpy(l3 + 8, from->bytes, 16);
    __builtin_memcpy(l3 + 24, ip->source.bytes, 16);
    icmp[0] = error->type;
    icmp[1] = error->code;
    weft_store_be32(icmp + 4, error->mtu);
    sum = (sum & 0xffff) + (sum >> 16) + weft_pseudo_sum_v6(l3, payload, WEFT_PROTO_ICMPV6);
    weft_store_be16(icmp + 2, weft_checksum(weft_sum_add(sum, icmp, WEFT_ICMP_SIZE)));
}

/* Turns an echo request for the gateway into its reply; the Ethernet header is the caller's. `l3` and `icmp` are
 * where the headers begin. */
WEFT_INLINE void weft_turn_echo(uint8_t* l3, uint8_t* icmp, int family) {
    if (family == 4) {
        uint32_t source;
        uint32_t destination;
        __builtin_memcpy(&source, l3 + 12, 4);
        __builtin_memcpy(&destination, l3 + 16, 4);
        __builtin_memcpy(l3 + 12, &destination, 4);
        __builtin_memcpy(l3 + 16, &source, 4);
    } else {
        const struct weft_address source = weft_address_v6(l3 + 8);
        const struct weft_address destination = weft_address_v6(l3 + 24);
        __builtin_memcpy(l3 + 8, destination.bytes, 16);
        __builtin_memcpy(l3 + 24, source.bytes, 16);
    }
    const uint16_t before = weft_load_be16(icmp);
    icmp[0] = family == 4 ? WEFT_ICMP_ECHO_REPLY : WEFT_ICMPV6_ECHO_REPLY;
    weft_checksum_replace(icmp + 2, before, weft_load_be16(icmp));
}
