// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/traces.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace weft::ebpf {

Traces::~Traces() {
    if (traced_) end();
}

std::uint32_t Traces::free_slot() const {
    std::uint32_t slot = 0;
    while (std::ranges::any_of(traces_, [&](const Running& each) { return each.slot == slot; }))
        ++slot;
    return slot;
}

void Traces::end() {
    // A hook that keeps a tracing program pays for it, and forwards all the same.
    if (auto served = ports_.serve_by(programs_); !served)
        spdlog::error("the end of the last trace: {}", served.error().message);
    traced_.reset();
}

void Traces::start(const fastpath::TraceRequest& request, fastpath::TraceSink sink, const Started& started) {
    if (auto room = fastpath::check_trace_room(traces_.size() + waiting_.size()); !room)
        return started(std::unexpected(std::move(room).error()));
    auto settings = fastpath::to_settings(request);
    if (!settings) return started(std::unexpected(std::move(settings).error()));
    auto ring = TraceRing::make(fastpath::trace_ring_bytes(settings->snap_length));
    if (!ring) return started(std::unexpected(std::move(ring).error()));
    Waiting trace{*settings, *std::move(ring), std::make_shared<fastpath::TraceSink>(std::move(sink)), started};
    if (traced_) return started(begin(trace));
    waiting_.push_back(std::move(trace));
    if (waiting_.size() == 1) loader_.load([this](auto loaded) { begin_all(std::move(loaded)); });
}

void Traces::begin_all(Result<TracedPrograms> loaded) {
    Result<void> served;
    if (loaded) {
        traced_ = std::move(*loaded);
        served = ports_.serve_by(traced_->programs());
    } else {
        served = std::unexpected(std::move(loaded).error());
    }
    for (Waiting& trace : std::exchange(waiting_, {}))
        trace.started(served ? begin(trace) : std::unexpected(served.error()));
    if (traced_ && traces_.empty()) end();
}

Result<std::uint64_t> Traces::begin(Waiting& trace) {
    const std::uint32_t slot = free_slot();
    if (auto begun = traced_->begin(slot, last_number_ + 1, trace.settings, trace.ring); !begun)
        return std::unexpected(std::move(begun).error());
    traces_.push_back({++last_number_, slot, std::move(trace.ring),
                       fastpath::TraceBudget(trace.settings.events_per_s), std::move(trace.sink)});
    spdlog::info("trace {} begins", last_number_);
    return last_number_;
}

Result<void> Traces::stop(std::uint64_t number) {
    const auto found = std::ranges::find(traces_, number, &Running::number);
    if (found == traces_.end()) return fail(ErrorCode::not_found, fmt::format("no trace has the number {}", number));
    traced_->end(found->slot);
    carry(*found, std::numeric_limits<std::size_t>::max()); // no more than the ring holds
    spdlog::info("trace {} ends, {} lost", number, found->lost_told);
    traces_.erase(found);
    if (traces_.empty()) end();
    return {};
}

void Traces::pump() {
    for (Running& running : traces_) {
        running.budget.refill(traced_->tokens(running.slot));
        carry(running, fastpath::trace_unread_max);
    }
}

void Traces::carry(Running& running, std::size_t unread_max) {
    offset_ns_ = fastpath::unix_offset_ns(offset_ns_);
    for (bool more = true; more && *unread_ < unread_max;) {
        fastpath::TraceEvents events;
        events.set_trace(running.number);
        std::size_t bytes = 0;
        more = running.ring.take([&](std::span<const std::uint8_t> record) {
            static_cast<void>(fastpath::append_event(events, record, offset_ns_)); // whole: so it was put in
            bytes += record.size();
            return events.events_size() < fastpath::trace_message_events && bytes < fastpath::trace_message_bytes;
        });
        events.set_lost(traced_->lost(running.slot));
        if (events.events().empty() && events.lost() == running.lost_told) return;
        running.lost_told = events.lost();
        *unread_ += bytes;
        boost::asio::post(loop_,
                          [sink = running.sink, unread = unread_, bytes, events = std::move(events)]() mutable {
                              *unread -= bytes;
                              (*sink)(std::move(events));
                          });
    }
}

fastpath::Gauge Traces::gauge() const {
    fastpath::Gauge gauge;
    gauge.set_name("trace");
    gauge.set_used(traces_.size());
    gauge.set_capacity(WEFT_TRACES_MAX);
    for (const Running& each : traces_)
        gauge.set_bytes(gauge.bytes() + each.ring.bytes());
    return gauge;
}

} // namespace weft::ebpf
