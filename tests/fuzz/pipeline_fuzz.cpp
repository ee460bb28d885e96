// SPDX-License-Identifier: BSD-3-Clause
// Hostile packets through the whole pipeline and out of a port: parse, decapsulation, sessions, answers,
// encapsulation, fragments, segmentation, and a trace of it all. Every packet lies in memory of its exact size, so
// that the sanitizer sees a read behind it. Built by -Dfuzz=true, run by tools/test --only fuzz.
//
// An input is a world (two bits: inner and outer family) and packets: receiving port, how it is scattered, virtio-net
// header, length, bytes.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "dataplane/gso.hpp"
#include "dataplane/tracer.hpp"
#include "dataplane/virtio_header.hpp"
#include "tests/fuzz/packet_input.hpp"
#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace {

using namespace weft;
using namespace weft::dataplane;
using cases::World;

void require(bool holds) {
    if (!holds) std::abort();
}

/// One buffer of exactly `size` bytes behind the headroom, on the heap.
rte_mbuf* exact_buffer(rte_mempool* pool, std::span<const std::uint8_t> bytes) {
    rte_mbuf* const packet = rte_pktmbuf_alloc(pool);
    require(packet != nullptr);

    struct Memory {
        rte_mbuf_ext_shared_info info;
        std::uint8_t* bytes;
    };

    auto* const memory = new Memory{};
    const std::size_t size = headroom + bytes.size();
    memory->bytes = new std::uint8_t[size];
    memory->info.free_cb = [](void*, void* opaque) {
        const auto* const mine = static_cast<Memory*>(opaque);
        delete[] mine->bytes;
        delete mine;
    };
    memory->info.fcb_opaque = memory;
    rte_mbuf_ext_refcnt_set(&memory->info, 1);
    rte_pktmbuf_attach_extbuf(packet, memory->bytes, RTE_BAD_IOVA, static_cast<std::uint16_t>(size), &memory->info);
    packet->data_off = headroom;
    packet->data_len = static_cast<std::uint16_t>(bytes.size());
    packet->pkt_len = packet->data_len;
    std::copy(bytes.begin(), bytes.end(), memory->bytes + headroom);
    return packet;
}

rte_mbuf* chain_of(rte_mempool* pool, std::span<const std::uint8_t> bytes, std::size_t first, bool exact) {
    if (!exact) {
        const cases::Step step{.frame = {bytes.begin(), bytes.end()}, .sent = {}};
        rte_mbuf* const packet = cases::make_packet(pool, step);
        require(packet != nullptr);
        return packet;
    }
    rte_mbuf* const head = exact_buffer(pool, bytes.first(std::min(first, bytes.size())));
    for (std::size_t at = head->data_len; at < bytes.size(); at += 1500)
        require(rte_pktmbuf_chain(head, exact_buffer(pool, bytes.subspan(at, std::min<std::size_t>(
                                                                                 1500, bytes.size() - at)))) == 0);
    return head;
}

/// Makes the checksum of an IPv4 header right, if one is there; says where the upper layer of UDP begins, 0: nowhere.
std::size_t repair(cases::Bytes& frame, std::size_t ethernet) {
    if (frame.size() < ethernet + 34) return 0;
    if (frame[ethernet + 12] == 0x86)
        return frame.size() >= ethernet + 62 && frame[ethernet + 20] == 17 ? ethernet + 62 : 0;
    const std::size_t l3 = ethernet + 14;
    const std::size_t size = static_cast<std::size_t>(frame[l3] & 15) * 4;
    if (frame[ethernet + 12] != 8 || size < 20 || l3 + size + 8 > frame.size()) return 0;
    cases::put16(frame, l3 + 10, 0);
    const auto begin = frame.begin() + static_cast<std::ptrdiff_t>(l3);
    cases::put16(frame, l3 + 10, cases::internet_checksum({begin, begin + static_cast<std::ptrdiff_t>(size)}));
    return frame[l3 + 9] == 17 ? l3 + size + 8 : 0;
}

/// A frame that leaves: its own lengths must be true, and no open work may stay after the port's.
void check_frame(rte_mbuf* packet) {
    rte_mbuf_sanity_check(packet, 1);
    require((packet->ol_flags & offload_wanted) == 0);
    const cases::Bytes frame = cases::bytes_of(packet);
    require(frame.size() == packet->pkt_len && frame.size() >= 14);
    const std::size_t rest = frame.size() - 14;
    if (frame[12] == 8 && frame[13] == 0) {
        require(rest >= 20 && static_cast<std::size_t>(frame[16] << 8 | frame[17]) == rest);
        const std::size_t header = static_cast<std::size_t>(frame[14] & 15) * 4;
        require(cases::internet_checksum(
                    {frame.begin() + 14, frame.begin() + 14 + static_cast<std::ptrdiff_t>(header)}) == 0);
    } else if (frame[12] == 0x86 && frame[13] == 0xdd) {
        require(rest >= 40 && static_cast<std::size_t>(frame[18] << 8 | frame[19]) == rest - 40);
    }
}

