// SPDX-License-Identifier: BSD-3-Clause
// The burst loop. Each pass goes over the whole burst, so that the memory which the next pass needs is on its way,
// and is short, so that a packet's chain of dependent instructions runs beside those of the next packets:
//
//   parse (headers), key -> hash, prefetch bucket -> prefetch entry, or routes -> session or decision -> TTL, MTU,
//   way out
#include "dataplane/pipeline.hpp"

#include <array>

#include <rte_prefetch.h>

#include "dataplane/pipeline/sender.h"
#include "dataplane/stage_forward.hpp"
#include "dataplane/stage_fragment.hpp"
#include "dataplane/stage_icmp.hpp"
#include "dataplane/stage_neighbour.hpp"
#include "dataplane/stage_underlay.hpp"
#include "dataplane/view.hpp"

namespace weft::dataplane {

namespace {

constexpr std::uint32_t icmp_errors_per_s = 1000;

/// What the passes know about one packet.
struct Context {
    rte_mbuf* frame;
    const Network* network;
    weft_packet packet;
    SessionTable::Hint hint;
    std::uint32_t came_as; ///< bytes, padding and outer headers among them
    std::uint16_t outer;   ///< bytes of these headers
};

/// The headers of a frame a few packets ahead, of all of them in the beginning.
[[gnu::always_inline]] inline void prefetch_frame(std::span<rte_mbuf*> burst, std::size_t at) {
    constexpr std::size_t ahead = 4;
    if (at == 0)
        for (std::size_t i = 0; i < std::min(ahead, burst.size()); ++i)
            rte_prefetch0(data_of(burst[i]));
    if (at + ahead < burst.size()) rte_prefetch0(data_of(burst[at + ahead]));
}

/// Does the offload that the port asked for speak of the packet that is there? Nobody completes a checksum elsewhere
/// in it.
bool offload_fits(const rte_mbuf* packet, const weft_ip& ip) {
    const std::uint64_t l4 = packet->ol_flags & RTE_MBUF_F_TX_L4_MASK;
    const bool tcp = is_gso(packet) || l4 == RTE_MBUF_F_TX_TCP_CKSUM;
    if (packet->l2_len != ip.l3_offset || ip.l3_offset + packet->l3_len != ip.l4_offset ||
        ip.fragment != WEFT_FRAGMENT_NONE)
        return false;
    if (is_gso(packet) && rte_pktmbuf_pkt_len(packet) > packet->tso_segsz * segments_max) return false;
    return tcp ? ip.protocol == WEFT_PROTO_TCP : l4 == RTE_MBUF_F_TX_UDP_CKSUM && ip.protocol == WEFT_PROTO_UDP;
}

} // namespace

/// One burst on its way. Lives on the stack of Pipeline::process().
class Burst {
  public:
    Burst(Pipeline& pipeline, std::uint32_t port, PortCounts& counts, std::uint32_t now_s, Output& out,
          Witness* witness) :
        pipeline_(pipeline),
        tables_(pipeline.tables_),
        sessions_(pipeline.sessions_),
        view_{.epoch = tables_.epoch(),
              .now_s = now_s,
              .tables = &tables_,
              .sessions = &sessions_,
              .hits = &pipeline.hits_},
        host_(tables_.host()),
        port_(port),
        counts_(counts),
        out_(&out),
        witness_(witness) {}

    void from_endpoint(std::span<rte_mbuf*> burst);
    void from_underlay(std::span<rte_mbuf*> burst);

  private:
    void drop(rte_mbuf* frame, weft_drop_reason reason) {
        counts_.drops[reason].add(1);
        rte_pktmbuf_free(frame);
    }

    /// Layers 2 and 3 of what an endpoint sent. `taken`: answered already.
    weft_drop_reason check_endpoint_packet(rte_mbuf* frame, const Endpoint& endpoint, Context& context, bool& taken);
    weft_drop_reason check_underlay_packet(rte_mbuf* frame, Context& context);
    weft_drop_reason parse_inner(rte_mbuf* frame, weft_ip& ip) const;
    void run_sessions();

    weft_drop_reason admit(Context& context, weft_path& path) const;
    /// Tells of a packet that was decided about, if it was; true: it is watched until it is gone.
    bool tell_witness(const Context& context);
    void conclude(Context& context, weft_path& path, weft_drop_reason reason);
    weft_drop_reason forward(const Context& context, const weft_path& path);
    /// What the outer source port is made of.
    [[nodiscard]] std::uint64_t tunnel_hash(const Context& context) const;
    weft_drop_reason send_fragments(const Context& context, const weft_next_hop& next_hop);
    void send_icmp_error(const Context& context, const weft_path& path, weft_drop_reason reason);

