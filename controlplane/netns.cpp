// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/netns.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <linux/if_addr.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>

#include <memory>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/api/device_features.hpp"
#include "dataplane/api/netns_path.hpp"

namespace weft::agent {

namespace {

template <class T, void (*release)(T*)>
using Handle = std::unique_ptr<T, std::integral_constant<void (*)(T*), release>>;

using Socket = Handle<nl_sock, nl_socket_free>;
using Link = Handle<rtnl_link, rtnl_link_put>;
using LinkAddress = Handle<rtnl_addr, rtnl_addr_put>;
using Route = Handle<rtnl_route, rtnl_route_put>;
using Raw = Handle<nl_addr, nl_addr_put>;
using Neighbour = Handle<rtnl_neigh, rtnl_neigh_put>;

std::unexpected<Error> fail_netlink(std::string_view what, int status) {
    return fail(ErrorCode::internal, fmt::format("{}: {}", what, nl_geterror(status)));
}

Raw raw(const net::Address& address, unsigned prefix_length) {
    const auto bytes = address.bytes();
    Raw made(nl_addr_build(address.is_v4() ? AF_INET : AF_INET6, bytes.data(), bytes.size()));
    nl_addr_set_prefixlen(made.get(), static_cast<int>(prefix_length));
    return made;
}

void write_sysctl(const std::string& path, const char* value) { std::ofstream(path) << value; }

Result<void> add_address(nl_sock* socket, int index, const net::Address& address) {
    const LinkAddress entry(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(entry.get(), index);
    const auto local = raw(address, net::address_bits(address.family()));
    rtnl_addr_set_local(entry.get(), local.get());
    if (!address.is_v4()) rtnl_addr_set_flags(entry.get(), IFA_F_NODAD);
    if (const int status = rtnl_addr_add(socket, entry.get(), NLM_F_CREATE | NLM_F_REPLACE);
        status < 0 && status != -NLE_EXIST)
        return fail_netlink("address " + address.to_string(), status);
    return {};
}

net::Address gateway(net::Family family) {
    return *net::Address::parse(family == net::Family::ipv4 ? "169.254.1.1" : "fe80::1");
}

/// A question that the container asks before the fast path answers would be asked again a second later, and what it
/// sends meanwhile would wait, or be lost.
Result<void> add_gateway_neighbour(nl_sock* socket, int index, net::Family family) {
    const Neighbour entry(rtnl_neigh_alloc());
    const auto address = raw(gateway(family), net::address_bits(family));
    const Raw mac(nl_addr_build(AF_LLC, gateway_mac.bytes().data(), gateway_mac.bytes().size()));
    rtnl_neigh_set_ifindex(entry.get(), index);
    rtnl_neigh_set_dst(entry.get(), address.get());
    rtnl_neigh_set_lladdr(entry.get(), mac.get());
    rtnl_neigh_set_state(entry.get(), NUD_PERMANENT);
    if (const int status = rtnl_neigh_add(socket, entry.get(), NLM_F_CREATE | NLM_F_REPLACE); status < 0)
        return fail_netlink("neighbour " + gateway(family).to_string(), status);
    return {};
}

constexpr std::uint32_t last_resort_metric = 4000;

/// Calls `visit` with each route of the main table that leads to anywhere.
template <class Visit>
void for_each_route(nl_sock* socket, net::Family family, Visit visit) {
    nl_cache* found = nullptr;
    if (rtnl_route_alloc_cache(socket, family == net::Family::ipv4 ? AF_INET : AF_INET6, 0, &found) < 0) return;
    const Handle<nl_cache, nl_cache_free> cache(found);
    for (nl_object* object = nl_cache_get_first(cache.get()); object != nullptr; object = nl_cache_get_next(object)) {
        auto* const route = reinterpret_cast<rtnl_route*>(object);
        if (rtnl_route_get_table(route) == RT_TABLE_MAIN && rtnl_route_get_type(route) == RTN_UNICAST &&
            rtnl_route_get_nnexthops(route) > 0)
            visit(route);
    }
}

bool is_to(rtnl_route* route, const net::Prefix& prefix) {
    nl_addr* const destination = rtnl_route_get_dst(route);
    return nl_addr_get_prefixlen(destination) == prefix.length() &&
           nl_addr_cmp_prefix(destination, raw(prefix.address(), prefix.length()).get()) == 0;
}

bool is_by(rtnl_route* route, int index) {
    return rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0)) == index;
}

/// The routes to a prefix: is one ours, is one somebody else's?
struct Present {
    bool ours = false;
    bool foreign = false;
};

Present find_routes(nl_sock* socket, int index, const net::Prefix& prefix) {
    Present present;
    for_each_route(socket, prefix.family(), [&](rtnl_route* route) {
        if (is_to(route, prefix)) (is_by(route, index) ? present.ours : present.foreign) = true;
    });
    return present;
}

/// By the gateway; a metric of 0 is the kernel's default.
Result<void> add_route(nl_sock* socket, int index, const net::Prefix& prefix, std::uint32_t metric) {
    const auto destination = raw(prefix.address(), prefix.length());
    const auto via = raw(gateway(prefix.family()), net::address_bits(prefix.family()));
    const Route route(rtnl_route_alloc());
    rtnl_route_set_family(route.get(), prefix.family() == net::Family::ipv4 ? AF_INET : AF_INET6);
    rtnl_route_set_dst(route.get(), destination.get());
    rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
    rtnl_route_set_protocol(route.get(), RTPROT_STATIC);
    if (metric != 0) rtnl_route_set_priority(route.get(), metric);
    rtnl_nexthop* const next_hop = rtnl_route_nh_alloc(); // owned by the route from here
    rtnl_route_nh_set_ifindex(next_hop, index);
    rtnl_route_nh_set_gateway(next_hop, via.get());
    rtnl_route_nh_set_flags(next_hop, RTNH_F_ONLINK);
    rtnl_route_add_nexthop(route.get(), next_hop);
    if (const int status = rtnl_route_add(socket, route.get(), NLM_F_CREATE | NLM_F_EXCL);
        status < 0 && status != -NLE_EXIST)
        return fail_netlink(
            fmt::format("route to {} via {}", prefix.to_string(), gateway(prefix.family()).to_string()), status);
    return {};
}

/// A default route that the container has from elsewhere stays the better one: it is not ours to replace.
Result<void> add_default_route(nl_sock* socket, int index, net::Family family) {
    const auto any = *net::Prefix::parse(family == net::Family::ipv4 ? "0.0.0.0/0" : "::/0");
    const Present present = find_routes(socket, index, any);
    if (present.ours) return {};
    return add_route(socket, index, any, present.foreign ? last_resort_metric : 0);
}

Result<void> add_host_route(nl_sock* socket, int index, const net::Prefix& prefix) {
    const Present present = find_routes(socket, index, prefix);
    if (present.foreign)
        return fail(ErrorCode::exists, fmt::format("the host has another route to {} (ip route show {}): delete "
                                                   "that, or give the overlay other addresses",
                                                   prefix.to_string(), prefix.to_string()));
    return present.ours ? Result<void>{} : add_route(socket, index, prefix, 0);
}

/// What an agent with other blocks has left.
void remove_other_routes(nl_sock* socket, int index, net::Family family, const std::vector<net::Prefix>& wanted) {
    for_each_route(socket, family, [&](rtnl_route* route) {
        const bool by_gateway = rtnl_route_nh_get_gateway(rtnl_route_nexthop_n(route, 0)) != nullptr;
        if (is_by(route, index) && by_gateway &&
            std::ranges::none_of(wanted, [&](const net::Prefix& prefix) { return is_to(route, prefix); }))
            rtnl_route_delete(socket, route, 0);
    });
}

Result<void> add_routes(nl_sock* socket, int index, net::Family family, const InterfaceSettings& settings) {
    if (!settings.netns.empty()) return add_default_route(socket, index, family);
    remove_other_routes(socket, index, family, settings.routes);
    for (const auto& prefix : settings.routes)
        if (prefix.family() == family)
            if (auto added = add_host_route(socket, index, prefix); !added) return added;
    return {};
}

bool is_veth(rtnl_link* link) {
    const char* const type = rtnl_link_get_type(link);
    return type != nullptr && std::string_view(type) == "veth";
}

bool is_tap(rtnl_link* link) {
    const char* const type = rtnl_link_get_type(link);
    return type != nullptr && std::string_view(type) == "tun";
}

/// Runs in a thread inside the namespace.
Result<void> configure_here(const InterfaceSettings& settings) {
    const Socket socket(nl_socket_alloc());
    if (const int status = nl_connect(socket.get(), NETLINK_ROUTE); status < 0)
        return fail_netlink("netlink", status);
    rtnl_link* found = nullptr;
    if (const int status = rtnl_link_get_kernel(socket.get(), 0, settings.ifname.c_str(), &found); status < 0)
        return fail_netlink("interface " + settings.ifname, status);
    const Link link(found);
    const int index = rtnl_link_get_ifindex(link.get());
    write_sysctl("/proc/sys/net/ipv6/conf/" + settings.ifname + "/accept_dad", "0");
    write_sysctl("/proc/sys/net/ipv6/conf/" + settings.ifname + "/accept_ra", "0");
    if (is_veth(link.get())) {
        // What a program forwards stays one frame until a device cuts it, and only plain TCP is cut behind a tunnel:
        // large sends of other protocols, and TCP in tunnels of the container's own, are its own kernel's to cut.
        constexpr std::array<std::string_view, 8> others{
            "tx-udp-segmentation",      "tx-sctp-segmentation",         "tx-gre-segmentation",
            "tx-gre-csum-segmentation", "tx-ipxip4-segmentation",       "tx-ipxip6-segmentation",
            "tx-udp_tnl-segmentation",  "tx-udp_tnl-csum-segmentation",
        };
        if (auto disabled = fastpath::disable_features(settings.ifname, others); !disabled) return disabled;
    }
    const Link change(rtnl_link_alloc());
    rtnl_link_set_mtu(change.get(), settings.mtu);
    rtnl_link_set_flags(change.get(), IFF_UP);
    if (const int status = rtnl_link_change(socket.get(), link.get(), change.get(), 0); status < 0)
        return fail_netlink("interface " + settings.ifname, status);
    for (const auto& address : settings.addresses) {
        if (auto added = add_address(socket.get(), index, address); !added) return added;
        if (auto added = add_gateway_neighbour(socket.get(), index, address.family()); !added) return added;
        if (auto added = add_routes(socket.get(), index, address.family(), settings); !added) return added;
    }
    return {};
}

/// The interface, if it has our name and MAC address.
Link find_ours(nl_sock* socket, const InterfaceSettings& settings) {
    rtnl_link* found = nullptr;
    if (rtnl_link_get_kernel(socket, 0, settings.ifname.c_str(), &found) < 0) return nullptr;
    Link link(found);
    nl_addr* const mac = rtnl_link_get_addr(found);
    if (mac == nullptr || nl_addr_get_len(mac) != 6 ||
        std::memcmp(nl_addr_get_binary_addr(mac), settings.mac.bytes().data(), 6) != 0)
        return nullptr;
    return link;
}

void remove_here(const InterfaceSettings& settings) {
    const Socket socket(nl_socket_alloc());
    if (nl_connect(socket.get(), NETLINK_ROUTE) < 0) return;
    const Link link = find_ours(socket.get(), settings);
    if (link && (is_tap(link.get()) || is_veth(link.get()))) rtnl_link_delete(socket.get(), link.get());
}

Result<bool> remove_tap_here(const InterfaceSettings& settings) {
    const Socket socket(nl_socket_alloc());
    if (const int status = nl_connect(socket.get(), NETLINK_ROUTE); status < 0)
        return fail_netlink("netlink", status);
    const Link link = find_ours(socket.get(), settings);
    if (!link || !is_tap(link.get())) return false;
    // A TAP has a carrier as long as a process has it open.
    if (rtnl_link_get_carrier(link.get()) != 0)
        return fail(ErrorCode::exists,
                    "a process serves it: name the --dataplane-socket of that weft-dataplane, or stop it");
    if (const int status = rtnl_link_delete(socket.get(), link.get()); status < 0)
        return fail_netlink("it cannot be removed", status);
    return true;
}

/// Runs `work` in a thread that has entered the namespace.
template <class Work>
auto inside(const std::string& netns, Work work) -> decltype(work()) {
    // Not blocking: the path may be a FIFO.
    const std::string path = fastpath::netns_path(netns);
    const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail(ErrorCode::not_found, fmt::format("network namespace {}: {}", path, std::strerror(errno)));
    decltype(work()) result;
    std::thread([&] {
        if (setns(fd, CLONE_NEWNET) < 0)
            result = fail(ErrorCode::denied, fmt::format("enter {}: {}", path, std::strerror(errno)));
        else
            result = work();
    }).join();
    close(fd);
    return result;
}

bool is_own_namespace(const struct stat& status) {
    struct stat own{};
    return stat("/proc/self/ns/net", &own) == 0 && own.st_dev == status.st_dev && own.st_ino == status.st_ino;
}

} // namespace