class Sink final : public ObservedOutput {
  public:
    explicit Sink(rte_mempool* pool) : pool_(pool) {}

    void push(std::uint32_t port, rte_mbuf* packet) override {
        require(port == World::web || port == World::db || port == World::uplink);
        ++pushed;
        static_cast<void>(to_virtio(packet)); // what a TAP would do
        std::vector<rte_mbuf*> segments;
        if (is_gso(packet)) {
            if (segment_tcp(packet, pool_, segments) != WEFT_DROP_none) require(segments.empty());
            rte_pktmbuf_free(packet);
        } else if ((packet->ol_flags & offload_wanted) == 0 || complete_checksum(packet) == WEFT_DROP_none) {
            segments.push_back(packet);
        } else {
            rte_pktmbuf_free(packet);
        }
        for (rte_mbuf* const segment : segments) {
            check_frame(segment);
            rte_pktmbuf_free(segment);
        }
    }

    void flush() override {}

    [[nodiscard]] const PortCounts* counts(std::uint32_t) const override { return nullptr; }

    unsigned pushed = 0;

  private:
    rte_mempool* pool_;
};

/// What a trace tells must be what happened.
void check_trace(Trace& trace, unsigned pushed, const PortCounts& counts) {
    fastpath::TraceEvents events;
    require(!trace.take(events, 0) && trace.lost() == 0);
    require(events.events_size() == static_cast<int>(std::max(pushed, 1U)));
    const auto& event = events.events(0);
    require(event.parts() == pushed && event.stage() != WEFT_STAGE_unknown);
    const bool dropped = event.verdict() == fastpath::TRACE_VERDICT_DROPPED;
    require(dropped == (event.drop_reason() != WEFT_DROP_none));
    require(!dropped || counts.drops[event.drop_reason()].get() == 1);
}

/// The world in one combination of families, with something to decide.
struct FuzzHost {
    explicit FuzzHost(const World& world) : tables(quiescence) {
        fastpath::TableUpdate update = world.tables();
        update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, 0, fastpath::VERDICT_DENY));
        update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, World::id_web, 17, 0,
                                       fastpath::VERDICT_ALLOW, fastpath::VERDICT_DENY));
        update.MergeFrom(World::policy(fastpath::DIRECTION_EGRESS, World::id_web, World::id_other, 6, 0,
                                       fastpath::VERDICT_DENY, fastpath::VERDICT_ALLOW));
        require(tables.apply(update).has_value());
    }

    Quiescence quiescence{1};
    Tables tables;
};

FuzzHost& host_of(unsigned combination) {
    static std::array<std::unique_ptr<FuzzHost>, 4> hosts;
    auto& host = hosts[combination & 3];
    if (!host)
        host = std::make_unique<FuzzHost>(World{(combination & 1) != 0 ? 6 : 4, (combination & 2) != 0 ? 6 : 4});
    return *host;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto& test_host = cases::TestHost::get();
    fuzz::PacketInput input({data, size});
    FuzzHost& host = host_of(input.combination());
    const auto sessions = SessionTable::make(64, 1).value();
    RuleHits hits(host.quiescence, 1);
    Pipeline pipeline(host.tables, *sessions, test_host.pool(), hits.of_worker(0));
    Tracer tracer(0, host.tables, *sessions, pipeline);
    static Trace trace(1, {.filter = {}, .snap_length = 64, .events_per_s = 0}, 1); // its ring is large
    Sink sink(test_host.pool());
    std::uint32_t now_s = 1000;
    while (const auto packet = input.next()) {
        cases::Bytes frame(packet->frame.begin(), packet->frame.end());
        if (packet->summed)
            if (const std::size_t upper = repair(frame, 0); upper != 0 && packet->port == World::uplink)
                repair(frame, upper + 8);
        rte_mbuf* mbuf = chain_of(test_host.pool(), frame, packet->first_buffer, packet->exact);
        now_s += packet->seconds;
        PortCounts counts;
        if (from_virtio(packet->virtio, mbuf) != WEFT_DROP_none) {
            rte_pktmbuf_free(mbuf);
            continue;
        }
        sink.pushed = 0;
        tracer.process({&trace}, packet->port, cases::role_of(packet->port), {&mbuf, 1}, counts, now_s, sink);
        std::uint64_t dropped = 0;
        for (const auto& count : counts.drops)
            dropped += count.get();
        // One packet, one fate: sent (perhaps in fragments), or dropped once (perhaps with an error).
        require(counts.rx_packets.get() == 1 && counts.drops[WEFT_DROP_none].get() == 0);
        check_trace(trace, sink.pushed, counts);
        require(dropped <= 1 && (dropped == 1 || sink.pushed >= 1) && (dropped == 0 || sink.pushed <= 1));
    }
    require(test_host.buffers_in_use() == 0);
    return 0;
}
