// SPDX-License-Identifier: BSD-3-Clause
#include "routing/update_codec.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "routing/attribute_codec.hpp"
#include "routing/nlri_codec.hpp"

namespace weft::bgp {

namespace {

constexpr std::uint8_t update_error = 3;
constexpr std::uint8_t malformed_attribute_list = 1;
constexpr std::uint8_t optional_attribute_error = 9;
constexpr std::uint8_t invalid_network_field = 10;

std::unexpected<DecodeError> fatal(std::uint8_t subcode, std::string reason) {
    return std::unexpected(DecodeError{{update_error, subcode, {}}, std::move(reason)});
}

bool speaks(const CodecOptions& options, AddressFamily family) {
    return std::ranges::find(options.families, family) != options.families.end();
}

/// Appends all routes of a field; the reason when one cannot be read.
std::optional<std::string> read_routes(std::span<const std::uint8_t> bytes, AddressFamily family,
                                       std::vector<Nlri>& routes) {
    for (net::ByteReader reader(bytes); !reader.empty();) {
        auto route = decode_nlri(reader, family);
        if (!route) return fmt::format("{}: {}", route.error().message, hex(bytes));
        routes.push_back(std::move(*route));
    }
    return std::nullopt;
}

struct MpReach {
    AddressFamily family = AddressFamily::ipv4_unicast;
    net::Address next_hop;
    std::vector<Nlri> routes;
};

/// RFC 4760 section 3. Nothing: a family that we do not speak.
std::expected<std::optional<MpReach>, DecodeError> read_mp_reach(std::span<const std::uint8_t> value,
                                                                 const CodecOptions& options) {
    net::ByteReader reader(value);
    const std::uint16_t afi = reader.u16();
    const std::uint8_t safi = reader.u8();
    const auto next_hop = reader.take(reader.u8());
    reader.u8(); // reserved
    if (!reader.ok()) return fatal(optional_attribute_error, "MP_REACH_NLRI truncated: " + hex(value));
    const auto family = family_of(afi, safi);
    if (!family || !speaks(options, *family)) return std::nullopt;
    MpReach reach;
    reach.family = *family;
    // 32 bytes: global and link-local IPv6 next hop (RFC 2545 section 3); the global one counts.
    auto address = net::Address::from_bytes(next_hop.size() == 32 ? next_hop.first(16) : next_hop);
    if (!address)
        return fatal(optional_attribute_error,
                     fmt::format("MP_REACH_NLRI next hop of {} bytes: {}", next_hop.size(), hex(value)));
    reach.next_hop = *address;
    if (auto reason = read_routes(reader.rest(), *family, reach.routes))
        return fatal(optional_attribute_error, "MP_REACH_NLRI: " + *reason);
    return reach;
}

std::expected<void, DecodeError> read_mp_unreach(std::span<const std::uint8_t> value, const CodecOptions& options,
                                                 Update& update, bool alone) {
    net::ByteReader reader(value);
    const std::uint16_t afi = reader.u16();
    const std::uint8_t safi = reader.u8();
    if (!reader.ok()) return fatal(optional_attribute_error, "MP_UNREACH_NLRI truncated: " + hex(value));
    const auto family = family_of(afi, safi);
    if (!family || !speaks(options, *family)) return {};
    if (reader.empty() && alone) update.end_of_rib = family;
    if (auto reason = read_routes(reader.rest(), *family, update.withdrawn))
        return fatal(optional_attribute_error, "MP_UNREACH_NLRI: " + *reason);
    return {};
}

/// What RFC 7606 section 3 (d) calls mandatory.
std::optional<std::string> missing(const DecodedAttributes& decoded, bool classic, const CodecOptions& options) {
    if (!decoded.has_origin) return "ORIGIN is missing";
    if (!decoded.has_as_path) return "AS_PATH is missing";
    if (classic && !decoded.has_next_hop) return "NEXT_HOP is missing";
    if (options.internal_peer && !decoded.attributes.local_pref) return "LOCAL_PREF is missing";
    return std::nullopt;
}

} // namespace

AfiSafi afi_safi_of(AddressFamily family) {
    switch (family) {
    case AddressFamily::ipv4_unicast:
        return {1, 1};
    case AddressFamily::ipv6_unicast:
        return {2, 1};
    case AddressFamily::l2vpn_evpn:
        return {25, 70};
    }
    return {0, 0};
}

std::optional<AddressFamily> family_of(std::uint16_t afi, std::uint8_t safi) {
    for (const auto family : {AddressFamily::ipv4_unicast, AddressFamily::ipv6_unicast, AddressFamily::l2vpn_evpn})
        if (const auto known = afi_safi_of(family); known.afi == afi && known.safi == safi) return family;
    return std::nullopt;
}

std::expected<Update, DecodeError> decode_update(std::span<const std::uint8_t> body, const CodecOptions& options) {
    net::ByteReader reader(body);
    const auto withdrawn = reader.take(reader.u16());
    const auto attributes = reader.take(reader.u16());
    if (!reader.ok()) return fatal(malformed_attribute_list, "UPDATE with lengths beyond its end: " + hex(body));
    const auto announced = reader.rest();

    Update update;
    const bool classic = speaks(options, AddressFamily::ipv4_unicast);
    if (body.size() == 4 && classic) update.end_of_rib = AddressFamily::ipv4_unicast;
    if (classic)
        if (auto reason = read_routes(withdrawn, AddressFamily::ipv4_unicast, update.withdrawn))
            return fatal(invalid_network_field, *reason);
    auto decoded = decode_attributes(attributes, options);
    if (!decoded) return std::unexpected(std::move(decoded).error());
    update.discarded = std::move(decoded->discarded);
    if (decoded->mp_unreach) {
        const bool alone = withdrawn.empty() && announced.empty() && !decoded->has_others;
        if (auto read = read_mp_unreach(*decoded->mp_unreach, options, update, alone); !read)
            return std::unexpected(std::move(read).error());
    }
    bool reachable = false; // were routes announced, be it of a family that we do not speak?
    if (decoded->mp_reach) {
        auto reach = read_mp_reach(*decoded->mp_reach, options);
        if (!reach) return std::unexpected(std::move(reach).error());
        if (*reach) {
            decoded->attributes.next_hop = (*reach)->next_hop;
            update.announced = std::move((*reach)->routes);
        }
        reachable = !*reach || !update.announced.empty();
    } else if (classic && !announced.empty()) {
        if (auto reason = read_routes(announced, AddressFamily::ipv4_unicast, update.announced))
            return fatal(invalid_network_field, *reason);
        reachable = true;
    }
    // RFC 7606 section 5.2: what was announced stood where nothing could be read, so it cannot be withdrawn.
    if (decoded->withdraw && !reachable && decoded->has_others)
        return fatal(malformed_attribute_list, "UPDATE whose routes cannot be read: " + *decoded->withdraw);
    if (decoded->withdraw)
        update.treated_as_withdraw = std::move(decoded->withdraw);
    else if (!update.announced.empty())
        update.treated_as_withdraw = missing(*decoded, !decoded->mp_reach, options);
    if (update.treated_as_withdraw)
        std::ranges::move(std::exchange(update.announced, {}), std::back_inserter(update.withdrawn));
    if (update.announced.empty()) return update;
    update.attributes = std::make_shared<const PathAttributes>(std::move(decoded->attributes));
    return update;
}

namespace {

/// Fills messages with routes until each is full. `open` begins one and returns where its routes' length is to be
/// patched.
class Packer {
  public:
    Packer(std::vector<std::vector<std::uint8_t>>& out, const CodecOptions& options) :
        out_(out), limit_(options.extended_message ? message_extended_max : message_max) {}

