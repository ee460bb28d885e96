// SPDX-License-Identifier: BSD-3-Clause
// CompletionPair: a veth pair of the host's own whose way in has no checksum offload, so that the kernel completes
// what goes through. It is the way to the uplink for what containers send through tunnels of their own (GRE, IPIP,
// Geneve ...): there the inner checksum is still open when the packet leaves the container, whatever its interface
// offers, and stays so behind our outer headers, where devices do not find it.
//
//   endpoint's program --> weft-sum0 == weft-sum1 --> program `completed` --> the uplink's device
#pragma once

#include "ebpf/hook.hpp"
#include "ebpf/map_set.hpp"
#include "ebpf/veth.hpp"
#include "routing/net/result.hpp"

namespace weft::ebpf {

class CompletionPair {
  public:
    static constexpr const char* way_in = "weft-sum0";
    static constexpr const char* way_out = "weft-sum1";

    /// The maps must outlive it.
    explicit CompletionPair(const MapSet& maps) : maps_(maps) {}

    /// Makes the pair, unless it is there, and has the program serve its way out.
    [[nodiscard]] Result<void> attach(int completed) const;
    /// Is it there, among these devices, as attach() has left it?
    [[nodiscard]] bool is_whole(const Devices& devices) const;
    /// The device that the program serves; 0: there is none.
    [[nodiscard]] std::uint32_t served() const;
    void remove() const;

  private:
    [[nodiscard]] IngressHook hook_at(std::uint32_t ifindex) const;

    const MapSet& maps_;
};

} // namespace weft::ebpf
