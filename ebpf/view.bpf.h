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

/* Functions that the kernel's verifier looks at once, by themselves, and not once for each way that leads to a call:
 * what they return, or leave in memory, is then unknown to it. They take no view, whose pointers would be lost. */
#define WEFT_ALONE __attribute__((noinline))

/* The compiler knows that it is small, and a drop counter's place (struct weft_drop_counts); the verifier must see
 * it, and go on with none apart from the others. */
WEFT_INLINE enum weft_drop_reason weft_reason_of(int returned) {
    __u64 reason = (__u64)returned;
    __asm__ volatile("%0 &= 63" : "+r"(reason));
    if (reason == 0) return WEFT_DROP_none;
    __asm__ volatile("" : "+r"(reason));
    return (enum weft_drop_reason)reason;
}

/* Who fills the tables has put the table's part where no quota was asked for. */
WEFT_ALONE int weft_ask_account_alone(__u32 account, __u32 needs) {
    const __u32 zero = 0;
    const struct weft_host* const now = bpf_map_lookup_elem(&host, &zero);
    const volatile struct weft_account* const found = bpf_map_lookup_elem(&accounts, &account);
    if (!now || !found) return WEFT_DROP_none;
    const struct weft_account held = {found->sessions, found->half_open};
    return weft_check_quota(held, weft_quota_of(now->session_quota, 0), needs);
}

static inline enum weft_drop_reason weft_ask_account(const struct weft_view* view, uint32_t account, uint32_t needs) {
    (void)view;
    return weft_reason_of(weft_ask_account_alone(account, needs));
}

/* `sessions` more, and `half_open` more of these. */
WEFT_INLINE void weft_count_sessions(__u32 account, __s32 sessions, __s32 half_open) {
    struct weft_account* const counts = bpf_map_lookup_elem(&accounts, &account);
    if (!counts) return;
    if (sessions) __sync_fetch_and_add(&counts->sessions, sessions);
    if (half_open) __sync_fetch_and_add(&counts->half_open, half_open);
}

/* In the place of another, or of one that another CPU opened just now. */
WEFT_INLINE int weft_replace_session(const struct weft_session_key* key, const struct weft_session_value* session) {
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
WEFT_ALONE int weft_open_session_alone(const struct weft_session_key* key, const struct weft_session_value* session) {
    if (!key || !session) return 0;
    const long failed = bpf_map_update_elem(&sessions, key, session, BPF_NOEXIST);
    if (failed && (failed != -EEXIST || !weft_replace_session(key, session))) return 0;
    weft_count_sessions(session->account, 1, weft_session_is_half_open(key, session));
    return 1;
}

static inline int weft_open_session(const struct weft_view* view, const struct weft_session_key* key,
                                    const struct weft_session_value* session) {
    (void)view;
    return weft_open_session_alone(key, session);
}

/* Replaced as a whole, never written in place: the kernel may have given the entry's memory to another session. */
WEFT_ALONE int weft_update_session_alone(const struct weft_session_key* key, const struct weft_session_value* session,
                                         __u32 was_half_open) {
    if (!key || !session) return 0;
    if (bpf_map_update_elem(&sessions, key, session, BPF_EXIST) != 0) return 0;
    if (was_half_open && !weft_session_is_half_open(key, session)) weft_count_sessions(session->account, 0, -1);
    return 0;
}

static inline void weft_update_session(const struct weft_view* view, const struct weft_packet* packet,
                                       const struct weft_session_value* session, int was_half_open) {
    (void)view;
    (void)weft_update_session_alone(&packet->key, session, (__u32)was_half_open);
}

WEFT_ALONE int weft_decide_alone(__u32 vni, const struct weft_flow* flow, const struct weft_endpoint* sender,
                                 struct weft_decision* decision) {
    if (!flow || !decision) return WEFT_DROP_no_route;
    return weft_decide(0, vni, flow, sender, decision);
}

static inline enum weft_drop_reason weft_decide_flow(const struct weft_view* view, uint32_t vni,
                                                     const struct weft_flow* flow, const struct weft_endpoint* sender,
                                                     struct weft_decision* decision) {
    (void)view;
    __builtin_memset(decision, 0, sizeof *decision); /* kernels before 6.3 want it to hold something */
    return weft_reason_of(weft_decide_alone(vni, flow, sender, decision));
}

WEFT_ALONE int weft_count_hit_alone(__u32 rule, __u32 hit) {
    if (rule == 0) return 0;
    struct weft_rule_hits* hits = bpf_map_lookup_elem(&rule_hits, &rule);
    if (!hits) {
        const struct weft_rule_hits none = {0, 0, 0};
        /* Another CPU may have been first. */
        (void)bpf_map_update_elem(&rule_hits, &rule, &none, BPF_NOEXIST);
        hits = bpf_map_lookup_elem(&rule_hits, &rule);
    }
    if (hits) weft_add_hit(hits, (enum weft_hit)hit);
    return 0;
}

static inline void weft_count_hit(const struct weft_view* view, uint32_t rule, enum weft_hit hit) {
    (void)view;
    (void)weft_count_hit_alone(rule, hit);
}

/* Of a trace's business alone: trace.bpf.h. */
WEFT_INLINE void weft_trace_decided(__u32 decided, __u32 audited_rule);

static inline void weft_note_decision(const struct weft_view* view, uint32_t decided, uint32_t audited_rule) {
    (void)view;
    weft_trace_decided(decided, audited_rule);
}
