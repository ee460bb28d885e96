// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/grace_period.hpp"

#include <cerrno>
#include <cstring>

#include <linux/membarrier.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace weft::ebpf {

Result<void> wait_for_packets_under_way() {
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0) return {};
    return fail(ErrorCode::internal,
                fmt::format("membarrier: {}: cannot wait for the packets under way", std::strerror(errno)));
}

} // namespace weft::ebpf
