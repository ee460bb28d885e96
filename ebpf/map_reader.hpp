// SPDX-License-Identifier: BSD-3-Clause
// MapReader: asks the maps what programs ask them, by the same keys. For `weft explain`, and for tests.
#pragma once

#include "dataplane/api/table_reader.hpp"
#include "dataplane/api/table_writer.hpp"
#include "ebpf/layout.h"
#include "ebpf/map_set.hpp"

namespace weft::ebpf {

class MapReader final : public fastpath::TableReader {
  public:
    /// Both must outlive it. The writer knows the names.
    MapReader(const MapSet& maps, const fastpath::TableWriter& writer) : maps_(maps), writer_(writer) {}

    [[nodiscard]] Result<bool> is_vtep(const weft_address& address) const;
    [[nodiscard]] Result<std::optional<std::string>> network(std::uint32_t vni) const override;
    [[nodiscard]] Result<std::optional<weft_endpoint>> endpoint(std::uint32_t port) const override;
    [[nodiscard]] std::string endpoint_name(std::uint32_t port) const override;
    [[nodiscard]] Result<std::optional<weft_next_hop>> next_hop(std::uint32_t id) const override;
    [[nodiscard]] Result<weft_route_value> route(std::uint32_t vni, const weft_address& address) const override;
    [[nodiscard]] Result<std::uint64_t> verdicts(const weft_policy_key& key) const override;
    [[nodiscard]] Result<std::optional<weft_verdict_block>> verdict_block(std::uint64_t list,
                                                                          std::uint32_t block) const override;

  private:
    const MapSet& maps_;
    const fastpath::TableWriter& writer_;
};

} // namespace weft::ebpf
