/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Hits: what the rules of policy come to, by their numbers. A decision counts once it has an effect: a session was
 * opened, or the packet is dropped for it; admit.h says when. Each fast path keeps the counts where it can. */
#pragma once

#include "dataplane/pipeline/decision.h"

/* Where this rule's hits are counted, by whom else no one counts at this moment. Null: there is no room. */
static inline struct weft_rule_hits* weft_hits_of_rule(const struct weft_view* view, uint32_t rule);
/* For who traces the packet: what was decided (enum weft_decided), and which audited rule differs. */
static inline void weft_note_decision(const struct weft_view* view, uint32_t decided, uint32_t audited_rule);

/* What was said at one end. */
WEFT_INLINE void weft_count_end(const struct weft_view* view, const struct weft_policy_value* end, int denied) {
    /* A connection is allowed when both of its ends do. */
    const int counts = end->rule != 0 && (!denied || weft_policy_denies(*end));
    struct weft_rule_hits* hits = counts ? weft_hits_of_rule(view, end->rule) : 0;
    if (hits && denied) hits->denied++;
    if (hits && !denied) hits->connections++;
    hits = end->audited_rule != 0 ? weft_hits_of_rule(view, end->audited_rule) : 0;
    if (hits) hits->audited++;
}

/* Of a decision that has opened a session, or denied the packet. */
WEFT_STAGE void weft_count_decision(const struct weft_view* view, const struct weft_decision* decision) {
    const int denied = weft_is_denied(decision->reason);
    const uint32_t audited_rule = weft_decision_audited_rule(decision);
    weft_count_end(view, &decision->egress, denied);
    weft_count_end(view, &decision->ingress, denied);
    uint32_t decided = denied ? WEFT_DECIDED_DENIED : WEFT_DECIDED_ALLOWED;
    if (audited_rule != 0) decided |= WEFT_DECIDED_AUDITED;
    weft_note_decision(view, decided, audited_rule);
}
