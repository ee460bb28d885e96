// SPDX-License-Identifier: BSD-3-Clause
// As many of the smallest UDP frames as go: 18 bytes of payload make a frame of 64 with its checksum. One side sends
// without looking back, the other counts what arrives and looks at every byte of it. Called by netload.
#pragma once

#include <cstdint>
#include <string>

namespace weft::bench {

struct Sent {
    std::uint64_t count = 0;
    double seconds = 0;
};

struct Received {
    std::uint64_t count = 0;
    std::uint64_t damaged = 0; ///< of the wrong length or content; not in count
    double seconds = 0;        ///< between the first and the last one
};

/// Sends for that long, in bursts.
Sent send_datagrams(const std::string& address, const std::string& port, double seconds);

/// Prints `ready` when datagrams may come; ends when standard input has ended and what was on its way is read.
Received receive_datagrams(const std::string& address, const std::string& port);

} // namespace weft::bench
