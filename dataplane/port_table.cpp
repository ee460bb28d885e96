// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_table.hpp"

#include <algorithm>
#include <ranges>

#include <fmt/format.h>
#include <google/protobuf/util/message_differencer.h>
#include <spdlog/spdlog.h>

#include "dataplane/api/limits.hpp"
#include "dataplane/api/netns_path.hpp"
#include "dataplane/api/table_wire.hpp"
#include "dataplane/ethdev_port.hpp"
#include "dataplane/tap_port.hpp"

namespace weft::dataplane {

PortTable::PortTable(Quiescence& quiescence, rte_mempool* pool, unsigned workers, std::string steering_program) :
    quiescence_(quiescence),
    pool_(pool),
    workers_(workers),
    steering_program_(std::move(steering_program)),
    current_(nullptr) {
    publish();
}

PortTable::~PortTable() = default;

Result<std::unique_ptr<Port>> PortTable::make(const fastpath::Port& message) const {
    const Role role = message.role() == fastpath::PORT_ROLE_UPLINK ? Role::uplink : Role::endpoint;
    if (message.has_tap()) {
        auto mac = fastpath::to_mac(message.tap().mac());
        if (!mac) return std::unexpected(std::move(mac).error());
        auto device = open_tap(message.tap().netns(), message.tap().ifname(), *mac);
        if (!device) return std::unexpected(std::move(device).error());
        return std::make_unique<TapPort>(message.id(), role,
                                         fastpath::device_text(message.tap().ifname(), message.tap().netns()),
                                         workers_, std::move(*device), pool_, message.mtu());
    }
    auto port = EthdevPort::attach(message.id(), role, message.ethdev().devargs(), workers_, message.mtu(), pool_,
                                   steering_program_);
    if (!port) return std::unexpected(std::move(port).error());
    return std::unique_ptr<Port>(std::move(*port));
}

Result<void> PortTable::set(const fastpath::Port& message) {
    const std::string what = fmt::format("port {}", message.id());
    if (message.id() == 0 || message.id() > fastpath::port_id_max)
        return fail(ErrorCode::invalid, fmt::format("{}: ids are 1 to {}", what, fastpath::port_id_max));
    if (message.role() != fastpath::PORT_ROLE_ENDPOINT && message.role() != fastpath::PORT_ROLE_UPLINK)
        return fail(ErrorCode::invalid, what + ": no role");
    if (!message.has_tap() && !message.has_ethdev())
        return fail(ErrorCode::invalid, what + ": neither TAP nor ethdev");
    if (const auto found = entries_.find(message.id()); found != entries_.end()) {
        if (!found->second.port->gone() &&
            google::protobuf::util::MessageDifferencer::Equals(found->second.message, message))
            return {};
        // The device may be the same, so the old port must go before the new one can come. A TAP stays.
        const auto replaced = entries_.extract(found);
        publish();
    }
    auto port = make(message);
    if (!port) return fail_in(std::move(port), what);
    spdlog::info("port {} is {}, mtu {}", message.id(), (*port)->name(), (*port)->mtu());
    auto workers = choose_workers((*port)->queues());
    entries_[message.id()] = {std::move(*port), message, std::move(workers)};
    publish();
    return {};
}

void PortTable::remove(std::uint32_t id) {
    auto node = entries_.extract(id);
    if (!node) return;
    publish();
    if (const auto* const tap = dynamic_cast<const TapPort*>(node.mapped().port.get())) remove_tap(tap->device());
    spdlog::info("port {} ({}) removed", id, node.mapped().port->name());
}

std::vector<unsigned> PortTable::choose_workers(unsigned queues) const {
    std::vector<std::size_t> loads(workers_);
    for (const Entry& entry : entries_ | std::views::values)
        for (const unsigned worker : entry.workers)
            ++loads[worker];
    std::vector<unsigned> chosen(queues);
    for (unsigned& worker : chosen) {
        worker = static_cast<unsigned>(std::ranges::min_element(loads) - loads.begin());
        ++loads[worker];
    }
    return chosen;
}

void PortTable::publish() {
    auto fresh = std::make_unique<PortSet>();
    fresh->generation = ++generation_;
    fresh->by_id.resize(entries_.empty() ? 0 : entries_.rbegin()->first + 1);
    fresh->by_worker.resize(workers_);
    for (const auto& [id, entry] : entries_) {
        fresh->by_id[id] = entry.port.get();
        for (unsigned queue = 0; queue < entry.workers.size(); ++queue)
            fresh->by_worker[entry.workers[queue]].push_back({entry.port.get(), queue});
    }
    current_.store(fresh.get(), std::memory_order_release);
    wake_();
    quiescence_.wait();
    owner_ = std::move(fresh);
}

void PortTable::dump(fastpath::TableUpdate& update) const {
    for (const Entry& entry : entries_ | std::views::values)
        *update.add_ports() = entry.message;
}

void PortTable::counters(fastpath::CountersReply& reply) const {
    for (const auto& [id, entry] : entries_) {
        auto& port = *reply.add_ports();
        port.set_port(id);
        port.set_name(entry.port->name());
        port.set_up(entry.port->up());
        port.set_mtu(entry.port->mtu());
        std::array<std::uint64_t, WEFT_DROP_REASON_COUNT> drops{};
        for (const PortCounts& counts : entry.port->all_counts()) {
            port.set_rx_packets(port.rx_packets() + counts.rx_packets.get());
            port.set_rx_bytes(port.rx_bytes() + counts.rx_bytes.get());
            port.set_tx_packets(port.tx_packets() + counts.tx_packets.get());
            port.set_tx_bytes(port.tx_bytes() + counts.tx_bytes.get());
            for (std::size_t i = 0; i < drops.size(); ++i)
                drops[i] += counts.drops[i].get();
        }
        drops[WEFT_DROP_rx_overrun] += entry.port->missed();
        port.mutable_drops()->Add(drops.begin(), drops.end());
    }
}

} // namespace weft::dataplane
