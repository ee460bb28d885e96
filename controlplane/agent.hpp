// SPDX-License-Identifier: BSD-3-Clause
// Agent: weftd's parts put together, and what its API can ask of them. Everything runs on one event loop; answers
// that take time come by callback. Lifecycle is in agent.cpp, questions are in agent_queries.cpp, namespaces and
// policies in agent_policy.cpp, what these say in agent_judgement.cpp, traces in agent_trace.cpp, sessions in
// agent_sessions.cpp.
//
//   API -> Agent -> Endpoints (attach, detach) ---> PolicyEngine -> FibSync -> fast path
//                        \-> Speaker <-> other hosts -> RemoteRoutes -> PolicyEngine
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "controlplane/api/weft.pb.h"
#include "controlplane/config.hpp"
#include "controlplane/endpoints.hpp"
#include "controlplane/fast_path_provider.hpp"
#include "controlplane/fib_sync.hpp"
#include "controlplane/host_names.hpp"
#include "controlplane/policy_tables.hpp"
#include "controlplane/remote_routes.hpp"
#include "controlplane/store.hpp"
#include "controlplane/uplink.hpp"
#include "controlplane/verdict_log.hpp"

namespace weft::agent {

template <class T>
using Done = std::function<void(Result<T>)>;

class Agent {
  public:
    using RouteWatcher = std::function<void(const v1::RouteEvent&)>;
    /// What a trace tells; after an error it has ended.
    using TraceWatcher = std::function<void(Result<v1::TraceReply>)>;

    /// Reads the state and listens for BGP. `provider` has not been started: a database that cannot be its fast
    /// path's is refused before neighbours hear that we have no routes.
    [[nodiscard]] static Result<std::unique_ptr<Agent>> start(boost::asio::io_context& loop, const Config& config,
                                                              FastPathProvider& provider);
    /// Adopts the fast path, or starts one. `on_fatal`: one without uplink is of no use, and why there is none.
    [[nodiscard]] Result<void> run_fast_path(std::unique_ptr<FastPathProvider> provider,
                                             std::function<void(const Error&)> on_fatal);
    ~Agent();
    Agent(const Agent&) = delete;
    Agent& operator=(const Agent&) = delete;

    void add_endpoint(const v1::AddEndpointRequest& request, Done<v1::Endpoint> done);
    void delete_endpoint(const v1::DeleteEndpointRequest& request, Done<v1::Endpoint> done);
    void apply_policy(const v1::ApplyPolicyRequest& request, const Done<v1::ApplyPolicyReply>& done);
    void delete_policy(const v1::DeletePolicyRequest& request, const Done<v1::Policy>& done);
    /// With their rules' hits, if the fast path is there.
    void list_policies(const v1::ListPoliciesRequest& request, Done<v1::ListPoliciesReply> done) const;
    void set_namespace(const v1::Namespace& request, const Done<v1::Namespace>& done);
    void delete_namespace(const v1::DeleteNamespaceRequest& request, const Done<v1::Namespace>& done);
    [[nodiscard]] v1::ListNamespacesReply list_namespaces() const;
    void status(Done<v1::StatusReply> done);
    void counters(Done<v1::CountersReply> done);
    void explain(const v1::ExplainRequest& request, Done<v1::ExplainReply> done);
    [[nodiscard]] Result<v1::ExplainPolicyReply> explain_policy(const v1::ExplainRequest& request) const;
    [[nodiscard]] Result<v1::DiffPolicyReply> diff_policy(const v1::DiffPolicyRequest& request) const;
    [[nodiscard]] Result<v1::TestPolicyReply> test_policy(const v1::TestPolicyRequest& request) const;
    [[nodiscard]] Result<v1::ListEndpointsReply> list_endpoints(const v1::ListEndpointsRequest& request) const;
    [[nodiscard]] Result<v1::ListPeersReply> list_peers(const v1::ListPeersRequest& request) const;
    [[nodiscard]] Result<std::vector<v1::Route>> list_routes(const v1::ListRoutesRequest& request) const;
    /// Tells every later change of the networks' best routes; the number ends it.
    [[nodiscard]] Result<std::uint64_t> watch_routes(const v1::ListRoutesRequest& request, RouteWatcher watcher);

    void unwatch_routes(std::uint64_t number) { watchers_.erase(number); }

    /// Tells packets that match, from when `done` has the number on; the number ends it.
    void trace(const v1::TraceRequest& request, TraceWatcher watcher, Done<std::uint64_t> done);
    /// The watcher has heard everything until now when `done` comes.
    void untrace(std::uint64_t number, Done<void> done);

