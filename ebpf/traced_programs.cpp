// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/traced_programs.hpp"

#include <cassert>
#include <cerrno>
#include <cstring>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace weft::ebpf {

namespace {

std::size_t mapped_bytes() {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (WEFT_TRACES_MAX * sizeof(weft_trace_slot) + page - 1) / page * page;
}

} // namespace

void TracedPrograms::Unmap::operator()(weft_trace_slot* slots) const { munmap(slots, mapped_bytes()); }

Result<TracedPrograms> TracedPrograms::load(const MapSet& maps, ProgramOptions options) {
    options.traced = true;
    auto programs = Programs::load(maps, options);
    if (!programs) return fail_in(std::move(programs), "the tracing programs");
    const int slots = bpf_object__find_map_fd_by_name(programs->object(), "trace_slots");
    void* const page = mmap(nullptr, mapped_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, slots, 0);
    if (page == MAP_FAILED)
        return fail(ErrorCode::internal,
                    fmt::format("the tracing programs' map trace_slots cannot be mapped: {}", std::strerror(errno)));
    const auto map = [&](const char* name) { return bpf_object__find_map_fd_by_name(programs->object(), name); };
    const int rings = map("trace_rings");
    const int any_packet = map("trace_any_packet");
    return TracedPrograms(*std::move(programs), rings, any_packet, Slots(static_cast<weft_trace_slot*>(page)));
}

// Around every change of a map of maps the kernel waits for the programs that run. So a program that knows a trace's
// number sees all of its settings, and one that knew it has written what it had to tell when end() returns.

Result<void> TracedPrograms::begin(std::uint32_t slot, std::uint64_t number, const fastpath::TraceSettings& settings,
                                   const TraceRing& ring) {
    weft_trace_slot& to = at(slot);
    assert(number != 0 && to.number == 0);
    to.filter = settings.filter;
    to.snap_length = settings.snap_length;
    to.limited = settings.events_per_s != 0 ? 1 : 0;
    to.tokens = settings.events_per_s;
    to.lost = 0;
    const int descriptor = ring.descriptor();
    if (bpf_map_update_elem(rings_, &slot, &descriptor, BPF_ANY) != 0)
        return fail(ErrorCode::internal,
                    fmt::format("the tracing programs cannot have the trace's ring: {}", std::strerror(errno)));
    if (to.filter.decisions == 0) want_any_packet(1);
    std::atomic_ref(to.number).store(number, std::memory_order_release);
    return {};
}

void TracedPrograms::end(std::uint32_t slot) {
    std::atomic_ref(at(slot).number).store(0, std::memory_order_release);
    bpf_map_delete_elem(rings_, &slot);
    if (at(slot).filter.decisions == 0) want_any_packet(-1);
}

void TracedPrograms::want_any_packet(int change) {
    const std::uint32_t zero = 0;
    traces_of_any_packet_ += static_cast<std::uint32_t>(change);
    bpf_map_update_elem(any_packet_, &zero, &traces_of_any_packet_, BPF_ANY);
}

std::uint64_t TracedPrograms::lost(std::uint32_t slot) const {
    return std::atomic_ref(at(slot).lost).load(std::memory_order_relaxed);
}

} // namespace weft::ebpf
