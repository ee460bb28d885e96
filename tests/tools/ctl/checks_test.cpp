// SPDX-License-Identifier: BSD-3-Clause
// doctor's judgement on hosts that lack one thing each, and its facts on this host.
#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "tools/ctl/checks.hpp"

namespace weft::ctl {
namespace {

HostFacts good_host() {
    HostFacts facts;
    read_kernel_release("6.1.0-18-amd64", facts);
    facts.capabilities = ~std::uint64_t{0};
    facts.btf = true;
    facts.bpffs = "/sys/fs/bpf";
    facts.cgroup2 = "/sys/fs/cgroup";
    facts.hugepages_2m_total = 256;
    facts.memlock_bytes = 8 << 20;
    facts.dataplane_program = "/usr/bin/weft-dataplane";
    facts.steering_program = "/usr/lib/weft/steer.bpf.o";
    return facts;
}

const Check& check_of(const Diagnosis& diagnosis, std::string_view name) {
    const auto found = std::ranges::find(diagnosis.checks, name, &Check::name);
    if (found == diagnosis.checks.end()) throw std::out_of_range(std::string(name));
    return *found;
}

TEST(Doctor, AGoodHostLacksNothing) {
    for (const Diagnosis& diagnosis : {diagnose_dpdk(good_host()), diagnose_ebpf(good_host())}) {
        EXPECT_TRUE(diagnosis.can_run());
        for (const Check& check : diagnosis.checks) {
            EXPECT_EQ(check.severity, Severity::fine) << check.name << ": " << check.found;
            EXPECT_TRUE(check.remedy.empty());
        }
    }
}

struct Lack {
    const char* check;
    bool ebpf;
    Severity severity;
    std::function<void(HostFacts&)> take;
};

TEST(Doctor, EachLackIsNamedWithItsRemedy) {
    const Lack lacks[] = {
        {"kernel", false, Severity::missing, [](HostFacts& facts) { read_kernel_release("5.4.0", facts); }},
        {"cpu", false, Severity::missing, [](HostFacts& facts) { facts.missing_cpu_features = {"avx2"}; }},
        {"privileges", false, Severity::missing, [](HostFacts& facts) { facts.capabilities &= ~(1ULL << 12); }},
        {"privileges", true, Severity::missing, [](HostFacts& facts) { facts.capabilities = 0; }},
        {"tun", false, Severity::missing, [](HostFacts& facts) { facts.tun = "No such file or directory"; }},
        {"AF_XDP", false, Severity::advice, [](HostFacts& facts) { facts.af_xdp = "Operation not permitted"; }},
        {"bpf", false, Severity::missing, [](HostFacts& facts) { facts.bpf = "Operation not permitted"; }},
        {"hugepages", false, Severity::advice, [](HostFacts& facts) { facts.hugepages_2m_total = 0; }},
        {"memlock", false, Severity::advice, [](HostFacts& facts) { facts.capabilities &= ~(1ULL << 14); }},
        {"vfio", false, Severity::advice, [](HostFacts& facts) { facts.pci_nics = {"eth0 (0000:01:00.0)"}; }},
        {"weft-dataplane", false, Severity::missing, [](HostFacts& facts) { facts.dataplane_program.clear(); }},
        {"steer.bpf.o", false, Severity::advice, [](HostFacts& facts) { facts.steering_program.clear(); }},
        {"kernel", true, Severity::missing,
         [](HostFacts& facts) { facts.missing_bpf_features = {"bpf_redirect_peer (Linux 5.10)"}; }},
        {"kernel", true, Severity::missing, [](HostFacts& facts) { facts.realtime = true; }},
        {"BTF", true, Severity::missing, [](HostFacts& facts) { facts.btf = false; }},
        {"bpffs", true, Severity::advice, [](HostFacts& facts) { facts.bpffs.clear(); }},
        {"cgroup v2", true, Severity::advice, [](HostFacts& facts) { facts.cgroup2.clear(); }},
    };
    for (const Lack& lack : lacks) {
        HostFacts facts = good_host();
        lack.take(facts);
        const Diagnosis diagnosis = lack.ebpf ? diagnose_ebpf(facts) : diagnose_dpdk(facts);
        const Check& check = check_of(diagnosis, lack.check);
        EXPECT_EQ(check.severity, lack.severity) << lack.check;
        EXPECT_FALSE(check.remedy.empty()) << lack.check;
        EXPECT_EQ(diagnosis.can_run(), lack.severity == Severity::advice) << lack.check;
    }
}

TEST(Doctor, KernelReleasesAreNumbers) {
    HostFacts facts;
    read_kernel_release("5.10.0-28-amd64", facts);
    EXPECT_TRUE(facts.kernel_at_least(5, 10));
    EXPECT_FALSE(facts.kernel_at_least(5, 11));
    EXPECT_FALSE(facts.kernel_at_least(6, 0));
    EXPECT_TRUE(facts.kernel_at_least(4, 19));
    HostFacts odd;
    read_kernel_release("unknown", odd);
    EXPECT_FALSE(odd.kernel_at_least(5, 10));
}

TEST(Doctor, GathersThisHostWithoutAnAgent) {
    const HostFacts facts = gather_host_facts("/nonexistent/weftd.sock");
    EXPECT_GE(facts.kernel_major, 4U);
    EXPECT_NE(facts.agent.find("/nonexistent/weftd.sock does not exist"), std::string::npos) << facts.agent;
    EXPECT_GT(facts.memlock_bytes, 0U);
}

} // namespace
} // namespace weft::ctl
