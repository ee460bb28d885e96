// SPDX-License-Identifier: BSD-3-Clause
// How full the fast path's tables are, as `status`, `counters` and `session count` show it.
#pragma once

#include <string>

#include <google/protobuf/repeated_field.h>

#include "controlplane/api/weft.pb.h"
#include "tools/ctl/table.hpp"

namespace weft::ctl {

/// "12 %"; what is nearly full stands out. Empty of what has no capacity, and so grows.
[[nodiscard]] Cell fullness(std::uint64_t used, std::uint64_t capacity);

/// An empty line and a table, or nothing if there are no gauges. Nearly full tables stand out.
[[nodiscard]] std::string gauges_table(const google::protobuf::RepeatedPtrField<v1::Gauge>& gauges, Style style);

} // namespace weft::ctl
