// SPDX-License-Identifier: BSD-3-Clause
#include "routing/peer.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace weft::bgp {

namespace {

using boost::asio::ip::tcp;

constexpr std::uint8_t cease = 6;
constexpr std::uint8_t administrative_shutdown = 2;
constexpr std::uint8_t connection_collision = 7;
/// Two speakers that connect at the same moment may not see their two connections in the same order: so long, the one
/// that was established first counts no more than the other, or each side would keep the one that the other closes.
constexpr std::chrono::seconds collision_window{1};
/// So long, the survivor of two connections has to tell again what came over the other.
constexpr std::chrono::seconds collision_patience{10};
constexpr std::chrono::seconds retry_max{30};
/// Connections of one neighbour that may be on their way to a session at a time: one, and one more for a neighbour
/// that restarts before we saw its last one end. Whoever has its address must not be able to take all our
/// descriptors.
constexpr std::ptrdiff_t opening_max = 2;
constexpr std::chrono::seconds outgoing_open_timeout{240}; ///< RFC 4271 section 8.2.2 (OpenSent)

bool is_collision(const std::optional<Notification>& notification) {
    return notification && notification->code == cease && notification->subcode == connection_collision;
}

boost::asio::ip::address to_asio(const net::Address& address) {
    if (address.is_v4()) return boost::asio::ip::address_v4(address.to_v4());
    boost::asio::ip::address_v6::bytes_type bytes;
    std::ranges::copy(address.bytes(), bytes.begin());
    return boost::asio::ip::address_v6(bytes);
}

} // namespace

Peer::Peer(boost::asio::io_context& loop, NeighborConfig neighbor, bool dynamic, const SpeakerConfig& config,
           Events events) :
    loop_(loop),
    neighbor_(std::move(neighbor)),
    dynamic_(dynamic),
    config_(config),
    events_(std::move(events)),
    retry_timer_(loop),
    stale_timer_(loop),
    adj_rib_in_({.on_route = [this](const ReceivedRoute& route) { return events_.on_route(*this, route); },
                 .on_withdrawn = [this](const Nlri& key) { events_.on_withdrawn(*this, key); }}),
    restarting_(config.restarting),
    remote_as_(neighbor_.remote_as) {}

Peer::~Peer() {
    if (connecting_) {
        boost::system::error_code ignored;
        connecting_->close(ignored);
    }
    for (const auto& session : sessions_)
        session->discard();
}

void Peer::start() {
    if (!neighbor_.passive && !dynamic_) connect();
}

bool Peer::promising() const {
    return std::ranges::any_of(sessions_, [](const auto& session) {
        return session->outgoing() || session->fsm().state() >= State::open_confirm;
    });
}

void Peer::connect() {
    if (stopped_ || connecting_ || promising()) return;
    connecting_ = std::make_shared<tcp::socket>(loop_);
    boost::system::error_code error;
    const tcp::endpoint remote(to_asio(neighbor_.address), neighbor_.port);
    connecting_->open(remote.protocol(), error);
    // Speak from the address that neighbours know us by, where that is one of ours in this family.
    for (const net::Address& local : config_.listen)
        if (!error && local.family() == neighbor_.address.family() && !local.is_unspecified())
            connecting_->bind(tcp::endpoint(to_asio(local), 0), error);
    if (error) {
        last_error_ = "connect: " + error.message();
        connecting_.reset();
        retry_later();
        return;
    }
    connecting_->async_connect(remote, [this, socket = connecting_](boost::system::error_code failed) {
        if (failed == boost::asio::error::operation_aborted || connecting_ != socket) return;
        connecting_.reset();
        if (failed) {
            last_error_ = "connect: " + failed.message();
            retry_later();
            return;
        }
        adopt(std::move(*socket), true);
    });
}

void Peer::retry_later() {
    if (stopped_ || dynamic_ || neighbor_.passive) return;
    // Not anew when it runs: connections that come and go must not put ours off.
    if (retry_timer_.expiry() > std::chrono::steady_clock::now()) return;
    // Quick at first, since hosts come and go; a neighbour that keeps failing is asked less often.
    const auto wait =
        std::min<std::chrono::milliseconds>(config_.connect_retry * (1U << std::min(failures_, 5U)), retry_max);
    retry_timer_.expires_after(wait);
    retry_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) connect();
    });
}

FsmConfig Peer::fsm_config() const {
    FsmConfig fsm;
    fsm.local_as = config_.local_as;
    fsm.router_id = config_.router_id;
    fsm.hold_time_s = config_.hold_time_s;
    fsm.remote_as = neighbor_.remote_as;
    fsm.capabilities.families = {AddressFamily::l2vpn_evpn};
    fsm.capabilities.route_refresh = true;
    fsm.capabilities.extended_message = true;
    fsm.capabilities.four_octet_as = config_.local_as;
    if (config_.restart_time_s != 0)
        fsm.capabilities.graceful_restart =
            GracefulRestart{restarting_, config_.restart_time_s, {{AddressFamily::l2vpn_evpn, true}}};
    return fsm;
}

