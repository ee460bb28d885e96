// SPDX-License-Identifier: BSD-3-Clause
// Two fast paths at once would take each other's packets: which one may start beside what is at work here. This
// process plays the weft-dataplane that outlived its agent.
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include "controlplane/fast_path_choice.hpp"
#include "tests/controlplane/temporary_directory.hpp"

namespace weft::agent {
namespace {

using Stream = boost::asio::local::stream_protocol;

class FastPathChoice : public testing::Test {
  protected:
    void SetUp() override { config_.dataplane_socket = directory_.path() + "/dataplane.sock"; }

    void begin_dataplane() { acceptor_.emplace(loop_, Stream::endpoint(config_.dataplane_socket)); }

    /// What is chosen, or why nothing is.
    std::string choose(FastPathKind wanted, bool programs) {
        config_.fast_path = wanted;
        const auto chosen = choose_fast_path(config_, programs);
        return chosen ? name_of(*chosen) : chosen.error().message;
    }

    TemporaryDirectory directory_;
    Config config_;
    boost::asio::io_context loop_;
    std::optional<Stream::acceptor> acceptor_;
};

TEST_F(FastPathChoice, OnAFreshHostItIsWhatWasAskedFor) {
    EXPECT_EQ(choose(FastPathKind::automatic, false), "auto");
    EXPECT_EQ(choose(FastPathKind::ebpf, false), "ebpf");
    EXPECT_EQ(choose(FastPathKind::dpdk, false), "dpdk");
    config_.uplink_port = "net_pcap0";
    EXPECT_EQ(choose(FastPathKind::automatic, false), "dpdk");
}

TEST_F(FastPathChoice, TheSameKindGoesOn) {
    EXPECT_EQ(choose(FastPathKind::automatic, true), "auto");
    EXPECT_EQ(choose(FastPathKind::ebpf, true), "ebpf");
    begin_dataplane();
    EXPECT_EQ(choose(FastPathKind::dpdk, false), "dpdk");
}

TEST_F(FastPathChoice, EbpfIsRefusedBesideADataplane) {
    begin_dataplane();
    const std::string said = choose(FastPathKind::ebpf, false);
    EXPECT_NE(said.find("pid " + std::to_string(getpid())), std::string::npos) << said;
    EXPECT_NE(said.find(config_.dataplane_socket), std::string::npos) << said;
    EXPECT_NE(said.find("weftd --purge"), std::string::npos) << said;
}

TEST_F(FastPathChoice, AutoGoesOnWithADataplane) {
    begin_dataplane();
    EXPECT_EQ(choose(FastPathKind::automatic, false), "dpdk");
}

TEST_F(FastPathChoice, ADeadDataplanesSocketIsNone) {
    begin_dataplane();
    acceptor_.reset(); // the file stays
    EXPECT_EQ(choose(FastPathKind::ebpf, false), "ebpf");
    EXPECT_EQ(choose(FastPathKind::automatic, false), "auto");
}

TEST_F(FastPathChoice, DpdkIsRefusedBesidePrograms) {
    for (const bool dataplane_too : {false, true}) {
        if (dataplane_too) begin_dataplane();
        const std::string said = choose(FastPathKind::dpdk, true);
        EXPECT_NE(said.find(config_.bpf_dir), std::string::npos) << said;
        EXPECT_NE(said.find("weftd --purge"), std::string::npos) << said;
    }
    EXPECT_NE(choose(FastPathKind::automatic, true).find("weftd --purge"), std::string::npos)
        << "both are at work: neither is the one to go on";
}

} // namespace
} // namespace weft::agent
