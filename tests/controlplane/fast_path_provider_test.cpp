// SPDX-License-Identifier: BSD-3-Clause
// What an agent learns of a fast path that is there when it starts, whether it is another process, played by this
// one, or its own.
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <gtest/gtest.h>

#include "controlplane/fast_path_provider.hpp"
#include "controlplane/local_fast_path.hpp"
#include "dataplane/api/client.hpp"
#include "tests/controlplane/memory_fast_path.hpp"
#include "tests/controlplane/temporary_directory.hpp"

namespace weft::agent {
namespace {

using Stream = boost::asio::local::stream_protocol;

class DumpNow : public testing::Test {
  protected:
    Result<fastpath::TableUpdate> dump() {
        const auto client =
            fastpath::SocketFastPath::connect(loop_, socket_, [](const Error&) {}, std::chrono::milliseconds(20));
        if (!client) return std::unexpected(client.error());
        auto tables = dump_now(loop_, **client);
        (*client)->close();
        return tables;
    }

    TemporaryDirectory directory_;
    const std::string socket_ = directory_.path() + "/dataplane.sock";
    boost::asio::io_context loop_;
    Stream::acceptor acceptor_{loop_, Stream::endpoint(socket_)};
};

TEST_F(DumpNow, OneThatHangsIsAnError) {
    const auto tables = dump();
    ASSERT_FALSE(tables);
    EXPECT_EQ(tables.error().code, ErrorCode::unavailable);
    EXPECT_NE(tables.error().message.find("has not answered"), std::string::npos) << tables.error().message;
}

TEST_F(DumpNow, OneThatHangsUpIsAnError) {
    acceptor_.async_accept([](boost::system::error_code, Stream::socket) {});
    const auto tables = dump();
    ASSERT_FALSE(tables);
    EXPECT_NE(tables.error().message.find("connection ended"), std::string::npos) << tables.error().message;
}

TEST(LocalFastPath, IsAskedAgainUntilItTells) {
    boost::asio::io_context loop;
    auto owned = std::make_unique<MemoryFastPath>();
    MemoryFastPath& memory = *owned;
    memory.can_tell = false;
    LocalFastPath local(loop, std::move(owned), std::chrono::milliseconds(1));
    std::vector<std::string> told;
    ASSERT_TRUE(local.start({.on_connected = [&](auto&, const auto&) { told.emplace_back("connected"); },
                             .on_disconnected = [&](const std::string& reason) { told.push_back(reason); }}));
    for (int i = 0; i < 2; ++i) {
        memory.run();
        EXPECT_EQ(local.fast_path(), nullptr);
        loop.run_one(); // its timer
        loop.restart();
    }
    memory.can_tell = true;
    memory.run();
    const std::string unreachable = "the fast path is unreachable: no memory to tell";
    EXPECT_EQ(told, (std::vector<std::string>{unreachable, unreachable, "connected"}));
    EXPECT_EQ(local.fast_path(), &memory);
    EXPECT_EQ(local.state(), "running");
}

} // namespace
} // namespace weft::agent
