// SPDX-License-Identifier: BSD-3-Clause
// How a fuzzer's input stands for packets, and how a seed is written: the pipeline's fuzzer reads it, the seed
// program writes it.
#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "dataplane/virtio_header.hpp"
#include "routing/net/bytes.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::fuzz {

struct PacketOfInput {
    std::uint32_t port;
    std::uint32_t seconds;    ///< since the packet before
    std::size_t first_buffer; ///< bytes in the first buffer
    bool exact;               ///< in memory of its exact size, else in the pool's buffers
    bool summed; ///< IPv4 header checksums are to be made right, so that what lies behind them is reached
    dataplane::VirtioHeader virtio;
    std::span<const std::uint8_t> frame;
};

class PacketInput {
  public:
    explicit PacketInput(std::span<const std::uint8_t> bytes) : reader_(bytes), combination_(reader_.u8()) {}

    /// Bit 0: IPv6 inside, bit 1: IPv6 outside.
    [[nodiscard]] unsigned combination() const { return combination_; }

    [[nodiscard]] std::optional<PacketOfInput> next() {
        constexpr std::uint32_t ports[4] = {cases::World::web, cases::World::uplink, cases::World::db,
                                            cases::World::without_endpoint};
        PacketOfInput packet{};
        const unsigned kind = reader_.u8();
        packet.port = ports[kind & 3];
        packet.exact = (kind & 4) == 0;
        packet.summed = (kind & 32) != 0;
        packet.seconds = (kind & 8) != 0 ? 20 : 0;
        const std::uint32_t first = reader_.u8();
        packet.first_buffer = first == 0 ? 2000 : first;
        if ((kind & 16) != 0) {
            packet.virtio.flags = reader_.u8();
            packet.virtio.gso_type = reader_.u8();
            packet.virtio.gso_size = reader_.u16();
            packet.virtio.csum_start = reader_.u16();
            packet.virtio.csum_offset = reader_.u16();
        }
        const std::size_t size = reader_.u16();
        if (!reader_.ok()) return std::nullopt;
        packet.frame = reader_.take(std::min(size, reader_.left())); // the last one may be cut off
        return packet;
    }

  private:
    net::ByteReader reader_;
    unsigned combination_;
};

/// The seed of a case's steps.
[[nodiscard]] inline std::vector<std::uint8_t> seed_of(unsigned combination, const std::vector<cases::Step>& steps) {
    net::ByteWriter writer;
    writer.u8(combination);
    for (const cases::Step& step : steps) {
        const unsigned port = step.port == cases::World::web      ? 0
                              : step.port == cases::World::uplink ? 1
                              : step.port == cases::World::db     ? 2
                                                                  : 3;
        const bool v4 = step.frame.size() > 13 && step.frame[12] == 8;
        writer.u8(
            port | (step.now_s > 1000 ? 8U : 0U) | (step.offload.checksum ? 16U : 0U) |
            (step.reason == WEFT_DROP_bad_ipv4_checksum || step.reason == WEFT_DROP_bad_outer_checksum ? 0U : 32U));
        writer.u8(step.scattered ? 200 : 0);
        if (step.offload.checksum) {
            const bool tcp = step.frame.at(v4 ? 23 : 20) == 6;
            writer.u8(dataplane::VirtioHeader::needs_checksum);
            writer.u8(step.offload.segment == 0 ? dataplane::VirtioHeader::gso_none
                      : v4                      ? dataplane::VirtioHeader::gso_tcpv4
                                                : dataplane::VirtioHeader::gso_tcpv6);
            writer.u16(step.offload.segment);
            writer.u16(v4 ? 34 : 54);
            writer.u16(tcp ? 16 : 6);
        }
        writer.u16(step.frame.size());
        writer.bytes(step.frame);
    }
    return std::move(writer).take();
}

} // namespace weft::fuzz
