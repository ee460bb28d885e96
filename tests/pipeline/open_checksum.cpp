// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/open_checksum.hpp"

namespace weft::cases {

namespace {

constexpr std::uint8_t udp = 17;

std::uint8_t protocol_of(const Bytes& frame) { return frame.at(is_v4(frame) ? 23 : 20); }

} // namespace

std::size_t checksum_place(const Bytes& frame) { return protocol_of(frame) == udp ? 6 : 16; }

void open_checksum(Bytes& frame) {
    const bool v4 = is_v4(frame);
    const std::size_t l4 = ethernet_size + ip_size(frame);
    const auto begin = frame.begin() + ethernet_size + (v4 ? 12 : 8);
    const Bytes addresses(begin, begin + (v4 ? 8 : 32));
    const Bytes pseudo = addresses + be32(static_cast<std::uint32_t>(frame.size() - l4)) + be32(protocol_of(frame));
    put16(frame, l4 + checksum_place(frame), static_cast<std::uint16_t>(~internet_checksum(pseudo)));
}

void complete_checksum(Bytes& frame, std::size_t start, std::size_t place) {
    const std::uint16_t sum = internet_checksum({frame.begin() + static_cast<std::ptrdiff_t>(start), frame.end()});
    put16(frame, start + place, place == 6 && sum == 0 ? 0xffff : sum);
}

} // namespace weft::cases
