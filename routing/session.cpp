// SPDX-License-Identifier: BSD-3-Clause
#include "routing/session.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace weft::bgp {

namespace {

constexpr std::size_t output_max = 256U << 20; ///< a peer that reads nothing must not eat the memory

} // namespace

Session::Session(boost::asio::ip::tcp::socket socket, FsmConfig config, bool outgoing,
                 std::chrono::milliseconds open_timeout) :
    socket_(std::move(socket)),
    hold_timer_(socket_.get_executor()),
    keepalive_timer_(socket_.get_executor()),
    fsm_(std::move(config)),
    outgoing_(outgoing),
    open_timeout_(open_timeout),
    jitter_(std::random_device{}()) {}

void Session::start() {
    boost::system::error_code ignored;
    socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
    act(fsm_.start());
    receive();
}

void Session::act(FsmActions actions) {
    const auto self = shared_from_this();
    for (const Message& message : actions.send) {
        if (const auto* const notification = std::get_if<Notification>(&message)) notification_ = *notification;
        send(encode(message, fsm_.negotiated().codec));
    }
    if (actions.received) notification_ = std::move(actions.received);
    if (actions.close) {
        end(std::move(*actions.close));
        return;
    }
    if (actions.restart_hold_timer) arm_hold_timer();
    if (actions.opened && !ended_) {
        arm_keepalive_timer();
        events_.on_opened();
    }
    if (actions.established && !ended_) {
        established_ = true;
        events_.on_established();
    }
    if (actions.update && !ended_) events_.on_update(std::move(*actions.update));
    if (actions.refresh && !ended_) events_.on_refresh(*actions.refresh);
}

void Session::receive() {
    socket_.async_read_some(boost::asio::buffer(input_),
                            [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
                                if (self->ended_) return;
                                if (error) {
                                    self->end(fmt::format("connection lost: {}", error.message()));
                                    return;
                                }
                                self->received_.insert(self->received_.end(), self->input_.begin(),
                                                       self->input_.begin() + static_cast<std::ptrdiff_t>(size));
                                self->take_messages();
                                if (!self->ended_) self->receive();
                            });
}

void Session::take_messages() {
    std::size_t taken = 0;
    while (!ended_) {
        const auto left = std::span<const std::uint8_t>(received_).subspan(taken);
        const auto& codec = fsm_.negotiated().codec;
        const auto length = frame_length(left, codec);
        if (!length) {
            act(fsm_.malformed(length.error()));
            break;
        }
        if (!*length || **length > left.size()) break;
        auto message = decode(left.first(**length), codec);
        taken += **length;
        if (!message)
            act(fsm_.malformed(message.error()));
        else
            act(fsm_.handle(std::move(*message)));
    }
    received_.erase(received_.begin(),
                    received_.begin() + static_cast<std::ptrdiff_t>(std::min(taken, received_.size())));
}

void Session::send(std::vector<std::uint8_t> bytes) {
    if (ended_) return;
    if (output_.size() + bytes.size() > output_max) {
        end("the peer does not read what we send");
        return;
    }
    output_.insert(output_.end(), bytes.begin(), bytes.end());
    write();
}

void Session::write() {
    if (!writing_.empty() || output_.empty()) return;
    writing_.swap(output_);
    boost::asio::async_write(socket_, boost::asio::buffer(writing_),
                             [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                                 self->writing_.clear();
                                 if (self->ended_) return;
                                 if (error)
                                     self->end(fmt::format("connection lost: {}", error.message()));
                                 else
                                     self->write();
                             });
}

void Session::arm_hold_timer() {
    const std::chrono::seconds agreed(fsm_.negotiated().hold_time_s); // 0 in OpenSent
    if (fsm_.state() == State::established && agreed == agreed.zero()) {
        hold_timer_.cancel();
        return;
    }
    hold_timer_.expires_after(agreed == agreed.zero() ? open_timeout_ : agreed);
    hold_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (!error && !self->ended_) self->act(self->fsm_.hold_timer_expired());
    });
}

void Session::arm_keepalive_timer() {
    const auto hold_time = fsm_.negotiated().hold_time_s;
    if (hold_time == 0) return;
    // A third of the hold time, less up to a quarter of that (RFC 4271 sections 4.4 and 10).
    const auto full = std::chrono::milliseconds(hold_time * 1000 / 3);
    keepalive_timer_.expires_after(full * std::uniform_int_distribution<int>(75, 100)(jitter_) / 100);
    keepalive_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
        if (error || self->ended_) return;
        self->send(encode(Keepalive{}, self->fsm_.negotiated().codec));
        self->arm_keepalive_timer();
    });
}

void Session::stop(Notification notification, std::string reason) {
    if (!ended_) act(fsm_.stop(std::move(notification), std::move(reason)));
}

void Session::discard() {
    discarded_ = true;
    if (!ended_) end({});
}

void Session::end(std::string reason) {
    if (std::exchange(ended_, true)) return;
    hold_timer_.cancel();
    keepalive_timer_.cancel();
    // What is queued, a NOTIFICATION at best, goes out if the socket takes it now.
    boost::system::error_code ignored;
    socket_.non_blocking(true, ignored);
    if (writing_.empty() && !output_.empty())
        socket_.write_some(boost::asio::buffer(output_), ignored);
    else if (!writing_.empty() && notification_ && !output_.empty())
        socket_.write_some(boost::asio::buffer(output_), ignored);
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    // The callbacks stay: one of them may be what brought us here.
    if (!discarded_) events_.on_end({std::move(reason), std::move(notification_), established_});
}

} // namespace weft::bgp
