// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/trace_table.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace weft::dataplane {

Result<std::uint64_t> TraceTable::start(const fastpath::Request& request, const std::shared_ptr<Client>& client) {
    if (auto room = fastpath::check_trace_room(traces_.size()); !room)
        return std::unexpected(std::move(room).error());
    auto settings = fastpath::to_settings(request.trace());
    if (!settings) return std::unexpected(std::move(settings).error());
    traces_.push_back({std::make_unique<Trace>(++last_number_, *settings, workers_), client, request.id()});
    publish();
    spdlog::info("trace {} begins", last_number_);
    return last_number_;
}

Result<void> TraceTable::stop(std::uint64_t number, const std::shared_ptr<Client>& client) {
    const auto found =
        std::ranges::find_if(traces_, [&](const Running& each) { return each.trace->number() == number; });
    if (found == traces_.end() || found->client.lock() != client)
        return fail(ErrorCode::not_found, fmt::format("no trace has the number {}", number));
    Running stopped = std::move(*found);
    traces_.erase(found);
    publish();
    carry(stopped, *client, std::numeric_limits<std::size_t>::max()); // no more than the rings hold
    spdlog::info("trace {} ends, {} lost", number, stopped.trace->lost());
    return {};
}

void TraceTable::pump() {
    for (Running& running : traces_) {
        running.trace->refill();
        if (const auto client = running.client.lock()) carry(running, *client, fastpath::trace_unread_max);
    }
    const auto gone = [](const Running& each) { return each.client.expired(); };
    if (std::ranges::none_of(traces_, gone)) return;
    std::vector<Running> stopped;
    for (auto& each : traces_)
        if (gone(each)) stopped.push_back(std::move(each));
    std::erase_if(traces_, [](const Running& each) { return each.trace == nullptr; });
    publish();
    for (const Running& each : stopped)
        spdlog::info("trace {} ends with its client", each.trace->number());
}

void TraceTable::carry(Running& running, Client& client, std::size_t unread_max) {
    offset_ns_ = fastpath::unix_offset_ns(offset_ns_);
    for (bool more = true; more && client.unread() < unread_max;) {
        fastpath::Reply reply;
        reply.set_id(running.request);
        auto& events = *reply.mutable_trace_events();
        more = running.trace->take(events, offset_ns_);
        events.set_lost(running.trace->lost());
        if (events.events().empty() && events.lost() == running.lost_told) return;
        running.lost_told = events.lost();
        client.answer(reply);
    }
}

void TraceTable::publish() {
    std::unique_ptr<TraceSet> fresh;
    if (!traces_.empty()) {
        fresh = std::make_unique<TraceSet>();
        for (const Running& each : traces_)
            fresh->push_back(each.trace.get());
    }
    current_.store(fresh.get(), std::memory_order_release);
    quiescence_.wait();
    owner_ = std::move(fresh);
}

fastpath::Gauge TraceTable::gauge() const {
    fastpath::Gauge gauge;
    gauge.set_name("trace");
    gauge.set_used(traces_.size());
    gauge.set_capacity(WEFT_TRACES_MAX);
    for (const Running& each : traces_)
        gauge.set_bytes(gauge.bytes() + each.trace->bytes());
    return gauge;
}

} // namespace weft::dataplane
