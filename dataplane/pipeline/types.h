/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Fixed-width words and the few helpers that every pipeline header needs. Freestanding: compiles as C for BPF and as
 * C++. */
#pragma once

#include <stdint.h>

#define WEFT_INLINE static inline __attribute__((always_inline))

/* A long function that the fast way passes by or that several places call: it keeps out of the others' registers, and
 * within the limit that the kernel's verifier has for each program. Not every file that sees it uses it. */
#define WEFT_STAGE __attribute__((noinline, unused)) static

#ifdef __cplusplus
#define WEFT_STATIC_ASSERT static_assert
#else
#define WEFT_STATIC_ASSERT _Static_assert
#endif

enum {
    WEFT_HEADERS_MAX = 256, /* headers must lie in the first so many bytes of an IP packet's frame */
};

/* Byte `offset` of the headers at `packet`, which the caller has checked against what is there. The kernel's verifier
 * cannot follow that check and wants to see a bound of its own, within a buffer of which fixed offsets may go a
 * little beyond. */
WEFT_INLINE const uint8_t* weft_at(const uint8_t* packet, uint32_t offset) {
#ifdef __bpf__
    __asm__ volatile("%0 &= 255" : "+r"(offset));
#endif
    return packet + offset;
}

/* Big-endian loads and stores at any alignment. */
WEFT_INLINE uint16_t weft_load_be16(const uint8_t* at) { return (uint16_t)(at[0] << 8 | at[1]); }

WEFT_INLINE uint32_t weft_load_be32(const uint8_t* at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

WEFT_INLINE void weft_store_be16(uint8_t* at, uint32_t value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

WEFT_INLINE void weft_store_be32(uint8_t* at, uint32_t value) {
    weft_store_be16(at, value >> 16);
    weft_store_be16(at + 2, value);
}

/* An address of either family in 16 bytes, network order; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct weft_address {
    union {
        uint8_t bytes[16];
        uint32_t words[4];
        uint64_t halves[2];
    };
};

/* Addresses are written and compared by halves: a load that spans two smaller stores would wait for both to leave the
 * store buffer. */
WEFT_INLINE struct weft_address weft_address_v4(const uint8_t* at) {
    struct weft_address address;
    uint32_t word;
    __builtin_memcpy(&word, at, 4);
    address.halves[0] = 0;
    address.halves[1] = (uint64_t)word << 32 | 0xffff0000U; /* bytes 00 00 ff ff on a little-endian machine */
    return address;
}

WEFT_INLINE struct weft_address weft_address_v6(const uint8_t* at) {
    struct weft_address address;
    __builtin_memcpy(&address.halves[0], at, 8);
    __builtin_memcpy(&address.halves[1], at + 8, 8);
    return address;
}

WEFT_INLINE int weft_address_is_v4(const struct weft_address* address) {
    return address->halves[0] == 0 && (uint32_t)address->halves[1] == 0xffff0000U;
}

WEFT_INLINE int weft_address_equal(const struct weft_address* a, const struct weft_address* b) {
    return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

/* -1, 0 or 1, by the order of the bytes. */
WEFT_INLINE int weft_address_compare(const struct weft_address* a, const struct weft_address* b) {
    const int half = a->halves[0] == b->halves[0];
    const uint64_t from_a = __builtin_bswap64(a->halves[half]);
    const uint64_t from_b = __builtin_bswap64(b->halves[half]);
    return (from_a > from_b) - (from_a < from_b);
}
