// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/packet_mutator.hpp"

#include <algorithm>

namespace weft::cases {

namespace {

constexpr std::size_t ethernet_size = 14;
constexpr std::size_t headers_end = 180; // where most damage is worth the while

auto at(Bytes& frame, std::size_t offset) { return frame.begin() + static_cast<std::ptrdiff_t>(offset); }

/// Behind the Ethernet header.
std::size_t place(const Bytes& frame, Random& random) {
    const std::size_t end = random.chance(90) ? std::min(frame.size(), headers_end) : frame.size();
    return end <= 12 ? 0 : 12 + random.below(end - 12);
}

void mutate_once(Bytes& frame, const Bytes& other, Random& random) {
    const std::size_t offset = place(frame, random);
    if (offset == 0) return;
    switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
        frame[offset] = static_cast<std::uint8_t>(frame[offset] ^ 1U << random.below(8));
        break;
    case 3:
        frame[offset] = random.one_of({0x00, 0x01, 0x04, 0x06, 0x11, 0x2c, 0x3a, 0x3c, 0x45, 0x60, 0x7f, 0x80, 0xff});
        break;
    case 4:
        frame[offset] = random.byte();
        break;
    case 5:
        frame.resize(std::max(ethernet_size, offset));
        break;
    case 6:
        frame.resize(std::min(mutated_max, frame.size() + random.below(40)), random.byte());
        break;
    default:
        if (offset < other.size()) {
            const std::size_t size = random.below(std::min<std::size_t>(other.size() - offset, 64)) + 1;
            frame.resize(std::max(frame.size(), offset + size));
            std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(offset), size, at(frame, offset));
        }
    }
}

/// Where the payload of UDP begins behind the IP header of `size` bytes.
std::size_t udp_payload(const Bytes& frame, std::size_t l3, std::size_t size, std::uint8_t protocol) {
    return protocol == 17 && l3 + size + 8 <= frame.size() ? l3 + size + 8 : 0;
}

} // namespace

void mutate(Bytes& frame, const Bytes& other, Random& random) {
    for (std::uint32_t left = 1 + random.below(4); left > 0; --left)
        mutate_once(frame, other, random);
}

std::size_t repair_checksum(Bytes& frame, std::size_t ethernet) {
    if (frame.size() < ethernet + 34) return 0;
    const std::size_t l3 = ethernet + ethernet_size;
    if (frame[ethernet + 12] == 0x86) return frame.size() < l3 + 40 ? 0 : udp_payload(frame, l3, 40, frame[l3 + 6]);
    const std::size_t size = static_cast<std::size_t>(frame[l3] & 15) * 4;
    if (frame[ethernet + 12] != 8 || size < 20 || l3 + size > frame.size()) return 0;
    put16(frame, l3 + 10, 0);
    put16(frame, l3 + 10, internet_checksum({at(frame, l3), at(frame, l3 + size)}));
    return udp_payload(frame, l3, size, frame[l3 + 9]);
}

std::size_t repair_lengths(Bytes& frame, std::size_t ethernet) {
    if (frame.size() < ethernet + 34) return 0;
    const std::size_t l3 = ethernet + ethernet_size;
    const auto rest = static_cast<std::uint32_t>(frame.size() - l3);
    const bool v6 = frame[ethernet + 12] == 0x86;
    if (v6 ? rest < 40 : frame[ethernet + 12] != 8) return 0;
    put16(frame, v6 ? l3 + 4 : l3 + 2, v6 ? rest - 40 : rest);
    const std::size_t size = v6 ? 40 : static_cast<std::size_t>(frame[l3] & 15) * 4;
    const std::size_t payload = udp_payload(frame, l3, size, frame[v6 ? l3 + 6 : l3 + 9]);
    if (payload != 0) put16(frame, payload - 4, static_cast<std::uint32_t>(frame.size() - payload + 8));
    return payload;
}

} // namespace weft::cases
