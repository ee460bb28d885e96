/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The Internet checksum (RFC 1071) over short headers, and its incremental change (RFC 1624, equation 3). */
#pragma once

#include "dataplane/pipeline/types.h"

/* Adds `length` bytes to a one's complement sum; only the last part of a sum may have an odd length. */
WEFT_INLINE uint32_t weft_sum_add(uint32_t sum, const uint8_t *at, uint32_t length) {
    uint64_t wide = sum;
    uint32_t i = 0;
    for (; i + 1 < length; i += 2)
        wide += weft_load_be16(at + i);
    if (i < length) wide += (uint32_t)at[i] << 8;
    wide = (wide & 0xffffffffU) + (wide >> 32);
    return (uint32_t)((wide & 0xffffU) + (wide >> 16 & 0xffffU) + (wide >> 32 << 16));
}

WEFT_INLINE uint16_t weft_sum_fold(uint32_t sum) {
    sum = (sum & 0xffffU) + (sum >> 16);
    sum = (sum & 0xffffU) + (sum >> 16);
    return (uint16_t)sum;
}

/* The checksum field, host order, for a finished sum. */
WEFT_INLINE uint16_t weft_checksum(uint32_t sum) { return (uint16_t)~weft_sum_fold(sum); }

/* The checksum at `field` after a 16-bit word that it covers changed. */
WEFT_INLINE void weft_checksum_replace(uint8_t *field, uint16_t before, uint16_t after) {
    uint32_t sum = (uint16_t)~weft_load_be16(field);
    sum += (uint16_t)~before;
    sum += after;
    weft_store_be16(field, weft_checksum(sum));
}
