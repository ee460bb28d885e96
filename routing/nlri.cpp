// SPDX-License-Identifier: BSD-3-Clause
#include "routing/nlri.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "routing/nlri_codec.hpp"

namespace weft::bgp {

namespace {

enum EvpnType : std::uint8_t { mac_ip = 2, ip_prefix = 5 };

constexpr std::size_t prefix_v4_size = 34;
constexpr std::size_t prefix_v6_size = 58;

RouteDistinguisher read_rd(net::ByteReader& reader) {
    RouteDistinguisher rd;
    std::ranges::copy(reader.take(8), rd.bytes.begin());
    return rd;
}

std::array<std::uint8_t, 10> read_esi(net::ByteReader& reader) {
    std::array<std::uint8_t, 10> esi{};
    std::ranges::copy(reader.take(10), esi.begin());
    return esi;
}

Result<Nlri> decode_ip(net::ByteReader& reader, net::Family family) {
    const unsigned length = reader.u8();
    if (!reader.ok() || length > net::address_bits(family))
        return fail(ErrorCode::invalid, fmt::format("prefix length {}", length));
    std::array<std::uint8_t, 16> bytes{};
    std::ranges::copy(reader.take((length + 7) / 8), bytes.begin());
    if (!reader.ok()) return fail(ErrorCode::invalid, "prefix truncated");
    return *net::Prefix::make(*net::Address::from_bytes({bytes.data(), net::address_bits(family) / 8}), length);
}

Result<Nlri> decode_prefix(std::span<const std::uint8_t> body) {
    if (body.size() != prefix_v4_size && body.size() != prefix_v6_size)
        return fail(ErrorCode::invalid, fmt::format("EVPN type 5 of {} bytes", body.size()));
    const std::size_t address_size = body.size() == prefix_v4_size ? 4 : 16;
    net::ByteReader reader(body);
    EvpnPrefix route;
    route.rd = read_rd(reader);
    route.esi = read_esi(reader);
    route.ethernet_tag = reader.u32();
    const unsigned length = reader.u8();
    auto address = net::Address::from_bytes(reader.take(address_size));
    auto prefix = net::Prefix::make(*address, length);
    if (!prefix) return fail_in(std::move(prefix), "EVPN type 5");
    route.prefix = *prefix;
    route.gateway = *net::Address::from_bytes(reader.take(address_size));
    route.label = reader.u24();
    return route;
}

Result<Nlri> decode_mac_ip(std::span<const std::uint8_t> body) {
    net::ByteReader reader(body);
    EvpnMacIp route;
    route.rd = read_rd(reader);
    route.esi = read_esi(reader);
    route.ethernet_tag = reader.u32();
    const unsigned mac_length = reader.u8();
    const auto mac = reader.take(6);
    const unsigned address_length = reader.u8();
    if (!reader.ok() || mac_length != 48 || (address_length != 0 && address_length != 32 && address_length != 128))
        return fail(ErrorCode::invalid, fmt::format("EVPN type 2 with a MAC length of {} and an address length of {}",
                                                    mac_length, address_length));
    route.mac = *net::Mac::from_bytes(mac);
    const auto address = reader.take(address_length / 8);
    route.label = reader.u24();
    if (reader.left() == 3) route.second_label = reader.u24();
    if (!reader.ok() || !reader.empty())
        return fail(ErrorCode::invalid, fmt::format("EVPN type 2 of {} bytes", body.size()));
    if (address_length != 0) route.address = *net::Address::from_bytes(address);
    return route;
}

Result<Nlri> decode_evpn(net::ByteReader& reader) {
    const std::uint8_t type = reader.u8();
    const std::size_t length = reader.u8();
    const auto body = reader.take(length);
    if (!reader.ok()) return fail(ErrorCode::invalid, fmt::format("EVPN type {} truncated", type));
    if (type == ip_prefix) return decode_prefix(body);
    if (type == mac_ip) return decode_mac_ip(body);
    return EvpnOpaque{.type = type, .body = {body.begin(), body.end()}};
}

struct Encoder {
    net::ByteWriter& writer;

    void operator()(const net::Prefix& prefix) const {
        writer.u8(prefix.length());
        writer.bytes(prefix.address().bytes().first((prefix.length() + 7) / 8));
    }

    void operator()(const EvpnPrefix& route) const {
        const bool v4 = route.prefix.family() == net::Family::ipv4;
        writer.u8(ip_prefix);
        writer.u8(v4 ? prefix_v4_size : prefix_v6_size);
        writer.bytes(route.rd.bytes);
        writer.bytes(route.esi);
        writer.u32(route.ethernet_tag);
        writer.u8(route.prefix.length());
        writer.bytes(route.prefix.address().bytes());
        // A gateway of another family can only be the unspecified default.
        if (route.gateway.family() == route.prefix.family())
            writer.bytes(route.gateway.bytes());
        else
            writer.bytes(std::array<std::uint8_t, 16>{});
        writer.u24(route.label);
    }

