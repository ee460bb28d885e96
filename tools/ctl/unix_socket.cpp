// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/unix_socket.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace weft::ctl {

namespace {

std::string reason_of(int error, const std::string& path) {
    struct stat status{};
    const bool exists = stat(path.c_str(), &status) == 0;
    switch (error) {
    case ENOENT:
        return fmt::format(
            "socket {} does not exist: weftd is not running here; start it, or name its socket with --socket", path);
    case EACCES:
    case EPERM:
        return fmt::format("socket {} is not permitted to you: run weft as root, or as a member of the group weft",
                           path);
    case ENOTDIR:
        return fmt::format("socket {}: a part of the path is not a directory; name weftd's socket with --socket",
                           path);
    case ECONNREFUSED:
        if (exists && !S_ISSOCK(status.st_mode))
            return fmt::format("{} is not a socket; name weftd's socket with --socket", path);
        return fmt::format("socket {} refuses: the weftd that made it is gone; start weftd again", path);
    case EAGAIN:
        return fmt::format("socket {} takes no more connections now: weftd is busy or stopped; look at its log",
                           path);
    case EPROTOTYPE:
        return fmt::format("socket {} is not a stream socket, so not weftd's; name weftd's with --socket", path);
    default:
        return fmt::format("socket {}: {}; is it weftd's?", path, std::strerror(error));
    }
}

} // namespace

Outcome<int> connect_unix_socket(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.empty()) return refuse(Exit::usage, "the socket's path is empty; name weftd's socket with --socket");
    if (path.size() >= sizeof address.sun_path)
        return refuse(
            Exit::usage,
            fmt::format("socket {}: the path has {} bytes, and a UNIX socket's may have {}; use a shorter one", path,
                        path.size(), sizeof address.sun_path - 1));
    std::memcpy(address.sun_path, path.data(), path.size());
    const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return refuse(Exit::failed, fmt::format("no socket can be made: {}", std::strerror(errno)));
    if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int error = errno;
        close(descriptor);
        return refuse(Exit::unreachable, reason_of(error, path));
    }
    return descriptor;
}

} // namespace weft::ctl
