// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/pin_directory.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>

#include <linux/magic.h>

#include <map>
#include <optional>
#include <ranges>
#include <string_view>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dataplane/api/opened_file.hpp"
#include "ebpf/numbered_name.hpp"

namespace weft::ebpf {

namespace {

constexpr std::string_view set_prefix = "layout-";
/// A BPF file system takes no dots in names.
constexpr std::string_view unfinished_suffix = "-new";
/// With what the names begin of all that any version has put into the directory.
constexpr std::array<std::string_view, 5> prefixes = {set_prefix, "tcx-", "xdp-", "clsact-", "seed-"};
/// Where the kernel has a place for one, and distributions mount it as they start.
constexpr const char* usual_place = "/sys/fs/bpf";

/// Of a set's directory: whole ones end with the number, others say so behind it.
std::optional<unsigned> layout_number(std::string_view name, bool whole) {
    if (name.ends_with(unfinished_suffix) == whole) return std::nullopt;
    if (!whole) name.remove_suffix(unfinished_suffix.size());
    return number_behind<unsigned>(set_prefix, name);
}

bool is_bpf_file_system(const std::string& path) {
    struct statfs system{};
    return statfs(path.c_str(), &system) == 0 && system.f_type == BPF_FS_MAGIC;
}

/// What is mounted in another ends with who mounted it.
bool is_in_hosts_mount_namespace() {
    std::error_code ours, hosts;
    const auto here = std::filesystem::read_symlink("/proc/self/ns/mnt", ours);
    return here == std::filesystem::read_symlink("/proc/1/ns/mnt", hosts) && !ours && !hosts;
}

/// Without what says nothing: "a/b/", "a/b/." and "a/c/../b" are a/b, which lies in a.
std::string plain(const std::string& path) {
    const auto normal = std::filesystem::path(path).lexically_normal();
    return normal.has_filename() ? normal : normal.parent_path();
}

/// Is something there, and none of it ours? Beside ours a later version may have put what this one does not know.
bool is_others(const std::string& path) {
    bool others = false;
    std::error_code ignored; // without the directory there is nothing
    for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
        const std::string name = entry.path().filename();
        if (std::ranges::any_of(prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); }))
            return false;
        others = true;
    }
    return others;
}

} // namespace

std::unexpected<Error> fail_pin(const std::string& doing, int number) {
    const bool denied = number == EPERM || number == EACCES;
    return fail(denied ? ErrorCode::denied : ErrorCode::internal,
                fmt::format("cannot {}: {}{}", doing, std::strerror(number), denied ? ": this needs root" : ""));
}

Result<PinDirectory> PinDirectory::at(const std::string& named) {
    std::string path = plain(named);
    const std::string parent = std::filesystem::path(path).parent_path();
    if (is_bpf_file_system(parent)) {
        if (is_others(path))
            return fail(
                ErrorCode::invalid,
                fmt::format("{} holds what others have pinned, and nothing of weft's: name another directory, "
                            "as {}/weft",
                            path, parent));
        return PinDirectory(std::move(path));
    }
    if (parent == usual_place && is_in_hosts_mount_namespace() &&
        mount("bpf", usual_place, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") == 0)
        return PinDirectory(std::move(path));
    if (is_bpf_file_system(path))
        return fail(ErrorCode::invalid,
                    fmt::format("{} is the whole of a BPF file system, which others use too: name a directory in it, "
                                "as {}/weft",
                                path, path));
    return fail(
        ErrorCode::unavailable,
        fmt::format(
            "{} is not in a BPF file system, where alone eBPF maps can be pinned: name a directory in one, as "
            "{}/weft, after mount -t bpf bpf {} if there is none",
            path, usual_place, usual_place));
}

bool PinDirectory::exists() const { return exists(path_); }

bool PinDirectory::exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Result<void> PinDirectory::make() const { return make_directory(path_); }

Result<void> PinDirectory::make_directory(const std::string& path) {
    if ((mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) && chmod(path.c_str(), 0700) == 0) return {};
    return fail_pin("make the directory " + path, errno);
}

std::string PinDirectory::layout(unsigned number) const { return fmt::format("{}/{}{}", path_, set_prefix, number); }

std::string PinDirectory::unfinished(const std::string& layout) { return layout + std::string(unfinished_suffix); }

std::vector<std::string> PinDirectory::sets(bool whole) const {
    std::map<unsigned, std::string> found;
    std::error_code ignored; // without the directory there is none
    for (const auto& entry : std::filesystem::directory_iterator(path_, ignored))
        if (const auto number = layout_number(entry.path().filename().native(), whole)) found[*number] = entry.path();
    const auto paths = found | std::views::values;
    return {paths.begin(), paths.end()};
}

std::vector<std::string> PinDirectory::layouts() const { return sets(true); }

std::vector<std::string> PinDirectory::unfinished() const { return sets(false); }

Result<void> PinDirectory::remove() const { return remove_pins(path_); }

Result<void> remove_pins(const std::string& path) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) return fail_pin("remove " + path, error.value());
    return {};
}

Result<void> remove_layout(const std::string& layout) {
    const std::string unfinished = PinDirectory::unfinished(layout);
    if (auto removed = remove_pins(unfinished); !removed) return removed;
    if (rename(layout.c_str(), unfinished.c_str()) != 0) return fail_pin("rename " + layout, errno);
    return remove_pins(unfinished);
}

Result<PinLock> PinLock::take(const PinDirectory& directory) {
    const int descriptor = open(directory.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return fail_pin("open the directory " + directory.path(), errno);
    PinLock lock(descriptor);
    // One who was killed keeps it until the last of its threads has ended.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return fail_pin("lock the directory " + directory.path(), errno);
        if (std::chrono::steady_clock::now() > deadline)
            return fail(ErrorCode::exists,
                        fmt::format("{}: another weftd uses the eBPF maps there: stop that one, or "
                                    "choose another --bpf-dir",
                                    directory.path()));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    // By a purge: nobody else would meet this lock in the directory that is made next.
    if (!fastpath::is_at(descriptor, directory.path()))
        return fail(ErrorCode::unavailable,
                    fmt::format("{} was removed by another weftd: start this one again", directory.path()));
    return lock;
}

bool PinLock::holds(const PinDirectory& directory) const { return fastpath::is_at(descriptor_, directory.path()); }

PinLock::PinLock(PinLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

PinLock::~PinLock() {
    if (descriptor_ >= 0) close(descriptor_);
}

} // namespace weft::ebpf
