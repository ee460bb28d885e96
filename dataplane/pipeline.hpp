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
#include "dataplane/rule_hits.hpp"
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

/// Sees the packets of which policy decides, one at a time.
class Witness {
  public:
    /// The packet came in as this frame, and nothing of it has changed yet. What is made of it goes to the output
    /// that is returned until concluded(); null: nobody wants to see it.
    [[nodiscard]] virtual Output* decided(rte_mbuf* frame, WorkerHits::Note note) = 0;
    /// It is sent or dropped, and so counted.
    virtual void concluded() = 0;

  protected:
    ~Witness() = default;
};

inline constexpr unsigned burst_max = 64;

class Pipeline {
  public:
    /// `pool` gives buffers for answers (ICMP errors) and fragments.
    Pipeline(const Tables& tables, SessionTable& sessions, rte_mempool* pool, WorkerHits& hits) :
        tables_(tables), sessions_(sessions), pool_(pool), hits_(hits) {}

    /// At most burst_max packets that `port` received. `now_s` is a monotonic clock in seconds. With a witness,
    /// nothing that was noted is left from before.
    void process(std::uint32_t port, Role role, std::span<rte_mbuf*> burst, PortCounts& counts, std::uint32_t now_s,
                 Output& out, Witness* witness = nullptr);

    /// Where it counts, and notes what it decides.
    [[nodiscard]] WorkerHits& hits() const { return hits_; }

  private:
    friend class Burst;

    const Tables& tables_;
    SessionTable& sessions_;
    rte_mempool* pool_;
    WorkerHits& hits_;
    std::vector<rte_mbuf*> fragments_; ///< of the packet at hand; kept for its memory
    std::uint32_t icmp_tokens_ = 0;
    std::uint32_t icmp_refilled_s_ = 0;
};

} // namespace weft::dataplane
