// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/xdp_interface.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include <string_view>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dataplane/api/listener.hpp"

namespace weft::dataplane {

namespace {

constexpr std::string_view steering_name = "steer"; // the function in ebpf/steer.bpf.c

/// Bound in the abstract name space, which every network namespace has for itself.
Result<Descriptor> bind_abstract(int type, const std::string& name) {
    Descriptor socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(address.sun_path, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) < 0)
        return fail(errno == EADDRINUSE ? ErrorCode::exists : ErrorCode::internal, std::strerror(errno));
    return socket;
}

/// A name that nobody else can have: the kernel lets go of it however its holder ends.
std::string lock_name(const std::string& ifname) { return std::string(1, '\0') + "weft-dataplane/xdp/" + ifname; }

Result<Descriptor> lock_interface(const std::string& ifname) {
    auto socket = bind_abstract(SOCK_DGRAM, lock_name(ifname));
    if (socket) return socket;
    if (socket.error().code != ErrorCode::exists) return fail_in(std::move(socket), "interface " + ifname);
    const auto holder = fastpath::Listener::find(lock_name(ifname));
    if (!holder || !*holder)
        return fail(ErrorCode::exists,
                    fmt::format("interface {}: another weft-dataplane serves it: stop that one first", ifname));
    return fail(ErrorCode::exists, fmt::format("interface {}: another weft-dataplane ({}) serves it: stop that one "
                                               "first ({})",
                                               ifname, (*holder)->who(), (*holder)->remedy()));
}

/// A datagram socket, as which the lock is known to other versions, tells nobody who has it.
Descriptor tell_who_holds(const std::string& ifname) {
    auto socket = bind_abstract(SOCK_STREAM, lock_name(ifname));
    if (!socket || listen(socket->get(), 64) < 0) return {};
    return *std::move(socket);
}

std::string program_name(std::uint32_t id) {
    const Descriptor program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) return {};
    return {info.name, strnlen(info.name, sizeof info.name)};
}

unsigned count_receive_queues(const std::string& ifname) {
    const Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ethtool_channels channels{.cmd = ETHTOOL_GCHANNELS};
    ifreq request{};
    std::memcpy(request.ifr_name, ifname.data(), ifname.size());
    request.ifr_data = reinterpret_cast<char*>(&channels);
    if (ioctl(socket.get(), SIOCETHTOOL, &request) < 0) return 1; // a device without channels has one queue
    return std::max(1U, channels.rx_count + channels.combined_count);
}

} // namespace

Result<XdpInterface> XdpInterface::claim(const std::string& ifname) {
    const unsigned index = ifname.size() < IFNAMSIZ ? if_nametoindex(ifname.c_str()) : 0;
    if (index == 0)
        return fail(
            ErrorCode::not_found,
            fmt::format("interface {}: there is none of this name in weft-dataplane's network namespace", ifname));
    auto lock = lock_interface(ifname);
    if (!lock) return std::unexpected(std::move(lock).error());
    XdpInterface interface;
    interface.lock_ = std::move(*lock);
    interface.teller_ = tell_who_holds(ifname);
    interface.receive_queues_ = count_receive_queues(ifname);
    std::uint32_t program = 0;
    if (const int status = bpf_xdp_query_id(static_cast<int>(index), 0, &program); status < 0)
        return fail(ErrorCode::denied, fmt::format("interface {}: its XDP program cannot be asked for: {}", ifname,
                                                   std::strerror(-status)));
    if (program == 0) return interface;
    if (const std::string name = program_name(program); name != steering_name)
        return fail(
            ErrorCode::exists,
            fmt::format("interface {} runs another XDP program, '{}': take it off with `ip link set dev {} xdp off`",
                        ifname, name, ifname));
    if (const int status = bpf_xdp_detach(static_cast<int>(index), 0, nullptr); status < 0)
        return fail(
            ErrorCode::internal,
            fmt::format("interface {}: the steering program of an earlier weft-dataplane cannot be detached: {}",
                        ifname, std::strerror(-status)));
    return interface;
}

} // namespace weft::dataplane
