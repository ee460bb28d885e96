// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/digest.hpp"

#include <array>

#include <openssl/sha.h>

namespace weft::policy {

std::uint64_t digest(std::string_view text) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> bytes{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), bytes.data());
    std::uint64_t first = 0;
    for (std::size_t i = 0; i < sizeof(first); ++i)
        first = first << 8 | bytes[i];
    return first;
}

} // namespace weft::policy
