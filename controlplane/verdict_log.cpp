// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/verdict_log.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "controlplane/api/verdict_line.hpp"

namespace weft::agent {

namespace {

constexpr std::chrono::seconds between_lost_lines{1};

} // namespace

void VerdictLog::take(const v1::TraceReply& reply) {
    std::string lines;
    std::uint64_t verdicts = 0;
    for (const v1::TraceEvent& event : reply.events()) {
        if (event.part() != 0) continue;
        lines += v1::verdict_line(event);
        ++verdicts;
    }
    append(lines, verdicts);
    if (reply.lost() > lost_of_trace_) lost_ += reply.lost() - std::exchange(lost_of_trace_, reply.lost());
    tell_lost();
}

void VerdictLog::look() {
    static_cast<void>(note(misplaced_, file_.follow()));
    tell_lost();
}

void VerdictLog::tell_lost() {
    const auto now = Clock::now();
    if (lost_ == 0 || now - lost_told_at_ < between_lost_lines) return;
    if (!note(unwritten_, file_.append(v1::lost_line(std::chrono::system_clock::now(), lost_)))) return;
    lost_told_at_ = now;
    lost_ = 0;
}

void VerdictLog::append(const std::string& lines, std::uint64_t verdicts) {
    if (verdicts != 0 && !note(unwritten_, file_.append(lines))) lost_ += verdicts;
}

bool VerdictLog::note(std::string& trouble, const Result<void>& done) {
    // Once, however long it lasts.
    if (!done && trouble.empty()) spdlog::warn("verdict log: {}", done.error().message);
    if (done && !trouble.empty()) spdlog::info("verdict log: {} is well again", file_.path());
    trouble = done ? std::string() : done.error().message;
    return done.has_value();
}

} // namespace weft::agent
