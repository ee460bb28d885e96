// SPDX-License-Identifier: BSD-3-Clause
// TraceRing: a BPF ring buffer between the programs, which write what they tell of packets, and whoever carries it
// on. A full one loses; the programs count how much.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "routing/net/result.hpp"

struct ring_buffer;

namespace weft::ebpf {

class TraceRing {
  public:
    /// `bytes`: a power of two, of whole pages.
    [[nodiscard]] static Result<TraceRing> make(std::size_t bytes);
    ~TraceRing();
    TraceRing(TraceRing&& other) noexcept;
    TraceRing& operator=(TraceRing&& other) noexcept;

    [[nodiscard]] int descriptor() const { return descriptor_; }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

    /// A weft_trace_event and its frames. False: that is enough for now.
    using Visit = std::function<bool(std::span<const std::uint8_t> record)>;

    /// Hands the records on and forgets them. True: the visitor had enough before the ring was empty.
    [[nodiscard]] bool take(const Visit& visit);

  private:
    struct Reader;

    TraceRing() = default;

    int descriptor_ = -1;
    std::size_t bytes_ = 0;
    std::unique_ptr<Reader> reader_;
};

} // namespace weft::ebpf
