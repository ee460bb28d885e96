// SPDX-License-Identifier: BSD-3-Clause
// JSON for programs: the messages of weft.v1 under their own field names, so that what docs/cli.md promises is what
// the API says. Fields appear in the order of weft.proto, always all of them.
#pragma once

#include <nlohmann/json.hpp>

#include <google/protobuf/message.h>

namespace weft::ctl {

using Json = nlohmann::ordered_json;

/// A field X with a companion has_X is null when that says no; the companion itself does not appear. A message that
/// is not set is null. Bytes are hexadecimal digits.
[[nodiscard]] Json to_json(const google::protobuf::Message& message);

/// Indented text with a line end; bytes that are not UTF-8 are replaced, never an exception.
[[nodiscard]] std::string pretty(const Json& json);

/// One line with its line end, for streams.
[[nodiscard]] std::string one_line(const Json& json);

} // namespace weft::ctl
