// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/client.hpp"

#include <atomic>

#include <fmt/format.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controlplane/api/weft.grpc.pb.h"
#include "tools/ctl/unix_socket.hpp"

namespace weft::ctl {

namespace {

/// The process that listens at the other end; 0: not known.
pid_t peer_of(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

} // namespace

struct Client::Link {
    std::string path;
    pid_t weftd;
    std::chrono::milliseconds timeout;
    std::unique_ptr<v1::Agent::Stub> stub;

    void bound(grpc::ClientContext& context) const {
        context.set_deadline(std::chrono::system_clock::now() + timeout);
    }

    /// UNAVAILABLE comes from weftd (its fast path is away) or from gRPC (weftd is). Knocking again tells which.
    [[nodiscard]] Failure failure(const grpc::Status& status) const {
        const std::string& said = status.error_message();
        switch (status.error_code()) {
        case grpc::StatusCode::UNAVAILABLE: {
            auto again = connect_unix_socket(path);
            if (!again) return {Exit::unreachable, fmt::format("weftd went away: {}", again.error().message)};
            const pid_t there_now = peer_of(*again);
            close(*again);
            if (there_now != weftd) return {Exit::unreachable, "weftd went away; it was started again meanwhile"};
            return {Exit::failed, said.empty() ? "weftd broke the connection off; look at its log" : said};
        }
        case grpc::StatusCode::DEADLINE_EXCEEDED:
            return {Exit::unreachable, fmt::format("weftd at {} has not answered within {:g} s: it, or the "
                                                   "weft-dataplane that it asks, is busy or stopped; look at their "
                                                   "logs, or wait longer with --timeout",
                                                   path, static_cast<double>(timeout.count()) / 1000)};
        case grpc::StatusCode::NOT_FOUND:
            return {Exit::failed, said.empty() ? "weftd knows nothing of this name" : said, true};
        case grpc::StatusCode::UNIMPLEMENTED:
            return {Exit::failed, said.empty()
                                      ? "weftd does not serve this request: it is older than this weft; update weftd"
                                      : said};
        case grpc::StatusCode::PERMISSION_DENIED:
            return {Exit::failed, said.empty() ? "weftd does not permit it: run weft as root" : said};
        default:
            return {Exit::failed, said.empty()
                                      ? fmt::format("weftd failed with code {} and no reason; look at its log",
                                                    static_cast<int>(status.error_code()))
                                      : said};
        }
    }

    template <class Request, class Reply>
    Outcome<Reply> ask(grpc::Status (v1::Agent::Stub::*method)(grpc::ClientContext*, const Request&, Reply*),
                       const Request& request) {
        grpc::ClientContext context;
        bound(context);
        Reply reply;
        const grpc::Status status = (stub.get()->*method)(&context, request, &reply);
        if (!status.ok()) return std::unexpected(failure(status));
        return reply;
    }
};

Client::Client(std::unique_ptr<Link> link) : link_(std::move(link)) {}

Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Outcome<Client> Client::connect(const std::string& socket_path, std::chrono::milliseconds timeout) {
    auto descriptor = connect_unix_socket(socket_path);
    if (!descriptor) return pass_on(std::move(descriptor));
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1); // the agent is trusted to answer, and dumps can be long
    const pid_t weftd = peer_of(*descriptor);
    const auto channel = grpc::CreateCustomInsecureChannelFromFd("weftd", *descriptor, arguments);
    return Client(std::make_unique<Link>(socket_path, weftd, timeout, v1::Agent::NewStub(channel)));
}

Outcome<v1::StatusReply> Client::status() { return link_->ask(&v1::Agent::Stub::GetStatus, v1::GetStatusRequest{}); }

Outcome<v1::ListEndpointsReply> Client::endpoints(const std::string& name) {
    v1::ListEndpointsRequest request;
    request.set_name(name);
    return link_->ask(&v1::Agent::Stub::ListEndpoints, request);
}

Outcome<v1::Endpoint> Client::add_endpoint(const v1::AddEndpointRequest& request) {
    return link_->ask(&v1::Agent::Stub::AddEndpoint, request);
}

Outcome<v1::Endpoint> Client::delete_endpoint(const std::string& name) {
    v1::DeleteEndpointRequest request;
    request.set_name(name);
    return link_->ask(&v1::Agent::Stub::DeleteEndpoint, request);
}

Outcome<v1::ListNamespacesReply> Client::namespaces() {
    return link_->ask(&v1::Agent::Stub::ListNamespaces, v1::ListNamespacesRequest{});
}

Outcome<v1::Namespace> Client::set_namespace(const v1::Namespace& request) {
    return link_->ask(&v1::Agent::Stub::SetNamespace, request);
}

Outcome<v1::Namespace> Client::delete_namespace(const std::string& name) {
    v1::DeleteNamespaceRequest request;
    request.set_name(name);
    return link_->ask(&v1::Agent::Stub::DeleteNamespace, request);
}

Outcome<std::vector<v1::Route>> Client::routes(const v1::ListRoutesRequest& request) {
    grpc::ClientContext context;
    link_->bound(context);
    const auto reader = link_->stub->ListRoutes(&context, request);
    std::vector<v1::Route> routes;
    v1::Route route;
    while (reader->Read(&route))
        routes.push_back(std::move(route));
    if (const grpc::Status status = reader->Finish(); !status.ok()) return std::unexpected(link_->failure(status));
    return routes;
}

Outcome<void> Client::watch_routes(const v1::ListRoutesRequest& request,
                                   const std::function<bool(const v1::RouteEvent&)>& take) {
    grpc::ClientContext context;
    const auto reader = link_->stub->WatchRoutes(&context, request);
    v1::RouteEvent event;
    bool wanted = true;
    while (wanted && reader->Read(&event))
        wanted = take(event);
    if (!wanted) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!status.ok() && wanted) return std::unexpected(link_->failure(status));
    return {};
}

