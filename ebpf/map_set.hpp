// SPDX-License-Identifier: BSD-3-Clause
// MapSet: all maps of the eBPF fast path, as ebpf/maps.bpf.h defines them, pinned in a BPF file system so that they
// outlive the agent (pin_directory.hpp). Whoever opens the set makes what is missing and takes over what is there.
// Programs are loaded over the same maps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ebpf/map.hpp"
#include "ebpf/pin_directory.hpp"

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
    using Sizes = std::map<std::string, std::uint32_t>; ///< entries by the map's name

    /// What a set of another layout holds is taken over (migration.hpp); as long as hooks may have its programs, that
    /// set stays, and retire_predecessors() is due. Refuses maps that this build would read wrongly. Nothing is
    /// pinned unless all maps could be made.
    [[nodiscard]] static Result<MapSet> open(const MapSetOptions& options);

    /// By its name in maps.bpf.h.
    [[nodiscard]] const Map& operator[](const std::string& name) const { return maps_.at(name); }

    /// Were all maps there already?
    [[nodiscard]] bool adopted() const { return adopted_; }

    /// Where they are pinned, with what else is noted there; none: nowhere.
    [[nodiscard]] const std::optional<std::string>& directory() const { return directory_; }

    /// Takes over what packets have written into the others until now: to be called before hooks get programs over
    /// this set, so that these know all that the others know but for a moment.
    [[nodiscard]] Result<void> carry_sessions() const;
    /// To be called when all hooks have them: the same once more, and the others go.
    [[nodiscard]] Result<void> retire_predecessors();

    /// Pins what somebody has unpinned since, for those who come later; returns whether there was anything.
    [[nodiscard]] Result<bool> pin_again(const PinDirectory& pins) const;

    /// Lets an object that is not loaded yet use these maps where it has one of the same name.
    [[nodiscard]] Result<void> lend(bpf_object* object) const;

  private:
    /// Takes what is pinned at that place, and makes and pins there what is not.
    [[nodiscard]] static Result<MapSet> assemble(const Sizes& sizes, const std::optional<std::string>& place);

    /// Makes and pins all, under another name until they are whole and filled from one of the others.
    [[nodiscard]] static Result<MapSet> make_anew(Sizes sizes, const std::string& layout,
                                                  std::span<const std::string> others);

    std::map<std::string, Map> maps_;
    std::optional<std::string> directory_;
    std::vector<std::string> predecessors_; ///< directories
    bool adopted_ = false;
};

} // namespace weft::ebpf
