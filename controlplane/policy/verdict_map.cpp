// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/verdict_map.hpp"

#include <algorithm>

#include "controlplane/policy/verdict_number.hpp"

namespace weft::policy {

namespace {

VerdictMap::State state_of(Action action) {
    switch (action) {
    case Action::allow:
        return VerdictMap::State::allowed;
    case Action::deny:
        return VerdictMap::State::denied;
    case Action::pass:
        break;
    }
    return VerdictMap::State::passed;
}

bool denies(const VerdictMap::Piece& piece) { return piece.state == VerdictMap::State::denied; }

} // namespace

std::uint32_t VerdictMap::end_of(std::size_t piece) const {
    return piece + 1 < pieces_.size() ? pieces_[piece + 1].first : all_ports.last + 1;
}

void VerdictMap::paint(PortSpan span, Action action, std::uint32_t rule) {
    if (complete()) return;
    const State state = state_of(action);
    const auto behind = std::ranges::upper_bound(pieces_, span.first, {}, &Piece::first);
    for (auto i = static_cast<std::size_t>(behind - pieces_.begin()) - 1;
         i < pieces_.size() && pieces_[i].first <= span.last; ++i) {
        if (pieces_[i].state != State::open) continue;
        const std::uint32_t begin = std::max(pieces_[i].first, span.first);
        const std::uint32_t end = std::min(end_of(i), span.last + 1);
        const auto split = [&](std::uint32_t at) {
            pieces_.insert(pieces_.begin() + static_cast<std::ptrdiff_t>(i) + 1, Piece{.first = at});
        };
        if (end < end_of(i)) split(end);
        if (begin > pieces_[i].first) {
            split(begin);
            ++i;
        }
        pieces_[i].state = state;
        pieces_[i].rule = state == State::passed ? 0 : rule;
        open_ -= end - begin;
    }
}

void VerdictMap::begin_tier() {
    std::vector<Piece> joined;
    open_ = 0;
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
        Piece piece = pieces_[i];
        if (piece.state == State::passed) piece.state = State::open;
        if (piece.state == State::open) open_ += end_of(i) - piece.first;
        const bool same = !joined.empty() && joined.back().state == piece.state && joined.back().rule == piece.rule;
        if (!same) joined.push_back(piece);
    }
    pieces_ = std::move(joined);
}

fastpath::VerdictList to_verdict_list(const VerdictMap& enforced, const VerdictMap& audited,
                                      std::uint32_t audited_default) {
    fastpath::VerdictList list;
    const auto is = enforced.pieces();
    const auto would_be = audited.pieces();
    for (std::size_t i = 0, j = 0;;) {
        fastpath::VerdictRange range;
        range.set_first(std::max(is[i].first, would_be[j].first));
        range.set_verdict(denies(is[i]) ? fastpath::VERDICT_DENY : fastpath::VERDICT_ALLOW);
        range.set_rule(is[i].rule);
        if (denies(is[i]) != denies(would_be[j]))
            range.set_audited_rule(would_be[j].rule != 0 ? would_be[j].rule : audited_default);
        const int size = list.ranges_size();
        const auto same = [&](const fastpath::VerdictRange& before) {
            return before.verdict() == range.verdict() && before.rule() == range.rule() &&
                   before.audited_rule() == range.audited_rule();
        };
        if (size == 0 || !same(list.ranges(size - 1))) *list.add_ranges() = range;
        // To the next border of either, or of both.
        const bool more = i + 1 < is.size();
        const bool more_would_be = j + 1 < would_be.size();
        if (!more && !more_would_be) break;
        const std::uint32_t next = more ? is[i + 1].first : all_ports.last + 1;
        const std::uint32_t next_would_be = more_would_be ? would_be[j + 1].first : all_ports.last + 1;
        if (next <= next_would_be) ++i;
        if (next_would_be <= next) ++j;
    }
    list.set_number(verdict_number(list));
    return list;
}

} // namespace weft::policy
