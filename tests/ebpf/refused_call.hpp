// SPDX-License-Identifier: BSD-3-Clause
// A kernel that refuses a system call: to one thread, and for what it does alone.
#pragma once

#include <cstddef>
#include <iterator>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <stdexcept>
#include <thread>

#include <sys/prctl.h>
#include <sys/syscall.h>

namespace weft::ebpf {

/// Does it in a thread of its own, where the call ends with this errno.
template <class Act>
void with_refused(long call, int number, Act act) {
    std::thread([&] {
        sock_filter rules[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(number)),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog program{.len = std::size(rules), .filter = rules};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
            throw std::runtime_error("seccomp");
        act();
    }).join();
}

} // namespace weft::ebpf
