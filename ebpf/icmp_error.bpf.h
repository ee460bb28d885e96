/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* ICMP errors (pipeline/icmp.h). A program cannot make a packet, so the one that could not be forwarded becomes the
 * error: cut to what is quoted, with new headers in front. */
#pragma once

#include "dataplane/pipeline/icmp.h"
#include "dataplane/pipeline/special_address.h"
#include "ebpf/send.bpf.h"
#include "ebpf/sum.bpf.h"

enum { WEFT_ICMP_ERRORS_PER_S = 1000 };

struct weft_icmp_budget {
    __u32 second;
    __u32 left;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct weft_icmp_budget);
} icmp_budgets SEC(".maps");

WEFT_INLINE int weft_may_send_icmp_error(__u32 now_s) {
    const __u32 zero = 0;
    struct weft_icmp_budget* const budget = bpf_map_lookup_elem(&icmp_budgets, &zero);
    if (!budget) return 0;
    if (budget->second != now_s) {
        budget->second = now_s;
        budget->left = WEFT_ICMP_ERRORS_PER_S;
    }
    if (budget->left == 0) return 0;
    budget->left--;
    return 1;
}

/* Turns the packet into the error and sends it. WEFT_SENT: it is on its way. Anything else: it could not be done. */
WEFT_STAGE int weft_turn_into_icmp_error(struct __sk_buff* skb, struct weft_scratch* scratch,
                                         const struct weft_view* view, const struct weft_path* path,
                                         const struct weft_icmp_error* error) {
    const struct weft_ip* const ip = &scratch->packet.ip;
    const struct weft_host* const host = weft_host_now();
    /* An endpoint hears its gateway; another host only believes an address that is routed to us, which the
     * destination's is. */
    const struct weft_address from = view->sender ? weft_gateway_address(ip->family) : ip->destination;
    const __u32 quoted = weft_icmp_quoted(ip);
    const __u32 l3 = WEFT_ETHERNET_SIZE;
    const __u32 size = ip->family == 4 ? WEFT_ICMP_HEADERS_V4 : WEFT_ICMP_HEADERS_V6;
    __u8* const frame = scratch->quoted;
    if (!host || !weft_decapsulate(skb, scratch) || bpf_skb_change_tail(skb, l3 + quoted, 0) != 0)
        return WEFT_DROP_no_buffer;
    const __u32 sum = weft_sum_packet(skb, l3, quoted);
    if (bpf_skb_adjust_room(skb, (int)size, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET) != 0)
        return WEFT_DROP_no_buffer;
    weft_write_icmp_error(frame + l3, ip, &from, error, quoted, sum);
    weft_store_be16(frame + 12, ip->family == 4 ? WEFT_ETHERTYPE_IPV4 : WEFT_ETHERTYPE_IPV6);
    if (view->sender) weft_set_ethernet(frame, view->sender->mac, host->gateway_mac);
    const long stored = ip->family == 4
                            ? bpf_skb_store_bytes(skb, 0, frame, WEFT_ETHERNET_SIZE + WEFT_ICMP_HEADERS_V4, 0)
                            : bpf_skb_store_bytes(skb, 0, frame, WEFT_ETHERNET_SIZE + WEFT_ICMP_HEADERS_V6, 0);
    if (stored != 0) return WEFT_DROP_no_buffer;
    if (view->sender) return weft_leave(skb, scratch->port);
    if (!path->back) return WEFT_DROP_no_route;
    return weft_encapsulate(skb, scratch, path->back, frame + l3, weft_session_hash(&scratch->packet.key, hash_seed),
                            0);
}

/* Sends the error about the packet, if one is due; the packet itself is counted as dropped. Without an error, it is
 * the caller's to drop. */
WEFT_INLINE int weft_send_icmp_error(struct __sk_buff* skb, struct weft_scratch* scratch,
                                     const struct weft_view* view, const struct weft_path* path, __u32 reason) {
    const struct weft_ip* const ip = &scratch->packet.ip;
    const struct weft_icmp_error error =
        weft_icmp_error_for(reason, ip->family, path->forward ? path->forward->mtu : 0);
    if (!error.speaks || !weft_may_speak_about(view, ip, path) || !weft_may_send_icmp_error(view->now_s))
        return (int)reason;
    if (weft_turn_into_icmp_error(skb, scratch, view, path, &error) != WEFT_SENT) return (int)reason;
    weft_count_drop(scratch->port, reason);
    weft_trace_refused(reason);
    return WEFT_SENT;
}
