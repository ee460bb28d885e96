/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* IPv4 fragments that we make (RFC 791 section 3.2): how large they are, and their headers. */
#pragma once

#include "dataplane/pipeline/checksum.h"
#include "dataplane/pipeline/wire.h"

enum { WEFT_IPV4_HEADER_MAX = 60 };

/* An IPv4 header with its options; zeros behind `size`, a multiple of four. */
struct weft_ipv4_header {
    uint8_t bytes[64];
    uint32_t size;
};

/* How much payload goes into a fragment with such a header when `left` bytes are left: all that fits, or as many
 * whole eights. `mtu` is at least WEFT_IPV4_MTU_MIN. */
WEFT_INLINE uint32_t weft_fragment_payload(const struct weft_ipv4_header* header, uint32_t mtu, uint32_t left) {
    const uint32_t room = (mtu - header->size) & ~7U;
    return left < room ? left : room;
}

/* How many fragments `payload` bytes make, which one alone cannot hold. */
WEFT_INLINE uint32_t weft_fragment_count(const struct weft_ipv4_header* first, const struct weft_ipv4_header* later,
                                         uint32_t mtu, uint32_t payload) {
    const uint32_t each = weft_fragment_payload(later, mtu, payload);
    return 1 + (payload - weft_fragment_payload(first, mtu, payload) + each - 1) / each;
}

/* The header of every fragment but the first: of the options only those with the copied flag. `later` is all zeros.
 * Byte by byte, since that is one way to verify. */
WEFT_INLINE void weft_later_header(const struct weft_ipv4_header* first, struct weft_ipv4_header* later) {
    enum { END = 0, NO_OPERATION = 1 };

    uint32_t size = WEFT_IPV4_SIZE;
    uint32_t next = WEFT_IPV4_SIZE; /* where the next option begins */
    uint32_t copied = 0;
    const uint32_t zero = first->bytes[sizeof first->bytes - 1];
    for (uint32_t i = 0; i < WEFT_IPV4_SIZE; i += 4)
        weft_store32(later->bytes + i, weft_load32(first->bytes + i));
    for (uint32_t at = WEFT_IPV4_SIZE; at < WEFT_IPV4_HEADER_MAX; at++) {
        next = weft_forget(next, zero);
        size = weft_forget(size, zero);
        copied = weft_forget(copied, zero);
        if (at >= first->size) break;
        if (at == next) {
            const uint32_t type = first->bytes[at];
            const uint32_t length = type == NO_OPERATION ? 1 : first->bytes[at + 1];
            if (type == END) break;
            /* A list that lies ends here. */
            if (at + length > first->size || (type != NO_OPERATION && length < 2)) break;
            copied = type >> 7; /* a flag of that */
            next = at + length;
        }
        if (copied != 0 && size < WEFT_IPV4_HEADER_MAX) later->bytes[size++] = first->bytes[at];
    }
    later->size = (size + 3) & ~3U;
    later->bytes[0] = (uint8_t)(0x40 | later->size / 4);
}

/* Makes a copy of a header at `l3`, with the zeros behind it, that of a fragment of `payload` bytes, `done` bytes
 * behind those of the packet. `last`: it ends where the packet ends. */
WEFT_INLINE void weft_set_fragment(uint8_t* l3, uint32_t payload, uint32_t done, int last) {
    const uint32_t field = weft_load_be16(l3 + 6);
    const uint32_t more = last ? field & WEFT_IPV4_MF : (uint32_t)WEFT_IPV4_MF;
    weft_store_be16(l3 + 2, (uint32_t)(l3[0] & 0x0f) * 4 + payload);
    weft_store_be16(l3 + 6, more | ((field & WEFT_IPV4_OFFSET) + done / 8));
    weft_store_be16(l3 + 10, 0);
    weft_store_be16(l3 + 10, weft_checksum(weft_sum_add(0, l3, WEFT_IPV4_HEADER_MAX)));
}
