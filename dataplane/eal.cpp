// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/eal.hpp"

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <unistd.h>

namespace weft::dataplane {

namespace {

unsigned long free_hugepages_mb() {
    std::ifstream file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
    unsigned long pages = 0;
    file >> pages;
    return pages * 2;
}

} // namespace

Result<Eal> Eal::start(const EalOptions& options) {
    const unsigned memory_mb = options.memory_mb != 0 ? options.memory_mb : 256;
    const unsigned long free_mb = free_hugepages_mb();
    const bool huge =
        options.hugepages == Hugepages::on || (options.hugepages == Hugepages::automatic && free_mb >= memory_mb);
    if (huge && free_mb < memory_mb)
        return fail(
            ErrorCode::exhausted,
            fmt::format("{} MiB of hugepages wanted, {} MiB free: write {} to /proc/sys/vm/nr_hugepages, or run with "
                        "--hugepages off, which costs some throughput",
                        memory_mb, free_mb, memory_mb / 2 + 64));
    // Threads are our own and float; the EAL's main thread may run on every CPU. No PCI device is taken unless a port
    // names it.
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    std::vector<std::string> arguments{"weft-dataplane",
                                       "--no-telemetry",
                                       "--no-pci",
                                       "--log-level=lib.eal:error",
                                       cpus > 1 ? fmt::format("--lcores=0@(0-{})", cpus - 1) : "--lcores=0@0",
                                       "-m",
                                       std::to_string(memory_mb)};
    // Neither way leaves a file behind, so that a crash never stands in the way of the next start.
    arguments.push_back(fmt::format("--file-prefix=weft-{}", getpid()));
    if (huge)
        arguments.emplace_back("--in-memory");
    else
        arguments.insert(arguments.end(), {"--no-huge", "--no-shconf"});
    std::vector<char*> argv;
    for (auto& argument : arguments)
        argv.push_back(argument.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
        return fail(
            ErrorCode::internal,
            fmt::format("DPDK does not start: {}: try less --memory, or --hugepages off; root's rights are needed",
                        rte_strerror(rte_errno)));
    // Nothing is kept in it, and a process that is killed could not take it away later.
    rmdir(rte_eal_get_runtime_dir());
    return Eal(huge);
}

Eal::Eal(Eal&& other) noexcept : owner_(std::exchange(other.owner_, false)), hugepages_(other.hugepages_) {}

Eal::~Eal() {
    if (owner_) rte_eal_cleanup();
}

} // namespace weft::dataplane
