// SPDX-License-Identifier: BSD-3-Clause
#include "routing/attribute_codec.hpp"

#include <algorithm>
#include <bitset>

#include <fmt/format.h>

namespace weft::bgp {

namespace {

enum Flag : std::uint8_t { optional_flag = 0x80, transitive = 0x40, partial = 0x20, extended_length = 0x10 };

enum Type : std::uint8_t {
    origin = 1,
    as_path = 2,
    next_hop = 3,
    multi_exit_disc = 4,
    local_preference = 5,
    atomic_aggregate = 6,
    aggregator = 7,
    communities = 8,
    originator_id = 9,
    cluster_list = 10,
    extended_communities = 16,
    as4_path = 17,
    as4_aggregator = 18,
    pmsi_tunnel = 22,
    large_communities = 32,
};

constexpr std::uint32_t as_trans = 23456;
constexpr std::uint8_t update_error = 3;
constexpr std::uint8_t malformed_attribute_list = 1;

/// Which of the optional and transitive flags a known type carries (RFC 4271 section 5 and the types' own RFCs).
std::optional<std::uint8_t> flags_of(std::uint8_t type) {
    switch (type) {
    case origin:
    case as_path:
    case next_hop:
    case local_preference:
    case atomic_aggregate:
        return transitive;
    case multi_exit_disc:
    case originator_id:
    case cluster_list:
    case attribute_mp_reach:
    case attribute_mp_unreach:
        return optional_flag;
    case aggregator:
    case communities:
    case extended_communities:
    case as4_path:
    case as4_aggregator:
    case pmsi_tunnel:
    case large_communities:
        return optional_flag | transitive;
    default:
        return std::nullopt;
    }
}

template <class T, class Read>
void read_list(std::span<const std::uint8_t> value, std::vector<T>& list, Read read) {
    for (net::ByteReader reader(value); !reader.empty();)
        list.push_back(read(reader));
    std::ranges::sort(list);
    list.erase(std::ranges::unique(list).begin(), list.end());
}

std::optional<AsPath> read_as_path(std::span<const std::uint8_t> value, std::size_t number_size) {
    AsPath path;
    for (net::ByteReader reader(value); !reader.empty();) {
        const std::uint8_t kind = reader.u8();
        const std::size_t count = reader.u8();
        if (!reader.ok() || (kind != 1 && kind != 2) || count == 0 || reader.left() < count * number_size)
            return std::nullopt;
        auto& segment = path.segments.emplace_back();
        segment.kind = static_cast<AsPathSegment::Kind>(kind);
        for (std::size_t i = 0; i < count; ++i)
            segment.numbers.push_back(reader.number<std::uint32_t>(number_size));
    }
    return path;
}

/// One attribute after the other. Each handler returns false when the value is malformed.
class Decoder {
  public:
    Decoder(DecodedAttributes& out, const CodecOptions& options) : out_(out), options_(options) {}

    bool known(std::uint8_t type, std::span<const std::uint8_t> value) {
        auto& attributes = out_.attributes;
        net::ByteReader reader(value);
        switch (type) {
        case origin:
            if (value.size() != 1 || value[0] > 2) return false;
            attributes.origin = static_cast<Origin>(value[0]);
            out_.has_origin = true;
            return true;
        case as_path: {
            auto path = read_as_path(value, options_.four_octet_as ? 4 : 2);
            if (!path) return false;
            attributes.as_path = std::move(*path);
            out_.has_as_path = true;
            return true;
        }
        case next_hop:
            if (value.size() != 4) return false;
            attributes.next_hop = *net::Address::from_bytes(value);
            out_.has_next_hop = true;
            return true;
        case multi_exit_disc:
            if (value.size() != 4) return false;
            attributes.med = reader.u32();
            return true;
        case local_preference:
            if (!options_.internal_peer) return true; // RFC 7606 section 7.5: ignored
            if (value.size() != 4) return false;
            attributes.local_pref = reader.u32();
            return true;
        case communities:
            if (value.empty() || value.size() % 4 != 0) return false;
            read_list(value, attributes.communities, [](auto& from) { return from.u32(); });
            return true;
        case originator_id:
            if (!options_.internal_peer) return true;
            if (value.size() != 4) return false;
            attributes.originator_id = reader.u32();
            return true;
        case cluster_list:
            if (!options_.internal_peer) return true;
            if (value.empty() || value.size() % 4 != 0) return false;
            while (!reader.empty())
                attributes.cluster_list.push_back(reader.u32());
            return true;
        case extended_communities:
            if (value.empty() || value.size() % 8 != 0) return false;
            read_list(value, attributes.extended_communities, [](auto& from) {
                ExtendedCommunity community;
                std::ranges::copy(from.take(8), community.bytes.begin());
                return community;
            });
            return true;
        case large_communities:
            if (value.empty() || value.size() % 12 != 0) return false;
            read_list(value, attributes.large_communities, [](auto& from) {
                LargeCommunity community;
                community.global = from.u32();
                community.local1 = from.u32();
                community.local2 = from.u32();
                return community;
            });
            return true;
        case pmsi_tunnel:
            if (value.size() < 5) return false;
            attributes.pmsi_tunnel.assign(value.begin(), value.end());
            return true;
        default:
            return true;
        }
    }

