// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/trace_wire.hpp"

#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fmt/format.h>

#include "dataplane/api/flow_end.hpp"
#include "dataplane/api/table_wire.hpp"

namespace weft::fastpath {

namespace {

std::unexpected<Error> wrong(std::string message) { return fail(ErrorCode::invalid, "trace: " + std::move(message)); }

std::int64_t now_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void set_packet(TraceEvent& message, const weft_ip& ip) {
    message.set_source(to_bytes(ip.source));
    message.set_destination(to_bytes(ip.destination));
    message.set_protocol(ip.protocol);
    message.set_source_port(__builtin_bswap16(ip.source_port));
    message.set_destination_port(__builtin_bswap16(ip.destination_port));
    message.set_ttl(ip.ttl);
    message.set_tcp_flags(ip.tcp_flags);
    message.set_icmp_type(ip.icmp_type);
    message.set_icmp_code(ip.icmp_code);
    message.set_fragment(ip.fragment);
}

} // namespace

Result<weft_trace_filter> to_filter(const TraceFilter& message) {
    weft_trace_filter filter{};
    if (message.ends_size() > WEFT_TRACE_ENDS)
        return wrong(fmt::format("a packet has {} ends, not {}", unsigned{WEFT_TRACE_ENDS}, message.ends_size()));
    for (const FlowEnd& each : message.ends()) {
        auto end = to_end(each);
        if (!end) return wrong(std::move(end).error().message);
        filter.ends[filter.end_count++] = *end;
    }
    if (message.vni() > 0xffffff) return wrong(fmt::format("VNI {}: at most 16777215", message.vni()));
    if (message.l4_port() > 0xffff) return wrong(fmt::format("port {}: at most 65535", message.l4_port()));
    if (message.protocol() > 0xff) return wrong(fmt::format("protocol {}: at most 255", message.protocol()));
    if (!TraceVerdict_IsValid(message.verdict())) return wrong("a verdict that this fast path does not know");
    if (message.drop_reason() >= WEFT_DROP_REASON_COUNT)
        return wrong(fmt::format("drop reason {}: this fast path knows {} of them", message.drop_reason(),
                                 unsigned{WEFT_DROP_REASON_COUNT} - 1));
    if ((message.decisions() & ~std::uint32_t{WEFT_DECIDED_ANY}) != 0)
        return wrong("a decision that this fast path does not know");
    filter.vni = message.vni();
    filter.l4_port = static_cast<std::uint16_t>(message.l4_port());
    filter.protocol = static_cast<std::uint8_t>(message.protocol());
    filter.verdict = static_cast<std::uint8_t>(message.verdict());
    filter.drop_reason = static_cast<std::uint8_t>(message.drop_reason());
    filter.decisions = static_cast<std::uint8_t>(message.decisions());
    return filter;
}

Result<TraceSettings> to_settings(const TraceRequest& request) {
    auto filter = to_filter(request.filter());
    if (!filter) return std::unexpected(std::move(filter).error());
    if (request.snap_length() > WEFT_TRACE_SNAP_MAX)
        return wrong(fmt::format("snap length {}: at most {} bytes of a frame are kept", request.snap_length(),
                                 unsigned{WEFT_TRACE_SNAP_MAX}));
    return TraceSettings{*filter, request.snap_length(), request.events_per_s()};
}

std::int64_t unix_offset_ns(std::int64_t last) {
    constexpr std::int64_t tolerance_ns = 50'000;
    // We may have been interrupted between the two readings: then the next ones tell.
    std::int64_t offset = 0;
    for (int i = 0; i < 3; ++i) {
        offset = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);
        if (std::abs(offset - last) <= tolerance_ns) return last;
    }
    return offset;
}

bool append_event(TraceEvents& events, std::span<const std::uint8_t> record, std::int64_t offset_ns) {
    weft_trace_event event;
    if (record.size() < sizeof event) return false;
    std::memcpy(&event, record.data(), sizeof event);
    const std::size_t frames = std::size_t{event.snapshot_in} + event.snapshot_out;
    if (record.size() - sizeof event < frames) return false;
    TraceEvent& message = *events.add_events();
    message.set_time_unix_ns(event.time_ns + static_cast<std::uint64_t>(offset_ns));
    message.set_port_in(event.port_in);
    message.set_port_out(event.port_out);
    message.set_verdict(static_cast<TraceVerdict>(event.verdict));
    message.set_drop_reason(event.drop_reason);
    message.set_stage(event.stage);
    message.set_rule(event.rule);
    message.set_audited_rule(event.audited_rule);
    message.set_decided(event.decided);
    message.set_vni(event.vni);
    message.set_from_underlay(event.from_underlay != 0);
    message.set_outer(event.outer != 0);
    if ((event.vtep.halves[0] | event.vtep.halves[1]) != 0) message.set_vtep(to_bytes(event.vtep));
    message.set_ethertype(event.ethertype);
    if (event.ip.family != 0) set_packet(message, event.ip);
    message.set_length_in(event.length_in);
    message.set_length_out(event.length_out);
    message.set_part(event.part);
    message.set_parts(event.parts);
    const auto* const bytes = reinterpret_cast<const char*>(record.data() + sizeof event);
    message.set_frame_in(bytes, event.snapshot_in);
    message.set_frame_out(bytes + event.snapshot_in, event.snapshot_out);
    return true;
}

} // namespace weft::fastpath
