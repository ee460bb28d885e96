// SPDX-License-Identifier: BSD-3-Clause
// NLRI on the wire, one route at a time; update.cpp loops over them.
#pragma once

#include "routing/net/bytes.hpp"
#include "routing/nlri.hpp"

namespace weft::bgp {

/// Reads one route of the family. An error says what is wrong; the reader is then of no use.
[[nodiscard]] Result<Nlri> decode_nlri(net::ByteReader& reader, AddressFamily family);
void encode_nlri(net::ByteWriter& writer, const Nlri& nlri);

} // namespace weft::bgp
