// SPDX-License-Identifier: BSD-3-Clause
// One weft-dataplane for each interface: the second learns whom it would have to end.
#include <thread>

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include "dataplane/xdp_interface.hpp"

namespace weft::dataplane {
namespace {

TEST(XdpInterfaceTest, TheSecondIsToldWhoServesIt) {
    if (geteuid() != 0) GTEST_SKIP() << "makes a network namespace: run as root";
    // The names are those of the thread's own namespace.
    std::thread([] {
        ASSERT_EQ(unshare(CLONE_NEWNET), 0);
        for (int round = 0; round < 2; ++round) { // what was let go of can be claimed again
            const auto first = XdpInterface::claim("lo");
            ASSERT_TRUE(first) << first.error().message;
            const auto second = XdpInterface::claim("lo");
            ASSERT_FALSE(second);
            EXPECT_EQ(second.error().code, ErrorCode::exists);
            EXPECT_NE(second.error().message.find("kill " + std::to_string(getpid())), std::string::npos)
                << second.error().message;
        }
    }).join();
}

} // namespace
} // namespace weft::dataplane
