// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/ports.hpp"

#include <algorithm>
#include <cstring>
#include <ranges>
#include <set>
#include <utility>
#include <vector>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "dataplane/api/limits.hpp"
#include "ebpf/device_pins.hpp"
#include "ebpf/hook.hpp"
#include "ebpf/layout.h"
#include "ebpf/netlink.hpp"
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

weft_port_role role_of(const fastpath::Port& message) {
    if (!message.has_veth()) return WEFT_PORT_UPLINK;
    return message.veth().netns().empty() ? WEFT_PORT_HOST : WEFT_PORT_ENDPOINT;
}

bool is_there(const std::string& name, std::uint32_t ifindex, const Devices& devices) {
    const auto found = devices.find(name);
    return found != devices.end() && found->second.ifindex == ifindex;
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
        return Entry{.message = message, .device = settings->near, .ifindex = *ifindex, .mtu = message.mtu()};
    }
    const auto device = find_device(message.device().ifname());
    if (!device) return std::unexpected(device.error());
    if (!*device)
        return fail(ErrorCode::not_found, fmt::format("interface {}: there is none of this name (ip link shows them)",
                                                      message.device().ifname()));
    return Entry{.message = message,
                 .device = message.device().ifname(),
                 .ifindex = (*device)->ifindex,
                 .mtu = (*device)->mtu,
                 .up = (*device)->up};
}

