/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The policy decision: which entries a packet can match, and which of those that exist decides. The lookup is each
 * fast path's. */
#pragma once

#include "dataplane/pipeline/types.h"
#include "dataplane/pipeline/wire.h"

enum weft_direction { WEFT_INGRESS = 1, WEFT_EGRESS = 2 };

enum weft_verdict { WEFT_VERDICT_NONE = 0, WEFT_ALLOW = 1, WEFT_DENY = 2 };

/* Zero in peer, protocol or port: any. Ports in host order. The last word is never zero. */
struct weft_policy_key {
    uint32_t local_identity;
    uint32_t peer_identity;
    uint32_t protocol_port;
    uint32_t direction;
};

struct weft_policy_value {
    uint32_t precedence_verdict; /* precedence << 2 | verdict: the greater decides, DENY before ALLOW at equal
                                    precedence; 0: no entry */
    uint32_t rule;
};

enum { WEFT_POLICY_PROBES = 6 };

/* The `probe`-th key, most specific first, under which an entry for this packet may stand. */
WEFT_INLINE struct weft_policy_key weft_policy_probe(int probe, enum weft_direction direction, uint32_t local,
                                                     uint32_t peer, uint32_t protocol, uint32_t port) {
    struct weft_policy_key key;
    const int width = probe % 3; /* 0: protocol and port, 1: protocol, 2: any */
    key.direction = (uint32_t)direction;
    key.local_identity = local;
    key.peer_identity = probe < 3 ? peer : 0;
    key.protocol_port = width == 2 ? 0 : protocol << 16 | (width == 0 ? port : 0);
    return key;
}

/* Of two entries that match, the one that decides. */
WEFT_INLINE struct weft_policy_value weft_policy_stronger(struct weft_policy_value a, struct weft_policy_value b) {
    return b.precedence_verdict > a.precedence_verdict ? b : a;
}

/* No entry at all: allowed. */
WEFT_INLINE int weft_policy_denies(struct weft_policy_value value) {
    return (value.precedence_verdict & 3) == WEFT_DENY;
}
