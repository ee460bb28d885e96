/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a program knows about the packet at hand, too large for its stack: one for each CPU, since programs run to
 * their end there. The packet's headers are read into it at once, and written from it. */
#pragma once

#include "ebpf/view.bpf.h"

enum {
    /* Outer headers and what may follow them of the inner frame. */
    WEFT_READ_MAX = WEFT_OUTER_HEADERS_MAX + WEFT_HEADERS_MAX,
    /* The longest outer header, the inner Ethernet header, and of the inner IP header what changes. */
    WEFT_WRITE_MAX = 128,
    WEFT_QUOTE_STEP = 256,
};

struct weft_scratch {
    __u8 headers[512]; /* the first WEFT_READ_MAX bytes; weft_at() may point a little beyond */
    __u8 written[WEFT_WRITE_MAX];
    __u8 quoted[WEFT_QUOTE_STEP];
    struct weft_packet packet;
    struct weft_outer outer;
    struct weft_session_value session;
    /* Of the last packet that came from a known VTEP for a known network, at the time of this epoch. */
    struct weft_address known_vtep;
    __u32 known_vni; /* 0: none yet */
    __u32 known_epoch;
    __u32 port;    /* that the packet came in by */
    __u32 length;  /* of the frame, without padding; from the underlay of the inner one */
    __u32 linear;  /* of that, how much is in `headers` */
    __u32 inner;   /* where the frame begins in `headers`: 0, or behind the outer headers */
    __u32 segment; /* of a frame to be cut: TCP payload bytes per segment */
    __u32 segment_headers;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct weft_scratch);
} scratches SEC(".maps");

WEFT_INLINE struct weft_scratch* weft_scratch_of_cpu(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&scratches, &zero);
}

/* The frame that the stages speak of, in the headers. */
WEFT_INLINE __u8* weft_frame(struct weft_scratch* scratch) {
    __u32 inner = scratch->inner;
    __asm__ volatile("%0 &= 127" : "+r"(inner));
    return scratch->headers + inner;
}

/* Reads the packet's first bytes. */
WEFT_INLINE int weft_read_headers(struct __sk_buff* skb, struct weft_scratch* scratch) {
    __u32 size = skb->len;
    if (size > WEFT_READ_MAX) size = WEFT_READ_MAX;
    if (size == 0) return 0;
    scratch->length = skb->len;
    scratch->linear = size;
    scratch->inner = 0;
    return bpf_skb_load_bytes(skb, 0, scratch->headers, size) == 0;
}

WEFT_INLINE __u32 weft_headers_size(const struct weft_scratch* scratch) {
    return scratch->linear < WEFT_HEADERS_MAX ? scratch->linear : WEFT_HEADERS_MAX;
}

/* The options that a program is loaded with. */
const volatile __u64 hash_seed SEC(".rodata");

WEFT_INLINE struct weft_view weft_view_now(const struct weft_endpoint* sender) {
    const __u32 word = WEFT_EPOCH;
    const volatile __u32* const now = bpf_map_lookup_elem(&epoch, &word);
    struct weft_view view;
    view.epoch = now ? *now : 0;
    view.now_s = (__u32)(bpf_ktime_get_coarse_ns() / 1000000000);
    view.sender = sender;
    return view;
}

WEFT_INLINE const struct weft_host* weft_host_now(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&host, &zero);
}
