// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/xdp_hook.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <linux/if_link.h>

#include <utility>

#include <fmt/format.h>

#include "ebpf/netlink.hpp"

namespace weft::ebpf {

namespace {

Error refusal(std::uint32_t ifindex, int number) {
    const std::string what = fmt::format("interface {}: no XDP program can be attached", device_name(ifindex));
    switch (number) {
    case EOPNOTSUPP:
        return {ErrorCode::unsupported, what + ": its driver runs none: use --uplink-hook tc"};
    case EBUSY:
    case EEXIST:
        return {ErrorCode::exists,
                fmt::format("{}: another one is there (ip -details link show dev {}): take that one away, or use "
                            "--uplink-hook tc",
                            what, device_name(ifindex))};
    case EPERM:
        return {ErrorCode::denied, what + ": this needs CAP_BPF and CAP_NET_ADMIN"};
    default:
        return {
            ErrorCode::unsupported,
            fmt::format("{}: {}: the kernel's log (dmesg) may say more, as of an MTU or an offload (LRO) that the "
                        "driver cannot have at the same time; or use --uplink-hook tc",
                        what, std::strerror(number))};
    }
}

} // namespace

XdpHook::XdpHook(std::uint32_t ifindex, const std::string& pins) :
    ifindex_(ifindex), link_(ifindex, BPF_XDP, fmt::format("{}/xdp-{}", pins, ifindex)) {}

Result<void> XdpHook::attach(int program) const {
    if (const int refused = link_.attach(program, XDP_FLAGS_DRV_MODE); refused != 0)
        return std::unexpected(refusal(ifindex_, refused));
    return {};
}

bool is_physical(const std::string& device) {
    std::error_code ignored;
    return std::filesystem::exists("/sys/class/net/" + device + "/device", ignored);
}

} // namespace weft::ebpf
