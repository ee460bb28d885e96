// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/dpdk_runner.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "tests/pipeline/open_checksum.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::cases {

namespace {

using namespace weft::dataplane;

constexpr std::size_t first_buffer_min = 200; // the headers of every case
constexpr std::size_t buffer_max = 2048;

/// Completes what is still open in a packet that came out.
void complete(const rte_mbuf* packet, Bytes& frame) {
    const std::uint64_t kind = packet->ol_flags & RTE_MBUF_F_TX_L4_MASK;
    if (kind == 0) return;
    const bool tunnel = (packet->ol_flags & RTE_MBUF_F_TX_TUNNEL_MASK) == RTE_MBUF_F_TX_TUNNEL_VXLAN;
    const std::size_t l3 = (tunnel ? std::size_t{packet->outer_l2_len} + packet->outer_l3_len : 0) + packet->l2_len;
    const std::size_t l4 = l3 + packet->l3_len;
    complete_checksum(frame, l4, kind == RTE_MBUF_F_TX_UDP_CKSUM ? 6 : 16);
}

class Collector final : public ObservedOutput {
  public:
    explicit Collector(Outcome& outcome) : outcome_(outcome) {}

    void push(std::uint32_t port, rte_mbuf* packet) override {
        Sent sent{port, bytes_of(packet), static_cast<std::uint16_t>(is_gso(packet) ? packet->tso_segsz : 0)};
        complete(packet, sent.frame);
        add_sent(outcome_, std::move(sent));
        rte_pktmbuf_free(packet);
    }

    void flush() override {}

    [[nodiscard]] const PortCounts* counts(std::uint32_t) const override { return nullptr; }

  private:
    Outcome& outcome_;
};

} // namespace

Role role_of(std::uint32_t port) { return port == World::uplink ? Role::uplink : Role::endpoint; }

std::vector<fastpath::TraceEvent> events_of(Trace& trace) {
    std::vector<fastpath::TraceEvent> all;
    for (bool more = true; more;) {
        fastpath::TraceEvents events;
        more = trace.take(events, 0);
        all.insert(all.end(), events.events().begin(), events.events().end());
    }
    return all;
}

Bytes bytes_of(const rte_mbuf* packet) {
    Bytes bytes;
    for (; packet != nullptr; packet = packet->next) {
        const auto* const at = rte_pktmbuf_mtod(packet, const std::uint8_t*);
        bytes.insert(bytes.end(), at, at + packet->data_len);
    }
    return bytes;
}

rte_mbuf* make_packet(rte_mempool* pool, const Step& step) {
    Bytes frame = step.frame;
    if (step.offload.checksum) open_checksum(frame);
    rte_mbuf* const head = rte_pktmbuf_alloc(pool);
    if (head == nullptr) return nullptr;
    const std::size_t part_max =
        step.scattered ? std::clamp(frame.size() / 3, first_buffer_min, buffer_max) : buffer_max;
    for (std::size_t done = 0; done < frame.size();) {
        const auto part = static_cast<std::uint16_t>(std::min(part_max, frame.size() - done));
        if (done != 0) {
            rte_mbuf* const more = rte_pktmbuf_alloc(pool);
            if (more == nullptr || rte_pktmbuf_chain(head, more) != 0) {
                rte_pktmbuf_free(more);
                rte_pktmbuf_free(head);
                return nullptr;
            }
        }
        std::memcpy(rte_pktmbuf_append(head, part), frame.data() + done, part);
        done += part;
    }
    if (!step.offload.checksum) return head;
    const std::uint8_t protocol = frame.at(is_v4(frame) ? 23 : 20);
    head->ol_flags |= is_v4(frame) ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
    head->ol_flags |= protocol == 17 ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;
    head->l2_len = ethernet_size;
    head->l3_len = (ip_size(frame) + step.offload.wrong_l3_by) & 0x1ff;
    if (step.offload.segment != 0) {
        head->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
        head->l4_len = static_cast<unsigned>(frame.at(ethernet_size + ip_size(frame) + 12) >> 4) * 4;
        head->tso_segsz = step.offload.segment;
    }
    return head;
}

Fixture::Fixture(rte_mempool* pool, std::size_t sessions_max) :
    pool_(pool),
    quiescence_(1),
    tables_(quiescence_),
    sessions_(SessionTable::make(sessions_max, 0x1234567890abcdefULL).value()),
    hits_(quiescence_, 1),
    pipeline_(tables_, *sessions_, pool, hits_.of_worker(0)),
    tracer_(0, tables_, *sessions_, pipeline_) {}

Result<void> Fixture::apply(const fastpath::TableUpdate& update) {
    auto applied = tables_.apply(update);
    hits_.reset({update.reset_rules().data(), static_cast<std::size_t>(update.reset_rules_size())});
    return applied;
}

std::vector<Hits> Fixture::hits() {
    fastpath::RuleHitsReply reply;
    hits_.tell(reply);
    return to_hits(reply);
}

template <class Process>
Outcome Fixture::run_through(std::span<const Step> steps, Process process) {
    Outcome outcome;
    std::vector<rte_mbuf*> burst;
    for (const Step& step : steps)
        burst.push_back(make_packet(pool_, step));
    assert(std::ranges::find(burst, nullptr) == burst.end());
    Collector collector(outcome);
    PortCounts counts;
    process(burst, counts, collector);
    for (std::size_t i = 0; i < counts.drops.size(); ++i)
        if (const std::uint64_t count = counts.drops[i].get(); count != 0)
            outcome.drops[static_cast<weft_drop_reason>(i)] = count;
    return outcome;
}

Outcome Fixture::run(std::span<const Step> steps) {
    const Step& first = steps.front();
    return run_through(steps, [&](auto& burst, auto& counts, auto& out) {
        pipeline_.process(first.port, role_of(first.port), burst, counts, first.now_s, out);
    });
}

Outcome Fixture::run_traced(std::span<const Step> steps, const TraceSet& traces) {
    const Step& first = steps.front();
    return run_through(steps, [&](auto& burst, auto& counts, auto& out) {
        tracer_.process(traces, first.port, role_of(first.port), burst, counts, first.now_s, out);
    });
}

} // namespace weft::cases
