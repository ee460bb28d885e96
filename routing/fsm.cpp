// SPDX-License-Identifier: BSD-3-Clause
#include "routing/fsm.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace weft::bgp {

namespace {

constexpr std::uint16_t as_trans = 23456;
constexpr std::uint8_t open_error = 2;
constexpr std::uint8_t hold_timer_expired_error = 4;
constexpr std::uint8_t fsm_error = 5;

} // namespace

std::string_view to_string(State state) {
    switch (state) {
    case State::idle:
        return "Idle";
    case State::connect:
        return "Connect";
    case State::active:
        return "Active";
    case State::open_sent:
        return "OpenSent";
    case State::open_confirm:
        return "OpenConfirm";
    case State::established:
        return "Established";
    }
    return "Idle";
}

bool Negotiated::speaks(AddressFamily family) const {
    return std::ranges::find(codec.families, family) != codec.families.end();
}

bool our_connection_survives(std::uint32_t our_id, std::uint32_t our_as, std::uint32_t their_id,
                             std::uint32_t their_as) {
    return our_id != their_id ? our_id > their_id : our_as > their_as;
}

FsmActions Fsm::start() {
    state_ = State::open_sent;
    Open open;
    open.as_number = config_.local_as > 0xffff ? as_trans : static_cast<std::uint16_t>(config_.local_as);
    open.hold_time_s = config_.hold_time_s;
    open.router_id = config_.router_id;
    open.capabilities = config_.capabilities;
    FsmActions actions;
    actions.send.emplace_back(std::move(open));
    actions.restart_hold_timer = true;
    return actions;
}

FsmActions Fsm::stop(Notification notification, std::string reason) {
    FsmActions actions;
    if (state_ != State::idle) actions.send.emplace_back(std::move(notification));
    actions.close = std::move(reason);
    state_ = State::idle;
    return actions;
}

FsmActions Fsm::malformed(const DecodeError& error) {
    return stop(error.notification, fmt::format("sent {}: {}", error.notification.to_string(), error.reason));
}

FsmActions Fsm::hold_timer_expired() {
    return stop({hold_timer_expired_error, 0, {}}, "hold timer expired: nothing heard in time");
}

FsmActions Fsm::unexpected(std::string_view what) {
    // RFC 6608: the subcode names the state.
    const std::uint8_t subcode = state_ == State::open_sent ? 1 : state_ == State::open_confirm ? 2 : 3;
    return stop({fsm_error, subcode, {}}, fmt::format("{} in state {}", what, to_string(state_)));
}

FsmActions Fsm::open(const Open& open) {
    if (state_ != State::open_sent) return unexpected("OPEN");
    const auto& theirs = open.capabilities;
    const std::uint32_t remote_as = theirs.four_octet_as.value_or(open.as_number);
    if (remote_as == 0 || (config_.remote_as != 0 && remote_as != config_.remote_as))
        return stop({open_error, 2, {}},
                    fmt::format("the peer says AS {}, configured is {}", remote_as, config_.remote_as));
    if (open.router_id == config_.router_id && remote_as == config_.local_as)
        return stop({open_error, 3, {}},
                    fmt::format("the peer has our own router id {}", net::Address::v4(open.router_id).to_string()));
    const auto& ours = config_.capabilities;
    negotiated_.remote_as = remote_as;
    negotiated_.remote_router_id = open.router_id;
    negotiated_.hold_time_s = std::min(config_.hold_time_s, open.hold_time_s);
    negotiated_.received = theirs;
    negotiated_.codec.four_octet_as = theirs.four_octet_as && ours.four_octet_as;
    negotiated_.codec.extended_message = theirs.extended_message && ours.extended_message;
    negotiated_.codec.internal_peer = remote_as == config_.local_as;
    // Without any multiprotocol capability a peer speaks IPv4 unicast (RFC 4760 section 8).
    const std::vector<AddressFamily> classic{AddressFamily::ipv4_unicast};
    const auto& offered = theirs.families.empty() && theirs.other_families.empty() ? classic : theirs.families;
    negotiated_.codec.families.clear();
    std::ranges::copy_if(ours.families, std::back_inserter(negotiated_.codec.families),
                         [&](AddressFamily family) { return std::ranges::find(offered, family) != offered.end(); });
    if (negotiated_.codec.families.empty()) return stop({open_error, 7, {}}, "no address family in common");
    state_ = State::open_confirm;
    FsmActions actions;
    actions.send.emplace_back(Keepalive{});
    actions.restart_hold_timer = true;
    actions.opened = true;
    return actions;
}

FsmActions Fsm::handle(Message message) {
    if (auto* const notification = std::get_if<Notification>(&message)) {
        FsmActions actions;
        actions.close = "received " + notification->to_string();
        actions.received = std::move(*notification);
        state_ = State::idle;
        return actions;
    }
    if (const auto* const theirs = std::get_if<Open>(&message)) return open(*theirs);
    FsmActions actions;
    actions.restart_hold_timer = true;
    if (std::holds_alternative<Keepalive>(message)) {
        if (state_ == State::open_sent) return unexpected("KEEPALIVE");
        actions.established = state_ == State::open_confirm;
        state_ = State::established;
        return actions;
    }
    if (state_ != State::established) return unexpected("UPDATE or ROUTE-REFRESH");
    if (auto* const update = std::get_if<Update>(&message))
        actions.update = std::move(*update);
    else if (const auto* const refresh = std::get_if<RouteRefresh>(&message))
        actions.refresh = *refresh;
    return actions;
}

} // namespace weft::bgp
