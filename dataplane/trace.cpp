// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/trace.hpp"

#include <cstring>

#include "dataplane/api/trace_wire.hpp"

namespace weft::dataplane {

namespace {

constexpr std::size_t ring_bytes_for_events = 1U << 20;
constexpr std::size_t ring_bytes_for_frames = 4U << 20;
// One reply: little enough that an answer behind it need not wait.
constexpr int reply_events = 256;
constexpr std::size_t reply_bytes = 1U << 20;

} // namespace

Trace::Trace(std::uint64_t number, const Settings& settings, unsigned workers) :
    number_(number),
    settings_(settings),
    ring_bytes_(settings.snap_length == 0 ? ring_bytes_for_events : ring_bytes_for_frames),
    tokens_(settings.events_per_s) {
    for (unsigned worker = 0; worker < workers; ++worker)
        rings_.push_back(std::make_unique<Ring>(ring_bytes_));
}

void Trace::put(unsigned worker, std::span<const std::uint8_t> record) {
    Ring& ring = *rings_[worker];
    const bool granted = settings_.events_per_s == 0 || tokens_.fetch_sub(1, std::memory_order_relaxed) > 0;
    // All or nothing, and visible at once: the reader never sees half a record.
    if (granted && ring.queue.write_available() >= record.size())
        ring.queue.push(record.data(), record.size());
    else
        ring.lost.add(1);
}

void Trace::refill() {
    if (settings_.events_per_s == 0) return;
    const auto now = Clock::now();
    const double elapsed_s = std::chrono::duration<double>(now - refilled_).count();
    const auto granted = static_cast<std::int64_t>(elapsed_s * settings_.events_per_s);
    if (granted == 0) return; // the fraction counts next time
    refilled_ = now;
    // At most a second's worth is saved up, and nothing is owed for what was refused.
    const std::int64_t left = std::max<std::int64_t>(tokens_.load(std::memory_order_relaxed), 0);
    tokens_.store(std::min<std::int64_t>(left + granted, settings_.events_per_s), std::memory_order_relaxed);
}

bool Trace::take(fastpath::TraceEvents& events, std::int64_t offset_ns) {
    events.set_trace(number_);
    std::size_t bytes = 0;
    for (const auto& ring : rings_) {
        while (ring->queue.read_available() > 0) {
            if (events.events_size() >= reply_events || bytes >= reply_bytes) return true;
            weft_trace_event event;
            record_.resize(sizeof event);
            ring->queue.pop(record_.data(), sizeof event);
            std::memcpy(&event, record_.data(), sizeof event);
            const std::size_t frames = std::size_t{event.snapshot_in} + event.snapshot_out;
            record_.resize(sizeof event + frames);
            ring->queue.pop(record_.data() + sizeof event, frames);
            static_cast<void>(fastpath::append_event(events, record_, offset_ns)); // whole: so it was put in
            bytes += record_.size();
        }
    }
    return false;
}

std::uint64_t Trace::lost() const {
    std::uint64_t sum = 0;
    for (const auto& ring : rings_)
        sum += ring->lost.get();
    return sum;
}

} // namespace weft::dataplane
