// SPDX-License-Identifier: BSD-3-Clause
// TracedPrograms: the tracing build of the programs, and the slots through which they learn what is looked for
// (trace_slot.h). All of it ends with this object and the hooks that hold the programs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "dataplane/api/trace_wire.hpp"
#include "ebpf/programs.hpp"
#include "ebpf/trace_ring.hpp"
#include "ebpf/trace_slot.h"

namespace weft::ebpf {

class TracedPrograms {
  public:
    /// Over the tables that the other programs use too.
    [[nodiscard]] static Result<TracedPrograms> load(const MapSet& maps, ProgramOptions options);

    [[nodiscard]] const Programs& programs() const { return programs_; }

    /// Tells of packets from now on, under the number, which is not 0. Nothing else runs in the slot.
    [[nodiscard]] Result<void> begin(std::uint32_t slot, std::uint64_t number,
                                     const fastpath::TraceSettings& settings, const TraceRing& ring);
    /// No program writes into the slot's ring any more when this returns.
    void end(std::uint32_t slot);

    /// Packets that the rate still allows.
    [[nodiscard]] std::atomic_ref<std::int64_t> tokens(std::uint32_t slot) {
        return std::atomic_ref(at(slot).tokens);
    }

    [[nodiscard]] std::uint64_t lost(std::uint32_t slot) const;

  private:
    struct Unmap {
        void operator()(weft_trace_slot* slots) const;
    };

    using Slots = std::unique_ptr<weft_trace_slot, Unmap>;

    TracedPrograms(Programs programs, int rings, int any_packet, Slots slots) :
        programs_(std::move(programs)), rings_(rings), any_packet_(any_packet), slots_(std::move(slots)) {}

    /// So many traces more, or fewer, want packets whatever policy decides of them.
    void want_any_packet(int change);

    [[nodiscard]] weft_trace_slot& at(std::uint32_t slot) const { return slots_.get()[slot]; }

    Programs programs_;
    int rings_; ///< the map, which the programs' object owns; so does that of any_packet_
    int any_packet_;
    std::uint32_t traces_of_any_packet_ = 0;
    Slots slots_;
};

} // namespace weft::ebpf
