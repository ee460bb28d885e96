// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/device_link.hpp"

#include <cerrno>

#include <bpf/bpf.h>
#include <unistd.h>

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

    /// The program that it holds at the device; 0: the device has gone, or is another.
    [[nodiscard]] std::uint32_t program_at(std::uint32_t ifindex) const {
        bpf_link_info info{};
        std::uint32_t size = sizeof info;
        if (descriptor_ < 0 || bpf_obj_get_info_by_fd(descriptor_, &info, &size) != 0) return 0;
        return info.xdp.ifindex == ifindex ? info.prog_id : 0; // a link of tc tells it in the same place
    }

  private:
    int descriptor_;
};

} // namespace

int DeviceLink::attach(int program, std::uint32_t flags) const {
    {
        const Link ours(bpf_obj_get(pin_.c_str()));
        if (ours.program_at(ifindex_) != 0) return -bpf_link_update(ours.descriptor(), program, nullptr);
    }
    detach(); // what is left of an earlier device
    LIBBPF_OPTS(bpf_link_create_opts, options);
    options.flags = flags;
    const Link made(bpf_link_create(program, static_cast<int>(ifindex_), place_, &options));
    if (made.descriptor() < 0 || bpf_obj_pin(made.descriptor(), pin_.c_str()) != 0) return errno;
    return 0;
}

bool DeviceLink::detach() const {
    const Link ours(bpf_obj_get(pin_.c_str()));
    if (ours.descriptor() < 0) return false;
    const bool attached = ours.program_at(ifindex_) != 0;
    static_cast<void>(bpf_link_detach(ours.descriptor())); // whoever else has it open
    unlink(pin_.c_str());
    return attached;
}

std::uint32_t DeviceLink::attached() const { return Link(bpf_obj_get(pin_.c_str())).program_at(ifindex_); }

} // namespace weft::ebpf
