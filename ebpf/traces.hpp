// SPDX-License-Identifier: BSD-3-Clause
// Traces: those that run. While one does, the tracing build of the programs serves the ports; what it writes into the
// traces' rings is carried from here to the agent's loop. Used by the fast path's worker alone.
//
//   hooks -> traced programs -> a ring for each trace --pump--> messages -> the agent's loop: sink
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/api/fast_path.hpp"
#include "dataplane/api/trace_limits.hpp"
#include "ebpf/ports.hpp"
#include "ebpf/traced_loader.hpp"
#include "ebpf/traced_programs.hpp"

namespace weft::ebpf {

class Traces {
  public:
    using Started = std::function<void(Result<std::uint64_t>)>;

    /// All must outlive it. `programs` serve the ports while nobody traces, and were loaded with these options.
    Traces(boost::asio::io_context& loop, boost::asio::thread_pool& worker, const MapSet& maps, Ports& ports,
           const Programs& programs, const ProgramOptions& options) :
        loop_(loop), ports_(ports), programs_(programs), loader_(worker, maps, options) {}

    /// Puts the ordinary programs back.
    ~Traces();

    Traces(const Traces&) = delete;
    Traces& operator=(const Traces&) = delete;

    /// `started` gets its number when it is told of every packet: at once, or when the tracing programs are loaded.
    void start(const fastpath::TraceRequest& request, fastpath::TraceSink sink, const Started& started);
    /// The loop has everything that was seen when this returns.
    [[nodiscard]] Result<void> stop(std::uint64_t number);
    /// Carries to the loop what came since the last call.
    void pump();

    /// How many run.
    [[nodiscard]] std::size_t running() const { return traces_.size(); }

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

    /// One that has to wait for the tracing programs.
    struct Waiting {
        fastpath::TraceSettings settings;
        TraceRing ring;
        std::shared_ptr<fastpath::TraceSink> sink;
        Started started;
    };

    [[nodiscard]] std::uint32_t free_slot() const;
    /// Has the tracing programs serve the ports, and the waiting traces begin.
    void begin_all(Result<TracedPrograms> loaded);
    Result<std::uint64_t> begin(Waiting& trace);
    /// Has the ordinary ones serve them.
    void end();
    /// Until the ring is empty, or the loop has `unread_max` bytes to read.
    void carry(Running& running, std::size_t unread_max);

    boost::asio::io_context& loop_;
    Ports& ports_;
    const Programs& programs_;
    std::optional<TracedPrograms> traced_; ///< while a trace runs
    std::vector<Waiting> waiting_;         ///< while they are loaded
    std::vector<Running> traces_;
    std::uint64_t last_number_ = 0;
    std::int64_t offset_ns_ = 0; ///< from the programs' clock to the time of day
    /// Bytes on their way through the loop.
    std::shared_ptr<std::atomic<std::size_t>> unread_ = std::make_shared<std::atomic<std::size_t>>(0);
    TracedLoader loader_;
};

} // namespace weft::ebpf
