// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/fast_path.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <new>

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "dataplane/api/explain.hpp"
#include "ebpf/seed.hpp"

namespace weft::ebpf {

namespace {

/// A million sessions are swept in five seconds, at 6 % of a CPU.
constexpr std::chrono::milliseconds between_slices{5};
constexpr std::chrono::milliseconds between_sweeps{1000};
constexpr const char* no_memory = "no memory for the answer: stop something on this host";

Result<PinLock> lock_directory(const std::string& path) {
    auto directory = PinDirectory::at(path);
    if (!directory) return std::unexpected(std::move(directory).error());
    if (auto made = directory->make(); !made) return std::unexpected(std::move(made).error());
    return PinLock::take(*directory);
}

std::uint64_t unix_ms() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

} // namespace

Result<std::unique_ptr<EbpfFastPath>> EbpfFastPath::open(boost::asio::io_context& loop,
                                                         const MapSetOptions& options) {
    std::optional<PinLock> lock;
    if (options.directory) {
        auto taken = lock_directory(*options.directory);
        if (!taken) return std::unexpected(std::move(taken).error());
        lock.emplace(std::move(*taken));
    }
    auto tables = Tables::open(options);
    if (!tables) return std::unexpected(std::move(tables).error());
    const auto seed = seed_of_boot(options.directory);
    if (!seed) return std::unexpected(seed.error());
    const ProgramOptions program_options{.hash_seed = *seed};
    auto programs = Programs::load((*tables)->maps(), program_options);
    if (!programs) return std::unexpected(std::move(programs).error());
    auto accounts = SessionAccounts::open((*tables)->maps()["accounts"]);
    if (!accounts) return std::unexpected(std::move(accounts).error());
    auto told = (*tables)->told().read();
    if (!told) return std::unexpected(std::move(told).error());
    std::unique_ptr<EbpfFastPath> fast_path(new EbpfFastPath(
        loop, std::move(lock), *std::move(tables), *std::move(accounts), *std::move(programs), program_options));
    // To load programs takes long; from here to the last hook it is a matter of milliseconds.
    const auto carried = fast_path->tables_->carry_sessions();
    if (auto adopted = fast_path->ports_.adopt(*told); !adopted) return std::unexpected(std::move(adopted).error());
    const auto retired = fast_path->tables_->retire_predecessors();
    fast_path->ports_.sweep();
    for (const auto* const result : {&carried, &retired})
        if (!*result) spdlog::error("sessions of the eBPF maps of another version: {}", result->error().message);
    boost::asio::post(fast_path->worker_, [self = fast_path.get()] { self->chore(); });
    return fast_path;
}

EbpfFastPath::EbpfFastPath(boost::asio::io_context& loop, std::optional<PinLock> lock, std::unique_ptr<Tables> tables,
                           SessionAccounts accounts, Programs programs, const ProgramOptions& options) :
    loop_(loop),
    lock_(std::move(lock)),
    tables_(std::move(tables)),
    seed_(options.hash_seed),
    programs_(std::move(programs)),
    ports_(tables_->maps(), tables_->told(), programs_),
    accounts_(std::move(accounts)),
    sweeper_(tables_->maps()["sessions"], accounts_),
    hits_(tables_->maps()["rule_hits"]),
    opened_unix_ms_(unix_ms()),
    traces_(loop, worker_, tables_->maps(), ports_, programs_, options),
    walks_(loop, worker_, *tables_, accounts_) {}

EbpfFastPath::~EbpfFastPath() {
    boost::asio::post(worker_, [this] {
        ending_ = true;
        chore_timer_.cancel();
        pump_timer_.cancel();
    });
    worker_.join();
}

template <class T, class Work>
void EbpfFastPath::ask(fastpath::Done<T> done, Work work) {
    // The loop waits for the answer. What makes it wait goes with the answer, and not later on the worker: that would
    // stop a loop that has gone on to something else.
    boost::asio::post(worker_, [&loop = loop_, awaited = boost::asio::make_work_guard(loop_), done = std::move(done),
                                work = std::move(work)]() mutable {
        Result<T> result;
        try {
            result = work();
        } catch (const std::bad_alloc&) {
            result = fail(ErrorCode::exhausted, no_memory);
        }
        boost::asio::post(loop, [done, result = std::move(result), awaited = std::move(awaited)]() mutable {
            done(std::move(result));
        });
    });
}

Result<void> EbpfFastPath::apply_now(const fastpath::TableUpdate& update) {
    // A container whose namespace went must not keep the others from what they need.
    Result<void> first;
    const auto note = [&](Result<void> done) {
        if (!done && first) first = std::move(done);
    };
    // A number that another container had is nobody's until the tables know whose it is: that one's interface goes
    // first, this one's comes last.
    for (const auto& port : update.ports())
        static_cast<void>(ports_.make_way(port)); // set() meets the same error, and tells it
    auto applied = tables_->apply(update);
    for (const auto& port : update.ports())
        note(ports_.set(port));
    note(std::move(applied));
    for (const std::uint32_t id : update.deleted_ports())
        note(ports_.remove(id));
    note(hits_.reset({update.reset_rules().data(), static_cast<std::size_t>(update.reset_rules_size())}));
    return first;
}

void EbpfFastPath::apply(fastpath::TableUpdate update, fastpath::Done<void> done) {
    ask(std::move(done), [this, update = std::move(update)] { return apply_now(update); });
}

Result<fastpath::TableUpdate> EbpfFastPath::dump_now() const {
    auto update = tables_->dump();
    if (update) ports_.dump(*update);
    return update;
}

void EbpfFastPath::dump(fastpath::Done<fastpath::TableUpdate> done) {
    ask(std::move(done), [this] { return dump_now(); });
}

Result<fastpath::CountersReply> EbpfFastPath::counters_now() {
    fastpath::CountersReply reply;
    if (auto counted = ports_.counters(reply); !counted) return std::unexpected(std::move(counted).error());
    for (auto& gauge : tables_->gauges())
        *reply.add_gauges() = std::move(gauge);
    const Map& sessions = tables_->maps()["sessions"];
    auto& gauge = *reply.add_gauges();
    gauge.set_name("session");
    gauge.set_used(sweeper_.size());
    gauge.set_capacity(sessions.capacity());
    gauge.set_bytes(sessions.bytes());
    *reply.add_gauges() = traces_.gauge();
    return reply;
}

void EbpfFastPath::counters(fastpath::Done<fastpath::CountersReply> done) {
    ask(std::move(done), [this] { return counters_now(); });
}

void EbpfFastPath::explain(fastpath::ExplainRequest request, fastpath::Done<fastpath::ExplainReply> done) {
    ask(std::move(done),
        [this, request = std::move(request)] { return fastpath::explain(tables_->reader(), request); });
}

void EbpfFastPath::info(fastpath::Done<fastpath::InfoReply> done) {
    ask(std::move(done), [this]() -> Result<fastpath::InfoReply> {
        fastpath::InfoReply reply;
        reply.set_version(WEFT_VERSION);
        reply.set_pid(static_cast<std::uint32_t>(getpid()));
        reply.set_started_unix_ms(opened_unix_ms_);
        for (auto& note : ports_.notes())
            reply.add_notes(std::move(note));
        return reply;
    });
}

void EbpfFastPath::rule_hits(fastpath::Done<fastpath::RuleHitsReply> done) {
    ask(std::move(done), [this] { return hits_.read(); });
}

void EbpfFastPath::start_trace(fastpath::TraceRequest request, fastpath::TraceSink sink,
                               fastpath::Done<std::uint64_t> done) {
    // The loop waits for the answer, which the worker may have after others'.
    auto answer = [this, awaited = boost::asio::make_work_guard(loop_),
                   done = std::move(done)](Result<std::uint64_t> started) {
        // Behind the answer.
        if (started && traces_.running() == 1) boost::asio::post(worker_, [this] { pump(); });
        boost::asio::post(loop_, [done, started = std::move(started)]() mutable { done(std::move(started)); });
    };
    boost::asio::post(
        worker_, [this, request = std::move(request), sink = std::move(sink), answer = std::move(answer)]() mutable {
            try {
                traces_.start(request, std::move(sink), answer);
            } catch (const std::bad_alloc&) {
                answer(fail(ErrorCode::exhausted, no_memory));
            }
        });
}

void EbpfFastPath::stop_trace(std::uint64_t trace, fastpath::Done<void> done) {
    ask(std::move(done), [this, trace] { return traces_.stop(trace); });
}

void EbpfFastPath::sessions(fastpath::SessionsRequest request, fastpath::SessionsSink sink) {
    walks_.list(request, std::move(sink));
}

void EbpfFastPath::flush_sessions(fastpath::FlushSessionsRequest request, fastpath::Done<std::uint64_t> done) {
    walks_.flush(request, std::move(done));
}

void EbpfFastPath::pump() {
    traces_.pump();
    if (ending_ || !traces_.running()) return;
    pump_timer_.expires_after(fastpath::between_trace_pumps);
    pump_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) pump();
    });
}

