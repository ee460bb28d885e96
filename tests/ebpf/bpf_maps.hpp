// SPDX-License-Identifier: BSD-3-Clause
// What tests on the kernel's real maps share: small sets of them, and a BPF file system of their own.
// Without the privilege to make maps they are skipped, and say so.
#pragma once

#include <optional>
#include <stdexcept>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include "ebpf/map_set.hpp"
#include "tests/controlplane/temporary_directory.hpp"

namespace weft::ebpf {

/// Small maps, which are quickly made and walked, but for what is asked.
inline std::map<std::string, std::uint32_t> small(std::map<std::string, std::uint32_t> entries = {}) {
    std::map<std::string, std::uint32_t> sizes;
    for (const char* const name :
         {"networks", "vteps", "ports", "port_of_ifindex", "endpoints", "next_hops", "host_routes", "prefix_routes",
          "policies", "verdicts", "sessions", "counters", "drops", "told"})
        sizes[name] = 1024;
    entries.merge(sizes);
    return entries;
}

/// Maps that nobody pins.
inline MapSetOptions unpinned(std::map<std::string, std::uint32_t> entries = {}) {
    return {.directory = std::nullopt, .entries = small(std::move(entries))};
}

/// A BPF file system at a temporary place, seen by this process alone.
class BpfFileSystem {
  public:
    BpfFileSystem() {
        static const bool apart =
            unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        if (!apart || mount("bpf", directory_.path().c_str(), "bpf", 0, nullptr) != 0)
            throw std::runtime_error("cannot mount a BPF file system");
    }

    ~BpfFileSystem() { umount(directory_.path().c_str()); }

    BpfFileSystem(const BpfFileSystem&) = delete;
    BpfFileSystem& operator=(const BpfFileSystem&) = delete;

    [[nodiscard]] const std::string& path() const { return directory_.path(); }

    /// Maps that are pinned here.
    [[nodiscard]] MapSetOptions pinned(std::map<std::string, std::uint32_t> entries = {}) const {
        return {.directory = path() + "/weft", .entries = small(std::move(entries))};
    }

  private:
    TemporaryDirectory directory_;
};

class BpfTest : public testing::Test {
  protected:
    void SetUp() override {
        if (auto made = MapSet::open(unpinned()); !made && made.error().code == ErrorCode::denied)
            GTEST_SKIP() << "makes eBPF maps: run as root. " << made.error().message;
    }
};

/// A file system with nothing pinned there yet.
class PinnedTest : public BpfTest {
  protected:
    void SetUp() override {
        BpfTest::SetUp();
        if (IsSkipped()) return;
        file_system_.emplace();
        options_ = file_system_->pinned();
    }

    std::optional<BpfFileSystem> file_system_;
    MapSetOptions options_;
};

} // namespace weft::ebpf
