// SPDX-License-Identifier: BSD-3-Clause
// Speakers on loopback addresses, for the tests that let them talk; each test program has addresses and a port of its
// own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include "routing/speaker.hpp"

namespace weft::bgp {

using namespace std::chrono_literals;

/// One speaker and what it told.
struct Host {
    net::Address address;
    RouteUpdate routes;
    bool converged = false;
    std::unique_ptr<Speaker> speaker;

    [[nodiscard]] bool has(const std::string& prefix) const {
        const auto found = routes.paths.find({*net::Vni::make(4000), *net::Prefix::parse(prefix)});
        return found != routes.paths.end() && !found->second.empty();
    }
};

class SpeakerFixture : public testing::Test {
  protected:
    boost::asio::io_context loop;

    static std::uint16_t port() { return static_cast<std::uint16_t>(20000 + getpid() % 20000); }

    static net::Address address(unsigned host) {
        return net::Address::v4(0x7f000000U | (static_cast<unsigned>(getpid()) % 200 + 20) << 8 | host);
    }

    SpeakerConfig config(unsigned host, std::vector<unsigned> neighbors) {
        SpeakerConfig config;
        config.router_id = 0x0a630000 + host;
        config.vtep = net::Address::v4(0x0a630000 + host);
        config.router_mac = net::Mac({2, 0, 0, 0, 0, static_cast<std::uint8_t>(host)});
        config.listen = {address(host)};
        config.port = port();
        config.hold_time_s = 3;
        config.restart_time_s = 3;
        config.connect_retry = 50ms;
        for (const unsigned neighbor : neighbors)
            config.neighbors.push_back({.address = address(neighbor),
                                        .port = port(),
                                        .remote_as = 65000,
                                        .passive = false,
                                        .description = {}});
        const auto target = ExtendedCommunity::route_target(65000, 4000);
        config.networks = {
            {*net::Vni::make(4000), "default", RouteDistinguisher::make(config.router_id, 1), {target}, {target}}};
        return config;
    }

    void start(Host& host, SpeakerConfig config) {
        host.address = config.listen[0];
        auto speaker =
            Speaker::start(loop, std::move(config),
                           {.on_routes = [&host](RouteUpdate update) { host.routes.merge(std::move(update)); },
                            .on_converged = [&host] { host.converged = true; },
                            .on_peer = {}});
        ASSERT_TRUE(speaker) << speaker.error().message;
        host.speaker = std::move(*speaker);
    }

    static LocalRoute route(const std::string& prefix) {
        return {*net::Vni::make(4000), *net::Prefix::parse(prefix), {{4267132230, 1, 2}, {4267132230, 3, 4}}};
    }

    /// Runs the loop until the condition holds; false after the deadline.
    template <class Condition>
    bool eventually(Condition condition, std::chrono::milliseconds deadline = 8s) {
        const auto end = std::chrono::steady_clock::now() + deadline;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            loop.restart();
            loop.run_one_for(20ms);
        }
        return true;
    }
};

} // namespace weft::bgp
