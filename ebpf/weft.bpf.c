// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The eBPF fast path: a program for what endpoints send, at the near end of each one's veth pair, and one for what
// comes from the underlay, at the uplink, with another in front of it where the device runs XDP programs. The stages
// are dataplane/pipeline/stages.md's; what they decide is in dataplane/pipeline/*.h, which the DPDK fast path
// includes too. Built twice, the second time for packets that somebody traces (trace.bpf.h).
#include "dataplane/pipeline/sender.h"
#include "dataplane/pipeline/underlay.h"
#include "ebpf/fragment.bpf.h"
#include "ebpf/icmp_error.bpf.h"
#include "ebpf/recent.bpf.h"
#include "ebpf/send.bpf.h"
#include "ebpf/uplink_xdp.bpf.h"

char weft_license[] SEC("license") = "Dual BSD/GPL";

/* Into how many segments a frame is cut at most: 64 KiB at the smallest MSS that Linux takes for a route, 88. */
enum { WEFT_SEGMENTS_MAX = 745 };

/* P, on the frame in the scratch; then its length is the packet's, without padding, of which nothing is read. */
WEFT_INLINE int weft_parse(struct __sk_buff* skb, struct weft_scratch* scratch) {
    struct weft_ip* const ip = &scratch->packet.ip;
    if (!weft_read_on(skb, scratch)) return WEFT_DROP_malformed_ethernet;
    const __u8* const frame = weft_frame(scratch);
    const int reason = weft_parse_frame(frame, weft_headers_size(scratch), scratch->length, ip);
    if (reason != WEFT_DROP_none) return reason;
    scratch->length = WEFT_ETHERNET_SIZE + ip->l3_length;
    if (scratch->linear > scratch->length) scratch->linear = scratch->length;
    scratch->segment = skb->gso_size;
    scratch->segment_headers = 0;
    if (weft_is_unfinished(skb) &&
        weft_open_sum_of(skb, ip, scratch->inner, scratch->segment != 0) == WEFT_SUM_HARMFUL)
        return WEFT_DROP_unsupported_offload;
    if (scratch->segment == 0) return WEFT_DROP_none;
    /* What is behind the packet could not be cut off without forgetting that it is to be cut. */
    if (skb->len != scratch->inner + scratch->length) return WEFT_DROP_unsupported_offload;
    if (ip->protocol != WEFT_PROTO_TCP || ip->fragment != WEFT_FRAGMENT_NONE ||
        scratch->length > scratch->segment * WEFT_SEGMENTS_MAX)
        return WEFT_DROP_unsupported_offload;
    const __u32 tcp = (__u32)(weft_at(frame, ip->l4_offset)[12] >> 4) * 4;
    scratch->segment_headers = ip->l4_offset - ip->l3_offset + tcp;
    return WEFT_DROP_none;
}

/* Sessions and the way out. */
WEFT_INLINE int weft_route_packet(struct __sk_buff* skb, struct weft_scratch* scratch, const struct weft_view* view,
                                  const struct weft_host* host, int from_underlay) {
    struct weft_packet* const packet = &scratch->packet;
    const struct weft_ip* const ip = &packet->ip;
    struct weft_path path = {0, 0};
    struct weft_exit exit;

    weft_packet_key(packet);
    const int recent = weft_find_recent(view, packet, &scratch->session);
    const int found = recent || weft_find_session(view, &packet->key, &scratch->session);
    int reason = weft_admit(view, packet, weft_frame(scratch), weft_headers_size(scratch), scratch->length,
                            &scratch->about, found ? &scratch->session : 0, &path);
    weft_trace_asked(skb, scratch->port,
                     !from_underlay         ? WEFT_TRACE_FROM_ENDPOINT
                     : scratch->handed_over ? WEFT_TRACE_HANDED_OVER
                                            : WEFT_TRACE_FROM_UNDERLAY);
    const struct weft_next_hop* const next_hop = path.forward;
    if (reason == WEFT_DROP_none && !next_hop) reason = WEFT_DROP_no_route; /* never; the verifier asks */
    if (reason == WEFT_DROP_none) {
        const struct weft_segments segments = {scratch->segment, scratch->segment_headers};
        reason = weft_way_out(view, ip, next_hop, segments, &exit);
        /* Then its sender is told to cut it. */
        if (reason == WEFT_DROP_none && exit.fit == WEFT_FRAGMENTS && !weft_is_divisible(skb, ip, next_hop->mtu))
            reason = WEFT_DROP_packet_too_big;
    }
    if (reason != WEFT_DROP_none || !next_hop) return weft_send_icmp_error(skb, scratch, view, &path, (__u32)reason);
    if (found && !recent && !weft_session_begins_anew(&scratch->session, ip, (int)packet->from_low))
        weft_keep_recent(view, packet, &scratch->session);
    if (!weft_trim(skb, scratch)) return WEFT_DROP_no_buffer;
    if (exit.fit == WEFT_SMALLER_SEGMENTS &&
        !weft_shrink_segments(skb, scratch->segment_headers + scratch->segment - next_hop->mtu))
        return WEFT_DROP_no_buffer;
    if (exit.receiver) return weft_deliver(skb, scratch, exit.receiver, host, !from_underlay);
    if (from_underlay) return WEFT_DROP_not_local; /* as weft_way_out() has said; the compiler leaves the rest out */
    __u8* const l3 = weft_frame(scratch) + WEFT_ETHERNET_SIZE;
    weft_decrement_ttl(l3, ip->family);
    if (exit.fit == WEFT_FRAGMENTS) return weft_leave_to_be_cut(packet, next_hop);
    return weft_encapsulate(skb, scratch, next_hop, l3, weft_tunnel_hash(packet), 1);
}