    /// Tells sessions part by part; `done` when those were all.
    void list_sessions(const v1::ListSessionsRequest& request, const std::function<void(v1::ListSessionsReply)>& take,
                       const Done<void>& done);
    void count_sessions(const v1::SessionFilter& filter, const Done<v1::CountSessionsReply>& done);
    /// The next packet of each is decided as a first one, from when `done` comes.
    void flush_sessions(const v1::SessionFilter& filter, const Done<v1::FlushSessionsReply>& done);

  private:
    static constexpr std::uint32_t uplink_port = 1; ///< endpoints have the others

    struct Watch {
        v1::ListRoutesRequest request;
        RouteWatcher tell;
    };

    Agent(boost::asio::io_context& loop, const Config& config, Store store, Uplink uplink,
          std::optional<VerdictLog> verdict_log);

    Result<void> begin(FastPathProvider& provider);
    Result<void> check_database(const fastpath::TableUpdate& tables) const;
    Result<void> start_speaker();
    void set_host_tables();
    void fast_path_connected(fastpath::FastPath& fast_path, const fastpath::TableUpdate& tables);
    void watch_ports();
    /// Has the verdict log's trace run, if there is one to be kept and it does not.
    void follow_verdicts();
    /// Once peers have told their routes, and those have been taken up: what nobody claimed goes.
    void sweep_unclaimed();
    void routes_changed(const bgp::RouteUpdate& update);
    /// Policy has changed: writes and announces what that changed, and answers when it is in force.
    template <class Reply>
    void enforce(Reply reply, const Done<Reply>& done);

    /// `most`: sessions that are told; 0: only how many match.
    void ask_sessions(const v1::SessionFilter& filter, std::uint64_t most, fastpath::SessionsSink sink);

    [[nodiscard]] const NetworkSettings* network(const std::string& name) const;
    [[nodiscard]] const NetworkSettings* network(std::uint32_t vni) const;
    /// "web-1 10.244.0.2", or the address alone.
    [[nodiscard]] std::string port_name(std::uint32_t port) const;
    [[nodiscard]] HostNames host_names() const;
    void name_route(v1::Route& route) const;
    void label_routes(std::span<v1::Route> routes) const;
    void list_fib(const std::function<void(v1::Route)>& visit) const;

    struct Flow {
        const NetworkSettings* network = nullptr;
        net::Address source;
        net::Address destination;
        std::uint32_t protocol = 0; ///< 0: a ping of the family
    };

    [[nodiscard]] Result<Flow> resolve_flow(const v1::ExplainRequest& request) const;
    [[nodiscard]] v1::ExplainReply explain_loopback(const Flow& flow) const;
    [[nodiscard]] v1::ExplainReply explain_waiting(const Flow& flow) const;
    [[nodiscard]] policy::End end_at(net::Vni vni, const net::Address& address) const;
    [[nodiscard]] policy::Connection connection_of(const Flow& flow, std::uint32_t port) const;
    void place_end(v1::PolicyJudgement& judgement, net::Vni vni, const net::Address& address) const;

    boost::asio::io_context& loop_;
    const Config config_;
    Store store_;
    Uplink uplink_;
    std::function<void(const Error&)> on_fatal_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    FibSync sync_;
    PolicyTables policy_tables_;
    policy::PolicyEngine policy_;
    std::unique_ptr<RemoteRoutes> remote_;
    std::unique_ptr<bgp::Speaker> speaker_;
    std::unique_ptr<Endpoints> endpoints_;
    std::unique_ptr<FastPathProvider> provider_;
    boost::asio::steady_timer port_timer_;
    std::set<std::uint32_t> ports_down_; ///< when they were last looked at
    std::map<std::uint64_t, Watch> watchers_;
    std::uint64_t last_watch_ = 0;
    std::map<std::uint64_t, std::uint64_t> traces_; ///< our number -> the present fast path's
    std::uint64_t last_trace_ = 0;
    std::optional<VerdictLog> verdict_log_; ///< none: none is to be kept
    bool verdicts_followed_ = false;        ///< by a trace that runs, or is about to
    std::string verdicts_unfollowed_;       ///< why they are not
    bool converged_ = false;
    bool adopted_ = false;       ///< a fast path
    bool uplink_proven_ = false; ///< a fast path has had it
};

} // namespace weft::agent
