// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/map_set.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "ebpf/grace_period.hpp"
#include "ebpf/layout.h"
#include "ebpf/maps.skel.h"
#include "ebpf/migration.hpp"

namespace weft::ebpf {

namespace {

using Object = std::unique_ptr<bpf_object, decltype(&bpf_object__close)>;

Result<Object> open_definitions() {
    std::size_t size = 0;
    const void* const bytes = weft_maps::elf_bytes(&size);
    Object object(bpf_object__open_mem(bytes, size, nullptr), &bpf_object__close);
    if (!object)
        return fail(ErrorCode::internal, fmt::format("the definitions of the eBPF maps: {}", std::strerror(errno)));
    return object;
}

/// What a map must be like, and in which words it is told.
struct Shape {
    std::uint32_t type;
    std::uint32_t key_size;
    std::uint32_t value_size;
    std::uint32_t flags;

    friend bool operator==(const Shape&, const Shape&) = default;
};

Result<void> check_shape(const bpf_map* defined, const Map& pinned, const std::string& path) {
    const Shape wants{static_cast<std::uint32_t>(bpf_map__type(defined)), bpf_map__key_size(defined),
                      bpf_map__value_size(defined), bpf_map__map_flags(defined)};
    const Shape has{pinned.type(), pinned.key_size(), pinned.value_size(), pinned.flags()};
    if (has == wants) return {};
    return fail(ErrorCode::invalid,
                fmt::format("the eBPF map pinned at {} is of another layout (type {}, {}-byte keys, {}-byte values, "
                            "flags {:#x}, where this version wants {}, {}, {}, {:#x}): remove it with weftd --purge",
                            path, has.type, has.key_size, has.value_size, has.flags, wants.type, wants.key_size,
                            wants.value_size, wants.flags));
}

std::string path_of(const std::string& layout, const bpf_map* map) {
    return fmt::format("{}/{}", layout, bpf_map__name(map));
}

constexpr std::uint32_t sizeable_entries_min = 16;

/// Sizes of maps that are still to be made.
Result<void> set_sizes(bpf_object* object, const MapSet::Sizes& sizes) {
    for (const auto& [name, entries] : sizes) {
        bpf_map* const map = bpf_object__find_map_by_name(object, name.c_str());
        // `host` and `epoch` have as many entries as they have meanings.
        if (map == nullptr || bpf_map__max_entries(map) < sizeable_entries_min)
            return fail(ErrorCode::invalid, fmt::format("no eBPF map that can be sized has the name {}", name));
        if (entries == 0 || bpf_map__set_max_entries(map, entries) != 0)
            return fail(ErrorCode::invalid, fmt::format("the eBPF map {} cannot have {} entries", name, entries));
    }
    return {};
}

/// The map that is pinned there, if there is one; the object then takes it instead of making its own.
Result<std::optional<Map>> open_pinned(bpf_map* defined, const std::string& path) {
    const int descriptor = bpf_obj_get(path.c_str());
    if (descriptor < 0 && errno == ENOENT) return std::nullopt;
    if (descriptor < 0) return fail_pin("open the eBPF map pinned at " + path, errno);
    auto pinned = Map::own(descriptor, bpf_map__name(defined));
    if (!pinned) return std::unexpected(std::move(pinned).error());
    if (auto checked = check_shape(defined, *pinned, path); !checked)
        return std::unexpected(std::move(checked).error());
    if (bpf_map__set_max_entries(defined, pinned->capacity()) != 0 || bpf_map__reuse_fd(defined, descriptor) != 0)
        return fail_pin(fmt::format("use the eBPF map pinned at {} again", path), errno);
    return std::move(*pinned);
}

std::unexpected<Error> refusal(int number) {
    const std::string what = fmt::format("cannot make the eBPF maps: {}", std::strerror(number));
    switch (number) {
    case EPERM:
        return fail(ErrorCode::denied, what + ": this needs CAP_BPF and CAP_NET_ADMIN");
    case ENOMEM:
    case E2BIG:
        return fail(ErrorCode::exhausted, what + ": make them smaller with --map-size NAME=NUMBER");
    default:
        return fail(ErrorCode::internal, what + "; `weft doctor` tells what they need");
    }
}

/// All or none.
Result<void> pin(std::span<bpf_map* const> maps, const std::string& layout) {
    for (std::size_t i = 0; i < maps.size(); ++i) {
        const std::string path = path_of(layout, maps[i]);
        if (bpf_obj_pin(bpf_map__fd(maps[i]), path.c_str()) == 0) continue;
        const int number = errno;
        while (i-- > 0)
            unlink(path_of(layout, maps[i]).c_str());
        return fail_pin("pin an eBPF map at " + path, number);
    }
    return {};
}

} // namespace

Result<MapSet> MapSet::assemble(const Sizes& sizes, const std::optional<std::string>& place) {
    auto object = open_definitions();
    if (!object) return std::unexpected(std::move(object).error());
    if (auto sized = set_sizes(object->get(), sizes); !sized) return std::unexpected(std::move(sized).error());
    MapSet set;
    std::vector<bpf_map*> missing;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object->get()) {
        Result<std::optional<Map>> pinned = std::nullopt;
        if (place) pinned = open_pinned(map, path_of(*place, map));
        if (!pinned) return std::unexpected(std::move(pinned).error());
        if (*pinned)
            set.maps_.emplace(bpf_map__name(map), std::move(**pinned));
        else
            missing.push_back(map);
    }
    set.adopted_ = missing.empty();
    // This makes what is missing.
    if (const int failed = bpf_object__load(object->get()); failed != 0) return refusal(-failed);
    for (bpf_map* made : missing) {
        auto own = Map::own(fcntl(bpf_map__fd(made), F_DUPFD_CLOEXEC, 0), bpf_map__name(made));
        if (!own) return std::unexpected(std::move(own).error());
        set.maps_.emplace(own->name(), std::move(*own));
    }
    if (place)
        if (auto done = pin(missing, *place); !done) return std::unexpected(std::move(done).error());
    return set;
}

