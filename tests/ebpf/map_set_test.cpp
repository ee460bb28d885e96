// SPDX-License-Identifier: BSD-3-Clause
// The set of maps: made once, taken over afterwards, of the sizes that were asked for, for root alone; maps of
// another layout are refused by name, and one agent at a time has them.
#include <algorithm>
#include <filesystem>
#include <future>

#include <linux/magic.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ebpf/layout.h"
#include "ebpf/map_size.hpp"
#include "ebpf/maps.skel.h"
#include "ebpf/pin_directory.hpp"
#include "tests/ebpf/bpf_maps.hpp"
#include "tests/ebpf/refused_call.hpp"

namespace weft::ebpf {
namespace {

class PinnedMaps : public PinnedTest {
  protected:
    [[nodiscard]] PinDirectory pins() const { return PinDirectory::at(*options_.directory).value(); }

    [[nodiscard]] std::string layout() const { return pins().layout(WEFT_LAYOUT); }
};

std::string refusal(const MapSetOptions& options) {
    auto set = MapSet::open(options);
    return set ? "it was opened" : set.error().message;
}

TEST_F(PinnedMaps, AreMadeOnceAndTakenOver) {
    {
        const MapSet made = MapSet::open(options_).value();
        EXPECT_FALSE(made.adopted());
        const std::uint32_t number = 7;
        const std::uint32_t value = 1;
        ASSERT_TRUE(made["networks"].set(&number, &value));
    }
    const MapSet again = MapSet::open(options_).value();
    EXPECT_TRUE(again.adopted());
    const std::uint32_t number = 7;
    std::uint32_t value = 0;
    EXPECT_TRUE(again["networks"].find(&number, &value).value());
}

TEST_F(PinnedMaps, AreRootsAlone) {
    ASSERT_TRUE(MapSet::open(options_));
    for (const std::string& path : {*options_.directory, layout()}) {
        struct stat status{};
        ASSERT_EQ(stat(path.c_str(), &status), 0);
        EXPECT_EQ(status.st_mode & 0777, 0700U) << path;
    }
}

TEST_F(PinnedMaps, KeepTheSizeTheyWereMadeWith) {
    options_.entries["host_routes"] = 123;
    EXPECT_EQ(MapSet::open(options_).value()["host_routes"].capacity(), 123U);
    options_.entries["host_routes"] = 456;
    EXPECT_EQ(MapSet::open(options_).value()["host_routes"].capacity(), 123U);
}

TEST_F(PinnedMaps, OneThatIsGoneIsMadeAgain) {
    ASSERT_TRUE(MapSet::open(options_));
    ASSERT_EQ(unlink((layout() + "/policies").c_str()), 0);
    EXPECT_FALSE(MapSet::open(options_).value().adopted());
    EXPECT_TRUE(MapSet::open(options_).value().adopted());
}

TEST_F(PinnedMaps, OfAnotherLayoutAreRefusedByName) {
    ASSERT_TRUE(MapSet::open(options_));
    const auto path = layout() + "/told";
    ASSERT_EQ(unlink(path.c_str()), 0);
    const int other = bpf_map_create(BPF_MAP_TYPE_HASH, "told", 8, 256, 16, nullptr);
    ASSERT_GE(other, 0);
    ASSERT_EQ(bpf_obj_pin(other, path.c_str()), 0);
    close(other);
    const std::string message = refusal(options_);
    EXPECT_NE(message.find(path), std::string::npos) << message;
    EXPECT_NE(message.find("256-byte values"), std::string::npos) << message;
    EXPECT_NE(message.find("--purge"), std::string::npos) << message;
    // The way out that it names. (A whole purge would look at the devices of this host too.)
    ASSERT_TRUE(pins().remove());
    EXPECT_TRUE(MapSet::open(options_));
}

TEST_F(PinnedMaps, SomethingElseInTheirPlaceIsRefused) {
    ASSERT_TRUE(MapSet::open(options_));
    const auto path = layout() + "/host";
    ASSERT_EQ(unlink(path.c_str()), 0);
    ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
    EXPECT_NE(refusal(options_).find(path), std::string::npos) << refusal(options_);
}

TEST_F(PinnedMaps, RemovedLeaveNothing) {
    ASSERT_TRUE(MapSet::open(options_));
    ASSERT_TRUE(pins().remove());
    EXPECT_FALSE(pins().exists());
    EXPECT_TRUE(pins().remove());
}

// What were mounted here would end with this process, whose mount namespace is its own, and the pins with it.
TEST_F(PinnedMaps, NoFileSystemIsMountedInAMountNamespaceOfOurOwn) {
    const std::string place = "/sys/fs/bpf";
    while (umount2(place.c_str(), MNT_DETACH) == 0) {
    }
    const auto refused = PinDirectory::at(place + "/weft");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("mount -t bpf bpf /sys/fs/bpf"), std::string::npos);
    struct statfs system{};
    ASSERT_EQ(statfs(place.c_str(), &system), 0);
    EXPECT_NE(system.f_type, BPF_FS_MAGIC);
}

TEST_F(PinnedMaps, NeedABpfFileSystem) {
    const TemporaryDirectory elsewhere;
    options_.directory = elsewhere.path() + "/weft";
    for (const std::string& message : {refusal(options_), PinDirectory::at(*options_.directory).error().message})
        EXPECT_NE(message.find("mount -t bpf bpf /sys/fs/bpf"), std::string::npos) << message;
}

TEST_F(PinnedMaps, AreNotTheWholeFileSystemWhichOthersUseToo) {
    const std::string whole = file_system_->path();
    for (const char* const end : {"", "/", "//", "/.", "/./", "/weft/.."}) {
        options_.directory = whole + end;
        const auto refused = PinDirectory::at(*options_.directory);
        ASSERT_FALSE(refused) << *options_.directory;
        EXPECT_NE(refused.error().message.find(whole + "/weft"), std::string::npos) << refused.error().message;
        EXPECT_EQ(refusal(options_), refused.error().message);
    }
    EXPECT_EQ(PinDirectory::at(whole + "/weft/").value().path(), whole + "/weft");
}

TEST_F(PinnedMaps, AreNotInADirectoryOfOthers) {
    options_.directory = file_system_->path() + "/theirs";
    const std::filesystem::path theirs(*options_.directory);
    ASSERT_TRUE(std::filesystem::create_directories(theirs / "devices"));
    std::filesystem::permissions(theirs, std::filesystem::perms{0755});
    const std::string message = refusal(options_);
    EXPECT_NE(message.find("holds what others have pinned"), std::string::npos) << message;
    EXPECT_EQ(std::filesystem::status(theirs).permissions(), std::filesystem::perms{0755});
    // What a later version leaves beside ours is not known either.
    ASSERT_TRUE(std::filesystem::create_directory(theirs / "layout-9999"));
    EXPECT_TRUE(PinDirectory::at(theirs));
}

/// How many descriptors of this process are open on it.
std::ptrdiff_t opened(const std::string& path) {
    std::error_code closed_again;
    return std::ranges::count_if(std::filesystem::directory_iterator("/proc/self/fd"), [&](const auto& entry) {
        return std::filesystem::read_symlink(entry.path(), closed_again) == path;
    });
}

// The lock would be one that nobody else meets.
TEST_F(PinnedMaps, AreNotLockedInADirectoryThatWasPurgedMeanwhile) {
    ASSERT_TRUE(pins().make());
    std::optional<PinLock> purging = PinLock::take(pins()).value();
    ASSERT_EQ(opened(pins().path()), 1);
    auto waiting = std::async(std::launch::async, [&] { return PinLock::take(pins()).has_value(); });
    while (opened(pins().path()) < 2)
        std::this_thread::yield();
    ASSERT_TRUE(pins().remove());
    purging.reset();
    EXPECT_FALSE(waiting.get());
}

TEST_F(PinnedMaps, SizesOfUnknownMapsAreRefused) {
    for (const auto& [name, entries] :
         std::map<std::string, std::uint32_t>{{"routes", 5}, {"epoch", 5}, {"told", 0}}) {
        options_.entries = {{name, entries}};
        EXPECT_NE(refusal(options_).find(name), std::string::npos) << refusal(options_);
    }
    EXPECT_FALSE(PinDirectory::exists(layout()));
}

TEST_F(PinnedMaps, OfAMakerThatWasKilledAreNobodys) {
    const std::string left = PinDirectory::unfinished(layout());
    ASSERT_TRUE(pins().make());
    ASSERT_TRUE(PinDirectory::make_directory(left));
    const int half = bpf_map_create(BPF_MAP_TYPE_HASH, "told", 4, 4, 16, nullptr);
    ASSERT_EQ(bpf_obj_pin(half, (left + "/told").c_str()), 0);
    close(half);
    EXPECT_FALSE(MapSet::open(options_).value().adopted());
    EXPECT_FALSE(PinDirectory::exists(left));
}

TEST_F(PinnedMaps, AreOrderedByTheirNumbers) {
    ASSERT_TRUE(pins().make());
    for (const char* const name : {"layout-10", "layout-2", "layout-33-new", "layout-4-new", "layout-x", "layout-"})
        ASSERT_TRUE(PinDirectory::make_directory(pins().path() + "/" + name));
    EXPECT_EQ(pins().layouts(), (std::vector{pins().layout(2), pins().layout(10)}));
    EXPECT_EQ(pins().unfinished(),
              (std::vector{PinDirectory::unfinished(pins().layout(4)), PinDirectory::unfinished(pins().layout(33))}));
}

TEST_F(PinnedMaps, SmallerMapsAreTheAdviceWhereMemoryIsShortAlone) {
    EXPECT_NE(refusal(unpinned({{"sessions", 0xffffffff}})).find("make them smaller"), std::string::npos)
        << refusal(unpinned({{"sessions", 0xffffffff}}));
    std::string said;
    with_refused(SYS_bpf, EMFILE, [&] { said = refusal(unpinned()); });
    EXPECT_NE(said.find("cannot make the eBPF maps"), std::string::npos) << said;
    EXPECT_EQ(said.find("smaller"), std::string::npos) << said;
}

TEST_F(PinnedMaps, AreOneAgentsAtATime) {
    ASSERT_TRUE(pins().make());
    auto first = std::make_optional(PinLock::take(pins()).value());
    const auto second = PinLock::take(pins());
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find(pins().path()), std::string::npos) << second.error().message;
    first.reset();
    EXPECT_TRUE(PinLock::take(pins()));
}

