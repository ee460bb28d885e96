// SPDX-License-Identifier: BSD-3-Clause
// VerdictLog: what policy decides on this host, a line for each decision, in a file. What the fast path had to leave
// out and what the file did not take is counted, and told once a second. A file that takes nothing ends nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "controlplane/api/weft.pb.h"
#include "controlplane/log_file.hpp"

namespace weft::agent {

class VerdictLog {
  public:
    explicit VerdictLog(LogFile file) : file_(std::move(file)) {}

    /// A trace begins, with nothing lost yet.
    void trace_began() { lost_of_trace_ = 0; }

    /// What the trace tells.
    void take(const v1::TraceReply& reply);
    /// To be called every few seconds: what is due is told, and the file is followed.
    void look();

    /// Why lines are lost, or not where they should be; empty: they are.
    [[nodiscard]] const std::string& trouble() const { return unwritten_.empty() ? misplaced_ : unwritten_; }

  private:
    using Clock = std::chrono::steady_clock;

    void tell_lost();
    /// `verdicts` of them have a line in it.
    void append(const std::string& lines, std::uint64_t verdicts);
    /// Did it go well? What did not is said when it begins and when it ends.
    bool note(std::string& trouble, const Result<void>& done);

    LogFile file_;
    std::uint64_t lost_of_trace_ = 0;
    std::uint64_t lost_ = 0; ///< since that was last told
    Clock::time_point lost_told_at_;
    std::string unwritten_;
    std::string misplaced_; ///< the file was moved away, and none can be made in its place
};

} // namespace weft::agent
