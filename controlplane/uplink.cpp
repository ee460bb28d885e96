// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/uplink.hpp"

#include <algorithm>
#include <fstream>
#include <memory>

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <openssl/sha.h>

namespace weft::agent {

namespace {

constexpr std::uint32_t overhead_v4 = 50; ///< outer IPv4, UDP, VXLAN, inner Ethernet
constexpr std::uint32_t overhead_v6 = 70;
/// The largest IP packet that an AF_XDP socket takes: a page, less the kernel's and DPDK's headroom and headers.
constexpr std::uint32_t af_xdp_mtu_max = 3498;

/// The interface's first global address, IPv4 before IPv6.
std::optional<net::Address> address_of(const std::string& interface) {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return std::nullopt;
    const std::unique_ptr<ifaddrs, decltype([](ifaddrs* all) { freeifaddrs(all); })> owner(list);
    std::optional<net::Address> found;
    for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
        if (each->ifa_addr == nullptr || interface != each->ifa_name) continue;
        if (each->ifa_addr->sa_family == AF_INET) {
            const auto& address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr;
            return net::Address::v4(ntohl(address.s_addr));
        }
        if (each->ifa_addr->sa_family != AF_INET6 || found) continue;
        const auto& bytes = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr.s6_addr;
        const auto address = *net::Address::from_bytes({bytes, 16});
        if (!address.is_link_local()) found = address;
    }
    return found;
}

} // namespace

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
        std::ifstream("/sys/class/net/" + uplink.interface + "/mtu") >> uplink.mtu;
        std::uint32_t carried = uplink.mtu;
        uplink.devargs = config.uplink_port;
        if (config.fast_path == FastPathKind::dpdk && config.uplink_port == "auto") {
            uplink.devargs = fmt::format("net_af_xdp0,iface={}", uplink.interface);
            if (carried > af_xdp_mtu_max)
                uplink.warning = fmt::format("uplink {} has MTU {}, of which AF_XDP carries {}: endpoints get less "
                                             "than the underlay could; a DPDK "
                                             "driver of the NIC (--uplink-port) has no such limit",
                                             uplink.interface, uplink.mtu, af_xdp_mtu_max);
            carried = std::min(carried, af_xdp_mtu_max);
        }
        uplink.endpoint_mtu = carried - (uplink.vtep.is_v4() ? overhead_v4 : overhead_v6);
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
