// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/veth.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <unistd.h>

#include "dataplane/api/netns_path.hpp"
#include "ebpf/netlink.hpp"
#include "ebpf/numbered_name.hpp"

namespace weft::ebpf {

namespace {

constexpr std::string_view near_prefix = "weft";

using Link = std::unique_ptr<rtnl_link, decltype([](rtnl_link* link) { rtnl_link_put(link); })>;
using Raw = std::unique_ptr<nl_addr, decltype([](nl_addr* address) { nl_addr_put(address); })>;

/// An open network namespace.
class Namespace {
  public:
    /// Whatever is at that path: a FIFO without a writer would hold the agent for ever.
    explicit Namespace(const std::string& path) :
        descriptor_(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {}

    ~Namespace() {
        if (descriptor_ >= 0) close(descriptor_);
    }

    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }

  private:
    int descriptor_;
};

bool is_missing(int status) { return status == -NLE_OBJ_NOTFOUND || status == -NLE_NODEV; }

/// By index, or by name when that is 0; null: there is none.
Result<Link> get(nl_sock* socket, std::uint32_t ifindex, const char* name = nullptr) {
    rtnl_link* found = nullptr;
    const int status = rtnl_link_get_kernel(socket, static_cast<int>(ifindex), name, &found);
    if (status < 0 && !is_missing(status))
        return fail_netlink("interface " + (name != nullptr ? std::string(name) : device_name(ifindex)), status);
    return Link(status < 0 ? nullptr : found);
}

Result<void> remove(nl_sock* socket, rtnl_link* link) {
    const int status = rtnl_link_delete(socket, link);
    if (status >= 0 || is_missing(status)) return {};
    return fail_netlink(fmt::format("interface {}: it cannot be removed", rtnl_link_get_name(link)), status);
}

bool is_veth(rtnl_link* link) {
    const char* const kind = rtnl_link_get_type(link);
    return kind != nullptr && std::strcmp(kind, "veth") == 0;
}

Device to_device(rtnl_link* link) {
    const char* const kind = rtnl_link_get_type(link);
    return {.name = rtnl_link_get_name(link),
            .ifindex = static_cast<std::uint32_t>(rtnl_link_get_ifindex(link)),
            .mtu = rtnl_link_get_mtu(link),
            .up = (rtnl_link_get_flags(link) & IFF_UP) != 0,
            .kind = kind != nullptr ? kind : ""};
}

template <class Change>
Result<void> change(std::uint32_t ifindex, const char* what, Change set) {
    auto socket = connect_netlink();
    if (!socket) return std::unexpected(std::move(socket).error());
    const auto found = get(socket->get(), ifindex);
    if (!found) return std::unexpected(found.error());
    rtnl_link* const link = found->get();
    if (link == nullptr) return fail(ErrorCode::not_found, fmt::format("interface number {} has gone", ifindex));
    const Link wanted(rtnl_link_alloc());
    set(wanted.get());
    if (const int status = rtnl_link_change(socket->get(), link, wanted.get(), 0); status < 0)
        return fail_netlink(fmt::format("interface {}: {}", rtnl_link_get_name(link), what), status);
    return {};
}

} // namespace

std::string near_name(std::uint32_t port) { return fmt::format("{}{}", near_prefix, port); }

bool is_near_name(std::string_view name) { return number_behind<std::uint32_t>(near_prefix, name).value_or(0) != 0; }

Result<std::uint32_t> make_veth(const VethSettings& settings) {
    for (const std::string& name : {settings.near, settings.ifname})
        if (name.empty() || name.size() >= IFNAMSIZ)
            return fail(ErrorCode::invalid,
                        fmt::format("interface name '{}': 1 to {} characters", name, IFNAMSIZ - 1));
    const std::string path = fastpath::netns_path(settings.netns);
    const Namespace space(path);
    if (space.descriptor() < 0)
        return fail(ErrorCode::not_found, fmt::format("network namespace {}: {}", path, std::strerror(errno)));
    auto socket = connect_netlink();
    if (!socket) return std::unexpected(std::move(socket).error());
    const auto old = get(socket->get(), 0, settings.near.c_str());
    if (!old) return std::unexpected(old.error());
    if (*old) {
        if (!is_veth(old->get()))
            return fail(ErrorCode::exists,
                        fmt::format("interface {}: one of another kind has this name: rename it", settings.near));
        if (auto removed = remove(socket->get(), old->get()); !removed)
            return std::unexpected(std::move(removed).error());
    }
    const Link near(rtnl_link_veth_alloc());
    rtnl_link* const far = rtnl_link_veth_get_peer(near.get());
    const Raw mac(nl_addr_build(AF_LLC, settings.mac.bytes().data(), settings.mac.bytes().size()));
    rtnl_link_set_name(near.get(), settings.near.c_str());
    rtnl_link_set_mtu(near.get(), settings.mtu);
    rtnl_link_set_name(far, settings.ifname.c_str());
    rtnl_link_set_mtu(far, settings.mtu);
    rtnl_link_set_addr(far, mac.get());
    rtnl_link_set_ns_fd(far, space.descriptor());
    const int made = rtnl_link_add(socket->get(), near.get(), NLM_F_CREATE | NLM_F_EXCL);
    rtnl_link_put(far);
    if (made == -NLE_EXIST)
        return fail(ErrorCode::exists,
                    fmt::format("{}: an interface of this name is there already: delete it, or choose another "
                                "--ifname",
                                fastpath::device_text(settings.ifname, settings.netns)));
    if (made < 0) return fail_netlink(fmt::format("veth pair {} - {}", settings.near, settings.ifname), made);
    // The host itself has nothing to say there.
    std::ofstream("/proc/sys/net/ipv6/conf/" + settings.near + "/disable_ipv6") << "1";
    const auto link = get(socket->get(), 0, settings.near.c_str());
    if (!link) return std::unexpected(link.error());
    if (!*link) return fail(ErrorCode::not_found, fmt::format("interface {} has gone again", settings.near));
    return static_cast<std::uint32_t>(rtnl_link_get_ifindex(link->get()));
}

Result<void> raise_veth(std::uint32_t ifindex) {
    return change(ifindex, "up", [](rtnl_link* link) { rtnl_link_set_flags(link, IFF_UP); });
}

Result<void> set_veth_mtu(std::uint32_t ifindex, std::uint32_t mtu) {
    return change(ifindex, "MTU", [&](rtnl_link* link) { rtnl_link_set_mtu(link, mtu); });
}

Result<void> remove_veth(std::uint32_t ifindex) {
    const auto socket = connect_netlink();
    if (!socket) return std::unexpected(socket.error());
    const auto link = get(socket->get(), ifindex);
    if (!link) return std::unexpected(link.error());
    return *link && is_veth(link->get()) ? remove(socket->get(), link->get()) : Result<void>{};
}

Result<std::optional<Device>> find_device(const std::string& name) {
    const auto socket = connect_netlink();
    if (!socket) return std::unexpected(socket.error());
    const auto link = get(socket->get(), 0, name.c_str());
    if (!link) return std::unexpected(link.error());
    return *link ? std::optional(to_device(link->get())) : std::nullopt;
}

Result<Devices> all_devices() {
    const auto socket = connect_netlink();
    if (!socket) return std::unexpected(socket.error());
    nl_cache* found = nullptr;
    if (const int status = rtnl_link_alloc_cache(socket->get(), AF_UNSPEC, &found); status < 0)
        return fail_netlink("the network interfaces", status);
    const NetlinkCache links(found);
    Devices devices;
    for (nl_object* link = nl_cache_get_first(found); link != nullptr; link = nl_cache_get_next(link)) {
        Device device = to_device(reinterpret_cast<rtnl_link*>(link));
        devices[device.name] = std::move(device);
    }
    return devices;
}

} // namespace weft::ebpf
