// SPDX-License-Identifier: BSD-3-Clause
// What a host has, as `weft doctor` found it by asking the kernel. Facts only; checks.cpp judges them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weft::ctl {

/// Empty when something works, otherwise the kernel's reason why it does not.
using Trouble = std::string;

struct HostFacts {
    std::string kernel_release;
    unsigned kernel_major = 0;
    unsigned kernel_minor = 0;
    std::uint64_t capabilities = 0;                ///< effective, one bit each (capability.h)
    std::vector<std::string> missing_cpu_features; ///< of x86-64-v3

    Trouble tun;                                   ///< opening /dev/net/tun and asking for IFF_VNET_HDR
    Trouble af_xdp;                                ///< socket(AF_XDP)
    Trouble bpf;                                   ///< loading a two-instruction program
    bool btf = false;                              ///< /sys/kernel/btf/vmlinux
    bool realtime = false;                         ///< PREEMPT_RT
    std::vector<std::string> missing_bpf_features; ///< that the eBPF fast path's programs need; known with BTF only
    std::string bpffs;                             ///< where one is mounted
    std::string cgroup2;

    std::uint64_t hugepages_2m_total = 0;
    std::uint64_t hugepages_2m_free = 0;
    std::uint64_t hugepages_1g_free = 0;
    std::uint64_t memlock_bytes = 0; ///< UINT64_MAX: unlimited

    bool vfio_device = false;
    std::uint64_t iommu_groups = 0;
    std::vector<std::string> pci_nics; ///< "eth0 (0000:01:00.0)"

    std::string dataplane_program; ///< where, or empty
    std::string steering_program;
    std::vector<std::string> looked_in;
    Trouble agent; ///< connecting to the agent's socket

    [[nodiscard]] bool has_capability(unsigned number) const { return (capabilities >> number & 1) != 0; }

    [[nodiscard]] bool kernel_at_least(unsigned major, unsigned minor) const {
        return kernel_major != major ? kernel_major > major : kernel_minor >= minor;
    }
};

/// Asks this host. Needs no privilege; without any, some facts say so.
[[nodiscard]] HostFacts gather_host_facts(const std::string& agent_socket);

/// "6.1.0-18-amd64" to 6 and 1; zeros if it is no such text.
void read_kernel_release(const std::string& release, HostFacts& facts);

} // namespace weft::ctl
