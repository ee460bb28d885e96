// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rule_hits.hpp"

#include <algorithm>
#include <utility>

namespace weft::dataplane {

namespace {

/// 32 KiB, which a worker that knows few rules does not fill.
constexpr std::size_t first_capacity = 1024;

} // namespace

weft_rule_hits* RuleCounts::find(std::uint32_t rule) {
    // The agent counts its rules on, so that neighbours have neighbouring places.
    const std::size_t mask = entries_.size() - 1;
    for (std::size_t at = rule & mask;; at = (at + 1) & mask) {
        Entry& entry = entries_[at];
        if (entry.rule == rule) return &entry.hits;
        if (entry.rule != 0) continue;
        const std::size_t used = used_.load(std::memory_order_relaxed);
        if (used + 1 == entries_.size()) return nullptr; // a search ends at a free place
        used_.store(used + 1, std::memory_order_relaxed);
        entry.rule = rule;
        return &entry.hits;
    }
}

void RuleCounts::clear() {
    std::ranges::fill(entries_, Entry{});
    used_.store(0, std::memory_order_relaxed);
}

RuleHits::RuleHits(Quiescence& quiescence, unsigned workers) : quiescence_(quiescence) {
    for (unsigned worker = 0; worker < workers; ++worker) {
        sides_.push_back(std::make_unique<WorkerHits>());
        counting_.push_back(std::make_unique<RuleCounts>(first_capacity));
        spare_.push_back(std::make_unique<RuleCounts>(first_capacity));
        sides_.back()->counts_.store(counting_.back().get(), std::memory_order_release);
    }
}

void RuleHits::collect() {
    for (std::size_t worker = 0; worker < sides_.size(); ++worker) {
        std::swap(counting_[worker], spare_[worker]);
        sides_[worker]->counts_.store(counting_[worker].get(), std::memory_order_release);
    }
    quiescence_.wait();
    for (const auto& counts : spare_) {
        counts->for_each([&](std::uint32_t rule, const weft_rule_hits& hits) {
            weft_rule_hits& total = totals_[rule];
            total.connections += hits.connections;
            total.denied += hits.denied;
            total.audited += hits.audited;
        });
        counts->clear();
    }
}

void RuleHits::make_room() {
    bool any = false;
    for (std::size_t worker = 0; worker < sides_.size(); ++worker) {
        if (!counting_[worker]->is_half_full()) continue;
        spare_[worker] = std::make_unique<RuleCounts>(2 * counting_[worker]->capacity());
        any = true;
    }
    if (any) collect();
}

void RuleHits::reset(std::span<const std::uint32_t> rules) {
    if (rules.empty()) return;
    collect();
    for (const std::uint32_t rule : rules)
        totals_.erase(rule);
}

void RuleHits::tell(fastpath::RuleHitsReply& reply) {
    collect();
    for (const auto& [rule, hits] : totals_) {
        auto& told = *reply.add_rules();
        told.set_rule(rule);
        told.set_connections(hits.connections);
        told.set_denied(hits.denied);
        told.set_audited(hits.audited);
    }
}

} // namespace weft::dataplane
