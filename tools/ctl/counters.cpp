// SPDX-License-Identifier: BSD-3-Clause
// weft counters: packets and bytes of each port, drops by reason, table gauges; with --watch, rates.
#include <algorithm>

#include <fmt/format.h>

#include "tools/ctl/arguments.hpp"
#include "tools/ctl/context.hpp"
#include "tools/ctl/gauges.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/rates.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

constexpr std::string_view clear_screen = "\x1b[H\x1b[2J";

std::uint64_t all_drops(const v1::PortCounters& port) {
    std::uint64_t sum = 0;
    for (const v1::DropCount& drop : port.drops())
        sum += drop.packets();
    return sum;
}

/// Reads the counters, of the named ports only if any are named, sorted: uplink and endpoints by name, reasons by
/// count.
Outcome<v1::CountersReply> read(Client& client, const std::vector<std::string>& names) {
    auto reply = client.counters();
    if (!reply) return reply;
    auto& ports = *reply->mutable_ports();
    for (const std::string& name : names)
        if (std::ranges::find(ports, name, &v1::PortCounters::name) == ports.end()) {
            std::vector<std::string_view> known;
            for (const v1::PortCounters& port : ports)
                known.push_back(port.name());
            const std::string hint = did_you_mean(name, known);
            return refuse(Exit::failed, fmt::format("no port is named '{}'{}", name,
                                                    hint.empty() ? "; `weft counters` shows all" : hint));
        }
    if (!names.empty()) {
        const auto kept = std::ranges::remove_if(ports, [&](const v1::PortCounters& port) {
            return std::ranges::find(names, port.name()) == names.end();
        });
        ports.erase(kept.begin(), kept.end());
    }
    std::ranges::sort(ports, natural_less,
                      [](const v1::PortCounters& port) -> std::string_view { return port.name(); });
    for (v1::PortCounters& port : ports)
        std::ranges::sort(*port.mutable_drops(), std::ranges::greater{}, &v1::DropCount::packets);
    return reply;
}

std::string totals_text(const v1::CountersReply& reply, Style style) {
    Table ports({{"PORT"},
                 {"UP"},
                 {"RX PACKETS", align_right},
                 {"RX BYTES", align_right},
                 {"TX PACKETS", align_right},
                 {"TX BYTES", align_right},
                 {"DROPPED", align_right}});
    Table drops({{"PORT"}, {"DROP REASON"}, {"PACKETS", align_right}, {"MEANS"}});
    for (const v1::PortCounters& port : reply.ports()) {
        const std::uint64_t dropped = all_drops(port);
        ports.add({port.name(), port.up() ? Cell("yes") : Cell("no", Tone::bad), port.rx_packets(), port.rx_bytes(),
                   port.tx_packets(), port.tx_bytes(),
                   Cell(std::to_string(dropped), dropped > 0 ? Tone::warning : Tone::plain)});
        for (const v1::DropCount& drop : port.drops())
            drops.add({port.name(), drop.reason(), drop.packets(), drop.text()});
    }
    std::string text = ports.empty() ? std::string("no ports\n") : ports.render(style);
    if (!drops.empty()) text += "\n" + drops.render(style);
    return text + gauges_table(reply.gauges(), style);
}

std::string rates_text(const std::vector<PortRates>& rates, double seconds, Style style) {
    Table ports({{"PORT"},
                 {"RX PACKETS/S", align_right},
                 {"RX BIT/S", align_right},
                 {"TX PACKETS/S", align_right},
                 {"TX BIT/S", align_right},
                 {"DROPPED/S", align_right}});
    Table drops({{"PORT"}, {"DROP REASON"}, {"PACKETS/S", align_right}});
    for (const PortRates& port : rates) {
        ports.add({port.name, scaled(port.rx_packets_per_s), scaled(port.rx_bits_per_s),
                   scaled(port.tx_packets_per_s), scaled(port.tx_bits_per_s),
                   Cell(scaled(port.dropped_per_s), port.dropped_per_s > 0 ? Tone::warning : Tone::plain)});
        for (const DropRate& drop : port.drops)
            drops.add({port.name, drop.reason, scaled(drop.packets_per_s)});
    }
    std::string text = ports.empty() ? std::string("no ports\n") : ports.render(style);
    if (!drops.empty()) text += "\n" + drops.render(style);
    return text + style.paint(fmt::format("over {:.1f} s", seconds), Tone::dim) + "\n\n";
}

