// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/tables.hpp"

#include "ebpf/grace_period.hpp"

namespace weft::ebpf {

Result<std::unique_ptr<Tables>> Tables::open(const MapSetOptions& options) {
    auto maps = MapSet::open(options);
    if (!maps) return std::unexpected(std::move(maps).error());
    auto store = MapStore::open(*maps);
    if (!store) return std::unexpected(std::move(store).error());
    auto told = (*store)->told().read();
    if (!told) return std::unexpected(std::move(told).error());
    std::unique_ptr<Tables> tables(new Tables(std::move(*maps), std::move(*store)));
    tables->store_->begin_adoption();
    if (auto adopted = tables->writer_.adopt(*told); !adopted)
        return fail_in(std::move(adopted),
                       "the pinned eBPF tables cannot be taken over; remove them with weftd --purge");
    tables->store_->end_adoption();
    return tables;
}

Result<void> Tables::apply(const fastpath::TableUpdate& update) {
    store_->begin_update();
    auto applied = writer_.apply(update);
    store_->end_update();
    return applied;
}

Result<void> Tables::outdate_sessions() {
    store_->begin_update();
    store_->end_update();
    return wait_for_packets_under_way();
}

} // namespace weft::ebpf
