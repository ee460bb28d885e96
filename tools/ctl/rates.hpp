// SPDX-License-Identifier: BSD-3-Clause
// Rates from two readings of the counters. Pure: the caller reads and measures the time between.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controlplane/api/weft.pb.h"

namespace weft::ctl {

struct DropRate {
    std::string reason;
    double packets_per_s = 0;
};

struct PortRates {
    std::uint32_t port = 0;
    std::string name;
    double rx_packets_per_s = 0;
    double rx_bits_per_s = 0;
    double tx_packets_per_s = 0;
    double tx_bits_per_s = 0;
    double dropped_per_s = 0;
    std::vector<DropRate> drops; ///< only those that happened between the readings
};

/// One for each port of `now`. A port that is new, or whose counters fell (the fast path was restarted), counts from
/// zero.
[[nodiscard]] std::vector<PortRates> rates_between(const v1::CountersReply& before, const v1::CountersReply& now,
                                                   double seconds);

} // namespace weft::ctl
