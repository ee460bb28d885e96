// SPDX-License-Identifier: BSD-3-Clause
// Speaker: the BGP speaker as the agent sees it. Owns listener, peers and RIBs; everything runs on the caller's event
// loop, and no call blocks.
//
//   TCP -> Session -> Peer (Adj-RIB-In) -> import by route target -> decision per network and prefix (Loc-RIB) ->
//   on_routes announce/withdraw -> Loc-RIB (local path) -> Adj-RIB-Out per peer -> Session -> TCP
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "routing/message.hpp"
#include "routing/route_update.hpp"

namespace weft::bgp {

struct NeighborConfig {
    net::Address address;
    std::uint16_t port = 179;
    std::uint32_t remote_as = 0; ///< 0: any
    bool passive = false;        ///< wait for the neighbour to connect
    std::string description;
};

/// Neighbours that may connect from anywhere in the prefix.
struct NeighborRangeConfig {
    net::Prefix prefix;
    std::uint32_t remote_as = 0;
    std::uint32_t limit = 1000;
};

struct NetworkConfig {
    net::Vni vni;
    std::string name;
    RouteDistinguisher rd;
    std::vector<ExtendedCommunity> import_targets;
    std::vector<ExtendedCommunity> export_targets;
};

struct SpeakerConfig {
    std::uint32_t local_as = 65000;
    std::uint32_t router_id = 0;
    net::Address vtep; ///< next hop of what we announce
    net::Mac router_mac;
    bool accept = true;               ///< listen at all
    std::vector<net::Address> listen; ///< empty: every address
    std::uint16_t port = 179;
    std::uint16_t hold_time_s = 9;
    std::uint16_t restart_time_s = 30; ///< graceful restart (RFC 4724); 0: off
    bool restarting =
        false; ///< this start follows another of the same state: set the R bit, our forwarding state survived
    std::chrono::milliseconds connect_retry{1000};
    std::chrono::milliseconds open_timeout{10000}; ///< how long one who connects to us may take to say OPEN
    std::vector<NeighborConfig> neighbors;
    std::vector<NeighborRangeConfig> ranges;
    std::vector<NetworkConfig> networks;
};

/// A route of ours: one prefix in one network.
struct LocalRoute {
    net::Vni vni;
    net::Prefix prefix;
    std::vector<LargeCommunity> labels;
};

struct PeerStatus {
    net::Address address;
    std::string description;
    bool dynamic = false;
    std::uint32_t remote_as = 0;
    std::uint32_t remote_router_id = 0;
    std::string state; ///< "Established"
    std::chrono::seconds in_state{0};
    std::uint16_t hold_time_s = 0; ///< negotiated
    Capabilities configured;
    Capabilities received;
    std::uint64_t routes_received = 0; ///< in Adj-RIB-In
    std::uint64_t routes_accepted = 0; ///< of those, imported into a network
    std::uint64_t routes_stale = 0;
    std::uint64_t routes_advertised = 0;
    std::uint64_t updates_received = 0;
    std::uint64_t updates_sent = 0;
    std::uint64_t times_established = 0;
    std::string last_error; ///< why the last session ended, with NOTIFICATION code and data
};

enum class RibView : std::uint8_t { adj_in, loc, adj_out };

struct RouteEntry {
    Nlri nlri;
    std::optional<net::Vni> vni; ///< the network it was imported into
    AttributesPtr attributes;
    std::optional<net::Address> peer; ///< from whom, or to whom for adj_out; none: local
    bool best = false;
    bool stale = false;
    std::string why; ///< why it won, lost or was not imported: "shorter AS path than via 10.99.0.3"
};

struct RouteFilter {
    std::optional<net::Vni> vni;
    std::optional<net::Prefix> prefix;
    std::optional<net::Address> peer;
};

class Speaker {
  public:
    struct Events {
        std::function<void(RouteUpdate)> on_routes;
        /// Every peer of a graceful restart said End-of-RIB, or the time for it ran out: what was not announced again
        /// is gone.
        std::function<void()> on_converged;
        std::function<void(const PeerStatus&)> on_peer;
    };

    /// Listens and starts connecting. Fails when the port cannot be bound, naming it and the remedy.
    [[nodiscard]] static Result<std::unique_ptr<Speaker>> start(boost::asio::io_context& loop, SpeakerConfig config,
                                                                Events events);
    virtual ~Speaker() = default;

    virtual void announce(const LocalRoute& route) = 0;
    virtual void withdraw(net::Vni vni, const net::Prefix& prefix) = 0;
    virtual Result<void> add_network(NetworkConfig network) = 0;
    virtual Result<void> remove_network(net::Vni vni) = 0;
    /// Says Cease to every peer and closes; the object may then be destroyed.
    virtual void shutdown() = 0;
    /// After a restart: all local routes have been announced again, End-of-RIB may be sent.
    virtual void local_routes_complete() = 0;

    [[nodiscard]] virtual std::vector<PeerStatus> peers() const = 0;
    virtual void for_each_route(RibView view, const RouteFilter& filter,
                                const std::function<void(const RouteEntry&)>& visit) const = 0;
};

} // namespace weft::bgp
