// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The least of a tc fast path: encapsulation and decapsulation of VXLAN by bpf_skb_adjust_room, nothing looked up,
// nothing checked beyond its own needs. gso_decap_test.py attaches it to hosts of its own and moves bulk data
// through, so that what the kernel makes of decapsulated GSO frames is known before a fast path leans on it.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/pipeline/wire.h"

char gso_decap_license[] SEC("license") = "Dual BSD/GPL";

// As the test makes them: interfaces by index, hosts by what is in their addresses.
enum { UPLINK = 100, CONTAINER = 101, VNI = 4000 };

enum {
    INNER_ETHERNET = WEFT_UDP_SIZE + WEFT_VXLAN_SIZE,
    AROUND = INNER_ETHERNET + WEFT_ETHERNET_SIZE, // beside the outer IP header
    ROOM_V4 = AROUND + WEFT_IPV4_SIZE,
    ROOM_V6 = AROUND + WEFT_IPV6_SIZE,
};

// Newer than the headers of the distribution.
enum { DECAP_L3_IPV4 = 1 << 7, DECAP_L3_IPV6 = 1 << 8 };

#define UNDERLAY_MAC 0x02, 0xcc, 0, 0, 0, 1 // of either host's uplink
#define ROUTER_MAC 0x02, 0xaa, 0, 0, 0, 1
#define REMOTE_MAC 0x02, 0xaa, 0, 0, 0, 2 // a VXLAN device takes no frame from itself
#define GATEWAY_MAC 0x02, 0x77, 0x65, 0x66, 0x74, 0x01
#define CONTAINER_MAC 0x02, 0xbb, 0, 0, 0, 1

static __always_inline void put16(__u8* at, __u32 value) {
    at[0] = (__u8)(value >> 8);
    at[1] = (__u8)value;
}

static __always_inline void put_ipv4(__u8* ip, __u32 length, __u8 to) {
    const __u8 header[WEFT_IPV4_SIZE] = {
        0x45,
        0,
        (__u8)(length >> 8),
        (__u8)length,
        0,
        0,
        0x40,
        0,
        64,
        WEFT_PROTO_UDP,
        0,
        0,
        10,
        99,
        0,
        3 - to,
        10,
        99,
        0,
        to,
    };
    __u32 sum = 0;
    __builtin_memcpy(ip, header, sizeof header);
    for (int at = 0; at < WEFT_IPV4_SIZE; at += 2)
        sum += (__u32)header[at] << 8 | header[at + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~sum & 0xffff);
}

static __always_inline void put_ipv6(__u8* ip, __u32 length, __u8 to) {
    const __u8 header[WEFT_IPV6_SIZE] = {
        0x60,
        0,
        0,
        0,
        (__u8)(length >> 8),
        (__u8)length,
        WEFT_PROTO_UDP,
        64,
        0xfd,
        0x99,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        3 - to,
        0xfd,
        0x99,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        to,
    };
    __builtin_memcpy(ip, header, sizeof header);
}

// The far host's number is in the container's address: 10.244.N.x, fd00:244:0:N::x.
static __always_inline int encap(struct __sk_buff* skb, const int outer_v6) {
    const __u32 room = outer_v6 ? ROOM_V6 : ROOM_V4;
    const __u32 outer_ip = outer_v6 ? WEFT_IPV6_SIZE : WEFT_IPV4_SIZE;
    const int v6 = skb->protocol == bpf_htons(WEFT_ETHERTYPE_IPV6);
    __u8 to = 0;
    if (!v6 && skb->protocol != bpf_htons(WEFT_ETHERTYPE_IPV4)) return TC_ACT_OK;
    if (bpf_skb_load_bytes(skb, WEFT_ETHERNET_SIZE + (v6 ? 24 + 7 : 16 + 2), &to, 1) != 0) return TC_ACT_SHOT;

    const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET | BPF_F_ADJ_ROOM_ENCAP_L4_UDP |
                        BPF_F_ADJ_ROOM_ENCAP_L2(WEFT_ETHERNET_SIZE) | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
                        (outer_v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4);
    if (bpf_skb_adjust_room(skb, (__s32)room, BPF_ADJ_ROOM_MAC, flags) != 0) return TC_ACT_SHOT;

    __u8 header[WEFT_ETHERNET_SIZE + ROOM_V6] = {UNDERLAY_MAC, UNDERLAY_MAC};
    const __u8 vxlan[] = {WEFT_VXLAN_FLAG_VNI, 0,          0, 0,          VNI >> 16,
                          VNI >> 8 & 0xff,     VNI & 0xff, 0, ROUTER_MAC, REMOTE_MAC};
    const __u32 length = skb->len - WEFT_ETHERNET_SIZE;
    __u8* const udp = header + WEFT_ETHERNET_SIZE + outer_ip;
    put16(header + 12, outer_v6 ? WEFT_ETHERTYPE_IPV6 : WEFT_ETHERTYPE_IPV4);
    if (outer_v6)
        put_ipv6(header + WEFT_ETHERNET_SIZE, length - WEFT_IPV6_SIZE, to);
    else
        put_ipv4(header + WEFT_ETHERNET_SIZE, length, to);
    put16(udp, 50000);
    put16(udp + 2, WEFT_VXLAN_PORT);
    put16(udp + 4, length - outer_ip);
    __builtin_memcpy(udp + WEFT_UDP_SIZE, vxlan, sizeof vxlan);
    put16(udp + INNER_ETHERNET + 12, v6 ? WEFT_ETHERTYPE_IPV6 : WEFT_ETHERTYPE_IPV4);
    if (bpf_skb_store_bytes(skb, 0, header, WEFT_ETHERNET_SIZE + room, 0) != 0) return TC_ACT_SHOT;
    return (int)bpf_redirect(UPLINK, 0);
}

