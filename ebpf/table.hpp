// SPDX-License-Identifier: BSD-3-Clause
// Table: a map with its types, whose only writer is here. It tells what stood where it writes, counts its entries,
// which the kernel does not tell, refuses before the kernel would, and leaves alone what is as it should be.
#pragma once

#include <cassert>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ebpf/map.hpp"

namespace weft::ebpf {

template <class Key>
struct HashBytes {
    std::size_t operator()(const Key& key) const {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(&key), sizeof key});
    }
};

template <class Key>
struct EqualBytes {
    bool operator()(const Key& a, const Key& b) const { return std::memcmp(&a, &b, sizeof a) == 0; }
};

/// How it is known what stands there. An LPM trie tells only the longest match, so its entries are remembered here,
/// as are those of a table of which thousands change at once, where asking costs more than writing; an array has one
/// for every index, and zeros are none.
enum class Lookup { in_kernel, in_mirror, by_index };

template <class Key, class Value, Lookup lookup = Lookup::in_kernel>
class Table {
    // Without padding: the kernel compares keys byte by byte, and so are values here.
    static_assert(std::has_unique_object_representations_v<Key> && std::has_unique_object_representations_v<Value>);

  public:
    struct Row {
        Key key;
        Value value;
        std::optional<Value> before; ///< told: what stood there
        bool is_read = false;        ///< told: that is known
        bool refused = false;        ///< told: nothing was changed
    };

    /// Counts what is there. The map must outlive the table.
    [[nodiscard]] static Result<Table> open(const Map& map) {
        assert(map.key_size() == sizeof(Key) && map.value_size() == sizeof(Value));
        Table table(map);
        auto counted = table.for_each([&](const Key& key, const Value& value) {
            ++table.size_;
            if constexpr (lookup == Lookup::in_mirror) table.mirror_[key] = value;
        });
        if (!counted) return std::unexpected(std::move(counted).error());
        return table;
    }

    [[nodiscard]] std::size_t size() const { return size_; }

    [[nodiscard]] const Map& map() const { return *map_; }

    /// Entries written and erased so far.
    [[nodiscard]] std::size_t changes() const { return changes_; }

    [[nodiscard]] Result<std::optional<Value>> find(const Key& key) const {
        if constexpr (lookup == Lookup::in_mirror) {
            const auto found = mirror_.find(key);
            return found == mirror_.end() ? std::nullopt : std::optional(found->second);
        } else {
            Value value;
            auto found = map_->find(&key, &value);
            if (!found) return std::unexpected(std::move(found).error());
            return *found && exists(value) ? std::optional(value) : std::nullopt;
        }
    }

    /// Sets one entry; returns what stood there.
    Result<std::optional<Value>> set(const Key& key, const Value& value) {
        Row row{.key = key, .value = value};
        if (auto set = set_rows({&row, 1}); !set) return std::unexpected(std::move(set).error());
        return row.before;
    }

    /// Sets rows in their order, many with one call of the kernel. A row that is refused keeps no other out; the
    /// error is the first one's.
    Result<void> set_rows(std::span<Row> rows) {
        Result<void> first;
        const auto refuse = [&](Row& row, Error error) {
            row.refused = true;
            if (first) first = std::unexpected(std::move(error));
        };
        for (Row& row : rows) {
            // What stands under a key that waits is known only once it is written.
            if (waiting_.rows.size() == batch_max || waiting_.known.contains(row.key)) write(refuse);
            auto before = find(row.key);
            row.is_read = before.has_value();
            if (!before) {
                refuse(row, std::move(before).error());
                continue;
            }
            row.before = std::move(*before);
            if (row.before && EqualBytes<Value>{}(*row.before, row.value)) continue;
            if (!row.before && !has_room(row.key)) {
                refuse(row, map_->error("write", ENOSPC));
                continue;
            }
            waiting_.rows.push_back(&row);
            waiting_.keys.push_back(row.key);
            waiting_.values.push_back(row.value);
            waiting_.known.insert(row.key);
            waiting_.added += row.before ? 0 : 1;
        }
        write(refuse);
        return first;
    }

    /// Erases an entry; returns what stood there.
    Result<std::optional<Value>> erase(const Key& key) {
        std::optional<Value> before;
        if constexpr (lookup == Lookup::in_mirror) {
            const auto found = mirror_.find(key);
            if (found == mirror_.end()) return before;
            if (auto erased = map_->erase(&key); !erased) return std::unexpected(std::move(erased).error());
            before = found->second;
            mirror_.erase(found);
        } else if constexpr (lookup == Lookup::by_index) {
            auto found = find(key);
            if (!found || !*found) return found;
            if (auto erased = map_->erase(&key); !erased) return std::unexpected(std::move(erased).error());
            before = *found;
        } else {
            Value value;
            auto taken = map_->take(&key, &value);
            if (!taken) return std::unexpected(std::move(taken).error());
            if (!*taken) return before;
            before = value;
        }
        --size_;
        ++changes_;
        return before;
    }

    template <class Visit>
    [[nodiscard]] Result<void> for_each(Visit visit) const {
        return map_->for_each([&](const void* key, const void* at) {
            if (const auto value = load<Value>(at); exists(value)) visit(load<Key>(key), value);
        });
    }

  private:
    explicit Table(const Map& map) : map_(&map) {}

    template <class T>
    static T load(const void* at) {
        T value;
        std::memcpy(&value, at, sizeof value);
        return value;
    }

    static bool exists(const Value& value) {
        return lookup != Lookup::by_index || !EqualBytes<Value>{}(value, Value{});
    }

    [[nodiscard]] bool has_room(const Key& key) const {
        if constexpr (lookup == Lookup::by_index) return key < map_->capacity();
        return size_ + waiting_.added < map_->capacity();
    }

    static constexpr std::size_t batch_max = 1024;

    /// Rows of set_rows() that go to the kernel together.
    struct Waiting {
        std::vector<Row*> rows;
        std::vector<Key> keys;
        std::vector<Value> values;
        std::unordered_set<Key, HashBytes<Key>, EqualBytes<Key>> known;
        std::size_t added = 0; ///< new in the table
    };

    template <class Refuse>
    void write(const Refuse& refuse) {
        for (std::size_t at = 0; at < waiting_.rows.size();) {
            Error refusal;
            const std::size_t end =
                at + map_->set_batch(&waiting_.keys[at], &waiting_.values[at], waiting_.rows.size() - at, refusal);
            for (; at < end; ++at) {
                const Row& row = *waiting_.rows[at];
                size_ += row.before ? 0 : 1;
                ++changes_;
                if constexpr (lookup == Lookup::in_mirror) mirror_[row.key] = row.value;
            }
            if (at < waiting_.rows.size()) refuse(*waiting_.rows[at++], std::move(refusal));
        }
        waiting_.rows.clear();
        waiting_.keys.clear();
        waiting_.values.clear();
        waiting_.known.clear();
        waiting_.added = 0;
    }

    const Map* map_;
    std::size_t size_ = 0;
    std::size_t changes_ = 0;
    std::unordered_map<Key, Value, HashBytes<Key>, EqualBytes<Key>> mirror_;
    Waiting waiting_;
};

} // namespace weft::ebpf
