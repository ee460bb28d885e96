/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* F2's fragments. A program cannot make a packet, only send copies of the one at hand: that one becomes each fragment
 * in turn, and its payload is put aside before. */
#pragma once

#include <linux/errno.h>

#include "dataplane/pipeline/fragment.h"
#include "ebpf/send.bpf.h"

enum {
    WEFT_FRAGMENT_MAX = 1 << 14, /* the kernel makes no longer packet in one piece, */
    WEFT_CUT_MTU_MAX = 15000,    /* with outer headers and all that it keeps behind */
    WEFT_CUT_REST = 256,         /* what is left of the packet while it is changed: more than its headers */
};

/* A packet that is being cut. */
struct weft_cut {
    __u8 payload[(1 << 16) + WEFT_FRAGMENT_MAX]; /* the verifier does not see that the last fragment ends in time */
    __u8 head[256];                              /* of the fragment: from the outer Ethernet header to its own IP's */
    struct weft_ipv4_header first;
    struct weft_ipv4_header later;
    struct weft_next_hop next_hop;
    __u32 size; /* of the payload */
    __u32 done;
    __u64 hash; /* of all outer headers */
    __u32 ifindex;
    int reason; /* why it goes no further; WEFT_SENT: it does */
};

/* By CPU: the loader makes one for each. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct weft_cut);
} cuts SEC(".maps");

struct weft_cutting {
    struct __sk_buff* skb;
    struct weft_cut* cut;
};

/* In place of a drop reason: the packet is to be sent in fragments. */
enum { WEFT_TO_BE_CUT = -2 };

WEFT_INLINE struct weft_cut* weft_cut_of_cpu(void) {
    const __u32 cpu = bpf_get_smp_processor_id();
    return bpf_map_lookup_elem(&cuts, &cpu);
}

/* Takes the packet apart: header and payload. An open checksum is completed, which cannot be done in pieces. */
WEFT_INLINE int weft_put_aside(struct __sk_buff* skb, struct weft_scratch* scratch, struct weft_cut* cut) {
    const struct weft_ip* const ip = &scratch->packet.ip;
    const __u32 l4 = ip->l4_offset;
    const __u32 size = ip->l3_length - (l4 - WEFT_ETHERNET_SIZE);
    cut->first.size = l4 - WEFT_ETHERNET_SIZE;
    cut->size = size;
    cut->done = 0;
    for (__u32 i = 0; i < WEFT_IPV4_HEADER_MAX; i += 4) {
        const __u32 word = i < cut->first.size ? weft_load32(scratch->headers + WEFT_ETHERNET_SIZE + i) : 0;
        weft_store32(cut->first.bytes + i, word);
        weft_store32(cut->later.bytes + i, 0);
    }
    weft_later_header(&cut->first, &cut->later);
    if (size == 0 || bpf_skb_load_bytes(skb, l4, cut->payload, weft_from_1_to(size, 1 << 16)) != 0) return 0;
    if (!weft_is_unfinished(skb)) return 1;
    const __u16 checksum = weft_checksum(weft_sum_packet(skb, l4, size));
    weft_store_be16(cut->payload + weft_checksum_place(ip->protocol), checksum != 0 ? checksum : 0xffff);
    return 1;
}

/* Makes the packet, whose payload has been put aside, one that can become anything: short, in one piece, nothing
 * open.
 */
WEFT_INLINE int weft_make_blank(struct __sk_buff* skb, const struct weft_ip* ip, int v4) {
    if (bpf_skb_change_tail(skb, WEFT_CUT_REST, 0) != 0) return 0;
    if (weft_is_unfinished(skb)) {
        /* That its checksum is open the kernel forgets when the place lies in front of the packet. */
        const int beyond = ip->l4_offset + 2;
        if (bpf_skb_adjust_room(skb, -beyond, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET) != 0 ||
            bpf_skb_adjust_room(skb, beyond, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET) != 0 ||
            weft_is_unfinished(skb))
            return 0;
    }
    /* Devices and filters ask the kernel, not the packet. */
    return v4 || bpf_skb_change_proto(skb, __builtin_bswap16(WEFT_ETHERTYPE_IPV6), 0) == 0;
}

/* All headers of the fragment; returns their size. */
WEFT_INLINE __u32 weft_write_fragment(struct weft_cut* cut, const struct weft_next_hop* next_hop, int v4,
                                      const struct weft_ipv4_header* header, __u32 payload, __u64 hash) {
    const __u32 l3 = (v4 ? WEFT_OUTER_V4_SIZE : WEFT_OUTER_V6_SIZE) + WEFT_ETHERNET_SIZE;
    weft_write_outer(cut->head, next_hop, v4, header->bytes, WEFT_ETHERNET_SIZE + header->size + payload, hash);
    for (__u32 i = 0; i < WEFT_IPV4_HEADER_MAX; i += 4)
        weft_store32(cut->head + l3 + i, weft_load32(header->bytes + i));
    weft_set_fragment(cut->head + l3, payload, cut->done, cut->done + payload == cut->size);
    return l3 + header->size;
}

