// SPDX-License-Identifier: BSD-3-Clause
#include "perf/datagram_flood.hpp"

#include <array>
#include <chrono>
#include <cstring>
#include <iostream>

#include <poll.h>
#include <unistd.h>

#include "perf/net_socket.hpp"

namespace weft::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned burst = 64;
constexpr int receive_buffer = 8 << 20; ///< holds what comes while the reader waits for its CPU
constexpr int silence_ms = 200;         ///< after which nothing is on its way any more

/// What a datagram holds: its number, and a word that only belongs to that number.
struct Payload {
    std::uint64_t number = 0;
    std::uint64_t check = 0;
    std::uint16_t mark = 0x7765;
} __attribute__((packed));

static_assert(sizeof(Payload) == 18, "with its headers a frame of 64 bytes");

constexpr std::uint64_t check_of(std::uint64_t number) {
    std::uint64_t mixed = number * 0x9e3779b97f4a7c15ULL;
    mixed ^= mixed >> 29;
    return mixed * 0xbf58476d1ce4e5b9ULL;
}

/// Payloads and the kernel's descriptions of them.
class Burst {
  public:
    Burst() {
        for (unsigned index = 0; index < burst; ++index) {
            parts_[index] = {.iov_base = payloads_[index].data(), .iov_len = payloads_[index].size()};
            messages_[index].msg_hdr.msg_iov = &parts_[index];
            messages_[index].msg_hdr.msg_iovlen = 1;
        }
    }

    Burst(const Burst&) = delete;
    Burst& operator=(const Burst&) = delete;

    mmsghdr* messages() { return messages_.data(); }

    void write(unsigned index, std::uint64_t number) {
        const Payload payload{.number = number, .check = check_of(number)};
        std::memcpy(payloads_[index].data(), &payload, sizeof payload);
        parts_[index].iov_len = sizeof payload;
    }

    [[nodiscard]] bool is_whole(unsigned index) const {
        Payload payload;
        std::memcpy(&payload, payloads_[index].data(), sizeof payload);
        return messages_[index].msg_len == sizeof payload && payload.mark == Payload{}.mark &&
               payload.check == check_of(payload.number);
    }

  private:
    std::array<std::array<char, 2 * sizeof(Payload)>, burst> payloads_{}; ///< with room to see that one is too long
    std::array<iovec, burst> parts_{};
    std::array<mmsghdr, burst> messages_{};
};

} // namespace

Sent send_datagrams(const std::string& address, const std::string& port, double seconds) {
    const Descriptor peer = connected_socket(address, port, SOCK_DGRAM);
    Burst packets;
    Sent sent;
    const Clock::time_point begin = Clock::now();
    const Clock::time_point end =
        begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    Clock::time_point now;
    do {
        for (unsigned index = 0; index < burst; ++index)
            packets.write(index, sent.count + index);
        const int accepted = sendmmsg(peer.get(), packets.messages(), burst, 0);
        // A full queue of the sender's own device loses packets as any other queue does.
        if (accepted < 0 && errno != ENOBUFS) throw_errno("datagrams could not be sent");
        sent.count += static_cast<std::uint64_t>(std::max(accepted, 0));
        now = Clock::now();
    } while (now < end);
    sent.seconds = std::chrono::duration<double>(now - begin).count();
    return sent;
}

Received receive_datagrams(const std::string& address, const std::string& port) {
    const Descriptor socket = bound_socket(address, port, SOCK_DGRAM);
    set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer, "SO_RCVBUFFORCE");
    std::cout << "ready" << std::endl;
    Burst packets;
    Received received;
    Clock::time_point first;
    Clock::time_point last;
    bool more = true;
    for (;;) {
        const int got = recvmmsg(socket.get(), packets.messages(), burst, MSG_DONTWAIT, nullptr);
        if (got > 0) {
            last = Clock::now();
            if (received.count + received.damaged == 0) first = last;
            for (unsigned index = 0; index < static_cast<unsigned>(got); ++index)
                ++(packets.is_whole(index) ? received.count : received.damaged);
            continue;
        }
        if (got < 0 && errno != EAGAIN && errno != EINTR) throw_errno("datagrams could not be received");
        std::array<pollfd, 2> waits{pollfd{.fd = socket.get(), .events = POLLIN},
                                    pollfd{.fd = more ? STDIN_FILENO : -1, .events = POLLIN}};
        if (poll(waits.data(), waits.size(), more ? -1 : silence_ms) == 0) break;
        if (std::array<char, 64> rest{}; waits[1].revents != 0)
            more = read(STDIN_FILENO, rest.data(), rest.size()) > 0;
    }
    received.seconds = std::chrono::duration<double>(last - first).count();
    return received;
}

} // namespace weft::bench