    /// MP_UNREACH_NLRI is all of an UPDATE that withdraws.
    void withdraw(std::span<const Nlri> routes, AddressFamily family) {
        pack(
            routes,
            [&](net::ByteWriter& writer, const net::ByteWriter& nlri) {
                const bool classic = family == AddressFamily::ipv4_unicast;
                writer.u16(classic ? nlri.size() : 0);
                if (classic) writer.bytes(nlri.view());
                writer.u16(classic ? 0 : nlri.size() + 7);
                if (classic) return;
                writer.u8(0x90);
                writer.u8(attribute_mp_unreach);
                writer.u16(nlri.size() + 3);
                put_family(writer, family);
                writer.bytes(nlri.view());
            },
            4 + 7);
    }

    void announce(std::span<const Nlri> routes, AddressFamily family, const PathAttributes& attributes,
                  const CodecOptions& options) {
        const bool classic = family == AddressFamily::ipv4_unicast && attributes.next_hop.is_v4();
        net::ByteWriter common;
        encode_attributes(common, attributes, classic, options);
        const auto next_hop = attributes.next_hop.bytes();
        const std::size_t mp_header = classic ? 0 : 4 + 3 + 1 + next_hop.size() + 1;
        pack(
            routes,
            [&](net::ByteWriter& writer, const net::ByteWriter& nlri) {
                writer.u16(0);
                writer.u16(common.size() + mp_header + (classic ? 0 : nlri.size()));
                if (!classic) {
                    writer.u8(0x90);
                    writer.u8(attribute_mp_reach);
                    writer.u16(mp_header - 4 + nlri.size());
                    put_family(writer, family);
                    writer.u8(next_hop.size());
                    writer.bytes(next_hop);
                    writer.u8(0);
                    writer.bytes(nlri.view());
                }
                writer.bytes(common.view());
                if (classic) writer.bytes(nlri.view());
            },
            4 + common.size() + mp_header);
    }

