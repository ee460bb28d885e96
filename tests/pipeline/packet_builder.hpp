// SPDX-License-Identifier: BSD-3-Clause
// Builds the bytes of packets for cases, field by field and with plain loops: it shares no code with the pipeline
// that it checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::cases {

using Bytes = std::vector<std::uint8_t>;

inline Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline Bytes be16(std::uint32_t value) {
    return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

inline Bytes be32(std::uint32_t value) { return be16(value >> 16) + be16(value & 0xffff); }

inline Bytes zeros(std::size_t size) { return Bytes(size); }

/// Bytes that differ from their neighbours.
inline Bytes pattern(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(i * 7 + 3);
    return bytes;
}

inline std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

/// RFC 1071.
inline std::uint16_t internet_checksum(const Bytes& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(bytes[i]) << 8 : bytes[i];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

inline void put16(Bytes& bytes, std::size_t at, std::uint32_t value) {
    bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
    bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

enum class L4 { udp, tcp, icmp, other };

/// An IP packet in fields; bytes() makes it. Addresses say the family.
struct Packet {
    Bytes source;
    Bytes destination;
    L4 l4 = L4::udp;
    std::uint8_t ttl = 64;
    std::uint16_t source_port = 40000;
    std::uint16_t destination_port = 8080;
    std::uint8_t tcp_flags = 0x02;
    std::uint32_t sequence = 1000;
    std::uint8_t icmp_type = 0; ///< of the family's ICMP
    std::uint8_t icmp_code = 0;
    std::uint32_t icmp_rest = 0;
    Bytes payload = pattern(26);
    std::uint16_t id = 0x1234;
    bool dont_fragment = true;
    bool is_fragment = false; ///< `raw` is part of an upper-layer packet, from `fragment_offset` on
    bool more_fragments = false;
    std::uint32_t fragment_offset = 0; ///< bytes
    Bytes raw;
    std::uint8_t tos = 0;
    bool checksum_open = false; ///< TCP, UDP: the field holds the pseudo-header's sum
    std::uint8_t other_protocol = 99;
    Bytes options;    ///< IPv4: a multiple of four bytes
    Bytes extensions; ///< IPv6: bytes between header and upper layer, which `first_header` names
    std::uint8_t first_header = 0;

    [[nodiscard]] bool v4() const { return source.size() == 4; }

    [[nodiscard]] std::uint8_t protocol() const {
        switch (l4) {
        case L4::udp:
            return 17;
        case L4::tcp:
            return 6;
        case L4::icmp:
            return v4() ? 1 : 58;
        case L4::other:
            break;
        }
        return other_protocol;
    }

    [[nodiscard]] Bytes upper_layer() const {
        Bytes segment;
        std::size_t field = 0;
        switch (l4) {
        case L4::udp:
            segment = be16(source_port) + be16(destination_port) +
                      be16(static_cast<std::uint32_t>(8 + payload.size())) + be16(0) + payload;
            field = 6;
            break;
        case L4::tcp:
            segment = be16(source_port) + be16(destination_port) + be32(sequence) + be32(2000) +
                      Bytes{0x50, tcp_flags} + be16(4096) + be16(0) + be16(0) + payload;
            field = 16;
            break;
        case L4::icmp:
            segment = Bytes{icmp_type, icmp_code} + be16(0) + be32(icmp_rest) + payload;
            field = 2;
            break;
        case L4::other:
            return payload;
        }
        const auto size = static_cast<std::uint32_t>(segment.size());
        const Bytes pseudo = source + destination + be32(size) + be32(protocol());
        if (checksum_open)
            put16(segment, field, static_cast<std::uint16_t>(~internet_checksum(pseudo)));
        else
            put16(segment, field, internet_checksum(l4 == L4::icmp && v4() ? segment : pseudo + segment));
        return segment;
    }

    [[nodiscard]] Bytes bytes() const {
        const Bytes body = is_fragment ? raw : upper_layer();
        if (v4()) {
            const std::uint32_t flags =
                (dont_fragment ? 0x4000U : 0U) | (more_fragments ? 0x2000U : 0U) | fragment_offset / 8;
            const std::size_t header_size = 20 + options.size();
            Bytes header = Bytes{static_cast<std::uint8_t>(0x40 | header_size / 4), tos} +
                           be16(static_cast<std::uint32_t>(header_size + body.size())) + be16(id) + be16(flags) +
                           Bytes{ttl, protocol()} + be16(0) + source + destination + options;
            put16(header, 10, internet_checksum(header));
            return header + body;
        }
        Bytes between = extensions;
        std::uint8_t next = extensions.empty() ? protocol() : first_header;
        if (is_fragment) {
            between = Bytes{protocol(), 0} + be16(fragment_offset | (more_fragments ? 1U : 0U)) + be32(id);
            next = 44;
        }
        return Bytes{0x60, 0, 0, 0} + be16(static_cast<std::uint32_t>(between.size() + body.size())) +
               Bytes{next, ttl} + source + destination + between + body;
    }
};

inline Bytes ethernet(const Bytes& destination, const Bytes& source, std::uint32_t type) {
    return destination + source + be16(type);
}

inline Bytes frame(const Bytes& destination, const Bytes& source, const Packet& packet) {
    return ethernet(destination, source, packet.v4() ? 0x0800 : 0x86dd) + packet.bytes();
}

/// UDP and VXLAN in front of an Ethernet frame, UDP checksum zero.
inline Bytes vxlan(std::uint16_t source_port, std::uint16_t destination_port, std::uint32_t vni, const Bytes& inner) {
    return be16(source_port) + be16(destination_port) + be16(static_cast<std::uint32_t>(16 + inner.size())) +
           be16(0) + Bytes{8, 0, 0, 0} + be32(vni << 8) + inner;
}

/// The outer IP header as weft writes it: DF, TTL 64, identification 0.
inline Bytes outer_ip(const Bytes& source, const Bytes& destination, const Bytes& udp) {
    if (source.size() == 4) {
        Bytes header = Bytes{0x45, 0} + be16(static_cast<std::uint32_t>(20 + udp.size())) + be16(0) + be16(0x4000) +
                       Bytes{64, 17} + be16(0) + source + destination;
        put16(header, 10, internet_checksum(header));
        return ethernet({}, {}, 0x0800) + header + udp;
    }
    return ethernet({}, {}, 0x86dd) + Bytes{0x60, 0, 0, 0} + be16(static_cast<std::uint32_t>(udp.size())) +
           Bytes{17, 64} + source + destination + udp;
}

} // namespace weft::cases
