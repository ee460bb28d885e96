// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/netlink.hpp"

#include <fmt/format.h>
#include <net/if.h>
#include <netlink/errno.h>

namespace weft::ebpf {

std::unexpected<Error> fail_netlink(const std::string& what, int status) {
    const ErrorCode code = status == -NLE_EXIST                                  ? ErrorCode::exists
                           : status == -NLE_PERM                                 ? ErrorCode::denied
                           : status == -NLE_OBJ_NOTFOUND || status == -NLE_NODEV ? ErrorCode::not_found
                                                                                 : ErrorCode::internal;
    return fail(code, fmt::format("{}: {}", what, nl_geterror(status)));
}

Result<NetlinkSocket> connect_netlink() {
    NetlinkSocket socket(nl_socket_alloc());
    if (const int status = nl_connect(socket.get(), NETLINK_ROUTE); status < 0)
        return fail_netlink("netlink", status);
    return socket;
}

std::string device_name(std::uint32_t ifindex) {
    char name[IF_NAMESIZE] = {};
    return if_indextoname(ifindex, name) != nullptr ? name : fmt::format("number {}", ifindex);
}

} // namespace weft::ebpf
