// SPDX-License-Identifier: BSD-3-Clause
// RuleHits: what the rules of policy came to (pipeline/hits.h). Each worker counts into a small table of its own. The
// control thread gives it an empty one when it wants to know, waits until nobody counts into the old one any more,
// and adds that up; so workers share nothing, and what they touch stays small however many rules there were.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/policy.h"
#include "dataplane/quiescence.hpp"

namespace weft::dataplane {

/// One worker's counts since they were last collected.
class RuleCounts {
  public:
    /// A power of two.
    explicit RuleCounts(std::size_t capacity) : entries_(capacity) {}

    /// Null: there is no room for another rule.
    [[nodiscard]] weft_rule_hits* find(std::uint32_t rule);

    [[nodiscard]] std::size_t capacity() const { return entries_.size(); }

    /// From any thread.
    [[nodiscard]] bool is_half_full() const { return used_.load(std::memory_order_relaxed) > entries_.size() / 2; }

    template <class Visit>
    void for_each(Visit visit) const {
        for (const Entry& each : entries_)
            if (each.rule != 0) visit(each.rule, each.hits);
    }

    void clear();

  private:
    struct Entry {
        std::uint32_t rule = 0; ///< 0: none
        weft_rule_hits hits{};
    };

    std::vector<Entry> entries_;
    std::atomic<std::size_t> used_ = 0;
};

/// One worker's side.
class alignas(64) WorkerHits {
  public:
    /// Good until the worker is quiescent.
    [[nodiscard]] weft_rule_hits* find(std::uint32_t rule) {
        return counts_.load(std::memory_order_acquire)->find(rule);
    }

    /// What was decided last.
    struct Note {
        std::uint32_t decided = 0; ///< enum weft_decided; 0: nothing since take_note()
        std::uint32_t audited_rule = 0;
    };

    void note(Note last) { note_ = last; }

    [[nodiscard]] bool noted() const { return note_.decided != 0; }

    [[nodiscard]] Note take_note() { return std::exchange(note_, {}); }

  private:
    friend class RuleHits;

    std::atomic<RuleCounts*> counts_ = nullptr;
    Note note_;
};

class RuleHits {
  public:
    RuleHits(Quiescence& quiescence, unsigned workers);

    [[nodiscard]] WorkerHits& of_worker(unsigned worker) { return *sides_[worker]; }

    // --- the control thread's side ---

    /// To be called every few milliseconds: collects what is about to fill a table, and gives that one more room.
    void make_room();
    /// These numbers come to mean other rules, or none.
    void reset(std::span<const std::uint32_t> rules);
    /// Of all rules that have any.
    void tell(fastpath::RuleHitsReply& reply);

  private:
    void collect();

    Quiescence& quiescence_;
    std::vector<std::unique_ptr<WorkerHits>> sides_;
    std::vector<std::unique_ptr<RuleCounts>> counting_; ///< by worker, which counts there
    std::vector<std::unique_ptr<RuleCounts>> spare_;    ///< empty
    std::unordered_map<std::uint32_t, weft_rule_hits> totals_;
};

} // namespace weft::dataplane
