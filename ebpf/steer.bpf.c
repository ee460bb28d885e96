// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The steering program of an AF_XDP uplink: UDP to the VXLAN port goes to weft-dataplane's socket, everything else
// stays with the kernel, so that the host keeps its address, its ARP and its BGP sessions on the same interface.
// DPDK's AF_XDP driver loads it and fills `xsks_map`.
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "dataplane/pipeline/wire.h"

char weft_license[] SEC("license") = "Dual BSD/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, __u32);
} xsks_map SEC(".maps");

// Frags-aware, so that it may be attached where the MTU is beyond a page. Frames that do not fit a buffer of the
// socket are dropped by the kernel; the agent keeps the endpoints' MTU below that.
SEC("xdp.frags")

int steer(struct xdp_md* context) {
    const __u8* const packet = (const __u8*)(long)context->data;
    const __u8* const end = (const __u8*)(long)context->data_end;
    const __u8* udp;

    if (packet + WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE > end) return XDP_PASS;
    const __u32 type = (__u32)packet[12] << 8 | packet[13];
    const __u8* const ip = packet + WEFT_ETHERNET_SIZE;
    if (type == WEFT_ETHERTYPE_IPV4) {
        // Options never stand before VXLAN; fragments have no ports.
        if (ip[0] != 0x45 || ip[9] != WEFT_PROTO_UDP || ((ip[6] & 0x3f) | ip[7]) != 0) return XDP_PASS;
        udp = ip + WEFT_IPV4_SIZE;
    } else if (type == WEFT_ETHERTYPE_IPV6) {
        if (ip + WEFT_IPV6_SIZE > end || ip[6] != WEFT_PROTO_UDP) return XDP_PASS;
        udp = ip + WEFT_IPV6_SIZE;
    } else {
        return XDP_PASS;
    }
    if (udp + WEFT_UDP_SIZE > end || (__u32)(udp[2] << 8 | udp[3]) != WEFT_VXLAN_PORT) return XDP_PASS;
    // Without a socket on the queue the kernel may answer, which tells the sender that nobody listens.
    return (int)bpf_redirect_map(&xsks_map, context->rx_queue_index, XDP_PASS);
}
