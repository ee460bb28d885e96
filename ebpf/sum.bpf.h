/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Sums over more of a packet than its headers. */
#pragma once

#include <bpf/bpf_core_read.h>

#include "ebpf/scratch.bpf.h"

/* The kernel's own packet: of it what __sk_buff does not tell. */
struct sk_buff___weft {
    __u8 ip_summed : 2;
} __attribute__((preserve_access_index));

extern void* bpf_cast_to_kern_ctx(void* context) __ksym;

/* Is a checksum of this packet still open? It never left the machine that made it, which is trusted to be whole. */
WEFT_INLINE int weft_is_unfinished(struct __sk_buff* skb) {
    enum { CHECKSUM_PARTIAL = 3 };
    const struct sk_buff___weft* const kernels = bpf_cast_to_kern_ctx(skb);
    return BPF_CORE_READ_BITFIELD(kernels, ip_summed) == CHECKSUM_PARTIAL;
}

/* What a loop over a packet's pieces has summed, in the byte order of the wire. */
WEFT_INLINE __u32 weft_sum_end(__u64 sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return __builtin_bswap16((__u16)sum); /* words were added as the machine reads them */
}

/* Bytes of the next piece, for the verifier's eyes: 1 to WEFT_QUOTE_STEP. Of a short one the room's rest is zero. */
WEFT_INLINE __u32 weft_sum_step(struct weft_scratch* scratch, __u32 size) {
    __u32 step = size < WEFT_QUOTE_STEP ? size : WEFT_QUOTE_STEP;
    if (step < WEFT_QUOTE_STEP) __builtin_memset(scratch->quoted, 0, WEFT_QUOTE_STEP);
    step--;
    __asm__ volatile("%0 &= 255" : "+r"(step));
    return step + 1;
}

/* The one's complement sum of `size` bytes of the packet from `offset` on, piece by piece; not folded until the end.
 * Global, so that the verifier looks at the loop once. */
__attribute__((noinline)) __u32 weft_sum_packet(struct __sk_buff* skb, __u32 offset, __u32 size) {
    struct weft_scratch* const scratch = weft_scratch_of_cpu();
    __u64 sum = 0;
    if (!scratch) return 0;
    for (int i = 0; i < 65536 / WEFT_QUOTE_STEP && size != 0; i++) {
        const __u32 step = weft_sum_step(scratch, size);
        if (bpf_skb_load_bytes(skb, offset, scratch->quoted, step) != 0) return 0;
        sum = (__u32)bpf_csum_diff(0, 0, (__be32*)scratch->quoted, WEFT_QUOTE_STEP, (__wsum)sum);
        size -= step;
        offset += step;
    }
    return weft_sum_end(sum);
}

/* The same of a frame that is no packet yet. */
__attribute__((noinline)) __u32 weft_sum_frame(struct xdp_md* context, __u32 offset, __u32 size) {
    struct weft_scratch* const scratch = weft_scratch_of_cpu();
    __u64 sum = 0;
    if (!scratch) return 0;
    for (int i = 0; i < 65536 / WEFT_QUOTE_STEP && size != 0; i++) {
        const __u32 step = weft_sum_step(scratch, size);
        if (bpf_xdp_load_bytes(context, offset, scratch->quoted, step) != 0) return 0;
        sum = (__u32)bpf_csum_diff(0, 0, (__be32*)scratch->quoted, WEFT_QUOTE_STEP, (__wsum)sum);
        size -= step;
        offset += step;
    }
    return weft_sum_end(sum);
}
