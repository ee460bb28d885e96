// SPDX-License-Identifier: BSD-3-Clause
// A TCP connection of a neighbour that says only what a test makes it say.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "routing/message.hpp"

namespace weft::bgp {

struct RawConnection {
    boost::asio::ip::tcp::socket socket;
    std::vector<std::uint8_t> heard;
    bool closed = false;

    RawConnection(boost::asio::io_context& loop, const net::Address& from) : socket(loop) {
        socket.open(boost::asio::ip::tcp::v4());
        socket.bind({boost::asio::ip::make_address(from.to_string()), 0});
    }

    void connect(const net::Address& to, std::uint16_t port) {
        socket.connect({boost::asio::ip::make_address(to.to_string()), port});
        socket.non_blocking(true);
    }

    void say(std::span<const std::uint8_t> bytes) {
        boost::asio::write(socket, boost::asio::buffer(bytes.data(), bytes.size()));
    }

    void say(const Message& message) { say(encode(message, {})); }

    void read() {
        std::array<std::uint8_t, 4096> bytes{};
        boost::system::error_code error;
        const auto size = socket.read_some(boost::asio::buffer(bytes), error);
        heard.insert(heard.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        closed = closed || (error && error != boost::asio::error::would_block);
    }
};

} // namespace weft::bgp
