// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/trace_request.hpp"

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include <fmt/format.h>

#include "controlplane/api/decision_names.hpp"
#include "dataplane/pipeline/trace.h"
#include "tools/ctl/flow_filter.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

std::vector<std::string_view> drop_reason_names() {
    std::vector<std::string_view> names{
#define WEFT_NAME(number, name, text) #name,
        WEFT_DROP_REASONS(WEFT_NAME)
#undef WEFT_NAME
    };
    names.erase(names.begin());      // none
    std::erase(names, "rx_overrun"); // of packets that nobody has seen
    std::erase(names, "unknown_handover");
    return names;
}

/// A number that may be given, or else its default.
Outcome<unsigned long> number_or(const Arguments& arguments, std::string_view option, unsigned long least,
                                 unsigned long most, unsigned long otherwise) {
    if (!arguments.has(option)) return otherwise;
    return parse_number(fmt::format("--{}", option), arguments.get(option), least, most);
}

constexpr unsigned long rate_max = 10'000'000;
constexpr unsigned long count_max = 1'000'000'000'000;
constexpr double seconds_max = 86400 * 365;

/// Until it is destroyed.
std::jthread stop_after(std::chrono::milliseconds time, std::stop_source& stop) {
    return std::jthread([time, &stop](const std::stop_token& over) {
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any().wait_for(lock, over, time, [] { return false; });
        if (!over.stop_requested()) stop.request_stop();
    });
}

} // namespace

std::vector<Operand> trace_operands() {
    return {end_operand("an endpoint's name, an address or a prefix: what it sends and receives; of two: what goes "
                        "between them. Default: everything")};
}

std::vector<Option> trace_options() {
    std::vector<Option> options = flow_options();
    const std::vector<Option> of_packets{
        {.name = "verdict",
         .help = "only packets that ended so; answered: by the gateway, to ARP and pings",
         .value = "V",
         .choices = {"forwarded", "answered", "dropped"}},
        {.name = "reason",
         .help = "only packets that were dropped for this reason",
         .value = "REASON",
         .choices = drop_reason_names()},
        {.name = "decided",
         .help = "only packets of which policy decided: the first of a connection, and those that it denied"},
        {.name = "count", .help = "end after this many packets", .value = "N", .letter = 'c'},
        {.name = "seconds", .help = "end after this time", .value = "S"},
        {.name = "rate", .help = "packets a second at most; what is more is counted as lost", .value = "N"}};
    options.insert(options.end(), of_packets.begin(), of_packets.end());
    return options;
}

Outcome<v1::TraceRequest> trace_request(const Arguments& arguments, TraceDefaults defaults) {
    v1::TraceRequest request;
    const auto flow = read_flow(arguments);
    if (!flow) return std::unexpected(flow.error());
    set_flow(request, *flow);
    request.set_verdict(arguments.get("verdict"));
    request.set_drop_reason(arguments.get("reason"));
    if (arguments.has("reason") && arguments.has("verdict") && request.verdict() != "dropped")
        return refuse(Exit::usage, fmt::format("--reason {} goes with --verdict dropped: nothing that was {} has one",
                                               request.drop_reason(), request.verdict()));
    if (arguments.has("decided"))
        for (const char* const decision : v1::decision_names)
            request.add_decisions(decision);
    const auto snap = number_or(arguments, "snap", 0, WEFT_TRACE_SNAP_MAX, defaults.snap_length);
    const auto rate = number_or(arguments, "rate", 1, rate_max, defaults.events_per_s);
    for (const auto* const number : {&snap, &rate})
        if (!*number) return std::unexpected(number->error());
    request.set_snap_length(static_cast<std::uint32_t>(*snap));
    request.set_events_per_s(static_cast<std::uint32_t>(*rate));
    return request;
}

std::string TraceEnd::summary() const {
    return counted(packets, "packet") + (lost == 0 ? std::string{} : fmt::format(", {} lost", lost));
}

Outcome<TraceEnd> run_trace(Context& context, const Arguments& arguments, const v1::TraceRequest& request,
                            const std::function<bool(const v1::TraceEvent&)>& take) {
    const auto count = number_or(arguments, "count", 1, count_max, 0);
    if (!count) return std::unexpected(count.error());
    std::optional<std::chrono::milliseconds> time;
    if (arguments.has("seconds")) {
        const auto seconds = parse_seconds("--seconds", arguments.get("seconds"), 0.001, seconds_max);
        if (!seconds) return std::unexpected(seconds.error());
        time = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>(*seconds));
    }
    std::stop_source stop;
    std::shared_ptr<void> interrupt;
    if (context.environment.on_interrupt)
        interrupt = context.environment.on_interrupt([&stop] { stop.request_stop(); });
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    TraceEnd end;
    std::jthread clock;
    const auto take_reply = [&](const v1::TraceReply& reply) {
        if (reply.trace() != 0) {
            context.remark(time ? fmt::format("tracing for {} s", arguments.get("seconds"))
                                : "tracing; Ctrl-C ends it");
            if (time) clock = stop_after(*time, stop);
        }
        end.lost = reply.lost();
        for (const v1::TraceEvent& event : reply.events()) {
            if (event.part() == 0 && *count != 0 && end.packets == *count) return false;
            end.packets += event.part() == 0 ? 1 : 0;
            if (!take(event)) return false;
        }
        // Whether the last packet has more parts is known once the next has come, or by their number.
        const bool whole =
            reply.events().empty() || reply.events().rbegin()->part() + 1 >= reply.events().rbegin()->parts();
        return *count == 0 || end.packets < *count || !whole;
    };
    const auto traced = client->trace(request, take_reply, stop.get_token());
    if (!traced) return std::unexpected(traced.error());
    return end;
}

} // namespace weft::ctl
