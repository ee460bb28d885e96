/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The decision about a connection's first packet: routes of both ends, then policy of each end that lives on this
 * host (S6 of stages.md). admit.h calls it on a miss or after the tables changed; `weft explain` calls it and tells
 * why.
 *
 * Lookups are the backend's: each defines struct weft_view, what its tables look like at this moment, and the five
 * functions below. */
#pragma once

#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/parse.h"
#include "dataplane/pipeline/policy.h"

struct weft_view;

/* Longest match of the address in the network. */
static inline struct weft_route_value weft_find_route(const struct weft_view* view, uint32_t vni,
                                                      const struct weft_address* address);
/* Null: there is none. */
static inline const struct weft_next_hop* weft_find_next_hop(const struct weft_view* view, uint32_t id);
static inline const struct weft_endpoint* weft_find_endpoint(const struct weft_view* view, uint32_t port);
/* The list of verdicts under this key, by whatever the backend calls it; 0: there is none. It is there as long as the
 * packet is. */
static inline uint64_t weft_find_verdicts(const struct weft_view* view, const struct weft_policy_key* key);
/* Block 1 to `blocks` of a list that was found. Null: it is damaged. */
static inline const struct weft_verdict_block* weft_find_verdict_block(const struct weft_view* view, uint64_t list,
                                                                       uint32_t block);

/* What a packet claims: ends and upper layer. Ports in network order. */
struct weft_flow {
    struct weft_address source;
    struct weft_address destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint32_t protocol;
};

WEFT_INLINE struct weft_flow weft_flow_of(const struct weft_ip* ip, int reversed) {
    struct weft_flow flow;
    flow.source = reversed ? ip->destination : ip->source;
    flow.destination = reversed ? ip->source : ip->destination;
    flow.source_port = reversed ? ip->destination_port : ip->source_port;
    flow.destination_port = reversed ? ip->source_port : ip->destination_port;
    flow.protocol = ip->protocol;
    return flow;
}

struct weft_decision {
    struct weft_route_value source;
    struct weft_route_value destination;
    struct weft_policy_value egress;  /* asked only when the source lives here */
    struct weft_policy_value ingress; /* asked only when the destination lives here */
    enum weft_drop_reason reason;
};

/* The rule that denied, or that allowed last; 0: none. */
WEFT_INLINE uint32_t weft_decision_rule(const struct weft_decision* decision) {
    const int is_egress = decision->reason == WEFT_DROP_egress_policy ||
                          (decision->reason != WEFT_DROP_ingress_policy && decision->ingress.rule == 0);
    return is_egress ? decision->egress.rule : decision->ingress.rule;
}

/* Did policy refuse it? */
WEFT_INLINE int weft_is_denied(enum weft_drop_reason reason) {
    return reason == WEFT_DROP_egress_policy || reason == WEFT_DROP_ingress_policy;
}

/* The audited rule that would have decided otherwise at one end; 0: there is none. */
WEFT_INLINE uint32_t weft_decision_audited_rule(const struct weft_decision* decision) {
    return decision->ingress.audited_rule != 0 ? decision->ingress.audited_rule : decision->egress.audited_rule;
}

/* The block of the list in which protocol and port lie; null: it is damaged. */
WEFT_INLINE const struct weft_verdict_block* weft_search_verdicts(const struct weft_view* view, uint64_t list,
                                                                  uint32_t protocol_port) {
    const struct weft_verdict_block* const first = weft_find_verdict_block(view, list, 1);
    if (!first || first->blocks == 1) return first;
    uint32_t low = 1;
    uint32_t high = first->blocks;
    for (int step = 0; step < WEFT_VERDICT_STEPS && low < high; step++) {
        const uint32_t middle = (low + high + 1) / 2;
        const struct weft_verdict_block* const block = weft_find_verdict_block(view, list, middle);
        if (!block) return 0;
        if (block->ranges[0].first <= protocol_port)
            low = middle;
        else
            high = middle - 1;
    }
    return weft_find_verdict_block(view, list, low);
}

