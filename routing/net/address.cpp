// SPDX-License-Identifier: BSD-3-Clause
#include "routing/net/address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace weft::net {

namespace {

/// Clears every bit behind the first `length` bits.
void mask(std::span<std::uint8_t> bytes, unsigned length) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const unsigned kept = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
        bytes[i] &= static_cast<std::uint8_t>(0xff00U >> kept);
    }
}

} // namespace

Result<Address> Address::from_bytes(std::span<const std::uint8_t> bytes) {
    if (bytes.size() != 4 && bytes.size() != 16)
        return fail(ErrorCode::invalid, fmt::format("an IP address has 4 or 16 bytes, not {}", bytes.size()));
    Address address;
    address.family_ = bytes.size() == 4 ? Family::ipv4 : Family::ipv6;
    std::ranges::copy(bytes, address.bytes_.begin());
    return address;
}

Result<Address> Address::parse(std::string_view text) {
    const bool v6 = text.contains(':');
    const std::string terminated(text);
    std::array<std::uint8_t, 16> bytes{};
    if (text.size() >= INET6_ADDRSTRLEN || text.contains('\0') ||
        inet_pton(v6 ? AF_INET6 : AF_INET, terminated.c_str(), bytes.data()) != 1)
        return fail(ErrorCode::invalid, fmt::format("'{}' is not an IP address", text));
    return from_bytes({bytes.data(), v6 ? std::size_t{16} : std::size_t{4}});
}

bool Address::is_unspecified() const { return bytes_ == std::array<std::uint8_t, 16>{}; }

bool Address::is_multicast() const { return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff; }

bool Address::is_loopback() const {
    if (is_v4()) return bytes_[0] == 127;
    std::array<std::uint8_t, 16> one{};
    one[15] = 1;
    return bytes_ == one;
}

bool Address::is_link_local() const {
    return is_v4() ? bytes_[0] == 169 && bytes_[1] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool Address::is_v4_mapped() const {
    constexpr std::array<std::uint8_t, 12> prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return !is_v4() && std::ranges::equal(bytes().first(prefix.size()), prefix);
}

Address Address::plus(std::uint64_t offset) const {
    Address sum = *this;
    for (std::size_t i = address_bits(family_) / 8; i-- > 0 && offset != 0;) {
        offset += sum.bytes_[i];
        sum.bytes_[i] = static_cast<std::uint8_t>(offset);
        offset >>= 8;
    }
    return sum;
}

std::string Address::to_string() const {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
    return text.data();
}

Result<Prefix> Prefix::make(Address address, unsigned length) {
    if (length > address_bits(address.family()))
        return fail(ErrorCode::invalid,
                    fmt::format("prefix length {} is beyond {}", length, address_bits(address.family())));
    std::array<std::uint8_t, 16> bytes{};
    const auto source = address.bytes();
    std::ranges::copy(source, bytes.begin());
    mask({bytes.data(), source.size()}, length);
    Prefix prefix;
    prefix.address_ = *Address::from_bytes({bytes.data(), source.size()});
    prefix.length_ = static_cast<std::uint8_t>(length);
    return prefix;
}

Result<Prefix> Prefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    auto address = Address::parse(text.substr(0, slash));
    if (!address)
        return fail(ErrorCode::invalid, fmt::format("'{}' is not a prefix: want ADDRESS or ADDRESS/LENGTH", text));
    if (slash == std::string_view::npos) return host(*address);
    const auto digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (status != std::errc{} || end != digits.data() + digits.size() || length > address_bits(address->family()))
        return fail(ErrorCode::invalid, fmt::format("'{}' is not a prefix: its length is a number from 0 to {}", text,
                                                    address_bits(address->family())));
    auto prefix = make(*address, length);
    if (prefix->address() != *address)
        return fail(ErrorCode::invalid,
                    fmt::format("'{}' has host bits set: did you mean {}?", text, prefix->to_string()));
    return prefix;
}

Prefix Prefix::host(Address address) {
    Prefix prefix;
    prefix.address_ = address;
    prefix.length_ = static_cast<std::uint8_t>(address_bits(address.family()));
    return prefix;
}

bool Prefix::contains(const Address& address) const {
    return address.family() == family() && make(address, length_)->address() == address_;
}

bool Prefix::contains(const Prefix& other) const { return other.length() >= length() && contains(other.address()); }

std::string Prefix::to_string() const { return fmt::format("{}/{}", address_.to_string(), length_); }

Result<Mac> Mac::from_bytes(std::span<const std::uint8_t> bytes) {
    if (bytes.size() != 6)
        return fail(ErrorCode::invalid, fmt::format("a MAC address has 6 bytes, not {}", bytes.size()));
    std::array<std::uint8_t, 6> copy{};
    std::ranges::copy(bytes, copy.begin());
    return Mac(copy);
}

Result<Mac> Mac::parse(std::string_view text) {
    std::array<std::uint8_t, 6> bytes{};
    bool good = text.size() == 17;
    for (std::size_t i = 0; good && i < 6; ++i) {
        const char* const digits = text.data() + 3 * i;
        good = std::from_chars(digits, digits + 2, bytes[i], 16).ptr == digits + 2 && (i == 5 || digits[2] == ':');
    }
    if (!good)
        return fail(ErrorCode::invalid, fmt::format("'{}' is not a MAC address: want 02:00:00:00:40:01", text));
    return Mac(bytes);
}

std::string Mac::to_string() const { return fmt::format("{:02x}", fmt::join(bytes_, ":")); }

Result<Vni> Vni::make(std::uint32_t value) {
    if (value == 0 || value > 0xff'ffff)
        return fail(ErrorCode::invalid, fmt::format("VNI {} is not between 1 and 16777215", value));
    Vni vni;
    vni.value_ = value;
    return vni;
}

} // namespace weft::net

std::size_t std::hash<weft::net::Address>::operator()(const weft::net::Address& address) const noexcept {
    const auto bytes = address.bytes();
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::size_t std::hash<weft::net::Prefix>::operator()(const weft::net::Prefix& prefix) const noexcept {
    return std::hash<weft::net::Address>{}(prefix.address()) * 131 + prefix.length();
}
