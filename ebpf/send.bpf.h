/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The bytes of the last stages, and the way out of this host's programs: into an endpoint's namespace without a stop
 * in the host's stack, or behind an outer header to the uplink. What is sent is what the scratch says. */
#pragma once

#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "dataplane/pipeline/vxlan.h"
#include "ebpf/count.bpf.h"
#include "ebpf/scratch.bpf.h"
#include "ebpf/sum.bpf.h"
#include "ebpf/trace.bpf.h"

/* Older headers than the kernel's own do not know these. */
enum {
    WEFT_ADJ_DECAP_L3_IPV4 = 1 << 7,
    WEFT_ADJ_DECAP_L3_IPV6 = 1 << 8,
    WEFT_ADJ_KEEP = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET,
};

/* How many bytes of the inner IP header are written anew: what stands before the addresses of IPv4, and as much of
 * IPv6, of which fewer change. */
enum { WEFT_CHANGED_SIZE = 12 };

/* What a stage says: a drop reason, or that the packet has gone. */
enum { WEFT_SENT = -1 };

/* A packet that its sender has put into a tunnel goes to the uplink by a device that completes it (the pair of
 * completion_pair.hpp), since the kernel notes what is open in one tunnel only: where the inner checksum would be
 * that of the container's tunnel is not where a NIC looks for it behind ours. */
WEFT_STAGE int weft_leave_completed(struct __sk_buff* skb, __u32 port_number) {
    const __u32 completion = WEFT_COMPLETION;
    const struct weft_port* const port = bpf_map_lookup_elem(&ports, &port_number);
    const struct weft_port* const way = bpf_map_lookup_elem(&ports, &completion);
    weft_trace_leaves(port_number);
    if (!port || !port->up) return WEFT_DROP_port_down;
    if (!way || !way->up) return WEFT_DROP_unsupported_offload;
    weft_count_sent(port_number, skb->len);
    skb->mark = port_number;
    return bpf_redirect(way->ifindex, 0) == TC_ACT_REDIRECT ? WEFT_SENT : WEFT_DROP_port_down;
}

