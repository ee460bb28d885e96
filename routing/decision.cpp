// SPDX-License-Identifier: BSD-3-Clause
#include "routing/decision.hpp"

namespace weft::bgp {

namespace {

constexpr std::uint32_t default_local_pref = 100;

/// Less is better.
template <class T>
Comparison::Winner less(const T& first, const T& second) {
    return first == second  ? Comparison::Winner::neither
           : first < second ? Comparison::Winner::first
                            : Comparison::Winner::second;
}

} // namespace

Comparison compare(const Candidate& first, const Candidate& second) {
    const auto& a = *first.path.attributes;
    const auto& b = *second.path.attributes;
    Comparison result;
    const auto step = [&result](Comparison::Winner winner, std::string_view why) {
        if (winner == Comparison::Winner::neither) return false;
        result.winner = winner;
        result.why = why;
        return true;
    };
    if (step(less(!first.path.local, !second.path.local), "it is our own")) return result;
    if (step(less(first.stale, second.stale), "the other is stale"))
        return result; // RFC 9494's spirit: a live route first
    if (step(less(b.local_pref.value_or(default_local_pref), a.local_pref.value_or(default_local_pref)),
             "the higher local preference"))
        return result;
    if (step(less(a.as_path.length(), b.as_path.length()), "the shorter AS path")) return result;
    if (step(less(a.origin, b.origin), "the better origin")) return result;
    if (a.as_path.first() == b.as_path.first() && step(less(a.med.value_or(0), b.med.value_or(0)), "the lower MED"))
        return result;
    if (step(less(first.internal, second.internal), "learned by eBGP")) return result;
    result.equal_cost = true;
    if (step(less(a.originator_id.value_or(first.peer_router_id), b.originator_id.value_or(second.peer_router_id)),
             "the lower originator or router id"))
        return result;
    if (step(less(a.cluster_list.size(), b.cluster_list.size()), "the shorter cluster list")) return result;
    if (step(less(first.peer, second.peer), "the lower peer address")) return result;
    step(less(first.nlri, second.nlri), "the lower route distinguisher");
    return result;
}

} // namespace weft::bgp
