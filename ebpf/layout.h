/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The maps' keys and values, for the programs (maps.bpf.h) and for who fills them (map_store.hpp). Maps outlive
 * programs and agents: whatever changes here, or in the structs of dataplane/pipeline/ that are named below, changes
 * WEFT_LAYOUT. */
#pragma once

#include "dataplane/pipeline/drop_reason.h"
#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/policy.h"
#include "dataplane/pipeline/session.h"

/* The layout's number: maps are pinned under it. */
enum { WEFT_LAYOUT = 1 };

enum weft_port_role { WEFT_PORT_ENDPOINT = 1, WEFT_PORT_UPLINK = 2 };

/* `ports`, by the agent's number. */
struct weft_port {
    uint32_t ifindex; /* in the host's namespace; of an endpoint the near end of its veth pair */
    uint32_t mtu;
    uint8_t role; /* enum weft_port_role */
    uint8_t up;
    uint16_t reserved;
};

/* `host_routes`: /32 and /128. Their value, and that of prefix_routes, is a struct weft_route_value. */
struct weft_host_route_key {
    struct weft_address address;
    uint32_t vni;
};

/* `prefix_routes`: all others. `length` counts bits from `vni` on; an IPv4 prefix has 96 bits of ::ffff:0:0 in front.
 */
struct weft_prefix_route_key {
    uint32_t length;
    uint32_t vni; /* network order: bits are compared from the first byte on */
    struct weft_address address;
};

/* `counters`, by port: one for each CPU. */
struct weft_port_counts {
    uint64_t rx_packets;
    uint64_t rx_bytes;
    uint64_t tx_packets;
    uint64_t tx_bytes;
    uint64_t drops[64]; /* by drop reason, with room for new ones */
};

WEFT_STATIC_ASSERT(WEFT_DROP_REASON_COUNT <= 64, "counters have room for every drop reason");

/* `told`: what the agent said, as protobuf messages, since a dump says it again: what the other maps' values leave
 * out (names, paths). Not read by any program. */
enum weft_told_kind {
    WEFT_TOLD_HOST = 1,
    WEFT_TOLD_NETWORK = 2,
    WEFT_TOLD_PORT = 3,
    WEFT_TOLD_ENDPOINT = 4,
    WEFT_TOLD_NEXT_HOP = 5,
};

struct weft_told_key {
    uint32_t kind; /* enum weft_told_kind */
    uint32_t id;
};

struct weft_told_value {
    uint16_t size;
    uint8_t message[510];
};
