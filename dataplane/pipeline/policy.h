/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What policy says of one identity's packets to another. A pair of identities, or an identity and everybody else, has
 * a list of verdicts: ranges over protocol and destination port, the whole of them. Lists are never changed, and
 * pairs of whom policy says the same share one; a pair moves from one list to another by one write. decision.h asks
 * them. */
#pragma once

#include "dataplane/pipeline/types.h"
#include "dataplane/pipeline/wire.h"

enum weft_direction { WEFT_INGRESS = 1, WEFT_EGRESS = 2 };

enum weft_verdict { WEFT_VERDICT_NONE = 0, WEFT_ALLOW = 1, WEFT_DENY = 2 };

/* Which list. A peer of zero: all who have no list of their own with this local identity. */
struct weft_policy_key {
    uint32_t local_identity;
    uint32_t peer_identity;
    uint32_t direction; /* enum weft_direction; never zero */
};

WEFT_INLINE struct weft_policy_key weft_policy_key_of(enum weft_direction direction, uint32_t local, uint32_t peer) {
    struct weft_policy_key key;
    key.local_identity = local;
    key.peer_identity = peer;
    key.direction = (uint32_t)direction;
    return key;
}

/* What is said of a packet. No list at all: allowed, by no rule. */
struct weft_policy_value {
    uint32_t verdict;      /* enum weft_verdict */
    uint32_t rule;         /* that decided; 0: none */
    uint32_t audited_rule; /* that would have decided otherwise, were audited policies in force; 0: none */
};

/* What came of a decision. Of most packets nothing is decided: they belong to a connection that was decided about. */
enum weft_decided {
    WEFT_DECIDED_ALLOWED = 1, /* the packet opened a session */
    WEFT_DECIDED_DENIED = 2,
    WEFT_DECIDED_AUDITED = 4, /* beside one of these: it were another, were audited policies in force */
};

enum { WEFT_DECIDED_ANY = WEFT_DECIDED_ALLOWED | WEFT_DECIDED_DENIED | WEFT_DECIDED_AUDITED };

/* What one rule came to: hits.h. */
struct weft_rule_hits {
    uint64_t connections; /* that it allowed */
    uint64_t denied;      /* packets */
    uint64_t audited;     /* connections and denied packets that it would have decided otherwise, were it in force */
};

/* From `first` to where the next range begins. */
struct weft_verdict_range {
    uint32_t first; /* protocol << 16 | destination port, in host order; WEFT_NO_RANGE: none */
    struct weft_policy_value value;
};

enum { WEFT_BLOCK_RANGES = 7, WEFT_VERDICT_BLOCKS = 1024, WEFT_VERDICT_STEPS = 10 /* halve so many blocks to one */ };

#define WEFT_NO_RANGE 0xffffffffU

/* Ranges of a list, ascending, in blocks that count from 1. Of the last the rest is WEFT_NO_RANGE. */
struct weft_verdict_block {
    uint32_t blocks; /* of the whole list, at most WEFT_VERDICT_BLOCKS */
    uint32_t reserved[3];
    struct weft_verdict_range ranges[WEFT_BLOCK_RANGES];
};

WEFT_STATIC_ASSERT(sizeof(struct weft_verdict_block) == 128, "a block is two cache lines");

WEFT_INLINE uint32_t weft_at_or_after(uint32_t value, uint32_t first) {
    return (uint32_t)(1 -
                      (((uint64_t)value - first) >> 63)); /* without a branch: the verifier walks each way of one */
}

/* What the block says of protocol and port, which are not before its first range. */
WEFT_INLINE struct weft_policy_value weft_verdict_in(const struct weft_verdict_block* block, uint32_t protocol_port) {
    uint32_t at = 0;
    for (int i = 1; i < WEFT_BLOCK_RANGES; i++)
        at += weft_at_or_after(protocol_port, block->ranges[i].first);
    return block->ranges[at].value;
}

WEFT_INLINE int weft_policy_denies(struct weft_policy_value value) { return value.verdict == WEFT_DENY; }
