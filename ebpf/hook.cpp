// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/hook.hpp"

#include <cerrno>
#include <cstring>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "ebpf/netlink.hpp"

namespace weft::ebpf {

namespace {

/// Our place among a device's filters: it says to whom they belong.
constexpr std::uint32_t handle = 0x77656674;
constexpr std::uint32_t priority = 1;
/// Older headers than the kernel's own do not know them.
constexpr std::uint32_t first_of_all = 1U << 3;
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);

bpf_tc_hook hook_of(std::uint32_t ifindex) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(ifindex);
    hook.attach_point = BPF_TC_INGRESS;
    return hook;
}

bpf_tc_opts our_place() {
    bpf_tc_opts options{};
    options.sz = sizeof options;
    options.handle = handle;
    options.priority = priority;
    return options;
}

} // namespace

IngressHook::IngressHook(std::uint32_t ifindex, const std::optional<std::string>& directory, Device device) :
    ifindex_(ifindex), device_(device), qdisc_(ifindex, device == Device::of_the_host ? directory : std::nullopt) {
    if (directory) link_.emplace(ifindex, tcx_ingress, fmt::format("{}/tcx-{}", *directory, ifindex));
}

Result<void> IngressHook::attach(int program) const {
    const bpf_tc_hook hook = hook_of(ifindex_);
    const auto refuse = [&](int number) {
        return fail(ErrorCode::internal, fmt::format("interface {}: the eBPF program cannot be attached: {}",
                                                     device_name(ifindex_), std::strerror(number)));
    };
    // In front of others', which may end a packet's way.
    const int refused = link_ ? link_->attach(program, first_of_all) : EOPNOTSUPP;
    if (refused == 0) {
        if (device_ == Device::of_ours) return {}; // to whose filter no packet gets
        const auto removed = remove_filter();      // of a version before links
        return removed ? Result<void>{} : std::unexpected(removed.error());
    }
    if (refused != EINVAL && refused != EOPNOTSUPP) return refuse(refused); // as of a kernel without such links
    if (auto added = qdisc_.add(); !added) return added;
    bpf_tc_opts options = our_place();
    options.prog_fd = program;
    options.flags = BPF_TC_F_REPLACE;
    const int attached = bpf_tc_attach(&hook, &options);
    return attached == 0 ? Result<void>{} : refuse(-attached);
}

Result<IngressHook::Filter> IngressHook::remove_filter() const {
    const bpf_tc_hook hook = hook_of(ifindex_);
    const bpf_tc_opts options = our_place();
    Filter removed;
    removed.filter = bpf_tc_detach(&hook, &options) == 0;
    const auto qdisc = qdisc_.remove();
    if (!qdisc) return std::unexpected(qdisc.error());
    removed.qdisc = *qdisc;
    return removed;
}

Result<std::vector<std::string>> IngressHook::detach() const {
    const std::string name = device_name(ifindex_);
    const auto linked = link_ ? link_->detach() : Result<bool>(false);
    const auto filter = remove_filter();
    if (!linked) return std::unexpected(linked.error());
    if (!filter) return std::unexpected(filter.error());
    std::vector<std::string> removed;
    if (*linked || filter->filter) removed.push_back("the eBPF program at " + name);
    if (filter->qdisc) removed.push_back("the clsact qdisc of " + name);
    return removed;
}

std::uint32_t IngressHook::attached() const {
    if (const std::uint32_t linked = link_ ? link_->attached() : 0; linked != 0) return linked;
    const bpf_tc_hook hook = hook_of(ifindex_);
    bpf_tc_opts options = our_place();
    return bpf_tc_query(&hook, &options) == 0 ? options.prog_id : 0;
}

} // namespace weft::ebpf
