// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/device_pins.hpp"

#include <array>
#include <filesystem>
#include <optional>
#include <string_view>

#include "ebpf/hook.hpp"
#include "ebpf/netlink.hpp"
#include "ebpf/numbered_name.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/xdp_hook.hpp"

namespace weft::ebpf {

namespace {

constexpr std::array<std::string_view, 3> prefixes = {"tcx-", "xdp-", "clsact-"};

std::optional<std::uint32_t> device_of(std::string_view name) {
    for (const std::string_view prefix : prefixes)
        if (const auto ifindex = number_behind<std::uint32_t>(prefix, name)) return ifindex;
    return std::nullopt;
}

} // namespace

std::set<std::uint32_t> pinned_devices(const std::string& directory) {
    std::set<std::uint32_t> devices;
    std::error_code ignored; // without the directory there are none
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored))
        if (const auto ifindex = device_of(entry.path().filename().native())) devices.insert(*ifindex);
    return devices;
}

Result<void> check_pins(std::uint32_t ifindex, const std::string& directory) {
    auto here = XdpHook(ifindex, directory).check_is_here();
    return here ? IngressHook(ifindex, directory).check_is_here() : here;
}

Result<std::vector<std::string>> release_device(std::uint32_t ifindex, const std::string& directory) {
    if (auto here = check_pins(ifindex, directory); !here) return std::unexpected(std::move(here).error());
    // XDP first: the program of tc takes what it leaves, and stays with it.
    const auto in_front = XdpHook(ifindex, directory).detach();
    if (!in_front) return std::unexpected(in_front.error());
    auto removed = IngressHook(ifindex, directory).detach();
    if (removed && *in_front) removed->insert(removed->begin(), "the XDP program at " + device_name(ifindex));
    return removed;
}

} // namespace weft::ebpf
