// SPDX-License-Identifier: BSD-3-Clause
// What `weft explain` and `weft policy explain` have in common: which connection is meant.
#pragma once

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/arguments.hpp"

namespace weft::ctl {

/// SRC, DST, PROTO, PORT; --network.
[[nodiscard]] std::vector<Operand> explain_operands();
[[nodiscard]] std::vector<Option> explain_options();

[[nodiscard]] Outcome<v1::ExplainRequest> explain_request(const Arguments& arguments);

/// "web-1 to db, tcp port 5432"
[[nodiscard]] std::string title_of(const v1::ExplainRequest& request);

} // namespace weft::ctl