void Peer::accept(tcp::socket socket) {
    if (stopped_) return;
    const auto opening = std::ranges::count_if(
        sessions_, [&](const auto& session) { return session != established_ && !session->outgoing(); });
    if (opening >= opening_max) {
        spdlog::info("BGP {}: connection refused: {} of its connections wait to be opened already",
                     neighbor_.address.to_string(), opening);
        return;
    }
    adopt(std::move(socket), false);
}

void Peer::adopt(tcp::socket socket, bool outgoing) {
    auto session = std::make_shared<Session>(std::move(socket), fsm_config(), outgoing,
                                             outgoing ? outgoing_open_timeout : config_.open_timeout);
    const std::weak_ptr<Session> weak = session;
    session->set_events({
        .on_opened = [this, weak] { opened(weak.lock()); },
        .on_established = [this, weak] { session_established(weak.lock()); },
        .on_update = [this](Update update) { receive(std::move(update)); },
        .on_refresh =
            [this](const RouteRefresh& refresh) {
                if (refresh.afi == 25 && refresh.safi == 70 && refresh.subtype == 0)
                    events_.on_refresh(*this, AddressFamily::l2vpn_evpn);
            },
        .on_end = [this, weak](SessionEnd end) { session_ended(weak.lock(), std::move(end)); },
    });
    sessions_.push_back(session);
    session->start();
    events_.on_state(*this);
}

void Peer::opened(const std::shared_ptr<Session>& session) {
    const auto& negotiated = session->fsm().negotiated();
    const auto others = sessions_;
    for (const auto& other : others) {
        if (other == session || other->fsm().state() < State::open_confirm) continue;
        if (other == established_ && std::chrono::steady_clock::now() - since_ > collision_window) {
            // A second OPEN from a peer that can restart means that it did (RFC 4724 section 5); else the old
            // connection stands.
            if (negotiated.received.graceful_restart && !session->outgoing()) {
                other->lose("the peer restarted");
                continue;
            }
            session->stop({cease, connection_collision, {}}, "collision: another connection is established");
            return;
        }
        const bool ours = our_connection_survives(config_.router_id, config_.local_as, negotiated.remote_router_id,
                                                  negotiated.remote_as);
        const auto& loser = session->outgoing() == ours ? other : session;
        loser->stop({cease, connection_collision, {}}, "collision: the other connection survives");
        if (loser == session) return;
    }
}

void Peer::session_established(const std::shared_ptr<Session>& session) {
    established_ = session;
    failures_ = 0;
    retry_timer_.expires_at(std::chrono::steady_clock::time_point::min()); // a long wait is over, too
    ++times_established_;
    since_ = std::chrono::steady_clock::now();
    const auto& negotiated = session->fsm().negotiated();
    remote_as_ = negotiated.remote_as;
    remote_router_id_ = negotiated.remote_router_id;
    received_ = negotiated.received;
    hold_time_s_ = negotiated.hold_time_s;
    heard_end_of_rib_ = false;
    advertised_ = 0;
    stale_timer_.cancel();
    // RFC 4724 section 4.2: what the peer's forwarding did not keep is gone at once.
    const auto& restart = received_.graceful_restart;
    const bool kept = restart && std::ranges::any_of(restart->families, [](const GracefulRestartFamily& family) {
                          return family.family == AddressFamily::l2vpn_evpn && family.forwarding_preserved;
                      });
    const bool collided = std::exchange(collided_, false);
    if (!kept && !collided)
        adj_rib_in_.sweep_stale();
    else if (adj_rib_in_.stale() > 0) // until it says End-of-RIB
        keep_stale(kept ? std::chrono::seconds(config_.restart_time_s) : collision_patience,
                   "did not say in time that it has told all its routes");
    spdlog::info("BGP {}: established, AS {}, router id {}", neighbor_.address.to_string(), remote_as_,
                 net::Address::v4(remote_router_id_).to_string());
    events_.on_established(*this);
    events_.on_state(*this);
}

void Peer::session_ended(const std::shared_ptr<Session>& session, SessionEnd end) {
    std::erase(sessions_, session);
    if (session == established_) {
        established_.reset();
        since_ = std::chrono::steady_clock::now();
        last_error_ = end.reason;
        spdlog::warn("BGP {}: session ended: {}", neighbor_.address.to_string(), end.reason);
        keep_or_withdraw(end);
    } else if (!established_ && sessions_.empty()) { // the last of two that collided says more than the first
        // Once per reason: a neighbour that is configured wrongly is tried for ever.
        const auto level = end.reason == last_error_ ? spdlog::level::debug : spdlog::level::warn;
        spdlog::log(level, "BGP {}: no session: {}", neighbor_.address.to_string(), end.reason);
        last_error_ = end.reason;
        if (session->outgoing()) ++failures_;
    }
    events_.on_state(*this);
    if (!promising()) retry_later();
}

