/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Traces: what the programs of the tracing build tell of a packet, as dataplane/tracer.cpp does. weft.bpf.c is built
 * twice, and the tracing build takes the other's place on the hooks while a trace runs; in the other all of this is
 * nothing. The functions with a name outside this file are for the verifier, which looks at each of them once, by
 * itself. */
#pragma once

#include "dataplane/pipeline/trace_rule.h"
#include "ebpf/scratch.bpf.h"
#include "ebpf/trace_slot.h"

#ifndef WEFT_TRACING
#define WEFT_TRACING 0
#endif

/* The pipeline of a program. While it is traced, what is told of a packet needs the stack that the pipeline had. */
#if WEFT_TRACING
#define WEFT_PIPELINE WEFT_STAGE
#else
#define WEFT_PIPELINE WEFT_INLINE
#endif

/* How a packet came to its program. */
enum weft_trace_way {
    WEFT_TRACE_FROM_ENDPOINT = 0,
    WEFT_TRACE_FROM_UNDERLAY = 1,
    WEFT_TRACE_HANDED_OVER = 2, /* from the underlay, without its outer headers: handover.h */
};

#if WEFT_TRACING

enum { WEFT_TRACE_READ_MAX = 2 * WEFT_HEADERS_MAX + WEFT_UDP_SIZE + WEFT_VXLAN_SIZE };

/* The packet at hand, for each CPU. */
struct weft_trace_scratch {
    struct weft_trace_event event;
    struct weft_ip subject;
    __u64 wanted_by[WEFT_TRACES_MAX]; /* numbers of traces that may want it; 0: the slot's does not */
    __u32 snap_length;                /* the greatest of theirs */
    __u32 begun;                      /* what can be told of it is being gathered */
    __u32 decided;                    /* by policy: enum weft_decided */
    __u32 audited_rule;
    __u32 before_size;
    __u32 after_size;
    __u8 headers[1024]; /* as it came: WEFT_TRACE_READ_MAX bytes; weft_at() may point beyond */
    __u8 before[WEFT_TRACE_SNAP_MAX];
    __u8 after[WEFT_TRACE_SNAP_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct weft_trace_scratch);
} trace_scratches SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, WEFT_TRACES_MAX);
    __type(key, __u32);
    __type(value, struct weft_trace_slot);
} trace_slots SEC(".maps");

/* How many of the traces want packets whatever policy decides of them. While it is none, a packet is looked at once
 * policy is asked about it, and most never are. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} trace_any_packet SEC(".maps");

/* By slot: where its trace's records go. */
struct weft_trace_ring {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, WEFT_TRACES_MAX);
    __type(key, __u32);
    __array(values, struct weft_trace_ring);
} trace_rings SEC(".maps");

WEFT_INLINE struct weft_trace_scratch* weft_trace_scratch_of_cpu(void) {
    const __u32 zero = 0;
    return bpf_map_lookup_elem(&trace_scratches, &zero);
}

WEFT_INLINE int weft_trace_wants_any_packet(void) {
    const __u32 zero = 0;
    const volatile __u32* const traces = bpf_map_lookup_elem(&trace_any_packet, &zero);
    return traces && *traces != 0;
}

/* The first bytes of the packet as it is now; returns how many there are. */
WEFT_INLINE __u32 weft_trace_copy(struct __sk_buff* skb, __u8* to, __u64 size, __u64 most) {
    if (size > skb->len) size = skb->len;
    if (size > most) size = most;
    __asm__ volatile("" : "+r"(size)); /* the verifier has to see both bounds of one register */
    if (size == 0) return 0;
    return bpf_skb_load_bytes(skb, 0, to, (__u32)size) == 0 ? (__u32)size : 0;
}

/* The bytes of the headers from `at` on, which are no more than WEFT_TRACE_READ_MAX. */
WEFT_INLINE const __u8* weft_trace_headers(const struct weft_trace_scratch* scratch, __u32 at) {
    __asm__ volatile("%0 &= 511" : "+r"(at));
    return scratch->headers + at;
}