/* Makes the packet its next fragment. */
WEFT_STAGE int weft_become_fragment(struct __sk_buff* skb, struct weft_cut* cut,
                                    const struct weft_ipv4_header* header) {
    const struct weft_next_hop* const next_hop = &cut->next_hop;
    __u32 payload = weft_fragment_payload(header, next_hop->mtu, cut->size - cut->done);
    __u32 headers = next_hop->outer_v4 ? weft_write_fragment(cut, next_hop, 1, header, payload, cut->hash)
                                       : weft_write_fragment(cut, next_hop, 0, header, payload, cut->hash);
    __u32 done = cut->done;
    cut->done = done + payload;
    if (payload == 0 || payload > WEFT_FRAGMENT_MAX) return 0; /* never; and the verifier has to see it */
    __asm__ volatile("%0 &= 65535" : "+r"(done));
    payload = weft_from_1_to(payload, WEFT_FRAGMENT_MAX);
    headers = weft_from_1_to(headers, 256);
    return (skb->len == headers + payload || bpf_skb_change_tail(skb, headers + payload, 0) == 0) &&
           bpf_skb_store_bytes(skb, 0, cut->head, headers, 0) == 0 &&
           bpf_skb_store_bytes(skb, headers, cut->payload + done, payload, 0) == 0;
}

/* The packet becomes its next fragment, of which a copy is sent unless it is the last. 1: not so. */
static long weft_cut_off(__u32 number, struct weft_cutting* cutting) {
    struct __sk_buff* const skb = cutting->skb;
    struct weft_cut* const cut = cutting->cut;
    cut->reason = WEFT_DROP_no_buffer;
    if (!weft_become_fragment(skb, cut, number == 0 ? &cut->first : &cut->later)) return 1;
    cut->reason = WEFT_SENT;
    if (cut->done == cut->size) return 0;
    const __u32 length = skb->len;
    weft_trace_part(skb, cut->next_hop.port);
    /* More than 0: the device has its own opinion of it, as of any packet. */
    const long failed = bpf_clone_redirect(skb, cut->ifindex, 0);
    if (failed < 0) {
        cut->reason = failed == -ENOMEM ? WEFT_DROP_no_buffer : WEFT_DROP_port_down;
        return 1;
    }
    weft_count_sent(cut->next_hop.port, length);
    return 0;
}

/* May the packet be cut? Of open checksums only those that TCP and UDP have are understood; and what the kernel takes
 * for a tunnel's it does not let grow. */
WEFT_INLINE int weft_is_divisible(struct __sk_buff* skb, const struct weft_ip* ip, __u32 mtu) {
    return mtu <= WEFT_CUT_MTU_MAX && !weft_is_in_tunnel(skb) &&
           (!weft_is_unfinished(skb) ||
            (ip->protocol != WEFT_PROTO_SCTP && weft_open_sum_of(skb, ip, 0, 0) == WEFT_SUM_OF_TRANSPORT));
}

/* A packet that is too large for the next hop, a VTEP, but may be cut: weft_send_fragments() is to do it, which has
 * more room on the stack when the stages are through. */
WEFT_STAGE int weft_leave_to_be_cut(const struct weft_packet* packet, const struct weft_next_hop* next_hop) {
    struct weft_cut* const cut = weft_cut_of_cpu();
    if (!cut) return WEFT_DROP_no_buffer;
    cut->next_hop = *next_hop;
    cut->hash = weft_tunnel_hash(packet);
    return WEFT_TO_BE_CUT;
}

WEFT_INLINE int weft_cut_all(struct __sk_buff* skb, struct weft_scratch* scratch, struct weft_cut* cut) {
    const __u32 mtu = cut->next_hop.mtu;
    const __u32 port_number = cut->next_hop.port;
    const struct weft_port* const port = bpf_map_lookup_elem(&ports, &port_number);
    if (!port || !port->up) return weft_leave(skb, port_number); /* which knows what becomes of it */
    cut->ifindex = port->ifindex;
    cut->reason = WEFT_DROP_no_buffer;
    if (!weft_put_aside(skb, scratch, cut) || !weft_make_blank(skb, &scratch->packet.ip, cut->next_hop.outer_v4))
        return WEFT_DROP_no_buffer;
    const __u32 count = weft_fragment_count(&cut->first, &cut->later, mtu, cut->size);
    weft_trace_parts(count);
    struct weft_cutting cutting = {skb, cut};
    bpf_loop(count, weft_cut_off, &cutting, 0);
    if (cut->reason != WEFT_SENT) return cut->reason;
    return cut->done == cut->size ? weft_leave(skb, port_number) : WEFT_DROP_no_buffer;
}

WEFT_STAGE int weft_send_fragments(struct __sk_buff* skb, struct weft_scratch* scratch) {
    struct weft_cut* const cut = weft_cut_of_cpu();
    const int reason = cut ? weft_cut_all(skb, scratch, cut) : WEFT_DROP_no_buffer;
    if (reason == WEFT_DROP_no_buffer) weft_trace_parts(0);
    return reason;
}
