// SPDX-License-Identifier: BSD-3-Clause
// One agent for each fast path, also when a purge takes the lock's file away.
#include <filesystem>
#include <future>
#include <optional>

#include <gtest/gtest.h>
#include <unistd.h>

#include "controlplane/instance_lock.hpp"
#include "tests/controlplane/temporary_directory.hpp"

namespace weft::agent {
namespace {

class InstanceLockTest : public testing::Test {
  protected:
    TemporaryDirectory directory_;
    std::string socket_ = directory_.path() + "/dataplane.sock";
};

TEST_F(InstanceLockTest, TheSecondIsToldWhoHoldsIt) {
    const auto first = InstanceLock::take_fast_path(socket_);
    ASSERT_TRUE(first) << first.error().message;
    const auto second = InstanceLock::take_fast_path(socket_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("pid " + std::to_string(getpid())), std::string::npos)
        << second.error().message;
}

TEST_F(InstanceLockTest, WhoWaitedForOneThatWasDiscardedHoldsTheNext) {
    auto first = InstanceLock::take_fast_path(socket_);
    ASSERT_TRUE(first);
    std::optional<InstanceLock> held(std::move(*first));
    auto waiting = std::async(std::launch::async, [this] { return InstanceLock::take_fast_path(socket_); });
    // It has opened the file that goes now, or opens the next one: either way it is alone.
    held->discard();
    held.reset();
    const auto second = waiting.get();
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_TRUE(std::filesystem::exists(InstanceLock::path_of_fast_path(socket_)));
    EXPECT_FALSE(InstanceLock::take_fast_path(socket_));
}

} // namespace
} // namespace weft::agent
