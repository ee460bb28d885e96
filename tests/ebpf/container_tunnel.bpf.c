// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// Tunnels of a container's own, for kernels that have no devices for them: tests/lab/container_tunnel_test.py puts
// one program at the egress of a container's interface and `decap` at its ingress. To the kernel the packets are as a
// tunnel device's: checksums and segments inside are left open, and it notes the tunnel's kind on them.
//
// Addresses inside say those outside: 172.31.a.b is for 10.244.a.b, fd07:REST for fd00:REST or, over IPv4, for what
// the last four bytes are.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/pipeline/wire.h"

char container_tunnel_license[] SEC("license") = "Dual BSD/GPL";

enum {
    GRE = 47,
    IPIP = 4,
    IPV6_IN_IP = 41,
    GENEVE_PORT = 6081,
    GRE_SIZE = 4,
    GENEVE_SIZE = 8,
    GENEVE_AROUND = WEFT_UDP_SIZE + GENEVE_SIZE + WEFT_ETHERNET_SIZE,
    ROOM_MAX = WEFT_IPV6_SIZE + GENEVE_AROUND,
};

// Newer than the headers of the distribution.
enum { DECAP_L3_IPV4 = 1 << 7, DECAP_L3_IPV6 = 1 << 8 };

enum kind { BARE, IN_GRE, IN_GENEVE };

static __always_inline __u32 size_of(enum kind kind) {
    return kind == IN_GRE ? GRE_SIZE : kind == IN_GENEVE ? GENEVE_AROUND : 0;
}

static __always_inline void put16(__u8* at, __u32 value) {
    at[0] = (__u8)(value >> 8);
    at[1] = (__u8)value;
}

static __always_inline void put_ipv4(__u8* ip, __u32 length, __u8 protocol, const __u8* addresses) {
    __u32 sum = 0;
    ip[0] = 0x45;
    put16(ip + 2, length);
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = protocol;
    __builtin_memcpy(ip + 12, addresses, 8);
    for (int at = 0; at < WEFT_IPV4_SIZE; at += 2)
        sum += (__u32)ip[at] << 8 | ip[at + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~sum & 0xffff);
}

static __always_inline void put_ipv6(__u8* ip, __u32 length, __u8 protocol, const __u8* addresses) {
    ip[0] = 0x60;
    put16(ip + 4, length);
    ip[6] = protocol;
    ip[7] = 64;
    __builtin_memcpy(ip + 8, addresses, 32);
}

