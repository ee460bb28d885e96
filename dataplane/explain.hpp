// SPDX-License-Identifier: BSD-3-Clause
// Explain: what the pipeline would do with a packet, told step by step. It asks the tables through the same functions
// as packets do; it opens no session and counts nothing.
#pragma once

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

[[nodiscard]] Result<fastpath::ExplainReply> explain(const Tables& tables, const fastpath::ExplainRequest& request);

} // namespace weft::dataplane
