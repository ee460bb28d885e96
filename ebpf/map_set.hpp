// SPDX-License-Identifier: BSD-3-Clause
// MapSet: all maps of the eBPF fast path, as ebpf/maps.bpf.h defines them, pinned in a BPF file system so that they
// outlive the agent:
//
//   <bpffs>/weft/layout-1/{host,epoch,...,told}      the directory is root's alone; its number is WEFT_LAYOUT
//
// Whoever opens the set makes what is missing and takes over what is there. Programs are loaded over the same maps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "ebpf/map.hpp"

struct bpf_object;

namespace weft::ebpf {

struct MapSetOptions {
    /// A directory of our own in a BPF file system, made if need be. None: the maps are not pinned and end with their
    /// users.
    std::optional<std::string> directory = "/sys/fs/bpf/weft";
    /// Entries by the map's name, for maps that are made now; one that is pinned keeps its size.
    std::map<std::string, std::uint32_t> entries;
};

class MapSet {
  public:
    /// Refuses maps that this build would read wrongly. Nothing is pinned unless all maps could be made.
    [[nodiscard]] static Result<MapSet> open(const MapSetOptions& options);

    /// By its name in maps.bpf.h.
    [[nodiscard]] const Map& operator[](const std::string& name) const { return maps_.at(name); }

    /// Were all maps there already?
    [[nodiscard]] bool adopted() const { return adopted_; }

    /// Lets an object that is not loaded yet use these maps where it has one of the same name.
    [[nodiscard]] Result<void> lend(bpf_object* object) const;

    /// Removes the directory with all that is pinned there, of any layout. Those who have a map open keep it.
    [[nodiscard]] static Result<void> purge(const std::string& directory);

  private:
    std::map<std::string, Map> maps_;
    bool adopted_ = false;
};

} // namespace weft::ebpf
