// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/migration.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "ebpf/layout.h"
#include "ebpf/pin_directory.hpp"
#include "ebpf/session_sweeper.hpp"

namespace weft::ebpf {

namespace {

/// Rows on their way into a map, many with one call of the kernel.
class Batch {
  public:
    explicit Batch(const Map& to) : to_(to) {}

    [[nodiscard]] Result<void> add(const std::uint8_t* key, const std::uint8_t* value) {
        keys_.insert(keys_.end(), key, key + to_.key_size());
        values_.insert(values_.end(), value, value + to_.value_room());
        ++waiting_;
        return waiting_ == rows_max ? write() : Result<void>{};
    }

    [[nodiscard]] Result<void> write() {
        Error refusal;
        const std::size_t set = to_.set_batch(keys_.data(), values_.data(), waiting_, refusal);
        written_ += set;
        if (set < waiting_) return std::unexpected(std::move(refusal));
        keys_.clear();
        values_.clear();
        waiting_ = 0;
        return {};
    }

    [[nodiscard]] std::size_t written() const { return written_; }

  private:
    static constexpr std::size_t rows_max = 4096;

    const Map& to_;
    std::vector<std::uint8_t> keys_;
    std::vector<std::uint8_t> values_;
    std::size_t waiting_ = 0;
    std::size_t written_ = 0;
};

bool is_zero(const void* bytes, std::size_t size) {
    const auto* const first = static_cast<const std::uint8_t*>(bytes);
    return std::all_of(first, first + size, [](std::uint8_t byte) { return byte == 0; });
}

Result<void> fail_entry(const Map& map) {
    return fail(ErrorCode::unsupported,
                fmt::format("an entry of the eBPF map {} says more than this version can take", map.name()));
}

/// An array has an entry for each number below its size, and no others.
Result<void> has_place(const std::uint8_t* key, const Map& to) {
    std::uint32_t index = 0;
    if (is_array(to.type())) std::memcpy(&index, key, sizeof index);
    if (index < to.capacity()) return {};
    return fail(ErrorCode::unsupported,
                fmt::format("entry {} of the eBPF map {} has no place, as this version's end at {}", index, to.name(),
                            to.capacity() - 1));
}

/// Every entry; the first refusal ends it. Returns how many there were.
Result<std::size_t> copy(const TypedMap& from, const TypedMap& to) {
    auto conversion = EntryConversion::make(from, to);
    if (!conversion) return std::unexpected(std::move(conversion).error());
    Batch batch(to.map());
    std::vector<std::uint8_t> key(to.map().key_size());
    std::vector<std::uint8_t> value(to.map().value_room());
    Result<void> copied;
    const auto walked = from.map().for_each([&](const void* old_key, const void* old_value) {
        if (!copied) return;
        // Of arrays an entry of zeros is none.
        if (is_array(from.map().type()) && is_zero(old_value, from.map().value_room())) return;
        copied = conversion->apply(old_key, old_value, key.data(), value.data()) ? has_place(key.data(), to.map())
                                                                                 : fail_entry(from.map());
        if (copied) copied = batch.add(key.data(), value.data());
    });
    if (!walked) return std::unexpected(walked.error());
    if (copied) copied = batch.write();
    if (!copied) return std::unexpected(std::move(copied).error());
    return batch.written();
}

/// Has `a` seen packets that `b` has not?
bool is_newer(const weft_session_value& a, const weft_session_value& b) {
    if (a.last_seen_s != b.last_seen_s) return static_cast<std::int32_t>(a.last_seen_s - b.last_seen_s) > 0;
    return a.state > b.state; // within a second
}

} // namespace

Result<Migration> Migration::from(const std::string& layout) {
    Migration migration(layout);
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(layout, error)) {
        const std::string path = entry.path();
        const int descriptor = bpf_obj_get(path.c_str());
        if (descriptor < 0) return fail_pin("open the eBPF map pinned at " + path, errno);
        auto map = TypedMap::own(descriptor, entry.path().filename());
        if (!map) return std::unexpected(std::move(map).error());
        migration.maps_.emplace(map->map().name(), std::move(*map));
    }
    if (error) return fail_pin("read the directory " + layout, error.value());
    return migration;
}

