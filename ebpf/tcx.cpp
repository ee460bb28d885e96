// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/tcx.hpp"

#include <cerrno>
#include <cstring>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include "ebpf/netlink.hpp"

namespace weft::ebpf {

namespace {

/// Older headers than the kernel's own do not know it.
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);

class Link {
  public:
    explicit Link(int descriptor) : descriptor_(descriptor) {}

    ~Link() {
        if (descriptor_ >= 0) close(descriptor_);
    }

    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }

    explicit operator bool() const { return descriptor_ >= 0; }

  private:
    int descriptor_;
};

} // namespace

Tcx::Tcx(std::uint32_t ifindex, const std::optional<std::string>& directory) : ifindex_(ifindex) {
    if (directory) pin_ = fmt::format("{}/tcx-{}", *directory, ifindex);
}

Result<bool> Tcx::attach(int program) const {
    if (!pin_) return false;
    const auto refuse = [&](int number) {
        return fail(ErrorCode::internal, fmt::format("interface {}: the eBPF program cannot be attached: {}",
                                                     device_name(ifindex_), std::strerror(number)));
    };
    if (const Link there(bpf_obj_get(pin_->c_str())); there) {
        const int updated = bpf_link_update(there.descriptor(), program, nullptr);
        if (updated == 0) return true;
        if (updated != -ENOLINK) return refuse(-updated);
        unlink(pin_->c_str()); // its device has gone, and another has got the number
    }
    const Link made(bpf_link_create(program, static_cast<int>(ifindex_), tcx_ingress, nullptr));
    if (!made) {
        if (errno == EINVAL || errno == EOPNOTSUPP) return false;
        return refuse(errno);
    }
    if (bpf_obj_pin(made.descriptor(), pin_->c_str()) != 0) return refuse(errno);
    return true;
}

bool Tcx::detach() const {
    if (!pin_) return false;
    const Link there(bpf_obj_get(pin_->c_str()));
    if (!there) return false;
    bpf_link_detach(there.descriptor()); // at once, whoever else has it open
    unlink(pin_->c_str());
    return true;
}

std::uint32_t Tcx::attached() const {
    if (!pin_) return 0;
    const Link there(bpf_obj_get(pin_->c_str()));
    bpf_link_info info{};
    std::uint32_t size = sizeof info;
    return there && bpf_obj_get_info_by_fd(there.descriptor(), &info, &size) == 0 ? info.prog_id : 0;
}

} // namespace weft::ebpf
