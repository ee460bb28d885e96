// SPDX-License-Identifier: BSD-3-Clause
// Session: one TCP connection that speaks BGP. Frames bytes, runs the timers that the state machine asks for, and
// tells its Peer what happened. It keeps itself alive while an operation is pending, and tells nothing more once it
// has told its end.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "routing/fsm.hpp"

namespace weft::bgp {

/// Why and how a session ended.
struct SessionEnd {
    std::string reason;
    std::optional<Notification> notification; ///< sent or received
    bool was_established = false;
};

class Session : public std::enable_shared_from_this<Session> {
  public:
    struct Events {
        std::function<void()> on_opened;
        std::function<void()> on_established;
        std::function<void(Update)> on_update;
        std::function<void(RouteRefresh)> on_refresh;
        std::function<void(SessionEnd)> on_end;
    };

    /// `outgoing`: we opened the connection. `open_timeout`: how long the peer's OPEN is waited for, and, where no
    /// hold time was agreed on, its first KEEPALIVE.
    Session(boost::asio::ip::tcp::socket socket, FsmConfig config, bool outgoing,
            std::chrono::milliseconds open_timeout);

    /// Before start().
    void set_events(Events events) { events_ = std::move(events); }

    void start();
    /// Queues bytes of whole messages.
    void send(std::vector<std::uint8_t> bytes);
    /// Sends a NOTIFICATION and ends; on_end is told at once.
    void stop(Notification notification, std::string reason);

    /// Ends as if the connection had broken; on_end is told at once.
    void lose(std::string reason) { end(std::move(reason)); }

    /// Ends without a word to anybody, as a crash would. Its owner goes away.
    void discard();

    [[nodiscard]] const Fsm& fsm() const { return fsm_; }

    [[nodiscard]] bool outgoing() const { return outgoing_; }

  private:
    void act(FsmActions actions);
    void receive();
    void take_messages();
    void write();
    void arm_hold_timer();
    void arm_keepalive_timer();
    void end(std::string reason);

    boost::asio::ip::tcp::socket socket_;
    boost::asio::steady_timer hold_timer_;
    boost::asio::steady_timer keepalive_timer_;
    Fsm fsm_;
    bool outgoing_;
    std::chrono::milliseconds open_timeout_;
    Events events_;
    std::array<std::uint8_t, 65536> input_;
    std::vector<std::uint8_t> received_;
    std::vector<std::uint8_t> output_;
    std::vector<std::uint8_t> writing_;
    std::minstd_rand jitter_;
    bool established_ = false;
    std::optional<Notification> notification_;
    bool ended_ = false;
    bool discarded_ = false;
};

} // namespace weft::bgp
