// SPDX-License-Identifier: BSD-3-Clause
#include "tests/pipeline/ebpf_runner.hpp"

#include <cassert>
#include <chrono>
#include <cstring>

#include <linux/pkt_cls.h>

#include <numeric>
#include <stdexcept>
#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dataplane/api/trace_limits.hpp"
#include "dataplane/pipeline/underlay.h"
#include "ebpf/session_sweeper.hpp"
#include "tests/pipeline/must.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::cases {

namespace {

constexpr ebpf::ProgramOptions program_options{.hash_seed = EbpfHost::seed};
constexpr std::uint32_t loopback_ifindex = 1; // what a test run comes in by
constexpr std::size_t frame_max = 3520;       // of a test run: a page, less what the kernel wants for itself
constexpr std::uint32_t known_ports[] = {World::web, World::db, World::without_endpoint, World::uplink};
constexpr std::uint32_t device_of_port = 1000; // plus its number; nothing is sent there

std::size_t cpus() { return static_cast<std::size_t>(libbpf_num_possible_cpus()); }

constexpr const char* emptied[] = {"networks",  "vteps",       "ports",         "port_of_ifindex", "endpoints",
                                   "next_hops", "host_routes", "prefix_routes", "policies",        "verdicts",
                                   "sessions",  "rule_hits",   "told",          "accounts"};

/// A map as it stands in the kernel, by its name in the programs' object: of those that no MapSet holds.
int map_of(const ebpf::Programs& programs, const char* name) {
    return bpf_object__find_map_fd_by_name(programs.object(), name);
}

} // namespace

EbpfHost& EbpfHost::get(std::size_t sessions_max) {
    static std::map<std::size_t, std::unique_ptr<EbpfHost>> hosts;
    auto& host = hosts[sessions_max];
    if (!host) {
        ebpf::MapSetOptions options;
        options.directory = std::nullopt;
        // Each case empties the maps, so they are small.
        for (const char* const name : emptied)
            options.entries[name] = 1024;
        options.entries["sessions"] = static_cast<std::uint32_t>(sessions_max);
        host.reset(new EbpfHost(must(ebpf::MapSet::open(options)), sessions_max));
    }
    return *host;
}

EbpfHost::EbpfHost(ebpf::MapSet maps, std::size_t) :
    maps_(std::move(maps)), programs_(must(ebpf::Programs::load(maps_, program_options))) {}

const ebpf::Programs& EbpfHost::traced_programs() {
    if (!ring_) trace(0);
    return traced_->programs();
}

void EbpfHost::trace(std::uint8_t decisions) {
    if (!traced_) traced_ = must(ebpf::TracedPrograms::load(maps_, program_options));
    if (ring_) traced_->end(0);
    fastpath::TraceSettings settings{.filter = {}, .snap_length = WEFT_TRACE_SNAP_MAX, .events_per_s = 0};
    settings.filter.decisions = decisions;
    ring_ = must(ebpf::TraceRing::make(fastpath::trace_ring_bytes(settings.snap_length)));
    must(traced_->begin(0, 1, settings, *ring_));
}

std::vector<fastpath::TraceEvent> EbpfHost::take_events() {
    fastpath::TraceEvents events;
    static_cast<void>(ring_->take([&](std::span<const std::uint8_t> record) {
        if (!fastpath::append_event(events, record, 0)) throw std::runtime_error("a record is not whole");
        return true;
    }));
    if (traced_->lost(0) != 0) throw std::runtime_error("events were lost");
    return {events.events().begin(), events.events().end()};
}

void EbpfHost::empty() const {
    for (const char* const name : emptied) {
        const ebpf::Map& map = maps_[name];
        std::vector<std::vector<std::uint8_t>> keys;
        must(map.for_each([&](const void* key, const void*) {
            const auto* const bytes = static_cast<const std::uint8_t*>(key);
            keys.emplace_back(bytes, bytes + map.key_size());
        }));
        for (const auto& key : keys)
            must(map.erase(key.data()));
    }
}

EbpfFixture::EbpfFixture(std::size_t sessions_max, EbpfDevices* devices, Entrance entrance) :
    host_(EbpfHost::get(sessions_max)), devices_(devices), entrance_(entrance) {
    host_.empty();
    store_ = must(ebpf::MapStore::open(host_.maps()));
    writer_ = std::make_unique<fastpath::TableWriter>(*store_);
    for (const std::uint32_t port : known_ports) {
        const std::uint32_t ifindex = ifindex_of(port);
        set_port(port, ifindex);
        const std::vector<weft_drop_counts> none(cpus());
        must(host_.maps()["drops"].set(&port, none.data()));
        must(host_.maps()["counters"].erase(&port));
        counts_[port] = {};
        if (entrance_ == Entrance::devices) must(host_.maps()["port_of_ifindex"].set(&ifindex, &port));
    }
}

std::uint32_t EbpfFixture::ifindex_of(std::uint32_t port) const {
    return devices_ != nullptr ? devices_->near_ifindex(port) : device_of_port + port;
}

