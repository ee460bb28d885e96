// SPDX-License-Identifier: BSD-3-Clause
// Chance that can be repeated: the same seed gives the same choices.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <random>

#include "tests/pipeline/packet_builder.hpp"

namespace weft::cases {

class Random {
  public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}

    /// 0 to `bound` - 1; the bound is not 0.
    std::uint32_t below(std::size_t bound) { return static_cast<std::uint32_t>(engine_() % bound); }

    bool chance(std::uint32_t percent) { return below(100) < percent; }

    std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

    Bytes bytes(std::size_t size) {
        Bytes made(size);
        for (auto& each : made)
            each = byte();
        return made;
    }

    template <class Choices>
    auto one_of(const Choices& choices) {
        return *(std::begin(choices) + below(std::size(choices)));
    }

    template <class Choice>
    Choice one_of(std::initializer_list<Choice> choices) {
        return *(choices.begin() + below(choices.size()));
    }

  private:
    std::mt19937_64 engine_;
};

} // namespace weft::cases
