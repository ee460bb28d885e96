// SPDX-License-Identifier: BSD-3-Clause
// Peer: one neighbour, configured or dynamic: its connections (collisions resolved, retries), what it told us, and
// its graceful restarts (RFC 4724). The speaker owns peers and hears of every change of a route.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "routing/adj_rib_in.hpp"
#include "routing/session.hpp"
#include "routing/speaker.hpp"

namespace weft::bgp {

class Peer {
  public:
    struct Events {
        std::function<bool(Peer&, const ReceivedRoute&)> on_route; ///< as of AdjRibIn
        std::function<void(Peer&, const Nlri& key)> on_withdrawn;
        std::function<void(Peer&)> on_established;
        std::function<void(Peer&)> on_end_of_rib;
        std::function<void(Peer&)> on_state;
        std::function<void(Peer&, AddressFamily)> on_refresh;
    };

    Peer(boost::asio::io_context& loop, NeighborConfig neighbor, bool dynamic, const SpeakerConfig& config,
         Events events);
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    /// Begins to connect, unless passive.
    void start();
    /// Refuses (closes) the connection when too many of the neighbour's wait for their OPEN already.
    void accept(boost::asio::ip::tcp::socket socket);
    void shutdown();

    /// Sends whole messages to the established session.
    void send(const std::vector<std::vector<std::uint8_t>>& messages);

    [[nodiscard]] bool established() const { return established_ != nullptr; }

    [[nodiscard]] bool dynamic() const { return dynamic_; }

    /// A dynamic peer without session or routes to keep.
    [[nodiscard]] bool forgettable() const {
        return dynamic_ && !established_ && sessions_.empty() && adj_rib_in_.routes().empty();
    }

    [[nodiscard]] const Negotiated& negotiated() const { return established_->fsm().negotiated(); }

    [[nodiscard]] const net::Address& address() const { return neighbor_.address; }

    [[nodiscard]] AdjRibIn& adj_rib_in() { return adj_rib_in_; }

    [[nodiscard]] const AdjRibIn& adj_rib_in() const { return adj_rib_in_; }

    [[nodiscard]] bool heard_end_of_rib() const { return heard_end_of_rib_; }

    [[nodiscard]] std::uint32_t remote_router_id() const { return remote_router_id_; }

    [[nodiscard]] bool internal() const { return remote_as_ == config_.local_as; }

    void count_advertised(std::uint64_t routes, std::uint64_t updates);

    /// We told it that we restarted; the bit is for the first session only.
    void clear_restarting() { restarting_ = false; }

    [[nodiscard]] PeerStatus status() const;

  private:
    /// Is there a connection that makes another of ours needless? One on which the neighbour said nothing does not.
    [[nodiscard]] bool promising() const;
    void connect();
    void retry_later();
    void adopt(boost::asio::ip::tcp::socket socket, bool outgoing);
    [[nodiscard]] FsmConfig fsm_config() const;
    void opened(const std::shared_ptr<Session>& session);
    void session_established(const std::shared_ptr<Session>& session);
    void session_ended(const std::shared_ptr<Session>& session, SessionEnd end);
    void receive(Update update);
    /// What becomes of the routes of a session that ended.
    void keep_or_withdraw(const SessionEnd& end);
    /// Sweeps stale routes when the time is over; `too_late`: what the log says then.
    void keep_stale(std::chrono::seconds time, const char* too_late);

    boost::asio::io_context& loop_;
    NeighborConfig neighbor_;
    bool dynamic_;
    const SpeakerConfig& config_;
    Events events_;
    boost::asio::steady_timer retry_timer_;
    boost::asio::steady_timer stale_timer_;
    std::shared_ptr<boost::asio::ip::tcp::socket> connecting_;
    std::vector<std::shared_ptr<Session>> sessions_; ///< all that have not ended
    std::shared_ptr<Session> established_;
    AdjRibIn adj_rib_in_;
    unsigned failures_ = 0;
    bool heard_end_of_rib_ = false;
    bool collided_ = false; ///< routes are stale because two connections collided
    bool restarting_;
    bool stopped_ = false;
    std::uint32_t remote_as_ = 0;
    std::uint32_t remote_router_id_ = 0;
    std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
    Capabilities received_;
    std::uint16_t hold_time_s_ = 0;
    std::uint64_t advertised_ = 0;
    std::uint64_t updates_received_ = 0;
    std::uint64_t updates_sent_ = 0;
    std::uint64_t times_established_ = 0;
    std::string last_error_;
};

} // namespace weft::bgp
