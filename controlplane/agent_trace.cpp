// SPDX-License-Identifier: BSD-3-Clause
// Traces: the fast path tells, this gives names to what it tells. Each client of the API has a trace of its own.
#include <chrono>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "controlplane/agent.hpp"
#include "controlplane/trace_view.hpp"

namespace weft::agent {

void Agent::trace(const v1::TraceRequest& request, TraceWatcher watcher, Done<std::uint64_t> done) {
    auto resolved = resolve_trace(request, config_.networks, endpoints_->all());
    if (!resolved) return done(std::unexpected(std::move(resolved).error()));
    const auto fast_path = provider_->running();
    if (!fast_path) return done(std::unexpected(fast_path.error()));
    // Names are gathered once a second, not for each of thousands of packets.
    using Clock = std::chrono::steady_clock;
    auto tell = [this, number = ++last_trace_, watcher = std::move(watcher), names = HostNames(),
                 stale_at = Clock::time_point()](Result<fastpath::TraceEvents> events) mutable {
        if (!events) {
            traces_.erase(number);
            return watcher(fail(events.error().code, "the trace ended: " + events.error().message));
        }
        if (const auto now = Clock::now(); now >= stale_at) {
            names = host_names();
            stale_at = now + std::chrono::seconds(1);
        }
        v1::TraceReply reply;
        for (const auto& event : events->events())
            *reply.add_events() = to_api(event, names);
        reply.set_lost(events->lost());
        watcher(std::move(reply));
    };
    (*fast_path)
        ->start_trace(*std::move(resolved), std::move(tell),
                      [this, number = last_trace_, done = std::move(done)](Result<std::uint64_t> started) {
                          if (!started) return done(std::unexpected(std::move(started).error()));
                          traces_[number] = *started;
                          done(number);
                      });
}

void Agent::untrace(std::uint64_t number, Done<void> done) {
    const auto node = traces_.extract(number);
    auto* const fast_path = provider_->fast_path();
    if (!node || fast_path == nullptr)
        return done(fail(ErrorCode::not_found, fmt::format("no trace has the number {}", number)));
    fast_path->stop_trace(node.mapped(), std::move(done));
}

void Agent::follow_verdicts() {
    if (!verdict_log_ || verdicts_followed_ || provider_->fast_path() == nullptr) return;
    verdicts_followed_ = true;
    v1::TraceRequest request;
    request.mutable_decisions()->Assign(config_.verdict_log.what.begin(), config_.verdict_log.what.end());
    request.set_events_per_s(config_.verdict_log.verdicts_per_s);
    verdict_log_->trace_began();
    trace(
        request,
        [this](const Result<v1::TraceReply>& reply) {
            if (reply)
                verdict_log_->take(*reply);
            else
                verdicts_followed_ = false; // with the fast path, which comes back
        },
        [this](const Result<std::uint64_t>& started) {
            if (!started && verdicts_unfollowed_ != started.error().message)
                spdlog::warn("verdict log: the fast path does not tell: {}", started.error().message);
            verdicts_unfollowed_ = started ? std::string() : started.error().message;
            verdicts_followed_ = started.has_value();
        });
}

} // namespace weft::agent
