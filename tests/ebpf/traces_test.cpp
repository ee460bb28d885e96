// SPDX-License-Identifier: BSD-3-Clause
// Traces on the eBPF fast path as the agent meets them, on a real hook: the loopback device of a network namespace of
// the test's own is the uplink. What is told of packets is compared with the DPDK fast path's in
// tests/pipeline/differential_test.cpp.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>

#include <linux/if_ether.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ebpf/fast_path.hpp"
#include "ebpf/hook.hpp"
#include "tests/ebpf/answer.hpp"
#include "tests/ebpf/bpf_maps.hpp"
#include "tests/ebpf/maps_of_program.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::ebpf {
namespace {

using cases::text_of;
using cases::World;
using fastpath::TraceEvent;
using fastpath::TraceRequest;

constexpr std::uint32_t loopback_ifindex = 1;
constexpr std::uint32_t uplink = 1;

/// For good: no other test of this program needs a network.
void enter_network_of_our_own() {
    static const bool apart = unshare(CLONE_NEWNET) == 0;
    if (!apart) throw std::runtime_error("cannot make a network namespace");
    const int any = socket(AF_INET, SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    if (ioctl(any, SIOCSIFFLAGS, &request) != 0) throw std::runtime_error("cannot raise the loopback device");
    close(any);
}

/// A host whose uplink is the loopback device, and its own only neighbour.
fastpath::TableUpdate host_on_loopback() {
    fastpath::TableUpdate update;
    auto& host = *update.mutable_host();
    host.set_vtep_v4({127, 0, 0, 1});
    host.set_router_mac(std::string("\x02\0\0\0\0\x01", 6));
    host.set_gateway_mac(std::string("\x02\0\0\0\0\x02", 6));
    host.set_vxlan_port(WEFT_VXLAN_PORT);
    auto& port = *update.add_ports();
    port.set_id(uplink);
    port.set_role(fastpath::PORT_ROLE_UPLINK);
    port.set_mtu(1500);
    port.mutable_device()->set_ifname("lo");
    return update;
}

/// A program of the tracing build has the map of traces.
bool uplink_is_traced(const MapSetOptions& options) {
    const auto maps = maps_of_program(IngressHook(loopback_ifindex, options.directory).attached());
    return std::ranges::count(maps, "trace_slots", &Map::name) > 0;
}

/// Sends datagrams to this host's VXLAN port, with nothing in them that VXLAN knows.
class Sender {
  public:
    Sender() : socket_(socket(AF_INET, SOCK_DGRAM, 0)) {
        to_.sin_family = AF_INET;
        to_.sin_port = htons(WEFT_VXLAN_PORT);
        to_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }

    ~Sender() { close(socket_); }

    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;

    void send(std::size_t size, unsigned count = 1) const {
        const std::string nothing(size, '\0');
        for (unsigned i = 0; i < count; ++i)
            ASSERT_EQ(sendto(socket_, nothing.data(), size, 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_),
                      static_cast<ssize_t>(size));
    }

  private:
    int socket_;
    sockaddr_in to_{};
};

/// What a trace told.
struct Told {
    std::vector<TraceEvent> events;
    std::uint64_t lost = 0;
    bool ended = false;
};

class EbpfTraces : public PinnedTest {
  protected:
    void SetUp() override {
        PinnedTest::SetUp();
        if (IsSkipped()) return;
        enter_network_of_our_own();
    }

    void open() {
        auto opened = EbpfFastPath::open(loop_, options_);
        ASSERT_TRUE(opened) << opened.error().message;
        fast_path_ = std::move(*opened);
        const auto applied = answer<void>([&](auto done) { fast_path_->apply(host_on_loopback(), std::move(done)); });
        ASSERT_TRUE(applied) << applied.error().message;
    }

    template <class T, class Ask>
    Result<T> answer(Ask ask) {
        return answer_of<T>(loop_, std::move(ask));
    }

    Result<std::uint64_t> start(const TraceRequest& request, Told& told) {
        return answer<std::uint64_t>([&](auto done) {
            const auto sink = [&told](Result<fastpath::TraceEvents> events) {
                EXPECT_TRUE(events);
                EXPECT_FALSE(told.ended) << "nothing comes after the end";
                told.events.insert(told.events.end(), events->events().begin(), events->events().end());
                told.lost = events->lost();
            };
            fast_path_->start_trace(request, sink, std::move(done));
        });
    }

    Result<void> stop(std::uint64_t trace, Told& told) {
        return answer<void>([&](auto done) {
            fast_path_->stop_trace(trace, [&told, done](Result<void> stopped) {
                told.ended = true;
                done(std::move(stopped));
            });
        });
    }

    fastpath::Gauge gauge() {
        const auto reply = answer<fastpath::CountersReply>([&](auto done) { fast_path_->counters(done); }).value();
        const auto found = std::ranges::find(reply.gauges(), "trace", &fastpath::Gauge::name);
        return found != reply.gauges().end() ? *found : fastpath::Gauge();
    }

    boost::asio::io_context loop_;
    std::unique_ptr<EbpfFastPath> fast_path_;
};

TEST_F(EbpfTraces, TracingProgramsServeOnlyWhileATraceRuns) {
    ASSERT_NO_FATAL_FAILURE(open());
    Told first;
    Told second;
    EXPECT_FALSE(uplink_is_traced(options_));
    EXPECT_EQ(gauge().used(), 0U);
    EXPECT_EQ(gauge().capacity(), std::uint64_t{WEFT_TRACES_MAX});
    for (int again = 0; again < 2; ++again) {
        first.ended = second.ended = false;
        const auto one = start({}, first);
        ASSERT_TRUE(one) << one.error().message;
        EXPECT_TRUE(uplink_is_traced(options_));
        const auto two = start({}, second);
        ASSERT_TRUE(two) << two.error().message;
        EXPECT_EQ(gauge().used(), 2U);
        EXPECT_EQ(gauge().bytes(), 2U << 20);
        EXPECT_TRUE(stop(*one, first));
        EXPECT_TRUE(uplink_is_traced(options_));
        EXPECT_TRUE(stop(*two, second));
        EXPECT_FALSE(uplink_is_traced(options_));
        const auto unknown = stop(*two, second);
        ASSERT_FALSE(unknown);
        EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
    }
}

TEST_F(EbpfTraces, WhatIsRefusedLeavesTheHooksAlone) {
    ASSERT_NO_FATAL_FAILURE(open());
    TraceRequest request;
    request.set_snap_length(WEFT_TRACE_SNAP_MAX + 1);
    Told told;
    const auto refused = start(request, told);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    EXPECT_FALSE(uplink_is_traced(options_));
    std::vector<std::uint64_t> numbers;
    for (int i = 0; i < WEFT_TRACES_MAX; ++i)
        numbers.push_back(start({}, told).value());
    const auto fifth = start({}, told);
    ASSERT_FALSE(fifth);
    EXPECT_EQ(fifth.error().code, ErrorCode::exhausted);
    EXPECT_NE(fifth.error().message.find("4 traces run already"), std::string::npos) << fifth.error().message;
    for (const std::uint64_t number : numbers) {
        Told ignored;
        EXPECT_TRUE(stop(number, ignored));
    }
    EXPECT_FALSE(uplink_is_traced(options_));
}

TEST_F(EbpfTraces, PacketsOfTheHookAreToldAsTheyCame) {
    ASSERT_NO_FATAL_FAILURE(open());
    TraceRequest request;
    request.set_snap_length(60);
    Told told;
    Told of_another_vni;
    const auto number = start(request, told);
    ASSERT_TRUE(number) << number.error().message;
    request.mutable_filter()->set_vni(77);
    const auto other = start(request, of_another_vni);
    ASSERT_TRUE(other) << other.error().message;
    const Sender sender;
    sender.send(30, 3);
    sender.send(60000); // longer than any snapshot
    ASSERT_TRUE(stop(*number, told));
    ASSERT_TRUE(stop(*other, of_another_vni));
    EXPECT_TRUE(of_another_vni.events.empty());
    EXPECT_EQ(told.lost, 0U);
    ASSERT_EQ(told.events.size(), 4U);
    for (const TraceEvent& event : told.events) {
        const std::size_t size = &event == &told.events.back() ? 60000 : 30;
        EXPECT_EQ(event.port_in(), uplink);
        EXPECT_EQ(event.verdict(), fastpath::TRACE_VERDICT_DROPPED);
        EXPECT_EQ(event.drop_reason(), static_cast<std::uint32_t>(WEFT_DROP_malformed_vxlan));
        EXPECT_EQ(event.stage(), static_cast<std::uint32_t>(WEFT_STAGE_vxlan));
        EXPECT_EQ(event.vtep(), std::string({127, 0, 0, 1}));
        EXPECT_EQ(event.length_in(), ETH_HLEN + 20 + 8 + size);
        EXPECT_EQ(event.frame_in().size(), 60U);
        EXPECT_TRUE(event.frame_out().empty());
        EXPECT_EQ(event.parts(), 0U);
    }
}

TEST_F(EbpfTraces, RateIsKeptAndTheRestCounted) {
    ASSERT_NO_FATAL_FAILURE(open());
    TraceRequest request;
    request.set_events_per_s(10);
    Told told;
    const auto number = start(request, told);
    ASSERT_TRUE(number) << number.error().message;
    constexpr unsigned packets = 500;
    const auto begin = std::chrono::steady_clock::now();
    Sender().send(30, packets);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    ASSERT_TRUE(stop(*number, told));
    EXPECT_GE(told.events.size(), 10U);
    EXPECT_LE(static_cast<double>(told.events.size()), 11 + 10 * took.count());
    EXPECT_EQ(told.events.size() + told.lost, packets);
}

TEST_F(EbpfTraces, ListenerThatDoesNotReadLosesAndHearsHowMuch) {
    ASSERT_NO_FATAL_FAILURE(open());
    TraceRequest request;
    request.set_snap_length(WEFT_TRACE_SNAP_MAX);
    Told told;
    const auto number = start(request, told);
    ASSERT_TRUE(number) << number.error().message;
    // The loop does not run meanwhile: what it may leave unread, and the ring, hold less than a thousand of these.
    constexpr unsigned packets = 2000;
    Sender().send(WEFT_TRACE_SNAP_MAX, packets);
    EXPECT_TRUE(told.events.empty());
    ASSERT_TRUE(stop(*number, told));
    EXPECT_GT(told.events.size(), 400U) << "at least the ring's";
    EXPECT_LT(told.events.size(), 1200U);
    EXPECT_EQ(told.events.size() + told.lost, packets);
}

TEST_F(EbpfTraces, TablesChangeWhileTheTracingProgramsAreLoaded) {
    ASSERT_NO_FATAL_FAILURE(open());
    bool started = false;
    unsigned updates = 0;
    // The trace was asked for first, and each update is asked for when the one before it is done.
    fast_path_->start_trace({}, [](auto) {}, [&](auto number) { started = number.has_value(); });
    const std::function<void()> again = [&] {
        fast_path_->apply({}, [&](Result<void> done) {
            EXPECT_TRUE(done);
            if (started) return;
            ++updates;
            again();
        });
    };
    again();
    loop_.restart();
    loop_.run();
    EXPECT_TRUE(started);
    EXPECT_GT(updates, 1U);
    EXPECT_TRUE(uplink_is_traced(options_));
}

TEST_F(EbpfTraces, AllThatWereAskedForMeanwhileBegin) {
    ASSERT_NO_FATAL_FAILURE(open());
    std::vector<std::uint64_t> numbers;
    unsigned refused = 0;
    for (int i = 0; i <= WEFT_TRACES_MAX; ++i)
        fast_path_->start_trace(
            {}, [](auto) {},
            [&](auto number) {
                if (number)
                    numbers.push_back(*number);
                else
                    ++refused;
            });
    loop_.restart();
    loop_.run();
    EXPECT_EQ(numbers.size(), std::size_t{WEFT_TRACES_MAX});
    EXPECT_EQ(refused, 1U);
    EXPECT_EQ(gauge().used(), std::uint64_t{WEFT_TRACES_MAX});
}

TEST_F(EbpfTraces, OneThatIsAskedForLastIsStartedBeforeTheEnd) {
    ASSERT_NO_FATAL_FAILURE(open());
    bool started = false;
    fast_path_->start_trace({}, [](auto) {}, [&](auto number) { started = number.has_value(); });
    fast_path_.reset();
    loop_.restart();
    loop_.run();
    EXPECT_TRUE(started);
    EXPECT_FALSE(uplink_is_traced(options_));
}

TEST_F(EbpfTraces, EndWithTheFastPath) {
    ASSERT_NO_FATAL_FAILURE(open());
    Told told;
    ASSERT_TRUE(start({}, told));
    EXPECT_TRUE(uplink_is_traced(options_));
    fast_path_.reset();
    EXPECT_FALSE(uplink_is_traced(options_));
}

TEST_F(EbpfTraces, AgentAfterOneThatWasKilledPutsTheOrdinaryProgramsBack) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        open();
        Told told;
        if (start({}, told)) raise(SIGKILL);
        _exit(1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the trace did not start";
    EXPECT_TRUE(uplink_is_traced(options_));
    Sender().send(30); // nobody listens, and nothing comes of it
    ASSERT_NO_FATAL_FAILURE(open());
    EXPECT_FALSE(uplink_is_traced(options_));
    EXPECT_EQ(gauge().used(), 0U);
    Told told;
    const auto number = start({}, told);
    ASSERT_TRUE(number) << number.error().message;
    Sender().send(30);
    ASSERT_TRUE(stop(*number, told));
    EXPECT_EQ(told.events.size(), 1U);
}

} // namespace
} // namespace weft::ebpf
