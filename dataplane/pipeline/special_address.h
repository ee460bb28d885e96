/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Addresses with a meaning of their own: the gateway that every endpoint has, groups, and what no packet may claim to
 * come from. */
#pragma once

#include "dataplane/pipeline/types.h"

/* 169.254.1.1 or fe80::1. */
WEFT_INLINE struct weft_address weft_gateway_address(int family) {
    struct weft_address address;
    address.halves[0] = family == 4 ? 0 : __builtin_bswap64(0xfe80000000000000ULL);
    address.halves[1] = family == 4 ? 0x0101fea9ffff0000ULL : __builtin_bswap64(1);
    return address;
}

WEFT_INLINE int weft_is_link_local_v6(const struct weft_address* address) {
    return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

/* Multicast or broadcast: what goes to many. */
WEFT_INLINE int weft_is_group(const struct weft_address* address) {
    return weft_address_is_v4(address) ? address->bytes[12] >= 224 : address->bytes[0] == 0xff;
}

/* Unspecified, loopback, multicast or broadcast. */
WEFT_INLINE int weft_is_invalid_source(const struct weft_address* address) {
    if (weft_address_is_v4(address))
        return address->bytes[12] == 0 || address->bytes[12] == 127 || weft_is_group(address);
    return weft_is_group(address) || (address->halves[0] == 0 && (__builtin_bswap64(address->halves[1]) >> 1) == 0);
}
