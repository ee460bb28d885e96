// SPDX-License-Identifier: BSD-3-Clause
// FastPath: what the agent needs of a fast path, whichever it is. `controlplane/` calls it; dataplane/api/client.hpp
// implements it over a socket for the DPDK process, ebpf/ in process, and tests with a fake. Calls return at once;
// answers come on the agent's event loop, in the order of the calls, but for those of start_trace(), sessions() and
// flush_sessions(), which may take longer.
#pragma once

#include <cstdint>
#include <functional>

#include "dataplane/api/fastpath.pb.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

template <class T>
using Done = std::function<void(Result<T>)>;

/// What a trace tells; after an error it has ended, and nothing follows.
using TraceSink = std::function<void(Result<TraceEvents>)>;

/// Parts of an answer about sessions; after the one with `last`, or an error, nothing follows.
using SessionsSink = std::function<void(Result<SessionsReply>)>;

class FastPath {
  public:
    virtual ~FastPath() = default;

    /// Applies the update; `done` when every worker sees all of it, or with the first failure.
    virtual void apply(TableUpdate update, Done<void> done) = 0;
    /// The tables as they are now, as one update that would rebuild them.
    virtual void dump(Done<TableUpdate> done) = 0;
    virtual void counters(Done<CountersReply> done) = 0;
    virtual void explain(ExplainRequest request, Done<ExplainReply> done) = 0;
    virtual void info(Done<InfoReply> done) = 0;
    virtual void rule_hits(Done<RuleHitsReply> done) = 0;

    /// Packets that match, until stop_trace() or the fast path's end; costs packets nothing while none runs. `sink`
    /// is called after `done`, which gets the trace's number.
    virtual void start_trace(TraceRequest request, TraceSink sink, Done<std::uint64_t> done) = 0;
    /// What was seen until now still goes to the sink; nothing does after `done`. not_found for one that does not
    /// run.
    virtual void stop_trace(std::uint64_t trace, Done<void> done) = 0;

    /// The sessions that match. The table is walked in slices, between other requests.
    virtual void sessions(SessionsRequest request, SessionsSink sink) = 0;
    /// Ends them, in slices too; `done` gets how many, when no packet meets any of them.
    virtual void flush_sessions(FlushSessionsRequest request, Done<std::uint64_t> done) = 0;
};

} // namespace weft::fastpath