void EbpfFixture::set_port(std::uint32_t port, std::uint32_t ifindex) const {
    const weft_port device{
        .ifindex = ifindex,
        .mtu = World::mtu,
        .role = static_cast<std::uint8_t>(port == World::uplink ? WEFT_PORT_UPLINK : WEFT_PORT_ENDPOINT),
        .up = 1,
        .reserved = 0};
    must(host_.maps()["ports"].set(&port, &device));
}

std::vector<Hits> EbpfFixture::hits() const {
    return to_hits(must(ebpf::RuleHits(host_.maps()["rule_hits"]).read()));
}

Result<void> EbpfFixture::apply(const fastpath::TableUpdate& update) {
    store_->begin_update();
    auto applied = writer_->apply(update);
    store_->end_update();
    must(ebpf::RuleHits(host_.maps()["rule_hits"])
             .reset({update.reset_rules().data(), static_cast<std::size_t>(update.reset_rules_size())}));
    return applied;
}

const char* EbpfFixture::cannot_run(const Step& step) {
    if (step.frame.size() < ethernet_size) return "a test run takes no frame without an Ethernet header";
    if (step.frame.size() < ethernet_size + (is_v4(step.frame) ? 20U : is_v6(step.frame) ? 40U : 0U))
        return "a test run takes no frame without the IP header that it announces";
    if (step.frame.size() > frame_max) return "the frame is longer than a test run takes";
    if (step.offload.segment != 0) return "a test run has no frames to be cut";
    if (step.offload.wrong_l3_by != 0) return "a test run has no open checksums";
    for (const Sent& sent : step.sent)
        if (sent.frame.size() > frame_max) return "the frame is longer than a test run takes";
    return nullptr;
}

const char* EbpfFixture::cannot_run_alone(const Step& step) {
    return step.sent.size() > 1 ? "of several packets a test run shows one" : cannot_run(step);
}

weft_drop_reason EbpfFixture::expected_reason(const Step& step) {
    const auto linear = static_cast<std::uint32_t>(std::min<std::size_t>(step.frame.size(), WEFT_HEADERS_MAX));
    if (step.port == World::uplink && weft_is_ours(step.frame.data(), linear, WEFT_VXLAN_PORT) == 0)
        return WEFT_DROP_not_vxlan;
    return step.reason;
}

EbpfFixture::Counts EbpfFixture::counts_of(std::uint32_t port) const {
    std::vector<weft_port_counts> counters(cpus());
    std::vector<weft_drop_counts> drops(cpus());
    must(host_.maps()["counters"].find(&port, counters.data()));
    must(host_.maps()["drops"].find(&port, drops.data()));
    Counts sum;
    for (const weft_port_counts& each : counters) {
        sum.received += each.rx_packets;
        sum.sent += each.tx_packets;
    }
    for (const weft_drop_counts& each : drops)
        for (std::size_t i = 0; i < std::size(sum.drops.of_reason); ++i)
            sum.drops.of_reason[i] += each.of_reason[i];
    return sum;
}

const std::map<std::uint32_t, EbpfFixture::Counts>& EbpfFixture::count() {
    for (const std::uint32_t port : known_ports) {
        const Counts now = counts_of(port);
        Counts& before = counts_[port];
        Counts& change = changes_[port];
        change.received += now.received - before.received;
        change.sent += now.sent - before.sent;
        for (std::size_t i = 0; i < std::size(now.drops.of_reason); ++i)
            change.drops.of_reason[i] += now.drops.of_reason[i] - before.drops.of_reason[i];
        before = now;
    }
    return changes_;
}

void EbpfFixture::add_drops(Outcome& outcome) const {
    for (const auto& [port, change] : changes_)
        for (int reason = 0; reason < WEFT_DROP_REASON_COUNT; ++reason)
            if (const std::uint64_t count = change.drops.of_reason[reason]; count != 0)
                outcome.drops[static_cast<weft_drop_reason>(reason)] += count;
}

void EbpfFixture::age_sessions(std::uint32_t seconds) const {
    const ebpf::Map& map = host_.maps()["sessions"];
    std::vector<std::pair<weft_session_key, weft_session_value>> sessions;
    must(map.for_each([&](const void* key, const void* value) {
        auto& each = sessions.emplace_back();
        std::memcpy(&each.first, key, sizeof each.first);
        std::memcpy(&each.second, value, sizeof each.second);
    }));
    for (auto& [key, value] : sessions) {
        value.last_seen_s -= seconds;
        must(map.set(&key, &value));
    }
}

void EbpfFixture::forget_recent_sessions(const ebpf::Programs& programs) {
    const int map = map_of(programs, "recent_sessions");
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(map, &info, &size) != 0) throw std::runtime_error("recent_sessions");
    std::vector<std::uint32_t> keys(info.max_entries);
    std::iota(keys.begin(), keys.end(), 0U);
    const std::vector<std::uint8_t> none(keys.size() * cpus() * ((info.value_size + 7U) / 8 * 8));
    std::uint32_t count = info.max_entries;
    if (bpf_map_update_batch(map, keys.data(), none.data(), &count, nullptr) != 0)
        throw std::runtime_error("recent_sessions");
}

