// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/seed.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <string_view>

#include <fmt/format.h>
#include <sys/stat.h>

#include "ebpf/device_pins.hpp"
#include "ebpf/numbered_name.hpp"
#include "ebpf/pin_directory.hpp"

namespace weft::ebpf {

namespace {

constexpr std::string_view prefix = "seed-";
constexpr std::size_t digits = 16;

std::optional<std::uint64_t> read(std::string_view name) {
    return name.size() == prefix.size() + digits ? number_behind<std::uint64_t>(prefix, name, 16) : std::nullopt;
}

std::uint64_t make() {
    std::random_device random;
    return std::uint64_t{random()} << 32 | random();
}

/// As versions had it that noted none. Containers can read the boot's id, too.
std::uint64_t of_earlier_versions() {
    std::string id;
    std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
    return std::hash<std::string>{}("weft " + id);
}

} // namespace

Result<std::uint64_t> seed_of_boot(const std::optional<std::string>& directory) {
    if (!directory) return make();
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(*directory, error))
        if (const auto seed = read(entry.path().filename().native())) return *seed;
    if (error) return fail_pin("read the directory " + *directory, error.value());
    const std::uint64_t seed = pinned_devices(*directory).empty() ? make() : of_earlier_versions();
    if (auto noted = note_seed(*directory, seed); !noted) return std::unexpected(std::move(noted).error());
    return seed;
}

Result<void> note_seed(const std::string& directory, std::uint64_t seed) {
    const std::string note = fmt::format("{}/{}{:0{}x}", directory, prefix, seed, digits);
    if (mkdir(note.c_str(), 0700) != 0) return fail_pin("make the directory " + note, errno);
    return {};
}

} // namespace weft::ebpf
