// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/dataplane.hpp"

#include <random>

#include <fmt/format.h>
#include <rte_cycles.h>
#include <unistd.h>

#include "dataplane/explain.hpp"

namespace weft::dataplane {

namespace {

fastpath::Code to_code(ErrorCode code) { return static_cast<fastpath::Code>(static_cast<int>(code) + 1); }

static_assert(static_cast<int>(ErrorCode::internal) + 1 == fastpath::CODE_INTERNAL &&
              static_cast<int>(ErrorCode::invalid) + 1 == fastpath::CODE_INVALID);

void set_status(fastpath::Reply& reply, const Error& error) {
    reply.mutable_status()->set_code(to_code(error.code));
    reply.mutable_status()->set_message(error.message);
}

/// For hashes: nobody outside can choose flows or routes that share a bucket.
std::uint64_t random_seed() {
    std::random_device random;
    return std::uint64_t{random()} << 32 | random();
}

} // namespace

Result<std::unique_ptr<Dataplane>> Dataplane::make(DataplaneOptions options) {
    auto pool = make_packet_pool("packets", options.packet_buffers);
    if (!pool) return std::unexpected(std::move(pool).error());
    auto sessions = SessionTable::make(options.sessions, random_seed(), options.hugepages);
    if (!sessions) return std::unexpected(std::move(sessions).error());
    return std::unique_ptr<Dataplane>(new Dataplane(std::move(options), std::move(*pool), std::move(*sessions)));
}

Dataplane::Dataplane(DataplaneOptions options, Pool pool, std::unique_ptr<SessionTable> sessions) :
    options_(std::move(options)),
    pool_(std::move(pool)),
    sessions_(std::move(sessions)),
    quiescence_(options_.workers),
    tables_(quiescence_, random_seed()),
    ports_(quiescence_, pool_.get(), options_.workers, options_.steering_program),
    traces_(quiescence_, options_.workers),
    walks_(*sessions_, tables_, quiescence_),
    hits_(quiescence_, options_.workers) {
    ports_.on_change([this] {
        for (const auto& worker : workers_)
            worker->wake();
    });
    for (unsigned number = 0; number < options_.workers; ++number)
        workers_.push_back(std::make_unique<Worker>(number, quiescence_, tables_, *sessions_, ports_, traces_,
                                                    hits_.of_worker(number), pool_.get(), options_.worker));
}

Dataplane::~Dataplane() { workers_.clear(); }

Result<void> Dataplane::apply(const fastpath::TableUpdate& update) {
    // A container whose namespace went must not keep the others from what they need.
    Result<void> first;
    for (const auto& port : update.ports())
        if (auto set = ports_.set(port); !set && first) first = std::move(set);
    if (auto applied = tables_.apply(update); !applied && first) first = std::move(applied);
    for (const std::uint32_t id : update.deleted_ports())
        ports_.remove(id);
    hits_.reset({update.reset_rules().data(), static_cast<std::size_t>(update.reset_rules_size())});
    return first;
}

void Dataplane::dump(std::uint64_t id, Client& client) const {
    fastpath::Reply reply;
    reply.set_id(id);
    *reply.mutable_dump()->mutable_tables() = tables_.dump();
    ports_.dump(*reply.mutable_dump()->mutable_tables());
    // Routes are what can outgrow a frame: they go in parts.
    constexpr int routes_per_frame = 100'000;
    google::protobuf::RepeatedPtrField<fastpath::Route> routes;
    routes.Swap(reply.mutable_dump()->mutable_tables()->mutable_routes());
    for (int at = 0;; at += routes_per_frame) {
        for (int i = at; i < std::min(at + routes_per_frame, routes.size()); ++i)
            reply.mutable_dump()->mutable_tables()->add_routes()->Swap(routes.Mutable(i));
        reply.mutable_dump()->set_last(at + routes_per_frame >= routes.size());
        client.answer(reply);
        if (reply.dump().last()) return;
        reply.mutable_dump()->clear_tables();
    }
}

void Dataplane::counters(fastpath::CountersReply& reply) const {
    ports_.counters(reply);
    for (auto& gauge : tables_.gauges())
        *reply.add_gauges() = std::move(gauge);
    const auto add = [&](const char* name, std::size_t used, std::size_t capacity, std::size_t bytes) {
        auto& gauge = *reply.add_gauges();
        gauge.set_name(name);
        gauge.set_used(used);
        gauge.set_capacity(capacity);
        gauge.set_bytes(bytes);
    };
    add("session", sessions_->size(), sessions_->capacity(), sessions_->bytes());
    const std::size_t element = pool_->elt_size + pool_->header_size + pool_->trailer_size;
    add("mbuf", rte_mempool_in_use_count(pool_.get()), pool_->size, pool_->size * element);
    *reply.add_gauges() = traces_.gauge();
    for (const auto& worker : workers_)
        worker->counters(reply);
}

void Dataplane::info(fastpath::InfoReply& reply) const {
    reply.set_version(WEFT_VERSION);
    reply.set_pid(static_cast<std::uint32_t>(getpid()));
    reply.set_started_unix_ms(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(started_.time_since_epoch()).count()));
    reply.set_workers(options_.workers);
    reply.set_hugepages(options_.hugepages);
    if (!options_.hugepages)
        reply.add_notes(
            fmt::format("runs without hugepages{}: more TLB misses, so fewer packets per second; {}",
                        options_.hugepages_refused ? ", as --hugepages off says" : "",
                        options_.hugepages_refused
                            ? "to have them, take that away and end weft-dataplane, which weftd starts anew"
                            : "write 256 to /proc/sys/vm/nr_hugepages and end weft-dataplane, which weftd "
                              "starts anew"));
}

