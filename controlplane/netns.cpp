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

#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/interface_routes.hpp"
#include "controlplane/netlink.hpp"
#include "dataplane/api/device_features.hpp"
#include "dataplane/api/netns_path.hpp"

namespace weft::agent {

using namespace netlink;

namespace {

using Link = Handle<rtnl_link, rtnl_link_put>;
using LinkAddress = Handle<rtnl_addr, rtnl_addr_put>;
using Neighbour = Handle<rtnl_neigh, rtnl_neigh_put>;

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

/// A question that the container asks before the fast path answers would be asked again a second later, and what it
/// sends meanwhile would wait, or be lost.
Result<void> add_gateway_neighbour(nl_sock* socket, int index, net::Family family) {
    const Neighbour entry(rtnl_neigh_alloc());
    const auto address = raw(gateway_address(family), net::address_bits(family));
    const Raw mac(nl_addr_build(AF_LLC, gateway_mac.bytes().data(), gateway_mac.bytes().size()));
    rtnl_neigh_set_ifindex(entry.get(), index);
    rtnl_neigh_set_dst(entry.get(), address.get());
    rtnl_neigh_set_lladdr(entry.get(), mac.get());
    rtnl_neigh_set_state(entry.get(), NUD_PERMANENT);
    if (const int status = rtnl_neigh_add(socket, entry.get(), NLM_F_CREATE | NLM_F_REPLACE); status < 0)
        return fail_netlink("neighbour " + gateway_address(family).to_string(), status);
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
    const std::string& ifname = settings.interface.ifname;
    const Socket socket(nl_socket_alloc());
    if (const int status = nl_connect(socket.get(), NETLINK_ROUTE); status < 0)
        return fail_netlink("netlink", status);
    rtnl_link* found = nullptr;
    if (const int status = rtnl_link_get_kernel(socket.get(), 0, ifname.c_str(), &found); status < 0)
        return fail_netlink("interface " + ifname, status);
    const Link link(found);
    const int index = rtnl_link_get_ifindex(link.get());
    write_sysctl("/proc/sys/net/ipv6/conf/" + ifname + "/accept_dad", "0");
    write_sysctl("/proc/sys/net/ipv6/conf/" + ifname + "/accept_ra", "0");
    if (is_veth(link.get())) {
        // What a program forwards stays one frame until a device cuts it, and only plain TCP is cut behind a tunnel:
        // large sends of other protocols, and TCP in tunnels of the container's own, are its own kernel's to cut.
        constexpr std::array<std::string_view, 8> others{
            "tx-udp-segmentation",      "tx-sctp-segmentation",         "tx-gre-segmentation",
            "tx-gre-csum-segmentation", "tx-ipxip4-segmentation",       "tx-ipxip6-segmentation",
            "tx-udp_tnl-segmentation",  "tx-udp_tnl-csum-segmentation",
        };
        if (auto disabled = fastpath::disable_features(ifname, others); !disabled) return disabled;
    }
    const Link change(rtnl_link_alloc());
    rtnl_link_set_mtu(change.get(), settings.mtu);
    rtnl_link_set_flags(change.get(), IFF_UP);
    if (const int status = rtnl_link_change(socket.get(), link.get(), change.get(), 0); status < 0)
        return fail_netlink("interface " + ifname, status);
    for (const auto& address : settings.addresses)
        if (auto added = add_address(socket.get(), index, address); !added) return added;
    for (const net::Family family : {net::Family::ipv4, net::Family::ipv6}) {
        if (std::ranges::count(settings.addresses, family, &net::Address::family) == 0) continue;
        if (auto added = add_gateway_neighbour(socket.get(), index, family); !added) return added;
        auto routed = settings.is_hosts() ? set_host_routes(socket.get(), index, family, settings.routes)
                                          : add_default_route(socket.get(), index, family);
        if (!routed) return routed;
    }
    return {};
}

/// The interface, if it has our name and MAC address.
Link find_ours(nl_sock* socket, const Interface& interface) {
    rtnl_link* found = nullptr;
    if (rtnl_link_get_kernel(socket, 0, interface.ifname.c_str(), &found) < 0) return nullptr;
    Link link(found);
    nl_addr* const mac = rtnl_link_get_addr(found);
    if (mac == nullptr || nl_addr_get_len(mac) != 6 ||
        std::memcmp(nl_addr_get_binary_addr(mac), interface.mac.bytes().data(), 6) != 0)
        return nullptr;
    return link;
}

void remove_here(const Interface& interface) {
    const Socket socket(nl_socket_alloc());
    if (nl_connect(socket.get(), NETLINK_ROUTE) < 0) return;
    const Link link = find_ours(socket.get(), interface);
    if (link && (is_tap(link.get()) || is_veth(link.get()))) rtnl_link_delete(socket.get(), link.get());
}

Result<bool> remove_tap_here(const Interface& interface) {
    const Socket socket(nl_socket_alloc());
    if (const int status = nl_connect(socket.get(), NETLINK_ROUTE); status < 0)
        return fail_netlink("netlink", status);
    const Link link = find_ours(socket.get(), interface);
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
    auto configured = inside(settings.interface.netns, [&] { return configure_here(settings); });
    if (!configured)
        return fail_in(std::move(configured),
                       fastpath::device_text(settings.interface.ifname, settings.interface.netns));
    return {};
}

void remove_interface(const Interface& interface) {
    // A namespace that has gone took its interfaces along.
    static_cast<void>(inside(interface.netns, [&]() -> Result<void> {
        remove_here(interface);
        return {};
    }));
}

Result<bool> remove_tap(const Interface& interface) {
    auto removed = inside(interface.netns, [&] { return remove_tap_here(interface); });
    if (removed) return removed;
    if (removed.error().code == ErrorCode::not_found) return false; // with its namespace
    return fail_in(std::move(removed), "TAP " + fastpath::device_text(interface.ifname, interface.netns));
}

} // namespace weft::agent
