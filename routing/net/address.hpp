// SPDX-License-Identifier: BSD-3-Clause
// Values without I/O: IP addresses, prefixes, MAC addresses, VNIs. IPv4 and IPv6 are one type, so that nothing above
// has to be written twice; the bytes are in network order.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "routing/net/result.hpp"

namespace weft::net {

enum class Family : std::uint8_t { ipv4 = 4, ipv6 = 6 };

/// Bits in an address of the family: 32 or 128.
[[nodiscard]] constexpr unsigned address_bits(Family family) { return family == Family::ipv4 ? 32 : 128; }

/// An IPv4 or IPv6 address. An IPv4 address occupies the first four bytes; the rest are zero.
class Address {
  public:
    constexpr Address() = default;

    [[nodiscard]] static constexpr Address v4(std::uint32_t host_order) {
        Address address;
        for (std::size_t i = 0; i < 4; ++i)
            address.bytes_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
        return address;
    }

    /// From 4 or 16 bytes in network order; any other length is ErrorCode::invalid.
    [[nodiscard]] static Result<Address> from_bytes(std::span<const std::uint8_t> bytes);
    /// From the usual text: "10.1.0.2" or "fd00::2" (RFC 4291, section 2.2).
    [[nodiscard]] static Result<Address> parse(std::string_view text);

    [[nodiscard]] constexpr Family family() const { return family_; }

    [[nodiscard]] constexpr bool is_v4() const { return family_ == Family::ipv4; }

    /// 4 or 16 bytes, network order.
    [[nodiscard]] constexpr std::span<const std::uint8_t> bytes() const {
        return {bytes_.data(), address_bits(family_) / 8};
    }

    /// The IPv4 address as a number in host order; only for is_v4().
    [[nodiscard]] constexpr std::uint32_t to_v4() const {
        return std::uint32_t{bytes_[0]} << 24 | std::uint32_t{bytes_[1]} << 16 | std::uint32_t{bytes_[2]} << 8 |
               bytes_[3];
    }

    [[nodiscard]] bool is_unspecified() const;
    /// 224.0.0.0/4 or ff00::/8.
    [[nodiscard]] bool is_multicast() const;
    [[nodiscard]] bool is_loopback() const;
    /// 169.254.0.0/16 or fe80::/10.
    [[nodiscard]] bool is_link_local() const;
    /// ::ffff:0:0/96: an IPv4 address in a socket's IPv6 clothes, which no packet may carry.
    [[nodiscard]] bool is_v4_mapped() const;
    /// The address with `offset` added, as numbers; wraps at the end of the family's space.
    [[nodiscard]] Address plus(std::uint64_t offset) const;
    /// IPv6 text as RFC 5952 wants it.
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const Address&, const Address&) = default;

  private:
    Family family_ = Family::ipv4;
    std::array<std::uint8_t, 16> bytes_{};
};

/// A prefix; bits behind the length are always zero.
class Prefix {
  public:
    constexpr Prefix() = default;

    /// Masks the host bits away; a length beyond the family's bits is ErrorCode::invalid.
    [[nodiscard]] static Result<Prefix> make(Address address, unsigned length);
    /// "10.1.0.0/24"; a bare address is a host prefix. Host bits that are set are refused, with the prefix that was
    /// probably meant.
    [[nodiscard]] static Result<Prefix> parse(std::string_view text);
    [[nodiscard]] static Prefix host(Address address);

    [[nodiscard]] constexpr const Address& address() const { return address_; }

    [[nodiscard]] constexpr unsigned length() const { return length_; }

    [[nodiscard]] constexpr Family family() const { return address_.family(); }

    [[nodiscard]] constexpr bool is_host() const { return length_ == address_bits(family()); }

    [[nodiscard]] bool contains(const Address& address) const;
    [[nodiscard]] bool contains(const Prefix& other) const;
    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;

  private:
    Address address_;
    std::uint8_t length_ = 0;
};

class Mac {
  public:
    constexpr Mac() = default;

    explicit constexpr Mac(std::array<std::uint8_t, 6> bytes) : bytes_(bytes) {}

    [[nodiscard]] static Result<Mac> from_bytes(std::span<const std::uint8_t> bytes);
    /// "02:00:00:00:40:01"
    [[nodiscard]] static Result<Mac> parse(std::string_view text);

    [[nodiscard]] constexpr const std::array<std::uint8_t, 6>& bytes() const { return bytes_; }

    [[nodiscard]] constexpr bool is_zero() const { return bytes_ == std::array<std::uint8_t, 6>{}; }

    [[nodiscard]] std::string to_string() const;

    friend constexpr auto operator<=>(const Mac&, const Mac&) = default;

  private:
    std::array<std::uint8_t, 6> bytes_{};
};

/// A VXLAN network identifier, 24 bits; 0 is not a usable VNI.
class Vni {
  public:
    constexpr Vni() = default;

    [[nodiscard]] static Result<Vni> make(std::uint32_t value);

    [[nodiscard]] constexpr std::uint32_t value() const { return value_; }

    friend constexpr auto operator<=>(const Vni&, const Vni&) = default;

  private:
    std::uint32_t value_ = 0;
};

} // namespace weft::net

template <>
struct std::hash<weft::net::Address> {
    std::size_t operator()(const weft::net::Address& address) const noexcept;
};

template <>
struct std::hash<weft::net::Prefix> {
    std::size_t operator()(const weft::net::Prefix& prefix) const noexcept;
};

template <>
struct std::hash<weft::net::Vni> {
    std::size_t operator()(const weft::net::Vni& vni) const noexcept { return vni.value(); }
};
