// SPDX-License-Identifier: BSD-3-Clause
// TraceTable: the traces that run. The control thread starts and stops them and carries what they tell to the clients
// that asked; workers see a snapshot under QSBR, null while nobody traces, which is all that a burst then pays.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/control_server.hpp"
#include "dataplane/quiescence.hpp"
#include "dataplane/trace.hpp"

namespace weft::dataplane {

class TraceTable {
  public:
    TraceTable(Quiescence& quiescence, unsigned workers) : quiescence_(quiescence), workers_(workers) {}

    TraceTable(const TraceTable&) = delete;
    TraceTable& operator=(const TraceTable&) = delete;

    /// Returns its number when every worker follows it. It ends with its client, and tells under the request's id.
    [[nodiscard]] Result<std::uint64_t> start(const fastpath::Request& request,
                                              const std::shared_ptr<Client>& client);
    /// The client has everything that was seen when this returns. not_found when it does not run, or is another's.
    [[nodiscard]] Result<void> stop(std::uint64_t number, const std::shared_ptr<Client>& client);
    /// Carries to the clients what came since the last call, and stops the traces of those that went.
    void pump();

    [[nodiscard]] bool running() const { return !traces_.empty(); }

    [[nodiscard]] fastpath::Gauge gauge() const;

    [[nodiscard]] const TraceSet* snapshot() const { return current_.load(std::memory_order_acquire); }

  private:
    struct Running {
        std::unique_ptr<Trace> trace;
        std::weak_ptr<Client> client;
        std::uint64_t request; ///< that started it; what it tells goes under this id
        std::uint64_t lost_told = 0;
    };

    /// Until the rings are empty, or the client has `unread_max` bytes to read.
    void carry(Running& running, Client& client, std::size_t unread_max);
    /// Returns when no worker uses an older set.
    void publish();

    Quiescence& quiescence_;
    unsigned workers_;
    std::vector<Running> traces_;
    std::uint64_t last_number_ = 0;
    std::int64_t offset_ns_ = 0; ///< from the workers' clock to the time of day
    std::unique_ptr<const TraceSet> owner_;
    std::atomic<const TraceSet*> current_ = nullptr;
};

} // namespace weft::dataplane