/* What the gateway answers itself: the question, of `size` bytes, was overwritten. */
WEFT_INLINE int weft_answer(struct __sk_buff* skb, struct weft_scratch* scratch, const __u8* bytes, __u32 size) {
    return bpf_skb_store_bytes(skb, 0, bytes, size, 0) == 0 ? weft_leave(skb, scratch->port) : WEFT_DROP_no_buffer;
}

WEFT_STAGE int weft_answer_arp(struct __sk_buff* skb, struct weft_scratch* scratch,
                               const struct weft_endpoint* endpoint, const struct weft_host* host) {
    const int reason = weft_check_arp(scratch->headers, weft_headers_size(scratch), endpoint);
    if (reason != WEFT_DROP_none) return reason;
    weft_write_arp_reply(scratch->headers, endpoint, host);
    return weft_answer(skb, scratch, scratch->headers, WEFT_ETHERNET_SIZE + WEFT_ARP_SIZE);
}

WEFT_STAGE int weft_answer_solicitation(struct __sk_buff* skb, struct weft_scratch* scratch,
                                        const struct weft_endpoint* endpoint, const struct weft_host* host) {
    weft_write_advertisement(scratch->headers, endpoint, host);
    if (skb->len != WEFT_ADVERTISEMENT_FRAME && bpf_skb_change_tail(skb, WEFT_ADVERTISEMENT_FRAME, 0) != 0)
        return WEFT_DROP_no_buffer;
    return weft_answer(skb, scratch, scratch->headers, WEFT_ADVERTISEMENT_FRAME);
}

WEFT_STAGE int weft_answer_echo(struct __sk_buff* skb, struct weft_scratch* scratch,
                                const struct weft_endpoint* endpoint, const struct weft_host* host) {
    const struct weft_ip* const ip = &scratch->packet.ip;
    __u8* const icmp = (__u8*)weft_at(scratch->headers, ip->l4_offset);
    weft_turn_echo(scratch->headers + WEFT_ETHERNET_SIZE, icmp, ip->family);
    weft_set_ethernet(scratch->headers, endpoint->mac, host->gateway_mac);
    if (!weft_trim(skb, scratch) || bpf_skb_store_bytes(skb, ip->l4_offset, icmp, 4, 0) != 0)
        return WEFT_DROP_no_buffer;
    return ip->family == 4 ? weft_answer(skb, scratch, scratch->headers, WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE)
                           : weft_answer(skb, scratch, scratch->headers, WEFT_ETHERNET_SIZE + WEFT_IPV6_SIZE);
}

