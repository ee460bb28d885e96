// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/device_link.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include "ebpf/pin_directory.hpp"

namespace weft::ebpf {

namespace {

class Link {
  public:
    explicit Link(int descriptor) : descriptor_(descriptor) {}

    ~Link() {
        if (descriptor_ >= 0) close(descriptor_);
    }

    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }

    /// What it holds together; a device that has gone has the number 0.
    struct Held {
        std::uint32_t program = 0;
        std::uint32_t ifindex = 0; ///< in the namespace where the device is now
    };

    [[nodiscard]] Held held() const {
        bpf_link_info info{};
        std::uint32_t size = sizeof info;
        if (descriptor_ < 0 || bpf_obj_get_info_by_fd(descriptor_, &info, &size) != 0) return {};
        return {.program = info.prog_id, .ifindex = info.xdp.ifindex}; // a link of tc tells it in the same place
    }

    /// The program that it holds at the device; 0: the device has gone, or is another.
    [[nodiscard]] std::uint32_t program_at(std::uint32_t ifindex) const {
        const Held now = held();
        return now.ifindex == ifindex ? now.program : 0;
    }

  private:
    int descriptor_;
};

/// Is the program at the device of this number in this namespace? What the kernel does not tell counts as yes.
bool is_at(std::uint32_t program, std::uint32_t ifindex, bpf_attach_type place) {
    if (place == BPF_XDP) {
        LIBBPF_OPTS(bpf_xdp_query_opts, found);
        const int status = bpf_xdp_query(static_cast<int>(ifindex), 0, &found);
        if (status != 0) return status != -ENODEV;
        return std::ranges::count(std::array{found.prog_id, found.drv_prog_id, found.hw_prog_id, found.skb_prog_id},
                                  program) > 0;
    }
    std::array<std::uint32_t, 64> programs{};
    LIBBPF_OPTS(bpf_prog_query_opts, found);
    found.prog_ids = programs.data();
    found.prog_cnt = programs.size();
    const int status = bpf_prog_query_opts(static_cast<int>(ifindex), place, &found);
    if (status != 0) return status != -ENODEV;
    return std::ranges::count(programs, program) > 0;
}

} // namespace

int DeviceLink::attach(int program, std::uint32_t flags) const {
    {
        const Link ours(bpf_obj_get(pin_.c_str()));
        if (ours.program_at(ifindex_) != 0) return -bpf_link_update(ours.descriptor(), program, nullptr);
    }
    if (const auto detached = detach(); !detached) return EEXIST; // what is left of an earlier device
    LIBBPF_OPTS(bpf_link_create_opts, options);
    options.flags = flags;
    const Link made(bpf_link_create(program, static_cast<int>(ifindex_), place_, &options));
    if (made.descriptor() < 0 || bpf_obj_pin(made.descriptor(), pin_.c_str()) != 0) return errno;
    return 0;
}

Result<bool> DeviceLink::detach() const {
    const Link ours(bpf_obj_get(pin_.c_str()));
    if (ours.descriptor() < 0) return errno == ENOENT ? Result<bool>(false) : fail_pin("open " + pin_, errno);
    const bool attached = ours.program_at(ifindex_) != 0;
    static_cast<void>(bpf_link_detach(ours.descriptor())); // whoever else has it open
    if (unlink(pin_.c_str()) != 0) return fail_pin("remove " + pin_, errno);
    return attached;
}

Result<void> DeviceLink::check_is_here() const {
    const auto [program, ifindex] = Link(bpf_obj_get(pin_.c_str())).held();
    if (ifindex == 0 || (ifindex == ifindex_ && is_at(program, ifindex_, place_))) return {};
    return fail(ErrorCode::exists,
                fmt::format("{} holds an eBPF program at device number {} of another network namespace: use this "
                            "directory in that one (ip netns exec), or delete the file, which takes the program away",
                            pin_, ifindex));
}

std::uint32_t DeviceLink::attached() const { return Link(bpf_obj_get(pin_.c_str())).program_at(ifindex_); }

} // namespace weft::ebpf
