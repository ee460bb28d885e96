// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/verdict_number.hpp"

#include <array>
#include <vector>

#include <openssl/sha.h>

namespace weft::policy {

std::uint64_t verdict_number(const fastpath::VerdictList& list) {
    std::vector<unsigned char> content;
    content.reserve(static_cast<std::size_t>(list.ranges_size()) * 16);
    for (const auto& range : list.ranges())
        for (const std::uint32_t word :
             {range.first(), static_cast<std::uint32_t>(range.verdict()), range.rule(), range.audited_rule()})
            for (int shift = 24; shift >= 0; shift -= 8)
                content.push_back(static_cast<unsigned char>(word >> shift));
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
    SHA256(content.data(), content.size(), digest.data());
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < sizeof(number); ++i)
        number = number << 8 | digest[i];
    return number != 0 ? number : 1;
}

} // namespace weft::policy
