// SPDX-License-Identifier: BSD-3-Clause
// Worker: a thread that runs bursts to completion, port by port, and sleeps when nothing comes.
//
//   receive -> Pipeline::process (or Tracer::process) -> per-port queues -> send;  quiescent;  after idle_us without
//   a packet: offline, epoll
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "dataplane/descriptor.hpp"
#include "dataplane/pipeline.hpp"
#include "dataplane/port_table.hpp"
#include "dataplane/trace_table.hpp"

namespace weft::dataplane {

class WakeSet;

struct WorkerOptions {
    bool poll = false;     ///< never sleep
    unsigned idle_us = 50; ///< of polling before sleeping
};

class Worker {
  public:
    Worker(unsigned number, Quiescence& quiescence, const Tables& tables, SessionTable& sessions,
           const PortTable& ports, const TraceTable& traces, WorkerHits& hits, rte_mempool* pool,
           WorkerOptions options);
    ~Worker(); ///< stops and joins

    /// Ends the worker's sleep, from any thread.
    void wake() const;
    void counters(fastpath::CountersReply& reply) const;

  private:
    class Queues;

    void run();
    void sleep(const PortSet& ports, WakeSet& wake_set);

    unsigned number_;
    Quiescence& quiescence_;
    const Tables& tables_;
    SessionTable& sessions_;
    const PortTable& ports_;
    const TraceTable& traces_;
    WorkerHits& hits_;
    rte_mempool* pool_;
    WorkerOptions options_;
    Descriptor wake_;
    std::atomic<bool> stop_ = false;
    alignas(64) Count polls_;
    Count busy_cycles_;
    Count sleeps_;
    std::thread thread_;
};

} // namespace weft::dataplane
