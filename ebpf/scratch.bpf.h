/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a program knows about the packet at hand, too large for its stack: one for each CPU, since programs run to
 * their end there (not so on a real-time kernel, where they are not loaded). The packet's headers are read into it at
 * once, and written from it. */
#pragma once

#include "ebpf/view.bpf.h"

enum {
    /* Outer headers and what may follow them of the inner frame. */
    WEFT_READ_MAX = WEFT_OUTER_HEADERS_MAX + WEFT_HEADERS_MAX,
    /* The longest outer header, the inner Ethernet header, and of the inner IP header what changes. */
    WEFT_WRITE_MAX = 128,
    WEFT_QUOTE_STEP = 256,
    WEFT_KNOWN_PORTS = 64,
    /* What headers take as a rule: of a frame, and of one in a tunnel, in whole words. */
    WEFT_FRAME_READ = 80,
    WEFT_TUNNEL_READ = 144,
};

struct weft_scratch {
    __u8 headers[512]; /* the first WEFT_READ_MAX bytes; weft_at() may point a little beyond */
    __u8 written[WEFT_WRITE_MAX];
    __u8 quoted[WEFT_QUOTE_STEP];
    struct weft_packet packet;
    struct weft_ip about; /* that the packet, an ICMP error, is about */
    struct weft_outer outer;
    struct weft_session_value session;
    /* Of the last packet that came from a known VTEP for a known network, at the time of this epoch. */
    struct weft_address known_vtep;
    __u32 known_vni; /* 0: none yet */
    __u32 known_epoch;
    __u32
        port_of[WEFT_KNOWN_PORTS]; /* by the last digits of a device's number: the port that one was, if it is yet */
    __u32 port;                    /* that the packet came in by */
    __u32 length;                  /* of the frame, without padding; from the underlay of the inner one */
    __u32 linear;                  /* of that, how much is in `headers` */
    __u32 read;                    /* bytes in `headers` */
    __u32 inner;                   /* where the frame begins in `headers`: 0, or behind the outer headers */
    __u32 segment;                 /* of a frame to be cut: TCP payload bytes per segment */
    __u32 segment_headers;
    __u32 handed_over; /* the uplink's XDP program has taken the outer headers off */
    __u32 unsummed;    /* of the last frame that went unsummed from the uplink's XDP program: handover.bpf.h */
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

/* `number`, which is 1 to `most`, a power of two, as the verifier has to see it. */
#define weft_from_1_to(number, most)                                                                                 \
    ({                                                                                                               \
        __u32 weft_last = (number) - 1;                                                                              \
        __asm__ volatile("%0 &= %1" : "+r"(weft_last) : "i"((most) - 1));                                            \
        weft_last + 1;                                                                                               \
    })

/* The frame that the stages speak of, in the headers. */
WEFT_INLINE __u8* weft_frame(struct weft_scratch* scratch) {
    __u32 inner = scratch->inner;
    __asm__ volatile("%0 &= 127" : "+r"(inner));
    return scratch->headers + inner;
}

WEFT_INLINE int weft_read(struct __sk_buff* skb, struct weft_scratch* scratch, __u32 size) {
    if (size > WEFT_READ_MAX) size = WEFT_READ_MAX;
    scratch->read = size;
    if (size == 0) return 0;
    return bpf_skb_load_bytes(skb, 0, scratch->headers, weft_from_1_to(size, 512)) == 0;
}

/* Reads whole words until `end`, `most` bytes at most; returns how many. Word by word: what a call of the kernel has
 * copied can be loaded only when all of it has reached the cache. */
WEFT_INLINE __u32 weft_read_words(struct weft_scratch* scratch, const __u8* data, const __u8* end, __u32 most) {
    __u64* const words = (__u64*)scratch->headers;
    __u32 read = 0;
    for (__u32 i = 0; i < most / 8; i++) {
        if (data + (i + 1) * 8 > end) break;
        words[i] = ((const __u64*)data)[i];
        read += 8;
    }
    scratch->read = read;
    return read;
}

/* Reads the packet's first bytes: at least `least`, if it has them, and `usual` if those lie in one piece. What lies
 * in pages of its own is payload as a rule, which would have to be fetched from memory for nothing. */
WEFT_INLINE int weft_read_headers(struct __sk_buff* skb, struct weft_scratch* scratch, __u32 least, __u32 usual) {
    const __u8* const data = (const __u8*)(long)skb->data;
    const __u8* const end = (const __u8*)(long)skb->data_end;
    if (weft_read_words(scratch, data, end, usual) < least && !weft_read(skb, scratch, skb->len)) return 0;
    scratch->length = skb->len;
    scratch->linear = scratch->read;
    scratch->inner = 0;
    return 1;
}

/* Is all there that is looked at of a TCP or UDP packet without IP options or extension headers? */
WEFT_INLINE int weft_has_transport(const __u8* frame, __u32 linear) {
    const __u8* const l3 = frame + WEFT_ETHERNET_SIZE;
    if (linear < WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE + WEFT_UDP_SIZE) return 0;
    const int v4 = l3[0] == 0x45;
    if (!v4 && l3[0] >> 4 != 6) return 0;
    const __u32 l4 = WEFT_ETHERNET_SIZE + (v4 ? WEFT_IPV4_SIZE : WEFT_IPV6_SIZE);
    const __u8 protocol = v4 ? l3[9] : l3[6];
    if (protocol == WEFT_PROTO_TCP) return linear >= l4 + WEFT_TCP_SIZE;
    return protocol == WEFT_PROTO_UDP && linear >= l4 + WEFT_UDP_SIZE;
}

/* Reads on, unless all that the frame's stages look at is there. */
WEFT_INLINE int weft_read_on(struct __sk_buff* skb, struct weft_scratch* scratch) {
    if (scratch->read == WEFT_READ_MAX || scratch->read == skb->len) return 1;
    if (weft_has_transport(weft_frame(scratch), scratch->linear)) return 1;
    if (!weft_read(skb, scratch, skb->len)) return 0;
    const __u32 there = scratch->read - scratch->inner;
    scratch->linear = there < scratch->length ? there : scratch->length;
    return 1;
}

WEFT_INLINE __u32 weft_headers_size(const struct weft_scratch* scratch) {
    return scratch->linear < WEFT_HEADERS_MAX ? scratch->linear : WEFT_HEADERS_MAX;
}

/* The options that a program is loaded with. */
const volatile __u64 hash_seed SEC(".rodata");

WEFT_INLINE __u32 weft_epoch_now(void) {
    const __u32 word = WEFT_EPOCH;
    const volatile __u32* const now = bpf_map_lookup_elem(&epoch, &word);
    return now ? *now : 0;
}

WEFT_INLINE struct weft_view weft_view_now(const struct weft_endpoint* sender) {
    struct weft_view view;
    view.epoch = weft_epoch_now();
    view.now_s = (__u32)(bpf_ktime_get_coarse_ns() / 1000000000);
    view.sender = sender;
    return view;
}

WEFT_INLINE const struct weft_host* weft_host_now(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&host, &zero);
}
