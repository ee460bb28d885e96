// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/ports.hpp"

#include <ranges>
#include <utility>
#include <vector>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "dataplane/api/limits.hpp"
#include "ebpf/hook.hpp"
#include "ebpf/layout.h"
#include "ebpf/veth.hpp"
#include "ebpf/xdp_hook.hpp"

namespace weft::ebpf {

namespace {

Result<VethSettings> veth_settings(const fastpath::Port& message) {
    const auto& mac = message.veth().mac();
    if (mac.size() != WEFT_MAC_SIZE)
        return fail(ErrorCode::invalid, fmt::format("a MAC address has 6 bytes, not {}", mac.size()));
    std::array<std::uint8_t, WEFT_MAC_SIZE> bytes{};
    std::ranges::copy(mac, bytes.begin());
    return VethSettings{.near = near_name(message.id()),
                        .netns = message.veth().netns(),
                        .ifname = message.veth().ifname(),
                        .mac = net::Mac(bytes),
                        .mtu = message.mtu()};
}

std::size_t cpus() { return static_cast<std::size_t>(libbpf_num_possible_cpus()); }

/// Is it the same device, whatever may have changed about it?
bool is_same_device(const fastpath::Port& a, const fastpath::Port& b) {
    fastpath::Port like_b = a;
    like_b.set_mtu(b.mtu());
    if (a.has_device() && b.has_device()) like_b.mutable_device()->set_hook(b.device().hook());
    return like_b.SerializeAsString() == b.SerializeAsString();
}

} // namespace

Result<Ports::Entry> Ports::make(const fastpath::Port& message) const {
    const bool endpoint = message.role() == fastpath::PORT_ROLE_ENDPOINT;
    if (message.id() == 0 || message.id() > fastpath::port_id_max)
        return fail(ErrorCode::invalid, fmt::format("ids are 1 to {}", fastpath::port_id_max));
    if (!(endpoint ? message.has_veth() : message.role() == fastpath::PORT_ROLE_UPLINK && message.has_device()))
        return fail(ErrorCode::unsupported,
                    "the eBPF fast path serves endpoints by veth pairs and an uplink that is a network device; "
                    "another kind of port needs --fastpath dpdk");
    if (endpoint) {
        auto settings = veth_settings(message);
        if (!settings) return std::unexpected(std::move(settings).error());
        auto ifindex = make_veth(*settings);
        if (!ifindex) return std::unexpected(std::move(ifindex).error());
        return Entry{.message = message, .device = settings->near, .ifindex = *ifindex, .up = true};
    }
    const auto device = find_device(message.device().ifname());
    if (!device)
        return fail(ErrorCode::not_found, fmt::format("interface {}: there is none of this name (ip link shows them)",
                                                      message.device().ifname()));
    return Entry{
        .message = message, .device = message.device().ifname(), .ifindex = device->ifindex, .up = device->up};
}

Result<void> Ports::write(const Entry& entry) const {
    const std::uint32_t id = entry.message.id();
    const weft_port port{
        .ifindex = entry.ifindex,
        .mtu = entry.message.mtu(),
        .role = static_cast<std::uint8_t>(entry.message.has_veth() ? WEFT_PORT_ENDPOINT : WEFT_PORT_UPLINK),
        .up = static_cast<std::uint8_t>(entry.up),
        .reserved = 0};
    return maps_["ports"].set(&id, &port);
}

IngressHook Ports::hook_of(const Entry& entry) const {
    return IngressHook(entry.ifindex, maps_.directory(),
                       entry.message.has_veth() ? IngressHook::Device::of_ours : IngressHook::Device::of_the_host);
}

Result<void> Ports::attach_xdp(Entry& entry) const {
    const fastpath::UplinkHook wanted = entry.message.device().hook();
    const auto& pins = maps_.directory();
    if (!pins) {
        if (wanted != fastpath::UPLINK_HOOK_XDP) return {};
        return fail(ErrorCode::unsupported, fmt::format("interface {}: XDP needs a BPF file system", entry.device));
    }
    const XdpHook hook(entry.ifindex, *pins);
    const bool physical = is_physical(entry.device);
    if (wanted == fastpath::UPLINK_HOOK_TC || (wanted == fastpath::UPLINK_HOOK_AUTO && !physical)) {
        hook.detach();
        entry.note = fmt::format("uplink {}: tc{}", entry.device,
                                 wanted == fastpath::UPLINK_HOOK_TC ? "" : ", as there is no hardware behind it");
        return {};
    }
    if (auto attached = hook.attach(programs_->uplink_xdp()); !attached) {
        if (wanted == fastpath::UPLINK_HOOK_XDP) return attached;
        entry.note = fmt::format("uplink {}: tc, since: {}", entry.device, attached.error().message);
        return {};
    }
    entry.note = fmt::format("uplink {}: XDP, run by its driver, and tc", entry.device);
    return {};
}

Result<void> Ports::attach(Entry& entry) const {
    const bool endpoint = entry.message.has_veth();
    if (auto attached = hook_of(entry).attach(endpoint ? programs_->endpoint() : programs_->uplink()); !attached)
        return attached;
    // What XDP has taken the outer headers off, the program of tc must be there to take.
    return endpoint ? Result<void>{} : attach_xdp(entry);
}

Result<void> Ports::connect(Entry& entry) const {
    const std::uint32_t id = entry.message.id();
    std::vector<weft_drop_counts> drops(cpus());
    auto known = maps_["drops"].find(&id, drops.data());
    if (!known) return std::unexpected(std::move(known).error());
    if (!*known)
        if (auto set = maps_["drops"].set(&id, drops.data()); !set) return set;
    if (auto written = write(entry); !written) return written;
    if (auto set = maps_["port_of_ifindex"].set(&entry.ifindex, &id); !set) return set;
    if (auto attached = attach(entry); !attached) return attached;
    return entry.message.has_veth() ? raise_veth(entry.ifindex) : Result<void>{};
}

void Ports::disconnect(const Entry& entry) const {
    const std::uint32_t id = entry.message.id();
    // A pair goes first: without its program the container would meet the host's own stack.
    if (entry.message.has_veth())
        remove_veth(entry.ifindex);
    else if (maps_.directory())
        XdpHook(entry.ifindex, *maps_.directory()).detach();
    if (auto detached = hook_of(entry).detach(); !detached)
        spdlog::error("port {}: {}", id, detached.error().message);
    for (const auto& [map, key] : {std::pair{"port_of_ifindex", &entry.ifindex}, std::pair{"ports", &id},
                                   std::pair{"counters", &id}, std::pair{"drops", &id}})
        if (auto erased = maps_[map].erase(key); !erased) spdlog::error("port {}: {}", id, erased.error().message);
}

void Ports::adopt(const fastpath::TableUpdate& told) {
    for (const auto& message : told.ports()) {
        const bool endpoint = message.has_veth();
        Entry entry{.message = message, .device = endpoint ? near_name(message.id()) : message.device().ifname()};
        const auto device = find_device(entry.device);
        if (device && (!endpoint || device->kind == "veth")) {
            entry.ifindex = device->ifindex;
            entry.up = true;
            if (auto connected = connect(entry); !connected) {
                spdlog::error("port {}: {}", message.id(), connected.error().message);
                entry.up = false;
            }
        }
        if (!entry.up) static_cast<void>(write(entry));
        entries_[message.id()] = std::move(entry);
    }
}

Result<void> Ports::set(const fastpath::Port& message) {
    auto set = told_.tell(WEFT_TOLD_PORT, message.id(), message, [&]() -> Result<void> {
        if (const auto found = entries_.find(message.id()); found != entries_.end()) {
            Entry& entry = found->second;
            if (entry.up && is_same_device(entry.message, message)) {
                if (message.has_veth())
                    if (auto set = set_veth_mtu(entry.ifindex, message.mtu()); !set) return set;
                Entry changed = entry;
                changed.message = message;
                if (auto connected = connect(changed); !connected) return connected;
                entry = std::move(changed);
                return {};
            }
            disconnect(entry);
            entries_.erase(found);
        }
        auto entry = make(message);
        if (!entry) return std::unexpected(std::move(entry).error());
        if (auto connected = connect(*entry); !connected) {
            disconnect(*entry);
            return connected;
        }
        entries_[message.id()] = std::move(*entry);
        return {};
    });
    if (set) return set;
    // The one that it was to replace has gone, and is not to come back at the next start.
    if (!entries_.contains(message.id()))
        if (auto forgotten = told_.forget(WEFT_TOLD_PORT, message.id()); !forgotten)
            spdlog::error("port {}: {}", message.id(), forgotten.error().message);
    return fail_in(std::move(set), fmt::format("port {}", message.id()));
}

void Ports::remove(std::uint32_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    disconnect(found->second);
    entries_.erase(found);
    if (auto forgotten = told_.forget(WEFT_TOLD_PORT, id); !forgotten)
        spdlog::error("port {}: {}", id, forgotten.error().message);
}

Result<void> Ports::serve_by(const Programs& programs) {
    programs_ = &programs;
    Result<void> first;
    for (auto& [id, entry] : entries_) {
        // A port that is down may come up again; one whose device is gone will not.
        const auto device = find_device(entry.device);
        if (!device || device->ifindex != entry.ifindex) continue;
        if (auto attached = attach(entry); !attached && first)
            first = fail_in(std::move(attached), fmt::format("port {}", id));
    }
    return first;
}

std::vector<std::string> Ports::notes() const {
    std::vector<std::string> notes;
    for (const auto& entry : entries_ | std::views::values)
        if (!entry.note.empty()) notes.push_back(entry.note);
    return notes;
}

void Ports::dump(fastpath::TableUpdate& update) const {
    for (const auto& [id, entry] : entries_)
        if (entry.up) *update.add_ports() = entry.message;
}

Result<std::uint32_t> Ports::look_at(Entry& entry) const {
    const auto device = find_device(entry.device);
    const bool up = device && device->ifindex == entry.ifindex && device->up;
    if (std::exchange(entry.up, up) != up)
        if (auto written = write(entry); !written) return std::unexpected(std::move(written).error());
    return up ? device->mtu : entry.message.mtu();
}

Result<void> Ports::look() {
    for (auto& entry : entries_ | std::views::values)
        if (auto mtu = look_at(entry); !mtu) return std::unexpected(std::move(mtu).error());
    return {};
}

Result<void> Ports::counters(fastpath::CountersReply& reply) {
    std::vector<weft_port_counts> counts(cpus());
    std::vector<weft_drop_counts> drops(cpus());
    for (auto& [id, entry] : entries_) {
        const auto mtu = look_at(entry);
        if (!mtu) return std::unexpected(mtu.error());
        auto& port = *reply.add_ports();
        port.set_port(id);
        port.set_name(entry.device);
        port.set_up(entry.up);
        port.set_mtu(*mtu);
        for (const auto& [map, values] : {std::pair{"counters", static_cast<void*>(counts.data())},
                                          std::pair{"drops", static_cast<void*>(drops.data())}})
            if (auto found = maps_[map].find(&id, values); !found) return std::unexpected(std::move(found).error());
        for (const weft_port_counts& each : counts) {
            port.set_rx_packets(port.rx_packets() + each.rx_packets);
            port.set_rx_bytes(port.rx_bytes() + each.rx_bytes);
            port.set_tx_packets(port.tx_packets() + each.tx_packets);
            port.set_tx_bytes(port.tx_bytes() + each.tx_bytes);
        }
        port.mutable_drops()->Resize(WEFT_DROP_REASON_COUNT, 0);
        for (const weft_drop_counts& each : drops)
            for (int reason = 0; reason < WEFT_DROP_REASON_COUNT; ++reason)
                port.set_drops(reason, port.drops(reason) + each.of_reason[reason]);
    }
    return {};
}

} // namespace weft::ebpf
