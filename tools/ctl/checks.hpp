// SPDX-License-Identifier: BSD-3-Clause
// doctor's judgement: what each fast path needs, whether the host's facts satisfy it, and the remedy if not. Pure
// functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/ctl/host_facts.hpp"

namespace weft::ctl {

enum class Severity : std::uint8_t {
    fine,
    advice,  ///< works without; the remedy makes it faster, or possible in one more way
    missing, ///< the fast path cannot run
};

struct Check {
    std::string_view name;
    Severity severity = Severity::fine;
    std::string found;
    std::string remedy; ///< empty when fine
};

struct Diagnosis {
    std::string_view fast_path;
    std::vector<Check> checks;

    [[nodiscard]] bool can_run() const;
};

[[nodiscard]] Diagnosis diagnose_dpdk(const HostFacts& facts);
[[nodiscard]] Diagnosis diagnose_ebpf(const HostFacts& facts);

} // namespace weft::ctl
