// SPDX-License-Identifier: BSD-3-Clause
// What asks the kernel about devices by netlink: a socket, and what its refusals mean.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <netlink/cache.h>
#include <netlink/netlink.h>

#include "routing/net/result.hpp"

namespace weft::ebpf {

struct FreeNetlink {
    void operator()(nl_sock* socket) const { nl_socket_free(socket); }

    void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};

using NetlinkSocket = std::unique_ptr<nl_sock, FreeNetlink>;
using NetlinkCache = std::unique_ptr<nl_cache, FreeNetlink>;

[[nodiscard]] Result<NetlinkSocket> connect_netlink();
/// `status` is what libnl returned.
[[nodiscard]] std::unexpected<Error> fail_netlink(const std::string& what, int status);
/// As an error calls a device: by its name, or by its number when it has gone.
[[nodiscard]] std::string device_name(std::uint32_t ifindex);

} // namespace weft::ebpf
