// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker.hpp"

#include <array>
#include <vector>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <sys/eventfd.h>

#include "dataplane/tracer.hpp"
#include "dataplane/wake_set.hpp"

namespace weft::dataplane {

/// What one pass of the loop wants to send, by port.
class Worker::Queues final : public ObservedOutput {
  public:
    Queues(unsigned worker, PortCounts& unknown) : worker_(worker), unknown_(unknown) {}

    void use(const PortSet& ports) {
        ports_ = &ports;
        if (queues_.size() < ports.by_id.size()) queues_.resize(ports.by_id.size());
    }

    void push(std::uint32_t id, rte_mbuf* packet) override {
        Port* const port = id < ports_->by_id.size() ? ports_->by_id[id] : nullptr;
        if (port == nullptr) {
            drop_all({&packet, 1}, WEFT_DROP_port_down, *source_);
            return;
        }
        if (!queues_[id]) queues_[id] = std::make_unique<Queue>(); // once in a port's life
        Queue& queue = *queues_[id];
        if (queue.used == 0) dirty_.push_back(id);
        queue.packets[queue.used++] = packet;
        if (queue.used == queue.packets.size()) send(*port, queue);
    }

    /// Packets to unknown ports count as drops where they came from.
    void from(PortCounts& counts) { source_ = &counts; }

    void flush() override {
        for (const std::uint32_t id : dirty_)
            if (queues_[id]->used > 0) send(*ports_->by_id[id], *queues_[id]);
        dirty_.clear();
    }

    [[nodiscard]] const PortCounts* counts(std::uint32_t id) const override {
        Port* const port = id < ports_->by_id.size() ? ports_->by_id[id] : nullptr;
        return port != nullptr ? &port->counts(worker_) : nullptr;
    }

  private:
    struct Queue {
        std::array<rte_mbuf*, burst_max> packets;
        unsigned used = 0;
    };

    void send(Port& port, Queue& queue) {
        port.send(worker_, {queue.packets.data(), queue.used}, port.counts(worker_));
        queue.used = 0;
    }

    unsigned worker_;
    PortCounts& unknown_;
    PortCounts* source_ = &unknown_;
    const PortSet* ports_ = nullptr;
    std::vector<std::unique_ptr<Queue>> queues_;
    std::vector<std::uint32_t> dirty_;
};

Worker::Worker(unsigned number, Quiescence& quiescence, const Tables& tables, SessionTable& sessions,
               const PortTable& ports, const TraceTable& traces, WorkerHits& hits, rte_mempool* pool,
               WorkerOptions options) :
    number_(number),
    quiescence_(quiescence),
    tables_(tables),
    sessions_(sessions),
    ports_(ports),
    traces_(traces),
    hits_(hits),
    pool_(pool),
    options_(options),
    wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    // Registered before the thread runs, so that no change slips between.
    quiescence_.register_worker(number_);
    thread_ = std::thread([this] { run(); });
}

Worker::~Worker() {
    stop_.store(true);
    wake();
    thread_.join();
}

void Worker::wake() const { eventfd_write(wake_.get(), 1); }

void Worker::run() {
    rte_thread_register(); // an lcore number of its own, for the mempool's cache
    PortCounts unknown;
    Queues queues(number_, unknown);
    Pipeline pipeline(tables_, sessions_, pool_, hits_);
    Tracer tracer(number_, tables_, sessions_, pipeline);
    WakeSet wake_set(wake_.get());
    const std::uint64_t hz = rte_get_tsc_hz();
    const std::uint64_t idle_cycles = hz / 1'000'000 * options_.idle_us;
    std::uint64_t last_packet = rte_rdtsc();
    std::array<rte_mbuf*, burst_max> burst;

    quiescence_.online(number_);
    while (!stop_.load(std::memory_order_relaxed)) {
        const PortSet& ports = ports_.snapshot();
        const TraceSet* const traces = traces_.snapshot();
        queues.use(ports);
        const std::uint64_t begin = rte_rdtsc();
        bool any = false;
        for (const auto& [port, queue] : ports.by_worker[number_]) {
            PortCounts& counts = port->counts(number_);
            const unsigned received = port->receive(queue, burst, counts);
            if (received == 0) continue;
            any = true;
            queues.from(counts);
            const std::span packets(burst.data(), received);
            const auto now_s = static_cast<std::uint32_t>(begin / hz);
            if (traces == nullptr) [[likely]]
                pipeline.process(port->id(), port->role(), packets, counts, now_s, queues);
            else
                tracer.process(*traces, port->id(), port->role(), packets, counts, now_s, queues);
        }
        queues.flush();
        polls_.add(1);
        quiescence_.quiescent(number_);
        if (any) {
            last_packet = rte_rdtsc();
            busy_cycles_.add(last_packet - begin);
        } else if (!options_.poll && begin - last_packet > idle_cycles) {
            sleep(ports, wake_set);
            last_packet = rte_rdtsc();
        }
    }
    quiescence_.offline(number_);
    quiescence_.unregister_worker(number_);
    rte_thread_unregister();
}

void Worker::sleep(const PortSet& ports, WakeSet& wake_set) {
    wake_set.watch(ports, number_);
    sleeps_.add(1);
    quiescence_.offline(number_);
    wake_set.wait();
    quiescence_.online(number_);
}

void Worker::counters(fastpath::CountersReply& reply) const {
    auto& counters = *reply.add_workers();
    counters.set_worker(number_);
    counters.set_polls(polls_.get());
    counters.set_busy_cycles(busy_cycles_.get());
    counters.set_sleeps(sleeps_.get());
}

} // namespace weft::dataplane
