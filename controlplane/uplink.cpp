// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/uplink.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace weft::agent {

namespace {

constexpr std::uint32_t overhead_v4 = 50; ///< outer IPv4, UDP, VXLAN, inner Ethernet
constexpr std::uint32_t overhead_v6 = 70;
/// The largest IP packet that an AF_XDP socket takes: a page, less the kernel's and DPDK's headroom and headers.
constexpr std::uint32_t af_xdp_mtu_max = 3498;
constexpr std::uint32_t endpoint_mtu_min = 68; ///< RFC 791

/// None: of neither family of IP.
std::optional<net::Address> address_in(const sockaddr& socket) {
    if (socket.sa_family == AF_INET)
        return net::Address::v4(ntohl(reinterpret_cast<const sockaddr_in&>(socket).sin_addr.s_addr));
    if (socket.sa_family != AF_INET6) return std::nullopt;
    return *net::Address::from_bytes({reinterpret_cast<const sockaddr_in6&>(socket).sin6_addr.s6_addr, 16});
}

struct HostAddress {
    std::string interface;
    net::Address address;
    unsigned prefix_length;
};

unsigned length_of(const net::Address& mask) {
    unsigned length = 0;
    for (const std::uint8_t byte : mask.bytes())
        length += static_cast<unsigned>(std::popcount(byte));
    return length;
}

/// This host's, in the kernel's order.
std::vector<HostAddress> addresses_of_host() {
    std::vector<HostAddress> all;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return all;
    const std::unique_ptr<ifaddrs, decltype([](ifaddrs* each) { freeifaddrs(each); })> owner(list);
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next)
        if (const auto address = each->ifa_addr == nullptr ? std::nullopt : address_in(*each->ifa_addr)) {
            const auto mask = each->ifa_netmask == nullptr ? std::nullopt : address_in(*each->ifa_netmask);
            all.push_back({each->ifa_name, *address, mask ? length_of(*mask) : net::address_bits(address->family())});
        }
    return all;
}

/// The interface's first global address, IPv4 before IPv6.
std::optional<net::Address> address_of(const std::string& interface) {
    std::optional<net::Address> found;
    for (const HostAddress& each : addresses_of_host()) {
        if (each.interface != interface) continue;
        if (each.address.is_v4()) return each.address;
        if (!found && !each.address.is_link_local()) found = each.address;
    }
    return found;
}

std::vector<net::Prefix> subnets_of(const std::string& interface) {
    std::vector<net::Prefix> subnets;
    for (const HostAddress& each : addresses_of_host())
        if (const auto subnet = net::Prefix::make(each.address, each.prefix_length);
            subnet && each.interface == interface && !each.address.is_link_local())
            subnets.push_back(*subnet);
    return subnets;
}

/// In this network namespace, which that of /sys need not be.
std::optional<std::uint32_t> mtu_of(const std::string& interface) {
    const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    const bool known = ioctl(any, SIOCGIFMTU, &request) == 0;
    close(any);
    return known ? std::optional(static_cast<std::uint32_t>(request.ifr_mtu)) : std::nullopt;
}

bool set_mtu(Uplink& uplink, std::uint32_t mtu) {
    const std::uint32_t carried = std::min(mtu, uplink.port_mtu_max);
    const std::uint32_t overhead = uplink.vtep.is_v4() ? overhead_v4 : overhead_v6;
    if (carried < endpoint_mtu_min + overhead) return false;
    uplink.mtu = mtu;
    uplink.endpoint_mtu = carried - overhead;
    uplink.warning =
        carried == mtu ? ""
                       : fmt::format("uplink {} has MTU {}, of which AF_XDP carries {}: endpoints get less than the "
                                     "underlay could; a DPDK driver of the NIC (--uplink-port) has no such limit",
                                     uplink.interface, mtu, carried);
    return true;
}

} // namespace

bool refresh_mtu(Uplink& uplink) {
    const auto mtu = mtu_of(uplink.interface);
    return mtu && *mtu != uplink.mtu && set_mtu(uplink, *mtu);
}

net::Mac derive_mac(std::string_view text) {
    std::array<std::uint8_t, SHA256_DIGEST_LENGTH> digest;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    std::array<std::uint8_t, 6> bytes;
    std::copy_n(digest.begin(), 6, bytes.begin());
    bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0xfc) | 0x02); // unicast, locally administered
    return net::Mac(bytes);
}

Result<Uplink> find_uplink(const Config& config) {
    Uplink uplink;
    uplink.interface = config.uplink;
    if (uplink.exists()) {
        char name[IF_NAMESIZE];
        if (if_indextoname(if_nametoindex(uplink.interface.c_str()), name) == nullptr)
            return fail(
                ErrorCode::not_found,
                fmt::format("--uplink {}: no such interface on this host (ip link shows them)", uplink.interface));
        uplink.interface = name; // it may have been given by another name, which lists of interfaces do not tell
        const auto address = config.vtep ? config.vtep : address_of(uplink.interface);
        if (!address)
            return fail(ErrorCode::invalid,
                        fmt::format("--uplink {}: it has no address: give it one, or name one with --vtep",
                                    uplink.interface));
        uplink.vtep = *address;
        uplink.subnets = subnets_of(uplink.interface);
        const auto is_vtep = [&](const HostAddress& each) { return each.address == uplink.vtep; };
        if (config.vtep && std::ranges::none_of(addresses_of_host(), is_vtep))
            return fail(ErrorCode::invalid,
                        fmt::format("--vtep {}: no interface of this host has this address: ip address add {} dev {}",
                                    uplink.vtep.to_string(), uplink.vtep.to_string(), uplink.interface));
        uplink.devargs = config.uplink_port;
        if (config.fast_path == FastPathKind::dpdk && config.uplink_port == "auto") {
            uplink.devargs = fmt::format("net_af_xdp0,iface={}", uplink.interface);
            uplink.port_mtu_max = af_xdp_mtu_max;
        }
        const auto mtu = mtu_of(uplink.interface);
        if (!mtu || !set_mtu(uplink, *mtu))
            return fail(ErrorCode::invalid,
                        fmt::format("--uplink {}: its MTU of {} leaves containers less than the {} that IPv4 needs: "
                                    "ip link set {} mtu 1500",
                                    uplink.interface, mtu.value_or(0), endpoint_mtu_min, uplink.interface));
    }
    // An IPv6 VTEP gives no IPv4 number: a hash of it does, and of the host's name where there is neither.
    if (config.router_id)
        uplink.router_id = *config.router_id;
    else if (uplink.exists() && uplink.vtep.is_v4())
        uplink.router_id = uplink.vtep;
    else {
        const auto bytes =
            derive_mac("router-id " + (uplink.exists() ? uplink.vtep.to_string() : config.host_name)).bytes();
        uplink.router_id = net::Address::v4(10U << 24 | std::uint32_t{bytes[3]} << 16 | std::uint32_t{bytes[4]} << 8 |
                                            bytes[5] | 1U);
    }
    uplink.router_mac = derive_mac("router " + (uplink.exists() ? uplink.vtep.to_string() : config.host_name));
    return uplink;
}

} // namespace weft::agent
