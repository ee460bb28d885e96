// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/xdp_hook.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <linux/if_link.h>

#include <utility>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include "ebpf/netlink.hpp"

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
        return info.type == BPF_LINK_TYPE_XDP && info.xdp.ifindex == ifindex ? info.prog_id : 0;
    }

  private:
    int descriptor_;
};

Error refusal(std::uint32_t ifindex, int number) {
    const std::string what = fmt::format("interface {}: no XDP program can be attached", device_name(ifindex));
    switch (number) {
    case EOPNOTSUPP:
        return {ErrorCode::unsupported, what + ": its driver runs none: use --uplink-hook tc"};
    case EBUSY:
    case EEXIST:
        return {ErrorCode::exists,
                fmt::format("{}: another one is there (ip -details link show dev {}): take that one away, or use "
                            "--uplink-hook tc",
                            what, device_name(ifindex))};
    case EPERM:
        return {ErrorCode::denied, what + ": this needs CAP_BPF and CAP_NET_ADMIN"};
    default:
        return {
            ErrorCode::unsupported,
            fmt::format("{}: {}: the kernel's log (dmesg) may say more, as of an MTU or an offload (LRO) that the "
                        "driver cannot have at the same time; or use --uplink-hook tc",
                        what, std::strerror(number))};
    }
}

} // namespace

XdpHook::XdpHook(std::uint32_t ifindex, const std::string& pins) :
    ifindex_(ifindex), pin_(fmt::format("{}/xdp-{}", pins, ifindex)) {}

Result<void> XdpHook::attach(int program) const {
    {
        const Link ours(bpf_obj_get(pin_.c_str()));
        if (ours.program_at(ifindex_) != 0 && bpf_link_update(ours.descriptor(), program, nullptr) == 0) return {};
    }
    detach(); // what is left of an earlier device
    LIBBPF_OPTS(bpf_link_create_opts, options);
    options.flags = XDP_FLAGS_DRV_MODE;
    const Link made(bpf_link_create(program, static_cast<int>(ifindex_), BPF_XDP, &options));
    if (made.descriptor() < 0) return std::unexpected(refusal(ifindex_, errno));
    if (bpf_obj_pin(made.descriptor(), pin_.c_str()) != 0)
        return fail(ErrorCode::internal, fmt::format("interface {}: its XDP program cannot be pinned at {}: {}",
                                                     device_name(ifindex_), pin_, std::strerror(errno)));
    return {};
}

bool XdpHook::detach() const {
    const Link ours(bpf_obj_get(pin_.c_str()));
    if (ours.descriptor() < 0) return false;
    const bool attached = ours.program_at(ifindex_) != 0;
    static_cast<void>(bpf_link_detach(ours.descriptor()));
    unlink(pin_.c_str());
    return attached;
}

std::uint32_t XdpHook::attached() const { return Link(bpf_obj_get(pin_.c_str())).program_at(ifindex_); }

bool is_physical(const std::string& device) {
    std::error_code ignored;
    return std::filesystem::exists("/sys/class/net/" + device + "/device", ignored);
}

} // namespace weft::ebpf