    /// Attributes whose faults only lose themselves (RFC 7606 sections 7.6 and 7.7).
    bool discardable(std::uint8_t type, std::span<const std::uint8_t> value) {
        net::ByteReader reader(value);
        if (type == atomic_aggregate) {
            out_.attributes.atomic_aggregate = value.empty();
            return value.empty();
        }
        if (type == as4_path) {
            as4_path_ = options_.four_octet_as ? std::nullopt : read_as_path(value, 4);
            return true;
        }
        const std::size_t number_size = type == as4_aggregator || options_.four_octet_as ? 4 : 2;
        if (value.size() != number_size + 4) return false;
        const auto number = reader.number<std::uint32_t>(number_size);
        const Aggregator value_read{number, reader.u32()};
        if (type == aggregator)
            out_.attributes.aggregator = value_read;
        else
            as4_aggregator_ = value_read;
        return true;
    }

    /// RFC 6793 section 4.2.3: what a two-octet speaker carried along for us.
    void merge_four_octet() {
        auto& attributes = out_.attributes;
        if (options_.four_octet_as) return;
        if (attributes.aggregator && attributes.aggregator->as_number != as_trans) return;
        if (attributes.aggregator && as4_aggregator_) attributes.aggregator = as4_aggregator_;
        if (!as4_path_ || as4_path_->length() > attributes.as_path.length()) return;
        AsPath merged;
        unsigned ahead = attributes.as_path.length() - as4_path_->length();
        for (const auto& segment : attributes.as_path.segments) {
            if (ahead == 0) break;
            AsPathSegment kept = segment;
            if (kept.kind == AsPathSegment::Kind::sequence && kept.numbers.size() > ahead) kept.numbers.resize(ahead);
            ahead -= std::min<unsigned>(
                ahead, kept.kind == AsPathSegment::Kind::set ? 1 : static_cast<unsigned>(kept.numbers.size()));
            merged.segments.push_back(std::move(kept));
        }
        merged.segments.insert(merged.segments.end(), as4_path_->segments.begin(), as4_path_->segments.end());
        attributes.as_path = std::move(merged);
    }