  private:
    static void put_family(net::ByteWriter& writer, AddressFamily family) {
        const auto [afi, safi] = afi_safi_of(family);
        writer.u16(afi);
        writer.u8(safi);
    }

    template <class Body>
    void pack(std::span<const Nlri> routes, Body body, std::size_t overhead) {
        net::ByteWriter nlri;
        const auto flush = [&] {
            if (nlri.size() == 0) return;
            net::ByteWriter writer;
            begin_message(writer, type_update);
            body(writer, nlri);
            out_.push_back(end_message(std::move(writer)));
            nlri = {};
        };
        for (const Nlri& route : routes) {
            net::ByteWriter one;
            encode_nlri(one, route);
            if (header_size + overhead + nlri.size() + one.size() > limit_) flush();
            nlri.bytes(one.view());
        }
        flush();
    }

    std::vector<std::vector<std::uint8_t>>& out_;
    std::size_t limit_;
};

} // namespace

std::vector<std::vector<std::uint8_t>> encode_routes(std::span<const Nlri> announced,
                                                     const PathAttributes* attributes,
                                                     std::span<const Nlri> withdrawn, const CodecOptions& options) {
    std::vector<std::vector<std::uint8_t>> messages;
    Packer packer(messages, options);
    if (!withdrawn.empty()) packer.withdraw(withdrawn, family_of(withdrawn.front()));
    if (!announced.empty() && attributes != nullptr)
        packer.announce(announced, family_of(announced.front()), *attributes, options);
    return messages;
}

std::vector<std::uint8_t> encode_end_of_rib(AddressFamily family, const CodecOptions&) {
    net::ByteWriter writer;
    begin_message(writer, type_update);
    writer.u16(0);
    if (family == AddressFamily::ipv4_unicast) {
        writer.u16(0);
    } else {
        writer.u16(6);
        writer.u8(0x80);
        writer.u8(attribute_mp_unreach);
        writer.u8(3);
        const auto [afi, safi] = afi_safi_of(family);
        writer.u16(afi);
        writer.u8(safi);
    }
    return end_message(std::move(writer));
}

} // namespace weft::bgp
