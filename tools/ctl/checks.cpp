// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/checks.hpp"

#include <algorithm>
#include <limits>

#include <linux/capability.h>
#include <fmt/format.h>

#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

constexpr std::uint64_t wanted_hugepages = 256; // weft-dataplane's default of 512 MiB: buffers, tables and sessions
constexpr std::uint64_t wanted_memlock = 64UL * 1024 * 1024; // one AF_XDP socket's packet memory

Check fine(std::string_view name, std::string found) { return {name, Severity::fine, std::move(found), {}}; }

Check advice(std::string_view name, std::string found, std::string remedy) {
    return {name, Severity::advice, std::move(found), std::move(remedy)};
}

Check missing(std::string_view name, std::string found, std::string remedy) {
    return {name, Severity::missing, std::move(found), std::move(remedy)};
}

Check kernel(const HostFacts& facts, unsigned major, unsigned minor, std::string_view why) {
    if (facts.kernel_at_least(major, minor)) return fine("kernel", facts.kernel_release);
    return missing("kernel", facts.kernel_release,
                   fmt::format("update to Linux {}.{} or newer: {}", major, minor, why));
}

Check privileges(const HostFacts& facts) {
    if (facts.has_capability(CAP_SYS_ADMIN) && facts.has_capability(CAP_NET_ADMIN))
        return fine("privileges", "CAP_NET_ADMIN and CAP_SYS_ADMIN");
    const std::string_view lacks = facts.has_capability(CAP_NET_ADMIN) ? "CAP_SYS_ADMIN is lacking"
                                   : facts.has_capability(CAP_SYS_ADMIN)
                                       ? "CAP_NET_ADMIN is lacking"
                                       : "CAP_NET_ADMIN and CAP_SYS_ADMIN are lacking";
    return missing("privileges", std::string(lacks),
                   "run weftd and weft doctor as root; in a container: --privileged, or --cap-add for each");
}

Check bpf(const HostFacts& facts) {
    if (facts.bpf.empty()) return fine("bpf", "programs can be loaded");
    return missing("bpf", "the bpf system call refuses a program: " + facts.bpf,
                   "run as root, on a kernel with CONFIG_BPF_SYSCALL and without lockdown; in a container: "
                   "--privileged or a seccomp profile that allows bpf");
}

Check tun(const HostFacts& facts) {
    if (facts.tun.empty()) return fine("tun", "/dev/net/tun, with virtio-net headers");
    return missing("tun", "/dev/net/tun: " + facts.tun,
                   "modprobe tun; in a container: --device /dev/net/tun, and root");
}

Check af_xdp(const HostFacts& facts) {
    if (facts.af_xdp.empty()) return fine("AF_XDP", "sockets can be made");
    return advice("AF_XDP", "no socket: " + facts.af_xdp,
                  "for an uplink that the kernel keeps: root, and a kernel with CONFIG_XDP_SOCKETS; a single host or "
                  "a PCI NIC of DPDK's own needs none");
}

Check hugepages(const HostFacts& facts) {
    const std::string found = fmt::format("{} of {} free, of 2 MiB; {} free of 1 GiB", facts.hugepages_2m_free,
                                          facts.hugepages_2m_total, facts.hugepages_1g_free);
    // A running fast path has taken its own; the total tells.
    if (facts.hugepages_2m_total >= wanted_hugepages || facts.hugepages_1g_free > 0) return fine("hugepages", found);
    return advice("hugepages", found,
                  fmt::format("echo {} > /proc/sys/vm/nr_hugepages, then restart weft-dataplane; without them it "
                              "runs, at fewer packets per second",
                              wanted_hugepages));
}

Check cpu(const HostFacts& facts) {
    if (facts.missing_cpu_features.empty()) return fine("cpu", "x86-64-v3 (AVX2)");
    return missing("cpu", "lacks " + join(facts.missing_cpu_features, ", "),
                   "weftd and weft-dataplane are built for x86-64-v3: use a CPU from 2013 or later; in a virtual "
                   "machine, pass the host's CPU through (-cpu host)");
}

