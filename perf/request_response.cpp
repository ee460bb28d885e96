// SPDX-License-Identifier: BSD-3-Clause
#include "perf/request_response.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <stdexcept>
#include <vector>

#include "perf/net_socket.hpp"

namespace weft::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned warm_up = 200; ///< transactions before the clock starts: sessions, neighbours, caches

void serve(const Descriptor& peer) {
    char byte = 0;
    while (recv(peer.get(), &byte, 1, 0) == 1 && send(peer.get(), &byte, 1, MSG_NOSIGNAL) == 1) {
    }
}

void transact(const Descriptor& peer, char request) {
    char answer = 0;
    if (send(peer.get(), &request, 1, MSG_NOSIGNAL) != 1) throw_errno("a request could not be sent");
    const ssize_t got = recv(peer.get(), &answer, 1, 0);
    if (got < 0) throw_errno("no answer to a request");
    if (got == 0) throw std::runtime_error("the answering side closed the connection");
    if (answer != request) throw std::runtime_error("an answer is not its request");
}

/// The smallest of the sorted times that at least this share of them does not exceed.
double percentile_us(const std::vector<std::uint32_t>& sorted_ns, double share) {
    const auto rank = static_cast<std::size_t>(share * static_cast<double>(sorted_ns.size()));
    return sorted_ns[std::min(rank, sorted_ns.size() - 1)] / 1e3;
}

} // namespace

void answer_requests(const std::string& address, const std::string& port) {
    const Descriptor listener = bound_socket(address, port, SOCK_STREAM);
    if (listen(listener.get(), 1) != 0) throw_errno("listen");
    std::cout << "ready" << std::endl;
    for (;;) {
        const Descriptor peer(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!peer) throw_errno("accept");
        set_option(peer, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
        serve(peer);
    }
}

Transactions ask_requests(const std::string& address, const std::string& port, double seconds) {
    const Descriptor peer = connected_socket(address, port, SOCK_STREAM);
    set_option(peer, IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY");
    for (unsigned number = 0; number < warm_up; ++number)
        transact(peer, static_cast<char>(number));

    std::vector<std::uint32_t> times_ns;
    times_ns.reserve(static_cast<std::size_t>(seconds * 200'000));
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end =
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    Clock::time_point before = begin;
    do {
        transact(peer, static_cast<char>(times_ns.size()));
        const Clock::time_point now = Clock::now();
        times_ns.push_back(static_cast<std::uint32_t>(std::chrono::nanoseconds(now - before).count()));
        before = now;
    } while (before < end);
    std::ranges::sort(times_ns);
    return {.count = times_ns.size(),
            .seconds = std::chrono::duration<double>(before - begin).count(),
            .p50_us = percentile_us(times_ns, 0.5),
            .p99_us = percentile_us(times_ns, 0.99),
            .max_us = times_ns.back() / 1e3};
}

} // namespace weft::bench
