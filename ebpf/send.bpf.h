/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The bytes of the last stages, and the way out of this host's programs: into an endpoint's namespace without a stop
 * in the host's stack, or behind an outer header to the uplink. What is sent is what the scratch says. */
#pragma once

#include <linux/pkt_cls.h>

#include "dataplane/pipeline/vxlan.h"
#include "ebpf/count.bpf.h"
#include "ebpf/scratch.bpf.h"
#include "ebpf/trace.bpf.h"

/* Older headers than the kernel's own do not know these. */
enum {
    WEFT_ADJ_DECAP_L3_IPV4 = 1 << 7,
    WEFT_ADJ_DECAP_L3_IPV6 = 1 << 8,
    WEFT_ADJ_KEEP = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET,
};

/* What a stage says: a drop reason, or that the packet has gone. */
enum { WEFT_SENT = -1 };

/* How many bytes the changed fields of an IP header need to be written with: TTL and IPv4's checksum. */
WEFT_INLINE __u32 weft_changed_size(const struct weft_ip* ip) { return ip->family == 4 ? 12 : 8; }

/* Hands the packet to a port's device. */
WEFT_INLINE int weft_leave(struct __sk_buff* skb, __u32 port_number) {
    const struct weft_port* const port = bpf_map_lookup_elem(&ports, &port_number);
    weft_trace_leaves(port_number);
    if (!port || !port->up) return WEFT_DROP_port_down;
    weft_count_sent(port_number, skb->len);
    const long done =
        port->role == WEFT_PORT_ENDPOINT ? bpf_redirect_peer(port->ifindex, 0) : bpf_redirect(port->ifindex, 0);
    return done == TC_ACT_REDIRECT ? WEFT_SENT : WEFT_DROP_port_down;
}

/* Takes the outer headers off, the room of the last Ethernet header excepted. */
WEFT_INLINE int weft_decapsulate(struct __sk_buff* skb, struct weft_scratch* scratch) {
    const __u32 inner = scratch->inner;
    if (inner == 0) return 1;
    const __u64 family = scratch->packet.ip.family == 4 ? WEFT_ADJ_DECAP_L3_IPV4 : WEFT_ADJ_DECAP_L3_IPV6;
    if (bpf_skb_adjust_room(skb, -(int)inner, BPF_ADJ_ROOM_MAC, WEFT_ADJ_KEEP | family) != 0) return 0;
    /* Of the checksums that the device has verified, one was the outer UDP header's. */
    bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
    return 1;
}

/* Cuts off what is behind the frame: Ethernet's padding. */
WEFT_INLINE int weft_trim(struct __sk_buff* skb, const struct weft_scratch* scratch) {
    const __u32 length = scratch->inner + scratch->length;
    return skb->len == length || bpf_skb_change_tail(skb, length, 0) == 0;
}

/* F3. */
WEFT_INLINE int weft_deliver(struct __sk_buff* skb, struct weft_scratch* scratch,
                             const struct weft_endpoint* receiver, const struct weft_host* host) {
    const struct weft_ip* const ip = &scratch->packet.ip;
    __u8* const frame = weft_frame(scratch);
    weft_set_ethernet(frame, receiver->mac, host->gateway_mac);
    weft_decrement_ttl(frame + WEFT_ETHERNET_SIZE, ip->family);
    if (!weft_decapsulate(skb, scratch)) return WEFT_DROP_no_buffer;
    if (ip->family == 4) {
        /* TTL and checksum cancel each other out in the sum that a device may have left. */
        if (bpf_skb_store_bytes(skb, 0, frame, WEFT_ETHERNET_SIZE + 12, 0) != 0) return WEFT_DROP_no_buffer;
    } else {
        const __u32 at = WEFT_ETHERNET_SIZE + 6;
        if (bpf_skb_store_bytes(skb, 0, frame, WEFT_ETHERNET_SIZE, 0) != 0 ||
            bpf_skb_store_bytes(skb, at, frame + at, 2, BPF_F_RECOMPUTE_CSUM) != 0)
            return WEFT_DROP_no_buffer;
    }
    return weft_leave(skb, receiver->port);
}

/* Writes the outer header for a frame of `length` bytes whose IP header begins at `l3` in memory, and as much of the
 * inner one as changed. */
WEFT_INLINE int weft_encapsulate(struct __sk_buff* skb, struct weft_scratch* scratch,
                                 const struct weft_next_hop* next_hop, const __u8* l3, __u64 hash) {
    const __u32 length = skb->len;
    const int v4 = next_hop->outer_v4;
    const __u32 size = v4 ? WEFT_OUTER_V4_SIZE : WEFT_OUTER_V6_SIZE;
    __u8* const written = scratch->written;
    /* A frame to be cut has the length fields of a packet until it is. */
    if (length + size > 65535) return WEFT_DROP_unsupported_offload;
    const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
                        BPF_F_ADJ_ROOM_ENCAP_L2(WEFT_ETHERNET_SIZE) |
                        (v4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);
    if (bpf_skb_adjust_room(skb, (int)size, BPF_ADJ_ROOM_MAC, flags) != 0) return WEFT_DROP_no_buffer;
    __builtin_memcpy(written, next_hop->tunnel_template, sizeof next_hop->tunnel_template);
    weft_tunnel_patch(written, v4, length, weft_tunnel_source_port(hash));
    /* The template ends with both inner MAC addresses. */
    __u8* const inner = written + (v4 ? WEFT_OUTER_V4_SIZE : WEFT_OUTER_V6_SIZE) + 2 * WEFT_MAC_SIZE;
    weft_store_be16(inner, l3[0] >> 4 == 4 ? WEFT_ETHERTYPE_IPV4 : WEFT_ETHERTYPE_IPV6);
    for (int i = 0; i < 3; i++)
        weft_store32(inner + 2 + i * 4, weft_load32(l3 + i * 4));
    const long stored = v4 ? bpf_skb_store_bytes(skb, 0, written, WEFT_OUTER_V4_SIZE + WEFT_ETHERNET_SIZE + 12, 0)
                           : bpf_skb_store_bytes(skb, 0, written, WEFT_OUTER_V6_SIZE + WEFT_ETHERNET_SIZE + 12, 0);
    if (stored != 0) return WEFT_DROP_no_buffer;
    return weft_leave(skb, next_hop->port);
}

/* What the outer source port is made of: all fragments of a packet take one way through the underlay, so that the
 * first can stay the first. */
WEFT_INLINE __u64 weft_tunnel_hash(const struct weft_packet* packet) {
    if (packet->ip.fragment != WEFT_FRAGMENT_FIRST) return weft_session_hash(&packet->key, hash_seed);
    const struct weft_session_key train = weft_fragment_key(&packet->ip, &packet->key);
    return weft_session_hash(&train, hash_seed);
}

/* Makes the segments of a frame to be cut smaller: growing takes as much from their size as it adds, shrinking with
 * FIXED_GSO gives nothing back. */
WEFT_STAGE int weft_shrink_segments(struct __sk_buff* skb, __u32 by) {
    for (int i = 0; i < 16 && by != 0; i++) {
        const __u32 step = by < 2048 ? by : 2048;
        if (bpf_skb_adjust_room(skb, (int)step, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_NO_CSUM_RESET) != 0 ||
            bpf_skb_adjust_room(skb, -(int)step, BPF_ADJ_ROOM_MAC, WEFT_ADJ_KEEP) != 0)
            return 0;
        by -= step;
    }
    return by == 0;
}
