// SPDX-License-Identifier: BSD-3-Clause
#include "routing/message.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "routing/attribute_codec.hpp"
#include "routing/net/bytes.hpp"
#include "routing/update_codec.hpp"

namespace weft::bgp {

namespace {

enum MessageType : std::uint8_t {
    open_type = 1,
    update_type = 2,
    notification_type = 3,
    keepalive_type = 4,
    route_refresh_type = 5
};

enum CapabilityCode : std::uint8_t {
    multiprotocol = 1,
    route_refresh_capability = 2,
    extended_message_capability = 6,
    graceful_restart_capability = 64,
    four_octet_as_capability = 65,
};

constexpr std::uint8_t header_error = 1;
constexpr std::uint8_t open_error = 2;
constexpr std::uint8_t parameter_capabilities = 2;
constexpr std::uint8_t parameter_extended = 255; // RFC 9072

std::unexpected<DecodeError> fail_open(std::uint8_t subcode, std::string reason,
                                       std::vector<std::uint8_t> data = {}) {
    return std::unexpected(DecodeError{{open_error, subcode, std::move(data)}, std::move(reason)});
}

/// One capability (RFC 5492). A known one of a wrong length is ignored like an unknown one: capabilities never refuse
/// a session.
void read_capability(std::uint8_t code, std::span<const std::uint8_t> value, Capabilities& capabilities) {
    net::ByteReader reader(value);
    switch (code) {
    case multiprotocol:
        if (value.size() == 4) {
            const std::uint16_t afi = reader.u16();
            reader.u8();
            const std::uint8_t safi = reader.u8();
            const auto family = family_of(afi, safi);
            if (!family)
                capabilities.other_families.emplace_back(afi, safi);
            else if (std::ranges::find(capabilities.families, *family) == capabilities.families.end())
                capabilities.families.push_back(*family);
        }
        return;
    case route_refresh_capability:
        capabilities.route_refresh = true;
        return;
    case extended_message_capability:
        capabilities.extended_message = true;
        return;
    case four_octet_as_capability:
        if (value.size() == 4) capabilities.four_octet_as = reader.u32();
        return;
    case graceful_restart_capability:
        if (value.size() >= 2 && value.size() % 4 == 2) {
            GracefulRestart restart;
            const std::uint16_t word = reader.u16();
            restart.restarted = (word & 0x8000) != 0;
            restart.restart_time_s = word & 0x0fff;
            while (!reader.empty()) {
                const std::uint16_t afi = reader.u16();
                const std::uint8_t safi = reader.u8();
                const bool preserved = (reader.u8() & 0x80) != 0;
                if (const auto family = family_of(afi, safi)) restart.families.push_back({*family, preserved});
            }
            capabilities.graceful_restart = std::move(restart);
        }
        return;
    default:
        capabilities.unknown.push_back(code);
    }
}

std::expected<Open, DecodeError> decode_open(std::span<const std::uint8_t> body) {
    net::ByteReader reader(body);
    Open open;
    open.version = reader.u8();
    open.as_number = reader.u16();
    open.hold_time_s = reader.u16();
    open.router_id = reader.u32();
    if (!reader.ok()) return std::unexpected(DecodeError{{header_error, 2, {}}, "OPEN truncated: " + hex(body)});
    if (open.version != 4) return fail_open(1, fmt::format("BGP version {}", open.version), {0, 4});
    if (open.hold_time_s == 1 || open.hold_time_s == 2)
        return fail_open(6, fmt::format("hold time of {} s", open.hold_time_s));
    if (open.router_id == 0) return fail_open(3, "router id 0.0.0.0");
    std::size_t length = reader.u8();
    std::size_t length_size = 1;
    if (length != 0 && !reader.empty() && reader.rest()[0] == parameter_extended) {
        reader.u8();
        length = reader.u16();
        length_size = 2;
    }
    if (!reader.ok() || length != reader.left())
        return fail_open(0, "OPEN whose parameters do not fill it: " + hex(body));
    while (!reader.empty()) {
        const std::uint8_t type = reader.u8();
        const auto value = reader.take(reader.number<std::size_t>(length_size));
        if (!reader.ok()) return fail_open(0, "OPEN parameter beyond the end: " + hex(body));
        if (type != parameter_capabilities) return fail_open(4, fmt::format("OPEN parameter of type {}", type));
        for (net::ByteReader inner(value); !inner.empty();) {
            const std::uint8_t code = inner.u8();
            const auto capability = inner.take(inner.u8());
            if (!inner.ok()) return fail_open(0, "capability beyond its parameter: " + hex(body));
            read_capability(code, capability, open.capabilities);
        }
    }
    return open;
}

void put_capability(net::ByteWriter& writer, std::uint8_t code, const net::ByteWriter& value) {
    writer.u8(code);
    writer.u8(value.size());
    writer.bytes(value.view());
}

net::ByteWriter encode_capabilities(const Capabilities& capabilities) {
    net::ByteWriter all;
    for (const auto family : capabilities.families) {
        net::ByteWriter value;
        const auto [afi, safi] = afi_safi_of(family);
        value.u16(afi);
        value.u8(0);
        value.u8(safi);
        put_capability(all, multiprotocol, value);
    }
    if (capabilities.route_refresh) put_capability(all, route_refresh_capability, {});
    if (capabilities.extended_message) put_capability(all, extended_message_capability, {});
    if (capabilities.graceful_restart) {
        const auto& restart = *capabilities.graceful_restart;
        net::ByteWriter value;
        value.u16((restart.restarted ? 0x8000U : 0U) | (restart.restart_time_s & 0x0fffU));
        for (const auto& [family, preserved] : restart.families) {
            const auto [afi, safi] = afi_safi_of(family);
            value.u16(afi);
            value.u8(safi);
            value.u8(preserved ? 0x80 : 0);
        }
        put_capability(all, graceful_restart_capability, value);
    }
    if (capabilities.four_octet_as) {
        net::ByteWriter value;
        value.u32(*capabilities.four_octet_as);
        put_capability(all, four_octet_as_capability, value);
    }
    return all;
}

struct Encoder {
    net::ByteWriter& writer;

