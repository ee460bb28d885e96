// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/ebpf_devices.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include "ebpf/hook.hpp"
#include "ebpf/veth.hpp"
#include "ebpf/xdp_hook.hpp"
#include "tests/pipeline/must.hpp"
#include "tests/pipeline/open_checksum.hpp"
#include "tests/pipeline/outcome.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::cases {

namespace {

constexpr std::uint32_t frame_max = 9000;
constexpr std::uint16_t follower_type = 0x88b5; // for experiments; nobody's
constexpr int patience_ms = 5000;

/// struct virtio_net_hdr, as packet sockets have it; the kernel's own header is not C++.
struct VirtioHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t header_length = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t csum_start = 0;
    std::uint16_t csum_offset = 0;
};

constexpr std::uint8_t needs_checksum = 1;

int must(int status, const char* what) {
    if (status < 0) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
    return status;
}

/// A namespace of this thread's own. Its devices have nothing to say by themselves.
int enter_new_namespace() {
    must(unshare(CLONE_NEWNET), "unshare");
    std::ofstream("/proc/sys/net/ipv6/conf/default/disable_ipv6") << "1";
    return must(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), "/proc/thread-self/ns/net");
}

void enter(int space) { must(setns(space, CLONE_NEWNET), "setns"); }

/// What arrives at a device, and a way to send there. A VirtioHeader stands in front of each frame.
int packet_socket(std::uint32_t ifindex, std::uint16_t type) {
    const int socket = must(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    const int yes = 1;
    must(setsockopt(socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes), "PACKET_IGNORE_OUTGOING");
    must(setsockopt(socket, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof yes), "PACKET_VNET_HDR");
    sockaddr_ll place{};
    place.sll_family = AF_PACKET;
    place.sll_protocol = htons(type);
    place.sll_ifindex = static_cast<int>(ifindex);
    must(bind(socket, reinterpret_cast<const sockaddr*>(&place), sizeof place), "bind");
    return socket;
}

bool readable(int socket, int timeout_ms) {
    pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
    return poll(&waiting, 1, timeout_ms) > 0;
}

Bytes read_frame(int socket) {
    Bytes frame(65536);
    VirtioHeader header{};
    iovec parts[] = {{&header, sizeof header}, {frame.data(), frame.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = std::size(parts);
    const ssize_t size = recvmsg(socket, &message, 0);
    frame.resize(size > static_cast<ssize_t>(sizeof header) ? static_cast<std::size_t>(size) - sizeof header : 0);
    if ((header.flags & needs_checksum) != 0) complete_checksum(frame, header.csum_start, header.csum_offset);
    return frame;
}

void send_frame(int socket, Bytes frame, bool open) {
    VirtioHeader header{};
    if (open) {
        header.flags = needs_checksum;
        header.csum_start = static_cast<std::uint16_t>(ethernet_size + ip_size(frame));
        header.csum_offset = static_cast<std::uint16_t>(checksum_place(frame));
        open_checksum(frame);
    }
    iovec parts[] = {{&header, sizeof header}, {frame.data(), frame.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = std::size(parts);
    if (sendmsg(socket, &message, 0) != static_cast<ssize_t>(sizeof header + frame.size()))
        throw std::runtime_error(fmt::format("send {} bytes: {}", frame.size(), std::strerror(errno)));
}

} // namespace

EbpfDevices& EbpfDevices::get() {
    static EbpfDevices devices;
    return devices;
}

EbpfDevices::EbpfDevices() {
    // Softirqs run where their frames were sent: on one CPU nothing is under way while the test looks.
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
    must(sched_setaffinity(0, sizeof one, &one), "sched_setaffinity");
    far_namespace_ = enter_new_namespace();
    const int near_namespace = enter_new_namespace();
    for (const std::uint32_t port : {World::web, World::db, World::without_endpoint, World::uplink}) {
        const std::string far = fmt::format("far{}", port);
        ports_[port].near = must(ebpf::make_veth({.near = ebpf::near_name(port),
                                                  .netns = fmt::format("/proc/self/fd/{}", far_namespace_),
                                                  .ifname = far,
                                                  .mac = net::Mac({2, 0, 0, 0, 1, static_cast<std::uint8_t>(port)}),
                                                  .mtu = frame_max}));
        must(ebpf::raise_veth(ports_[port].near));
        enter(far_namespace_);
        const auto device = must(ebpf::find_device(far));
        if (!device) throw std::runtime_error(far + " is missing");
        must(ebpf::raise_veth(device->ifindex));
        ports_[port].far = packet_socket(device->ifindex, ETH_P_ALL);
        enter(near_namespace);
    }
    host_ = packet_socket(ports_[World::uplink].near, ETH_P_ALL);
}

void EbpfDevices::attach(const ebpf::Programs& programs) {
    if (std::exchange(attached_, &programs) == &programs) return;
    for (const auto& [port, each] : ports_)
        must(ebpf::IngressHook(each.near, pins_.path())
                 .attach(port == World::uplink ? programs.uplink() : programs.endpoint()));
    must(ebpf::XdpHook(ports_.at(World::uplink).near, pins_.path()).attach(programs.uplink_xdp()));
}

void EbpfDevices::attach_in_front(int xdp_program) {
    must(ebpf::XdpHook(ports_.at(World::uplink).near, pins_.path()).attach(xdp_program));
    attached_ = nullptr;
}

void EbpfDevices::send(std::uint32_t port, const Bytes& frame, bool open_checksum) const {
    const int socket = ports_.at(port).far;
    send_frame(socket, frame, open_checksum);
    if (port == World::uplink) send_frame(socket, Bytes(12, 2) + be16(follower_type) + zeros(46), false);
}

bool EbpfDevices::follower_arrived() {
    while (readable(host_, 0)) {
        Bytes frame = read_frame(host_);
        if (frame.size() >= ethernet_size && frame[12] == follower_type >> 8 && frame[13] == (follower_type & 0xff))
            return true;
        seen_ = std::move(frame);
    }
    return false;
}

Bytes EbpfDevices::receive(std::uint32_t port) const {
    const int socket = ports_.at(port).far;
    if (!readable(socket, patience_ms)) throw std::runtime_error(fmt::format("nothing came out of port {}", port));
    return read_frame(socket);
}

void EbpfDevices::drain() {
    for (const auto& [port, each] : ports_)
        while (readable(each.far, 0))
            read_frame(each.far);
    while (follower_arrived()) {
    }
    seen_.clear();
}

} // namespace weft::cases
