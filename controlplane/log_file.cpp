// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/log_file.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weft::agent {

namespace {

const char* remedy(int number) {
    switch (number) {
    case ELOOP:
        return "it is a symbolic link; name the file itself";
    case ENOENT:
        return "make its directory first";
    case ENOSPC:
    case EDQUOT:
        return "free some space there";
    default:
        return "see whether it can be written there";
    }
}

std::unexpected<Error> failed(const std::string& path, const char* what, int number) {
    return fail(ErrorCode::denied,
                fmt::format("{} cannot be {}: {}: {}", path, what, std::strerror(number), remedy(number)));
}

} // namespace

Result<LogFile> LogFile::open(std::string path) {
    // Of a FIFO nobody may ever read the other end.
    const int descriptor =
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
               S_IRUSR | S_IWUSR);
    if (descriptor < 0) return failed(path, "opened", errno);
    LogFile file(std::move(path), descriptor);
    struct stat is{};
    if (fstat(descriptor, &is) != 0 || !S_ISREG(is.st_mode))
        return fail(ErrorCode::invalid, fmt::format("{} is no regular file: name one", file.path()));
    return file;
}

LogFile::~LogFile() {
    if (descriptor_ >= 0) close(descriptor_);
}

LogFile::LogFile(LogFile&& other) noexcept :
    path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)), torn_(other.torn_) {}

LogFile& LogFile::operator=(LogFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    std::swap(torn_, other.torn_);
    return *this;
}

Result<void> LogFile::append(std::string_view lines) {
    if (lines.empty()) return {};
    std::string mended;
    if (torn_) lines = mended = '\n' + std::string(lines);
    while (!lines.empty()) {
        const ssize_t written = write(descriptor_, lines.data(), lines.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failed(path_, "written", errno);
        torn_ = written > 0 && lines[static_cast<std::size_t>(written) - 1] != '\n';
        lines.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> LogFile::follow() {
    struct stat ours{};
    struct stat there{};
    if (fstat(descriptor_, &ours) == 0 && lstat(path_.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
        ours.st_dev == there.st_dev)
        return {};
    auto other = open(path_);
    if (!other) return std::unexpected(std::move(other).error());
    *this = std::move(*other);
    return {};
}

} // namespace weft::agent
