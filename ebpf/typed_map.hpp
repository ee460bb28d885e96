// SPDX-License-Identifier: BSD-3-Clause
// TypedMap: a map of the kernel with the types of its keys and values, as the kernel keeps them with it; and how its
// entries become those of another one.
#pragma once

#include <memory>

#include "ebpf/conversion.hpp"
#include "ebpf/map.hpp"

namespace weft::ebpf {

class TypedMap {
  public:
    /// Fails for a map without types, which weft never makes.
    [[nodiscard]] static Result<TypedMap> of(const Map& map);
    [[nodiscard]] static Result<TypedMap> own(int descriptor, std::string name);

    [[nodiscard]] const Map& map() const { return map_; }

    /// The kernel's number.
    [[nodiscard]] std::uint32_t id() const { return id_; }

    [[nodiscard]] BtfType key() const { return {btf_.get(), key_}; }

    [[nodiscard]] BtfType value() const { return {btf_.get(), value_}; }

  private:
    struct Free {
        void operator()(btf* types) const;
    };

    explicit TypedMap(Map map) : map_(std::move(map)) {}

    Map map_;
    std::uint32_t id_ = 0;
    std::unique_ptr<btf, Free> btf_;
    std::uint32_t key_ = 0;
    std::uint32_t value_ = 0;
};

[[nodiscard]] bool is_array(std::uint32_t map_type);
[[nodiscard]] bool is_per_cpu(std::uint32_t map_type);

/// How entries of one map become those of another one.
class EntryConversion {
  public:
    /// Refuses what can never be right: another key of a trie, which is compared by bits.
    [[nodiscard]] static Result<EntryConversion> make(const TypedMap& from, const TypedMap& to);

    /// `key` and `value` have the room of the new map's. False: it has no place there.
    [[nodiscard]] bool apply(const void* from_key, const void* from_value, std::uint8_t* key,
                             std::uint8_t* value) const;

  private:
    EntryConversion(Conversion key, Conversion value, std::size_t values) :
        key_(std::move(key)), value_(std::move(value)), values_(values) {}

    Conversion key_;
    Conversion value_;
    std::size_t values_; ///< in one entry: one for each CPU
};

} // namespace weft::ebpf