Outcome<v1::ListPeersReply> Client::peers(const std::string& address) {
    v1::ListPeersRequest request;
    request.set_address(address);
    return link_->ask(&v1::Agent::Stub::ListPeers, request);
}

Outcome<v1::ApplyPolicyReply> Client::apply_policy(const std::string& yaml) {
    v1::ApplyPolicyRequest request;
    request.set_yaml(yaml);
    return link_->ask(&v1::Agent::Stub::ApplyPolicy, request);
}

Outcome<v1::ListPoliciesReply> Client::policies(const std::string& label_namespace, const std::string& name) {
    v1::ListPoliciesRequest request;
    request.set_namespace_(label_namespace);
    request.set_name(name);
    return link_->ask(&v1::Agent::Stub::ListPolicies, request);
}

Outcome<v1::Policy> Client::delete_policy(const std::string& label_namespace, const std::string& name) {
    v1::DeletePolicyRequest request;
    request.set_namespace_(label_namespace);
    request.set_name(name);
    return link_->ask(&v1::Agent::Stub::DeletePolicy, request);
}

Outcome<v1::ExplainPolicyReply> Client::explain_policy(const v1::ExplainRequest& request) {
    return link_->ask(&v1::Agent::Stub::ExplainPolicy, request);
}

Outcome<v1::DiffPolicyReply> Client::diff_policy(const std::string& yaml) {
    v1::DiffPolicyRequest request;
    request.set_yaml(yaml);
    return link_->ask(&v1::Agent::Stub::DiffPolicy, request);
}

Outcome<v1::TestPolicyReply> Client::test_policy(const v1::TestPolicyRequest& request) {
    return link_->ask(&v1::Agent::Stub::TestPolicy, request);
}

Outcome<Client::Sessions> Client::sessions(const v1::ListSessionsRequest& request) {
    grpc::ClientContext context;
    link_->bound(context);
    const auto reader = link_->stub->ListSessions(&context, request);
    Sessions listed;
    v1::ListSessionsReply part;
    while (reader->Read(&part)) {
        for (v1::Session& session : *part.mutable_sessions())
            listed.sessions.push_back(std::move(session));
        listed.matched = part.matched();
    }
    if (const grpc::Status status = reader->Finish(); !status.ok()) return std::unexpected(link_->failure(status));
    return listed;
}

Outcome<v1::CountSessionsReply> Client::count_sessions(const v1::SessionFilter& filter) {
    return link_->ask(&v1::Agent::Stub::CountSessions, filter);
}

Outcome<v1::FlushSessionsReply> Client::flush_sessions(const v1::SessionFilter& filter) {
    return link_->ask(&v1::Agent::Stub::FlushSessions, filter);
}

Outcome<v1::CountersReply> Client::counters() {
    return link_->ask(&v1::Agent::Stub::GetCounters, v1::GetCountersRequest{});
}

Outcome<v1::ExplainReply> Client::explain(const v1::ExplainRequest& request) {
    return link_->ask(&v1::Agent::Stub::Explain, request);
}

Outcome<void> Client::trace(const v1::TraceRequest& request, const std::function<bool(const v1::TraceReply&)>& take,
                            const std::stop_token& stop) {
    grpc::ClientContext context;
    const auto reader = link_->stub->Trace(&context, request);
    std::atomic<std::uint64_t> trace = 0;
    // The agent ends the stream once it has sent what was seen until now; if it cannot be asked, just go.
    const auto end = [&] {
        v1::StopTraceRequest ended;
        ended.set_trace(trace);
        if (trace == 0 || !link_->ask(&v1::Agent::Stub::StopTrace, ended)) context.TryCancel();
    };
    const std::stop_callback on_stop(stop, end);
    v1::TraceReply reply;
    bool wanted = true;
    while (wanted && reader->Read(&reply)) {
        if (trace == 0) trace = reply.trace();
        wanted = take(reply);
    }
    if (!wanted) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (!wanted || stop.stop_requested()) return {};
    if (status.ok()) return refuse(Exit::unreachable, "weftd ended the trace: it is stopping");
    return std::unexpected(link_->failure(status));
}

} // namespace weft::ctl