/* What policy says of a packet between an identity of this host and its peer. */
WEFT_STAGE void weft_ask_policy(const struct weft_view* view, const struct weft_policy_key* key,
                                uint32_t protocol_port, struct weft_policy_value* value) {
    value->verdict = WEFT_ALLOW;
    value->rule = 0;
    value->audited_rule = 0;
    uint64_t list = weft_find_verdicts(view, key);
    if (!list) {
        struct weft_policy_key anybody = *key;
        anybody.peer_identity = WEFT_IDENTITY_ANY;
        list = weft_find_verdicts(view, &anybody);
        /* Who shall not be as anybody gets an entry before anybody's changes: perhaps just now. */
        const uint64_t own = weft_find_verdicts(view, key);
        if (own) list = own;
    }
    if (!list) return;
    const struct weft_verdict_block* const block = weft_search_verdicts(view, list, protocol_port);
    if (block)
        *value = weft_verdict_in(block, protocol_port);
    else
        value->verdict = WEFT_DENY;
}

/* `sender`: the endpoint that the packet came from, if it is the flow's source and lives here. */
WEFT_INLINE enum weft_drop_reason weft_decide(const struct weft_view* view, uint32_t vni,
                                              const struct weft_flow* flow, const struct weft_endpoint* sender,
                                              struct weft_decision* decision) {
    __builtin_memset(decision, 0, sizeof *decision);
    decision->destination = weft_find_route(view, vni, &flow->destination);
    decision->source = weft_find_route(view, vni, &flow->source);
    const struct weft_next_hop* const to = weft_find_next_hop(view, decision->destination.next_hop);
    const struct weft_next_hop* const from = weft_find_next_hop(view, decision->source.next_hop);
    if (!to) decision->destination.identity = WEFT_IDENTITY_UNKNOWN;
    if (!from) decision->source.identity = WEFT_IDENTITY_UNKNOWN;
    if (!to) return decision->reason = WEFT_DROP_no_route;
    if (to->kind == WEFT_NEXT_HOP_DROP) return decision->reason = WEFT_DROP_blackhole;
    /* Who somebody is now, policy does not know. */
    if (decision->source.identity == WEFT_IDENTITY_ANY || decision->destination.identity == WEFT_IDENTITY_ANY)
        return decision->reason = WEFT_DROP_endpoint_not_ready;
    /* An endpoint comes before its routes and goes behind them: without them its neighbours would take it for
     * another. */
    if (sender && (!from || from->kind != WEFT_NEXT_HOP_LOCAL || from->port != sender->port))
        return decision->reason = WEFT_DROP_endpoint_not_ready;
    if (!sender && from && from->kind == WEFT_NEXT_HOP_LOCAL) {
        sender = weft_find_endpoint(view, from->port);
        if (!sender) return decision->reason = WEFT_DROP_endpoint_not_ready;
    }
    const uint32_t port = flow->protocol == WEFT_PROTO_ICMP || flow->protocol == WEFT_PROTO_ICMPV6
                              ? 0
                              : __builtin_bswap16(flow->destination_port);
    const uint32_t protocol_port = flow->protocol << 16 | port;
    /* The local side of a key is who the endpoint is; the peer's is what the FIB says. */
    if (sender) {
        const uint32_t identity = weft_identity_of(sender);
        if (identity == WEFT_IDENTITY_ANY) return decision->reason = WEFT_DROP_endpoint_not_ready;
        const struct weft_policy_key key = weft_policy_key_of(WEFT_EGRESS, identity, decision->destination.identity);
        weft_ask_policy(view, &key, protocol_port, &decision->egress);
        if (weft_policy_denies(decision->egress)) return decision->reason = WEFT_DROP_egress_policy;
    }
    if (to->kind == WEFT_NEXT_HOP_LOCAL) {
        const uint32_t identity = weft_identity_of(weft_find_endpoint(view, to->port));
        if (identity == WEFT_IDENTITY_ANY) return decision->reason = WEFT_DROP_endpoint_not_ready;
        const struct weft_policy_key key = weft_policy_key_of(WEFT_INGRESS, identity, decision->source.identity);
        weft_ask_policy(view, &key, protocol_port, &decision->ingress);
        if (weft_policy_denies(decision->ingress)) return decision->reason = WEFT_DROP_ingress_policy;
    }
    return WEFT_DROP_none;
}
