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

class ControlServer {
  public:
    using Handler =
        std::function<void(const fastpath::Request&, const std::function<void(const fastpath::Reply&)>& answer)>;

    /// Binds PATH with mode 0600. A socket file that nobody answers on is replaced; one that somebody answers on is
    /// an error.
    [[nodiscard]] static Result<ControlServer> listen(const std::string& path);
    ~ControlServer();
    ControlServer(ControlServer&&) = default;

    /// Serves until `stop_descriptor` is readable; `chore` runs every `chore_ms`.
    void run(const Handler& handler, int stop_descriptor, const std::function<void()>& chore, int chore_ms);

  private:
    struct Client {
        Descriptor socket;
        fastpath::FrameReader reader;
        std::string output;
    };

    ControlServer(Descriptor socket, std::string path) :
        socket_(std::move(socket)), path_(std::make_unique<std::string>(std::move(path))) {}

    /// False: the client is gone or talks nonsense.
    bool serve(Client& client, short events, const Handler& handler);
    static bool flush(Client& client);

    Descriptor socket_;
    std::unique_ptr<std::string> path_; ///< null once moved from
    std::map<int, Client> clients_;
};

} // namespace weft::dataplane