/* The frame that begins at `at`; `linear` of its bytes are there. */
__attribute__((noinline)) int weft_trace_read_at(__u32 at, __u32 linear) {
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (!scratch) return 0;
    struct weft_trace_event* const event = &scratch->event;
    weft_trace_read_frame(weft_trace_headers(scratch, at), linear, event->length_in - at, event);
    return 0;
}

/* What the outer headers said, which are off. */
WEFT_INLINE void weft_trace_recall_outer(struct weft_trace_event* event) {
    const struct weft_scratch* const scratch = weft_scratch_of_cpu();
    if (!scratch) return;
    event->vni = scratch->outer.vni;
    event->vtep = scratch->outer.source;
}

/* What can be known of the packet as it came in by `port`. */
__attribute__((noinline)) int weft_trace_read_packet(struct __sk_buff* skb, __u32 port, __u32 way) {
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    const struct weft_host* const host = weft_host_now();
    if (!scratch) return 0;
    struct weft_trace_event* const event = &scratch->event;
    __builtin_memset(event, 0, sizeof *event);
    event->time_ns = bpf_ktime_get_ns();
    event->port_in = port;
    event->from_underlay = way != WEFT_TRACE_FROM_ENDPOINT;
    event->length_in = skb->len;
    const __u32 linear = weft_trace_copy(skb, scratch->headers, WEFT_TRACE_READ_MAX, WEFT_TRACE_READ_MAX);
    weft_trace_read_at(0, linear);
    __u32 inner = 0;
    if (way == WEFT_TRACE_HANDED_OVER) {
        weft_trace_recall_outer(event);
    } else if (way == WEFT_TRACE_FROM_UNDERLAY) {
        inner = weft_trace_enter(scratch->headers, linear, host ? host->vxlan_port : 0, event);
        if (inner != 0) weft_trace_read_at(inner, linear - inner);
    } else {
        const struct weft_endpoint* const endpoint = weft_endpoint_of_port(port);
        if (endpoint) event->vni = endpoint->vni;
    }
    __u32 rest = linear - inner;
    if (rest > WEFT_HEADERS_MAX) rest = WEFT_HEADERS_MAX;
    weft_trace_subject(weft_trace_headers(scratch, inner), rest, event->length_in - inner, &event->ip,
                       &scratch->subject);
    return 0;
}

/* Whether the slot's trace may want the packet. */
__attribute__((noinline)) int weft_trace_is_wanted(__u32 slot) {
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    const struct weft_trace_slot* const trace = bpf_map_lookup_elem(&trace_slots, &slot);
    if (!scratch || !trace || slot >= WEFT_TRACES_MAX) return 0;
    const __u64 number = *(const volatile __u64*)&trace->number;
    const int wanted = number != 0 && weft_trace_may_match(&trace->filter, &scratch->event);
    scratch->wanted_by[slot] = wanted ? number : 0;
    if (wanted && trace->snap_length > scratch->snap_length) scratch->snap_length = trace->snap_length;
    return wanted;
}