/// The reading as it is without --watch, with a rate beside each count.
Json rates_json(const v1::CountersReply& reply, const std::vector<PortRates>& rates, double seconds) {
    Json json = {{"interval_s", seconds}};
    json.update(to_json(reply));
    for (std::size_t i = 0; i < rates.size(); ++i) {
        Json& port = json["ports"][i];
        port["rx_packets_per_s"] = rates[i].rx_packets_per_s;
        port["rx_bits_per_s"] = rates[i].rx_bits_per_s;
        port["tx_packets_per_s"] = rates[i].tx_packets_per_s;
        port["tx_bits_per_s"] = rates[i].tx_bits_per_s;
        port["dropped_per_s"] = rates[i].dropped_per_s;
        for (Json& drop : port["drops"]) {
            drop["packets_per_s"] = 0.0;
            for (const DropRate& rate : rates[i].drops)
                if (drop["reason"] == rate.reason) drop["packets_per_s"] = rate.packets_per_s;
        }
    }
    return json;
}

Outcome<Exit> watch(Context& context, Client& client, const std::vector<std::string>& names, double interval_s,
                    unsigned long times) {
    const Environment& world = context.environment;
    auto before = read(client, names);
    auto read_at = world.now();
    if (!before) return pass_on(std::move(before));
    for (unsigned long i = 0; times == 0 || i < times; ++i) {
        world.sleep(std::chrono::duration_cast<std::chrono::steady_clock::duration>(
            std::chrono::duration<double>(interval_s)));
        auto reading = read(client, names);
        const auto now = world.now();
        if (!reading) return pass_on(std::move(reading));
        const double seconds = std::max(std::chrono::duration<double>(now - read_at).count(), 1e-3);
        const auto rates = rates_between(*before, *reading, seconds);
        if (context.json)
            context.print(one_line(rates_json(*reading, rates, seconds)));
        else
            context.print((world.terminal ? std::string(clear_screen) : std::string{}) +
                          rates_text(rates, seconds, context.style));
        if (!context.heard()) break;
        before = std::move(reading);
        read_at = now;
    }
    return Exit::ok;
}

Outcome<Exit> show_counters(Context& context, const Arguments& arguments) {
    double interval_s = 0;
    if (arguments.has("watch")) {
        auto seconds = parse_seconds("--watch", arguments.get("watch"), 0.1, 86400);
        if (!seconds) return pass_on(std::move(seconds));
        interval_s = *seconds;
    }
    unsigned long times = 0;
    if (arguments.has("times")) {
        if (interval_s == 0)
            return refuse(Exit::usage, "--times goes with --watch: it says how often to print rates");
        auto number = parse_number("--times", arguments.get("times"), 1, 1'000'000'000);
        if (!number) return pass_on(std::move(number));
        times = *number;
    }
    auto client = context.connect();
    if (!client) return pass_on(std::move(client));
    const std::vector<std::string> names = arguments.all("PORT");
    if (interval_s > 0) return watch(context, *client, names, interval_s, times);
    const auto reply = read(*client, names);
    if (!reply) return std::unexpected(reply.error());
    if (context.json)
        context.print_json(*reply);
    else
        context.print(totals_text(*reply, context.style));
    return Exit::ok;
}

} // namespace

Command counters_command() {
    return {
        .name = "counters",
        .summary = "packets and bytes of each port, and drops by reason",
        .details = "RX is what came from the container or the underlay, TX what went to it. Every dropped packet is "
                   "counted once, under the reason for which "
                   "it was dropped and the port on which it had come.",
        .operands = {{.name = "PORT",
                      .help = "only these ports: endpoints' names, or the uplink's interface",
                      .required = false,
                      .repeatable = true,
                      .completes = Completes::endpoint}},
        .options = {{.name = "watch",
                     .help = "rates instead of totals, every so many seconds until interrupted; 1 if not said",
                     .value = "SECONDS",
                     .letter = 'w',
                     .implicit = "1"},
                    {.name = "times", .help = "with --watch: end after this many", .value = "N"}},
        .examples = {{"weft counters"},
                     {"weft counters --watch 5"},
                     {"weft counters web-1 -o json | jq '.ports[].drops'"}},
        .run = show_counters,
    };
}

} // namespace weft::ctl