    void operator()(const EvpnMacIp& route) const {
        const auto address = route.address ? route.address->bytes() : std::span<const std::uint8_t>{};
        writer.u8(mac_ip);
        writer.u8(33 + address.size() + (route.second_label ? 3 : 0));
        writer.bytes(route.rd.bytes);
        writer.bytes(route.esi);
        writer.u32(route.ethernet_tag);
        writer.u8(48);
        writer.bytes(route.mac.bytes());
        writer.u8(address.size() * 8);
        writer.bytes(address);
        writer.u24(route.label);
        if (route.second_label) writer.u24(*route.second_label);
    }

    void operator()(const EvpnOpaque& route) const {
        writer.u8(route.type);
        writer.u8(route.body.size());
        writer.bytes(route.body);
    }
};

} // namespace

Result<Nlri> decode_nlri(net::ByteReader& reader, AddressFamily family) {
    switch (family) {
    case AddressFamily::ipv4_unicast:
        return decode_ip(reader, net::Family::ipv4);
    case AddressFamily::ipv6_unicast:
        return decode_ip(reader, net::Family::ipv6);
    case AddressFamily::l2vpn_evpn:
        return decode_evpn(reader);
    }
    return fail(ErrorCode::invalid, "unknown address family");
}

void encode_nlri(net::ByteWriter& writer, const Nlri& nlri) { std::visit(Encoder{writer}, nlri); }

std::string_view to_string(AddressFamily family) {
    switch (family) {
    case AddressFamily::ipv4_unicast:
        return "ipv4 unicast";
    case AddressFamily::ipv6_unicast:
        return "ipv6 unicast";
    case AddressFamily::l2vpn_evpn:
        return "l2vpn evpn";
    }
    return "unknown";
}

RouteDistinguisher RouteDistinguisher::make(std::uint32_t router_id, std::uint16_t number) {
    net::ByteWriter writer;
    writer.u16(1);
    writer.u32(router_id);
    writer.u16(number);
    RouteDistinguisher rd;
    std::ranges::copy(writer.view(), rd.bytes.begin());
    return rd;
}

std::string RouteDistinguisher::to_string() const {
    net::ByteReader reader(bytes);
    switch (reader.u16()) {
    case 0: {
        const auto as_number = reader.u16();
        return fmt::format("{}:{}", as_number, reader.u32());
    }
    case 1: {
        const auto address = net::Address::v4(reader.u32()).to_string();
        return fmt::format("{}:{}", address, reader.u16());
    }
    default: {
        const auto as_number = reader.u32();
        return fmt::format("{}:{}", as_number, reader.u16());
    }
    }
}

Nlri key_of(const Nlri& nlri) {
    Nlri key = nlri;
    if (auto* const prefix = std::get_if<EvpnPrefix>(&key)) {
        prefix->esi = {};
        prefix->gateway = {};
        prefix->label = 0;
    } else if (auto* const mac = std::get_if<EvpnMacIp>(&key)) {
        mac->esi = {};
        mac->label = 0;
        mac->second_label.reset();
    }
    return key;
}

AddressFamily family_of(const Nlri& nlri) {
    if (const auto* const prefix = std::get_if<net::Prefix>(&nlri))
        return prefix->family() == net::Family::ipv4 ? AddressFamily::ipv4_unicast : AddressFamily::ipv6_unicast;
    return AddressFamily::l2vpn_evpn;
}

std::string to_string(const Nlri& nlri) {
    struct Printer {
        std::string operator()(const net::Prefix& prefix) const { return prefix.to_string(); }

        std::string operator()(const EvpnPrefix& route) const {
            return fmt::format("[5]:[{}]:[{}]:[{}] rd {}", route.ethernet_tag, route.prefix.length(),
                               route.prefix.address().to_string(), route.rd.to_string());
        }

        std::string operator()(const EvpnMacIp& route) const {
            return fmt::format("[2]:[{}]:[48]:[{}]{} rd {}", route.ethernet_tag, route.mac.to_string(),
                               route.address ? fmt::format(":[{}]:[{}]", route.address->bytes().size() * 8,
                                                           route.address->to_string())
                                             : "",
                               route.rd.to_string());
        }

        std::string operator()(const EvpnOpaque& route) const {
            return fmt::format("[{}]:[{:02x}]", route.type, fmt::join(route.body, ""));
        }
    };

    return std::visit(Printer{}, nlri);
}

} // namespace weft::bgp