Result<MapSet> MapSet::make_anew(Sizes sizes, const std::string& layout, std::span<const std::string> others) {
    const std::string place = PinDirectory::unfinished(layout);
    if (auto made = PinDirectory::make_directory(place); !made) return std::unexpected(std::move(made).error());
    std::optional<Migration> migration;
    if (!others.empty()) {
        // Several are there when one was killed while it took over from the other; then both say the same.
        auto begun = Migration::from(others.back());
        if (!begun) return std::unexpected(std::move(begun).error());
        migration = std::move(*begun);
        auto object = open_definitions();
        if (!object) return std::unexpected(std::move(object).error());
        if (auto shared = migration->share(object->get(), place, sizes); !shared)
            return std::unexpected(std::move(shared).error());
    }
    auto set = assemble(sizes, place);
    if (!set) return set;
    if (migration)
        if (auto filled = migration->fill(set->maps_); !filled) return std::unexpected(std::move(filled).error());
    if (rename(place.c_str(), layout.c_str()) != 0) return fail_pin("rename " + place, errno);
    return set;
}

Result<void> MapSet::carry_sessions() const {
    Result<void> first;
    for (const std::string& layout : predecessors_) {
        const auto old = Migration::from(layout);
        auto carried = old ? old->carry_sessions((*this)["sessions"]) : Result<void>(std::unexpected(old.error()));
        if (first && !carried) first = std::move(carried);
    }
    return first;
}

Result<void> MapSet::retire_predecessors() {
    if (predecessors_.empty()) return {};
    Result<void> first = wait_for_packets_under_way();
    if (auto carried = carry_sessions(); first) first = std::move(carried);
    for (const std::string& layout : std::exchange(predecessors_, {}))
        if (auto removed = remove_layout(layout); first && !removed) first = std::move(removed);
    return first;
}

Result<MapSet> MapSet::open(const MapSetOptions& options) {
    if (!options.directory) return assemble(options.entries, std::nullopt);
    const auto pins = PinDirectory::at(*options.directory);
    if (!pins) return std::unexpected(pins.error());
    if (auto made = pins->make(); !made) return std::unexpected(std::move(made).error());
    for (const std::string& left : pins->unfinished())
        if (auto removed = remove_pins(left); !removed) return std::unexpected(std::move(removed).error());
    const std::string layout = pins->layout(WEFT_LAYOUT);
    std::vector<std::string> others = pins->layouts();
    const bool is_new = std::erase(others, layout) == 0;
    auto set = is_new ? make_anew(options.entries, layout, others) : assemble(options.entries, layout);
    if (!set) return set;
    set->predecessors_ = std::move(others);
    for (const auto& [name, entries] : options.entries)
        if (const std::uint32_t has = (*set)[name].capacity(); has != entries)
            spdlog::warn("the eBPF map {} keeps its size of {}: for {}, make it anew (weftd --purge)", name, has,
                         entries);
    set->directory_ = pins->path();
    return set;
}

Result<bool> MapSet::pin_again(const PinDirectory& pins) const {
    const std::string layout = pins.layout(WEFT_LAYOUT);
    bool any = false;
    for (const auto& [name, map] : maps_) {
        const std::string path = fmt::format("{}/{}", layout, name);
        if (PinDirectory::exists(path)) continue;
        for (const std::string& directory : {pins.path(), layout})
            if (auto made = PinDirectory::make_directory(directory); !made)
                return std::unexpected(std::move(made).error());
        if (bpf_obj_pin(map.descriptor(), path.c_str()) != 0) return fail_pin("pin an eBPF map at " + path, errno);
        any = true;
    }
    return any;
}

Result<void> MapSet::lend(bpf_object* object) const {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        const auto found = maps_.find(bpf_map__name(map));
        if (found == maps_.end()) continue;
        const Map& own = found->second;
        if (auto checked = check_shape(map, own, own.name()); !checked) return checked;
        if (bpf_map__reuse_fd(map, own.descriptor()) != 0)
            return fail_pin(fmt::format("give the eBPF map {} to a program", own.name()), errno);
    }
    return {};
}

} // namespace weft::ebpf
