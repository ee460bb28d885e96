// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/fast_path.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <fstream>

#include <spdlog/spdlog.h>
#include <unistd.h>

namespace weft::ebpf {

namespace {

constexpr std::chrono::milliseconds sweep_interval{50};
constexpr std::chrono::milliseconds sweep_time{1}; ///< of the event loop, each time

/// For outer source ports: nobody outside can choose flows that share a way, and an agent that comes back changes
/// none.
std::uint64_t seed_of_boot() {
    std::string id;
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
    return std::hash<std::string>{}("weft " + id);
}

std::uint64_t unix_ms() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

} // namespace

Result<std::unique_ptr<EbpfFastPath>> EbpfFastPath::open(boost::asio::io_context& loop,
                                                         const MapSetOptions& options) {
    auto tables = Tables::open(options);
    if (!tables) return std::unexpected(std::move(tables).error());
    auto programs = Programs::load((*tables)->maps(), {.hash_seed = seed_of_boot()});
    if (!programs) return std::unexpected(std::move(programs).error());
    auto told = (*tables)->told().read();
    if (!told) return std::unexpected(std::move(told).error());
    std::unique_ptr<EbpfFastPath> fast_path(new EbpfFastPath(loop, *std::move(tables), *std::move(programs)));
    fast_path->ports_.adopt(*told);
    fast_path->sweep_sessions();
    return fast_path;
}

EbpfFastPath::EbpfFastPath(boost::asio::io_context& loop, std::unique_ptr<Tables> tables, Programs programs) :
    loop_(loop),
    tables_(std::move(tables)),
    programs_(std::move(programs)),
    ports_(tables_->maps(), tables_->told(), programs_),
    sweeper_(tables_->maps()["sessions"]),
    sweep_timer_(loop),
    opened_unix_ms_(unix_ms()) {}

template <class T>
void EbpfFastPath::answer(fastpath::Done<T> done, Result<T> result) {
    boost::asio::post(loop_,
                      [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
}

Result<void> EbpfFastPath::apply_now(const fastpath::TableUpdate& update) {
    // A container whose namespace went must not keep the others from what they need.
    Result<void> first;
    for (const auto& port : update.ports())
        if (auto set = ports_.set(port); !set && first) first = std::move(set);
    if (auto applied = tables_->apply(update); !applied && first) first = std::move(applied);
    for (const std::uint32_t id : update.deleted_ports())
        ports_.remove(id);
    return first;
}

void EbpfFastPath::apply(fastpath::TableUpdate update, fastpath::Done<void> done) {
    answer(std::move(done), apply_now(update));
}

void EbpfFastPath::dump(fastpath::Done<fastpath::TableUpdate> done) {
    auto update = tables_->dump();
    if (update) ports_.dump(*update);
    answer(std::move(done), std::move(update));
}

void EbpfFastPath::counters(fastpath::Done<fastpath::CountersReply> done) {
    fastpath::CountersReply reply;
    if (auto counted = ports_.counters(reply); !counted)
        return answer<fastpath::CountersReply>(std::move(done), std::unexpected(std::move(counted).error()));
    for (auto& gauge : tables_->gauges())
        *reply.add_gauges() = std::move(gauge);
    const Map& sessions = tables_->maps()["sessions"];
    auto& gauge = *reply.add_gauges();
    gauge.set_name("session");
    gauge.set_used(sweeper_.size());
    gauge.set_capacity(sessions.capacity());
    gauge.set_bytes(sessions.bytes());
    answer<fastpath::CountersReply>(std::move(done), std::move(reply));
}

void EbpfFastPath::explain(fastpath::ExplainRequest, fastpath::Done<fastpath::ExplainReply> done) {
    answer<fastpath::ExplainReply>(
        std::move(done),
        fail(ErrorCode::unsupported, "the eBPF fast path cannot explain yet: ask a host with --fastpath dpdk"));
}

void EbpfFastPath::info(fastpath::Done<fastpath::InfoReply> done) {
    fastpath::InfoReply reply;
    reply.set_version(WEFT_VERSION);
    reply.set_pid(static_cast<std::uint32_t>(getpid()));
    reply.set_started_unix_ms(opened_unix_ms_);
    answer<fastpath::InfoReply>(std::move(done), std::move(reply));
}

void EbpfFastPath::sweep_sessions() {
    sweep_timer_.expires_after(sweep_interval);
    sweep_timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        const auto begin = std::chrono::steady_clock::now();
        const std::uint32_t now_s = SessionSweeper::clock_s();
        do {
            auto ended = sweeper_.sweep(now_s);
            if (!ended) spdlog::error("sessions: {}", ended.error().message);
            if (!ended || *ended) break;
        } while (std::chrono::steady_clock::now() - begin < sweep_time);
        sweep_sessions();
    });
}

} // namespace weft::ebpf