Result<void> Ports::write(const Entry& entry) const {
    const std::uint32_t id = entry.message.id();
    const weft_port port{.ifindex = entry.ifindex,
                         .mtu = entry.message.mtu(),
                         .role = static_cast<std::uint8_t>(role_of(entry.message)),
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
        if (auto detached = hook.detach(); !detached) return std::unexpected(std::move(detached).error());
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
    return attach(entry);
}

Result<void> Ports::serve(Entry& entry) const {
    entry.note.clear();
    auto served = connect(entry);
    if (served && entry.message.has_veth() && !entry.up) {
        served = raise_veth(entry.ifindex);
        entry.up = served.has_value();
        if (served) served = write(entry);
    }
    entry.served = served.has_value();
    return served;
}

Result<void> Ports::check(const Entry& entry) const {
    return maps_.directory() ? check_pins(entry.ifindex, *maps_.directory()) : Result<void>{};
}

void Ports::try_to_serve(Entry& entry, Result<void> served) const {
    const std::string before = entry.note;
    if (served) served = serve(entry);
    if (served) return;
    entry.note =
        fmt::format("port {} ({}) is not served: {}", entry.message.id(), entry.device, served.error().message);
    if (entry.note != before) spdlog::error("{}", entry.note);
}

void Ports::release(const Entry& entry) const {
    const auto& pins = maps_.directory();
    const auto released = pins ? release_device(entry.ifindex, *pins) : hook_of(entry).detach();
    if (!released) spdlog::error("port {}: {}", entry.message.id(), released.error().message);
    if (auto erased = maps_["port_of_ifindex"].erase(&entry.ifindex); !erased)
        spdlog::error("port {}: {}", entry.message.id(), erased.error().message);
}

Result<void> Ports::remove_renamed(const Entry& entry) const {
    if (!entry.message.has_veth() || !check(entry) || hook_of(entry).attached() == 0) return {};
    return remove_veth(entry.ifindex);
}

Result<void> Ports::disconnect(const Entry& entry) const {
    const std::uint32_t id = entry.message.id();
    if (entry.ifindex != 0) {
        // A pair goes first, or all stays: without its program the container would meet the host's own stack.
        if (entry.message.has_veth())
            if (auto removed = remove_veth(entry.ifindex); !removed) return removed;
        release(entry);
    }
    for (const char* const map : {"ports", "counters", "drops"})
        if (auto erased = maps_[map].erase(&id); !erased) spdlog::error("port {}: {}", id, erased.error().message);
    return {};
}

Result<void> Ports::adopt(const fastpath::TableUpdate& told) {
    const auto devices = all_devices();
    if (!devices) return std::unexpected(devices.error());
    std::map<std::uint32_t, Result<void>> checked;
    for (const auto& message : told.ports()) {
        const bool endpoint = message.has_veth();
        Entry entry{.message = message,
                    .device = endpoint ? near_name(message.id()) : message.device().ifname(),
                    .mtu = message.mtu()};
        const auto device = devices->find(entry.device);
        if (device != devices->end() && (!endpoint || device->second.kind == "veth")) {
            entry.ifindex = device->second.ifindex;
            entry.mtu = device->second.mtu;
            entry.up = device->second.up;
            checked[message.id()] = check(entry);
        } else {
            const std::uint32_t id = message.id();
            weft_port known{};
            const auto found = maps_["ports"].find(&id, &known);
            Result<void> gone = found ? Result<void>{} : std::unexpected(found.error());
            entry.ifindex = known.ifindex;
            if (gone) gone = remove_renamed(entry);
            entry.ifindex = 0;
            if (gone) gone = write(entry);
            if (!gone) spdlog::error("port {}: {}", id, gone.error().message);
        }
        entries_[message.id()] = std::move(entry);
    }
    // From the first hook to the last one, packets meet programs of two versions.
    for (auto& [id, ready] : checked)
        try_to_serve(entries_[id], std::move(ready));
    keep_completion(&*devices, true);
    return {};
}

void Ports::keep_completion(const Devices* devices, bool anew) {
    const auto is_uplink = [](const Entry& entry) { return entry.message.has_device(); };
    if (std::ranges::none_of(entries_ | std::views::values, is_uplink)) {
        if (completes_) completion_.remove();
        completes_ = false;
        completion_note_.clear();
        return;
    }
    const bool completes = completes_ && completion_note_.empty();
    if (!anew && completes && (devices == nullptr || completion_.is_whole(*devices))) return;
    const auto attached = completion_.attach(programs_->completed());
    // Another pair leaves the pin of the one before.
    if (std::exchange(completes_, true) && attached) sweep();
    const std::string note =
        attached ? "" : "tunnels of containers do not reach other hosts: " + attached.error().message;
    if (note != std::exchange(completion_note_, note) && !note.empty()) spdlog::error("{}", note);
}

void Ports::sweep() const {
    std::set<std::uint32_t> ours;
    for (const auto& entry : entries_ | std::views::values)
        if (entry.ifindex != 0) ours.insert(entry.ifindex);
    if (completes_) ours.insert(completion_.served());
    std::vector<std::uint32_t> strange;
    const auto collect = [&](const void* key, const void*) {
        std::uint32_t ifindex = 0;
        std::memcpy(&ifindex, key, sizeof ifindex);
        if (!ours.contains(ifindex)) strange.push_back(ifindex);
    };
    if (auto read = maps_["port_of_ifindex"].for_each(collect); !read)
        spdlog::error("ports: {}", read.error().message);
    for (const std::uint32_t ifindex : strange)
        if (auto erased = maps_["port_of_ifindex"].erase(&ifindex); !erased)
            spdlog::error("ports: {}", erased.error().message);
    if (!maps_.directory()) return;
    for (const std::uint32_t ifindex : pinned_devices(*maps_.directory())) {
        if (ours.contains(ifindex)) continue;
        auto removed = check_pins(ifindex, *maps_.directory());
        // A container that no port serves would meet the host's own stack.
        if (removed && is_near_name(device_name(ifindex))) removed = remove_veth(ifindex);
        if (removed)
            if (auto released = release_device(ifindex, *maps_.directory()); !released)
                removed = std::unexpected(std::move(released).error());
        if (!removed) spdlog::error("what no port has: {}", removed.error().message);
    }
}

Result<void> Ports::make_way(const fastpath::Port& message) {
    const auto found = entries_.find(message.id());
    if (found == entries_.end() || (found->second.served && is_same_device(found->second.message, message)))
        return {};
    if (auto gone = disconnect(found->second); !gone) return gone;
    entries_.erase(found);
    return {};
}

Result<void> Ports::set(const fastpath::Port& message) {
    auto set = told_.tell(WEFT_TOLD_PORT, message.id(), message, [&]() -> Result<void> {
        if (auto way = make_way(message); !way) return way;
        if (const auto found = entries_.find(message.id()); found != entries_.end()) {
            Entry changed = found->second;
            if (message.has_veth())
                if (auto set = set_veth_mtu(changed.ifindex, message.mtu()); !set) return set;
            changed.message = message;
            if (auto connected = connect(changed); !connected) return connected;
            found->second = std::move(changed);
            return {};
        }
        auto entry = make(message);
        if (!entry) return std::unexpected(std::move(entry).error());
        auto served = check(*entry);
        if (served) served = serve(*entry);
        if (!served) {
            if (auto gone = disconnect(*entry); !gone)
                spdlog::error("port {}: {}", message.id(), gone.error().message);
            return served;
        }
        entries_[message.id()] = std::move(*entry);
        return {};
    });
    keep_completion(nullptr, false);
    if (set) return set;
    // The one that it was to replace has gone, and is not to come back at the next start.
    if (!entries_.contains(message.id()))
        if (auto forgotten = told_.forget(WEFT_TOLD_PORT, message.id()); !forgotten)
            spdlog::error("port {}: {}", message.id(), forgotten.error().message);
    return fail_in(std::move(set), fmt::format("port {}", message.id()));
}

Result<void> Ports::remove(std::uint32_t id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return {};
    if (auto gone = disconnect(found->second); !gone) return fail_in(std::move(gone), fmt::format("port {}", id));
    entries_.erase(found);
    keep_completion(nullptr, false);
    return told_.forget(WEFT_TOLD_PORT, id);
}

Result<void> Ports::serve_by(const Programs& programs) {
    programs_ = &programs;
    const auto devices = all_devices(); // if the kernel does not say, all are tried
    Result<void> first;
    for (auto& [id, entry] : entries_) {
        // One that is not served may have another namespace's pins. It is tried again at the next look.
        if (!entry.served || (devices && !is_there(entry.device, entry.ifindex, *devices))) continue;
        if (auto attached = attach(entry); !attached && first)
            first = fail_in(std::move(attached), fmt::format("port {}", id));
    }
    keep_completion(nullptr, true);
    return first;
}

std::vector<std::string> Ports::notes() const {
    std::vector<std::string> notes;
    for (const auto& entry : entries_ | std::views::values)
        if (!entry.note.empty()) notes.push_back(entry.note);
    if (!completion_note_.empty()) notes.push_back(completion_note_);
    return notes;
}

void Ports::dump(fastpath::TableUpdate& update) const {
    for (const auto& [id, entry] : entries_)
        if (entry.served) *update.add_ports() = entry.message;
}

Result<void> Ports::look_at(Entry& entry, const Devices& devices) const {
    const bool was_up = entry.up;
    const std::uint32_t was = entry.ifindex;
    if (was != 0 && !is_there(entry.device, was, devices)) {
        if (auto removed = remove_renamed(entry); !removed) return removed;
        release(entry);
        entry.ifindex = 0;
        entry.mtu = entry.message.mtu();
        entry.up = entry.served = false;
        entry.note = fmt::format("port {}: its interface {} has gone", entry.message.id(), entry.device);
        spdlog::warn("{}", entry.note);
    }
    // A pair is made by set() alone; another device of its name would be a stranger's.
    if (const auto device = devices.find(entry.device);
        device != devices.end() && (entry.ifindex != 0 || !entry.message.has_veth())) {
        entry.ifindex = device->second.ifindex;
        entry.mtu = device->second.mtu;
        entry.up = device->second.up;
        if (entry.served && hook_of(entry).attached() == 0) {
            entry.served = false;
            spdlog::error("port {}: somebody has taken the program at {} away, so that packets met the host's own "
                          "stack; it is put there again",
                          entry.message.id(), entry.device);
        }
        if (!entry.served) try_to_serve(entry, check(entry));
    }
    if (entry.up == was_up && entry.ifindex == was) return {};
    auto written = write(entry);
    if (!written) entry.served = false; // to be tried again
    return written;
}

Result<void> Ports::look() {
    const auto devices = all_devices();
    if (!devices) return std::unexpected(devices.error());
    Result<void> first;
    for (auto& entry : entries_ | std::views::values)
        if (auto looked = look_at(entry, *devices); !looked && first) first = std::move(looked);
    keep_completion(&*devices, false);
    return first;
}

Result<void> Ports::counters(fastpath::CountersReply& reply) {
    if (auto looked = look(); !looked) return looked;
    std::vector<weft_port_counts> counts(cpus());
    std::vector<weft_drop_counts> drops(cpus());
    for (const auto& [id, entry] : entries_) {
        auto& port = *reply.add_ports();
        port.set_port(id);
        port.set_name(entry.device);
        port.set_up(entry.up);
        port.set_present(entry.ifindex != 0);
        port.set_mtu(entry.mtu);
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