/* Tells the slot's trace, if it wants the packet. */
__attribute__((noinline)) int weft_trace_tell(__u32 slot) {
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    struct weft_trace_slot* const trace = bpf_map_lookup_elem(&trace_slots, &slot);
    void* const ring = bpf_map_lookup_elem(&trace_rings, &slot);
    if (!scratch || !trace || !ring || slot >= WEFT_TRACES_MAX) return 0;
    struct weft_trace_event* const event = &scratch->event;
    /* Another trace may have this slot by now. */
    const __u64 number = *(const volatile __u64*)&trace->number;
    if (number == 0 || number != scratch->wanted_by[slot] || !weft_trace_matches(&trace->filter, event)) return 0;
    if (trace->limited) {
        __sync_fetch_and_add(&trace->tokens, -1);
        if (*(const volatile __s64*)&trace->tokens < 0) {
            __sync_fetch_and_add(&trace->lost, 1);
            return 0;
        }
    }
    __u64 before = scratch->before_size;
    __u64 after = scratch->after_size;
    if (before > trace->snap_length) before = trace->snap_length;
    if (after > trace->snap_length) after = trace->snap_length;
    if (before > WEFT_TRACE_SNAP_MAX) before = WEFT_TRACE_SNAP_MAX;
    if (after > WEFT_TRACE_SNAP_MAX) after = WEFT_TRACE_SNAP_MAX;
    __asm__ volatile("" : "+r"(before), "+r"(after));
    event->snapshot_in = (__u16)before;
    event->snapshot_out = (__u16)after;
    struct bpf_dynptr record;
    if (bpf_ringbuf_reserve_dynptr(ring, sizeof *event + before + after, 0, &record) != 0) {
        bpf_ringbuf_discard_dynptr(&record, BPF_RB_NO_WAKEUP);
        __sync_fetch_and_add(&trace->lost, 1);
        return 0;
    }
    bpf_dynptr_write(&record, 0, event, sizeof *event, 0);
    bpf_dynptr_write(&record, sizeof *event, scratch->before, before, 0);
    bpf_dynptr_write(&record, sizeof *event + before, scratch->after, after, 0);
    bpf_ringbuf_submit_dynptr(&record, BPF_RB_NO_WAKEUP);
    return 1;
}

__attribute__((noinline)) int weft_trace_begin(struct __sk_buff* skb, __u32 port, __u32 way) {
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (!scratch) return 0;
    weft_trace_read_packet(skb, port, way);
    scratch->begun = 1;
    scratch->snap_length = 0;
    for (__u32 slot = 0; slot < WEFT_TRACES_MAX; slot++)
        weft_trace_is_wanted(slot);
    scratch->before_size = weft_trace_copy(skb, scratch->before, scratch->snap_length, WEFT_TRACE_SNAP_MAX);
    scratch->after_size = 0;
    return 0;
}

/* What policy decided, and by which rule. */
__attribute__((noinline)) int weft_trace_find_rule(void) {
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (!scratch) return 0;
    struct weft_trace_event* const event = &scratch->event;
    const struct weft_view view = weft_view_now(event->from_underlay ? 0 : weft_endpoint_of_port(event->port_in));
    event->rule = weft_trace_rule(&view, event, &scratch->subject);
    event->audited_rule = scratch->audited_rule;
    event->decided = (__u8)scratch->decided;
    return 0;
}

/* The frame as it is about to leave, and the VTEP that it is for. */
WEFT_INLINE void weft_trace_read_sent(struct __sk_buff* skb, struct weft_trace_scratch* scratch) {
    struct weft_trace_event* const event = &scratch->event;
    const __u32 port_out = event->port_out;
    const struct weft_port* const port = bpf_map_lookup_elem(&ports, &port_out);
    if (event->parts == 0) event->parts = 1;
    event->length_out = skb->len;
    scratch->after_size = weft_trace_copy(skb, scratch->after, scratch->snap_length, WEFT_TRACE_SNAP_MAX);
    if (event->from_underlay || !port || port->role != WEFT_PORT_UPLINK) return;
    if (weft_trace_copy(skb, scratch->headers, WEFT_OUTER_V6_SIZE, WEFT_OUTER_V6_SIZE) == 0) return;
    const __u8* const l3 = scratch->headers + WEFT_ETHERNET_SIZE;
    event->vtep = l3[0] >> 4 == 4 ? weft_address_v4(l3 + 16) : weft_address_v6(l3 + 24);
}

