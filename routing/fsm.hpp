// SPDX-License-Identifier: BSD-3-Clause
// The state machine of one BGP connection (RFC 4271 section 8), from the moment its TCP connection stands: pure,
// events in, actions out. Session drives it with sockets and timers; Peer decides when to connect and which of two
// connections survives.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/message.hpp"

namespace weft::bgp {

enum class State : std::uint8_t { idle, connect, active, open_sent, open_confirm, established };

[[nodiscard]] std::string_view to_string(State state);

/// What we say in our OPEN, and whom we expect.
struct FsmConfig {
    std::uint32_t local_as = 0;
    std::uint32_t router_id = 0;
    std::uint16_t hold_time_s = 9;
    Capabilities capabilities;
    std::uint32_t remote_as = 0; ///< 0: any
};

/// What both OPENs agree on.
struct Negotiated {
    std::uint32_t remote_as = 0;
    std::uint32_t remote_router_id = 0;
    std::uint16_t hold_time_s = 0; ///< 0: no hold timer
    CodecOptions codec;
    Capabilities received;

    [[nodiscard]] bool speaks(AddressFamily family) const;
};

struct FsmActions {
    std::vector<Message> send;
    bool restart_hold_timer = false;
    bool established = false;         ///< just now
    bool opened = false;              ///< the peer's OPEN was accepted: collisions can be resolved
    std::optional<std::string> close; ///< end the connection, and why
    std::optional<Update> update;
    std::optional<RouteRefresh> refresh;
    std::optional<Notification> received; ///< the peer's last word
};

class Fsm {
  public:
    explicit Fsm(FsmConfig config) : config_(std::move(config)) {}

    /// The TCP connection stands: OPEN goes out.
    FsmActions start();
    FsmActions handle(Message message);
    /// Bytes that are no message, or one with a fault that ends the session.
    FsmActions malformed(const DecodeError& error);
    FsmActions hold_timer_expired();
    /// We end it.
    FsmActions stop(Notification notification, std::string reason);

    [[nodiscard]] State state() const { return state_; }

    [[nodiscard]] const Negotiated& negotiated() const { return negotiated_; }

    [[nodiscard]] const FsmConfig& config() const { return config_; }

  private:
    FsmActions open(const Open& open);
    FsmActions unexpected(std::string_view what);

    FsmConfig config_;
    State state_ = State::idle;
    Negotiated negotiated_;
};

/// RFC 4271 section 6.8 and RFC 6286: of two connections between the same speakers the one that the greater
/// identifier opened survives; equal identifiers: the greater AS number's. True: the connection that we opened.
[[nodiscard]] bool our_connection_survives(std::uint32_t our_id, std::uint32_t our_as, std::uint32_t their_id,
                                           std::uint32_t their_as);

} // namespace weft::bgp
