// SPDX-License-Identifier: BSD-3-Clause
// How full the fast path's tables are, as `status` and `counters` show it.
#pragma once

#include <string>

#include <google/protobuf/repeated_field.h>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

/// An empty line and a table, or nothing if there are no gauges. Nearly full tables stand out.
[[nodiscard]] std::string gauges_table(const google::protobuf::RepeatedPtrField<v1::Gauge>& gauges, Style style);

} // namespace weft::ctl