SEC("tc/encap_v4")

int encap_v4(struct __sk_buff* skb) { return encap(skb, 0); }

SEC("tc/encap_v6")

int encap_v6(struct __sk_buff* skb) { return encap(skb, 1); }

static __always_inline int deliver(struct __sk_buff* skb, __u32 ethertype) {
    __u8 ethernet[WEFT_ETHERNET_SIZE] = {CONTAINER_MAC, GATEWAY_MAC};
    put16(ethernet + 12, ethertype);
    if (bpf_skb_store_bytes(skb, 0, ethernet, sizeof ethernet, 0) != 0) return TC_ACT_SHOT;
    return (int)bpf_redirect_peer(CONTAINER, 0);
}

static __always_inline int from_underlay(struct __sk_buff* skb) {
    const int outer_v6 = skb->protocol == bpf_htons(WEFT_ETHERTYPE_IPV6);
    const __u32 ip = WEFT_ETHERNET_SIZE;
    const __u32 udp = ip + (outer_v6 ? WEFT_IPV6_SIZE : WEFT_IPV4_SIZE);
    __u8 protocol = 0;
    __u8 port[2] = {};
    __u8 type[2] = {};
    if (bpf_skb_load_bytes(skb, ip + (outer_v6 ? 6 : 9), &protocol, 1) != 0 || protocol != WEFT_PROTO_UDP ||
        bpf_skb_load_bytes(skb, udp + 2, port, sizeof port) != 0 || (port[0] << 8 | port[1]) != WEFT_VXLAN_PORT ||
        bpf_skb_load_bytes(skb, udp + INNER_ETHERNET + 12, type, sizeof type) != 0)
        return TC_ACT_OK;

    const __u32 ethertype = (__u32)type[0] << 8 | type[1];
    const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET |
                        (ethertype == WEFT_ETHERTYPE_IPV6 ? DECAP_L3_IPV6 : DECAP_L3_IPV4);
    if (bpf_skb_adjust_room(skb, outer_v6 ? -ROOM_V6 : -ROOM_V4, BPF_ADJ_ROOM_MAC, flags) != 0) return TC_ACT_SHOT;
    return deliver(skb, ethertype);
}

SEC("tc/decap")

int decap(struct __sk_buff* skb) { return from_underlay(skb); }

// Frames that are still to be cut go on to the host's own stack, and so to a VXLAN device.
SEC("tc/decap_single")

int decap_single(struct __sk_buff* skb) { return skb->gso_size != 0 ? TC_ACT_OK : from_underlay(skb); }

// The other way: the kernel's own VXLAN device, in external mode, has decapsulated.
SEC("tc/from_device")

int from_device(struct __sk_buff* skb) {
    struct bpf_tunnel_key key = {};
    // Which family the tunnel is of must be asked for.
    if ((bpf_skb_get_tunnel_key(skb, &key, sizeof key, 0) != 0 &&
         bpf_skb_get_tunnel_key(skb, &key, sizeof key, BPF_F_TUNINFO_IPV6) != 0) ||
        key.tunnel_id != VNI)
        return TC_ACT_SHOT;
    return deliver(skb, bpf_ntohs((__u16)skb->protocol));
}
