// SPDX-License-Identifier: BSD-3-Clause
// Map: one of the kernel's maps, held by its descriptor, and the calls of bpf(2) that this project makes on it. Keys
// and values are bytes here; table.hpp knows their types. Errors name the map, the reason and the remedy.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "routing/net/result.hpp"

namespace weft::ebpf {

class Map {
  public:
    /// Takes the descriptor. `name` is as in maps.bpf.h, and how errors call the map.
    [[nodiscard]] static Result<Map> own(int descriptor, std::string name);
    ~Map();
    Map(Map&& other) noexcept;
    Map& operator=(Map&& other) noexcept;

    [[nodiscard]] int descriptor() const { return descriptor_; }

    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] std::uint32_t type() const { return type_; }

    [[nodiscard]] std::uint32_t key_size() const { return key_size_; }

    [[nodiscard]] std::uint32_t value_size() const { return value_size_; }

    /// Bytes of a value as it is read and written: of all CPUs, where each has its own.
    [[nodiscard]] std::size_t value_room() const { return value_room_; }

    /// The entries that fit.
    [[nodiscard]] std::uint32_t capacity() const { return capacity_; }

    [[nodiscard]] std::uint32_t flags() const { return flags_; }

    /// Memory that the kernel holds for it now, as far as the kernel tells.
    [[nodiscard]] std::uint64_t bytes() const;

    /// False: there is none.
    [[nodiscard]] Result<bool> find(const void* key, void* value) const;
    [[nodiscard]] Result<void> set(const void* key, const void* value) const;
    /// False: there was none. An array's entry becomes zeros.
    [[nodiscard]] Result<bool> erase(const void* key) const;
    /// Erases and tells what stood there. False: nothing did. Of hash maps only.
    [[nodiscard]] Result<bool> take(const void* key, void* value) const;

    /// Sets `count` entries in their order; returns how many are set, fewer only when the next one is refused, with
    /// the reason in `refusal`.
    [[nodiscard]] std::size_t set_batch(const void* keys, const void* values, std::size_t count,
                                        Error& refusal) const;

    /// Where a walk over the map stands.
    class Cursor {
      public:
        explicit Cursor(std::size_t batch = 4096) : batch_(batch) {}

        /// The first call after the end begins again.
        [[nodiscard]] bool at_end() const { return at_end_; }

      private:
        friend class Map;
        std::size_t batch_;
        std::vector<std::uint8_t> token_; ///< empty: at the beginning
        std::vector<std::uint8_t> next_token_;
        std::vector<std::uint8_t> keys_;
        std::vector<std::uint8_t> values_;
        bool at_end_ = false;
    };

    using Visit = std::function<void(const void* key, const void* value)>;

    /// The next entries, as many as the cursor's batch. An entry that is written meanwhile may be left out or come
    /// twice.
    [[nodiscard]] Result<void> walk(Cursor& cursor, const Visit& visit) const;
    /// All of them.
    [[nodiscard]] Result<void> for_each(const Visit& visit) const;

    /// What an errno of bpf(2) means for this map, doing what `verb` says.
    [[nodiscard]] Error error(const char* verb, int number) const;

  private:
    Map() = default;

    int descriptor_ = -1;
    std::string name_;
    std::uint32_t type_ = 0;
    std::uint32_t key_size_ = 0;
    std::uint32_t value_size_ = 0;
    std::size_t value_room_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint32_t flags_ = 0;
};

} // namespace weft::ebpf
