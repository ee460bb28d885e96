// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/listener.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace weft::fastpath {

namespace {

// The C library's header of these two (2.36) forgets that C++ may include it.

int pidfd_open(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

int pidfd_send_signal(int descriptor, int signal) {
    return static_cast<int>(syscall(SYS_pidfd_send_signal, descriptor, signal, nullptr, 0));
}

/// A connection of which nothing is wanted but who is at the other end.
class Probe {
  public:
    Probe() : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}

    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;

    ~Probe() {
        if (socket_ >= 0) close(socket_);
    }

    /// 0, or why not, as errno.
    [[nodiscard]] int connect(std::string_view name) const {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        if (name.empty() || name.size() >= sizeof address.sun_path) return ENAMETOOLONG;
        std::memcpy(address.sun_path, name.data(), name.size());
        // An abstract name ends where its size says, a path with a zero byte.
        const std::size_t size = offsetof(sockaddr_un, sun_path) + name.size() + (name.front() == '\0' ? 0 : 1);
        return ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)) == 0
                   ? 0
                   : errno;
    }

    [[nodiscard]] pid_t peer() const {
        ucred credentials{};
        socklen_t size = sizeof credentials;
        return getsockopt(socket_, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 ? credentials.pid : 0;
    }

    /// The other end is still open.
    [[nodiscard]] bool is_held() const {
        pollfd watched{.fd = socket_, .events = POLLRDHUP, .revents = 0};
        return poll(&watched, 1, 0) == 0;
    }

  private:
    int socket_;
};

} // namespace

Result<std::optional<Listener>> Listener::find(std::string_view name) {
    const Probe probe;
    const int status = probe.connect(name);
    if (status == EAGAIN)
        return fail(
            ErrorCode::unavailable,
            fmt::format("who listens on {} does not answer, and has a full queue of clients: `ss -xlp src {}` "
                        "tells its pid, and one that hangs must be killed",
                        name, name));
    if (status != 0) return std::nullopt;
    const pid_t pid = probe.peer();
    if (pid == 0) return Listener(0, -1);
    Listener found(pid, pidfd_open(pid));
    // As long as the connection is open its process is alive, so what was opened is not another one with its number.
    if (found.descriptor_ < 0 || !probe.is_held()) return std::nullopt;
    return found;
}

Listener::Listener(Listener&& other) noexcept : pid_(other.pid_), descriptor_(std::exchange(other.descriptor_, -1)) {}

Listener::~Listener() {
    if (descriptor_ >= 0) close(descriptor_);
}

std::string Listener::who() const {
    return pid_ == 0 ? "a process of another pid namespace" : fmt::format("pid {}", pid_);
}

std::string Listener::remedy() const { return pid_ == 0 ? "kill it in its namespace" : fmt::format("kill {}", pid_); }

std::string Listener::last_remedy() const { return pid_ == 0 ? remedy() : fmt::format("kill -9 {}", pid_); }

Result<void> Listener::end(std::chrono::milliseconds patience) const {
    if (pid_ == 0) return fail(ErrorCode::denied, fmt::format("it is {}: {}", who(), remedy()));
    if (pidfd_send_signal(descriptor_, SIGTERM) < 0 && errno != ESRCH)
        return fail(ErrorCode::denied, fmt::format("{}: {}: run as root", remedy(), std::strerror(errno)));
    pollfd watched{.fd = descriptor_, .events = POLLIN, .revents = 0};
    if (poll(&watched, 1, static_cast<int>(patience.count())) > 0) return {};
    return fail(ErrorCode::unavailable, fmt::format("{} has not ended {} s after SIGTERM: {}", who(),
                                                    std::chrono::duration<double>(patience).count(), last_remedy()));
}

} // namespace weft::fastpath
