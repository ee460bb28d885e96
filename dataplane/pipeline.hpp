// SPDX-License-Identifier: BSD-3-Clause
// Pipeline: one worker's way from a burst of received packets to packets for ports, as pipeline/stages.md specifies.
// Every packet that goes in is afterwards freed (and counted under one drop reason) or in the output, as itself or as
// an answer to it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dataplane/counters.hpp"
#include "dataplane/packet.hpp"
#include "dataplane/session_table.hpp"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

/// Where the pipeline puts packets; the worker collects them per port and sends.
class Output {
  public:
    virtual void push(std::uint32_t port, rte_mbuf* packet) = 0;

  protected:
    ~Output() = default;
};

inline constexpr unsigned burst_max = 64;

class Pipeline {
  public:
    /// `pool` gives buffers for answers (ICMP errors) and fragments.
    Pipeline(const Tables& tables, SessionTable& sessions, rte_mempool* pool) :
        tables_(tables), sessions_(sessions), pool_(pool) {}

    /// At most burst_max packets that `port` received. `now_s` is a monotonic clock in seconds.
    void process(std::uint32_t port, Role role, std::span<rte_mbuf*> burst, PortCounts& counts, std::uint32_t now_s,
                 Output& out);

  private:
    friend class Burst;

    const Tables& tables_;
    SessionTable& sessions_;
    rte_mempool* pool_;
    std::vector<rte_mbuf*> fragments_; ///< of the packet at hand; kept for its memory
    std::uint32_t icmp_tokens_ = 0;
    std::uint32_t icmp_refilled_s_ = 0;
};

} // namespace weft::dataplane
