// SPDX-License-Identifier: BSD-3-Clause
// Explain: what the pipeline would do with a packet, told step by step, for both fast paths. It asks the tables, and
// decides by the function that packets meet; it opens no session and counts nothing.
#pragma once

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/table_reader.hpp"

namespace weft::fastpath {

/// What the policy of an identity of this host says of packets between it and the peer; `protocol_port` as in
/// weft_verdict_range.
[[nodiscard]] Result<weft_policy_value> ask_policy(const TableReader& tables, weft_direction direction,
                                                   std::uint32_t local, std::uint32_t peer,
                                                   std::uint32_t protocol_port);

[[nodiscard]] Result<ExplainReply> explain(const TableReader& tables, const ExplainRequest& request);

} // namespace weft::fastpath