/* `reason`: for which it was dropped, else negative. */
__attribute__((noinline)) int weft_trace_end(struct __sk_buff* skb, int reason) {
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (!scratch || !scratch->begun) return 0;
    struct weft_trace_event* const event = &scratch->event;
    __u64 wanted = 0;
    for (__u32 slot = 0; slot < WEFT_TRACES_MAX; slot++)
        wanted |= scratch->wanted_by[slot];
    if (wanted == 0) return 0;
    if (reason >= 0) event->drop_reason = (__u8)reason;
    if (event->port_out != 0) weft_trace_read_sent(skb, scratch);
    event->verdict = weft_trace_verdict_of(event);
    event->stage = weft_trace_stage(event);
    weft_trace_find_rule();
    for (__u32 slot = 0; slot < WEFT_TRACES_MAX; slot++)
        if (scratch->wanted_by[slot] != 0) weft_trace_tell(slot);
    return 0;
}

#endif

/* Whether frames must come to the uplink's tc program as they are. */
WEFT_INLINE int weft_trace_wants_whole_frames(void) {
#if WEFT_TRACING
    return weft_trace_wants_any_packet();
#else
    return 0;
#endif
}

/* A packet came in. */
WEFT_INLINE void weft_trace_received(struct __sk_buff* skb, __u32 port, enum weft_trace_way way) {
#if WEFT_TRACING
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (!scratch) return;
    scratch->begun = 0;
    scratch->decided = 0;
    scratch->audited_rule = 0;
    /* What was handed over came before the trace that wants every packet. */
    if (way != WEFT_TRACE_HANDED_OVER && weft_trace_wants_any_packet()) weft_trace_begin(skb, port, way);
#else
    (void)skb, (void)port, (void)way;
#endif
}

/* Policy was asked about it, and decided so. */
WEFT_INLINE void weft_trace_decided(__u32 decided, __u32 audited_rule) {
#if WEFT_TRACING
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (!scratch) return;
    scratch->decided = decided;
    scratch->audited_rule = audited_rule;
#else
    (void)decided, (void)audited_rule;
#endif
}

/* It was admitted or not, and nothing of it has changed yet. */
WEFT_INLINE void weft_trace_asked(struct __sk_buff* skb, __u32 port, enum weft_trace_way way) {
#if WEFT_TRACING
    const struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (scratch && scratch->decided != 0 && !scratch->begun) weft_trace_begin(skb, port, way);
#else
    (void)skb, (void)port, (void)way;
#endif
}

/* It goes to this port, whatever the port makes of it. */
WEFT_INLINE void weft_trace_leaves(__u32 port) {
#if WEFT_TRACING
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (scratch) scratch->event.port_out = port;
#else
    (void)port;
#endif
}

/* It leaves in so many parts. 0: not after all. */
WEFT_INLINE void weft_trace_parts(__u32 count) {
#if WEFT_TRACING
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (!scratch) return;
    scratch->event.parts = (__u16)count;
    scratch->event.port_out = 0;
    scratch->after_size = 0;
#else
    (void)count;
#endif
}

/* This is one of them, and not the last. */
WEFT_INLINE void weft_trace_part(struct __sk_buff* skb, __u32 port) {
#if WEFT_TRACING
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    weft_trace_leaves(port);
    weft_trace_end(skb, -1);
    if (!scratch) return;
    scratch->event.part++;
    scratch->before_size = 0;
#else
    (void)skb, (void)port;
#endif
}

/* What goes instead is an error that tells its sender why. */
WEFT_INLINE void weft_trace_refused(__u32 reason) {
#if WEFT_TRACING
    struct weft_trace_scratch* const scratch = weft_trace_scratch_of_cpu();
    if (scratch) scratch->event.drop_reason = (__u8)reason;
#else
    (void)reason;
#endif
}

/* The program is through with it. */
WEFT_INLINE void weft_trace_done(struct __sk_buff* skb, int reason) {
#if WEFT_TRACING
    weft_trace_end(skb, reason);
#else
    (void)skb, (void)reason;
#endif
}
