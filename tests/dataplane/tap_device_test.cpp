// SPDX-License-Identifier: BSD-3-Clause
// TAP devices: paths that are no network namespace are refused at once.
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/tap_device.hpp"

namespace weft::dataplane {
namespace {

TEST(TapDevice, FifoInPlaceOfANamespaceIsRefusedWithoutWaiting) {
    const std::string path = fmt::format("{}weft-fifo-{}", testing::TempDir(), getpid());
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    const auto device = open_tap(path, "eth0", fastpath::MacBytes{2, 0, 0, 0, 0, 1});
    std::filesystem::remove(path);
    ASSERT_FALSE(device);
    EXPECT_NE(device.error().message.find(path), std::string::npos) << device.error().message;
}

} // namespace
} // namespace weft::dataplane
