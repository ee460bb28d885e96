// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/host_facts.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <linux/vfio.h>

#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/ctl/unix_socket.hpp"

namespace weft::ctl {

namespace {

namespace fs = std::filesystem;

class File {
  public:
    explicit File(int descriptor) : descriptor_(descriptor) {}

    File(const File&) = delete;
    File& operator=(const File&) = delete;

    ~File() {
        if (descriptor_ >= 0) close(descriptor_);
    }

    explicit operator bool() const { return descriptor_ >= 0; }

    [[nodiscard]] int get() const { return descriptor_; }

  private:
    int descriptor_;
};

Trouble last_error() { return std::strerror(errno); }

Trouble try_tun() {
    const File tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    if (!tun) return last_error();
    unsigned features = 0;
    if (ioctl(tun.get(), TUNGETFEATURES, &features) != 0) return last_error();
    return (features & IFF_VNET_HDR) != 0 ? Trouble{}
                                          : Trouble("the driver knows no virtio-net headers (IFF_VNET_HDR)");
}

Trouble try_af_xdp() {
    const File socket(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
    return socket ? Trouble{} : last_error();
}

/// "return XDP_PASS", loaded and thrown away.
Trouble try_bpf() {
    const bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    static constexpr char license[] = "Dual BSD/GPL";
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_XDP;
    attributes.insns = reinterpret_cast<std::uint64_t>(program);
    attributes.insn_cnt = 2;
    attributes.license = reinterpret_cast<std::uint64_t>(license);
    const File loaded(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes)));
    return loaded ? Trouble{} : last_error();
}

/// What the eBPF fast path's programs ask of the kernel, by names that its BTF has where it can be had.
constexpr struct {
    std::string_view name;
    std::string_view what;
} bpf_features[] = {
    {"BPF_FUNC_redirect_peer", "bpf_redirect_peer (Linux 5.10)"},
    {"BPF_FUNC_ktime_get_coarse_ns", "bpf_ktime_get_coarse_ns (5.11)"},
    {"bpf_cast_to_kern_ctx", "bpf_cast_to_kern_ctx (6.2)"},
    {"BPF_F_ADJ_ROOM_DECAP_L3_IPV4", "decapsulation to another family by bpf_skb_adjust_room (6.3)"},
};

std::vector<std::string> missing_bpf_features() {
    std::ifstream file("/sys/kernel/btf/vmlinux", std::ios::binary);
    const std::string btf(std::istreambuf_iterator<char>(file), {});
    std::vector<std::string> missing;
    for (const auto& [name, what] : bpf_features)
        if (!btf.contains('\0' + std::string(name) + '\0')) missing.emplace_back(what);
    return missing;
}

std::uint64_t read_number(const char* path) {
    std::uint64_t number = 0;
    std::ifstream(path) >> number;
    return number;
}

std::uint64_t effective_capabilities() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        constexpr std::string_view key = "CapEff:\t";
        if (!line.starts_with(key)) continue;
        std::uint64_t bits = 0;
        std::from_chars(line.data() + key.size(), line.data() + line.size(), bits, 16);
        return bits;
    }
    return 0;
}

std::string mount_of(std::string_view type) {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string source, where, kind;
        if (words >> source >> where >> kind && kind == type) return where;
    }
    return {};
}

/// What GCC calls x86-64-v3 beyond v2; this program itself is built for any x86-64 so that it can tell.
std::vector<std::string> missing_cpu_features() {
    __builtin_cpu_init();
    std::vector<std::string> missing;
    if (__builtin_cpu_supports("avx2") == 0) missing.emplace_back("avx2");
    if (__builtin_cpu_supports("bmi") == 0) missing.emplace_back("bmi1");
    if (__builtin_cpu_supports("bmi2") == 0) missing.emplace_back("bmi2");
    if (__builtin_cpu_supports("fma") == 0) missing.emplace_back("fma");
    if (missing.empty() && __builtin_cpu_supports("x86-64-v3") == 0)
        missing.emplace_back("one of f16c, lzcnt, movbe");
    return missing;
}

