// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/rates.hpp"

#include <algorithm>
#include <utility>

namespace weft::ctl {

namespace {

const v1::PortCounters* find_port(const v1::CountersReply& reply, const v1::PortCounters& like) {
    const auto found = std::ranges::find_if(reply.ports(), [&](const v1::PortCounters& port) {
        return port.port() == like.port() && port.name() == like.name();
    });
    return found == reply.ports().end() ? nullptr : &*found;
}

std::uint64_t dropped(const v1::PortCounters& port, const std::string& reason) {
    for (const v1::DropCount& drop : port.drops())
        if (drop.reason() == reason) return drop.packets();
    return 0;
}

double growth(std::uint64_t before, std::uint64_t now, double seconds) {
    return static_cast<double>(now >= before ? now - before : now) / seconds;
}

} // namespace

std::vector<PortRates> rates_between(const v1::CountersReply& before, const v1::CountersReply& now, double seconds) {
    const v1::PortCounters zero;
    std::vector<PortRates> result;
    for (const v1::PortCounters& port : now.ports()) {
        const v1::PortCounters* const found = find_port(before, port);
        const v1::PortCounters& old = found != nullptr ? *found : zero;
        PortRates rates{.port = port.port(),
                        .name = port.name(),
                        .rx_packets_per_s = growth(old.rx_packets(), port.rx_packets(), seconds),
                        .rx_bits_per_s = 8 * growth(old.rx_bytes(), port.rx_bytes(), seconds),
                        .tx_packets_per_s = growth(old.tx_packets(), port.tx_packets(), seconds),
                        .tx_bits_per_s = 8 * growth(old.tx_bytes(), port.tx_bytes(), seconds),
                        .drops = {}};
        for (const v1::DropCount& drop : port.drops()) {
            const double rate = growth(dropped(old, drop.reason()), drop.packets(), seconds);
            rates.dropped_per_s += rate;
            if (rate > 0) rates.drops.push_back({drop.reason(), rate});
        }
        result.push_back(std::move(rates));
    }
    return result;
}

} // namespace weft::ctl
