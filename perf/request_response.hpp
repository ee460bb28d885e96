// SPDX-License-Identifier: BSD-3-Clause
// One byte there and one byte back over one TCP connection, the next only after the last: transactions per second and
// how long each takes (netperf's TCP_RR). Called by netload.
#pragma once

#include <cstdint>
#include <string>

namespace weft::bench {

struct Transactions {
    std::uint64_t count = 0;
    double seconds = 0;
    double p50_us = 0;
    double p99_us = 0;
    double max_us = 0;
};

/// Answers each byte with itself, one connection after the other, for ever. Prints `ready` when connections may come.
[[noreturn]] void answer_requests(const std::string& address, const std::string& port);

/// Throws if no answer comes, or a wrong one.
Transactions ask_requests(const std::string& address, const std::string& port, double seconds);

} // namespace weft::bench
