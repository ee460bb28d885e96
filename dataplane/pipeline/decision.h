/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The decision about a connection's first packet: routes of both ends, then policy of each end that lives on this
 * host (S6 of stages.md). admit.h calls it on a miss or after the tables changed; `weft explain` calls it and tells
 * why.
 *
 * Lookups are the backend's: each defines struct weft_view, what its tables look like at this moment, and the four
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
/* Of the entries for this packet, the one that decides: weft_policy_stronger() of all weft_policy_probe()s. */
static inline struct weft_policy_value weft_find_policy(const struct weft_view* view, enum weft_direction direction,
                                                        uint32_t local, uint32_t peer, uint32_t protocol_port);

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

/* The rule that denied, or that allowed last; 0: none was needed. */
WEFT_INLINE uint32_t weft_decision_rule(const struct weft_decision* decision) {
    return decision->reason == WEFT_DROP_egress_policy || decision->ingress.rule == 0 ? decision->egress.rule
                                                                                      : decision->ingress.rule;
}

/* Did policy refuse it? */
WEFT_INLINE int weft_is_denied(enum weft_drop_reason reason) {
    return reason == WEFT_DROP_egress_policy || reason == WEFT_DROP_ingress_policy;
}

/* `sender`: the endpoint that the packet came from, if it is the flow's source and lives here; its egress policy is
 * asked even while no route leads to it. */
WEFT_STAGE enum weft_drop_reason weft_decide(const struct weft_view* view, uint32_t vni, const struct weft_flow* flow,
                                             const struct weft_endpoint* sender, struct weft_decision* decision) {
    __builtin_memset(decision, 0, sizeof *decision);
    decision->destination = weft_find_route(view, vni, &flow->destination);
    decision->source = weft_find_route(view, vni, &flow->source);
    const struct weft_next_hop* const to = weft_find_next_hop(view, decision->destination.next_hop);
    if (!to) return decision->reason = WEFT_DROP_no_route;
    if (to->kind == WEFT_NEXT_HOP_DROP) return decision->reason = WEFT_DROP_blackhole;
    const struct weft_next_hop* const from = weft_find_next_hop(view, decision->source.next_hop);
    if (!sender && from && from->kind == WEFT_NEXT_HOP_LOCAL) {
        sender = weft_find_endpoint(view, from->port);
        if (!sender) return decision->reason = WEFT_DROP_endpoint_not_ready;
    }
    const uint32_t port = flow->protocol == WEFT_PROTO_ICMP || flow->protocol == WEFT_PROTO_ICMPV6
                              ? 0
                              : __builtin_bswap16(flow->destination_port);
    const uint32_t protocol_port = flow->protocol << 16 | port;
    /* The local side of an entry is who the endpoint is; the peer's is what the FIB says. */
    if (sender) {
        decision->egress =
            weft_find_policy(view, WEFT_EGRESS, sender->identity, decision->destination.identity, protocol_port);
        if (weft_policy_denies(decision->egress)) return decision->reason = WEFT_DROP_egress_policy;
    }
    if (to->kind == WEFT_NEXT_HOP_LOCAL) {
        const struct weft_endpoint* const receiver = weft_find_endpoint(view, to->port);
        if (!receiver) return decision->reason = WEFT_DROP_endpoint_not_ready;
        const uint32_t peer = from ? decision->source.identity : (uint32_t)WEFT_IDENTITY_WORLD;
        decision->ingress = weft_find_policy(view, WEFT_INGRESS, receiver->identity, peer, protocol_port);
        if (weft_policy_denies(decision->ingress)) return decision->reason = WEFT_DROP_ingress_policy;
    }
    return WEFT_DROP_none;
}