Result<void> check_netns(const std::string& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT
                   ? fail(ErrorCode::not_found,
                          fmt::format(
                              "network namespace {}: {}: make it first (ip netns add), or name /proc/PID/ns/net",
                              path, std::strerror(errno)))
                   : fail(ErrorCode::denied, fmt::format("network namespace {}: {}: weftd must be able to open it",
                                                         path, std::strerror(errno)));
    const int kind = ioctl(fd, NS_GET_NSTYPE);
    struct stat status{};
    const bool own = fstat(fd, &status) == 0 && is_own_namespace(status);
    close(fd);
    if (kind != CLONE_NEWNET)
        return fail(ErrorCode::invalid,
                    fmt::format("{} is not a network namespace: name one of /run/netns, or /proc/PID/ns/net", path));
    if (own)
        return fail(
            ErrorCode::invalid,
            fmt::format("{} is the host's own network namespace: name a container's, or add --host instead for "
                        "the host's own endpoint",
                        path));
    return {};
}

Result<void> configure_interface(const InterfaceSettings& settings) {
    auto configured = inside(settings.netns, [&] { return configure_here(settings); });
    if (!configured) return fail_in(std::move(configured), fastpath::device_text(settings.ifname, settings.netns));
    return {};
}

void remove_interface(const InterfaceSettings& settings) {
    // A namespace that has gone took its interfaces along.
    static_cast<void>(inside(settings.netns, [&]() -> Result<void> {
        remove_here(settings);
        return {};
    }));
}

Result<bool> remove_tap(const InterfaceSettings& settings) {
    auto removed = inside(settings.netns, [&] { return remove_tap_here(settings); });
    if (removed) return removed;
    if (removed.error().code == ErrorCode::not_found) return false; // with its namespace
    return fail_in(std::move(removed), "TAP " + fastpath::device_text(settings.ifname, settings.netns));
}

} // namespace weft::agent
