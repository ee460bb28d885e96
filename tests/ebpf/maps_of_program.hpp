// SPDX-License-Identifier: BSD-3-Clause
// The maps that a program in the kernel uses, by the kernel's number of the program.
#pragma once

#include <iterator>

#include <linux/bpf.h>

#include <stdexcept>
#include <vector>

#include <bpf/bpf.h>
#include <unistd.h>

#include "ebpf/map.hpp"

namespace weft::ebpf {

/// Each has the name that the kernel knows, which is cut to fifteen characters.
inline std::vector<Map> maps_of_program(std::uint32_t number) {
    const int program = bpf_prog_get_fd_by_id(number);
    if (program < 0) throw std::runtime_error("no program of ours is there");
    std::uint32_t ids[64];
    bpf_prog_info info{};
    info.nr_map_ids = std::size(ids);
    info.map_ids = reinterpret_cast<std::uint64_t>(ids);
    std::uint32_t size = sizeof info;
    const bool told = bpf_obj_get_info_by_fd(program, &info, &size) == 0 && info.nr_map_ids <= std::size(ids);
    close(program);
    if (!told) throw std::runtime_error("the program tells nothing");
    std::vector<Map> maps;
    for (std::uint32_t i = 0; i < info.nr_map_ids; ++i) {
        const int map = bpf_map_get_fd_by_id(ids[i]);
        bpf_map_info about{};
        size = sizeof about;
        if (bpf_obj_get_info_by_fd(map, &about, &size) != 0) throw std::runtime_error("the map tells nothing");
        maps.push_back(Map::own(map, about.name).value());
    }
    return maps;
}

} // namespace weft::ebpf
