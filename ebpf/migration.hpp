// SPDX-License-Identifier: BSD-3-Clause
// Migration: a set of maps takes over what one of another layout holds, older or newer, while that one's programs go
// on. Nothing here knows any layout but by the BTF that lies with the maps: entries move by the names of their
// members (conversion.hpp), maps by their own. What is the same in both is not moved: the new set has that very map,
// so nothing is lost between the programs of the two.
//
//   old programs --> old maps ---- share, fill ----> new maps      then the hooks are given the new programs, then
//                       '--------- carry_sessions -----^           what packets wrote into the old maps meanwhile
#pragma once

#include <map>
#include <string>

#include "ebpf/map_set.hpp"
#include "ebpf/typed_map.hpp"

namespace weft::ebpf {

class Migration {
  public:
    /// `layout` is the directory of the old set, which stays as it is.
    [[nodiscard]] static Result<Migration> from(const std::string& layout);

    /// Pins at `place` those of our maps that the new set can have as they are. For others `sizes` grows to what they
    /// must hold, unless it says otherwise.
    [[nodiscard]] Result<void> share(bpf_object* definitions, const std::string& place, MapSet::Sizes& sizes) const;

    /// Copies what is not shared. A map that only one side has stays out, and so do counters that were not kept for
    /// each CPU, or no longer are. Refuses, by the map's and the member's name, what would be read wrongly.
    [[nodiscard]] Result<void> fill(const std::map<std::string, Map>& to) const;

    /// What packets wrote since: sessions that the new map has not, or saw less of.
    [[nodiscard]] Result<void> carry_sessions(const Map& to) const;

  private:
    explicit Migration(std::string layout) : layout_(std::move(layout)) {}

    std::string layout_;
    std::map<std::string, TypedMap> maps_;
};

} // namespace weft::ebpf
