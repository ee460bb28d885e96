// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/programs.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "ebpf/traced.skel.h"
#include "ebpf/weft.skel.h"

namespace weft::ebpf {

namespace {

/// The part of .rodata that is ours to set before the programs are loaded.
Result<void> set_options(bpf_object* object, const ProgramOptions& options) {
    bpf_map* const constants = bpf_object__find_map_by_name(object, ".rodata");
    std::size_t size = 0;
    const auto* const initial =
        constants != nullptr ? static_cast<const std::uint8_t*>(bpf_map__initial_value(constants, &size)) : nullptr;
    if (initial == nullptr || size < sizeof options.hash_seed)
        return fail(ErrorCode::internal, "the eBPF programs were built without their options");
    std::vector<std::uint8_t> value(initial, initial + size);
    std::memcpy(value.data(), &options.hash_seed, sizeof options.hash_seed);
    if (const int failed = bpf_map__set_initial_value(constants, value.data(), size); failed != 0)
        return fail(ErrorCode::internal, fmt::format("the eBPF programs' options: {}", std::strerror(-failed)));
    return {};
}

/// The highest number of any CPU that there may be; their numbers may have gaps.
std::uint32_t last_cpu() {
    std::string possible;
    std::ifstream("/sys/devices/system/cpu/possible") >> possible; // "0-3", "0,2-3"
    const std::size_t last = possible.find_last_of(",-");
    return static_cast<std::uint32_t>(
        std::strtoul(possible.c_str() + (last == std::string::npos ? 0 : last + 1), nullptr, 10));
}

/// Some maps have an entry for each CPU that is larger than the kernel's per-CPU memory has room for.
Result<void> make_one_for_each_cpu(bpf_object* object, const char* name) {
    bpf_map* const map = bpf_object__find_map_by_name(object, name);
    const int failed = map == nullptr ? -ENOENT : bpf_map__set_max_entries(map, last_cpu() + 1);
    if (failed == 0) return {};
    return fail(ErrorCode::internal, fmt::format("the eBPF programs' map {}: {}", name, std::strerror(-failed)));
}

bool is_realtime_kernel() {
    int realtime = 0; // such a kernel alone has the file
    std::ifstream("/sys/kernel/realtime") >> realtime;
    return realtime != 0;
}

} // namespace

void Programs::Close::operator()(bpf_object* object) const { bpf_object__close(object); }

Result<Programs> Programs::load(const MapSet& maps, const ProgramOptions& options) {
    if (is_realtime_kernel())
        return fail(ErrorCode::unsupported,
                    "on a real-time kernel one packet's program may interrupt another's on the same CPU, whose "
                    "memory they would share: boot one without PREEMPT_RT, or use --fastpath dpdk");
    std::size_t size = 0;
    const void* const bytes =
        options.traced ? weft_traced_programs::elf_bytes(&size) : weft_programs::elf_bytes(&size);
    Programs programs(bpf_object__open_mem(bytes, size, nullptr));
    if (programs.object_ == nullptr)
        return fail(ErrorCode::internal, fmt::format("the eBPF programs: {}", std::strerror(errno)));
    if (auto set = set_options(programs.object(), options); !set) return std::unexpected(std::move(set).error());
    if (auto set = make_one_for_each_cpu(programs.object(), "cuts"); !set)
        return std::unexpected(std::move(set).error());
    if (auto lent = maps.lend(programs.object()); !lent) return std::unexpected(std::move(lent).error());
    if (const int failed = bpf_object__load(programs.object()); failed != 0) {
        const bool denied = failed == -EPERM;
        return fail(denied ? ErrorCode::denied : ErrorCode::unsupported,
                    fmt::format("the kernel refuses the eBPF programs: {}; `weft doctor` tells what they need",
                                std::strerror(-failed)));
    }
    return programs;
}

int Programs::descriptor(const char* name) const {
    return bpf_program__fd(bpf_object__find_program_by_name(object(), name));
}

} // namespace weft::ebpf