TEST(MapSize, HasTheNameOfItsGauge) {
    EXPECT_EQ(map_entries({{"fib", 7}, {"session", 8}}).value(),
              (MapSet::Sizes{{"host_routes", 7}, {"sessions", 8}}));
    EXPECT_EQ(size_name("host_routes"), "fib");
    EXPECT_EQ(size_name("told"), std::nullopt);
}

TEST(MapSize, WhatIsSaidOfMoreNetworksHasRoomToo) {
    EXPECT_FALSE(map_entries({{"network", 65536}}).value().contains("told"));
    EXPECT_EQ(map_entries({{"network", 1065536}}).value().at("told"), 1524288U);
}

TEST(MapSize, OfAnUnknownMapIsRefusedWithTheKnownNames) {
    const auto refused = map_entries({{"routes", 5}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "--map-size routes=5: no map is named routes; there are fib, fib_prefix, "
                                       "policy, verdict, network, session");
}

TEST_F(PinnedMaps, AreLentToPrograms) {
    const MapSet maps = MapSet::open(options_).value();
    std::size_t size = 0;
    const void* const bytes = weft_maps::elf_bytes(&size);
    const std::unique_ptr<bpf_object, decltype(&bpf_object__close)> object(bpf_object__open_mem(bytes, size, nullptr),
                                                                           &bpf_object__close);
    ASSERT_TRUE(maps.lend(object.get()));
    ASSERT_EQ(bpf_object__load(object.get()), 0);
    const std::uint32_t number = 7;
    std::uint32_t value = 1;
    ASSERT_TRUE(maps["networks"].set(&number, &value));
    EXPECT_EQ(bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object.get(), "networks"), &number, &value), 0);
}

} // namespace
} // namespace weft::ebpf
