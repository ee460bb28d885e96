// SPDX-License-Identifier: BSD-3-Clause
// ControlServer: the socket on which agents program this process (fastpath.proto). One thread, the process's main
// one, serves it and does the chores that no worker should do.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/frame.hpp"
#include "dataplane/descriptor.hpp"

namespace weft::dataplane {

/// Who asks: answers go there, at once or later; whoever holds it weakly learns when it went.
class Client {
  public:
    virtual void answer(const fastpath::Reply& reply) = 0;
    /// Bytes of answers that it has not taken yet.
    [[nodiscard]] virtual std::size_t unread() const = 0;

  protected:
    ~Client() = default;
};

class ControlServer {
  public:
    using Handler = std::function<void(const fastpath::Request&, const std::shared_ptr<Client>&)>;
    /// What no worker should do; says in how many milliseconds it wants to be called again.
    using Chore = std::function<int()>;

    /// Binds PATH with mode 0600. A socket file that nobody answers on is replaced; one that somebody answers on is
    /// an error.
    [[nodiscard]] static Result<ControlServer> listen(const std::string& path);
    ~ControlServer();
    ControlServer(ControlServer&&) = default;

    /// Serves until `stop_descriptor` is readable.
    void run(const Handler& handler, int stop_descriptor, const Chore& chore);

  private:
    struct Connection;

    ControlServer(Descriptor socket, std::string path) :
        socket_(std::move(socket)), path_(std::make_unique<std::string>(std::move(path))) {}

    /// False: the client is gone or talks nonsense.
    static bool serve(const std::shared_ptr<Connection>& connection, short events, const Handler& handler);

    Descriptor socket_;
    std::unique_ptr<std::string> path_; ///< null once moved from
    std::map<int, std::shared_ptr<Connection>> connections_;
};

} // namespace weft::dataplane
