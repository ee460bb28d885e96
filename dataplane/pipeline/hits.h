/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Hits: what the rules of policy come to, by their numbers. A decision counts once it has an effect: a session was
 * opened, or the packet is dropped for it; admit.h says when. Each fast path keeps the counts where it can. */
#pragma once

#include "dataplane/pipeline/decision.h"

enum weft_hit { WEFT_HIT_CONNECTION = 0, WEFT_HIT_DENIED = 1, WEFT_HIT_AUDITED = 2 };

/* One more for the rule, if there is room to count it. Rule 0 is none. */
static inline void weft_count_hit(const struct weft_view* view, uint32_t rule, enum weft_hit hit);
/* For who traces the packet: what was decided (enum weft_decided), and which audited rule differs. */
static inline void weft_note_decision(const struct weft_view* view, uint32_t decided, uint32_t audited_rule);

/* What was said at one end. */
WEFT_INLINE void weft_count_end(const struct weft_view* view, const struct weft_policy_value* end, int denied) {
    /* A connection is allowed when both of its ends do. */
    const int counts = !denied || weft_policy_denies(*end);
    weft_count_hit(view, counts ? end->rule : 0, denied ? WEFT_HIT_DENIED : WEFT_HIT_CONNECTION);
    weft_count_hit(view, end->audited_rule, WEFT_HIT_AUDITED);
}

WEFT_INLINE void weft_add_hit(struct weft_rule_hits* hits, enum weft_hit hit) {
    hits->connections += hit == WEFT_HIT_CONNECTION;
    hits->denied += hit == WEFT_HIT_DENIED;
    hits->audited += hit == WEFT_HIT_AUDITED;
}

/* Of a decision that has opened a session, or denied the packet. */
WEFT_INLINE void weft_count_decision(const struct weft_view* view, const struct weft_decision* decision) {
    const int denied = weft_is_denied(decision->reason);
    const uint32_t audited_rule = weft_decision_audited_rule(decision);
    weft_count_end(view, &decision->egress, denied);
    weft_count_end(view, &decision->ingress, denied);
    uint32_t decided = denied ? WEFT_DECIDED_DENIED : WEFT_DECIDED_ALLOWED;
    if (audited_rule != 0) decided |= WEFT_DECIDED_AUDITED;
    weft_note_decision(view, decided, audited_rule);
}
