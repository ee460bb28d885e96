/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The way out: stages F1 to F4 of stages.md, but for the bytes that they write. */
#pragma once

#include "dataplane/pipeline/admit.h"

/* What a packet that is too large for its next hop needs. */
enum weft_fit {
    WEFT_FITS,
    WEFT_SMALLER_SEGMENTS, /* a frame to be cut: what nobody has cut yet needs no fragments */
    WEFT_FRAGMENTS,
};

/* A frame still to be cut into TCP segments. */
struct weft_segments {
    uint32_t payload; /* of each; 0: it is not to be cut */
    uint32_t headers; /* of each: IP and TCP */
};

struct weft_exit {
    const struct weft_endpoint* receiver; /* null: it goes to a VTEP */
    enum weft_fit fit;
};

WEFT_INLINE int weft_may_fragment(const struct weft_ip* ip) { return ip->family == 4 && ip->dont_fragment == 0; }

/* The largest IP packet that the frame stands for. */
WEFT_INLINE uint32_t weft_wire_length(const struct weft_ip* ip, struct weft_segments segments) {
    const uint32_t segment = segments.headers + segments.payload;
    return segments.payload != 0 && segment < ip->l3_length ? segment : ip->l3_length;
}

WEFT_INLINE enum weft_drop_reason weft_way_out(const struct weft_view* view, const struct weft_ip* ip,
                                               const struct weft_next_hop* next_hop, struct weft_segments segments,
                                               struct weft_exit* exit) {
    exit->receiver = 0;
    exit->fit = WEFT_FITS;
    if (next_hop->kind == WEFT_NEXT_HOP_DROP) return WEFT_DROP_blackhole;
    if (ip->ttl <= 1) return WEFT_DROP_ttl_exceeded;
    if (ip->l3_length > next_hop->mtu && next_hop->mtu != 0 && weft_wire_length(ip, segments) > next_hop->mtu) {
        if (!weft_may_fragment(ip)) return WEFT_DROP_packet_too_big;
        if (segments.payload != 0 && segments.headers >= next_hop->mtu) return WEFT_DROP_packet_too_big;
        exit->fit = segments.payload != 0 ? WEFT_SMALLER_SEGMENTS : WEFT_FRAGMENTS;
    }
    if (next_hop->kind == WEFT_NEXT_HOP_LOCAL) {
        exit->receiver = weft_find_endpoint(view, next_hop->port);
        return exit->receiver ? WEFT_DROP_none : WEFT_DROP_endpoint_not_ready;
    }
    if (!view->sender) return WEFT_DROP_not_local;
    return next_hop->resolved ? WEFT_DROP_none : WEFT_DROP_next_hop_unresolved;
}

/* One hop fewer. weft_way_out() has seen that more than one was left. */
WEFT_INLINE void weft_decrement_ttl(uint8_t* l3, int family) {
    if (family == 6) {
        --l3[7];
        return;
    }
    /* The changed word is computed and not read again: a load of two bytes would wait for the store of one. */
    const uint16_t before = weft_load_be16(l3 + 8);
    --l3[8];
    weft_checksum_replace(l3 + 10, before, (uint16_t)(before - 0x100));
}

/* May an ICMP error speak about this packet (RFC 1122 section 3.2.2)? Towards another host only with a way back that
 * was checked. */
WEFT_INLINE int weft_may_speak_about(const struct weft_view* view, const struct weft_ip* ip,
                                     const struct weft_path* path) {
    if (ip->fragment == WEFT_FRAGMENT_LATER || weft_is_icmp_error(ip)) return 0;
    return view->sender || (path->back && path->back->kind == WEFT_NEXT_HOP_VTEP && path->back->resolved);
}
