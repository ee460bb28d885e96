/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Sessions and who may pass: stages S2 to S7 of stages.md. The backend looks the packet's own session up and calls
 * weft_admit(); what comes back is the way on, or why there is none.
 *
 * struct weft_view, which each backend defines before it includes this, has at least these members:
 *   uint32_t epoch, now_s;              read before any table
 *   const struct weft_endpoint* sender; that the packet came from; null: it came from the underlay */
#pragma once

#include "dataplane/pipeline/account.h"
#include "dataplane/pipeline/hits.h"
#include "dataplane/pipeline/session.h"

/* What the stages know about one packet. */
struct weft_packet {
    struct weft_ip ip;
    struct weft_session_key key;      /* of a later fragment its train's */
    struct weft_address outer_source; /* from the underlay only */
    uint64_t hash;                    /* of the key, where the backend has a use for it */
    uint32_t vni;
    uint32_t from_low;
};

/* The two ends of a packet's way. Null: no route. */
struct weft_path {
    const struct weft_next_hop* forward;
    const struct weft_next_hop* back; /* of packets from the underlay, whose sender it proves */
};

/* The session of a key, and whether there is one in the table; it may be over. */
static inline int weft_find_session(const struct weft_view* view, const struct weft_session_key* key,
                                    struct weft_session_value* session);
/* Adds or replaces a session, and keeps the accounts right. 0: the table is full. */
static inline int weft_open_session(const struct weft_view* view, const struct weft_session_key* key,
                                    const struct weft_session_value* session);
/* Changes a session, if it is still there; the same account goes on. `was_half_open`: before this packet. */
static inline void weft_update_session(const struct weft_view* view, const struct weft_packet* packet,
                                       const struct weft_session_value* session, int was_half_open);
/* Has the account room for what a session needs (account.h)? */
static inline enum weft_drop_reason weft_ask_account(const struct weft_view* view, uint32_t account, uint32_t needs);
/* weft_decide(), called as the backend likes it best. */
static enum weft_drop_reason weft_decide_flow(const struct weft_view* view, uint32_t vni,
                                              const struct weft_flow* flow, const struct weft_endpoint* sender,
                                              struct weft_decision* decision);

WEFT_INLINE void weft_packet_key(struct weft_packet* packet) {
    packet->from_low = (uint32_t)weft_session_key_of(&packet->ip, packet->vni, &packet->key);
    if (packet->ip.fragment == WEFT_FRAGMENT_LATER) packet->key = weft_fragment_key(&packet->ip, &packet->key);
}

/* The sweep comes by every few seconds; a session ends on time. Most were seen in this very second. */
WEFT_INLINE int weft_session_is_live(const struct weft_view* view, const struct weft_session_key* key,
                                     const struct weft_session_value* session) {
    return session->last_seen_s == view->now_s ||
           !weft_session_is_over(session, key->vni_protocol & 0xff, view->now_s);
}

/* S7. From the underlay, the sender must be the VTEP that the source is routed to, and the destination must live
 * here. */
WEFT_INLINE int weft_is_sender(const struct weft_next_hop* next_hop, const struct weft_packet* packet) {
    return next_hop && next_hop->kind == WEFT_NEXT_HOP_VTEP &&
           weft_address_equal(&next_hop->remote, &packet->outer_source);
}

WEFT_INLINE enum weft_drop_reason weft_check_ends(const struct weft_view* view, const struct weft_packet* packet,
                                                  struct weft_path* path) {
    if (view->sender) return path->forward ? WEFT_DROP_none : WEFT_DROP_no_route;
    if (!weft_is_sender(path->back, packet)) {
        path->back = weft_find_next_hop(view, weft_find_route(view, packet->vni, &packet->ip.source).next_hop);
        if (!weft_is_sender(path->back, packet)) return WEFT_DROP_wrong_vtep;
    }
    return path->forward && path->forward->kind == WEFT_NEXT_HOP_LOCAL ? WEFT_DROP_none : WEFT_DROP_not_local;
}

/* Has the session's account room for it? `old`: what the table has under the key; null: nothing. */
WEFT_INLINE enum weft_drop_reason weft_ask_quota(const struct weft_view* view, const struct weft_session_key* key,
                                                 const struct weft_session_value* session,
                                                 const struct weft_session_value* old) {
    return weft_ask_account(view, session->account, weft_needs_of(key, session, old));
}

/* The first fragment's verdict, for those that follow it. A full table or account shows at the next fragment, as
 * fragment_without_first. */
WEFT_STAGE void weft_remember_train(const struct weft_view* view, const struct weft_packet* packet,
                                    const struct weft_session_value* session) {
    const struct weft_session_key key = weft_fragment_key(&packet->ip, &packet->key);
    struct weft_session_value train = *session;
    train.state = WEFT_SESSION_NEW;
    if (weft_ask_quota(view, &key, &train, 0) == WEFT_DROP_none) (void)weft_open_session(view, &key, &train);
}

