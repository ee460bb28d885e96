// SPDX-License-Identifier: BSD-3-Clause
// Who listens on a socket: a process of its own here, which is named, ended, and not confused with what is left of
// it.
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/api/listener.hpp"

namespace weft::fastpath {
namespace {

using std::chrono::milliseconds;

int unix_socket(const std::string& name, bool listens) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::memcpy(address.sun_path, name.data(), name.size());
    const auto size =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + (name[0] != '\0' ? 1 : 0));
    const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    if (listens ? bind(made, at, size) == 0 && listen(made, 0) == 0 : connect(made, at, size) == 0) return made;
    close(made);
    return -1;
}

/// A child that listens, and never accepts.
class Child {
  public:
    explicit Child(const std::string& name, bool ends_when_asked = true) {
        int told[2];
        if (pipe(told) != 0) return;
        pid_ = fork();
        if (pid_ == 0) {
            if (!ends_when_asked) std::signal(SIGTERM, SIG_IGN);
            const char ready = unix_socket(name, true) >= 0 ? 'y' : 'n';
            if (write(told[1], &ready, 1) != 1) _exit(1);
            for (;;)
                pause();
        }
        char ready = 'n';
        listens_ = read(told[0], &ready, 1) == 1 && ready == 'y';
        close(told[0]);
        close(told[1]);
    }

    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    ~Child() { end(SIGKILL); }

    void end(int signal) {
        if (pid_ <= 0) return;
        kill(pid_, signal);
        reap();
    }

    /// How it ended, as waitpid() says.
    int reap() {
        int status = 0;
        waitpid(std::exchange(pid_, 0), &status, 0);
        return status;
    }

    [[nodiscard]] pid_t pid() const { return pid_; }

    [[nodiscard]] bool listens() const { return listens_; }

  private:
    pid_t pid_ = 0;
    bool listens_ = false;
};

class ListenerTest : public testing::Test {
  protected:
    ~ListenerTest() override { std::filesystem::remove(path_); }

    std::string path_ =
        (std::filesystem::temp_directory_path() / ("weft-listener-" + std::to_string(getpid()))).string();
};

TEST_F(ListenerTest, IsKnownByItsPidAndEndsByRequest) {
    for (const std::string& name : {path_, std::string(1, '\0') + path_}) {
        Child child(name);
        ASSERT_TRUE(child.listens());
        const auto found = Listener::find(name);
        ASSERT_TRUE(found && *found);
        EXPECT_EQ((*found)->who(), "pid " + std::to_string(child.pid()));
        EXPECT_EQ((*found)->remedy(), "kill " + std::to_string(child.pid()));
        const auto ended = (*found)->end(milliseconds(20'000));
        EXPECT_TRUE(ended) << ended.error().message;
        const int status = child.reap();
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
        const auto gone = Listener::find(name);
        EXPECT_TRUE(gone && !*gone);
    }
}

TEST_F(ListenerTest, OneThatDoesNotEndIsNamedWithTheRemedy) {
    const Child child(path_, false);
    ASSERT_TRUE(child.listens());
    const auto found = Listener::find(path_);
    ASSERT_TRUE(found && *found);
    const auto ended = (*found)->end(milliseconds(10));
    ASSERT_FALSE(ended);
    EXPECT_NE(ended.error().message.find("kill -9 " + std::to_string(child.pid())), std::string::npos)
        << ended.error().message;
}

TEST_F(ListenerTest, OneThatEndedSinceIsNoError) {
    Child child(path_);
    const auto found = Listener::find(path_);
    ASSERT_TRUE(found && *found);
    child.end(SIGKILL);
    EXPECT_TRUE((*found)->end(milliseconds(20'000)));
}

TEST_F(ListenerTest, AFileOfADeadOneIsNobody) {
    Child(path_).end(SIGKILL);
    ASSERT_TRUE(std::filesystem::is_socket(path_));
    const auto found = Listener::find(path_);
    EXPECT_TRUE(found && !*found);
    const auto nowhere = Listener::find(path_ + "-elsewhere");
    EXPECT_TRUE(nowhere && !*nowhere);
    const auto too_long = Listener::find(std::string(200, 'x'));
    EXPECT_TRUE(too_long && !*too_long);
}

TEST_F(ListenerTest, OneWithAFullQueueOfClientsIsNotNobody) {
    const Child child(path_);
    ASSERT_TRUE(child.listens());
    const int first = unix_socket(path_, false);
    ASSERT_GE(first, 0);
    const auto found = Listener::find(path_);
    close(first);
    ASSERT_FALSE(found) << "its queue takes one";
    EXPECT_EQ(found.error().code, ErrorCode::unavailable);
    EXPECT_NE(found.error().message.find("ss -xlp src " + path_), std::string::npos) << found.error().message;
}

} // namespace
} // namespace weft::fastpath
