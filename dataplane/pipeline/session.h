/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Sessions: a key that both directions of a connection share, a value of the size that fills a cache line with it,
 * and the state machine. Pure functions; where entries live is each fast path's business. */
#pragma once

#include "dataplane/pipeline/parse.h"

/* The two ends in canonical order (by address, then port). A tracked fragment train has protocol 44 and its
 * identification in the ports. */
struct weft_session_key {
    struct weft_address low;
    struct weft_address high;
    uint16_t low_port;
    uint16_t high_port;
    uint32_t vni_protocol; /* vni << 8 | protocol */
};

enum weft_session_state {
    WEFT_SESSION_NEW = 1,         /* one direction seen; TCP: half-open, or met in the middle */
    WEFT_SESSION_ESTABLISHED = 2, /* both directions seen */
    WEFT_SESSION_CLOSING = 3,     /* TCP: a FIN seen */
    WEFT_SESSION_CLOSED = 4,      /* TCP: FINs from both ends, or RST */
};

enum {
    WEFT_SESSION_INITIATOR_LOW = 1, /* the low end opened it */
    WEFT_SESSION_FIN_LOW = 2,
    WEFT_SESSION_FIN_HIGH = 4,
    WEFT_SESSION_ANSWERED = 8, /* TCP: the SYN was; who opened it is still to say a word */
};

struct weft_session_value {
    uint32_t epoch;       /* of the tables that decided */
    uint32_t last_seen_s; /* on the fast path's monotonic clock */
    uint32_t next_hop[2]; /* towards the low end, towards the high end; 0: none */
    uint32_t rule;        /* that allowed it, 0: none was needed */
    uint8_t state;        /* enum weft_session_state */
    uint8_t flags;
    uint16_t account;   /* that it counts to: account.h */
#ifdef WEFT_NEXT_LAYOUT /* see ebpf/layout.h */
    uint32_t only_in_next[2];
#endif
};

#ifndef WEFT_NEXT_LAYOUT
WEFT_STATIC_ASSERT(sizeof(struct weft_session_key) + sizeof(struct weft_session_value) == 64,
                   "a session is one cache line");
#endif

/* Builds the key; returns 1 when the packet's source is the low end. */
WEFT_INLINE int weft_session_key_of(const struct weft_ip* ip, uint32_t vni, struct weft_session_key* key) {
    const int order = weft_address_compare(&ip->source, &ip->destination);
    const int from_low = order != 0 ? order < 0 : ip->source_port <= ip->destination_port;
    const struct weft_address* const low = from_low ? &ip->source : &ip->destination;
    const struct weft_address* const high = from_low ? &ip->destination : &ip->source;
    for (int half = 0; half < 2; half++) {
        key->low.halves[half] = low->halves[half];
        key->high.halves[half] = high->halves[half];
    }
    key->low_port = from_low ? ip->source_port : ip->destination_port;
    key->high_port = from_low ? ip->destination_port : ip->source_port;
    key->vni_protocol = vni << 8 | ip->protocol;
    return from_low;
}

/* The key of the train of fragments that the packet belongs to, from the key of the packet. */
WEFT_INLINE struct weft_session_key weft_fragment_key(const struct weft_ip* ip,
                                                      const struct weft_session_key* packet) {
    struct weft_session_key key = *packet;
    key.low_port = (uint16_t)ip->fragment_id;
    key.high_port = (uint16_t)(ip->fragment_id >> 16);
    key.vni_protocol = (packet->vni_protocol & ~0xffU) | WEFT_PROTO_FRAGMENT;
    return key;
}

/* A seeded 64-bit hash of the key. The low half chooses buckets, the high half tags and the outer source port. */
WEFT_INLINE uint64_t weft_session_hash(const struct weft_session_key* key, uint64_t seed) {
    const uint64_t k0 = 0x9e3779b97f4a7c15ULL;
    const uint64_t k1 = 0xd6e8feb86659fd93ULL;
    /* Not in the order of memory, or the compiler would load in one piece what was stored in three. */
    const uint64_t ports = (uint64_t)key->low_port << 48 | (uint64_t)key->high_port << 32 | key->vni_protocol;
    /* Two independent chains, so that the multiplications overlap. */
    uint64_t a = (key->low.halves[0] ^ seed) * k0;
    uint64_t b = (key->high.halves[0] + seed) * k1;
    a = (a ^ a >> 32 ^ key->low.halves[1]) * k1;
    b = (b ^ b >> 29 ^ key->high.halves[1]) * k0;
    a ^= a >> 31;
    b ^= b >> 32;
    a = (a + (b << 1 | b >> 63) + ports * k0) * k1;
    a = (a ^ a >> 32 ^ ports) * k0;
    return a ^ a >> 29;
}

/* Seconds of silence after which a session ends. */
WEFT_INLINE uint32_t weft_session_timeout_s(uint32_t protocol, uint32_t state) {
    switch (protocol) {
    case WEFT_PROTO_TCP:
        return state == WEFT_SESSION_ESTABLISHED ? 7200
               : state == WEFT_SESSION_NEW       ? 30
               : state == WEFT_SESSION_CLOSING   ? 120
                                                 : 10;
    case WEFT_PROTO_UDP:
        return state == WEFT_SESSION_ESTABLISHED ? 180 : 30;
    case WEFT_PROTO_FRAGMENT:
        return 15;
    case WEFT_PROTO_SCTP:
        return state == WEFT_SESSION_ESTABLISHED ? 600 : 30;
    default:
        return 30;
    }
}

