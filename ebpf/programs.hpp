// SPDX-License-Identifier: BSD-3-Clause
// Programs: the programs of weft.bpf.c in the kernel, over the maps of a MapSet. They end with this object unless
// hooks or pins hold them.
#pragma once

#include <cstdint>
#include <memory>

#include "ebpf/map_set.hpp"

struct bpf_object;
struct bpf_program;

namespace weft::ebpf {

struct ProgramOptions {
    std::uint64_t hash_seed = 0; ///< of outer source ports
    bool traced = false;         ///< of the build that tells of packets (trace.bpf.h)
};

class Programs {
  public:
    /// Fails with what the verifier or libbpf said last.
    [[nodiscard]] static Result<Programs> load(const MapSet& maps, const ProgramOptions& options);

    /// Descriptors of the programs for what endpoints send, and for what the uplink receives.
    [[nodiscard]] int endpoint() const { return descriptor("endpoint"); }

    [[nodiscard]] int uplink() const { return descriptor("uplink"); }

    /// Of the one for what comes out of the completion pair.
    [[nodiscard]] int completed() const { return descriptor("completed"); }

    /// Of the one for XDP, in front of uplink()'s.
    [[nodiscard]] int uplink_xdp() const { return descriptor("uplink_xdp"); }

    [[nodiscard]] bpf_object* object() const { return object_.get(); }

  private:
    struct Close {
        void operator()(bpf_object* object) const;
    };

    explicit Programs(bpf_object* object) : object_(object) {}

    [[nodiscard]] int descriptor(const char* name) const;

    std::unique_ptr<bpf_object, Close> object_;
};

} // namespace weft::ebpf