  private:
    DecodedAttributes& out_;
    const CodecOptions& options_;
    std::optional<AsPath> as4_path_;
    std::optional<Aggregator> as4_aggregator_;
};

bool is_discardable(std::uint8_t type) {
    return type == atomic_aggregate || type == aggregator || type == as4_path || type == as4_aggregator;
}

} // namespace

std::string hex(std::span<const std::uint8_t> bytes) {
    return fmt::format("{:02x}{}", fmt::join(bytes.first(std::min<std::size_t>(bytes.size(), 64)), " "),
                       bytes.size() > 64 ? " ..." : "");
}

std::expected<DecodedAttributes, DecodeError> decode_attributes(std::span<const std::uint8_t> bytes,
                                                                const CodecOptions& options) {
    DecodedAttributes out;
    Decoder decoder(out, options);
    std::bitset<256> seen;
    const auto withdraw = [&](std::string why) {
        if (!out.withdraw) out.withdraw = std::move(why);
    };
    for (net::ByteReader reader(bytes); !reader.empty();) {
        const auto start = reader.rest();
        const std::uint8_t flags = reader.u8();
        const std::uint8_t type = reader.u8();
        const std::size_t length = flags & extended_length ? reader.u16() : reader.u8();
        const auto value = reader.take(length);
        if (!reader.ok()) {
            // RFC 7606 section 3 (j) and 5.3: what NLRI were read so far still counts; the rest of the list is
            // unreadable.
            out.has_others = true;
            withdraw(fmt::format("attribute {} runs beyond the list: {}", type, hex(start)));
            break;
        }
        if (seen.test(type)) {
            if (type == attribute_mp_reach || type == attribute_mp_unreach)
                return std::unexpected(DecodeError{{update_error, malformed_attribute_list, {}},
                                                   fmt::format("attribute {} stands twice: {}", type, hex(start))});
            out.discarded.push_back(fmt::format("attribute {} stands twice; the first counts", type));
            continue;
        }
        seen.set(type);
        out.has_others = out.has_others || type != attribute_mp_unreach;
        const auto wanted = flags_of(type);
        if (!wanted) {
            if ((flags & optional_flag) == 0) {
                std::vector<std::uint8_t> data(
                    start.begin(), start.begin() + static_cast<std::ptrdiff_t>(start.size() - reader.left()));
                return std::unexpected(
                    DecodeError{{update_error, 2, std::move(data)},
                                fmt::format("unknown well-known attribute {}: {}", type, hex(start))});
            }
            if (flags & transitive)
                out.attributes.unknown.push_back({static_cast<std::uint8_t>(optional_flag | transitive | partial),
                                                  type,
                                                  {value.begin(), value.end()}});
            continue;
        }
        if ((flags & (optional_flag | transitive)) != *wanted) {
            // RFC 7606 section 3 (c): as for any malformed attribute of the type.
            if (is_discardable(type))
                out.discarded.push_back(fmt::format("attribute {} with flags {:#04x}", type, flags));
            else
                withdraw(fmt::format("attribute {} with flags {:#04x}: {}", type, flags, hex(start)));
            if (type != attribute_mp_reach && type != attribute_mp_unreach) continue;
        }
        if (type == attribute_mp_reach)
            out.mp_reach = value;
        else if (type == attribute_mp_unreach)
            out.mp_unreach = value;
        else if (is_discardable(type)) {
            if (!decoder.discardable(type, value))
                out.discarded.push_back(fmt::format("attribute {}: {}", type, hex(start)));
        } else if (!decoder.known(type, value)) {
            withdraw(fmt::format("attribute {} is malformed: {}", type, hex(start)));
        }
    }
    decoder.merge_four_octet();
    return out;
}

namespace {

void put(net::ByteWriter& writer, std::uint8_t flags, std::uint8_t type, std::span<const std::uint8_t> value) {
    const bool extended = value.size() > 255;
    writer.u8(static_cast<std::uint8_t>((flags & ~unsigned{extended_length}) |
                                        (extended ? unsigned{extended_length} : 0U)));
    writer.u8(type);
    writer.number(value.size(), extended ? 2 : 1);
    writer.bytes(value);
}

void put_as_path(net::ByteWriter& writer, const AsPath& path, std::uint8_t flags, std::uint8_t type,
                 std::size_t number_size) {
    net::ByteWriter value;
    for (const auto& segment : path.segments) {
        value.u8(static_cast<std::uint8_t>(segment.kind));
        value.u8(segment.numbers.size());
        for (const std::uint32_t number : segment.numbers)
            value.number(number_size == 2 && number > 0xffff ? as_trans : number, number_size);
    }
    put(writer, flags, type, value.view());
}

void put_u32(net::ByteWriter& writer, std::uint8_t flags, std::uint8_t type, std::uint32_t number) {
    net::ByteWriter value;
    value.u32(number);
    put(writer, flags, type, value.view());
}

} // namespace

void encode_attributes(net::ByteWriter& writer, const PathAttributes& attributes, bool classic,
                       const CodecOptions& options) {
    const bool wide = options.four_octet_as;
    put(writer, transitive, origin, std::array{static_cast<std::uint8_t>(attributes.origin)});
    put_as_path(writer, attributes.as_path, transitive, as_path, wide ? 4 : 2);
    if (classic) put(writer, transitive, next_hop, attributes.next_hop.bytes());
    if (attributes.med) put_u32(writer, optional_flag, multi_exit_disc, *attributes.med);
    if (attributes.local_pref && options.internal_peer)
        put_u32(writer, transitive, local_preference, *attributes.local_pref);
    if (attributes.atomic_aggregate) put(writer, transitive, atomic_aggregate, {});
    if (attributes.aggregator) {
        net::ByteWriter value;
        value.number(!wide && attributes.aggregator->as_number > 0xffff ? as_trans : attributes.aggregator->as_number,
                     wide ? 4 : 2);
        value.u32(attributes.aggregator->address);
        put(writer, optional_flag | transitive, aggregator, value.view());
    }
    if (!attributes.communities.empty()) {
        net::ByteWriter value;
        for (const std::uint32_t community : attributes.communities)
            value.u32(community);
        put(writer, optional_flag | transitive, communities, value.view());
    }
    if (attributes.originator_id && options.internal_peer)
        put_u32(writer, optional_flag, originator_id, *attributes.originator_id);
    if (!attributes.cluster_list.empty() && options.internal_peer) {
        net::ByteWriter value;
        for (const std::uint32_t cluster : attributes.cluster_list)
            value.u32(cluster);
        put(writer, optional_flag, cluster_list, value.view());
    }
    if (!attributes.extended_communities.empty()) {
        net::ByteWriter value;
        for (const auto& community : attributes.extended_communities)
            value.bytes(community.bytes);
        put(writer, optional_flag | transitive, extended_communities, value.view());
    }
    const auto needs_four_octets = [](const AsPathSegment& segment) {
        return std::ranges::any_of(segment.numbers, [](std::uint32_t number) { return number > 0xffff; });
    };
    if (!wide && std::ranges::any_of(attributes.as_path.segments, needs_four_octets))
        put_as_path(writer, attributes.as_path, optional_flag | transitive, as4_path, 4);
    if (!attributes.pmsi_tunnel.empty()) put(writer, optional_flag | transitive, pmsi_tunnel, attributes.pmsi_tunnel);
    if (!attributes.large_communities.empty()) {
        net::ByteWriter value;
        for (const auto& community : attributes.large_communities) {
            value.u32(community.global);
            value.u32(community.local1);
            value.u32(community.local2);
        }
        put(writer, optional_flag | transitive, large_communities, value.view());
    }
    for (const auto& attribute : attributes.unknown)
        put(writer, attribute.flags, attribute.type, attribute.value);
}

} // namespace weft::bgp
