// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/purge.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "ebpf/hook.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/veth.hpp"
#include "ebpf/xdp_hook.hpp"

namespace weft::ebpf {

namespace {

void remember(Result<void>& first, Error error) {
    if (first) first = std::unexpected(std::move(error));
}

/// Containers lose their interface, other devices our program.
Result<void> clear(const Device& device, const std::string& notes, const Removed& removed) {
    if (device.kind == "veth" && is_near_name(device.name)) {
        remove_veth(device.ifindex);
        removed(fmt::format("the veth pair of {}", device.name));
        return {};
    }
    // Before the program of tc, which takes what it leaves.
    if (XdpHook(device.ifindex, notes).detach()) removed("the XDP program at " + device.name);
    auto detached = IngressHook(device.ifindex, notes).detach();
    if (!detached) return std::unexpected(std::move(detached).error());
    std::ranges::for_each(*detached, removed);
    return {};
}

} // namespace

Result<void> purge(const std::string& directory, const Removed& removed) {
    const auto pins = PinDirectory::at(directory);
    if (!pins) return std::unexpected(pins.error());
    std::optional<PinLock> lock;
    if (pins->exists()) {
        auto taken = PinLock::take(*pins);
        if (!taken) return std::unexpected(std::move(taken).error());
        lock.emplace(std::move(*taken));
    }
    Result<void> first;
    const auto devices = all_devices();
    if (!devices) return std::unexpected(devices.error());
    for (const Device& device : *devices)
        if (auto cleared = clear(device, pins->path(), removed); !cleared)
            remember(first, std::move(cleared).error());
    // A set whose devices still bear its programs is worth keeping: the next purge finds it.
    if (!first || !pins->exists()) return first;
    for (const auto& layouts : {pins->layouts(), pins->unfinished()})
        for (const std::string& layout : layouts) {
            std::error_code ignored;
            removed(fmt::format("{} eBPF maps in {}",
                                std::distance(std::filesystem::directory_iterator(layout, ignored), {}), layout));
        }
    if (auto gone = pins->remove(); !gone) return gone;
    removed(pins->path());
    return {};
}

} // namespace weft::ebpf
