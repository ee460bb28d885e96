/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the uplink's XDP program does before the kernel has made a packet of a frame: U1 to U6, and the outer headers
 * are off. What it does not want to decide it leaves untouched: the tc program, which is always there, does the same
 * stages, and is told more by the kernel. */
#pragma once

#include "dataplane/pipeline/underlay.h"
#include "ebpf/handover.bpf.h"
#include "ebpf/sum.bpf.h"
#include "ebpf/tunnel.bpf.h"

enum {
    /* Outer headers, and of the frame inside those that say whether a checksum covers the rest. */
    WEFT_XDP_READ_MAX = WEFT_OUTER_HEADERS_MAX + WEFT_ETHERNET_SIZE + WEFT_IPV6_SIZE,
    /* Not taken off: the tc program's business, or the host's. */
    WEFT_LEFT = -2,
};

WEFT_INLINE int weft_read_outer(struct xdp_md* context, struct weft_scratch* scratch) {
    __u32 size = (__u32)bpf_xdp_get_buff_len(context);
    scratch->length = size;
    if (size > WEFT_XDP_READ_MAX) size = WEFT_XDP_READ_MAX;
    if (size < WEFT_ETHERNET_SIZE) return 0;
    scratch->linear = size;
    if (weft_read_words(scratch, (const __u8*)(long)context->data, (const __u8*)(long)context->data_end,
                        WEFT_XDP_READ_MAX) == size)
        return 1;
    return bpf_xdp_load_bytes(context, 0, scratch->headers, size) == 0;
}

/* Is the outer UDP checksum right, which covers all there is? */
WEFT_STAGE int weft_outer_sum_is_good(struct xdp_md* context, struct weft_scratch* scratch) {
    const struct weft_outer* const outer = &scratch->outer;
    const __u32 sum = weft_sum_frame(context, outer->udp_offset, outer->udp_length);
    return weft_sum_fold(sum + weft_outer_pseudo_sum(scratch->headers, outer)) == 0xffff;
}

/* Is the frame inside, of `length` bytes, a TCP segment whose checksum is right? Only of those does GRO make one
 * frame, and it believes a device that has seen a good checksum, which was the outer packet's or none at all. */
WEFT_STAGE int weft_segment_sum_is_good(struct xdp_md* context, struct weft_scratch* scratch, __u32 length) {
    const __u32 at = scratch->outer.inner_offset;
    const __u8* const frame = weft_at(scratch->headers, at);
    const __u8* const ip = frame + WEFT_ETHERNET_SIZE;
    const __u32 type = weft_load_be16(frame + 12);
    __u32 header, size, sum;
    if (type == WEFT_ETHERTYPE_IPV4) {
        header = WEFT_IPV4_SIZE;
        if (at + WEFT_ETHERNET_SIZE + header > scratch->linear) return 0;
        if (ip[0] != 0x45 || ip[9] != WEFT_PROTO_TCP ||
            (weft_load_be16(ip + 6) & (WEFT_IPV4_MF | WEFT_IPV4_OFFSET)) != 0)
            return 0;
        size = (__u32)weft_load_be16(ip + 2) - header;
        sum = weft_pseudo_sum_v4(ip, size, WEFT_PROTO_TCP);
    } else if (type == WEFT_ETHERTYPE_IPV6) {
        header = WEFT_IPV6_SIZE;
        if (at + WEFT_ETHERNET_SIZE + header > scratch->linear || ip[6] != WEFT_PROTO_TCP) return 0;
        size = weft_load_be16(ip + 4);
        sum = weft_pseudo_sum_v6(ip, size, WEFT_PROTO_TCP);
    } else {
        return 0;
    }
    if (size < WEFT_TCP_SIZE || size > length || WEFT_ETHERNET_SIZE + header + size > length) return 0;
    return weft_sum_fold(sum + weft_sum_frame(context, at + WEFT_ETHERNET_SIZE + header, size)) == 0xffff;
}

/* The frame becomes the inner one, of `length` bytes, with the handover in front. */
WEFT_INLINE int weft_take_off(struct xdp_md* context, struct weft_scratch* scratch, __u32 length, int summed) {
    const struct weft_outer* const outer = &scratch->outer;
    const int inner = (int)outer->inner_offset;
    const int padding = (int)(scratch->length - outer->inner_offset - length);
    if (bpf_xdp_adjust_head(context, inner) != 0) return WEFT_LEFT;
    /* A driver may carry no metadata, or its buffers may not be made for being cut. */
    if (bpf_xdp_adjust_meta(context, -(int)sizeof(struct weft_handover)) != 0) {
        bpf_xdp_adjust_head(context, -inner);
        return WEFT_LEFT;
    }
    if (padding != 0 && bpf_xdp_adjust_tail(context, -padding) != 0) {
        bpf_xdp_adjust_meta(context, (int)sizeof(struct weft_handover));
        bpf_xdp_adjust_head(context, -inner);
        return WEFT_LEFT;
    }
    struct weft_handover* const handover = (void*)(long)context->data_meta;
    if ((void*)(handover + 1) > (void*)(long)context->data) return WEFT_DROP_no_buffer; /* never */
    handover->kind = WEFT_HANDOVER;
    handover->mark = weft_handover_mark(hash_seed);
    handover->vni = outer->vni;
    handover->unsummed = 0;
    if (!summed) {
        scratch->unsummed |= 1;
        handover->unsummed = scratch->unsummed;
        scratch->unsummed += 2;
    }
    handover->source = outer->source;
    return WEFT_DROP_none;
}

WEFT_INLINE int weft_before_kernel(struct xdp_md* context, struct weft_scratch* scratch) {
    struct weft_outer* const outer = &scratch->outer;
    const struct weft_host* const host = weft_host_now();
    if (!host || !weft_read_outer(context, scratch) ||
        !weft_is_ours(scratch->headers, scratch->linear, host->vxlan_port))
        return WEFT_LEFT;
    int reason = weft_parse_outer(scratch->headers, scratch->linear, scratch->length, host, outer);
    if (reason == WEFT_DROP_not_vxlan) return WEFT_LEFT;
    if (reason != WEFT_DROP_none) return reason;
    /* A wrong checksum may be one that this machine was still to complete: the tc program can tell. */
    const int has_sum = weft_outer_has_checksum(scratch->headers, outer);
    if (has_sum && !weft_outer_sum_is_good(context, scratch)) return WEFT_LEFT;
    reason = weft_parse_vxlan(scratch->headers, outer);
    if (reason != WEFT_DROP_none) return reason;
    reason = weft_check_tunnel(scratch, weft_epoch_now());
    if (reason != WEFT_DROP_none) return reason;
    const __u32 length = outer->udp_offset + outer->udp_length - outer->inner_offset;
    if (length < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    if (!weft_mac_equal(weft_at(scratch->headers, outer->inner_offset), host->router_mac))
        return WEFT_DROP_wrong_router_mac;
    return weft_take_off(context, scratch, length, weft_segment_sum_is_good(context, scratch, length));
}