    void operator()(const Open& open) const {
        begin_message(writer, open_type);
        writer.u8(open.version);
        writer.u16(open.as_number);
        writer.u16(open.hold_time_s);
        writer.u32(open.router_id);
        const auto capabilities = encode_capabilities(open.capabilities);
        writer.u8(capabilities.size() + 2);
        writer.u8(parameter_capabilities);
        writer.u8(capabilities.size());
        writer.bytes(capabilities.view());
    }

    void operator()(const Update&) const {} // encode_routes() makes them

    void operator()(const Notification& notification) const {
        begin_message(writer, notification_type);
        writer.u8(notification.code);
        writer.u8(notification.subcode);
        writer.bytes(std::span(notification.data)
                         .first(std::min<std::size_t>(notification.data.size(), message_max - header_size - 2)));
    }

    void operator()(const Keepalive&) const { begin_message(writer, keepalive_type); }

    void operator()(const RouteRefresh& refresh) const {
        begin_message(writer, route_refresh_type);
        writer.u16(refresh.afi);
        writer.u8(refresh.subtype);
        writer.u8(refresh.safi);
    }
};

std::size_t minimum_length(std::uint8_t type) {
    switch (type) {
    case open_type:
        return 29;
    case update_type:
        return 23;
    case notification_type:
        return 21;
    case route_refresh_type:
        return 23;
    default:
        return header_size;
    }
}

} // namespace

void begin_message(net::ByteWriter& writer, std::uint8_t type) {
    writer.number(~std::uint64_t{0}, 8);
    writer.number(~std::uint64_t{0}, 8);
    writer.u16(0);
    writer.u8(type);
}

std::vector<std::uint8_t> end_message(net::ByteWriter writer) {
    writer.patch_u16(16, writer.size());
    return std::move(writer).take();
}

std::expected<std::optional<std::size_t>, DecodeError> frame_length(std::span<const std::uint8_t> bytes,
                                                                    const CodecOptions& options) {
    if (bytes.size() < header_size) return std::nullopt;
    if (std::ranges::any_of(bytes.first(16), [](std::uint8_t byte) { return byte != 0xff; }))
        return std::unexpected(
            DecodeError{{header_error, 1, {}}, "marker is not all ones: " + hex(bytes.first(header_size))});
    const std::size_t length = static_cast<std::size_t>(bytes[16]) << 8 | bytes[17];
    const std::uint8_t type = bytes[18];
    if (type < open_type || type > route_refresh_type)
        return std::unexpected(DecodeError{{header_error, 3, {type}}, fmt::format("message of type {}", type)});
    // RFC 8654 section 4: OPEN and KEEPALIVE stay within the old limit.
    const bool may_be_long = options.extended_message && type != open_type && type != keepalive_type;
    if (length < minimum_length(type) || length > (may_be_long ? message_extended_max : message_max) ||
        (type == keepalive_type && length != header_size))
        return std::unexpected(DecodeError{{header_error, 2, {bytes[16], bytes[17]}},
                                           fmt::format("message of type {} with length {}", type, length)});
    return length;
}

std::expected<Message, DecodeError> decode(std::span<const std::uint8_t> bytes, const CodecOptions& options) {
    auto length = frame_length(bytes, options);
    if (!length) return std::unexpected(std::move(length).error());
    if (!*length || **length != bytes.size())
        return std::unexpected(DecodeError{{header_error, 2, {}}, "not one whole message"});
    const auto body = bytes.subspan(header_size);
    net::ByteReader reader(body);
    const auto as_message = [](auto value) { return Message(std::move(value)); };
    switch (bytes[18]) {
    case open_type: {
        auto open = decode_open(body);
        if (!open) return std::unexpected(std::move(open).error());
        return as_message(std::move(*open));
    }
    case update_type: {
        auto update = decode_update(body, options);
        if (!update) return std::unexpected(std::move(update).error());
        return as_message(std::move(*update));
    }
    case notification_type: {
        Notification notification;
        notification.code = reader.u8();
        notification.subcode = reader.u8();
        notification.data.assign(reader.rest().begin(), reader.rest().end());
        return as_message(std::move(notification));
    }
    case route_refresh_type: {
        RouteRefresh refresh;
        refresh.afi = reader.u16();
        refresh.subtype = reader.u8();
        refresh.safi = reader.u8();
        return as_message(refresh);
    }
    default:
        return as_message(Keepalive{});
    }
}

std::vector<std::uint8_t> encode(const Message& message, const CodecOptions&) {
    net::ByteWriter writer;
    std::visit(Encoder{writer}, message);
    if (writer.size() == 0) return {};
    return end_message(std::move(writer));
}

std::string Notification::to_string() const {
    static constexpr const char* codes[] = {"",
                                            "Message Header Error",
                                            "OPEN Message Error",
                                            "UPDATE Message Error",
                                            "Hold Timer Expired",
                                            "Finite State Machine Error",
                                            "Cease",
                                            "ROUTE-REFRESH Message Error"};
    static constexpr const char* open[] = {"",
                                           "Unsupported Version Number",
                                           "Bad Peer AS",
                                           "Bad BGP Identifier",
                                           "Unsupported Optional Parameter",
                                           "5",
                                           "Unacceptable Hold Time",
                                           "Unsupported Capability"};
    static constexpr const char* cease[] = {"",
                                            "Maximum Number of Prefixes Reached",
                                            "Administrative Shutdown",
                                            "Peer De-configured",
                                            "Administrative Reset",
                                            "Connection Rejected",
                                            "Other Configuration Change",
                                            "Connection Collision Resolution",
                                            "Out of Resources"};
    std::string text = code < std::size(codes) && code != 0 ? codes[code] : fmt::format("code {}", code);
    if (code == 2 && subcode != 0 && subcode < std::size(open))
        text += fmt::format("/{}", open[subcode]);
    else if (code == 6 && subcode != 0 && subcode < std::size(cease))
        text += fmt::format("/{}", cease[subcode]);
    else if (subcode != 0)
        text += fmt::format("/{}", subcode);
    if (!data.empty()) text += " [" + hex(data) + "]";
    return text;
}

} // namespace weft::bgp
