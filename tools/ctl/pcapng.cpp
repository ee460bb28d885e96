// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/pcapng.hpp"

#include <algorithm>
#include <type_traits>

namespace weft::ctl {

namespace {

enum BlockType : std::uint32_t { section_header = 0x0a0d0d0a, interface_description = 1, enhanced_packet = 6 };

enum OptionCode : std::uint16_t {
    end_of_options = 0,
    comment = 1,
    section_application = 4,
    interface_name = 2,
    interface_time_resolution = 9,
    packet_flags = 2,
    packet_id = 5,
};

constexpr std::uint32_t byte_order_magic = 0x1a2b3c4d;
constexpr std::uint16_t link_type_ethernet = 1;
constexpr std::size_t option_max = 0xffff;

/// A block under way. All fields are little-endian here, which the byte-order magic tells; data and options are
/// padded to four bytes.
class Block {
  public:
    explicit Block(BlockType type) { add(std::uint32_t{type}).add(std::uint32_t{0}); }

    template <class Number>
    Block& add(Number number) {
        static_assert(std::is_unsigned_v<Number>);
        for (std::size_t i = 0; i < sizeof number; ++i)
            bytes_.push_back(static_cast<char>(number >> 8 * i & 0xff));
        return *this;
    }

    Block& add_padded(std::string_view data) {
        bytes_.append(data);
        bytes_.append((4 - data.size() % 4) % 4, '\0');
        return *this;
    }

    Block& option(OptionCode code, std::string_view value) {
        value = value.substr(0, option_max);
        return add(std::uint16_t{code}).add(static_cast<std::uint16_t>(value.size())).add_padded(value);
    }

    template <class Number>
    Block& option(OptionCode code, Number number) {
        add(std::uint16_t{code}).add(static_cast<std::uint16_t>(sizeof number)).add(number);
        bytes_.append((4 - sizeof number % 4) % 4, '\0');
        return *this;
    }

    /// Its length stands behind its type and at its end.
    [[nodiscard]] std::string finish() && {
        add(std::uint16_t{end_of_options}).add(std::uint16_t{0});
        const auto length = static_cast<std::uint32_t>(bytes_.size() + sizeof(std::uint32_t));
        for (std::size_t i = 0; i < sizeof length; ++i)
            bytes_[4 + i] = static_cast<char>(length >> 8 * i & 0xff);
        add(length);
        return std::move(bytes_);
    }

  private:
    std::string bytes_;
};

} // namespace

Pcapng::Pcapng(std::string_view application, std::uint32_t snap_length) : snap_length_(snap_length) {
    constexpr std::uint16_t major = 1;
    constexpr std::uint16_t minor = 0;
    constexpr std::uint64_t length_unknown = ~std::uint64_t{0};
    Block block(section_header);
    block.add(byte_order_magic).add(major).add(minor).add(length_unknown);
    bytes_ = std::move(block.option(section_application, application)).finish();
}

std::uint32_t Pcapng::interface(std::string_view name) {
    const auto found = interfaces_.find(name);
    if (found != interfaces_.end()) return found->second;
    constexpr std::uint16_t reserved = 0;
    constexpr std::uint8_t nanoseconds = 9;
    Block block(interface_description);
    block.add(link_type_ethernet).add(reserved).add(snap_length_);
    block.option(interface_name, name.substr(0, 255)).option(interface_time_resolution, nanoseconds);
    bytes_ += std::move(block).finish();
    const auto number = static_cast<std::uint32_t>(interfaces_.size());
    interfaces_.emplace(name, number);
    return number;
}

void Pcapng::add(const Frame& frame) {
    const std::string_view kept = frame.bytes.substr(0, snap_length_);
    const std::uint32_t number = interface(frame.interface);
    Block block(enhanced_packet);
    block.add(number)
        .add(static_cast<std::uint32_t>(frame.time_unix_ns >> 32))
        .add(static_cast<std::uint32_t>(frame.time_unix_ns))
        .add(static_cast<std::uint32_t>(kept.size()))
        .add(std::max(frame.length, static_cast<std::uint32_t>(kept.size())))
        .add_padded(kept);
    if (!frame.comment.empty()) block.option(comment, frame.comment);
    block.option(packet_flags, static_cast<std::uint32_t>(frame.direction)).option(packet_id, frame.packet);
    bytes_ += std::move(block).finish();
}

} // namespace weft::ctl
