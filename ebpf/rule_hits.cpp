// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/rule_hits.hpp"

#include <cstring>

#include "dataplane/pipeline/policy.h"

namespace weft::ebpf {

Result<fastpath::RuleHitsReply> RuleHits::read() const {
    fastpath::RuleHitsReply reply;
    const std::size_t cpus = hits_.value_room() / sizeof(weft_rule_hits);
    auto walked = hits_.for_each([&](const void* key, const void* values) {
        auto& told = *reply.add_rules();
        std::uint32_t rule = 0;
        std::memcpy(&rule, key, sizeof rule);
        told.set_rule(rule);
        for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
            weft_rule_hits hits;
            std::memcpy(&hits, static_cast<const std::uint8_t*>(values) + cpu * sizeof hits, sizeof hits);
            told.set_connections(told.connections() + hits.connections);
            told.set_denied(told.denied() + hits.denied);
            told.set_audited(told.audited() + hits.audited);
        }
    });
    if (!walked) return std::unexpected(std::move(walked).error());
    return reply;
}

Result<void> RuleHits::reset(std::span<const std::uint32_t> rules) const {
    for (const std::uint32_t rule : rules)
        if (auto erased = hits_.erase(&rule); !erased) return std::unexpected(std::move(erased).error());
    return {};
}

} // namespace weft::ebpf
