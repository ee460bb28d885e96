// SPDX-License-Identifier: BSD-3-Clause
// Explain: what the pipeline would do with a packet, told step by step, for both fast paths. It asks the tables, and
// decides by the function that packets meet; it opens no session and counts nothing.
#pragma once

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/table_reader.hpp"

namespace weft::fastpath {

[[nodiscard]] Result<ExplainReply> explain(const TableReader& tables, const ExplainRequest& request);

} // namespace weft::fastpath
