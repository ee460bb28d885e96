// SPDX-License-Identifier: BSD-3-Clause
// FastPath: what the agent needs of a fast path, whichever it is. `controlplane/` calls it; dataplane/api/client.hpp
// implements it over a socket for the DPDK process, ebpf/ in process, and tests with a fake. Calls return at once;
// answers come on the agent's event loop, in the order of the calls.
#pragma once

#include <functional>

#include "dataplane/api/fastpath.pb.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

template <class T>
using Done = std::function<void(Result<T>)>;

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
};

} // namespace weft::fastpath
