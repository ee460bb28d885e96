/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The maps that all programs share. Sizes are the loader's to change before they are made. */
#pragma once

#include "ebpf/define_map.bpf.h"
#include "ebpf/layout.h"

/* Tables grow as they are filled, so that a host with ten routes pays for ten; sessions, which packets open, have
 * their memory from the start. So have those that every packet asks: an array costs no call, and is small. */
WEFT_MAP(BPF_MAP_TYPE_ARRAY, 0, __u32, struct weft_host, 1, host);
WEFT_MAP(BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, __u32, __u32, 2, epoch);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, __u32, 65536, networks);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct weft_address, __u32, 65536, vteps);
WEFT_MAP(BPF_MAP_TYPE_ARRAY, 0, __u32, struct weft_port, 16384, ports);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, __u32, 16384, port_of_ifindex);
WEFT_MAP(BPF_MAP_TYPE_ARRAY, 0, __u32, struct weft_endpoint, 16384, endpoints);
WEFT_MAP(BPF_MAP_TYPE_ARRAY, 0, __u32, struct weft_next_hop, 65536, next_hops);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct weft_host_route_key, struct weft_route_value, 1048576,
         host_routes);
WEFT_MAP(BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, struct weft_prefix_route_key, struct weft_route_value, 262144,
         prefix_routes);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct weft_policy_key, struct weft_policy_list, 1048576, policies);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct weft_verdict_key, struct weft_verdict_block, 262144, verdicts);
WEFT_MAP(BPF_MAP_TYPE_HASH, 0, struct weft_session_key, struct weft_session_value, 262144, sessions);
WEFT_MAP(BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, __u32, struct weft_account, WEFT_ACCOUNTS, accounts);
WEFT_MAP(BPF_MAP_TYPE_PERCPU_ARRAY, 0, __u32, struct weft_port_counts, 16384, counters);
WEFT_MAP(BPF_MAP_TYPE_PERCPU_HASH, BPF_F_NO_PREALLOC, __u32, struct weft_drop_counts, 16384, drops);
WEFT_MAP(BPF_MAP_TYPE_PERCPU_HASH, BPF_F_NO_PREALLOC, __u32, struct weft_rule_hits, 65536, rule_hits);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct weft_told_key, struct weft_told_value, 524288, told);
