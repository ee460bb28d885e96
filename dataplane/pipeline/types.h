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

/* Has the kernel's verifier forget what it knows of a number below 128, so that the ways through a loop meet again.
 * `zero` is one that it does not know to be zero. */
WEFT_INLINE uint32_t weft_forget(uint32_t number, uint32_t zero) {
#ifdef __bpf__
    __asm__ volatile("%0 += %1\n%0 &= 127" : "+r"(number) : "r"(zero));
#else
    (void)zero;
#endif
    return number;
}

/* Words at any alignment, as the machine has them. Of a copy the compiler for BPF makes single bytes, since it does
 * not know that the machines which we run on can do better. */
WEFT_INLINE uint16_t weft_load16(const uint8_t* at) {
#ifdef __bpf__
    return *(const uint16_t*)at;
#else
    uint16_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
#endif
}

WEFT_INLINE uint32_t weft_load32(const uint8_t* at) {
#ifdef __bpf__
    return *(const uint32_t*)at;
#else
    uint32_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
#endif
}

WEFT_INLINE uint64_t weft_load64(const uint8_t* at) {
#ifdef __bpf__
    return *(const uint64_t*)at;
#else
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
    return word;
#endif
}

WEFT_INLINE void weft_store16(uint8_t* at, uint16_t word) {
#ifdef __bpf__
    *(uint16_t*)at = word;
#else
    __builtin_memcpy(at, &word, sizeof word);
#endif
}

WEFT_INLINE void weft_store32(uint8_t* at, uint32_t word) {
#ifdef __bpf__
    *(uint32_t*)at = word;
#else
    __builtin_memcpy(at, &word, sizeof word);
#endif
}

/* Big-endian loads and stores at any alignment. */
WEFT_INLINE uint16_t weft_load_be16(const uint8_t* at) { return __builtin_bswap16(weft_load16(at)); }

WEFT_INLINE uint32_t weft_load_be32(const uint8_t* at) { return __builtin_bswap32(weft_load32(at)); }

WEFT_INLINE void weft_store_be16(uint8_t* at, uint32_t value) {
    weft_store16(at, __builtin_bswap16((uint16_t)value));
}

WEFT_INLINE void weft_store_be32(uint8_t* at, uint32_t value) { weft_store32(at, __builtin_bswap32(value)); }

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
    address.halves[0] = 0;
    address.halves[1] =
        (uint64_t)weft_load32(at) << 32 | 0xffff0000U; /* bytes 00 00 ff ff on a little-endian machine */
    return address;
}

WEFT_INLINE struct weft_address weft_address_v6(const uint8_t* at) {
    struct weft_address address;
    address.halves[0] = weft_load64(at);
    address.halves[1] = weft_load64(at + 8);
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