/* Hands the packet to a port's device. */
WEFT_INLINE int weft_leave(struct __sk_buff* skb, __u32 port_number) {
    const struct weft_port* const port = bpf_map_lookup_elem(&ports, &port_number);
    weft_trace_leaves(port_number);
    if (!port || !port->up) return WEFT_DROP_port_down;
    weft_count_sent(port_number, skb->len);
    /* A container's kernel takes what is for its host; older ones do not see to it at the crossing. */
    if (port->role == WEFT_PORT_ENDPOINT && skb->pkt_type != PACKET_HOST) bpf_skb_change_type(skb, PACKET_HOST);
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

/* Writes what delivery changed: the Ethernet header and the hop that was taken.
 *
 * Only what endpoints send is written `in_place`. A program that does so has the kernel copy the headers first of a
 * packet that somebody else holds too, as tcpdump does, and up to Linux 6.18 the copy has no metadata: what the
 * uplink's XDP program has handed over would be lost. */
WEFT_INLINE int weft_store_delivered(struct __sk_buff* skb, const __u8* frame, int family, int in_place) {
    const __u32 hops = WEFT_ETHERNET_SIZE + (family == 4 ? 8 : 6);
    if (!in_place && family == 4)
        return bpf_skb_store_bytes(skb, 0, frame, WEFT_ETHERNET_SIZE + WEFT_CHANGED_SIZE, 0) == 0;
    __u8* const data = (__u8*)(long)skb->data;
    if (!in_place || data + WEFT_ETHERNET_SIZE + WEFT_CHANGED_SIZE > (__u8*)(long)skb->data_end)
        return bpf_skb_store_bytes(skb, 0, frame, WEFT_ETHERNET_SIZE, 0) == 0 &&
               bpf_skb_store_bytes(skb, hops, frame + hops, 4, BPF_F_RECOMPUTE_CSUM) == 0;
    ((__u64*)data)[0] = ((const __u64*)frame)[0];
    weft_store32(data + 8, weft_load32(frame + 8));
    weft_store16(data + 12, weft_load16(frame + 12));
    if (family == 4) {
        /* TTL and checksum cancel each other out in the sum that a device may have left. */
        weft_store32(data + hops, weft_load32(frame + hops));
        return 1;
    }
    return bpf_skb_store_bytes(skb, hops, frame + hops, 2, BPF_F_RECOMPUTE_CSUM) == 0;
}

/* F3. */
WEFT_INLINE int weft_deliver(struct __sk_buff* skb, struct weft_scratch* scratch,
                             const struct weft_endpoint* receiver, const struct weft_host* host, int in_place) {
    const struct weft_ip* const ip = &scratch->packet.ip;
    __u8* const frame = weft_frame(scratch);
    weft_set_ethernet(frame, receiver->mac, host->gateway_mac);
    weft_decrement_ttl(frame + WEFT_ETHERNET_SIZE, ip->family);
    if (!weft_decapsulate(skb, scratch)) return WEFT_DROP_no_buffer;
    if (!weft_store_delivered(skb, frame, ip->family, in_place)) return WEFT_DROP_no_buffer;
    return weft_leave(skb, receiver->port);
}

/* The outer headers and the inner Ethernet header of a frame of `length` bytes, and the beginning of its IP header.
 */
WEFT_INLINE void weft_write_outer(__u8* to, const struct weft_next_hop* next_hop, int v4, const __u8* l3,
                                  __u32 length, __u64 hash) {
    const __u32 size = v4 ? WEFT_OUTER_V4_SIZE : WEFT_OUTER_V6_SIZE;
    const __u64* const template = (const __u64*)next_hop->tunnel_template;
    for (__u32 i = 0; i < (size + 2 * WEFT_MAC_SIZE + 7) / 8; i++)
        ((__u64*)to)[i] = template[i];
    weft_tunnel_patch(to, v4, length, weft_tunnel_source_port(hash));
    /* The template ends with both inner MAC addresses. */
    __u8* const inner = to + size + 2 * WEFT_MAC_SIZE;
    weft_store_be16(inner, l3[0] >> 4 == 4 ? WEFT_ETHERTYPE_IPV4 : WEFT_ETHERTYPE_IPV6);
    for (int i = 0; i < WEFT_CHANGED_SIZE; i += 4)
        weft_store32(inner + 2 + i, weft_load32(l3 + i));
}

/* Writes them by a call, into a packet whose first bytes do not lie in one piece. */
WEFT_STAGE int weft_store_outer(struct __sk_buff* skb, struct weft_scratch* scratch,
                                const struct weft_next_hop* next_hop, const __u8* l3, __u64 hash) {
    const int v4 = next_hop->outer_v4;
    const __u32 length = skb->len - (v4 ? WEFT_OUTER_V4_SIZE : WEFT_OUTER_V6_SIZE);
    const __u32 more = WEFT_ETHERNET_SIZE + WEFT_CHANGED_SIZE;
    if (v4) {
        weft_write_outer(scratch->written, next_hop, 1, l3, length, hash);
        return bpf_skb_store_bytes(skb, 0, scratch->written, WEFT_OUTER_V4_SIZE + more, 0) == 0;
    }
    weft_write_outer(scratch->written, next_hop, 0, l3, length, hash);
    return bpf_skb_store_bytes(skb, 0, scratch->written, WEFT_OUTER_V6_SIZE + more, 0) == 0;
}

/* Puts the outer headers in front of a frame whose IP header begins at `l3` in memory, and sends it. `in_place`: as
 * in weft_store_delivered(). */
WEFT_INLINE int weft_encapsulate(struct __sk_buff* skb, struct weft_scratch* scratch,
                                 const struct weft_next_hop* next_hop, const __u8* l3, __u64 hash, int in_place) {
    const __u32 length = skb->len;
    const int v4 = next_hop->outer_v4;
    const __u32 size = v4 ? WEFT_OUTER_V4_SIZE : WEFT_OUTER_V6_SIZE;
    /* A frame to be cut has the length fields of a packet until it is. */
    if (length + size > 65535) return WEFT_DROP_unsupported_offload;
    const int in_tunnel = weft_is_in_tunnel(skb);
    const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
                        BPF_F_ADJ_ROOM_ENCAP_L2(WEFT_ETHERNET_SIZE) |
                        (v4 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);
    if (in_tunnel && skb->gso_size != 0) return WEFT_DROP_unsupported_offload;
    if (bpf_skb_adjust_room(skb, (int)size, BPF_ADJ_ROOM_MAC, in_tunnel ? 0 : flags) != 0) return WEFT_DROP_no_buffer;
    __u8* const data = (__u8*)(long)skb->data;
    const __u8* const end = (const __u8*)(long)skb->data_end;
    const __u32 more = WEFT_ETHERNET_SIZE + WEFT_CHANGED_SIZE;
    if (in_place && v4 && data + WEFT_OUTER_V4_SIZE + more <= end)
        weft_write_outer(data, next_hop, 1, l3, length, hash);
    else if (in_place && !v4 && data + WEFT_OUTER_V6_SIZE + more <= end)
        weft_write_outer(data, next_hop, 0, l3, length, hash);
    else if (!weft_store_outer(skb, scratch, next_hop, l3, hash))
        return WEFT_DROP_no_buffer;
    return in_tunnel ? weft_leave_completed(skb, next_hop->port) : weft_leave(skb, next_hop->port);
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