static __always_inline int encap(struct __sk_buff* skb, const enum kind kind, const int outer_v6) {
    const int v6 = skb->protocol == bpf_htons(WEFT_ETHERTYPE_IPV6);
    const __u32 outer_ip = outer_v6 ? WEFT_IPV6_SIZE : WEFT_IPV4_SIZE;
    const __u32 room = outer_ip + size_of(kind);
    __u8 addresses[32] = {};
    if (v6) {
        if (bpf_skb_load_bytes(skb, WEFT_ETHERNET_SIZE + 8, addresses, 32) != 0) return TC_ACT_SHOT;
        if (addresses[0] != 0xfd || addresses[1] != 7 || addresses[16] != 0xfd || addresses[17] != 7)
            return TC_ACT_OK;
        addresses[1] = addresses[17] = 0;
        if (!outer_v6) {
            __builtin_memcpy(addresses, addresses + 12, 4);
            __builtin_memcpy(addresses + 4, addresses + 28, 4);
        }
    } else {
        if (skb->protocol != bpf_htons(WEFT_ETHERTYPE_IPV4) || outer_v6) return TC_ACT_OK;
        if (bpf_skb_load_bytes(skb, WEFT_ETHERNET_SIZE + 12, addresses, 8) != 0) return TC_ACT_SHOT;
        if (addresses[0] != 172 || addresses[1] != 31 || addresses[4] != 172 || addresses[5] != 31) return TC_ACT_OK;
        addresses[0] = addresses[4] = 10;
        addresses[1] = addresses[5] = 244;
    }
    const __u64 flags =
        BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | (kind == IN_GRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE : 0) |
        (kind == IN_GENEVE
             ? BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_ENCAP_L2(WEFT_ETHERNET_SIZE)
             : 0) |
        (outer_v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);
    if (bpf_skb_adjust_room(skb, (__s32)room, BPF_ADJ_ROOM_MAC, flags) != 0) return TC_ACT_SHOT;

    __u8 header[2 + ROOM_MAX] = {}; // from the Ethertype on
    __u8* const ip = header + 2;
    __u8* const l4 = ip + outer_ip;
    const __u32 ethertype = v6 ? WEFT_ETHERTYPE_IPV6 : WEFT_ETHERTYPE_IPV4;
    const __u32 length = skb->len - WEFT_ETHERNET_SIZE;
    const __u8 protocol = kind == IN_GRE ? GRE : kind == IN_GENEVE ? WEFT_PROTO_UDP : v6 ? IPV6_IN_IP : IPIP;
    put16(header, outer_v6 ? WEFT_ETHERTYPE_IPV6 : WEFT_ETHERTYPE_IPV4);
    if (outer_v6)
        put_ipv6(ip, length - WEFT_IPV6_SIZE, protocol, addresses);
    else
        put_ipv4(ip, length, protocol, addresses);
    if (kind == IN_GRE) put16(l4 + 2, ethertype);
    if (kind == IN_GENEVE) {
        put16(l4, 50000);
        put16(l4 + 2, GENEVE_PORT);
        put16(l4 + 4, length - outer_ip);
        put16(l4 + WEFT_UDP_SIZE + 2, 0x6558); // Ethernet
        put16(l4 + WEFT_UDP_SIZE + GENEVE_SIZE + 12, ethertype);
    }
    return bpf_skb_store_bytes(skb, 12, header, 2 + room, 0) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc/gre")

int gre(struct __sk_buff* skb) { return encap(skb, IN_GRE, 0); }

SEC("tc/gre_v6")

int gre_v6(struct __sk_buff* skb) { return encap(skb, IN_GRE, 1); }

SEC("tc/bare")

int bare(struct __sk_buff* skb) { return encap(skb, BARE, 0); }

SEC("tc/bare_v6")

int bare_v6(struct __sk_buff* skb) { return encap(skb, BARE, 1); }

SEC("tc/geneve")

int geneve(struct __sk_buff* skb) { return encap(skb, IN_GENEVE, 0); }

SEC("tc/geneve_v6")

int geneve_v6(struct __sk_buff* skb) { return encap(skb, IN_GENEVE, 1); }

SEC("tc/decap")

int decap(struct __sk_buff* skb) {
    const int outer_v6 = skb->protocol == bpf_htons(WEFT_ETHERTYPE_IPV6);
    const __u32 outer_ip = outer_v6 ? WEFT_IPV6_SIZE : WEFT_IPV4_SIZE;
    __u8 protocol = 0;
    __u8 first = 0;
    __u8 port[2] = {};
    if (bpf_skb_load_bytes(skb, WEFT_ETHERNET_SIZE + (outer_v6 ? 6 : 9), &protocol, 1) != 0) return TC_ACT_OK;
    enum kind kind = BARE;
    if (protocol == WEFT_PROTO_UDP) {
        if (bpf_skb_load_bytes(skb, WEFT_ETHERNET_SIZE + outer_ip + 2, port, sizeof port) != 0 ||
            (port[0] << 8 | port[1]) != GENEVE_PORT)
            return TC_ACT_OK;
        kind = IN_GENEVE;
    } else if (protocol == GRE) {
        kind = IN_GRE;
    } else if (protocol != IPIP && protocol != IPV6_IN_IP) {
        return TC_ACT_OK;
    }
    const __u32 room = outer_ip + size_of(kind);
    if (bpf_skb_load_bytes(skb, WEFT_ETHERNET_SIZE + room, &first, 1) != 0) return TC_ACT_SHOT;
    const int v6 = first >> 4 == 6;
    const __u64 flags =
        BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | (v6 ? DECAP_L3_IPV6 : DECAP_L3_IPV4);
    __u8 ethertype[2];
    put16(ethertype, v6 ? WEFT_ETHERTYPE_IPV6 : WEFT_ETHERTYPE_IPV4);
    if (bpf_skb_adjust_room(skb, -(__s32)room, BPF_ADJ_ROOM_MAC, flags) != 0 ||
        bpf_skb_store_bytes(skb, 12, ethertype, sizeof ethertype, 0) != 0)
        return TC_ACT_SHOT;
    return TC_ACT_OK;
}
