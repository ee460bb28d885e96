// SPDX-License-Identifier: BSD-3-Clause
// MapReader: asks the maps what programs ask them, by the same keys. For `weft explain`, and for tests.
#pragma once

#include <optional>

#include "ebpf/layout.h"
#include "ebpf/map_set.hpp"

namespace weft::ebpf {

class MapReader {
  public:
    /// `maps` must outlive it.
    explicit MapReader(const MapSet& maps) : maps_(maps) {}

    [[nodiscard]] Result<bool> has_network(std::uint32_t vni) const;
    [[nodiscard]] Result<bool> is_vtep(const weft_address& address) const;
    [[nodiscard]] Result<std::optional<weft_endpoint>> endpoint(std::uint32_t port) const;
    [[nodiscard]] Result<std::optional<weft_next_hop>> next_hop(std::uint32_t id) const;
    /// The longest match; next hop 0: none.
    [[nodiscard]] Result<weft_route_value> route(std::uint32_t vni, const weft_address& address) const;
    /// The entry that decides.
    [[nodiscard]] Result<weft_policy_value> policy(weft_direction direction, std::uint32_t local, std::uint32_t peer,
                                                   std::uint32_t protocol, std::uint32_t port) const;

  private:
    const MapSet& maps_;
};

} // namespace weft::ebpf
