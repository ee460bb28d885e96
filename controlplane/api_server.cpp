// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/api_server.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

#include <fmt/format.h>
#include <grp.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/agent.hpp"
#include "controlplane/api/weft.grpc.pb.h"
#include "controlplane/api_stream.hpp"

namespace weft::agent {

namespace {

grpc::Status to_status(const Error& error) {
    const auto code = [&] {
        switch (error.code) {
        case ErrorCode::invalid:
            return grpc::StatusCode::INVALID_ARGUMENT;
        case ErrorCode::not_found:
            return grpc::StatusCode::NOT_FOUND;
        case ErrorCode::exists:
            return grpc::StatusCode::ALREADY_EXISTS;
        case ErrorCode::exhausted:
            return grpc::StatusCode::RESOURCE_EXHAUSTED;
        case ErrorCode::unavailable:
            return grpc::StatusCode::UNAVAILABLE;
        case ErrorCode::denied:
            return grpc::StatusCode::PERMISSION_DENIED;
        case ErrorCode::unsupported:
            return grpc::StatusCode::UNIMPLEMENTED;
        case ErrorCode::internal:
            break;
        }
        return grpc::StatusCode::INTERNAL;
    }();
    return {code, error.message};
}

/// Replies of a trace that a client may leave unread.
constexpr std::size_t unread_traces_max = 64;

const grpc::Status ending(grpc::StatusCode::UNAVAILABLE, "weftd is ending");

/// A unary call's answer, given exactly once: by somebody who holds it, or when nobody does any more.
template <class Reply>
class Answer final : public ApiCall {
  public:
    Answer(grpc::ServerUnaryReactor* reactor, Reply* reply) : reactor_(reactor), reply_(reply) {}

    ~Answer() override { Answer::end(ending); }

    void give(Result<Reply> result) {
        if (reactor_ == nullptr) return;
        if (result) *reply_ = *std::move(result);
        end(result ? grpc::Status::OK : to_status(result.error()));
    }

    void end(grpc::Status status) override {
        if (auto* const reactor = std::exchange(reactor_, nullptr)) reactor->Finish(std::move(status));
    }

  private:
    grpc::ServerUnaryReactor* reactor_;
    Reply* reply_;
};

/// Calls that have not ended, so that a server that ends need not wait for them.
class OpenCalls {
  public:
    /// False, and the call is ended, once all are.
    bool add(const std::shared_ptr<ApiCall>& call) {
        const std::lock_guard lock(mutex_);
        if (ended_) {
            call->end(ending);
            return false;
        }
        std::erase_if(calls_, [](const auto& each) { return each.expired(); });
        calls_.push_back(call);
        return true;
    }

    void end_all() {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        for (const auto& each : calls_)
            if (const auto call = each.lock()) call->end(ending);
    }

  private:
    std::mutex mutex_;
    bool ended_ = false;
    std::vector<std::weak_ptr<ApiCall>> calls_;
};

/// Packets of a trace that its client does not get.
struct TraceLosses {
    std::uint64_t in_fast_path = 0;
    std::uint64_t here = 0; ///< in replies that the client had no room for
    std::uint64_t told = 0;

    [[nodiscard]] std::uint64_t sum() const { return in_fast_path + here; }

    std::uint64_t tell() { return told = sum(); }
};

/// A trace that its client may end.
struct ClientsTrace {
    std::weak_ptr<Stream<v1::TraceReply>> stream;
    std::shared_ptr<TraceLosses> losses;
};

class Service final : public v1::Agent::CallbackService {
  public:
    Service(boost::asio::io_context& loop, Agent& agent) : loop_(loop), agent_(agent) {}

    grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context, const v1::GetStatusRequest*,
                                        v1::StatusReply* reply) override {
        return answer(context, reply, [this](auto done) { agent_.status(done); });
    }

    grpc::ServerUnaryReactor* ListEndpoints(grpc::CallbackServerContext* context,
                                            const v1::ListEndpointsRequest* request,
                                            v1::ListEndpointsReply* reply) override {
        return answer(context, reply, [this, request](auto done) { done(agent_.list_endpoints(*request)); });
    }