WEFT_INLINE void weft_set_route_of_session(struct weft_session_value* session, int initiator_low,
                                           const struct weft_decision* decision, uint32_t epoch) {
    const uint32_t source = decision->source.next_hop;
    const uint32_t destination = decision->destination.next_hop;
    session->next_hop[0] = initiator_low ? source : destination;
    session->next_hop[1] = initiator_low ? destination : source;
    session->rule = weft_decision_rule(decision);
    session->epoch = epoch;
}

/* State and flags after this packet; returns whether they changed. */
WEFT_INLINE int weft_advance_session(struct weft_session_value* session, const struct weft_packet* packet) {
    const uint32_t after = weft_session_advance(session->state, session->flags, packet->ip.protocol,
                                                packet->ip.tcp_flags, (int)packet->from_low);
    if (after == (session->state | (uint32_t)session->flags << 8)) return 0;
    session->state = (uint8_t)after;
    session->flags = (uint8_t)(after >> 8);
    return 1;
}

/* The decision of a session that older tables made, anew; unless policy refuses it, the session takes it over. */
WEFT_STAGE enum weft_drop_reason weft_decide_again(const struct weft_view* view, const struct weft_packet* packet,
                                                   struct weft_session_value* session) {
    const int initiator_low = weft_session_initiator_is_low(session);
    const int from_initiator = (initiator_low != 0) == (packet->from_low != 0);
    const struct weft_flow flow = weft_flow_of(&packet->ip, !from_initiator);
    struct weft_decision decision;
    const enum weft_drop_reason reason =
        weft_decide_flow(view, packet->vni, &flow, from_initiator ? view->sender : 0, &decision);
    if (weft_is_denied(reason))
        weft_count_decision(view, &decision);
    else
        weft_set_route_of_session(session, initiator_low, &decision, view->epoch);
    return reason;
}

/* S3. */
WEFT_INLINE enum weft_drop_reason weft_admit_known(const struct weft_view* view, const struct weft_packet* packet,
                                                   struct weft_session_value* session, struct weft_path* path) {
    const int from_low = packet->from_low != 0;
    int changed = session->last_seen_s != view->now_s;
    enum weft_drop_reason reason = WEFT_DROP_none;
    if (session->epoch != view->epoch) {
        reason = weft_decide_again(view, packet, session);
        /* It stays, and stays undecided: were it closed, the other end's next packet would open a session of its own,
         * of which this end's packets are the answers. */
        if (weft_is_denied(reason)) return reason;
        changed = 1;
    }
    path->forward = weft_find_next_hop(view, weft_session_next_hop(session, !from_low));
    if (!view->sender) path->back = weft_find_next_hop(view, weft_session_next_hop(session, from_low));
    const enum weft_drop_reason wrong = weft_check_ends(view, packet, path);
    if (wrong != WEFT_DROP_none) return wrong;
    if (reason != WEFT_DROP_none) return reason;
    const int was_half_open = weft_session_is_half_open(&packet->key, session);
    if (weft_advance_session(session, packet) || changed) {
        session->last_seen_s = view->now_s;
        weft_update_session(view, packet, session, was_half_open);
    }
    if (packet->ip.fragment == WEFT_FRAGMENT_FIRST) weft_remember_train(view, packet, session);
    return WEFT_DROP_none;
}

/* S4. The first fragment's verdict holds for the whole packet, which has no other ports to be asked about; its way
 * does not. */
WEFT_STAGE enum weft_drop_reason weft_admit_later_fragment(const struct weft_view* view,
                                                           const struct weft_packet* packet,
                                                           const struct weft_session_value* train,
                                                           struct weft_path* path) {
    const int from_low = packet->from_low != 0;
    uint32_t forward = weft_session_next_hop(train, !from_low);
    uint32_t back = weft_session_next_hop(train, from_low);
    if (train->epoch != view->epoch) {
        forward = weft_find_route(view, packet->vni, &packet->ip.destination).next_hop;
        back = weft_find_route(view, packet->vni, &packet->ip.source).next_hop;
    }
    path->forward = weft_find_next_hop(view, forward);
    path->back = weft_find_next_hop(view, back);
    return weft_check_ends(view, packet, path);
}

