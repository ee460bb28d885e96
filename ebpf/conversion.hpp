// SPDX-License-Identifier: BSD-3-Clause
// Conversion: how the bytes of one type become those of another one, of which only the names of members are the same.
// Both are known by BTF, which the kernel keeps with every map. So maps move from one layout to another without code
// that knows both: members may be moved, added, dropped, widened, or narrowed as long as their values fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "routing/net/result.hpp"

struct btf;

namespace weft::ebpf {

/// A type by its number within its BTF, which must outlive this.
struct BtfType {
    const btf* of = nullptr;
    std::uint32_t id = 0;
};

/// What becomes of a member that the new type has no more: left out, or the bytes only fit where it is zero, since a
/// key says what it says by all of its members.
enum class Dropped : bool { ignored, must_be_zero };

class Conversion {
  public:
    /// Refuses by the member's name what has become something else: a struct where there was a number.
    [[nodiscard]] static Result<Conversion> make(BtfType from, BtfType to, Dropped dropped);

    /// Would every byte be where it was, and mean the same?
    [[nodiscard]] bool is_identity() const;

    /// New members are zero. False: something has no place in the new type.
    [[nodiscard]] bool apply(const std::uint8_t* from, std::uint8_t* to) const;

    [[nodiscard]] std::size_t from_size() const { return from_size_; }

    [[nodiscard]] std::size_t to_size() const { return to_size_; }

  private:
    struct Piece {
        std::size_t from;
        std::size_t to;
        std::size_t size;
    };

    /// Bytes of the old type that must be zero.
    struct Rest {
        std::size_t from;
        std::size_t size;
    };

    class Maker;

    std::vector<Piece> pieces_;
    std::vector<Rest> rests_;
    std::size_t from_size_ = 0;
    std::size_t to_size_ = 0;
    bool adds_ = false;  ///< the new type has members that the old one has not
    bool drops_ = false; ///< and the other way round
};

} // namespace weft::ebpf
