// SPDX-License-Identifier: BSD-3-Clause
// The database: what is put is there after reopening, bytes and all, and nobody else can read it.
#include <fstream>
#include <map>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "controlplane/store.hpp"
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

} // namespace
} // namespace weft::agent
