// SPDX-License-Identifier: BSD-3-Clause
// The virtio-net header of a TAP: what a container's kernel may ask for, what nobody may, and that both directions
// say the same.
#include <random>

#include <gtest/gtest.h>

#include "dataplane/chain.hpp"
#include "dataplane/packet.hpp"
#include "dataplane/virtio_header.hpp"
#include "tests/pipeline/dpdk_runner.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::L4;
using cases::Packet;
using cases::Step;
using cases::TestHost;
using cases::World;

class VirtioHeaderTest : public testing::TestWithParam<int> {
  protected:
    /// A TCP or UDP frame without any mark.
    rte_mbuf* plain(L4 l4, std::size_t payload) const {
        Packet packet = World::between(world.web_ip(), world.db_ip());
        packet.l4 = l4;
        packet.payload = cases::pattern(payload);
        const Step step{.frame = world.from_web(packet), .sent = {}};
        return cases::make_packet(TestHost::get().pool(), step);
    }

    World world{GetParam(), 4};
    std::uint16_t l4 = GetParam() == 4 ? 34 : 54;
};

INSTANTIATE_TEST_SUITE_P(Family, VirtioHeaderTest, testing::Values(4, 6),
                         [](const auto& info) { return "v" + std::to_string(info.param); });

TEST_P(VirtioHeaderTest, GoesThroughUnchanged) {
    for (const auto& [kind, segment] : {std::pair{L4::tcp, 0}, std::pair{L4::udp, 0}, std::pair{L4::tcp, 700}}) {
        rte_mbuf* const packet = plain(kind, 1400);
        VirtioHeader header;
        header.flags = VirtioHeader::needs_checksum;
        header.csum_start = l4;
        header.csum_offset = kind == L4::tcp ? 16 : 6;
        if (segment != 0) {
            header.gso_type = GetParam() == 4 ? VirtioHeader::gso_tcpv4 : VirtioHeader::gso_tcpv6;
            header.gso_size = static_cast<std::uint16_t>(segment);
            header.hdr_len = static_cast<std::uint16_t>(l4 + 20);
        }
        ASSERT_EQ(from_virtio(header, packet), WEFT_DROP_none);
        const VirtioHeader back = to_virtio(packet);
        EXPECT_EQ(back.flags, header.flags);
        EXPECT_EQ(back.csum_start, header.csum_start);
        EXPECT_EQ(back.csum_offset, header.csum_offset);
        EXPECT_EQ(back.gso_type, header.gso_type);
        EXPECT_EQ(back.gso_size, header.gso_size);
        EXPECT_EQ(back.hdr_len, header.hdr_len);
        rte_pktmbuf_free(packet);
    }
}

TEST_P(VirtioHeaderTest, NothingAskedIsNothingMarked) {
    rte_mbuf* const packet = plain(L4::tcp, 10);
    EXPECT_EQ(from_virtio({}, packet), WEFT_DROP_none);
    EXPECT_EQ(packet->ol_flags & offload_wanted, 0U);
    EXPECT_EQ(to_virtio(packet).flags, 0);
    rte_pktmbuf_free(packet);
}

TEST_P(VirtioHeaderTest, ChecksumInATunnelIsCompletedAtOnce) {
    // As of a tunnel of the container's own: TCP or UDP, somewhere in what is TCP or UDP outside.
    for (const std::uint16_t offset : {16, 6})
        for (const L4 outside : {L4::tcp, L4::udp}) {
            rte_mbuf* const packet = plain(outside, 400);
            VirtioHeader header;
            header.flags = VirtioHeader::needs_checksum;
            header.csum_start = static_cast<std::uint16_t>(l4 + 70);
            header.csum_offset = offset;
            const std::uint16_t pseudo = weft_load_be16(data_of(packet, header.csum_start + offset));
            ASSERT_EQ(from_virtio(header, packet), WEFT_DROP_none);
            EXPECT_EQ(packet->ol_flags & offload_wanted, 0U);
            const auto sum = sum_chain(packet, header.csum_start, rte_pktmbuf_pkt_len(packet) - header.csum_start);
            ASSERT_TRUE(sum);
            EXPECT_EQ(weft_sum_fold(std::uint32_t{__builtin_bswap16(*sum)} + pseudo), 0xffffU);
            rte_pktmbuf_free(packet);
        }
}

TEST_P(VirtioHeaderTest, RefusesWhatNobodyCanComplete) {
    const auto refused = [&](L4 kind, void (*change)(VirtioHeader&)) {
        rte_mbuf* const packet = plain(kind, 100);
        VirtioHeader header;
        header.flags = VirtioHeader::needs_checksum;
        header.csum_start = l4;
        header.csum_offset = 16;
        header.gso_type = GetParam() == 4 ? VirtioHeader::gso_tcpv4 : VirtioHeader::gso_tcpv6;
        header.gso_size = 50;
        change(header);
        EXPECT_EQ(from_virtio(header, packet), WEFT_DROP_unsupported_offload);
        rte_pktmbuf_free(packet);
    };
    refused(L4::tcp, [](auto& header) { header.flags = 0; });
    refused(L4::tcp, [](auto& header) { header.gso_size = 0; });
    refused(L4::tcp, [](auto& header) { header.gso_type = 3; }); // UDP fragmentation
    refused(L4::tcp, [](auto& header) {
        header.gso_type =
            header.gso_type == VirtioHeader::gso_tcpv4 ? VirtioHeader::gso_tcpv6 : VirtioHeader::gso_tcpv4;
    });
    refused(L4::tcp, [](auto& header) { header.csum_offset = 6; });
    refused(L4::tcp, [](auto& header) { header.csum_start = 2000; });
    refused(L4::tcp, [](auto& header) { header.csum_start = 20; });
    refused(L4::tcp, [](auto& header) { header.csum_offset = 60000; });
}

TEST_P(VirtioHeaderTest, AnyHeaderIsSafe) {
    std::mt19937 random(5);
    for (int round = 0; round < 20'000; ++round) {
        rte_mbuf* const packet = plain(random() % 2 == 0 ? L4::tcp : L4::udp, random() % 60);
        VirtioHeader header;
        header.flags = static_cast<std::uint8_t>(random() % 2);
        header.gso_type = static_cast<std::uint8_t>(random() % 8 == 0 ? random() : random() % 5);
        header.gso_size = static_cast<std::uint16_t>(random() % 100);
        header.csum_start = static_cast<std::uint16_t>(random() % 4 == 0 ? random() : random() % 80);
        header.csum_offset = static_cast<std::uint16_t>(random() % 4 == 0 ? random() : random() % 20);
        if (from_virtio(header, packet) == WEFT_DROP_none && (packet->ol_flags & offload_wanted) != 0) {
            // What was accepted lies within the packet.
            const std::uint32_t field = packet->l2_len + packet->l3_len + header.csum_offset;
            ASSERT_LE(field + 2, rte_pktmbuf_data_len(packet));
            static_cast<void>(to_virtio(packet));
        }
        rte_pktmbuf_free(packet);
    }
    EXPECT_EQ(TestHost::get().buffers_in_use(), 0U);
}

} // namespace
} // namespace weft::dataplane
