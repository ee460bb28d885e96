// SPDX-License-Identifier: BSD-3-Clause
// VerdictMap: what has been decided for each protocol and destination port, while rules are asked one after the
// other: the first that matches stays. A piecewise-constant function over protocol << 16 | port.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "controlplane/policy/policy_model.hpp"
#include "dataplane/api/fastpath.pb.h"

namespace weft::policy {

/// `first` to `last` of protocol << 16 | port.
struct PortSpan {
    std::uint32_t first = 0;
    std::uint32_t last = 0;

    friend auto operator<=>(const PortSpan&, const PortSpan&) = default;
};

inline constexpr PortSpan all_ports{0, (1U << 24) - 1};

[[nodiscard]] constexpr std::uint32_t port_point(std::uint8_t protocol, std::uint16_t port) {
    return std::uint32_t{protocol} << 16 | port;
}

class VerdictMap {
  public:
    /// Decides for the part of the span for which nothing is decided yet. Pass is a decision too, until
    /// begin_tier().
    void paint(PortSpan span, Action action, std::uint32_t rule);
    /// What rules so far have passed on is to be decided again.
    void begin_tier();

    /// Nothing is left to be decided.
    [[nodiscard]] bool complete() const { return open_ == 0; }

    enum class State : std::uint8_t { open, passed, allowed, denied };

    /// From `first` to the next piece's.
    struct Piece {
        std::uint32_t first = 0;
        std::uint32_t rule = 0; ///< of what is open or passed 0
        State state = State::open;
    };

    /// Ascending, the first at 0. What is not denied passes.
    [[nodiscard]] std::span<const Piece> pieces() const { return pieces_; }

  private:
    [[nodiscard]] std::uint32_t end_of(std::size_t piece) const;

    std::vector<Piece> pieces_{{}};
    std::uint32_t open_ = all_ports.last + 1; ///< how many points
};

/// What `enforced` says and, where `audited` has another verdict, who says so there: its rule or, where that is none,
/// `audited_default`. As short as can be.
[[nodiscard]] fastpath::VerdictList to_verdict_list(const VerdictMap& enforced, const VerdictMap& audited,
                                                    std::uint32_t audited_default);

} // namespace weft::policy
