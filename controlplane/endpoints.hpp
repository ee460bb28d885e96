// SPDX-License-Identifier: BSD-3-Clause
// Endpoints: attach and detach as transactions, one after another. A record in the database precedes every step, so
// that after a crash it is known what to finish or undo; a failed step undoes those before it.
//
//   lease and record -> port (TAP in the namespace) -> its addresses and routes -> endpoint, next hop and routes
//   acknowledged -> announced -> told
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "controlplane/address_pool.hpp"
#include "controlplane/api/weft.pb.h"
#include "controlplane/config.hpp"
#include "controlplane/endpoint_request.hpp"
#include "controlplane/fib_sync.hpp"
#include "controlplane/netns.hpp"
#include "controlplane/policy/policy_engine.hpp"
#include "controlplane/store.hpp"
#include "controlplane/uplink.hpp"

namespace weft::agent {

/// The interfaces of all endpoints that a database knows.
[[nodiscard]] Result<std::vector<Interface>> interfaces_of_endpoints(const Store& store);

class Endpoints {
  public:
    using Attached = std::function<void(Result<v1::Endpoint>)>;

    static constexpr std::uint32_t first_port = 2; ///< 1 is the uplink

    Endpoints(boost::asio::io_context& loop, const Config& config, const Uplink& uplink, Store& store, FibSync& sync,
              policy::PolicyEngine& policy, bgp::Speaker& speaker);

    /// Does the database hold any endpoint, of whatever state? What cannot be read is for restore() to tell.
    [[nodiscard]] static bool stored(const Store& store);
    /// Takes up what the database knows: ready endpoints are desired and announced again, half-done ones are gone,
    /// and those that cannot be now, since their network is not configured or their record is damaged, are shelved.
    [[nodiscard]] Result<void> restore();
    /// Attaches; `done` comes when packets flow, or with the reason why not, everything undone.
    void add(const v1::AddEndpointRequest& request, Attached done);
    void remove(const std::string& name, Attached done);
    /// After the fast path was connected: every ready endpoint's interface, which may have been made anew, is set up
    /// again.
    void configure_all();
    /// Tells which ports the fast path found dead: their interfaces went, or their namespaces did.
    void ports_gone(const std::set<std::uint32_t>& ports);
    /// Endpoints whose port the fast path refuses wait: nothing carries their packets, or something that is no longer
    /// told anything does.
    void ports_refused();
    /// Policy knows it by another identity or other labels now: writes and announces it again.
    void refresh(const std::string& name);

    /// Did the database that was taken up hold any endpoint, of whatever state?
    [[nodiscard]] bool had_records() const { return had_records_; }

    [[nodiscard]] const v1::Endpoint* find(const std::string& name) const;
    [[nodiscard]] const v1::Endpoint* find(net::Vni vni, const net::Address& address) const;
    [[nodiscard]] const v1::Endpoint* find_port(std::uint32_t port) const;

    [[nodiscard]] const std::map<std::string, v1::Endpoint>& all() const { return endpoints_; }

    /// With the state that operators see: one that the fast path has not as it became is not ready.
    [[nodiscard]] v1::Endpoint shown(const v1::Endpoint& endpoint) const;

    [[nodiscard]] std::uint64_t addresses_used(const std::string& network) const { return pool_.used(network); }

  private:
    using Job = std::function<void()>;

    [[nodiscard]] Result<v1::Endpoint> prepare(const v1::AddEndpointRequest& request);
    [[nodiscard]] Result<void> check_unique(const v1::Endpoint& endpoint) const;
    [[nodiscard]] Result<void> check_host_unique(const v1::Endpoint& endpoint) const;
    /// Can it be attached where it was? The host's own namespace is always there, but may have come to need what the
    /// endpoint would lead elsewhere.
    [[nodiscard]] Result<void> check_place(const v1::Endpoint& endpoint) const;
    [[nodiscard]] InterfaceSettings settings_of(const v1::Endpoint& endpoint) const;
    /// Whose interface of its namespace and name it would be; null: nobody's.
    [[nodiscard]] const v1::Endpoint* interface_owner(const v1::Endpoint& endpoint) const;
    [[nodiscard]] Result<std::vector<net::Address>> take_addresses(const v1::AddEndpointRequest& request,
                                                                   const NetworkSettings& network);
    [[nodiscard]] bool announced_elsewhere(net::Vni vni, const net::Address& address) const;

    void release_addresses(const v1::Endpoint& endpoint) {
        pool_.release(endpoint.network(), addresses_of(endpoint));
    }

    [[nodiscard]] std::uint32_t free_port();

    /// `again`: it was ready before and waits on when it fails, with its record as it is.
    enum class Attempt : std::uint8_t { first, again };
    void attach(const std::string& name, Attempt attempt, Attached done);
    void connect(const std::string& name, Attempt attempt, Attached done);
    /// The fast path has all that the endpoint needs.
    [[nodiscard]] bool programmed(const v1::Endpoint& endpoint) const;
    void undo(const std::string& name, Attempt attempt, Error error, const Attached& done);
    void detached(const std::string& name, const Attached& done);
    void detach(const std::string& name, Attached done);
    /// Policy takes it up, and its identity is set.
    [[nodiscard]] Result<void> identify(v1::Endpoint& endpoint);
    void set_port(const v1::Endpoint& endpoint);
    void set_tables(const v1::Endpoint& endpoint);
    void erase_tables(const v1::Endpoint& endpoint);
    void announce(const v1::Endpoint& endpoint);
    void withdraw(const v1::Endpoint& endpoint);
    void wait_for_namespace(v1::Endpoint& endpoint, const std::string& reason);
    void retry_waiting();
    /// Kept and listed with the reason, but without port, addresses and routes, until a later start takes it up.
    void shelve(v1::Endpoint endpoint, const std::string& reason);
    void take_up(v1::Endpoint endpoint);
    /// Can the record have been written by save()?
    [[nodiscard]] Result<void> check_record(const std::string& key, const v1::Endpoint& endpoint) const;
    [[nodiscard]] Result<void> save(const v1::Endpoint& endpoint);
    /// Its record goes once the fast path has nothing of it: a port without a record would mean a lost database.
    void forget(const std::string& name);
    void erase_records();

    void enqueue(Job job);
    void next();

    boost::asio::io_context& loop_;
    const Config& config_;
    const Uplink& uplink_;
    Store& store_;
    FibSync& sync_;
    policy::PolicyEngine& policy_;
    bgp::Speaker& speaker_;
    boost::asio::steady_timer retry_timer_;
    std::map<std::string, v1::Endpoint> endpoints_;
    std::set<std::string> shelved_;
    std::set<std::string> forgotten_; ///< their records are to go
    bool had_records_ = false;
    bool erase_failed_ = false; ///< and that was said
    AddressPool pool_;
    std::deque<Job> jobs_;
    bool busy_ = false;
    std::uint32_t last_port_ = 0; ///< that was given; 0: none yet
};

} // namespace weft::agent
