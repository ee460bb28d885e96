// SPDX-License-Identifier: BSD-3-Clause
// PortTable: who polls what. A queue keeps its worker as long as its port is there, since two workers in one queue at
// the same time would corrupt it.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "dataplane/port_table.hpp"
#include "tests/pipeline/test_host.hpp"

namespace weft::dataplane {
namespace {

using Pollers = std::map<std::pair<const Port*, unsigned>, unsigned>;

class PortTableTest : public testing::TestWithParam<unsigned> {
  protected:
    PortTableTest() : capture_(fmt::format("{}weft-empty-{}.pcap", testing::TempDir(), getpid())) {
        // The header of a file without packets: magic, version 2.4, zone, accuracy, longest packet, Ethernet.
        constexpr std::array<std::uint32_t, 6> header{0xa1b2c3d4, 4U << 16 | 2, 0, 0, 65535, 1};
        std::ofstream(capture_, std::ios::binary).write(reinterpret_cast<const char*>(header.data()), sizeof header);
    }

    ~PortTableTest() override { std::filesystem::remove(capture_); }

    /// A port of one queue, whatever the workers.
    [[nodiscard]] bool add(std::uint32_t id) {
        fastpath::Port port;
        port.set_id(id);
        port.set_role(fastpath::PORT_ROLE_ENDPOINT);
        port.mutable_ethdev()->set_devargs(fmt::format("net_pcap{},rx_pcap={}", id, capture_.string()));
        const auto set = table_.set(port);
        EXPECT_TRUE(set) << set.error().message;
        return set.has_value();
    }

    void remove(std::uint32_t id) { table_.remove(id); }

    /// The worker of each queue; a queue that two have is a failure.
    [[nodiscard]] Pollers pollers() const {
        Pollers pollers;
        const PortSet& ports = table_.snapshot();
        for (unsigned worker = 0; worker < ports.by_worker.size(); ++worker)
            for (const auto& [port, queue] : ports.by_worker[worker])
                EXPECT_TRUE(pollers.emplace(std::pair{port, queue}, worker).second);
        return pollers;
    }

    [[nodiscard]] std::vector<std::size_t> loads() const {
        std::vector<std::size_t> loads;
        for (const auto& assignments : table_.snapshot().by_worker)
            loads.push_back(assignments.size());
        return loads;
    }

  private:
    std::filesystem::path capture_;
    Quiescence quiescence_{GetParam()};
    PortTable table_{quiescence_, cases::TestHost::get().pool(), GetParam(), ""};
};

TEST_P(PortTableTest, NewPortsGoWhereThereIsLeastToDo) {
    for (std::uint32_t id = 1; id <= 7; ++id) {
        ASSERT_TRUE(add(id));
        const auto [least, most] = std::ranges::minmax(loads());
        EXPECT_LE(most - least, 1U);
    }
    // What a removed port leaves free is filled first.
    remove(1);
    remove(4);
    ASSERT_TRUE(add(8));
    ASSERT_TRUE(add(9));
    const auto [least, most] = std::ranges::minmax(loads());
    EXPECT_LE(most - least, 1U);
}

TEST_P(PortTableTest, QueueKeepsItsWorker) {
    std::mt19937 random(GetParam());
    std::set<std::uint32_t> there;
    for (int round = 0; round < 100; ++round) {
        const Pollers before = pollers();
        const std::uint32_t id = 1 + static_cast<std::uint32_t>(random() % 12);
        if (there.erase(id) != 0) {
            remove(id);
        } else {
            ASSERT_TRUE(add(id));
            there.insert(id);
        }
        const Pollers now = pollers();
        EXPECT_EQ(now.size(), there.size());
        for (const auto& [queue, worker] : now) {
            const auto old = before.find(queue);
            if (old == before.end()) continue;
            EXPECT_EQ(worker, old->second) << "round " << round << ", port " << queue.first->id();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Workers, PortTableTest, testing::Values(1U, 2U, 3U),
                         [](const auto& info) { return fmt::format("of{}", info.param); });

} // namespace
} // namespace weft::dataplane
