/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The sessions that a CPU has found lately, so that of a train of packets only the first of each second asks the
 * table of sessions, which costs more than all else that a program looks up.
 *
 * A copy may be older than the table's entry. It is used only where that cannot matter: for a packet that changes
 * nothing about the session (established, or still without an answer and the packet its initiator's), in the very
 * second in which this CPU saw the entry (so that its age is no reason to delete it), and in the epoch of the tables
 * that decided it. Who takes sessions away by command moves the epoch. */
#pragma once

#include "ebpf/scratch.bpf.h"

enum { WEFT_RECENT_SESSIONS = 512 };

struct weft_recent_session {
    struct weft_session_key key;
    struct weft_session_value value;
};

WEFT_MAP(BPF_MAP_TYPE_PERCPU_ARRAY, 0, __u32, struct weft_recent_session, WEFT_RECENT_SESSIONS, recent_sessions);

/* Whoever makes keys that share a place makes packets dearer, and nothing worse. With the seed it takes luck. */
WEFT_INLINE struct weft_recent_session* weft_recent_place(const struct weft_packet* packet) {
    const struct weft_session_key* const key = &packet->key;
    const __u64 addresses = key->low.halves[1] + (key->high.halves[1] << 7 | key->high.halves[1] >> 57);
    const __u64 ports = (__u64)key->low_port << 48 ^ (__u64)key->high_port << 32 ^ key->vni_protocol;
    const __u32 place = (addresses ^ ports) * (hash_seed | 1) >> 32 & (WEFT_RECENT_SESSIONS - 1);
    return bpf_map_lookup_elem(&recent_sessions, &place);
}

WEFT_INLINE int weft_key_equal(const struct weft_session_key* a, const struct weft_session_key* b) {
    return weft_address_equal(&a->low, &b->low) && weft_address_equal(&a->high, &b->high) &&
           a->low_port == b->low_port && a->high_port == b->high_port && a->vni_protocol == b->vni_protocol;
}

WEFT_INLINE int weft_may_be_recent(const struct weft_view* view, const struct weft_packet* packet,
                                   const struct weft_session_value* session) {
    const int from_initiator = weft_session_initiator_is_low(session) == (packet->from_low != 0);
    const int unanswered = session->state == WEFT_SESSION_NEW && (session->flags & WEFT_SESSION_ANSWERED) == 0;
    return (session->state == WEFT_SESSION_ESTABLISHED || (unanswered && from_initiator)) &&
           session->last_seen_s == view->now_s && session->epoch == view->epoch &&
           (packet->ip.tcp_flags & (WEFT_TCP_SYN | WEFT_TCP_FIN | WEFT_TCP_RST)) == 0;
}

/* Copies the packet's session, if the CPU has it. */
WEFT_INLINE int weft_find_recent(const struct weft_view* view, const struct weft_packet* packet,
                                 struct weft_session_value* session) {
    const struct weft_recent_session* const recent = weft_recent_place(packet);
    if (!recent || !weft_may_be_recent(view, packet, &recent->value) || !weft_key_equal(&recent->key, &packet->key))
        return 0;
    *session = recent->value;
    return 1;
}

/* Keeps what the table has of a packet that was admitted. */
WEFT_INLINE void weft_keep_recent(const struct weft_view* view, const struct weft_packet* packet,
                                  const struct weft_session_value* session) {
    struct weft_recent_session* const recent = weft_recent_place(packet);
    if (!recent || !weft_may_be_recent(view, packet, session)) return;
    /* Nor do those that nobody answers push out those that are: a scan would empty the table. */
    if (session->state == WEFT_SESSION_NEW && recent->value.state == WEFT_SESSION_ESTABLISHED &&
        recent->value.last_seen_s == view->now_s)
        return;
    recent->key = packet->key;
    recent->value = *session;
}