void EbpfFixture::refill_icmp_budget(const ebpf::Programs& programs) {
    const std::uint32_t zero = 0;
    const std::vector<std::uint64_t> nothing_spent(cpus());
    bpf_map_update_elem(map_of(programs, "icmp_budgets"), &zero, nothing_spent.data(), BPF_ANY);
}

std::size_t EbpfFixture::sessions() const {
    std::size_t count = 0;
    must(host_.maps()["sessions"].for_each([&](const void*, const void*) { ++count; }));
    return count;
}

void EbpfFixture::enter_by(std::uint32_t port) {
    if (entering_port_ == port) return;
    if (entering_port_ != 0) set_port(entering_port_, ifindex_of(entering_port_));
    set_port(port, loopback_ifindex);
    must(host_.maps()["port_of_ifindex"].set(&loopback_ifindex, &port));
    entering_port_ = port;
}

Outcome EbpfFixture::run_by(const ebpf::Programs& programs, const Step& step) {
    assert(entrance_ == Entrance::devices || cannot_run(step) == nullptr);
    // The kernel's clock runs by itself, the case's when it says so.
    const std::uint32_t clock_s = ebpf::SessionSweeper::clock_s();
    const std::uint32_t seconds = now_s_ ? step.now_s - *now_s_ - (clock_s - clock_s_) : 0;
    if (seconds != 0) {
        age_sessions(seconds);
        forget_recent_sessions(programs);
    }
    now_s_ = step.now_s;
    clock_s_ = clock_s;
    refill_icmp_budget(programs);
    changes_.clear();
    if (entrance_ == Entrance::devices) return run_on_devices(programs, step);
    enter_by(step.port);
    return run_in_test(programs, step);
}

Outcome EbpfFixture::run_in_test(const ebpf::Programs& programs, const Step& step) {
    Bytes out(8192);
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = step.frame.data();
    options.data_size_in = static_cast<std::uint32_t>(step.frame.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<std::uint32_t>(out.size());
    if (devices_ != nullptr) devices_->drain();
    const bool underlay = step.port == World::uplink;
    if (const int failed = bpf_prog_test_run_opts(underlay ? programs.uplink() : programs.endpoint(), &options))
        throw std::runtime_error(std::string("BPF_PROG_TEST_RUN: ") + std::strerror(-failed));
    out.resize(options.data_size_out);

    Outcome outcome;
    if (static_cast<int>(options.retval) == TC_ACT_UNSPEC) outcome.drops[WEFT_DROP_not_vxlan] = 1;
    for (const auto& [port, change] : count()) {
        if (change.sent == 0 || options.retval != TC_ACT_REDIRECT) continue;
        for (std::uint64_t i = 1; devices_ != nullptr && i < change.sent; ++i)
            add_sent(outcome, {port, devices_->receive(port)});
        add_sent(outcome, {port, out});
    }
    add_drops(outcome);
    return outcome;
}

Outcome EbpfFixture::run_on_devices(const ebpf::Programs& programs, const Step& step) {
    devices_->attach(programs);
    devices_->drain();
    devices_->send(step.port, step.frame, step.offload.checksum);
    Outcome outcome;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    for (bool follower = step.port != World::uplink, ended = false; !ended;) {
        if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("the packet's end was not counted");
        follower = follower || devices_->follower_arrived();
        std::uint64_t received = 0;
        std::uint64_t sent = 0;
        std::uint64_t dropped = 0;
        for (const auto& [port, change] : count()) {
            received += change.received;
            sent += change.sent;
            for (const std::uint64_t each : change.drops.of_reason)
                dropped += each;
        }
        ended = follower && received == 0;
        if (ended) outcome.drops[WEFT_DROP_not_vxlan] = 1;
        ended = ended || (received != 0 && sent + dropped != 0);
    }
    // An ICMP error is sent first, then what it is about is counted as dropped.
    for (const auto& [port, change] : count())
        for (std::uint64_t i = 0; i < change.sent; ++i)
            add_sent(outcome, {port, devices_->receive(port)});
    add_drops(outcome);
    return outcome;
}

void run_case(EbpfFixture& fixture, const PacketCase& each) {
    for (std::size_t number = 0; number < each.steps.size(); ++number) {
        const Step& step = each.steps[number];
        SCOPED_TRACE(fmt::format("step {}", number + 1));
        const auto applied = fixture.apply(step.tables);
        ASSERT_TRUE(applied) << applied.error().message;
        ASSERT_NO_FATAL_FAILURE(expect_outcome(step, EbpfFixture::expected_reason(step), fixture.run(step)));
        expect_hits(step, fixture.hits());
    }
}

} // namespace weft::cases
