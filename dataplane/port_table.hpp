// SPDX-License-Identifier: BSD-3-Clause
// PortTable: the ports of the process. The control thread creates, replaces and removes them; workers see a snapshot,
// changed under QSBR, so that a port is destroyed only when nobody can poll it any more.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <rte_mempool.h>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/port.hpp"
#include "dataplane/quiescence.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

/// What workers see: ports by id, and who polls what.
struct PortSet {
    struct Assignment {
        Port* port;
        unsigned queue;
    };

    std::uint64_t generation = 0; ///< never used twice
    std::vector<Port*> by_id;     ///< null: none
    std::vector<std::vector<Assignment>> by_worker;
};

class PortTable {
  public:
    PortTable(Quiescence& quiescence, rte_mempool* pool, unsigned workers, std::string steering_program);
    ~PortTable();

    /// Called after each new snapshot, to wake sleeping workers.
    void on_change(std::function<void()> wake) { wake_ = std::move(wake); }

    [[nodiscard]] Result<void> set(const fastpath::Port& message);
    void remove(std::uint32_t id);

    [[nodiscard]] const PortSet& snapshot() const { return *current_.load(std::memory_order_acquire); }

    void dump(fastpath::TableUpdate& update) const;
    void counters(fastpath::CountersReply& reply) const;

  private:
    struct Entry {
        std::unique_ptr<Port> port;
        fastpath::Port message;
        /// Who polls each queue, as long as the port is there: while a snapshot replaces another, some workers still
        /// follow the old one, and no queue has two that poll it.
        std::vector<unsigned> workers;
    };

    Result<std::unique_ptr<Port>> make(const fastpath::Port& message) const;
    /// A worker for each queue of a new port, the one with the fewest first.
    [[nodiscard]] std::vector<unsigned> choose_workers(unsigned queues) const;
    void publish();

    Quiescence& quiescence_;
    rte_mempool* pool_;
    unsigned workers_;
    std::string steering_program_;
    std::function<void()> wake_ = [] {};
    std::map<std::uint32_t, Entry> entries_;
    std::uint64_t generation_ = 0;
    std::unique_ptr<const PortSet> owner_;
    std::atomic<const PortSet*> current_;
};

} // namespace weft::dataplane
