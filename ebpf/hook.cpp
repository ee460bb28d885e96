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

Result<void> IngressHook::attach(int program) const {
    const bpf_tc_hook hook = hook_of(ifindex_);
    auto linked = link_.attach(program);
    if (!linked) return std::unexpected(std::move(linked).error());
    if (*linked) return {};
    if (auto added = qdisc_.add(); !added) return added;
    bpf_tc_opts options = our_place();
    options.prog_fd = program;
    options.flags = BPF_TC_F_REPLACE;
    if (const int attached = bpf_tc_attach(&hook, &options); attached != 0)
        return fail(ErrorCode::internal, fmt::format("interface {}: the eBPF program cannot be attached: {}",
                                                     device_name(ifindex_), std::strerror(-attached)));
    return {};
}

Result<std::vector<std::string>> IngressHook::detach() const {
    const bpf_tc_hook hook = hook_of(ifindex_);
    const bpf_tc_opts options = our_place();
    const std::string name = device_name(ifindex_);
    std::vector<std::string> removed;
    const bool linked = link_.detach();
    if (bpf_tc_detach(&hook, &options) == 0 || linked) removed.push_back("the eBPF program at " + name);
    auto qdisc = qdisc_.remove();
    if (!qdisc) return std::unexpected(std::move(qdisc).error());
    if (*qdisc) removed.push_back("the clsact qdisc of " + name);
    return removed;
}

std::uint32_t IngressHook::attached() const {
    if (const std::uint32_t linked = link_.attached(); linked != 0) return linked;
    const bpf_tc_hook hook = hook_of(ifindex_);
    bpf_tc_opts options = our_place();
    return bpf_tc_query(&hook, &options) == 0 ? options.prog_id : 0;
}

} // namespace weft::ebpf
