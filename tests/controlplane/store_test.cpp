// SPDX-License-Identifier: BSD-3-Clause
// The database: what is put is there after reopening, bytes and all, and nobody else can read it.
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "controlplane/store.hpp"
#include "tests/controlplane/small_disk.hpp"
#include "tests/controlplane/temporary_directory.hpp"

namespace weft::agent {
namespace {

std::map<std::string, std::string> all(const Store& store, std::string_view kind) {
    std::map<std::string, std::string> rows;
    const auto read =
        store.for_each(kind, [&](std::string_view key, std::string_view value) { rows.emplace(key, value); });
    EXPECT_TRUE(read);
    return rows;
}

TEST(Store, keeps_bytes_across_a_reopening) {
    const TemporaryDirectory directory;
    const std::string value("\0binary\xff", 8);
    {
        auto store = Store::open(directory.path());
        ASSERT_TRUE(store) << store.error().message;
        EXPECT_FALSE(store->existed());
        ASSERT_TRUE(store->put("endpoint", "a", value));
        ASSERT_TRUE(store->put("endpoint", "b", "gone"));
        ASSERT_TRUE(store->put("policy", "a", "other kind"));
        ASSERT_TRUE(store->put("endpoint", "b", "replaced"));
        ASSERT_TRUE(store->erase("endpoint", "absent"));
    }
    auto store = Store::open(directory.path());
    ASSERT_TRUE(store);
    EXPECT_TRUE(store->existed());
    EXPECT_EQ(all(*store, "endpoint"), (std::map<std::string, std::string>{{"a", value}, {"b", "replaced"}}));
    ASSERT_TRUE(store->erase("endpoint", "a"));
    EXPECT_EQ(all(*store, "endpoint").size(), 1U);
    EXPECT_EQ(all(*store, "policy").size(), 1U);
}

TEST(Store, is_for_its_owner_only) {
    const TemporaryDirectory directory;
    const auto store = Store::open(directory.path() + "/state");
    ASSERT_TRUE(store);
    struct stat status{};
    ASSERT_EQ(stat((directory.path() + "/state/weft.db").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    ASSERT_EQ(stat((directory.path() + "/state").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST(Store, names_a_file_that_is_no_database) {
    const TemporaryDirectory directory;
    std::ofstream(directory.path() + "/weft.db") << std::string(8192, 'x');
    const auto store = Store::open(directory.path());
    ASSERT_FALSE(store);
    EXPECT_NE(store.error().message.find(directory.path() + "/weft.db"), std::string::npos) << store.error().message;
    EXPECT_NE(store.error().message.find("move it away"), std::string::npos) << store.error().message;
}

TEST(Store, refuses_a_database_that_was_cut_off) {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/weft.db";
    {
        auto store = Store::open(directory.path());
        ASSERT_TRUE(store);
        for (int i = 0; i < 100; ++i)
            ASSERT_TRUE(store->put("endpoint", std::to_string(i), std::string(300, 'x')));
    }
    const auto size = std::filesystem::file_size(path);
    for (const auto cut : {size - 2000, size - 4096, std::uintmax_t{5000}, std::uintmax_t{700}}) {
        std::filesystem::resize_file(path, cut);
        const auto store = Store::open(directory.path());
        ASSERT_FALSE(store) << cut << " of " << size << " bytes";
        EXPECT_NE(store.error().message.find(path), std::string::npos) << store.error().message;
        EXPECT_NE(store.error().message.find("restore a copy"), std::string::npos) << store.error().message;
    }
}

TEST(Store, refuses_to_write_to_a_file_that_nobody_will_read) {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/weft.db";
    auto store = Store::open(directory.path());
    ASSERT_TRUE(store);
    const auto refusal = [&] {
        const auto put = store->put("endpoint", "a", "b");
        return put ? std::string("written") : put.error().message;
    };
    EXPECT_EQ(refusal(), "written");
    std::filesystem::rename(path, path + ".away");
    EXPECT_NE(
        refusal().find("database " + path + ": No such file or directory: somebody deleted it or moved it away"),
        std::string::npos)
        << refusal();
    EXPECT_FALSE(store->erase("endpoint", "a"));
    const Store::Change change{"a", "c"};
    EXPECT_FALSE(store->change("endpoint", {&change, 1}));
    std::ofstream(path) << "";
    EXPECT_NE(refusal().find("another file in its place"), std::string::npos) << refusal();
    std::filesystem::rename(path + ".away", path);
    EXPECT_EQ(refusal(), "written") << "it is back";
    EXPECT_EQ(all(*store, "endpoint"), (std::map<std::string, std::string>{{"a", "b"}}));
    std::filesystem::resize_file(path, 0);
    EXPECT_NE(refusal().find("somebody cut it off while weftd runs"), std::string::npos) << refusal();
    std::filesystem::remove(path);
    EXPECT_NE(refusal().find("somebody deleted it"), std::string::npos) << refusal();
}

TEST(Store, says_that_the_disk_is_full_and_writes_all_or_nothing) {
    if (geteuid() != 0) GTEST_SKIP() << "mounts a small disk: run as root";
    const SmallDisk disk;
    ASSERT_TRUE(disk.mounted());
    auto store = Store::open(disk.path());
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE(store->put("policy", "kept", "1"));
    disk.fill();
    const std::vector<Store::Change> changes{{"a", "1"}, {"kept", std::nullopt}, {"b", std::string(8192, 'x')}};
    const auto refused = store->change("policy", changes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::exhausted);
    EXPECT_EQ(refused.error().message, "database " + disk.path() +
                                           "/weft.db: write: database or disk is full: free some space there, then "
                                           "try again");
    EXPECT_EQ(all(*store, "policy"), (std::map<std::string, std::string>{{"kept", "1"}}));
    disk.free();
    EXPECT_TRUE(store->change("policy", changes));
    EXPECT_EQ(all(*store, "policy").size(), 2U);
}

} // namespace
} // namespace weft::agent
