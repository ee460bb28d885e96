// SPDX-License-Identifier: BSD-3-Clause
// What a change of policies would change: which peers of a local endpoint would gain or lose which ports. Compares
// the lists that are compiled for two sets of policies; pure.
#pragma once

#include "controlplane/policy/judge.hpp"

namespace weft::policy {

/// A span of ports whose verdict changes.
struct ChangedSpan {
    PortSpan span;
    bool allowed = false;    ///< afterwards
    std::string rule_before; ///< empty: none decides
    std::string rule_after;

    friend bool operator==(const ChangedSpan&, const ChangedSpan&) = default;
};

/// Ascending, as long as can be.
[[nodiscard]] std::vector<ChangedSpan> changed_spans(Judge& before, Judge& after, Side side,
                                                     const HashedLabels& local, const Identity& peer);

/// "tcp 80-443", "udp", "icmp and others": what of the span there is to say; "everything" for all of it.
[[nodiscard]] std::vector<std::string> port_texts(PortSpan span);

} // namespace weft::policy