/* Has the session been silent for too long? Clocks of different cores may be a second apart, so the difference may be
 * negative. */
WEFT_INLINE int weft_session_is_over(const struct weft_session_value* value, uint32_t protocol, uint32_t now_s) {
    return (int32_t)(now_s - value->last_seen_s) > (int32_t)weft_session_timeout_s(protocol, value->state);
}

/* Towards the low, or the high end. */
WEFT_INLINE uint32_t weft_session_next_hop(const struct weft_session_value* value, int low) {
    const uint32_t to_low = value->next_hop[0];
    const uint32_t to_high = value->next_hop[1];
    return low ? to_low : to_high;
}

WEFT_INLINE int weft_session_initiator_is_low(const struct weft_session_value* value) {
    return (value->flags & WEFT_SESSION_INITIATOR_LOW) != 0;
}

/* A TCP connection whose handshake is not whole: what a flood of SYNs leaves behind. */
WEFT_INLINE int weft_session_is_half_open(const struct weft_session_key* key,
                                          const struct weft_session_value* value) {
    return value->state == WEFT_SESSION_NEW && (key->vni_protocol & 0xff) == WEFT_PROTO_TCP;
}

/* May this packet open a session, given that policy allows it? An answer without a question may not: RST, and echo
 * replies. Everything else may: a TCP connection met in the middle is adopted in the direction that policy allows. */
WEFT_INLINE int weft_session_may_open(const struct weft_ip* ip) {
    if (ip->protocol == WEFT_PROTO_TCP) return (ip->tcp_flags & WEFT_TCP_RST) == 0;
    if (ip->protocol == WEFT_PROTO_ICMP) return ip->icmp_type != WEFT_ICMP_ECHO_REPLY;
    if (ip->protocol == WEFT_PROTO_ICMPV6) return ip->icmp_type != WEFT_ICMPV6_ECHO_REPLY;
    return 1;
}

/* A question that begins another connection on the key of this session: a SYN when the old one is closing, or a SYN
 * or an echo request from the end that so far only answered. It is decided like any first packet, so that an old
 * session never opens a way that policy closes. */
WEFT_INLINE int weft_session_begins_anew(const struct weft_session_value* value, const struct weft_ip* ip,
                                         int from_low) {
    const int from_initiator = weft_session_initiator_is_low(value) == (from_low != 0);
    if (ip->protocol == WEFT_PROTO_ICMP) return !from_initiator && ip->icmp_type == WEFT_ICMP_ECHO;
    if (ip->protocol == WEFT_PROTO_ICMPV6) return !from_initiator && ip->icmp_type == WEFT_ICMPV6_ECHO;
    if (ip->protocol != WEFT_PROTO_TCP || (ip->tcp_flags & (WEFT_TCP_SYN | WEFT_TCP_ACK)) != WEFT_TCP_SYN) return 0;
    return value->state >= WEFT_SESSION_CLOSING || !from_initiator;
}

/* State and flags after a packet from the low (or high) end: state | flags << 8, so that a caller can see at once
 * whether anything changed. */
WEFT_INLINE uint32_t weft_session_advance(uint32_t state, uint32_t flags, uint32_t protocol, uint32_t tcp_flags,
                                          int from_low) {
    const int from_initiator = ((flags & WEFT_SESSION_INITIATOR_LOW) != 0) == (from_low != 0);
    if (protocol == WEFT_PROTO_TCP) {
        if (tcp_flags & WEFT_TCP_RST) return (uint32_t)WEFT_SESSION_CLOSED | flags << 8;
        if (tcp_flags & WEFT_TCP_FIN) flags |= from_low ? WEFT_SESSION_FIN_LOW : WEFT_SESSION_FIN_HIGH;
        const uint32_t both = WEFT_SESSION_FIN_LOW | WEFT_SESSION_FIN_HIGH;
        if ((flags & both) == both) return WEFT_SESSION_CLOSED | flags << 8;
        if (flags & both) return (state > WEFT_SESSION_CLOSING ? state : (uint32_t)WEFT_SESSION_CLOSING) | flags << 8;
    }
    if (state != WEFT_SESSION_NEW) return state | flags << 8;
    if (protocol == WEFT_PROTO_TCP) {
        /* Who asked from an address that is not its own, or asks for nothing but to fill tables, never hears the
         * answer: a connection is made when its initiator goes on. */
        const int handshakes = (tcp_flags & WEFT_TCP_SYN) != 0;
        if (handshakes && !from_initiator) flags |= WEFT_SESSION_ANSWERED;
        const int answered = (flags & WEFT_SESSION_ANSWERED) != 0;
        if (!handshakes && answered == from_initiator) state = WEFT_SESSION_ESTABLISHED;
    } else if (!from_initiator) {
        state = WEFT_SESSION_ESTABLISHED;
    }
    return state | flags << 8;
}