Result<void> Migration::share(bpf_object* definitions, const std::string& place, MapSet::Sizes& sizes) const {
    const btf* const types = bpf_object__btf(definitions);
    bpf_map* defined = nullptr;
    bpf_object__for_each_map(defined, definitions) {
        const std::string name = bpf_map__name(defined);
        const auto found = maps_.find(name);
        if (found == maps_.end()) continue;
        const TypedMap& old = found->second;
        const auto asked = sizes.find(name);
        const std::uint32_t standard = bpf_map__max_entries(defined);
        const std::uint32_t wanted = asked != sizes.end() ? asked->second : std::max(standard, old.map().capacity());
        const auto key = Conversion::make(old.key(), {types, bpf_map__btf_key_type_id(defined)}, Dropped::ignored);
        const auto value =
            Conversion::make(old.value(), {types, bpf_map__btf_value_type_id(defined)}, Dropped::ignored);
        if (key && value && key->is_identity() && value->is_identity() &&
            static_cast<std::uint32_t>(bpf_map__type(defined)) == old.map().type() &&
            bpf_map__map_flags(defined) == old.map().flags() && old.map().capacity() == wanted) {
            const std::string path = fmt::format("{}/{}", place, name);
            if (bpf_obj_pin(old.map().descriptor(), path.c_str()) != 0)
                return fail_pin("pin an eBPF map at " + path, errno);
        } else if (!is_array(static_cast<std::uint32_t>(bpf_map__type(defined)))) {
            sizes[name] = wanted;
        }
    }
    return {};
}

Result<void> Migration::fill(const std::map<std::string, Map>& to) const {
    std::size_t shared = 0;
    std::size_t entries = 0;
    for (const auto& [name, map] : to) {
        const auto found = maps_.find(name);
        if (found == maps_.end()) continue;
        const TypedMap& old = found->second;
        auto made = TypedMap::of(map);
        if (!made) return std::unexpected(std::move(made).error());
        if (made->id() == old.id()) {
            ++shared;
        } else if (is_per_cpu(old.map().type()) != is_per_cpu(map.type())) {
            spdlog::info("the eBPF map {} begins anew: it counts in another way than before", name);
        } else if (auto copied = copy(old, *made)) {
            entries += *copied;
        } else {
            return fail_in(std::move(copied), fmt::format("the eBPF map {}/{} cannot be taken over (weftd --purge "
                                                          "begins anew, and interrupts what runs)",
                                                          layout_, name));
        }
    }
    spdlog::info("eBPF maps taken over from {}: {} as they are, {} entries of the others", layout_, shared, entries);
    return {};
}

Result<void> Migration::carry_sessions(const Map& to) const {
    const auto found = maps_.find("sessions");
    if (found == maps_.end()) return {};
    auto made = TypedMap::of(to);
    if (!made) return std::unexpected(std::move(made).error());
    if (made->id() == found->second.id()) return {};
    auto conversion = EntryConversion::make(found->second, *made);
    if (!conversion) return std::unexpected(std::move(conversion).error());
    const std::uint32_t now_s = SessionSweeper::clock_s();
    Result<void> first;
    const auto walked = found->second.map().for_each([&](const void* old_key, const void* old_value) {
        weft_session_key key;
        weft_session_value value;
        if (!conversion->apply(old_key, old_value, reinterpret_cast<std::uint8_t*>(&key),
                               reinterpret_cast<std::uint8_t*>(&value)) ||
            weft_session_is_over(&value, key.vni_protocol & 0xff, now_s) != 0)
            return;
        weft_session_value known;
        const auto there = to.find(&key, &known);
        if (there && *there && !is_newer(value, known)) return;
        if (auto set = to.set(&key, &value); !set && first) first = std::move(set);
    });
    return walked ? first : walked;
}

} // namespace weft::ebpf