    grpc::ServerUnaryReactor* AddEndpoint(grpc::CallbackServerContext* context, const v1::AddEndpointRequest* request,
                                          v1::Endpoint* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.add_endpoint(*request, done); });
    }

    grpc::ServerUnaryReactor* DeleteEndpoint(grpc::CallbackServerContext* context,
                                             const v1::DeleteEndpointRequest* request, v1::Endpoint* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.delete_endpoint(*request, done); });
    }

    grpc::ServerUnaryReactor* ListNamespaces(grpc::CallbackServerContext* context, const v1::ListNamespacesRequest*,
                                             v1::ListNamespacesReply* reply) override {
        return answer(context, reply, [this](auto done) { done(agent_.list_namespaces()); });
    }

    grpc::ServerUnaryReactor* SetNamespace(grpc::CallbackServerContext* context, const v1::Namespace* request,
                                           v1::Namespace* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.set_namespace(*request, done); });
    }

    grpc::ServerUnaryReactor* DeleteNamespace(grpc::CallbackServerContext* context,
                                              const v1::DeleteNamespaceRequest* request,
                                              v1::Namespace* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.delete_namespace(*request, done); });
    }

    grpc::ServerUnaryReactor* ApplyPolicy(grpc::CallbackServerContext* context, const v1::ApplyPolicyRequest* request,
                                          v1::ApplyPolicyReply* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.apply_policy(*request, done); });
    }

    grpc::ServerUnaryReactor* ListPolicies(grpc::CallbackServerContext* context,
                                           const v1::ListPoliciesRequest* request,
                                           v1::ListPoliciesReply* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.list_policies(*request, done); });
    }

    grpc::ServerUnaryReactor* DeletePolicy(grpc::CallbackServerContext* context,
                                           const v1::DeletePolicyRequest* request, v1::Policy* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.delete_policy(*request, done); });
    }

    grpc::ServerUnaryReactor* ListPeers(grpc::CallbackServerContext* context, const v1::ListPeersRequest* request,
                                        v1::ListPeersReply* reply) override {
        return answer(context, reply, [this, request](auto done) { done(agent_.list_peers(*request)); });
    }

    grpc::ServerUnaryReactor* GetCounters(grpc::CallbackServerContext* context, const v1::GetCountersRequest*,
                                          v1::CountersReply* reply) override {
        return answer(context, reply, [this](auto done) { agent_.counters(done); });
    }

    grpc::ServerUnaryReactor* Explain(grpc::CallbackServerContext* context, const v1::ExplainRequest* request,
                                      v1::ExplainReply* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.explain(*request, done); });
    }

    grpc::ServerUnaryReactor* ExplainPolicy(grpc::CallbackServerContext* context, const v1::ExplainRequest* request,
                                            v1::ExplainPolicyReply* reply) override {
        return answer(context, reply, [this, request](auto done) { done(agent_.explain_policy(*request)); });
    }

    grpc::ServerUnaryReactor* DiffPolicy(grpc::CallbackServerContext* context, const v1::DiffPolicyRequest* request,
                                         v1::DiffPolicyReply* reply) override {
        return answer(context, reply, [this, request](auto done) { done(agent_.diff_policy(*request)); });
    }

    grpc::ServerUnaryReactor* TestPolicy(grpc::CallbackServerContext* context, const v1::TestPolicyRequest* request,
                                         v1::TestPolicyReply* reply) override {
        return answer(context, reply, [this, request](auto done) { done(agent_.test_policy(*request)); });
    }

    grpc::ServerWriteReactor<v1::Route>* ListRoutes(grpc::CallbackServerContext*,
                                                    const v1::ListRoutesRequest* request) override {
        return stream<v1::Route>([this, request = *request](const std::shared_ptr<Stream<v1::Route>>& stream) {
            auto routes = agent_.list_routes(request);
            if (!routes) return stream->end(to_status(routes.error()));
            for (auto& route : *routes)
                stream->push(std::move(route));
            stream->end(grpc::Status::OK);
        });
    }

    grpc::ServerWriteReactor<v1::RouteEvent>* WatchRoutes(grpc::CallbackServerContext*,
                                                          const v1::ListRoutesRequest* request) override {
        return stream<v1::RouteEvent>(
            [this, request = *request](const std::shared_ptr<Stream<v1::RouteEvent>>& stream) {
                auto number =
                    agent_.watch_routes(request, [stream](const v1::RouteEvent& event) { stream->push(event); });
                if (!number) return stream->end(to_status(number.error()));
                stream->on_cancel([this, number = *number] {
                    boost::asio::post(loop_, [this, number] { agent_.unwatch_routes(number); });
                });
            });
    }

    grpc::ServerWriteReactor<v1::TraceReply>* Trace(grpc::CallbackServerContext*,
                                                    const v1::TraceRequest* request) override {
        using TraceStream = std::shared_ptr<Stream<v1::TraceReply>>;
        return stream<v1::TraceReply>([this, request = *request](const TraceStream& stream) {
            const auto losses = std::make_shared<TraceLosses>();
            agent_.trace(
                request,
                [stream, losses](Result<v1::TraceReply> reply) {
                    if (!reply) return stream->end(to_status(reply.error()));
                    losses->in_fast_path = reply->lost();
                    // Packets come faster than any client must read: what it cannot take is lost, and counted.
                    if (stream->unread() >= unread_traces_max) {
                        losses->here += static_cast<std::uint64_t>(reply->events_size());
                        return;
                    }
                    reply->set_lost(losses->tell());
                    stream->push(*std::move(reply));
                },
                [this, stream, losses](Result<std::uint64_t> number) {
                    if (!number) return stream->end(to_status(number.error()));
                    traces_[*number] = {stream, losses};
                    v1::TraceReply started;
                    started.set_trace(*number);
                    stream->push(std::move(started));
                    stream->on_cancel([this, number = *number] {
                        boost::asio::post(loop_, [this, number] {
                            traces_.erase(number);
                            agent_.untrace(number, [](const Result<void>&) {});
                        });
                    });
                });
        });
    }

    grpc::ServerUnaryReactor* StopTrace(grpc::CallbackServerContext* context, const v1::StopTraceRequest* request,
                                        v1::StopTraceReply* reply) override {
        return answer(context, reply, [this, request](auto done) {
            const auto node = traces_.extract(request->trace());
            agent_.untrace(request->trace(),
                           [done, trace = node ? node.mapped() : ClientsTrace()](Result<void> ended) {
                               if (const auto stream = trace.stream.lock()) {
                                   if (trace.losses->told < trace.losses->sum()) {
                                       v1::TraceReply last;
                                       last.set_lost(trace.losses->tell());
                                       stream->push(std::move(last));
                                   }
                                   stream->end(grpc::Status::OK);
                               }
                               done(ended ? Result<v1::StopTraceReply>(v1::StopTraceReply())
                                          : std::unexpected(std::move(ended).error()));
                           });
        });
    }

    grpc::ServerWriteReactor<v1::ListSessionsReply>* ListSessions(grpc::CallbackServerContext*,
                                                                  const v1::ListSessionsRequest* request) override {
        using SessionStream = std::shared_ptr<Stream<v1::ListSessionsReply>>;
        return stream<v1::ListSessionsReply>([this, request = *request](const SessionStream& stream) {
            agent_.list_sessions(
                request, [stream](v1::ListSessionsReply part) { stream->push(std::move(part)); },
                [stream](const Result<void>& told) {
                    stream->end(told ? grpc::Status::OK : to_status(told.error()));
                });
        });
    }

    grpc::ServerUnaryReactor* CountSessions(grpc::CallbackServerContext* context, const v1::SessionFilter* request,
                                            v1::CountSessionsReply* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.count_sessions(*request, done); });
    }

    grpc::ServerUnaryReactor* FlushSessions(grpc::CallbackServerContext* context, const v1::SessionFilter* request,
                                            v1::FlushSessionsReply* reply) override {
        return answer(context, reply, [this, request](auto done) { agent_.flush_sessions(*request, done); });
    }

    /// No call is open after this, and none will be opened.
    void end_calls() { calls_.end_all(); }

  private:
    /// `request` and `reply` live until the answer is given.
    template <class Reply, class Ask>
    grpc::ServerUnaryReactor* answer(grpc::CallbackServerContext* context, Reply* reply, Ask ask) {
        auto* const reactor = context->DefaultReactor();
        auto pending = std::make_shared<Answer<Reply>>(reactor, reply);
        if (calls_.add(pending))
            boost::asio::post(loop_, [ask = std::move(ask), pending = std::move(pending)] {
                ask([pending](Result<Reply> result) { pending->give(std::move(result)); });
            });
        return reactor;
    }

    template <class Message, class Fill>
    grpc::ServerWriteReactor<Message>* stream(Fill fill) {
        auto stream = Stream<Message>::make();
        if (calls_.add(stream)) boost::asio::post(loop_, [stream, fill = std::move(fill)] { fill(stream); });
        return stream.get();
    }

    boost::asio::io_context& loop_;
    Agent& agent_;
    OpenCalls calls_;
    std::map<std::uint64_t, ClientsTrace> traces_; ///< used on the loop only
};

