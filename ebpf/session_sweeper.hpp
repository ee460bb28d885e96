// SPDX-License-Identifier: BSD-3-Clause
// SessionSweeper: deletes sessions that are over from the map that programs keep them in, a slice at a time, so that
// whoever calls it is soon back. It counts the sessions on its way: the kernel does not tell how many there are. So
// the accounts' books are held against what it sees.
#pragma once

#include <vector>

#include "ebpf/layout.h"
#include "ebpf/map.hpp"
#include "ebpf/session_accounts.hpp"

namespace weft::ebpf {

class SessionSweeper {
  public:
    /// Both must outlive it.
    SessionSweeper(const Map& sessions, SessionAccounts& accounts) :
        sessions_(sessions), accounts_(accounts), cursor_(slice) {}

    /// Looks at the next sessions, and deletes those that were silent for too long at `now_s`. Returns true when it
    /// came to the end of the map; the next call begins again.
    [[nodiscard]] Result<bool> sweep(std::uint32_t now_s);

    /// Sessions there were when it last came to the end.
    [[nodiscard]] std::size_t size() const { return size_; }

    /// Now, on the clock of the programs: bpf_ktime_get_coarse_ns().
    [[nodiscard]] static std::uint32_t clock_s();

    /// Sessions of one call. If all of them are over, it takes up to 2 ms.
    static constexpr std::size_t slice = 1024;

  private:
    const Map& sessions_;
    SessionAccounts& accounts_;
    Map::Cursor cursor_;
    std::vector<weft_session_key> over_;
    std::size_t seen_ = 0; ///< since the beginning of the map
    std::size_t size_ = 0;
};

} // namespace weft::ebpf
