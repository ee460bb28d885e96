// SPDX-License-Identifier: BSD-3-Clause
// The sockets of netload's verbs: made from the texts of its command line, blocking, and patient for so long only
// that a path which loses everything ends a measurement with an error and not never.
#pragma once

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "dataplane/descriptor.hpp"

namespace weft::bench {

using dataplane::Descriptor;

inline constexpr timeval patience{.tv_sec = 10, .tv_usec = 0};

[[noreturn]] inline void throw_errno(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
}

template <class Value>
void set_option(const Descriptor& socket, int level, int option, const Value& value, const char* name) {
    if (setsockopt(socket.get(), level, option, &value, sizeof value) != 0) throw_errno(name);
}

using AddressInfo = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

inline AddressInfo numeric_address(const std::string& address, const std::string& port, int type) {
    const addrinfo hints{.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = type};
    addrinfo* found = nullptr;
    if (const int status = getaddrinfo(address.c_str(), port.c_str(), &hints, &found); status != 0)
        throw std::runtime_error(address + " port " + port + ": " + gai_strerror(status) +
                                 ": want an IPv4 or IPv6 address and a port's number");
    return {found, &freeaddrinfo};
}

inline Descriptor open_socket(const addrinfo& address) {
    Descriptor socket(::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, 0));
    if (!socket) throw_errno("socket");
    return socket;
}

inline Descriptor bound_socket(const std::string& address, const std::string& port, int type) {
    const AddressInfo where = numeric_address(address, port, type);
    Descriptor socket = open_socket(*where);
    set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR");
    if (bind(socket.get(), where->ai_addr, where->ai_addrlen) != 0)
        throw_errno("bind to " + address + " port " + port);
    return socket;
}

inline Descriptor connected_socket(const std::string& address, const std::string& port, int type) {
    const AddressInfo where = numeric_address(address, port, type);
    Descriptor socket = open_socket(*where);
    set_option(socket, SOL_SOCKET, SO_SNDTIMEO, patience, "SO_SNDTIMEO");
    set_option(socket, SOL_SOCKET, SO_RCVTIMEO, patience, "SO_RCVTIMEO");
    if (connect(socket.get(), where->ai_addr, where->ai_addrlen) != 0)
        throw_errno("connect to " + address + " port " + port);
    return socket;
}

} // namespace weft::bench