WEFT_PIPELINE int weft_from_endpoint(struct __sk_buff* skb, struct weft_scratch* scratch) {
    const struct weft_endpoint* const endpoint = weft_endpoint_of_port(scratch->port);
    const struct weft_host* const host = weft_host_now();
    const struct weft_view view = weft_view_now(endpoint);
    if (!endpoint || !host) return WEFT_DROP_endpoint_not_ready;
    if (!weft_read_headers(skb, scratch, WEFT_ETHERNET_SIZE + WEFT_IPV4_SIZE + WEFT_UDP_SIZE, WEFT_FRAME_READ))
        return WEFT_DROP_malformed_ethernet;
    int reason = weft_check_ethernet(scratch->headers, scratch->linear, endpoint);
    if (reason != WEFT_DROP_none) return reason;
    if (skb->vlan_present) return WEFT_DROP_unknown_ethertype; /* the kernel has put the tag aside */
    if (weft_is_arp(scratch->headers)) return weft_answer_arp(skb, scratch, endpoint, host);
    reason = weft_parse(skb, scratch);
    if (reason != WEFT_DROP_none) return reason;
    enum weft_at_gateway action = WEFT_GATEWAY_FORWARDS;
    reason =
        weft_check_sender(scratch->headers, weft_headers_size(scratch), &scratch->packet.ip, endpoint, host, &action);
    if (reason != WEFT_DROP_none) return reason;
    if (action == WEFT_GATEWAY_ADVERTISES) return weft_answer_solicitation(skb, scratch, endpoint, host);
    if (action == WEFT_GATEWAY_ECHOES) return weft_answer_echo(skb, scratch, endpoint, host);
    scratch->packet.vni = endpoint->vni;
    return weft_route_packet(skb, scratch, &view, host, 0);
}

/* The UDP checksum of the outer packet, unless the device has seen it, or will complete it. */
WEFT_STAGE int weft_outer_checksum_is_good(struct __sk_buff* skb, struct weft_scratch* scratch) {
    const struct weft_outer* const outer = &scratch->outer;
    if (bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0 || weft_is_unfinished(skb)) return 1;
    const __u32 sum = weft_sum_packet(skb, outer->udp_offset, outer->udp_length);
    return weft_sum_fold(sum + weft_outer_pseudo_sum(scratch->headers, outer)) == 0xffff;
}

/* U1 to U5. From here on the frame is the inner one. */
WEFT_INLINE int weft_enter_tunnel(struct __sk_buff* skb, struct weft_scratch* scratch, const struct weft_host* host,
                                  const struct weft_view* view) {
    struct weft_outer* const outer = &scratch->outer;
    if (!weft_is_ours(scratch->headers, scratch->linear, host->vxlan_port)) return WEFT_DROP_not_vxlan;
    int reason = weft_parse_outer(scratch->headers, weft_headers_size(scratch), skb->len, host, outer);
    if (reason != WEFT_DROP_none) return reason;
    if (weft_outer_has_checksum(scratch->headers, outer) && !weft_outer_checksum_is_good(skb, scratch))
        return WEFT_DROP_bad_outer_checksum;
    reason = weft_parse_vxlan(scratch->headers, outer);
    if (reason != WEFT_DROP_none) return reason;
    reason = weft_check_tunnel(scratch, view->epoch);
    if (reason != WEFT_DROP_none) return reason;
    const __u32 inner = outer->inner_offset;
    scratch->inner = inner;
    scratch->length = outer->udp_offset + outer->udp_length - inner;
    scratch->linear = scratch->linear < inner + scratch->length ? scratch->linear - inner : scratch->length;
    return WEFT_DROP_none;
}

