// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/verdict_number.hpp"

#include <string>

#include "controlplane/policy/digest.hpp"

namespace weft::policy {

std::uint64_t verdict_number(const fastpath::VerdictList& list) {
    std::string content;
    content.reserve(static_cast<std::size_t>(list.ranges_size()) * 16);
    for (const auto& range : list.ranges())
        for (const std::uint32_t word :
             {range.first(), static_cast<std::uint32_t>(range.verdict()), range.rule(), range.audited_rule()})
            for (int shift = 24; shift >= 0; shift -= 8)
                content.push_back(static_cast<char>(word >> shift));
    const std::uint64_t number = digest(content);
    return number != 0 ? number : 1;
}

} // namespace weft::policy
