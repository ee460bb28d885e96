// SPDX-License-Identifier: BSD-3-Clause
// Damages frames, and makes lengths and checksums right again, so that what lies behind the damage is reached too.
#pragma once

#include "tests/pipeline/random.hpp"

namespace weft::cases {

/// The longest frame that comes of a mutation: it lies in one buffer of the DPDK fast path.
inline constexpr std::size_t mutated_max = 2000;

/// Flips bits, overwrites, cuts, extends, and splices with `other`, a few times; the Ethernet header stays whole.
void mutate(Bytes& frame, const Bytes& other, Random& random);

/// Makes the checksum of the IPv4 header right that follows the Ethernet header at `ethernet`, if one is there; says
/// where the payload of UDP begins, 0: nowhere.
std::size_t repair_checksum(Bytes& frame, std::size_t ethernet);

/// Makes IP's and UDP's lengths those of the frame, if the headers are there; says the same.
std::size_t repair_lengths(Bytes& frame, std::size_t ethernet);

} // namespace weft::cases
