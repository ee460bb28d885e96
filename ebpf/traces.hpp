// SPDX-License-Identifier: BSD-3-Clause
// Traces: those that run. While one does, the tracing build of the programs serves the ports; what it writes into the
// traces' rings is carried from here to the agent's loop. Used by the fast path's worker alone.
//
//   hooks -> traced programs -> a ring for each trace --pump--> messages -> the agent's loop: sink
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/api/fast_path.hpp"
#include "dataplane/api/trace_limits.hpp"
#include "ebpf/ports.hpp"
#include "ebpf/traced_programs.hpp"

namespace weft::ebpf {

class Traces {
  public:
    /// All must outlive it. `programs` serve the ports while nobody traces, and were loaded with these options.
    Traces(boost::asio::io_context& loop, const MapSet& maps, Ports& ports, const Programs& programs,
           const ProgramOptions& options) :
        loop_(loop), maps_(maps), ports_(ports), programs_(programs), options_(options) {}

    /// Puts the ordinary programs back.
    ~Traces();

    Traces(const Traces&) = delete;
    Traces& operator=(const Traces&) = delete;

    /// Returns its number when it is told of every packet.
    [[nodiscard]] Result<std::uint64_t> start(const fastpath::TraceRequest& request, fastpath::TraceSink sink);
    /// The loop has everything that was seen when this returns.
    [[nodiscard]] Result<void> stop(std::uint64_t number);
    /// Carries to the loop what came since the last call.
    void pump();

    [[nodiscard]] bool running() const { return !traces_.empty(); }

    [[nodiscard]] fastpath::Gauge gauge() const;

  private:
    struct Running {
        std::uint64_t number;
        std::uint32_t slot;
        TraceRing ring;
        fastpath::TraceBudget budget;
        std::shared_ptr<fastpath::TraceSink> sink; ///< called on the loop
        std::uint64_t lost_told = 0;
    };

    [[nodiscard]] std::uint32_t free_slot() const;
    /// Has the tracing programs serve the ports.
    Result<void> begin();
    /// Has the ordinary ones serve them.
    void end();
    /// Until the ring is empty, or the loop has `unread_max` bytes to read.
    void carry(Running& running, std::size_t unread_max);

    boost::asio::io_context& loop_;
    const MapSet& maps_;
    Ports& ports_;
    const Programs& programs_;
    ProgramOptions options_;
    std::optional<TracedPrograms> traced_; ///< while a trace runs
    std::vector<Running> traces_;
    std::uint64_t last_number_ = 0;
    std::int64_t offset_ns_ = 0; ///< from the programs' clock to the time of day
    /// Bytes on their way through the loop.
    std::shared_ptr<std::atomic<std::size_t>> unread_ = std::make_shared<std::atomic<std::size_t>>(0);
};

} // namespace weft::ebpf
