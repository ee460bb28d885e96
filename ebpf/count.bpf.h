/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Counting: per port and per CPU, so plain additions. */
#pragma once

#include "ebpf/maps.bpf.h"

WEFT_INLINE void weft_count_received(__u32 port, __u32 length) {
    struct weft_port_counts* const counts = bpf_map_lookup_elem(&counters, &port);
    if (!counts) return;
    counts->rx_packets++;
    counts->rx_bytes += length;
}

WEFT_INLINE void weft_count_sent(__u32 port, __u32 length) {
    struct weft_port_counts* const counts = bpf_map_lookup_elem(&counters, &port);
    if (!counts) return;
    counts->tx_packets++;
    counts->tx_bytes += length;
}

WEFT_INLINE void weft_count_drop(__u32 port, __u32 reason) {
    struct weft_drop_counts* const counts = bpf_map_lookup_elem(&drops, &port);
    if (counts) counts->of_reason[reason & 63]++;
}