Result<void> EbpfFastPath::keep_pinned() {
    const auto& named = tables_->maps().directory();
    if (!named) return {};
    const auto directory = PinDirectory::at(*named);
    if (!directory) return std::unexpected(directory.error());
    if (!lock_->holds(*directory)) {
        auto taken = lock_directory(*named);
        if (!taken) return std::unexpected(std::move(taken).error());
        lock_.emplace(std::move(*taken));
        if (auto noted = note_seed(*named, seed_); !noted) return noted;
    }
    const auto pinned = tables_->maps().pin_again(*directory);
    if (!pinned) return std::unexpected(pinned.error());
    if (*pinned) spdlog::error("somebody has removed eBPF maps from {}: they are pinned there again", *named);
    return {};
}

void EbpfFastPath::chore() {
    const auto swept = sweeper_.sweep(SessionSweeper::clock_s());
    if (!swept) spdlog::error("sessions: {}", swept.error().message);
    const bool at_end = !swept || *swept;
    if (at_end) {
        if (auto kept = keep_pinned(); !kept) spdlog::error("pins: {}", kept.error().message);
        if (auto looked = ports_.look(); !looked) spdlog::error("ports: {}", looked.error().message);
    }
    if (ending_) return;
    chore_timer_.expires_after(at_end ? between_sweeps : between_slices);
    chore_timer_.async_wait([this](boost::system::error_code error) {
        if (!error && !ending_) chore();
    });
}

} // namespace weft::ebpf
