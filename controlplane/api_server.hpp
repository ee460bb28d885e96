// SPDX-License-Identifier: BSD-3-Clause
// ApiServer: weft.v1 over gRPC on a UNIX socket. gRPC's threads only carry bytes; every request is handled on the
// agent's event loop.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "routing/net/result.hpp"

namespace weft::agent {

class Agent;

class ApiServer {
  public:
    /// Listens. The socket is root's alone, or with `group` also that group's. Fails when another process answers on
    /// it.
    [[nodiscard]] static Result<std::unique_ptr<ApiServer>>
    start(boost::asio::io_context& loop, Agent& agent, const std::string& socket, const std::string& group);
    virtual ~ApiServer() = default;
};

} // namespace weft::agent
