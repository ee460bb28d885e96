// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/clsact.hpp"

#include <cerrno>
#include <cstring>

#include <linux/pkt_sched.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netlink/route/classifier.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ebpf/netlink.hpp"

namespace weft::ebpf {

namespace {

bpf_tc_hook both_hooks(std::uint32_t ifindex) {
    bpf_tc_hook hook{};
    hook.sz = sizeof hook;
    hook.ifindex = static_cast<int>(ifindex);
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    return hook;
}

/// No filter of anybody. What the kernel does not tell counts as a filter.
bool is_empty(std::uint32_t ifindex) {
    const auto socket = connect_netlink();
    if (!socket) return false;
    for (const std::uint32_t minor : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
        nl_cache* found = nullptr;
        if (rtnl_cls_alloc_cache(socket->get(), static_cast<int>(ifindex), TC_H_MAKE(TC_H_CLSACT, minor), &found) < 0)
            return false;
        const NetlinkCache filters(found);
        if (nl_cache_nitems(found) > 0) return false;
    }
    return true;
}

} // namespace

Clsact::Clsact(std::uint32_t ifindex, const std::optional<std::string>& notes) : ifindex_(ifindex) {
    if (notes) note_ = fmt::format("{}/clsact-{}", *notes, ifindex);
}

Result<void> Clsact::add() const {
    // Noted before it is made: whoever is killed in between leaves a note without a qdisc, which the next one makes.
    const bool noted = note_ && mkdir(note_->c_str(), 0700) == 0;
    bpf_tc_hook hook = both_hooks(ifindex_);
    const int made = bpf_tc_hook_create(&hook);
    if (noted && made != 0) rmdir(note_->c_str());
    if (made == 0 || made == -EEXIST) return {};
    return fail(ErrorCode::internal, fmt::format("interface {}: a clsact qdisc cannot be added: {}",
                                                 device_name(ifindex_), std::strerror(-made)));
}

Result<bool> Clsact::remove() const {
    if (!note_ || access(note_->c_str(), F_OK) != 0) return false;
    // It went with its device.
    if (char name[IF_NAMESIZE]; if_indextoname(ifindex_, name) == nullptr) {
        rmdir(note_->c_str());
        return false;
    }
    if (!is_empty(ifindex_)) return false;
    bpf_tc_hook hook = both_hooks(ifindex_);
    const int destroyed = bpf_tc_hook_destroy(&hook);
    const bool gone = destroyed == -EINVAL || destroyed == -ENODEV || destroyed == -ENOENT; // with its device, say
    if (destroyed != 0 && !gone)
        return fail(ErrorCode::internal, fmt::format("interface {}: its clsact qdisc cannot be removed: {}",
                                                     device_name(ifindex_), std::strerror(-destroyed)));
    rmdir(note_->c_str());
    return destroyed == 0;
}

} // namespace weft::ebpf
