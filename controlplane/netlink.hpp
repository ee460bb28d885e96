// SPDX-License-Identifier: BSD-3-Clause
// What those who set up an interface and its routes share of libnl: handles with an owner, addresses, errors.
#pragma once

#include <memory>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>
#include <netlink/netlink.h>

#include "routing/net/address.hpp"

namespace weft::agent::netlink {

template <class T, void (*release)(T*)>
using Handle = std::unique_ptr<T, std::integral_constant<void (*)(T*), release>>;

using Socket = Handle<nl_sock, nl_socket_free>;
using Raw = Handle<nl_addr, nl_addr_put>;

inline std::unexpected<Error> fail_netlink(std::string_view what, int status) {
    return fail(ErrorCode::internal, fmt::format("{}: {}", what, nl_geterror(status)));
}

inline int family_of(net::Family family) { return family == net::Family::ipv4 ? AF_INET : AF_INET6; }

inline Raw raw(const net::Address& address, unsigned prefix_length) {
    const auto bytes = address.bytes();
    Raw made(nl_addr_build(family_of(address.family()), bytes.data(), bytes.size()));
    nl_addr_set_prefixlen(made.get(), static_cast<int>(prefix_length));
    return made;
}

} // namespace weft::agent::netlink