std::vector<std::string> pci_nics() {
    std::vector<std::string> nics;
    std::error_code error;
    for (fs::directory_iterator it("/sys/class/net", error), end; !error && it != end; it.increment(error)) {
        std::error_code ignored;
        const auto device = it->path() / "device";
        if (fs::read_symlink(device / "subsystem", ignored).filename() == "pci")
            nics.push_back(fmt::format("{} ({})", it->path().filename().string(),
                                       fs::read_symlink(device, ignored).filename().string()));
    }
    std::ranges::sort(nics);
    return nics;
}

std::uint64_t count_entries(const char* directory) {
    std::error_code error;
    std::uint64_t count = 0;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
        ++count;
    return count;
}

std::string first_existing(const std::vector<fs::path>& candidates) {
    std::error_code ignored;
    for (const fs::path& candidate : candidates)
        if (fs::is_regular_file(candidate, ignored)) return fs::canonical(candidate, ignored).string();
    return {};
}

/// Where a build or an installation leaves the fast path: beside this program, in its build directory, or below /usr.
void find_programs(HostFacts& facts) {
    std::error_code ignored;
    const fs::path here = fs::read_symlink("/proc/self/exe", ignored).parent_path();
    facts.dataplane_program =
        first_existing({here / "weft-dataplane", here / "../../dataplane/weft-dataplane",
                        "/usr/local/bin/weft-dataplane", "/usr/bin/weft-dataplane", "/usr/sbin/weft-dataplane"});
    const fs::path beside = facts.dataplane_program.empty() ? here : fs::path(facts.dataplane_program).parent_path();
    facts.steering_program =
        first_existing({beside / "steer.bpf.o", beside / "../ebpf/steer.bpf.o", beside / "../lib/weft/steer.bpf.o"});
    facts.looked_in = {here.string(), "/usr/local/bin", "/usr/bin", "/usr/sbin"};
}

} // namespace

void read_kernel_release(const std::string& release, HostFacts& facts) {
    facts.kernel_release = release;
    const char* const end = release.data() + release.size();
    const auto major = std::from_chars(release.data(), end, facts.kernel_major);
    if (major.ec == std::errc{} && major.ptr != end && *major.ptr == '.')
        std::from_chars(major.ptr + 1, end, facts.kernel_minor);
}

HostFacts gather_host_facts(const std::string& agent_socket) {
    HostFacts facts;
    utsname name{};
    if (uname(&name) == 0) read_kernel_release(name.release, facts);
    facts.capabilities = effective_capabilities();
    facts.missing_cpu_features = missing_cpu_features();
    facts.tun = try_tun();
    facts.af_xdp = try_af_xdp();
    facts.bpf = try_bpf();
    facts.btf = access("/sys/kernel/btf/vmlinux", F_OK) == 0;
    if (facts.btf) facts.missing_bpf_features = missing_bpf_features();
    facts.realtime = read_number("/sys/kernel/realtime") != 0;
    facts.bpffs = mount_of("bpf");
    facts.cgroup2 = mount_of("cgroup2");
    facts.hugepages_2m_total = read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
    facts.hugepages_2m_free = read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    facts.hugepages_1g_free = read_number("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages");
    rlimit limit{};
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
        facts.memlock_bytes =
            limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<std::uint64_t>::max() : limit.rlim_cur;
    facts.vfio_device = access("/dev/vfio/vfio", F_OK) == 0;
    facts.iommu_groups = count_entries("/sys/kernel/iommu_groups");
    facts.pci_nics = pci_nics();
    find_programs(facts);
    const auto socket = connect_unix_socket(agent_socket);
    if (socket)
        close(*socket);
    else
        facts.agent = socket.error().message;
    return facts;
}

} // namespace weft::ctl
