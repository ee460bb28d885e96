// SPDX-License-Identifier: BSD-3-Clause
// A weft.v1 server on a UNIX socket in a directory of its own, whose answers are values that the test sets; it
// remembers what it was asked.
#pragma once

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include "controlplane/api/weft.grpc.pb.h"

namespace weft::ctl {

class CannedAgent final : public v1::Agent::Service {
  public:
    CannedAgent() {
        std::string pattern = std::filesystem::temp_directory_path() / "weft-ctl-XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
        directory_ = pattern;
        grpc::ServerBuilder builder;
        builder.AddListeningPort("unix:" + socket(), grpc::InsecureServerCredentials());
        builder.RegisterService(this);
        server_ = builder.BuildAndStart();
        if (!server_) throw std::runtime_error("no server at " + socket());
    }

    CannedAgent(const CannedAgent&) = delete;
    CannedAgent& operator=(const CannedAgent&) = delete;

    ~CannedAgent() override {
        stop();
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    void stop() { server_->Shutdown(std::chrono::system_clock::now()); }

    [[nodiscard]] std::string socket() const { return directory_ / "weftd.sock"; }

    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }

    // What it answers.
    grpc::Status refusal; ///< if not OK: the answer to everything
    v1::StatusReply status;
    std::vector<v1::Endpoint> endpoints;
    std::vector<v1::Namespace> namespaces;
    std::vector<v1::Route> routes;
    std::vector<v1::RouteEvent> events;
    std::vector<v1::Peer> peers;
    std::vector<v1::Policy> policies;
    std::optional<v1::RuleHits> host_access;
    std::vector<v1::CountersReply> counters; ///< one after the other; the last again and again
    v1::ExplainReply explanation;
    v1::ExplainPolicyReply policy_explanation;
    v1::TestPolicyReply tested;
    v1::DiffPolicyReply difference;
    std::vector<v1::ListSessionsReply> sessions; ///< in these parts
    v1::CountSessionsReply session_counts;
    std::uint64_t flushed = 0;
    std::vector<v1::TraceReply> traced;
    std::atomic<bool> trace_goes_on = false; ///< after these, until the client ends it
    std::vector<v1::TraceReply> traced_last; ///< what comes then

    // What it was asked.
    v1::AddEndpointRequest added;
    v1::Namespace set;
    v1::ListRoutesRequest routes_asked;
    v1::ApplyPolicyRequest applied;
    v1::DeletePolicyRequest policy_deleted;
    v1::ExplainRequest explain_asked;
    v1::TestPolicyRequest test_asked;
    v1::DiffPolicyRequest diff_asked;
    v1::ListSessionsRequest sessions_asked;
    v1::SessionFilter counted;
    std::optional<v1::SessionFilter> flush_asked;
    v1::TraceRequest trace_asked;

    grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*, v1::StatusReply* reply) override {
        *reply = status;
        return refusal;
    }

    grpc::Status ListEndpoints(grpc::ServerContext*, const v1::ListEndpointsRequest* request,
                               v1::ListEndpointsReply* reply) override {
        for (const v1::Endpoint& endpoint : endpoints)
            if (request->name().empty() || request->name() == endpoint.name()) *reply->add_endpoints() = endpoint;
        if (reply->endpoints().empty() && !request->name().empty())
            return {grpc::StatusCode::NOT_FOUND, "no endpoint is named " + request->name()};
        return refusal;
    }

    grpc::Status AddEndpoint(grpc::ServerContext*, const v1::AddEndpointRequest* request,
                             v1::Endpoint* reply) override {
        added = *request;
        reply->set_name(request->name());
        reply->set_state("ready");
        reply->add_addresses("10.244.0.9");
        reply->add_addresses("fd00:244::9");
        return refusal;
    }

    grpc::Status DeleteEndpoint(grpc::ServerContext*, const v1::DeleteEndpointRequest* request,
                                v1::Endpoint* reply) override {
        for (const v1::Endpoint& endpoint : endpoints)
            if (request->name() == endpoint.name()) {
                *reply = endpoint;
                return refusal;
            }
        return {grpc::StatusCode::NOT_FOUND, "no endpoint is named " + request->name()};
    }

    grpc::Status ListNamespaces(grpc::ServerContext*, const v1::ListNamespacesRequest*,
                                v1::ListNamespacesReply* reply) override {
        reply->mutable_namespaces()->Assign(namespaces.begin(), namespaces.end());
        return refusal;
    }

    grpc::Status SetNamespace(grpc::ServerContext*, const v1::Namespace* request, v1::Namespace* reply) override {
        set = *request;
        *reply = *request;
        return refusal;
    }

    grpc::Status DeleteNamespace(grpc::ServerContext*, const v1::DeleteNamespaceRequest* request,
                                 v1::Namespace* reply) override {
        reply->set_name(request->name());
        return refusal;
    }

    grpc::Status ListRoutes(grpc::ServerContext*, const v1::ListRoutesRequest* request,
                            grpc::ServerWriter<v1::Route>* writer) override {
        routes_asked = *request;
        for (const v1::Route& route : routes)
            writer->Write(route);
        return refusal;
    }

