// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/xdp_socket.hpp"

#include <algorithm>
#include <charconv>

#include <linux/if_xdp.h>

#include <memory>
#include <optional>
#include <string_view>

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::dataplane {

namespace {

std::optional<XdpSocket> xdp_socket(int descriptor) {
    int domain = 0;
    socklen_t size = sizeof domain;
    struct stat about{};
    if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_XDP ||
        fstat(descriptor, &about) != 0)
        return std::nullopt;
    return XdpSocket{descriptor, about.st_ino};
}

} // namespace

std::vector<XdpSocket> open_xdp_sockets() {
    std::vector<XdpSocket> sockets;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir("/proc/self/fd"), closedir);
    if (!directory) return sockets;
    while (const dirent* const entry = readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        int descriptor = -1;
        if (std::from_chars(name.data(), name.data() + name.size(), descriptor).ec != std::errc{}) continue;
        if (const auto socket = xdp_socket(descriptor)) sockets.push_back(*socket);
    }
    std::ranges::sort(sockets);
    return sockets;
}

std::uint64_t packets_lost(const XdpSocket& socket) {
    xdp_statistics statistics{};
    socklen_t size = sizeof statistics;
    if (getsockopt(socket.descriptor, SOL_XDP, XDP_STATISTICS, &statistics, &size) != 0) return 0;
    return statistics.rx_dropped + statistics.rx_ring_full;
}

void close_left_open(const std::vector<XdpSocket>& sockets) {
    for (const XdpSocket& socket : sockets)
        if (xdp_socket(socket.descriptor) == socket) close(socket.descriptor);
}

} // namespace weft::dataplane
