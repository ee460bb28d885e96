// SPDX-License-Identifier: BSD-3-Clause
// What a purge may not claim: it names what it cannot remove, and leaves alone what is at work in another network
// namespace. tests/lab/purge_test.py has what it removes.
#include <filesystem>
#include <fstream>
#include <ranges>

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ebpf/device_pins.hpp"
#include "ebpf/hook.hpp"
#include "ebpf/purge.hpp"
#include "tests/controlplane/temporary_directory.hpp"
#include "tests/ebpf/refused_call.hpp"
#include "tests/ebpf/served_devices.hpp"

namespace weft::ebpf {
namespace {

class Purge : public ServedDevices {
  protected:
    void SetUp() override {
        ServedDevices::SetUp();
        if (IsSkipped()) return;
        fastpath::TableUpdate update = uplink_port();
        update.MergeFrom(web_port());
        const auto applied = apply(update);
        ASSERT_TRUE(applied) << applied.error().message;
        fast_path_.reset();
        if (!std::filesystem::exists(fmt::format("{}/tcx-{}", *options_.directory, up0_)))
            GTEST_SKIP() << "this kernel has no links at devices (Linux 6.6)";
    }

    bool purge_here() {
        removed_.clear();
        kept_.clear();
        return purge(*options_.directory, {.removed = [&](const std::string& what) { removed_ += what + "\n"; },
                                           .kept = [&](const Error& why) { kept_ += why.message + "\n"; }});
    }

    [[nodiscard]] bool is_served() const { return IngressHook(up0_, options_.directory).attached() != 0; }

    std::string removed_;
    std::string kept_;
};

TEST_F(Purge, LeavesWhatIsAtWorkInAnotherNamespaceAndNamesIt) {
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    {
        const NetworkNamespace other = NetworkNamespace::make();
        EXPECT_FALSE(purge_here());
        for (const std::string& pin : {fmt::format("xdp-{}", up0_), fmt::format("tcx-{}", near)})
            EXPECT_NE(kept_.find(fmt::format("{}/{} ", *options_.directory, pin)), std::string::npos) << kept_;
        EXPECT_EQ(removed_, "");
        // A device that happens to have the same number changes nothing.
        while (HostNamespaces::number_of("other") < up0_) {
            if (const auto made = HostNamespaces::number_of("other"); made != 0) HostNamespaces::remove_device(made);
            devices_->add_device("other");
        }
        EXPECT_EQ(HostNamespaces::number_of("other"), up0_);
        EXPECT_FALSE(purge_here());
        EXPECT_NE(kept_.find(fmt::format("/xdp-{} ", up0_)), std::string::npos) << kept_;
    }
    devices_->host().enter();
    EXPECT_TRUE(is_served());
    EXPECT_EQ(HostNamespaces::number_of("weft5"), near);
    EXPECT_TRUE(purge_here()) << kept_;
    EXPECT_NE(removed_.find("the veth pair of weft5"), std::string::npos) << removed_;
    EXPECT_NE(removed_.find("program at up0"), std::string::npos) << removed_;
    EXPECT_FALSE(std::filesystem::exists(*options_.directory));
}

TEST_F(Purge, LeavesTheProgramOfADeviceThatWasMovedAndGotAnotherNumber) {
    const std::uint32_t near = HostNamespaces::number_of("weft5");
    const NetworkNamespace other = NetworkNamespace::make();
    while (devices_->add_device("other") < near)
        HostNamespaces::remove_device(HostNamespaces::number_of("other"));
    devices_->host().enter();
    HostNamespaces::move("weft5", other);
    other.enter();
    const std::uint32_t moved = HostNamespaces::number_of("weft5");
    ASSERT_NE(moved, near);
    devices_->host().enter();
    EXPECT_FALSE(purge_here());
    const std::string pin = fmt::format("{}/tcx-{}", *options_.directory, near);
    EXPECT_NE(kept_.find(fmt::format("{} holds an eBPF program at device number {} ", pin, moved)), std::string::npos)
        << kept_;
    EXPECT_TRUE(std::filesystem::exists(pin));
}

TEST_F(Purge, SaysSoWhenTheKernelDoesNotAnswer) {
    with_refused(SYS_socket, EMFILE, [&] { EXPECT_FALSE(purge_here()); });
    EXPECT_NE(kept_.find("netlink"), std::string::npos) << kept_;
    EXPECT_EQ(removed_, "");
    EXPECT_TRUE(is_served());
    EXPECT_NE(HostNamespaces::number_of("weft5"), 0U);
}

TEST_F(Purge, DoesNotSayThatMapsAreRemovedWhichAreNot) {
    with_refused(SYS_unlinkat, EBUSY, [&] { EXPECT_FALSE(purge_here()); });
    EXPECT_NE(kept_.find("cannot remove " + *options_.directory), std::string::npos) << kept_;
    EXPECT_EQ(removed_.find("eBPF maps"), std::string::npos) << removed_;
    EXPECT_TRUE(purge_here()) << kept_;
    EXPECT_NE(removed_.find("18 eBPF maps in"), std::string::npos) << removed_;
}

TEST_F(Purge, PinsOfDevicesThatHaveGoneAreOnlyFiles) {
    HostNamespaces::remove_device(up0_);
    EXPECT_TRUE(purge_here()) << kept_;
    EXPECT_FALSE(std::filesystem::exists(*options_.directory));
}

/// In a process with mounts of its own: unmounts every BPF file system, mounts one if that is wanted, and purges a
/// directory of none. Whether that went well.
bool purge_without_bpf_file_system(bool but_one_elsewhere) {
    const pid_t child = fork();
    if (child == 0) {
        const TemporaryDirectory elsewhere;
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(2);
        std::vector<std::string> places;
        std::ifstream mounts("/proc/self/mounts");
        for (std::string device, place, type, rest; mounts >> device >> place >> type && std::getline(mounts, rest);)
            if (type == "bpf") places.push_back(place);
        for (const std::string& place : places | std::views::reverse)
            if (umount(place.c_str()) != 0) _exit(2);
        if (but_one_elsewhere && mount("bpf", elsewhere.path().c_str(), "bpf", 0, nullptr) != 0) _exit(2);
        const bool purged =
            purge("/var/empty/weft", {.removed = [](const std::string&) {}, .kept = [](const Error&) {}});
        if (but_one_elsewhere) umount(elsewhere.path().c_str());
        std::filesystem::remove(elsewhere.path());
        _exit(purged ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) < 2) << status;
    return status == 0;
}

TEST(PurgeOfNothing, WithoutAnyBpfFileSystemNothingIsPinned) {
    if (geteuid() != 0) GTEST_SKIP() << "unmounts BPF file systems, in a namespace of its own: run as root";
    EXPECT_TRUE(purge_without_bpf_file_system(false));
    EXPECT_FALSE(purge_without_bpf_file_system(true)) << "the directory may be a wrong one";
}

} // namespace
} // namespace weft::ebpf
