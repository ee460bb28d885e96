// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/trace.hpp"

#include <cstring>

namespace weft::dataplane {

Trace::Trace(std::uint64_t number, const Settings& settings, unsigned workers) :
    number_(number),
    settings_(settings),
    ring_bytes_(fastpath::trace_ring_bytes(settings.snap_length)),
    tokens_(settings.events_per_s),
    budget_(settings.events_per_s) {
    for (unsigned worker = 0; worker < workers; ++worker)
        rings_.push_back(std::make_unique<Ring>(ring_bytes_));
}

void Trace::put(unsigned worker, std::span<const std::uint8_t> record) {
    Ring& ring = *rings_[worker];
    const bool granted = !budget_.limited() || tokens_.fetch_sub(1, std::memory_order_relaxed) > 0;
    // All or nothing, and visible at once: the reader never sees half a record.
    if (granted && ring.queue.write_available() >= record.size())
        ring.queue.push(record.data(), record.size());
    else
        ring.lost.add(1);
}

bool Trace::take(fastpath::TraceEvents& events, std::int64_t offset_ns) {
    events.set_trace(number_);
    std::size_t bytes = 0;
    for (const auto& ring : rings_) {
        while (ring->queue.read_available() > 0) {
            if (events.events_size() >= fastpath::trace_message_events || bytes >= fastpath::trace_message_bytes)
                return true;
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