class ApiServerImpl final : public ApiServer {
  public:
    ApiServerImpl(boost::asio::io_context& loop, Agent& agent, std::string socket) :
        service_(loop, agent), socket_(std::move(socket)) {}

    ~ApiServerImpl() override {
        service_.end_calls();
        if (!server_) return; // the socket is another agent's
        server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
        unlink(socket_.c_str());
    }

    Result<void> listen(const std::string& group);

  private:
    Service service_;
    std::string socket_;
    std::unique_ptr<grpc::Server> server_;
};

Result<void> give_to_group(const std::string& socket, const std::string& group) {
    const auto* const entry = getgrnam(group.c_str());
    if (entry == nullptr)
        return fail(ErrorCode::not_found,
                    fmt::format("--socket-group {}: no such group: make it with groupadd --system {}", group, group));
    if (chown(socket.c_str(), static_cast<uid_t>(-1), entry->gr_gid) != 0 || chmod(socket.c_str(), 0660) != 0)
        return fail(ErrorCode::denied, fmt::format("--socket-group {}: {}: {}", group, socket, std::strerror(errno)));
    return {};
}

Result<void> ApiServerImpl::listen(const std::string& group) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(socket_).parent_path(), error);
    if (error)
        return fail(ErrorCode::denied, fmt::format("API socket {}: {}: run as root, or choose another --socket",
                                                   socket_, error.message()));
    boost::asio::io_context probe_loop;
    boost::asio::local::stream_protocol::socket probe(probe_loop);
    boost::system::error_code refused;
    if (socket_.size() < sizeof(sockaddr_un{}.sun_path))
        probe.connect(boost::asio::local::stream_protocol::endpoint(socket_), refused);
    else
        return fail(ErrorCode::invalid,
                    fmt::format("API socket {}: the path is longer than {} bytes: choose a shorter --socket", socket_,
                                sizeof(sockaddr_un{}.sun_path) - 1));
    if (!refused)
        return fail(
            ErrorCode::exists,
            fmt::format("API socket {}: another weftd answers there: stop it, or choose another --socket", socket_));
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + socket_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    const mode_t before = umask(0177);
    server_ = builder.BuildAndStart();
    umask(before);
    if (!server_)
        return fail(ErrorCode::denied,
                    fmt::format("API socket {}: cannot listen: {}: run as root, or choose another --socket", socket_,
                                std::strerror(errno)));
    return group.empty() ? Result<void>() : give_to_group(socket_, group);
}

} // namespace

Result<std::unique_ptr<ApiServer>> ApiServer::start(boost::asio::io_context& loop, Agent& agent,
                                                    const std::string& socket, const std::string& group) {
    auto server = std::make_unique<ApiServerImpl>(loop, agent, socket);
    if (auto listening = server->listen(group); !listening) return std::unexpected(std::move(listening).error());
    return server;
}

} // namespace weft::agent
