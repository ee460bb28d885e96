// SPDX-License-Identifier: BSD-3-Clause
// A host and its container: two network namespaces that nobody else sees, and devices that come and go in the host's.
#pragma once

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ebpf/veth.hpp"

namespace weft::ebpf {

/// A network namespace, as this thread was in it when it was made. Lives as long as the value does, at least.
class NetworkNamespace {
  public:
    static NetworkNamespace present() { return {}; }

    /// The thread is in it from now on.
    static NetworkNamespace make() {
        if (unshare(CLONE_NEWNET) != 0) throw std::runtime_error("cannot make a network namespace");
        return {};
    }

    ~NetworkNamespace() { close(descriptor_); }

    NetworkNamespace(const NetworkNamespace&) = delete;
    NetworkNamespace& operator=(const NetworkNamespace&) = delete;

    void enter() const {
        if (setns(descriptor_, CLONE_NEWNET) != 0) throw std::runtime_error("setns");
    }

    [[nodiscard]] std::string path() const { return fmt::format("/proc/{}/fd/{}", getpid(), descriptor_); }

  private:
    NetworkNamespace() : descriptor_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
        if (descriptor_ < 0) throw std::runtime_error("/proc/thread-self/ns/net");
    }

    int descriptor_;
};

/// The thread is in the host's until the value ends.
class HostNamespaces {
  public:
    ~HostNamespaces() { before_.enter(); }

    [[nodiscard]] const NetworkNamespace& host() const { return host_; }

    [[nodiscard]] const NetworkNamespace& container() const { return container_; }

    /// A device that is up and leads nowhere; returns its number.
    std::uint32_t add_device(const std::string& name) {
        const auto made = make_veth({.near = name,
                                     .netns = container_.path(),
                                     .ifname = fmt::format("far{}", ++devices_),
                                     .mac = net::Mac({2, 0, 0, 0, 9, devices_}),
                                     .mtu = 1500});
        if (!made || !raise_veth(*made)) throw std::runtime_error(name + " cannot be made");
        return *made;
    }

    static void remove_device(std::uint32_t ifindex) {
        if (!remove_veth(ifindex)) throw std::runtime_error("a device cannot be removed");
    }

    /// As `ip link set NAME up`, or down.
    static void set_up(const std::string& name, bool up) {
        const int any = socket(AF_INET, SOCK_DGRAM, 0);
        ifreq request{};
        std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
        const bool known = ioctl(any, SIOCGIFFLAGS, &request) == 0;
        request.ifr_flags = static_cast<short>(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
        const bool done = known && ioctl(any, SIOCSIFFLAGS, &request) == 0;
        close(any);
        if (!done) throw std::runtime_error(name + " cannot be set up or down");
    }

    /// As `ip link set NAME name TO`.
    static void rename(const std::string& name, const std::string& to) {
        const int any = socket(AF_INET, SOCK_DGRAM, 0);
        ifreq request{};
        std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
        std::strncpy(request.ifr_newname, to.c_str(), IFNAMSIZ - 1);
        const bool done = ioctl(any, SIOCSIFNAME, &request) == 0;
        close(any);
        if (!done) throw std::runtime_error(name + " cannot be renamed");
    }

    /// Where its number is taken it gets another.
    static void move(const std::string& name, const NetworkNamespace& to) {
        if (std::system(fmt::format("ip link set {} netns {}", name, to.path()).c_str()) != 0)
            throw std::runtime_error(name + " cannot be moved");
    }

    static std::uint32_t number_of(const std::string& name) { return if_nametoindex(name.c_str()); }

  private:
    NetworkNamespace before_ = NetworkNamespace::present();
    NetworkNamespace container_ = NetworkNamespace::make();
    NetworkNamespace host_ = NetworkNamespace::make();
    std::uint8_t devices_ = 0;
};

} // namespace weft::ebpf
