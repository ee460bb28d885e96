// SPDX-License-Identifier: BSD-3-Clause
// What became of one packet, whichever fast path it went through, and how it differs from what was expected, told so
// that a reader finds the byte.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/pipeline/packet_case.hpp"

namespace weft::cases {

/// The frames that came out, with checksums completed and outer source ports zeroed, and the drops counted.
struct Outcome {
    std::vector<Sent> sent;
    std::map<weft_drop_reason, std::uint64_t> drops;
    std::vector<std::uint16_t> outer_source_ports;
};

inline constexpr std::size_t ethernet_size = 14;

[[nodiscard]] inline bool is_v4(const Bytes& frame) { return frame.at(12) == 8 && frame.at(13) == 0; }

[[nodiscard]] inline bool is_v6(const Bytes& frame) { return frame.at(12) == 0x86 && frame.at(13) == 0xdd; }

/// Of the frame's IP header; IPv6 without extension headers.
[[nodiscard]] inline std::size_t ip_size(const Bytes& frame) {
    return is_v4(frame) ? static_cast<std::size_t>(frame.at(14) & 15) * 4 : 40;
}

/// Adds a frame that came out of a port.
void add_sent(Outcome& outcome, Sent sent);

[[nodiscard]] const char* name_of(weft_drop_reason reason);
[[nodiscard]] std::string describe(const std::map<weft_drop_reason, std::uint64_t>& drops);
/// Sixteen bytes a line, with offsets, of the lines that differ.
[[nodiscard]] std::string compare(const Bytes& expected, const Bytes& got);

/// Fails the running test where the outcome is not what the step, dropped for `reason`, says.
void expect_outcome(const Step& step, weft_drop_reason reason, const Outcome& outcome);

/// Of all rules, by number.
[[nodiscard]] std::vector<Hits> to_hits(const fastpath::RuleHitsReply& reply);
/// Fails the running test where hits are not what the step says.
void expect_hits(const Step& step, const std::vector<Hits>& hits);

} // namespace weft::cases
