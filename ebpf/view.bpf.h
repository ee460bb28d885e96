/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* weft_view: what pipeline/decision.h and pipeline/admit.h ask of the maps. */
#pragma once

#include <linux/errno.h>

#include "ebpf/maps.bpf.h"

struct weft_view {
    __u32 epoch;
    __u32 now_s;
    const struct weft_endpoint* sender;
};

#include "dataplane/pipeline/forward.h" /* knows what a view has */

WEFT_INLINE const struct weft_endpoint* weft_endpoint_of_port(__u32 port) {
    const struct weft_endpoint* const found = bpf_map_lookup_elem(&endpoints, &port);
    return found && weft_endpoint_exists(found) ? found : 0;
}

WEFT_STAGE void weft_look_route_up(__u32 vni, const struct weft_address* address, struct weft_route_value* route) {
    const struct weft_host_route_key host = weft_host_route_key_of(vni, address);
    const struct weft_route_value* found = bpf_map_lookup_elem(&host_routes, &host);
    if (!found) {
        const struct weft_prefix_route_key prefix = weft_prefix_route_key_of(vni, address, 128);
        found = bpf_map_lookup_elem(&prefix_routes, &prefix);
    }
    const struct weft_route_value none = {0, 0};
    *route = found ? *found : none;
}

static inline struct weft_route_value weft_find_route(const struct weft_view* view, uint32_t vni,
                                                      const struct weft_address* address) {
    (void)view;
    struct weft_route_value route;
    weft_look_route_up(vni, address, &route);
    return route;
}

static inline const struct weft_next_hop* weft_find_next_hop(const struct weft_view* view, uint32_t id) {
    (void)view;
    const struct weft_next_hop* const found = bpf_map_lookup_elem(&next_hops, &id);
    return found && weft_next_hop_exists(found) ? found : 0;
}

static inline const struct weft_endpoint* weft_find_endpoint(const struct weft_view* view, uint32_t port) {
    (void)view;
    return weft_endpoint_of_port(port);
}

static inline uint64_t weft_find_verdicts(const struct weft_view* view, const struct weft_policy_key* key) {
    (void)view;
    const struct weft_policy_list* const found = bpf_map_lookup_elem(&policies, key);
    return found ? found->list : 0;
}

static inline const struct weft_verdict_block* weft_find_verdict_block(const struct weft_view* view, uint64_t list,
                                                                       uint32_t block) {
    (void)view;
    const struct weft_verdict_key key = weft_verdict_key_of(list, block);
    return bpf_map_lookup_elem(&verdicts, &key);
}

static inline int weft_find_session(const struct weft_view* view, const struct weft_session_key* key,
                                    struct weft_session_value* session) {
    (void)view;
    const struct weft_session_value* const found = bpf_map_lookup_elem(&sessions, key);
    if (!found) return 0;
    *session = *found;
    return 1;
}

static inline struct weft_account weft_read_account(const struct weft_view* view, uint32_t account) {
    (void)view;
    const struct weft_account none = {0, 0};
    const volatile struct weft_account* const found = bpf_map_lookup_elem(&accounts, &account);
    if (!found) return none;
    const struct weft_account held = {found->sessions, found->half_open};
    return held;
}

/* Who fills the tables has put the table's part where nothing was asked for. */
static inline struct weft_quota weft_read_quota(const struct weft_view* view) {
    (void)view;
    const __u32 zero = 0;
    const struct weft_host* const now = bpf_map_lookup_elem(&host, &zero);
    return weft_quota_of(now ? now->session_quota : 0, 0);
}

/* `sessions` more, and `half_open` more of these. */
WEFT_INLINE void weft_count_sessions(__u32 account, __s32 sessions, __s32 half_open) {
    struct weft_account* const counts = bpf_map_lookup_elem(&accounts, &account);
    if (!counts) return;
    if (sessions) __sync_fetch_and_add(&counts->sessions, sessions);
    if (half_open) __sync_fetch_and_add(&counts->half_open, half_open);
}

/* In the place of another, or of one that another CPU opened just now. */
WEFT_STAGE int weft_replace_session(const struct weft_session_key* key, const struct weft_session_value* session) {
    const struct weft_session_value* const before = bpf_map_lookup_elem(&sessions, key);
    if (!before) return bpf_map_update_elem(&sessions, key, session, BPF_NOEXIST) == 0; /* swept just now */
    const __u32 account = before->account;
    const int half_open = weft_session_is_half_open(key, before);
    if (bpf_map_update_elem(&sessions, key, session, BPF_EXIST) != 0) return 0;
    weft_count_sessions(account, -1, half_open ? -1 : 0);
    return 1;
}

/* The books are right as long as no other CPU replaces or changes the same session meanwhile; then one may count too
 * much, which the sweep of the sessions puts right. */
static inline int weft_open_session(const struct weft_view* view, const struct weft_session_key* key,
                                    const struct weft_session_value* session) {
    (void)view;
    const long failed = bpf_map_update_elem(&sessions, key, session, BPF_NOEXIST);
    if (failed && (failed != -EEXIST || !weft_replace_session(key, session))) return 0;
    weft_count_sessions(session->account, 1, weft_session_is_half_open(key, session));
    return 1;
}

/* Replaced as a whole, never written in place: the kernel may have given the entry's memory to another session. */
static inline void weft_update_session(const struct weft_view* view, const struct weft_packet* packet,
                                       const struct weft_session_value* session, int was_half_open) {
    (void)view;
    if (bpf_map_update_elem(&sessions, &packet->key, session, BPF_EXIST) != 0) return;
    if (was_half_open && !weft_session_is_half_open(&packet->key, session))
        weft_count_sessions(session->account, 0, -1);
}

static inline struct weft_rule_hits* weft_hits_of_rule(const struct weft_view* view, uint32_t rule) {
    (void)view;
    struct weft_rule_hits* hits = bpf_map_lookup_elem(&rule_hits, &rule);
    if (hits) return hits;
    const struct weft_rule_hits none = {0, 0, 0};
    /* Another CPU may have been first. */
    (void)bpf_map_update_elem(&rule_hits, &rule, &none, BPF_NOEXIST);
    return bpf_map_lookup_elem(&rule_hits, &rule);
}

/* Of a trace's business alone: trace.bpf.h. */
WEFT_INLINE void weft_trace_decided(__u32 decided, __u32 audited_rule);

static inline void weft_note_decision(const struct weft_view* view, uint32_t decided, uint32_t audited_rule) {
    (void)view;
    weft_trace_decided(decided, audited_rule);
}
