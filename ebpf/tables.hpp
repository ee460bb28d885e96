// SPDX-License-Identifier: BSD-3-Clause
// Tables: everything that programs look up but sessions, in pinned maps: the set of maps, what is kept in them, and
// the one writer. Whoever opens them takes over what is there.
#pragma once

#include <memory>

#include "dataplane/api/table_writer.hpp"
#include "ebpf/map_reader.hpp"
#include "ebpf/map_set.hpp"
#include "ebpf/map_store.hpp"

namespace weft::ebpf {

class Tables {
  public:
    /// Makes the maps, or takes over those that are pinned. An agent that died in an update left something half done:
    /// that is completed, and sessions are decided anew; otherwise nothing changes.
    [[nodiscard]] static Result<std::unique_ptr<Tables>> open(const MapSetOptions& options);

    /// Applies everything but ports. See TableWriter for what an error leaves.
    [[nodiscard]] Result<void> apply(const fastpath::TableUpdate& update);

    /// One update that would rebuild the tables, without ports.
    [[nodiscard]] Result<fastpath::TableUpdate> dump() const { return writer_.dump(); }

    [[nodiscard]] std::vector<fastpath::Gauge> gauges() const { return store_->gauges(); }

    [[nodiscard]] weft_quota session_quota() const { return store_->session_quota(); }

    [[nodiscard]] std::uint32_t epoch() const { return store_->epoch(); }

    /// Has programs ask the map of sessions again, whatever they have found lately (recent.bpf.h), and decide anew
    /// what is still there. Returns when no packet that met the map as it was before is under way.
    [[nodiscard]] Result<void> outdate_sessions();

    /// See MapSet.
    [[nodiscard]] Result<void> carry_sessions() const { return maps_.carry_sessions(); }

    [[nodiscard]] Result<void> retire_predecessors() { return maps_.retire_predecessors(); }

    [[nodiscard]] const MapSet& maps() const { return maps_; }

    [[nodiscard]] MapReader reader() const { return {maps_, writer_}; }

    [[nodiscard]] Told& told() { return store_->told(); }

  private:
    Tables(MapSet maps, std::unique_ptr<MapStore> store) :
        maps_(std::move(maps)), store_(std::move(store)), writer_(*store_) {}

    MapSet maps_;
    std::unique_ptr<MapStore> store_;
    fastpath::TableWriter writer_;
};

} // namespace weft::ebpf
