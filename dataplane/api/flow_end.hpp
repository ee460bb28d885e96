// SPDX-License-Identifier: BSD-3-Clause
// One end of what an operator looks for, packets or sessions: from its message to the struct that is compared with
// addresses.
#pragma once

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/trace.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

[[nodiscard]] Result<weft_trace_end> to_end(const FlowEnd& message);

} // namespace weft::fastpath
