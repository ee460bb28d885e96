/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The Internet checksum (RFC 1071) over short headers, and its incremental change (RFC 1624, equation 3). */
#pragma once

#include "dataplane/pipeline/types.h"

/* Adds `length` bytes to a one's complement sum; only the last part of a sum may have an odd length. Words are added
 * as the machine reads them, and the bytes of their sum are swapped once (RFC 1071, section 2 (B)). */
WEFT_INLINE uint32_t weft_sum_add(uint32_t sum, const uint8_t* at, uint32_t length) {
    uint64_t native = 0;
    uint32_t i = 0;
    for (; i + 3 < length; i += 4)
        native += weft_load32(at + i);
    if (i + 1 < length) {
        native += weft_load16(at + i);
        i += 2;
    }
    if (i < length) native += at[i];
    native = (native & 0xffffffffU) + (native >> 32);
    native = (native & 0xffffU) + (native >> 16 & 0xffffU) + (native >> 32);
    native = (native & 0xffffU) + (native >> 16);
    return (sum & 0xffffU) + (sum >> 16) + __builtin_bswap16((uint16_t)((native & 0xffffU) + (native >> 16)));
}

WEFT_INLINE uint16_t weft_sum_fold(uint32_t sum) {
    sum = (sum & 0xffffU) + (sum >> 16);
    sum = (sum & 0xffffU) + (sum >> 16);
    return (uint16_t)sum;
}

/* The checksum field, host order, for a finished sum. */
WEFT_INLINE uint16_t weft_checksum(uint32_t sum) { return (uint16_t)~weft_sum_fold(sum); }

/* The checksum at `field` after a 16-bit word that it covers changed. */
WEFT_INLINE void weft_checksum_replace(uint8_t* field, uint16_t before, uint16_t after) {
    uint32_t sum = (uint16_t)~weft_load_be16(field);
    sum += (uint16_t)~before;
    sum += after;
    weft_store_be16(field, weft_checksum(sum));
}

/* Is the checksum of this IPv4 header right? Its length was checked. */
WEFT_INLINE int weft_ipv4_checksum_is_good(const uint8_t* header) {
    /* A sum of ones is a sum of ones in either byte order. */
    const uint32_t words = header[0] & 0x0fU;
    uint64_t sum = (uint64_t)weft_load32(header) + weft_load32(header + 4) + weft_load32(header + 8) +
                   weft_load32(header + 12) + weft_load32(header + 16);
    for (uint32_t i = 5; i < 15 && i < words; i++) /* options */
        sum += weft_load32(header + i * 4);
    sum = (sum & 0xffffffffU) + (sum >> 32);
    return weft_sum_fold((uint32_t)sum + (uint32_t)(sum >> 32)) == 0xffff;
}

/* Adds bytes [offset, offset + length) of the headers at `packet`; short ones, as weft_sum_add() is for known
 * lengths. */
WEFT_INLINE uint32_t weft_sum_headers(uint32_t sum, const uint8_t* packet, uint32_t offset, uint32_t length) {
    for (uint32_t i = 0; i + 1 < WEFT_HEADERS_MAX && i + 1 < length; i += 2)
        sum += weft_load_be16(weft_at(packet, offset + i));
    return (length & 1) != 0 ? sum + ((uint32_t)weft_at(packet, offset + length - 1)[0] << 8) : sum;
}

/* The pseudo-header's sum of RFC 8200 section 8.1, from the addresses of an IPv6 header. */
WEFT_INLINE uint32_t weft_pseudo_sum_v6(const uint8_t* header, uint32_t length, uint32_t protocol) {
    return weft_sum_add(0, header + 8, 32) + length + protocol;
}

/* The same for IPv4 (RFC 768). */
WEFT_INLINE uint32_t weft_pseudo_sum_v4(const uint8_t* header, uint32_t length, uint32_t protocol) {
    return weft_sum_add(0, header + 12, 8) + length + protocol;
}
