// SPDX-License-Identifier: BSD-3-Clause
// Explain over this process's tables: dataplane/api/explain.hpp.
#pragma once

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

[[nodiscard]] Result<fastpath::ExplainReply> explain(const Tables& tables, const fastpath::ExplainRequest& request);

} // namespace weft::dataplane
