// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/instance_lock.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/api/opened_file.hpp"

namespace weft::agent {

namespace {

/// Takes the lock, or false when somebody keeps it. One who was killed keeps it until the last of its threads has
/// ended, so this asks for a second.
bool lock_exclusively(int fd) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

} // namespace

Result<InstanceLock> InstanceLock::take(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return fail(ErrorCode::denied,
                    fmt::format("state directory {}: {}: run as root, or choose another --state-dir", directory,
                                error.message()));
    chmod(directory.c_str(), 0700);
    return lock(directory + "/weftd.pid", "state directory " + directory, "--state-dir");
}

Result<InstanceLock> InstanceLock::take_fast_path(const std::string& socket) {
    std::error_code ignored; // opening the file says what is wrong
    std::filesystem::create_directories(std::filesystem::path(socket).parent_path(), ignored);
    return lock(path_of_fast_path(socket), "fast path at " + socket, "--dataplane-socket");
}

Result<InstanceLock> InstanceLock::lock(const std::string& path, const std::string& what, const std::string& flag) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(ErrorCode::denied,
                    fmt::format("{}: {}: run as root, or choose another {}", path, std::strerror(errno), flag));
    InstanceLock lock(fd, path);
    if (!lock_exclusively(fd)) {
        std::array<char, 16> holder{};
        const ssize_t size = pread(fd, holder.data(), holder.size() - 1, 0);
        std::string pid(holder.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
        pid.erase(pid.find_last_not_of(" \n") + 1);
        return fail(
            ErrorCode::exists,
            fmt::format("{}: weftd with pid {} uses it: stop that one, or choose another {}", what, pid, flag));
    }
    // Removed by a purge: nobody else would meet this lock in the file that is made next.
    if (!fastpath::is_at(fd, path)) return InstanceLock::lock(path, what, flag);
    const std::string pid = fmt::format("{}\n", getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0)
        return fail(ErrorCode::internal, fmt::format("{}: {}", path, std::strerror(errno)));
    return lock;
}

void InstanceLock::discard() const { unlink(path_.c_str()); }

InstanceLock::~InstanceLock() {
    if (fd_ >= 0) close(fd_);
}

} // namespace weft::agent
