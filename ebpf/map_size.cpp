// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/map_size.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::ebpf {

namespace {

struct Name {
    std::string_view size;
    std::string_view map;
};

constexpr std::array names{
    Name{"fib", "host_routes"},  Name{"fib_prefix", "prefix_routes"}, Name{"policy", "policies"},
    Name{"verdict", "verdicts"}, Name{"network", "networks"},         Name{"session", "sessions"},
};

/// As in maps.bpf.h, where `told` has room for what is said of so many networks, beside all that have numbers.
constexpr std::uint32_t networks_standard = 65536;
constexpr std::uint32_t told_standard = 524288;

} // namespace

Result<std::map<std::string, std::uint32_t>> map_entries(const std::map<std::string, std::uint32_t>& sizes) {
    std::map<std::string, std::uint32_t> entries;
    for (const auto& [name, number] : sizes) {
        const auto found = std::ranges::find(names, name, &Name::size);
        if (found == names.end()) {
            std::vector<std::string_view> known;
            for (const Name& each : names)
                known.push_back(each.size);
            return fail(ErrorCode::invalid, fmt::format("--map-size {}={}: no map is named {}; there are {}", name,
                                                        number, name, fmt::join(known, ", ")));
        }
        entries[std::string(found->map)] = number;
    }
    if (const auto found = entries.find("networks"); found != entries.end() && found->second > networks_standard)
        entries["told"] = told_standard + (found->second - networks_standard);
    return entries;
}

std::optional<std::string_view> size_name(std::string_view map) {
    const auto found = std::ranges::find(names, map, &Name::map);
    return found != names.end() ? std::optional(found->size) : std::nullopt;
}

} // namespace weft::ebpf
