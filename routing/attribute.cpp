// SPDX-License-Identifier: BSD-3-Clause
#include "routing/attribute.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "routing/net/bytes.hpp"

namespace weft::bgp {

namespace {

// First two bytes of the extended communities that weft makes and reads (IANA).
constexpr std::uint16_t type_route_target_as2 = 0x0002;
constexpr std::uint16_t type_route_target_ip = 0x0102;
constexpr std::uint16_t type_route_target_as4 = 0x0202;
constexpr std::uint16_t type_encapsulation = 0x030c;
constexpr std::uint16_t type_router_mac = 0x0603;
constexpr std::uint16_t tunnel_vxlan = 8;

std::uint16_t type_of(const ExtendedCommunity& community) {
    return static_cast<std::uint16_t>(community.bytes[0] << 8 | community.bytes[1]);
}

ExtendedCommunity from(const net::ByteWriter& writer) {
    ExtendedCommunity community;
    std::ranges::copy(writer.view(), community.bytes.begin());
    return community;
}

} // namespace

unsigned AsPath::length() const {
    unsigned length = 0;
    for (const auto& segment : segments)
        length += segment.kind == AsPathSegment::Kind::set ? 1 : static_cast<unsigned>(segment.numbers.size());
    return length;
}

bool AsPath::contains(std::uint32_t number) const {
    return std::ranges::any_of(segments, [number](const auto& segment) {
        return std::ranges::find(segment.numbers, number) != segment.numbers.end();
    });
}

std::uint32_t AsPath::first() const {
    if (segments.empty() || segments.front().kind != AsPathSegment::Kind::sequence ||
        segments.front().numbers.empty())
        return 0;
    return segments.front().numbers.front();
}

AsPath AsPath::prepended(std::uint32_t number) const {
    AsPath path = *this;
    if (path.segments.empty() || path.segments.front().kind != AsPathSegment::Kind::sequence ||
        path.segments.front().numbers.size() == 255)
        path.segments.insert(path.segments.begin(), AsPathSegment{});
    auto& numbers = path.segments.front().numbers;
    numbers.insert(numbers.begin(), number);
    return path;
}

std::string AsPath::to_string() const {
    std::string text;
    for (const auto& segment : segments) {
        if (!text.empty()) text += ' ';
        text += segment.kind == AsPathSegment::Kind::set ? fmt::format("{{{}}}", fmt::join(segment.numbers, ","))
                                                         : fmt::format("{}", fmt::join(segment.numbers, " "));
    }
    return text;
}

ExtendedCommunity ExtendedCommunity::route_target(std::uint32_t as_number, std::uint32_t value) {
    net::ByteWriter writer;
    if (as_number <= 0xffff) {
        writer.u16(type_route_target_as2);
        writer.u16(as_number);
        writer.u32(value);
    } else { // RFC 5668: the value has 16 bits
        writer.u16(type_route_target_as4);
        writer.u32(as_number);
        writer.u16(value);
    }
    return from(writer);
}

ExtendedCommunity ExtendedCommunity::vxlan_encapsulation() {
    net::ByteWriter writer;
    writer.u16(type_encapsulation);
    writer.u32(0);
    writer.u16(tunnel_vxlan);
    return from(writer);
}

ExtendedCommunity ExtendedCommunity::router_mac(const net::Mac& mac) {
    net::ByteWriter writer;
    writer.u16(type_router_mac);
    writer.bytes(mac.bytes());
    return from(writer);
}

bool ExtendedCommunity::is_route_target() const {
    const auto type = type_of(*this);
    return type == type_route_target_as2 || type == type_route_target_ip || type == type_route_target_as4;
}

std::optional<net::Mac> ExtendedCommunity::as_router_mac() const {
    if (type_of(*this) != type_router_mac) return std::nullopt;
    return *net::Mac::from_bytes(std::span(bytes).subspan(2));
}

bool ExtendedCommunity::is_vxlan_encapsulation() const { return *this == vxlan_encapsulation(); }

std::string ExtendedCommunity::to_string() const {
    net::ByteReader reader(bytes);
    switch (reader.u16()) {
    case type_route_target_as2: {
        const auto as_number = reader.u16();
        return fmt::format("rt {}:{}", as_number, reader.u32());
    }
    case type_route_target_as4: {
        const auto as_number = reader.u32();
        return fmt::format("rt {}:{}", as_number, reader.u16());
    }
    case type_route_target_ip: {
        const auto address = net::Address::v4(reader.u32()).to_string();
        return fmt::format("rt {}:{}", address, reader.u16());
    }
    case type_router_mac:
        return "router-mac " + as_router_mac()->to_string();
    default:
        break;
    }
    return is_vxlan_encapsulation() ? "encap vxlan" : fmt::format("{:02x}", fmt::join(bytes, ""));
}

std::optional<net::Mac> PathAttributes::router_mac() const {
    for (const auto& community : extended_communities)
        if (auto mac = community.as_router_mac()) return mac;
    return std::nullopt;
}

} // namespace weft::bgp
