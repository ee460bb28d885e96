/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the tables hold, for both fast paths: the host, endpoints, next hops and routes. The agent's messages become
 * these structs once (dataplane/api/table_writer.hpp); where they are kept is each fast path's business. */
#pragma once

#include "dataplane/pipeline/vxlan.h"

enum { WEFT_MAC_SIZE = 6 };

/* Identities with a fixed meaning; the agent gives the others. */
enum weft_identity {
    WEFT_IDENTITY_ANY = 0,
    WEFT_IDENTITY_HOST = 1,
    WEFT_IDENTITY_WORLD = 2,
    WEFT_IDENTITY_UNKNOWN = 3, /* no route leads there */
};

/* What is true for the whole host. A VTEP address of zeros: no tunnels over that family. */
struct weft_host {
    struct weft_address vtep_v4;
    struct weft_address vtep_v6;
    uint8_t router_mac[WEFT_MAC_SIZE];
    uint8_t gateway_mac[WEFT_MAC_SIZE];
    uint16_t vxlan_port;
    uint16_t reserved;
    uint32_t session_quota; /* of an account (account.h); 0: a part of the table */
    uint32_t padding;       /* 0: compared as bytes */
};

enum { WEFT_ENDPOINT_ADDRESSES = 2 };

/* Who is behind a port. */
struct weft_endpoint {
    struct weft_address addresses[WEFT_ENDPOINT_ADDRESSES];
    uint32_t port;
    uint32_t vni;
    uint32_t identity;
    uint8_t mac[WEFT_MAC_SIZE];
    uint8_t address_count;
    uint8_t reserved[5];
};

enum weft_next_hop_kind { WEFT_NEXT_HOP_DROP = 0, WEFT_NEXT_HOP_LOCAL = 1, WEFT_NEXT_HOP_VTEP = 2 };

/* Where a packet goes. The template is what a VTEP's frames begin with. */
struct weft_next_hop {
    uint8_t kind;       /* enum weft_next_hop_kind */
    uint8_t resolved;   /* VTEP: its link-layer address is known */
    uint8_t outer_v4;   /* VTEP: reached over IPv4 */
    uint8_t outer_size; /* VTEP: 50 or 70 */
    uint32_t port;
    uint32_t mtu; /* largest inner IP packet; 0: any, as the receiving port's own MTU is its senders' */
    uint32_t vni;
    struct weft_address remote;
    uint8_t tunnel_template[96]; /* WEFT_TEMPLATE_MAX, padded for vector copies */
};

WEFT_STATIC_ASSERT(sizeof(struct weft_next_hop) == 128, "a next hop is two cache lines");

struct weft_route_value {
    uint32_t next_hop; /* 0: no route */
    uint32_t identity;
};

/* WEFT_IDENTITY_ANY: there is no endpoint, it goes just now, or policy has no room for who it is. Read once, since
 * eBPF's endpoints are overwritten in place, with zeros when they go. */
WEFT_INLINE uint32_t weft_identity_of(const struct weft_endpoint* endpoint) {
    return endpoint ? *(const volatile uint32_t*)&endpoint->identity : (uint32_t)WEFT_IDENTITY_ANY;
}

WEFT_INLINE int weft_endpoint_owns(const struct weft_endpoint* endpoint, const struct weft_address* address) {
    for (int i = 0; i < WEFT_ENDPOINT_ADDRESSES; i++)
        if (i < endpoint->address_count && weft_address_equal(&endpoint->addresses[i], address)) return 1;
    return 0;
}
