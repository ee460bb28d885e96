// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/control_server.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <span>
#include <vector>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "dataplane/api/listener.hpp"

namespace weft::dataplane {

Result<ControlServer> ControlServer::listen(const std::string& path) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.empty() || path.size() >= sizeof address.sun_path)
        return fail(ErrorCode::invalid,
                    fmt::format("socket path '{}': 1 to {} characters", path, sizeof address.sun_path - 1));
    std::memcpy(address.sun_path, path.data(), path.size());
    const auto* const name = reinterpret_cast<const sockaddr*>(&address);
    const auto other = fastpath::Listener::find(path);
    if (!other) return fail(ErrorCode::exists, other.error().message);
    if (*other)
        return fail(ErrorCode::exists,
                    fmt::format("another weft-dataplane ({}) answers on {}: stop it ({}), or choose another --socket",
                                (*other)->who(), path, (*other)->remedy()));
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    if (std::filesystem::is_socket(path, ignored)) std::filesystem::remove(path, ignored);
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const mode_t before = umask(0177);
    const int bound = bind(socket.get(), name, sizeof address);
    const int error = errno;
    umask(before);
    if (bound < 0 || ::listen(socket.get(), 8) < 0)
        return fail(ErrorCode::denied,
                    fmt::format("cannot listen on {}: {}: choose another --socket", path, std::strerror(error)));
    return ControlServer(std::move(socket), path);
}

ControlServer::~ControlServer() {
    if (path_) unlink(path_->c_str());
}

struct ControlServer::Connection final : Client {
    explicit Connection(Descriptor accepted) : socket(std::move(accepted)) {}

    void answer(const fastpath::Reply& reply) override {
        if (auto appended = fastpath::append_frame(output, reply); !appended)
            spdlog::error("reply lost: {}", appended.error().message);
    }

    [[nodiscard]] std::size_t unread() const override { return output.size(); }

    /// False: the other side is gone.
    bool flush() {
        while (!output.empty()) {
            const ssize_t sent = send(socket.get(), output.data(), output.size(), MSG_NOSIGNAL);
            if (sent < 0) return errno == EAGAIN;
            output.erase(0, static_cast<std::size_t>(sent));
        }
        return true;
    }

    Descriptor socket;
    fastpath::FrameReader reader;
    std::string output;
};

bool ControlServer::serve(const std::shared_ptr<Connection>& connection, short events, const Handler& handler) {
    if ((events & POLLOUT) != 0 && !connection->flush()) return false;
    if (!(events & (POLLIN | POLLHUP | POLLERR))) return true;
    std::array<char, 65536> bytes;
    for (;;) {
        const ssize_t size = recv(connection->socket.get(), bytes.data(), bytes.size(), 0);
        if (size == 0) return false;
        if (size < 0) {
            if (errno != EAGAIN) return false;
            break;
        }
        connection->reader.add({bytes.data(), static_cast<std::size_t>(size)});
        if (static_cast<std::size_t>(size) < bytes.size()) break;
    }
    for (;;) {
        auto frame = connection->reader.next();
        fastpath::Request request;
        if (!frame || (*frame && !request.ParseFromArray((*frame)->data(), static_cast<int>((*frame)->size())))) {
            spdlog::warn("control socket: a client sent what is no request; closed");
            return false;
        }
        if (!*frame) return connection->flush();
        handler(request, connection);
    }
}

void ControlServer::run(const Handler& handler, int stop_descriptor, const Chore& chore) {
    using Clock = std::chrono::steady_clock;
    int chore_ms = 0;
    auto next_chore = Clock::now();
    for (;;) {
        std::vector<pollfd> watched{{stop_descriptor, POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        for (const auto& [fd, connection] : connections_)
            watched.push_back({fd, static_cast<short>(connection->output.empty() ? POLLIN : POLLIN | POLLOUT), 0});
        const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next_chore - Clock::now()).count();
        poll(watched.data(), watched.size(), static_cast<int>(std::clamp<long>(wait + 1, 0, chore_ms)));
        if (watched[0].revents != 0) return;
        if (Clock::now() >= next_chore) {
            chore_ms = chore();
            next_chore = Clock::now() + std::chrono::milliseconds(chore_ms);
        }
        if (watched[1].revents != 0) {
            Descriptor socket(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (const int fd = socket.get(); socket)
                connections_[fd] = std::make_shared<Connection>(std::move(socket));
        }
        for (const pollfd& each : std::span(watched).subspan(2))
            if (each.revents != 0 && !serve(connections_.at(each.fd), each.revents, handler))
                connections_.erase(each.fd);
    }
}

} // namespace weft::dataplane
