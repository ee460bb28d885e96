// SPDX-License-Identifier: BSD-3-Clause
// Dataplane: the process's parts put together: tables, sessions, ports, workers, and the answers to the agent's
// requests. main() makes one.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/buffer_pool.hpp"
#include "dataplane/control_server.hpp"
#include "dataplane/port_table.hpp"
#include "dataplane/rule_hits.hpp"
#include "dataplane/session_table.hpp"
#include "dataplane/session_walks.hpp"
#include "dataplane/tables.hpp"
#include "dataplane/trace_table.hpp"
#include "dataplane/worker.hpp"

namespace weft::dataplane {

struct DataplaneOptions {
    unsigned workers = 1;
    std::size_t sessions = 262144;
    unsigned packet_buffers = 16383;
    std::string steering_program;
    WorkerOptions worker;
    bool hugepages = false;         ///< DPDK has them
    bool hugepages_refused = false; ///< by the operator
};

class Dataplane {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Dataplane>> make(DataplaneOptions options);
    ~Dataplane();

    void handle(const fastpath::Request& request, const std::shared_ptr<Client>& client);
    /// A slice of the sessions' expiry and of what is asked about them, and what traces have to tell; to be called
    /// again after as many milliseconds as it says.
    int chore();

  private:
    Dataplane(DataplaneOptions options, Pool pool, std::unique_ptr<SessionTable> sessions);

    Result<void> apply(const fastpath::TableUpdate& update);
    void dump(std::uint64_t id, Client& client) const;
    void counters(fastpath::CountersReply& reply) const;
    void info(fastpath::InfoReply& reply) const;

    DataplaneOptions options_;
    std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
    Pool pool_;
    std::unique_ptr<SessionTable> sessions_;
    Quiescence quiescence_;
    Tables tables_;
    PortTable ports_;
    TraceTable traces_;
    SessionWalks walks_;
    RuleHits hits_;
    std::chrono::steady_clock::time_point next_sweep_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

} // namespace weft::dataplane
