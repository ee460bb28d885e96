// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// A layout that never was: the maps of ebpf/maps.bpf.h as another version might have had them. Members stand in
// another order and have other sizes, some are missing and some have no heir, hashes stand where arrays are now.
#include "dataplane/pipeline/types.h"
#include "dataplane/pipeline/wire.h"
#include "ebpf/define_map.bpf.h"
#include "ebpf/layout.h"

char weft_license[] SEC("license") = "Dual BSD/GPL";

struct older_host {
    uint16_t vxlan_port;
    uint8_t gateway_mac[6];
    uint8_t router_mac[6];
    uint16_t without_heir;
    struct weft_address vtep_v6;
    struct weft_address vtep_v4;
};

struct older_port {
    uint64_t mtu;
    uint32_t ifindex;
    uint16_t up;
    uint16_t role;
};

struct older_endpoint {
    uint8_t address_count;
    uint8_t mac[6];
    uint8_t without_heir;
    uint64_t identity;
    uint32_t vni;
    uint32_t port;
    struct weft_address addresses[3];
};

struct older_next_hop {
    uint8_t tunnel_template[104];
    struct weft_address remote;
    uint32_t vni;
    uint16_t mtu;
    uint8_t outer_size;
    uint8_t outer_v4;
    uint8_t resolved;
    uint8_t kind;
    uint16_t port;
};

struct older_route {
    uint64_t identity;
    uint32_t next_hop;
    uint32_t without_heir;
};

struct older_policy_key {
    uint8_t direction;
    uint8_t reserved[3];
    uint32_t peer_identity;
    uint64_t local_identity;
};

struct older_policy_list {
    uint64_t without_heir;
    uint64_t list;
};

struct older_verdict_key {
    uint16_t block;
    uint16_t without_heir[3];
    uint64_t list;
};

struct older_verdict_block {
    struct weft_verdict_range ranges[7];
    uint64_t blocks;
};

struct older_session_key {
    uint32_t vni_protocol;
    uint16_t high_port;
    uint16_t low_port;
    struct weft_address high;
    struct weft_address low;
};

struct older_session {
    uint64_t without_heir;
    uint16_t state;
    uint16_t flags;
    uint32_t next_hop[2];
    uint32_t last_seen_s;
    uint64_t epoch;
};

struct older_counts {
    uint64_t tx_packets;
    uint64_t tx_bytes;
    uint64_t rx_packets;
    uint64_t rx_bytes;
    uint64_t drops[64];
};

struct older_told_key {
    uint32_t id;
    uint32_t kind;
};

struct older_told {
    uint8_t message[600];
    uint32_t size;
};

WEFT_MAP(BPF_MAP_TYPE_ARRAY, 0, __u32, struct older_host, 1, host);
WEFT_MAP(BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, __u32, __u32, 2, epoch);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, __u32, 1024, networks);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct weft_address, __u32, 1024, vteps);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, struct older_port, 1024, ports);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, __u32, 1024, port_of_ifindex);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u64, struct older_endpoint, 1024, endpoints);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, struct older_next_hop, 1024, next_hops);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct weft_host_route_key, struct older_route, 1024, host_routes);
WEFT_MAP(BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, struct weft_prefix_route_key, struct older_route, 1024,
         prefix_routes);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct older_policy_key, struct older_policy_list, 1024, policies);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct older_verdict_key, struct older_verdict_block, 1024, verdicts);
WEFT_MAP(BPF_MAP_TYPE_HASH, 0, struct older_session_key, struct older_session, 1024, sessions);
WEFT_MAP(BPF_MAP_TYPE_PERCPU_HASH, BPF_F_NO_PREALLOC, __u32, struct older_counts, 1024, counters);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, struct weft_drop_counts, 1024, drops);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, struct older_told_key, struct older_told, 1024, told);
WEFT_MAP(BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, __u32, __u32, 1024, without_heir);