/* S5. The packet that the error is about went the other way, and so stands in the table under its own key. */
WEFT_STAGE enum weft_drop_reason weft_admit_icmp_error(const struct weft_view* view, const struct weft_packet* packet,
                                                       const struct weft_ip* about, struct weft_path* path) {
    if (!weft_address_equal(&about->source, &packet->ip.destination)) return WEFT_DROP_icmp_error_unrelated;
    /* An endpoint is no router: it speaks of what was sent to itself. */
    if (view->sender && !weft_address_equal(&about->destination, &packet->ip.source))
        return WEFT_DROP_icmp_error_unrelated;
    struct weft_session_key key;
    struct weft_session_value session;
    const int about_from_low = weft_session_key_of(about, packet->vni, &key);
    if (about->fragment == WEFT_FRAGMENT_LATER) key = weft_fragment_key(about, &key);
    if (!weft_find_session(view, &key, &session) || !weft_session_is_live(view, &key, &session))
        return WEFT_DROP_icmp_error_unrelated;
    if (session.epoch != view->epoch && about->fragment != WEFT_FRAGMENT_LATER) {
        const int from_initiator = (weft_session_initiator_is_low(&session) != 0) == (about_from_low != 0);
        const struct weft_flow flow = weft_flow_of(about, !from_initiator);
        struct weft_decision decision;
        const enum weft_drop_reason reason = weft_decide_flow(view, packet->vni, &flow, 0, &decision);
        if (weft_is_denied(reason)) weft_count_decision(view, &decision);
        if (weft_is_denied(reason) || reason == WEFT_DROP_endpoint_not_ready) return reason;
    }
    path->forward = weft_find_next_hop(view, weft_session_next_hop(&session, about_from_low));
    /* Any router on the way may say it; the FIB knows the way back to the speaker. */
    path->back = weft_find_next_hop(view, weft_find_route(view, packet->vni, &packet->ip.source).next_hop);
    return weft_check_ends(view, packet, path);
}

/* Whom a session is counted to that this packet opens, once its ends are checked: its sender, if that lives here. */
WEFT_INLINE uint32_t weft_account_to_charge(const struct weft_view* view, const struct weft_path* path) {
    return view->sender ? weft_account_of(view->sender->port, WEFT_OPENED)
                        : weft_account_of(path->forward->port, WEFT_ACCEPTED);
}

/* S6. `old`: what the table has under the packet's key, which is over, or makes way; null: nothing. */
WEFT_STAGE enum weft_drop_reason weft_admit_new(const struct weft_view* view, const struct weft_packet* packet,
                                                const struct weft_session_value* old, struct weft_path* path) {
    const struct weft_flow flow = weft_flow_of(&packet->ip, 0);
    struct weft_decision decision;
    const enum weft_drop_reason reason = weft_decide_flow(view, packet->vni, &flow, view->sender, &decision);
    path->forward = weft_find_next_hop(view, decision.destination.next_hop);
    path->back = weft_find_next_hop(view, decision.source.next_hop);
    const enum weft_drop_reason wrong = weft_check_ends(view, packet, path);
    if (wrong != WEFT_DROP_none) return wrong;
    if (weft_is_denied(reason)) weft_count_decision(view, &decision);
    if (reason != WEFT_DROP_none) return reason;
    if (!weft_session_may_open(&packet->ip)) return WEFT_DROP_invalid_session_state;
    struct weft_session_value session = {0};
    session.last_seen_s = view->now_s;
    session.state = WEFT_SESSION_NEW;
    session.flags = packet->from_low ? WEFT_SESSION_INITIATOR_LOW : 0;
    weft_set_route_of_session(&session, (int)packet->from_low, &decision, view->epoch);
    session.account = (uint16_t)weft_account_to_charge(view, path);
    (void)weft_advance_session(&session, packet);
    const enum weft_drop_reason too_many = weft_ask_quota(view, &packet->key, &session, old);
    if (too_many != WEFT_DROP_none) return too_many;
    if (!weft_open_session(view, &packet->key, &session)) return WEFT_DROP_session_table_full;
    weft_count_decision(view, &decision);
    if (packet->ip.fragment == WEFT_FRAGMENT_FIRST) weft_remember_train(view, packet, &session);
    return WEFT_DROP_none;
}

/* S2. `frame` of `linear` and `length` bytes is the packet's, and `about` memory, for the packet inside an ICMP
 * error. `session`: what the table has under the packet's key; null: nothing. */
WEFT_INLINE enum weft_drop_reason weft_admit(const struct weft_view* view, const struct weft_packet* packet,
                                             const uint8_t* frame, uint32_t linear, uint32_t length,
                                             struct weft_ip* about, struct weft_session_value* session,
                                             struct weft_path* path) {
    const struct weft_ip* const ip = &packet->ip;
    const int found = session && weft_session_is_live(view, &packet->key, session);
    if (ip->fragment == WEFT_FRAGMENT_LATER)
        return found ? weft_admit_later_fragment(view, packet, session, path) : WEFT_DROP_fragment_without_first;
    if (found && !weft_session_begins_anew(session, ip, (int)packet->from_low))
        return weft_admit_known(view, packet, session, path);
    if (!weft_is_icmp_error(ip)) return weft_admit_new(view, packet, session, path);
    const enum weft_drop_reason damaged =
        weft_parse_ip(frame, linear, length, ip->l4_offset + (uint32_t)WEFT_ICMP_SIZE, ip->family, 0, about);
    return damaged != WEFT_DROP_none ? damaged : weft_admit_icmp_error(view, packet, about, path);
}
