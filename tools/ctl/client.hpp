// SPDX-License-Identifier: BSD-3-Clause
// The CLI's connection to weftd: one UNIX socket, one gRPC channel over it, one method for each request of weft.v1.
// Answers that are errors become Failures with the exit code that tells "the agent refused" from "no agent".
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/exit.hpp"

namespace weft::ctl {

class Client {
  public:
    /// Connects at once, so that a missing socket, a missing permission and a dead agent are told apart. `timeout`
    /// bounds each answer.
    [[nodiscard]] static Outcome<Client> connect(const std::string& socket_path, std::chrono::milliseconds timeout);

    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client();

    [[nodiscard]] Outcome<v1::StatusReply> status();

    [[nodiscard]] Outcome<v1::ListEndpointsReply> endpoints(const std::string& name = {}); ///< empty: all
    [[nodiscard]] Outcome<v1::Endpoint> add_endpoint(const v1::AddEndpointRequest& request);
    [[nodiscard]] Outcome<v1::Endpoint> delete_endpoint(const std::string& name);

    [[nodiscard]] Outcome<v1::ListNamespacesReply> namespaces();
    [[nodiscard]] Outcome<v1::Namespace> set_namespace(const v1::Namespace& request);
    [[nodiscard]] Outcome<v1::Namespace> delete_namespace(const std::string& name);

    [[nodiscard]] Outcome<std::vector<v1::Route>> routes(const v1::ListRoutesRequest& request);
    /// Until the agent ends the stream or `take` returns false. Has no deadline.
    [[nodiscard]] Outcome<void> watch_routes(const v1::ListRoutesRequest& request,
                                             const std::function<bool(const v1::RouteEvent&)>& take);

    [[nodiscard]] Outcome<v1::ListPeersReply> peers(const std::string& address = {});

    [[nodiscard]] Outcome<v1::ApplyPolicyReply> apply_policy(const std::string& yaml);
    [[nodiscard]] Outcome<v1::ListPoliciesReply> policies(const std::string& label_namespace = {},
                                                          const std::string& name = {});
    [[nodiscard]] Outcome<v1::Policy> delete_policy(const std::string& label_namespace, const std::string& name);
    [[nodiscard]] Outcome<v1::ExplainPolicyReply> explain_policy(const v1::ExplainRequest& request);
    [[nodiscard]] Outcome<v1::DiffPolicyReply> diff_policy(const std::string& yaml);
    [[nodiscard]] Outcome<v1::TestPolicyReply> test_policy(const v1::TestPolicyRequest& request);

    struct Sessions {
        std::vector<v1::Session> sessions;
        std::uint64_t matched = 0; ///< may be more than were asked for
    };

    [[nodiscard]] Outcome<Sessions> sessions(const v1::ListSessionsRequest& request);
    [[nodiscard]] Outcome<v1::CountSessionsReply> count_sessions(const v1::SessionFilter& filter);
    [[nodiscard]] Outcome<v1::FlushSessionsReply> flush_sessions(const v1::SessionFilter& filter);

    [[nodiscard]] Outcome<v1::CountersReply> counters();
    [[nodiscard]] Outcome<v1::ExplainReply> explain(const v1::ExplainRequest& request);
    /// Until `take` returns false or a stop is requested, from whatever thread; the agent ends it only for a reason.
    /// Has no deadline.
    [[nodiscard]] Outcome<void> trace(const v1::TraceRequest& request,
                                      const std::function<bool(const v1::TraceReply&)>& take,
                                      const std::stop_token& stop);

  private:
    struct Link;
    explicit Client(std::unique_ptr<Link> link);
    std::unique_ptr<Link> link_;
};

} // namespace weft::ctl