void Dataplane::handle(const fastpath::Request& request, const std::shared_ptr<Client>& client) {
    fastpath::Reply reply;
    reply.set_id(request.id());
    switch (request.body_case()) {
    case fastpath::Request::kUpdate:
        if (auto applied = apply(request.update()); !applied)
            set_status(reply, applied.error());
        else
            reply.mutable_applied();
        break;
    case fastpath::Request::kDump:
        dump(request.id(), *client);
        return;
    case fastpath::Request::kCounters:
        counters(*reply.mutable_counters());
        break;
    case fastpath::Request::kExplain:
        if (auto told = explain(tables_, request.explain()); !told)
            set_status(reply, told.error());
        else
            *reply.mutable_explain() = std::move(*told);
        break;
    case fastpath::Request::kInfo:
        info(*reply.mutable_info());
        break;
    case fastpath::Request::kTrace:
        if (auto started = traces_.start(request, client); !started)
            set_status(reply, started.error());
        else
            reply.mutable_trace_started()->set_trace(*started);
        break;
    case fastpath::Request::kStopTrace:
        if (auto stopped = traces_.stop(request.stop_trace().trace(), client); !stopped)
            set_status(reply, stopped.error());
        else
            reply.mutable_trace_stopped();
        break;
    case fastpath::Request::kSessions:
    case fastpath::Request::kFlushSessions:
        if (auto started = walks_.start(request, client); !started)
            set_status(reply, started.error());
        else
            return; // it answers when it is through
        break;
    case fastpath::Request::kRuleHits:
        hits_.tell(*reply.mutable_rule_hits());
        break;
    case fastpath::Request::BODY_NOT_SET:
        set_status(reply, {ErrorCode::unsupported, "a request of a kind that this weft-dataplane does not know"});
    }
    client->answer(reply);
}

int Dataplane::chore() {
    constexpr int sweep_ms = 50;
    constexpr int between_slices_ms = 1;
    const auto now_s = static_cast<std::uint32_t>(rte_rdtsc() / rte_get_tsc_hz());
    const auto now = std::chrono::steady_clock::now();
    if (now >= next_sweep_) {
        next_sweep_ = now + std::chrono::milliseconds(sweep_ms);
        // The whole table every four seconds.
        const std::size_t slice = sessions_->bucket_count() * sweep_ms / 4000 + 1;
        sessions_->sweep(slice, now_s);
    }
    traces_.pump();
    hits_.make_room();
    walks_.pump(now_s);
    if (walks_.running()) return between_slices_ms;
    return traces_.running() ? static_cast<int>(fastpath::between_trace_pumps.count()) : sweep_ms;
}

} // namespace weft::dataplane