void Peer::receive(Update update) {
    ++updates_received_;
    for (const std::string& discarded : update.discarded)
        spdlog::warn("BGP {}: attribute discarded: {}", neighbor_.address.to_string(), discarded);
    if (update.treated_as_withdraw)
        spdlog::warn("BGP {}: UPDATE treated as withdrawal of {} routes: {}", neighbor_.address.to_string(),
                     update.withdrawn.size(), *update.treated_as_withdraw);
    for (const Nlri& nlri : update.withdrawn)
        adj_rib_in_.withdraw(nlri);
    for (Nlri& nlri : update.announced)
        adj_rib_in_.announce(std::move(nlri), update.attributes);
    if (update.end_of_rib == AddressFamily::l2vpn_evpn) {
        stale_timer_.cancel();
        adj_rib_in_.sweep_stale();
        heard_end_of_rib_ = true;
        events_.on_end_of_rib(*this);
    }
}

void Peer::keep_or_withdraw(const SessionEnd& end) {
    const auto& restart = received_.graceful_restart;
    const bool can_restart = config_.restart_time_s != 0 && restart &&
                             std::ranges::any_of(restart->families, [](const GracefulRestartFamily& family) {
                                 return family.family == AddressFamily::l2vpn_evpn;
                             });
    if (is_collision(end.notification)) {
        // Neither side went away, whatever it says of restarts.
        collided_ = true;
        adj_rib_in_.mark_stale();
        keep_stale(collision_patience, "no connection survived a collision");
    } else if (can_restart && !end.notification) {
        // RFC 4724 section 4.2: one restart is bridged. What the peer has not announced again since its last goes.
        adj_rib_in_.sweep_stale();
        adj_rib_in_.mark_stale();
        spdlog::info("BGP {}: keeps {} routes as stale for {} s", neighbor_.address.to_string(), adj_rib_in_.stale(),
                     restart->restart_time_s);
        keep_stale(std::chrono::seconds(restart->restart_time_s), "did not come back in time");
    } else {
        adj_rib_in_.withdraw_all();
    }
}

void Peer::keep_stale(std::chrono::seconds time, const char* too_late) {
    stale_timer_.expires_after(std::max(time, std::chrono::seconds(1)));
    stale_timer_.async_wait([this, too_late](boost::system::error_code error) {
        if (error) return;
        collided_ = false;
        spdlog::warn("BGP {}: {}", neighbor_.address.to_string(), too_late);
        adj_rib_in_.sweep_stale();
        events_.on_state(*this);
    });
}

void Peer::send(const std::vector<std::vector<std::uint8_t>>& messages) {
    const auto session = established_;
    for (const auto& message : messages)
        if (session) session->send(message);
}

void Peer::count_advertised(std::uint64_t routes, std::uint64_t updates) {
    advertised_ = routes;
    updates_sent_ += updates;
}

void Peer::shutdown() {
    stopped_ = true;
    retry_timer_.cancel();
    stale_timer_.cancel();
    if (auto socket = std::move(connecting_)) {
        boost::system::error_code ignored;
        socket->close(ignored);
    }
    for (const auto& session : std::vector(sessions_))
        session->stop({cease, administrative_shutdown, {}}, "shut down");
}

PeerStatus Peer::status() const {
    PeerStatus status;
    status.address = neighbor_.address;
    status.description = neighbor_.description;
    status.dynamic = dynamic_;
    status.remote_as = remote_as_;
    status.remote_router_id = remote_router_id_;
    State state = connecting_ ? State::connect : neighbor_.passive || dynamic_ ? State::active : State::idle;
    for (const auto& session : sessions_)
        state = std::max(state, session->fsm().state());
    status.state = to_string(state);
    status.in_state = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - since_);
    status.hold_time_s = established_ ? hold_time_s_ : 0;
    status.configured = fsm_config().capabilities;
    status.received = received_;
    status.routes_received = adj_rib_in_.routes().size();
    status.routes_accepted = adj_rib_in_.accepted();
    status.routes_stale = adj_rib_in_.stale();
    status.routes_advertised = established_ ? advertised_ : 0;
    status.updates_received = updates_received_;
    status.updates_sent = updates_sent_;
    status.times_established = times_established_;
    status.last_error = last_error_;
    return status;
}

} // namespace weft::bgp