    grpc::Status WatchRoutes(grpc::ServerContext*, const v1::ListRoutesRequest* request,
                             grpc::ServerWriter<v1::RouteEvent>* writer) override {
        routes_asked = *request;
        for (const v1::RouteEvent& event : events)
            writer->Write(event);
        return refusal;
    }

    grpc::Status ListPeers(grpc::ServerContext*, const v1::ListPeersRequest* request,
                           v1::ListPeersReply* reply) override {
        for (const v1::Peer& peer : peers)
            if (request->address().empty() || request->address() == peer.address()) *reply->add_peers() = peer;
        return refusal;
    }

    grpc::Status ApplyPolicy(grpc::ServerContext*, const v1::ApplyPolicyRequest* request,
                             v1::ApplyPolicyReply* reply) override {
        applied = *request;
        reply->mutable_policies()->Assign(policies.begin(), policies.end());
        return refusal;
    }

    grpc::Status ListPolicies(grpc::ServerContext*, const v1::ListPoliciesRequest* request,
                              v1::ListPoliciesReply* reply) override {
        for (const v1::Policy& policy : policies)
            if ((request->namespace_().empty() || request->namespace_() == policy.namespace_()) &&
                (request->name().empty() || request->name() == policy.name() ||
                 request->name() == policy.full_name()))
                *reply->add_policies() = policy;
        if (host_access) *reply->mutable_host_access() = *host_access;
        if (reply->policies().empty() && !request->name().empty())
            return {grpc::StatusCode::NOT_FOUND, "no policy is named " + full_name(*request)};
        return refusal;
    }

    grpc::Status DeletePolicy(grpc::ServerContext*, const v1::DeletePolicyRequest* request,
                              v1::Policy* reply) override {
        policy_deleted = *request;
        reply->set_namespace_(request->namespace_());
        reply->set_name(request->name());
        reply->set_full_name(full_name(*request));
        return refusal;
    }

    grpc::Status GetCounters(grpc::ServerContext*, const v1::GetCountersRequest*, v1::CountersReply* reply) override {
        if (!counters.empty()) *reply = counters.front();
        if (counters.size() > 1) counters.erase(counters.begin());
        return refusal;
    }

    grpc::Status Explain(grpc::ServerContext*, const v1::ExplainRequest* request, v1::ExplainReply* reply) override {
        explain_asked = *request;
        *reply = explanation;
        return refusal;
    }

    grpc::Status ExplainPolicy(grpc::ServerContext*, const v1::ExplainRequest* request,
                               v1::ExplainPolicyReply* reply) override {
        explain_asked = *request;
        *reply = policy_explanation;
        return refusal;
    }

    grpc::Status DiffPolicy(grpc::ServerContext*, const v1::DiffPolicyRequest* request,
                            v1::DiffPolicyReply* reply) override {
        diff_asked = *request;
        *reply = difference;
        return refusal;
    }

    grpc::Status TestPolicy(grpc::ServerContext*, const v1::TestPolicyRequest* request,
                            v1::TestPolicyReply* reply) override {
        test_asked = *request;
        *reply = tested;
        return refusal;
    }

    grpc::Status ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest* request,
                              grpc::ServerWriter<v1::ListSessionsReply>* writer) override {
        sessions_asked = *request;
        for (const v1::ListSessionsReply& part : sessions)
            writer->Write(part);
        return refusal;
    }

    grpc::Status CountSessions(grpc::ServerContext*, const v1::SessionFilter* request,
                               v1::CountSessionsReply* reply) override {
        counted = *request;
        *reply = session_counts;
        return refusal;
    }

    grpc::Status FlushSessions(grpc::ServerContext*, const v1::SessionFilter* request,
                               v1::FlushSessionsReply* reply) override {
        flush_asked = *request;
        reply->set_flushed(flushed);
        return refusal;
    }

    grpc::Status Trace(grpc::ServerContext* context, const v1::TraceRequest* request,
                       grpc::ServerWriter<v1::TraceReply>* writer) override {
        trace_asked = *request;
        for (const v1::TraceReply& reply : traced)
            writer->Write(reply);
        while (trace_goes_on && !context->IsCancelled())
            std::this_thread::yield();
        for (const v1::TraceReply& reply : traced_last)
            writer->Write(reply);
        return context->IsCancelled() ? grpc::Status::CANCELLED : refusal;
    }

    grpc::Status StopTrace(grpc::ServerContext*, const v1::StopTraceRequest* request, v1::StopTraceReply*) override {
        if (traced.empty() || request->trace() != traced.front().trace())
            return {grpc::StatusCode::NOT_FOUND, "no trace has this number"};
        trace_goes_on = false;
        return refusal;
    }

  private:
    template <class Request>
    static std::string full_name(const Request& request) {
        return request.namespace_().empty() ? request.name() : request.namespace_() + "/" + request.name();
    }

    std::filesystem::path directory_;
    std::unique_ptr<grpc::Server> server_;
};

} // namespace weft::ctl
