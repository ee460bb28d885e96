// SPDX-License-Identifier: BSD-3-Clause
// Runs packet cases through the DPDK pipeline, in process: real tables, sessions and mbufs, ports replaced by lists.
// One Fixture is one host that just started; the EAL and the buffers are the test program's.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <rte_mbuf.h>

#include "dataplane/pipeline.hpp"
#include "dataplane/tracer.hpp"
#include "tests/pipeline/outcome.hpp"
#include "tests/pipeline/packet_case.hpp"

namespace weft::cases {

class Fixture {
  public:
    explicit Fixture(rte_mempool* pool, std::size_t sessions_max = 1024);

    [[nodiscard]] Result<void> apply(const fastpath::TableUpdate& update);

    [[nodiscard]] std::vector<Hits> hits();

    /// One packet alone in its burst.
    [[nodiscard]] Outcome run(const Step& step) { return run({&step, 1}); }

    /// Several packets in one burst, of the first one's port and time; their tables are not applied.
    [[nodiscard]] Outcome run(std::span<const Step> steps);

    /// The same while somebody traces.
    [[nodiscard]] Outcome run_traced(std::span<const Step> steps, const dataplane::TraceSet& traces);

    [[nodiscard]] const dataplane::Tables& tables() const { return tables_; }

    [[nodiscard]] dataplane::SessionTable& sessions() { return *sessions_; }

  private:
    /// `process` gets the burst, the counts and the output.
    template <class Process>
    Outcome run_through(std::span<const Step> steps, Process process);

    rte_mempool* pool_;
    dataplane::Quiescence quiescence_;
    dataplane::Tables tables_;
    std::unique_ptr<dataplane::SessionTable> sessions_;
    dataplane::RuleHits hits_;
    dataplane::Pipeline pipeline_;
    dataplane::Tracer tracer_;
};

/// What a trace was told since the last call.
[[nodiscard]] std::vector<fastpath::TraceEvent> events_of(dataplane::Trace& trace);
/// The step's frame as a port would hand it in; null when buffers ran out.
[[nodiscard]] rte_mbuf* make_packet(rte_mempool* pool, const Step& step);
/// All bytes of a chain.
[[nodiscard]] Bytes bytes_of(const rte_mbuf* packet);
/// Which port the pipeline takes for the uplink.
[[nodiscard]] dataplane::Role role_of(std::uint32_t port);

} // namespace weft::cases
