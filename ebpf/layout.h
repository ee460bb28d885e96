/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The maps' keys and values, for the programs (maps.bpf.h) and for who fills them (map_store.hpp). Maps outlive
 * programs and agents: whatever changes here, or in the structs of dataplane/pipeline/ that are named below, changes
 * WEFT_LAYOUT. */
#pragma once

#include "dataplane/pipeline/account.h"
#include "dataplane/pipeline/drop_reason.h"
#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/policy.h"

/* The layout's number: maps are pinned under it. What maps of another number hold is taken over by the names of
 * members (migration.hpp), so what comes to mean something else gets another name. */
#ifdef WEFT_NEXT_LAYOUT /* for tests: a version that has another layout */
enum { WEFT_LAYOUT = 1000004 };
#else
enum { WEFT_LAYOUT = 4 };
#endif

/* WEFT_PORT_HOST: an endpoint whose interface is in the host's own namespace, which bpf_redirect_peer() does not
 * deliver to: packets go through the pair. */
enum weft_port_role { WEFT_PORT_ENDPOINT = 1, WEFT_PORT_UPLINK = 2, WEFT_PORT_COMPLETION = 3, WEFT_PORT_HOST = 4 };

/* In `ports`, where the agent has no port: the way in of the completion pair (completion_pair.hpp). */
enum { WEFT_COMPLETION = 0 };

/* `ports`, by the agent's number. Of arrays an entry of zeros is none; one that stays is written word by word, so
 * what must change together lies in one. */
struct weft_port {
    uint32_t ifindex; /* in the host's namespace; of an endpoint the near end of its veth pair */
    uint32_t mtu;
    uint8_t role; /* enum weft_port_role */
    uint8_t up;
    uint16_t reserved;
};

/* Whether there is one in an array's entry. Port 0 is none, and a next hop that drops counts as resolved. */
WEFT_INLINE int weft_endpoint_exists(const struct weft_endpoint* endpoint) { return endpoint->port != 0; }

WEFT_INLINE int weft_next_hop_exists(const struct weft_next_hop* next_hop) {
    return next_hop->kind != WEFT_NEXT_HOP_DROP || next_hop->resolved;
}

/* `epoch`: two words, which who fills the tables has mapped. */
enum weft_epoch_word {
    WEFT_EPOCH = 0, /* of the tables: moves with every update */
    WEFT_EPOCH_UPDATING =
        1, /* not 0 while an update is under way; so one that was cut off is seen at the next start */
};

/* `host_routes`: /32 and /128. Their value, and that of prefix_routes, is a struct weft_route_value. */
struct weft_host_route_key {
    struct weft_address address;
    uint32_t vni;
    uint32_t reserved; /* 0: keys are compared as bytes */
};

/* `prefix_routes`: all others. The family stands in front of the address, since ::/0 must not hold for IPv4. */
struct weft_prefix_route_key {
    uint32_t length;     /* in bits, of what follows */
    uint32_t vni_family; /* vni << 8 | 4 or 6, in network order: bits are compared from the first byte on */
    struct weft_address address;
};

enum { WEFT_PREFIX_ROUTE_BITS = 32 + 128 };

WEFT_INLINE struct weft_host_route_key weft_host_route_key_of(uint32_t vni, const struct weft_address* address) {
    struct weft_host_route_key key;
    key.address = *address;
    key.vni = vni;
    key.reserved = 0;
    return key;
}

/* `length`: of the prefix within the 128 bits, so 96 more than IPv4 says; 128 to look an address up. */
WEFT_INLINE struct weft_prefix_route_key weft_prefix_route_key_of(uint32_t vni, const struct weft_address* address,
                                                                  uint32_t length) {
    struct weft_prefix_route_key key;
    key.length = 32 + length;
    key.vni_family = __builtin_bswap32(vni << 8 | (weft_address_is_v4(address) ? 4U : 6U));
    key.address = *address;
    return key;
}

/* `policies`: the number of a list, never 0. */
struct weft_policy_list {
    uint64_t list;
};

/* `verdicts`: the lists' blocks. */
struct weft_verdict_key {
    uint64_t list;
    uint32_t block;    /* from 1 */
    uint32_t reserved; /* 0: keys are compared as bytes */
};

WEFT_INLINE struct weft_verdict_key weft_verdict_key_of(uint64_t list, uint32_t block) {
    struct weft_verdict_key key;
    key.list = list;
    key.block = block;
    key.reserved = 0;
    return key;
}

/* `counters`, by port: one for each CPU. */
struct weft_port_counts {
    uint64_t rx_packets;
    uint64_t rx_bytes;
    uint64_t tx_packets;
    uint64_t tx_bytes;
};

/* `drops`, likewise, of ports in use. */
struct weft_drop_counts {
    uint64_t of_reason[64]; /* enum weft_drop_reason, with room for new ones */
};

WEFT_STATIC_ASSERT(WEFT_DROP_REASON_COUNT <= 64, "counters have room for every drop reason");

/* `rule_hits`, by the number of a rule: a struct weft_rule_hits for each CPU, of rules that have any. */

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
