/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Sums over more of a packet than its headers. */
#pragma once

#include <bpf/bpf_core_read.h>

#include "ebpf/scratch.bpf.h"

/* The kernel's own packet: of it what __sk_buff does not tell. */
struct sk_buff___weft {
    __u8 ip_summed : 2;
    __u8 encapsulation : 1;
    __u16 csum_start; /* of an open checksum: what it covers begins so many bytes behind `head` */
    __u16 csum_offset;
    unsigned char* head;
    unsigned char* data;
} __attribute__((preserve_access_index));

extern void* bpf_cast_to_kern_ctx(void* context) __ksym;

/* Is a checksum of this packet still open? It never left the machine that made it, which is trusted to be whole. */
WEFT_INLINE int weft_is_unfinished(struct __sk_buff* skb) {
    enum { CHECKSUM_PARTIAL = 3 };
    const struct sk_buff___weft* const kernels = bpf_cast_to_kern_ctx(skb);
    return BPF_CORE_READ_BITFIELD(kernels, ip_summed) == CHECKSUM_PARTIAL;
}

/* Has the sender put it into a tunnel? */
WEFT_INLINE int weft_is_in_tunnel(struct __sk_buff* skb) {
    const struct sk_buff___weft* const kernels = bpf_cast_to_kern_ctx(skb);
    return BPF_CORE_READ_BITFIELD(kernels, encapsulation) != 0;
}

/* Where TCP and UDP have their checksum. */
WEFT_INLINE __u32 weft_checksum_place(__u8 protocol) { return protocol == WEFT_PROTO_TCP ? 16 : 6; }

enum weft_open_sum {
    WEFT_SUM_HARMFUL,      /* completing it would change what was judged */
    WEFT_SUM_OF_TRANSPORT, /* of TCP, UDP or SCTP */
    WEFT_SUM_ELSEWHERE,    /* in the payload, as by a tunnel of the container's own, or in front of the packet */
};

/* What an open checksum is to a packet whose IP header begins `frame` bytes behind its first byte. It is completed
 * after the stages have looked at the packet, at a place that the sender chose. */
WEFT_STAGE enum weft_open_sum weft_open_sum_of(struct __sk_buff* skb, const struct weft_ip* ip, __u32 frame,
                                               int segments) {
    const struct sk_buff___weft* const kernels = bpf_cast_to_kern_ctx(skb);
    const __u32 in_front = (__u32)((unsigned long)kernels->data - (unsigned long)kernels->head) + frame;
    const __u32 start = (__u32)kernels->csum_start - in_front;
    const __u32 offset = kernels->csum_offset;
    const __u32 l4 = ip->l4_offset;
    __u32 place = weft_checksum_place(ip->protocol);
    __u32 size;
    /* The outer packet's, made by another host of this machine. */
    if (start > 65535) return frame != 0 ? WEFT_SUM_ELSEWHERE : WEFT_SUM_HARMFUL;
    if (ip->fragment != WEFT_FRAGMENT_NONE) return WEFT_SUM_HARMFUL;
    switch (ip->protocol) {
    case WEFT_PROTO_TCP:
        size = WEFT_TCP_SIZE;
        break;
    case WEFT_PROTO_UDP:
        size = WEFT_UDP_SIZE;
        break;
    case WEFT_PROTO_SCTP:
        place = 8;
        size = 12;
        break;
    case WEFT_PROTO_ICMP:
    case WEFT_PROTO_ICMPV6:
        return WEFT_SUM_HARMFUL;
    default:
        return !segments && start >= l4 ? WEFT_SUM_ELSEWHERE : WEFT_SUM_HARMFUL;
    }
    if (start == l4 && offset == place) return WEFT_SUM_OF_TRANSPORT;
    return !segments && start + offset >= l4 + size ? WEFT_SUM_ELSEWHERE : WEFT_SUM_HARMFUL;
}

/* The one's complement sum of `size` bytes from `offset` on, piece by piece: of a packet, or of a frame that is none
 * yet. In the byte order of the wire. */
WEFT_INLINE __u32 weft_sum_pieces(void* context, int is_packet, __u32 offset, __u32 size) {
    struct weft_scratch* const scratch = weft_scratch_of_cpu();
    __u64 sum = 0;
    if (!scratch) return 0;
    for (int i = 0; i < 65536 / WEFT_QUOTE_STEP && size != 0; i++) {
        __u32 step = size < WEFT_QUOTE_STEP ? size : WEFT_QUOTE_STEP;
        if (step < WEFT_QUOTE_STEP) __builtin_memset(scratch->quoted, 0, WEFT_QUOTE_STEP);
        size -= step;
        step = weft_from_1_to(step, WEFT_QUOTE_STEP);
        if ((is_packet ? bpf_skb_load_bytes(context, offset, scratch->quoted, step)
                       : bpf_xdp_load_bytes(context, offset, scratch->quoted, step)) != 0)
            return 0;
        sum = (__u32)bpf_csum_diff(0, 0, (__be32*)scratch->quoted, WEFT_QUOTE_STEP, (__wsum)sum);
        offset += step;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return __builtin_bswap16((__u16)sum); /* words were added as the machine reads them */
}

/* Global, so that the verifier looks at the loop once. */
__attribute__((noinline)) __u32 weft_sum_packet(struct __sk_buff* skb, __u32 offset, __u32 size) {
    return weft_sum_pieces(skb, 1, offset, size);
}

__attribute__((noinline)) __u32 weft_sum_frame(struct xdp_md* context, __u32 offset, __u32 size) {
    return weft_sum_pieces(context, 0, offset, size);
}
