// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/map_reader.hpp"

namespace weft::ebpf {

namespace {

template <class Value, class Key>
Result<std::optional<Value>> find(const Map& map, const Key& key) {
    Value value;
    auto found = map.find(&key, &value);
    if (!found) return std::unexpected(std::move(found).error());
    return *found ? std::optional(value) : std::nullopt;
}

template <class Key>
Result<bool> contains(const Map& map, const Key& key) {
    std::uint32_t ignored = 0;
    return map.find(&key, &ignored);
}

} // namespace

Result<std::optional<std::string>> MapReader::network(std::uint32_t vni) const {
    auto found = contains(maps_["networks"], vni);
    if (!found) return std::unexpected(std::move(found).error());
    if (!*found) return std::nullopt;
    const std::string* const name = writer_.network_name(vni);
    return name != nullptr ? *name : std::string();
}

std::string MapReader::endpoint_name(std::uint32_t port) const {
    const fastpath::Endpoint* const endpoint = writer_.endpoint(port);
    return endpoint != nullptr ? endpoint->name() : std::string();
}

Result<bool> MapReader::is_vtep(const weft_address& address) const { return contains(maps_["vteps"], address); }

Result<std::optional<weft_endpoint>> MapReader::endpoint(std::uint32_t port) const {
    auto found = find<weft_endpoint>(maps_["endpoints"], port);
    if (found && *found && !weft_endpoint_exists(&**found)) found->reset();
    return found;
}

Result<std::optional<weft_next_hop>> MapReader::next_hop(std::uint32_t id) const {
    auto found = find<weft_next_hop>(maps_["next_hops"], id);
    if (found && *found && !weft_next_hop_exists(&**found)) found->reset();
    return found;
}

Result<weft_route_value> MapReader::route(std::uint32_t vni, const weft_address& address) const {
    auto found = find<weft_route_value>(maps_["host_routes"], weft_host_route_key_of(vni, &address));
    if (found && !*found)
        found = find<weft_route_value>(maps_["prefix_routes"], weft_prefix_route_key_of(vni, &address, 128));
    if (!found) return std::unexpected(std::move(found).error());
    return found->value_or(weft_route_value{});
}

Result<std::uint64_t> MapReader::verdicts(const weft_policy_key& key) const {
    auto found = find<weft_policy_list>(maps_["policies"], key);
    if (!found) return std::unexpected(std::move(found).error());
    return *found ? (*found)->list : 0;
}

Result<std::optional<weft_verdict_block>> MapReader::verdict_block(std::uint64_t list, std::uint32_t block) const {
    return find<weft_verdict_block>(maps_["verdicts"], weft_verdict_key_of(list, block));
}

} // namespace weft::ebpf
