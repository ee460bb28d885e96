// SPDX-License-Identifier: BSD-3-Clause
// Tracer: one worker's way through the pipeline while somebody traces. Packets that a trace may want go alone, so
// that what became of each can be read off the counters and the ports; the others go in bursts as always. If all that
// run want decisions of policy, so do all packets, and the pipeline says which are decided about, while they are as
// they came: the rest pays nothing. It knows no more of traces.
#pragma once

#include <span>
#include <vector>

#include "dataplane/pipeline.hpp"
#include "dataplane/pipeline/trace.h"
#include "dataplane/trace.hpp"

namespace weft::dataplane {

/// An Output that can be asked what became of what it took.
class ObservedOutput : public Output {
  public:
    /// Hands everything to the ports.
    virtual void flush() = 0;
    /// Of a port, as this worker counts; null: there is no such port.
    [[nodiscard]] virtual const PortCounts* counts(std::uint32_t port) const = 0;

  protected:
    ~ObservedOutput() = default;
};

class Tracer {
  public:
    Tracer(unsigned worker, const Tables& tables, SessionTable& sessions, Pipeline& pipeline) :
        worker_(worker), tables_(tables), sessions_(sessions), pipeline_(pipeline) {}

    /// As Pipeline::process().
    void process(const TraceSet& traces, std::uint32_t port, Role role, std::span<rte_mbuf*> burst,
                 PortCounts& counts, std::uint32_t now_s, ObservedOutput& out);

  private:
    using Drops = std::array<std::uint64_t, WEFT_DROP_REASON_COUNT>;
    class Observer;
    class Watched;
    class DecisionWitness;

    /// Notes the traces that may want the packet; false: none does.
    bool find_wanted(const TraceSet& traces, const weft_trace_event& event);

    /// What can be known before the packet is processed; returns where in the frame that of `event.ip` begins.
    std::uint32_t read(rte_mbuf* packet, std::uint32_t port, Role role, weft_trace_event& event) const;
    /// All else but the rules and the decision.
    static void conclude(weft_trace_event& event, const Observer& observer);
    /// One record for each frame that left, one if none did.
    void tell(Trace& trace, weft_trace_event event, const Observer& observer);

    unsigned worker_;
    const Tables& tables_;
    SessionTable& sessions_;
    Pipeline& pipeline_;
    std::vector<Trace*> wanted_;       ///< of the packet at hand; all three kept for their memory
    std::vector<std::uint8_t> before_; ///< its first bytes as it came
    std::vector<std::uint8_t> record_;
};

} // namespace weft::dataplane
