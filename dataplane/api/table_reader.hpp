// SPDX-License-Identifier: BSD-3-Clause
// TableReader: the tables of a fast path as packets meet them, for questions that are no packets. Each fast path
// implements it over its own lookups; explain.hpp asks it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/policy.h"
#include "routing/net/result.hpp"

namespace weft::fastpath {

/// Each call fails when the tables cannot be read.
class TableReader {
  public:
    virtual ~TableReader() = default;

    /// The network's name; none: no network has the VNI.
    [[nodiscard]] virtual Result<std::optional<std::string>> network(std::uint32_t vni) const = 0;
    [[nodiscard]] virtual Result<std::optional<weft_endpoint>> endpoint(std::uint32_t port) const = 0;
    /// Of an endpoint that is there.
    [[nodiscard]] virtual std::string endpoint_name(std::uint32_t port) const = 0;
    [[nodiscard]] virtual Result<std::optional<weft_next_hop>> next_hop(std::uint32_t id) const = 0;
    /// The longest match in a network that is there; next hop 0: none.
    [[nodiscard]] virtual Result<weft_route_value> route(std::uint32_t vni, const weft_address& address) const = 0;
    /// The list of verdicts under the key, as verdict_block() knows it; 0: none.
    [[nodiscard]] virtual Result<std::uint64_t> verdicts(const weft_policy_key& key) const = 0;
    /// From 1; none: the list is damaged.
    [[nodiscard]] virtual Result<std::optional<weft_verdict_block>> verdict_block(std::uint64_t list,
                                                                                  std::uint32_t block) const = 0;
};

} // namespace weft::fastpath
