/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The Internet checksum (RFC 1071) over short headers, and its incremental change (RFC 1624, equation 3). */
#pragma once

#include "dataplane/pipeline/types.h"

/* Adds `length` bytes to a one's complement sum; only the last part of a sum may have an odd length. Words are added
 * as the machine reads them, and the bytes of their sum are swapped once (RFC 1071, section 2 (B)). */
WEFT_INLINE uint32_t weft_sum_add(uint32_t sum, const uint8_t* at, uint32_t length) {
    uint64_t native = 0;
    uint32_t i = 0;
    for (; i + 3 < length; i += 4) {
        uint32_t word;
        __builtin_memcpy(&word, at + i, 4);
        native += word;
    }
    if (i + 1 < length) {
        uint16_t word;
        __builtin_memcpy(&word, at + i, 2);
        native += word;
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