Check memlock(const HostFacts& facts) {
    const bool unlimited = facts.memlock_bytes == std::numeric_limits<std::uint64_t>::max();
    const std::string found = unlimited ? "unlimited" : bytes(facts.memlock_bytes);
    if (facts.has_capability(CAP_IPC_LOCK)) return fine("memlock", found + "; CAP_IPC_LOCK is above it");
    if (facts.memlock_bytes >= wanted_memlock) return fine("memlock", found);
    return advice("memlock", found,
                  "ulimit -l unlimited, LimitMEMLOCK=infinity in a systemd unit, or CAP_IPC_LOCK: AF_XDP's packet "
                  "memory is locked");
}

Check vfio(const HostFacts& facts) {
    const std::string nics = facts.pci_nics.empty() ? "no PCI NIC" : join(facts.pci_nics, ", ");
    if (facts.pci_nics.empty()) return fine("vfio", nics + ": not needed");
    if (facts.vfio_device && facts.iommu_groups > 0)
        return fine("vfio", fmt::format("{}, for {}", counted(facts.iommu_groups, "IOMMU group"), nics));
    return advice("vfio",
                  fmt::format("{}; {}, {}", nics, facts.vfio_device ? "/dev/vfio is there" : "no /dev/vfio/vfio",
                              facts.iommu_groups > 0 ? counted(facts.iommu_groups, "IOMMU group") : "no IOMMU group"),
                  "only to give a whole NIC to DPDK: modprobe vfio-pci, and intel_iommu=on or amd_iommu=on on the "
                  "kernel's command line; AF_XDP needs none of it");
}

Check dataplane_program(const HostFacts& facts) {
    if (!facts.dataplane_program.empty()) return fine("weft-dataplane", facts.dataplane_program);
    return missing("weft-dataplane", "in none of " + join(facts.looked_in, ", "),
                   "build it with tools/setup, or tell weftd where it is with --dataplane-program");
}

Check steering_program(const HostFacts& facts) {
    if (!facts.steering_program.empty()) return fine("steer.bpf.o", facts.steering_program);
    return advice("steer.bpf.o", "not beside weft-dataplane",
                  "build it with tools/setup, or tell weft-dataplane where it is with --steering-program; only an "
                  "AF_XDP uplink needs it");
}

Check bpf_kernel(const HostFacts& facts) {
    if (facts.realtime)
        return missing("kernel",
                       facts.kernel_release + " is a real-time one, where one packet's program may interrupt "
                                              "another's on the same CPU, whose memory they would share",
                       "boot one without PREEMPT_RT, or run weftd with --fastpath dpdk");
    if (facts.missing_bpf_features.empty()) return fine("kernel", facts.kernel_release);
    return missing("kernel", facts.kernel_release + " lacks " + join(facts.missing_bpf_features, ", "),
                   "update to Linux 6.3 or newer, or run weftd with --fastpath dpdk");
}

Check btf(const HostFacts& facts) {
    if (facts.btf) return fine("BTF", "/sys/kernel/btf/vmlinux");
    return missing("BTF", "no /sys/kernel/btf/vmlinux",
                   "use a kernel with CONFIG_DEBUG_INFO_BTF; those of Debian, Ubuntu and Fedora have it");
}

Check bpffs(const HostFacts& facts) {
    if (!facts.bpffs.empty()) return fine("bpffs", facts.bpffs);
    return advice("bpffs", "not mounted",
                  "weftd mounts it where it may; otherwise mount -t bpf bpf /sys/fs/bpf: pinned programs and maps "
                  "outlive the agent there");
}

Check cgroup(const HostFacts& facts) {
    if (!facts.cgroup2.empty()) return fine("cgroup v2", facts.cgroup2);
    return advice("cgroup v2", "not mounted",
                  "mount -t cgroup2 none /sys/fs/cgroup: before it, BPF memory counts against memlock");
}

} // namespace

bool Diagnosis::can_run() const {
    return std::ranges::none_of(checks, [](const Check& check) { return check.severity == Severity::missing; });
}

Diagnosis diagnose_dpdk(const HostFacts& facts) {
    return {"dpdk",
            {kernel(facts, 5, 10, "AF_XDP and XDP links as weft uses them"), cpu(facts), privileges(facts),
             tun(facts), dataplane_program(facts), steering_program(facts), af_xdp(facts), bpf(facts),
             hugepages(facts), memlock(facts), vfio(facts)}};
}

Diagnosis diagnose_ebpf(const HostFacts& facts) {
    return {"ebpf",
            {bpf_kernel(facts), cpu(facts), privileges(facts), bpf(facts), btf(facts), bpffs(facts), cgroup(facts)}};
}

} // namespace weft::ctl
