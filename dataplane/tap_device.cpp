// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tap_device.hpp"

#include <cerrno>
#include <cstring>

#include <linux/if_tun.h>

#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "dataplane/api/netns_path.hpp"
#include "dataplane/virtio_header.hpp"

namespace weft::dataplane {

namespace {

std::unexpected<Error> fail_errno(const std::string& what, const char* remedy) {
    const int error = errno;
    const ErrorCode code = error == ENOENT                     ? ErrorCode::not_found
                           : error == EPERM || error == EACCES ? ErrorCode::denied
                           : error == EBUSY || error == EEXIST ? ErrorCode::exists
                                                               : ErrorCode::internal;
    return fail(code, fmt::format("{}: {}{}", what, std::strerror(error), remedy));
}

/// Runs in a thread that has entered the namespace: devices belong to the namespace in which /dev/net/tun was opened.
Result<Descriptor> open_here(const std::string& ifname, const fastpath::MacBytes& mac) {
    Descriptor device(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!device) return fail_errno("/dev/net/tun", ": load the tun module, or allow the device in this container");
    ifreq request{};
    std::strncpy(request.ifr_name, ifname.c_str(), IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(device.get(), TUNSETIFF, &request) < 0)
        return fail_errno(fmt::format("TAP {}", ifname), errno == EBUSY ? ": another process serves it"
                                                         : errno == EINVAL
                                                             ? ": an interface of another kind has this name"
                                                             : "");
    const int header_size = sizeof(VirtioHeader);
    if (ioctl(device.get(), TUNSETVNETHDRSZ, &header_size) < 0 || ioctl(device.get(), TUNSETPERSIST, 1) < 0 ||
        ioctl(device.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) < 0)
        return fail_errno(fmt::format("TAP {}: offloads", ifname), "");
    const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (ioctl(socket.get(), SIOCGIFHWADDR, &request) < 0)
        return fail_errno(fmt::format("TAP {}: MAC address", ifname), "");
    if (std::memcmp(request.ifr_hwaddr.sa_data, mac.data(), mac.size()) != 0) {
        request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
        std::memcpy(request.ifr_hwaddr.sa_data, mac.data(), mac.size());
        if (ioctl(socket.get(), SIOCSIFHWADDR, &request) < 0)
            return fail_errno(fmt::format("TAP {}: MAC address", ifname), "");
    }
    return device;
}

} // namespace

std::optional<ino_t> namespace_at(const std::string& path) {
    struct stat about{};
    return stat(path.c_str(), &about) == 0 ? std::optional(about.st_ino) : std::nullopt;
}

Result<TapDevice> open_tap(const std::string& netns, const std::string& ifname, const fastpath::MacBytes& mac) {
    if (ifname.empty() || ifname.size() >= IFNAMSIZ)
        return fail(ErrorCode::invalid, fmt::format("interface name '{}': 1 to {} characters", ifname, IFNAMSIZ - 1));
    // Whatever is at that path: a FIFO without a writer would hold the control thread for ever.
    const std::string path = fastpath::netns_path(netns);
    const Descriptor space(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!space) return fail_errno(fmt::format("network namespace {}", path), "");
    Result<Descriptor> device = fail(ErrorCode::internal, "not opened");
    // A thread of its own enters the namespace and ends there.
    std::thread([&] {
        if (setns(space.get(), CLONE_NEWNET) < 0)
            device = fail_errno(fmt::format("enter network namespace {}", path), "");
        else
            device = open_here(ifname, mac);
    }).join();
    if (!device) return std::unexpected(std::move(device).error());
    struct stat about{};
    fstat(space.get(), &about);
    return TapDevice{std::move(*device), path, about.st_ino};
}

void remove_tap(const TapDevice& device) { ioctl(device.descriptor.get(), TUNSETPERSIST, 0); }

} // namespace weft::dataplane