    Pipeline& pipeline_;
    const Tables& tables_;
    SessionTable& sessions_;
    weft_view view_; ///< its network is that of the last packet from the underlay that was from a known VTEP
    const weft_host& host_;
    const std::uint32_t port_;
    PortCounts& counts_;
    Output* out_;
    Witness* const witness_;
    weft_address known_vtep_{};
    std::array<Context, burst_max> contexts_;
    unsigned used_ = 0;
};

[[gnu::always_inline]] inline weft_drop_reason Burst::parse_inner(rte_mbuf* frame, weft_ip& ip) const {
    const auto reason = weft_parse_frame(data_of(frame), headers_size(frame), rte_pktmbuf_pkt_len(frame), &ip);
    if (reason != WEFT_DROP_none) return reason;
    // Ethernet's padding does not travel. More of it than the last segment holds is none of Ethernet's.
    if (const std::uint32_t padding = rte_pktmbuf_pkt_len(frame) - WEFT_ETHERNET_SIZE - ip.l3_length; padding != 0)
        if (padding > 0xffff || rte_pktmbuf_trim(frame, static_cast<std::uint16_t>(padding)) != 0)
            return ip.family == 4 ? WEFT_DROP_malformed_ipv4 : WEFT_DROP_malformed_ipv6;
    return (frame->ol_flags & offload_wanted) == 0 || offload_fits(frame, ip) ? WEFT_DROP_none
                                                                              : WEFT_DROP_unsupported_offload;
}

[[gnu::always_inline]] inline weft_drop_reason Burst::check_endpoint_packet(rte_mbuf* frame, const Endpoint& endpoint,
                                                                            Context& context, bool& taken) {
    std::uint8_t* const bytes = data_of(frame);
    weft_ip& ip = context.packet.ip;
    auto reason = weft_check_ethernet(bytes, headers_size(frame), &endpoint);
    if (reason != WEFT_DROP_none) return reason;
    if (weft_is_arp(bytes)) {
        reason = weft_check_arp(bytes, headers_size(frame), &endpoint);
        if (reason != WEFT_DROP_none) return reason;
        weft_write_arp_reply(bytes, &endpoint, &host_);
    } else {
        weft_at_gateway action{};
        if (reason = parse_inner(frame, ip); reason != WEFT_DROP_none) return reason;
        reason = weft_check_sender(bytes, headers_size(frame), &ip, &endpoint, &host_, &action);
        if (reason != WEFT_DROP_none || action == WEFT_GATEWAY_FORWARDS) return reason;
        if (action == WEFT_GATEWAY_ADVERTISES)
            reason = advertise(frame, endpoint, host_);
        else
            echo(frame, ip, endpoint, host_);
        if (reason != WEFT_DROP_none) return reason;
    }
    taken = true;
    out_->push(port_, frame);
    return WEFT_DROP_none;
}

[[gnu::always_inline]] inline weft_drop_reason Burst::check_underlay_packet(rte_mbuf* frame, Context& context) {
    weft_outer outer;
    if (const auto reason = parse_outer(frame, host_, outer); reason != WEFT_DROP_none) return reason;
    // Packets come in trains from one VTEP and network: those need no second look.
    if (view_.network == nullptr || view_.network->vni != outer.vni ||
        !weft_address_equal(&known_vtep_, &outer.source)) {
        view_.network = tables_.network(outer.vni);
        known_vtep_ = outer.source;
        if (view_.network == nullptr) return WEFT_DROP_unknown_vni;
        if (!tables_.is_vtep(outer.source)) {
            view_.network = nullptr;
            return WEFT_DROP_unknown_vtep;
        }
    }
    context.network = view_.network;
    context.packet.outer_source = outer.source;
    context.outer = static_cast<std::uint16_t>(outer.inner_offset);
    rte_pktmbuf_adj(frame, static_cast<std::uint16_t>(outer.inner_offset));
    if (rte_pktmbuf_data_len(frame) < WEFT_ETHERNET_SIZE) return WEFT_DROP_malformed_ethernet;
    if (!weft_mac_equal(data_of(frame), host_.router_mac)) return WEFT_DROP_wrong_router_mac;
    const weft_ip& ip = context.packet.ip;
    if (const auto reason = parse_inner(frame, context.packet.ip); reason != WEFT_DROP_none) return reason;
    if (weft_is_group(&ip.destination)) return WEFT_DROP_multicast;
    return weft_is_invalid_source(&ip.source) ? WEFT_DROP_invalid_source : WEFT_DROP_none;
}

void Burst::from_endpoint(std::span<rte_mbuf*> burst) {
    const Endpoint* const endpoint = tables_.endpoint(port_);
    view_.sender = endpoint;
    view_.network = endpoint != nullptr ? tables_.network(endpoint->vni) : nullptr;
    if (view_.network == nullptr) {
        for (rte_mbuf* frame : burst)
            drop(frame, WEFT_DROP_endpoint_not_ready);
        return;
    }
    for (std::size_t i = 0; i < burst.size(); ++i) {
        prefetch_frame(burst, i);
        rte_mbuf* const frame = burst[i];
        Context& context = contexts_[used_];
        context.came_as = rte_pktmbuf_pkt_len(frame);
        context.outer = 0;
        bool taken = false;
        const auto reason = check_endpoint_packet(frame, *endpoint, context, taken);
        if (taken) continue;
        if (reason != WEFT_DROP_none) {
            drop(frame, reason);
            continue;
        }
        ++used_;
        context.frame = frame;
        context.network = view_.network;
        context.packet.vni = endpoint->vni;
        weft_packet_key(&context.packet);
    }
    run_sessions();
}

void Burst::from_underlay(std::span<rte_mbuf*> burst) {
    for (std::size_t i = 0; i < burst.size(); ++i) {
        prefetch_frame(burst, i);
        rte_mbuf* const frame = burst[i];
        Context& context = contexts_[used_];
        context.came_as = rte_pktmbuf_pkt_len(frame);
        if (const auto reason = check_underlay_packet(frame, context); reason != WEFT_DROP_none) {
            drop(frame, reason);
            continue;
        }
        ++used_;
        context.frame = frame;
        context.packet.vni = context.network->vni;
        weft_packet_key(&context.packet);
    }
    run_sessions();
}

void Burst::run_sessions() {
    for (unsigned i = 0; i < used_; ++i) {
        weft_packet& packet = contexts_[i].packet;
        packet.hash = sessions_.hash(packet.key);
        sessions_.prefetch_bucket(packet.hash);
    }
    for (unsigned i = 0; i < used_; ++i) {
        Context& context = contexts_[i];
        context.hint = sessions_.prefetch_entry(context.packet.hash);
        if (context.hint.entry != SessionTable::Hint::none) [[likely]]
            continue;
        tables_.prefetch_route(*context.network, context.packet.ip.destination);
        tables_.prefetch_route(*context.network, context.packet.ip.source);
    }
    for (unsigned i = 0; i < used_; ++i) {
        Context& context = contexts_[i];
        weft_path path{};
        const auto reason = admit(context, path);
        if (witness_ == nullptr || !pipeline_.hits_.noted()) [[likely]] {
            conclude(context, path, reason);
            continue;
        }
        Output* const out = out_;
        const bool watched = tell_witness(context);
        conclude(context, path, reason);
        if (watched) witness_->concluded();
        out_ = out;
    }
}

[[gnu::always_inline]] inline void Burst::conclude(Context& context, weft_path& path, weft_drop_reason reason) {
    if (reason == WEFT_DROP_none) reason = forward(context, path);
    if (reason == WEFT_DROP_none) return;
    send_icmp_error(context, path, reason);
    drop(context.frame, reason);
}

bool Burst::tell_witness(const Context& context) {
    rte_mbuf* const frame = context.frame;
    const WorkerHits::Note note = pipeline_.hits_.take_note();
    // As it came: what was cut off at either end is still there.
    const auto padding = static_cast<std::uint16_t>(context.came_as - context.outer - rte_pktmbuf_pkt_len(frame));
    rte_pktmbuf_prepend(frame, context.outer);
    rte_pktmbuf_append(frame, padding);
    Output* const watching = witness_->decided(frame, note);
    rte_pktmbuf_adj(frame, context.outer);
    rte_pktmbuf_trim(frame, padding);
    if (watching == nullptr) return false;
    out_ = watching;
    return true;
}

[[gnu::always_inline]] inline weft_drop_reason Burst::admit(Context& context, weft_path& path) const {
    weft_session_value session;
    weft_ip about;
    const bool found = sessions_.find(context.packet.key, context.packet.hash, context.hint, session);
    return weft_admit(&view_, &context.packet, data_of(context.frame), headers_size(context.frame),
                      rte_pktmbuf_pkt_len(context.frame), &about, found ? &session : nullptr, &path);
}

weft_drop_reason Burst::forward(const Context& context, const weft_path& path) {
    const weft_next_hop& next_hop = *path.forward;
    const weft_ip& ip = context.packet.ip;
    rte_mbuf* const frame = context.frame;
    weft_exit exit;
    const auto reason = weft_way_out(&view_, &ip, &next_hop, segments_of(frame), &exit);
    if (reason != WEFT_DROP_none) return reason;
    if (exit.fit == WEFT_SMALLER_SEGMENTS) [[unlikely]]
        frame->tso_segsz = static_cast<std::uint16_t>(next_hop.mtu - frame->l3_len - frame->l4_len);
    std::uint8_t* const bytes = data_of(frame);
    weft_decrement_ttl(bytes + WEFT_ETHERNET_SIZE, ip.family);
    if (exit.receiver != nullptr) {
        weft_set_ethernet(bytes, exit.receiver->mac, host_.gateway_mac);
        out_->push(next_hop.port, frame);
        return WEFT_DROP_none;
    }
    if (exit.fit == WEFT_FRAGMENTS) [[unlikely]]
        return send_fragments(context, next_hop);
    if (!encapsulate(frame, next_hop, tunnel_hash(context))) return WEFT_DROP_no_buffer;
    out_->push(next_hop.port, frame);
    return WEFT_DROP_none;
}

std::uint64_t Burst::tunnel_hash(const Context& context) const {
    // All fragments of a packet take one way through the underlay, so that the first can stay the first.
    if (context.packet.ip.fragment != WEFT_FRAGMENT_FIRST) [[likely]]
        return context.packet.hash;
    const weft_session_key train = weft_fragment_key(&context.packet.ip, &context.packet.key);
    return sessions_.hash(train);
}

weft_drop_reason Burst::send_fragments(const Context& context, const weft_next_hop& next_hop) {
    auto& fragments = pipeline_.fragments_;
    fragments.clear();
    const auto reason = fragment_ipv4(context.frame, context.packet.ip, next_hop.mtu, pipeline_.pool_, fragments);
    if (reason != WEFT_DROP_none) return reason;
    const std::uint64_t hash = tunnel_hash(context);
    for (rte_mbuf* const fragment : fragments) {
        if (encapsulate(fragment, next_hop, hash))
            out_->push(next_hop.port, fragment);
        else
            drop(fragment, WEFT_DROP_no_buffer);
    }
    rte_pktmbuf_free(context.frame);
    return WEFT_DROP_none;
}

void Burst::send_icmp_error(const Context& context, const weft_path& path, weft_drop_reason reason) {
    const weft_ip& ip = context.packet.ip;
    const weft_icmp_error error =
        weft_icmp_error_for(reason, ip.family, path.forward != nullptr ? path.forward->mtu : 0);
    if (!error.speaks || !weft_may_speak_about(&view_, &ip, &path)) return;
    if (pipeline_.icmp_refilled_s_ != view_.now_s) {
        pipeline_.icmp_refilled_s_ = view_.now_s;
        pipeline_.icmp_tokens_ = icmp_errors_per_s;
    }
    if (pipeline_.icmp_tokens_ == 0) return;
    --pipeline_.icmp_tokens_;
    // An endpoint hears its gateway; another host only believes an address that is routed to us, which the
    // destination's is.
    const weft_address from = view_.sender != nullptr ? weft_gateway_address(ip.family) : ip.destination;
    rte_mbuf* const answer = make_icmp_error(pipeline_.pool_, context.frame, ip, from, error);
    if (answer == nullptr) return;
    if (view_.sender != nullptr) {
        weft_set_ethernet(data_of(answer), view_.sender->mac, host_.gateway_mac);
        out_->push(port_, answer);
    } else if (encapsulate(answer, *path.back, context.packet.hash)) {
        out_->push(path.back->port, answer);
    } else {
        rte_pktmbuf_free(answer);
    }
}

void Pipeline::process(std::uint32_t port, Role role, std::span<rte_mbuf*> packets, PortCounts& counts,
                       std::uint32_t now_s, Output& out, Witness* witness) {
    std::uint64_t bytes = 0;
    for (const rte_mbuf* packet : packets)
        bytes += rte_pktmbuf_pkt_len(packet);
    counts.rx_packets.add(packets.size());
    counts.rx_bytes.add(bytes);
    Burst burst(*this, port, counts, now_s, out, witness);
    if (role == Role::endpoint)
        burst.from_endpoint(packets);
    else
        burst.from_underlay(packets);
}

} // namespace weft::dataplane