WEFT_PIPELINE int weft_from_underlay(struct __sk_buff* skb, struct weft_scratch* scratch) {
    const struct weft_host* const host = weft_host_now();
    const struct weft_view view = weft_view_now(0);
    if (!host || !weft_read_headers(skb, scratch, WEFT_OUTER_HEADERS_MAX, WEFT_TUNNEL_READ))
        return WEFT_DROP_not_vxlan;
    int reason = scratch->handed_over ? WEFT_DROP_none : weft_enter_tunnel(skb, scratch, host, &view);
    if (reason != WEFT_DROP_none) return reason;
    if (scratch->length < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    if (!weft_mac_equal(weft_frame(scratch), host->router_mac)) return WEFT_DROP_wrong_router_mac;
    reason = weft_parse(skb, scratch);
    if (reason != WEFT_DROP_none) return reason;
    if (weft_is_group(&scratch->packet.ip.destination)) return WEFT_DROP_multicast;
    if (weft_is_invalid_source(&scratch->packet.ip.source)) return WEFT_DROP_invalid_source;
    scratch->packet.vni = scratch->outer.vni;
    scratch->packet.outer_source = scratch->outer.source;
    return weft_route_packet(skb, scratch, &view, host, 1);
}

/* The packet has gone, or is dropped and counted. */
WEFT_INLINE int weft_finish(const struct weft_scratch* scratch, int reason) {
    if (reason == WEFT_SENT) return TC_ACT_REDIRECT;
    weft_count_drop(scratch->port, (__u32)reason);
    return TC_ACT_SHOT;
}

/* A device that no port is: nothing passes. */
WEFT_INLINE int weft_begin(struct weft_scratch* scratch, __u32 ifindex) {
    __u32* const known = &scratch->port_of[ifindex % WEFT_KNOWN_PORTS];
    const struct weft_port* const was = bpf_map_lookup_elem(&ports, known);
    if (!was || was->ifindex != ifindex) {
        const __u32* const port = bpf_map_lookup_elem(&port_of_ifindex, &ifindex);
        if (!port) return 0;
        *known = *port;
    }
    scratch->port = *known;
    return 1;
}

SEC("tc")

int endpoint(struct __sk_buff* skb) {
    struct weft_scratch* const scratch = weft_scratch_of_cpu();
    if (!scratch || !weft_begin(scratch, skb->ifindex)) return TC_ACT_SHOT;
    weft_count_received(scratch->port, skb->len);
    weft_trace_received(skb, scratch->port, WEFT_TRACE_FROM_ENDPOINT);
    int reason = weft_from_endpoint(skb, scratch);
    if (reason == WEFT_TO_BE_CUT) reason = weft_send_fragments(skb, scratch);
    weft_trace_done(skb, reason);
    return weft_finish(scratch, reason);
}

/* What is not VXLAN for this host is the host's own: it goes on to the filters of others. */
SEC("tc")

int uplink(struct __sk_buff* skb) {
    struct weft_scratch* const scratch = weft_scratch_of_cpu();
    if (!scratch || !weft_begin(scratch, skb->ifindex)) return TC_ACT_UNSPEC;
    const __u32 length = skb->len;
    if (skb->vlan_present) return TC_ACT_UNSPEC; /* it belongs to a device of its own */
    const enum weft_handed handed = weft_take_over(skb, &scratch->outer);
    if (handed == WEFT_HANDED_STRANGELY) return weft_finish(scratch, WEFT_DROP_unknown_handover);
    scratch->handed_over = handed == WEFT_HANDED_OVER;
    weft_trace_received(skb, scratch->port, scratch->handed_over ? WEFT_TRACE_HANDED_OVER : WEFT_TRACE_FROM_UNDERLAY);
    const int reason = weft_from_underlay(skb, scratch);
    if (reason == WEFT_DROP_not_vxlan && !scratch->handed_over) return TC_ACT_UNSPEC;
    /* What has been handed over is counted. */
    if (!scratch->handed_over) weft_count_received(scratch->port, length);
    weft_trace_done(skb, reason);
    return weft_finish(scratch, reason);
}

/* At the way out of the completion pair: on to the uplink, for which it was marked. */
SEC("tc")

int completed(struct __sk_buff* skb) {
    const __u32 port_number = skb->mark;
    const struct weft_port* const port = bpf_map_lookup_elem(&ports, &port_number);
    if (!port || !port->up || port->role != WEFT_PORT_UPLINK) {
        weft_count_drop(port_number, WEFT_DROP_port_down);
        return TC_ACT_SHOT;
    }
    skb->mark = 0;
    return (int)bpf_redirect(port->ifindex, 0);
}

/* In front of `uplink`, on devices whose driver runs it. While somebody traces every packet, it leaves all to that.
 */
SEC("xdp.frags")

int uplink_xdp(struct xdp_md* context) {
    struct weft_scratch* const scratch = weft_scratch_of_cpu();
    if (weft_trace_wants_whole_frames() || !scratch || !weft_begin(scratch, context->ingress_ifindex))
        return XDP_PASS;
    const int reason = weft_before_kernel(context, scratch);
    if (reason == WEFT_LEFT) return XDP_PASS;
    weft_count_received(scratch->port, scratch->length);
    if (reason == WEFT_DROP_none) return XDP_PASS;
    weft_count_drop(scratch->port, (__u32)reason);
    return XDP_DROP;
}
