// SPDX-License-Identifier: BSD-3-Clause
// Epoch: the two words of the map `epoch`, mapped into this process. Programs read the first, and decide their
// sessions anew when it moved; the second is not 0 while the tables change, also for the agent that comes after one
// that died there.
#pragma once

#include <cstdint>

#include "ebpf/map.hpp"

namespace weft::ebpf {

class Epoch {
  public:
    /// The map may be closed then.
    [[nodiscard]] static Result<Epoch> open(const Map& map);
    ~Epoch();

    Epoch(Epoch&& other) noexcept : words_(std::exchange(other.words_, nullptr)) {}

    Epoch& operator=(Epoch&&) = delete;

    [[nodiscard]] std::uint32_t now() const;
    /// Did an update begin that never ended?
    [[nodiscard]] bool is_updating() const;
    void begin();
    /// The tables are whole again. `moved`: and not what they were.
    void end(bool moved);

  private:
    explicit Epoch(std::uint32_t* words) : words_(words) {}

    std::uint32_t* words_;
};

} // namespace weft::ebpf
