// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/completion_pair.hpp"

#include <array>
#include <fstream>
#include <string_view>

#include "dataplane/api/device_features.hpp"
#include "ebpf/device_pins.hpp"
#include "ebpf/layout.h"
#include "ebpf/veth.hpp"

namespace weft::ebpf {

namespace {

constexpr std::uint32_t key = WEFT_COMPLETION;
/// As much as a packet may have, so that it never decides.
constexpr std::uint32_t mtu = 65535;
constexpr std::array<std::string_view, 2> checksums{"tx-checksum-ip-generic", "tx-checksum-sctp"};

std::optional<Device> find_end(const char* name) {
    auto device = find_device(name);
    return device && *device && (*device)->kind == "veth" ? *std::move(device) : std::nullopt;
}

Result<void> make() {
    // Its programs do not ask for link-layer addresses.
    const net::Mac mac(std::array<std::uint8_t, 6>{0x02, 0x77, 0x65, 0x66, 0x74, 0x02});
    auto made = make_veth({.near = CompletionPair::way_in,
                           .netns = "/proc/thread-self/ns/net",
                           .ifname = CompletionPair::way_out,
                           .mac = mac,
                           .mtu = mtu});
    if (!made) return std::unexpected(std::move(made).error());
    // As at the other end, the host itself has nothing to say there.
    std::ofstream(std::string("/proc/sys/net/ipv6/conf/") + CompletionPair::way_out + "/disable_ipv6") << "1";
    return {};
}

} // namespace

IngressHook CompletionPair::hook_at(std::uint32_t ifindex) const {
    return IngressHook(ifindex, maps_.directory(), IngressHook::Device::of_ours);
}

Result<void> CompletionPair::attach(int completed) const {
    if (!find_end(way_in) || !find_end(way_out))
        if (auto made = make(); !made) return made;
    const auto in = find_end(way_in);
    const auto out = find_end(way_out);
    if (!in || !out) return fail(ErrorCode::not_found, std::string("interface ") + way_in + " has gone again");
    if (auto disabled = fastpath::disable_features(way_in, checksums); !disabled) return disabled;
    if (maps_.directory())
        if (auto free = check_pins(out->ifindex, *maps_.directory()); !free) return free;
    if (auto attached = hook_at(out->ifindex).attach(completed); !attached) return attached;
    for (const Device& end : {*in, *out})
        if (auto raised = raise_veth(end.ifindex); !raised) return raised;
    const weft_port way{.ifindex = in->ifindex, .mtu = mtu, .role = WEFT_PORT_COMPLETION, .up = 1, .reserved = 0};
    return maps_["ports"].set(&key, &way);
}

bool CompletionPair::is_whole(const Devices& devices) const {
    weft_port way{};
    const auto known = maps_["ports"].find(&key, &way);
    const auto in = devices.find(way_in);
    const auto out = devices.find(way_out);
    return known && *known && in != devices.end() && in->second.up && in->second.ifindex == way.ifindex &&
           out != devices.end() && out->second.up && hook_at(out->second.ifindex).attached() != 0;
}

std::uint32_t CompletionPair::served() const {
    const auto out = find_end(way_out);
    return out ? out->ifindex : 0;
}

void CompletionPair::remove() const {
    static_cast<void>(maps_["ports"].erase(&key));
    const auto out = find_end(way_out);
    // The pair first: what is on its way through would meet the host's own stack.
    if (const auto in = find_end(way_in)) static_cast<void>(remove_veth(in->ifindex));
    if (out) static_cast<void>(hook_at(out->ifindex).detach());
}

} // namespace weft::ebpf
