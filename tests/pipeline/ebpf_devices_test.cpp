// SPDX-License-Identifier: BSD-3-Clause
// Every packet case on devices: what comes from the underlay goes through the uplink's XDP program and then through
// its tc program. And what the one tells the other, by BPF_PROG_TEST_RUN.
#include <chrono>
#include <cstddef>
#include <cstring>

#include <linux/bpf.h>

#include <stdexcept>
#include <thread>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "ebpf/handover.h"
#include "tests/pipeline/case_list.hpp"
#include "tests/pipeline/ebpf_runner.hpp"

namespace weft::cases {
namespace {

const std::vector<PacketCase>& cases_of_the_table() {
    static const std::vector<PacketCase> cases = all_cases();
    return cases;
}

/// A packet socket sends no less, and shows no segments of tunnels.
bool can_run(const Step& step) {
    return step.frame.size() >= ethernet_size && step.frame.size() <= 9000 && step.offload.segment == 0 &&
           step.offload.wrong_l3_by == 0;
}

std::vector<std::size_t> runnable_cases() {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < cases_of_the_table().size(); ++i)
        if (std::ranges::all_of(cases_of_the_table()[i].steps, can_run)) numbers.push_back(i);
    return numbers;
}

class OnDevices : public testing::TestWithParam<std::size_t> {};

TEST_P(OnDevices, Case) {
    if (geteuid() != 0) GTEST_SKIP() << "eBPF programs need root";
    const PacketCase& each = cases_of_the_table()[GetParam()];
    EbpfFixture fixture(each.sessions_max, EbpfDevices::get());
    run_case(fixture, each);
}

INSTANTIATE_TEST_SUITE_P(Cases, OnDevices, testing::ValuesIn(runnable_cases()),
                         [](const auto& info) { return cases_of_the_table()[info.param].name; });

TEST(OnDevicesCases, MostCanRun) { EXPECT_GT(runnable_cases().size() * 10, cases_of_the_table().size() * 9); }

class InFront : public testing::TestWithParam<std::pair<int, int>> {
  protected:
    void SetUp() override {
        if (geteuid() != 0) GTEST_SKIP() << "eBPF programs need root";
        fixture_.emplace();
        ASSERT_TRUE(fixture_->apply(world_.tables()));
    }

    struct Left {
        std::uint32_t verdict;
        Bytes bytes; ///< with the metadata in front
    };

    /// What the XDP program makes of a frame that comes in by the uplink.
    Left pass(const Bytes& frame) {
        fixture_->enter_by(World::uplink);
        Left left{.verdict = 0, .bytes = Bytes(8192)};
        LIBBPF_OPTS(bpf_test_run_opts, options);
        options.data_in = frame.data();
        options.data_size_in = static_cast<std::uint32_t>(frame.size());
        options.data_out = left.bytes.data();
        options.data_size_out = static_cast<std::uint32_t>(left.bytes.size());
        EXPECT_EQ(bpf_prog_test_run_opts(EbpfHost::get(1024).programs().uplink_xdp(), &options), 0);
        left.verdict = options.retval;
        left.bytes.resize(options.data_size_out);
        return left;
    }

    /// That the outer headers are off; returns what is said of the frame.
    weft_handover taken_off(const Bytes& frame, const Bytes& inner) {
        const Left left = pass(frame);
        EXPECT_EQ(left.verdict, XDP_PASS);
        weft_handover handover{};
        if (left.bytes.size() < sizeof handover) {
            ADD_FAILURE() << left.bytes.size() << " bytes";
            return handover;
        }
        std::memcpy(&handover, left.bytes.data(), sizeof handover);
        EXPECT_EQ(handover.kind, WEFT_HANDOVER);
        EXPECT_EQ(handover.mark, weft_handover_mark(EbpfHost::seed));
        EXPECT_EQ(handover.vni, World::vni);
        const Bytes vtep = world_.c_vtep();
        const weft_address source = vtep.size() == 4 ? weft_address_v4(vtep.data()) : weft_address_v6(vtep.data());
        EXPECT_EQ(std::memcmp(&handover.source, &source, sizeof source), 0);
        const Bytes rest(left.bytes.begin() + sizeof handover, left.bytes.end());
        EXPECT_EQ(compare(inner, rest), compare(inner, inner));
        return handover;
    }

    void expect_untouched(const Bytes& frame) {
        const Left left = pass(frame);
        EXPECT_EQ(left.verdict, XDP_PASS);
        EXPECT_EQ(compare(frame, left.bytes), compare(frame, frame));
    }

    [[nodiscard]] Packet segment() const {
        Packet packet = World::between(world_.cache_ip(), world_.web_ip());
        packet.l4 = L4::tcp;
        packet.payload = pattern(1391); // several pieces, and half a word at the end
        return packet;
    }

    [[nodiscard]] Bytes inner(const Packet& packet) const {
        return frame(world_.router_mac, world_.c_router, packet);
    }

    [[nodiscard]] Bytes outer(const Bytes& inner_frame) const {
        return world_.tunnelled(world_.c_vtep(), inner_frame);
    }

    /// The same with an outer UDP checksum.
    [[nodiscard]] Bytes summed(Bytes bytes) const {
        const std::size_t udp = ethernet_size + ip_size(bytes);
        const Bytes packet(bytes.begin() + static_cast<std::ptrdiff_t>(udp), bytes.end());
        const Bytes pseudo =
            world_.c_vtep() + world_.our_vtep() + be32(static_cast<std::uint32_t>(packet.size())) + be32(17);
        put16(bytes, udp + 6, internet_checksum(pseudo + packet));
        return bytes;
    }

    World world_{GetParam().first, GetParam().second};
    std::optional<EbpfFixture> fixture_;
};

TEST_P(InFront, SegmentsWithARightChecksumMayBeMerged) {
    const Bytes frame = inner(segment());
    EXPECT_EQ(taken_off(outer(frame), frame).unsummed, 0U);
    EXPECT_EQ(taken_off(outer(frame), frame).unsummed, 0U);
}

TEST_P(InFront, SegmentsWithAWrongChecksumStayApart) {
    Bytes frame = inner(segment());
    frame.back() ^= 1;
    const std::uint32_t first = taken_off(outer(frame), frame).unsummed;
    const std::uint32_t second = taken_off(outer(frame), frame).unsummed;
    EXPECT_NE(first, 0U);
    EXPECT_NE(second, 0U);
    EXPECT_NE(first, second);
}

TEST_P(InFront, WhatIsNoSegmentStaysApart) {
    const Bytes frame = inner(World::between(world_.cache_ip(), world_.web_ip()));
    EXPECT_NE(taken_off(outer(frame), frame).unsummed, taken_off(outer(frame), frame).unsummed);
}

// What was damaged before it was encapsulated has a right outer checksum.
TEST_P(InFront, AnOuterChecksumSpeaksForItselfAlone) {
    Bytes frame = inner(segment());
    EXPECT_EQ(taken_off(summed(outer(frame)), frame).unsummed, 0U);
    frame.back() ^= 1;
    EXPECT_NE(taken_off(summed(outer(frame)), frame).unsummed, 0U);
}

TEST_P(InFront, LeavesAWrongOuterChecksumToTheKernel) {
    Bytes bytes = summed(outer(inner(segment())));
    bytes.back() ^= 1;
    expect_untouched(bytes);
}

TEST_P(InFront, LeavesWhatIsTheHosts) {
    Bytes other_port = outer(inner(segment()));
    put16(other_port, ethernet_size + ip_size(other_port) + 2, 4790);
    expect_untouched(other_port);
    expect_untouched(inner(segment()));
}

TEST_P(InFront, CutsOffPadding) {
    const Bytes frame = inner(segment());
    EXPECT_EQ(taken_off(outer(frame) + zeros(11), frame).unsummed, 0U);
}

TEST_P(InFront, DropsBeforeThereIsAPacket) {
    EXPECT_EQ(pass(world_.tunnelled(world_.vtep(77), inner(segment()))).verdict, XDP_DROP);
    EXPECT_EQ(pass(world_.tunnelled(world_.c_vtep(), inner(segment()), 77)).verdict, XDP_DROP);
}

/// Or the cases on devices would be those of the tc program alone.
TEST_P(InFront, TheKernelMakesItsPacketOfTheInnerFrame) {
    fixture_.emplace(1024, EbpfDevices::get());
    ASSERT_TRUE(fixture_->apply(world_.tables()));
    const Packet packet = segment();
    const Step step = passes(World::uplink, outer(inner(packet)), world_.at_web(packet));
    ASSERT_NO_FATAL_FAILURE(expect_outcome(step, WEFT_DROP_none, fixture_->run(step)));
    EXPECT_EQ(compare(inner(packet), EbpfDevices::get().seen()), compare(inner(packet), inner(packet)));
}

/// An XDP program that hands every frame over as it is, in words of its own.
class StrangeVersion {
  public:
    explicit StrangeVersion(std::uint32_t kind) {
        const auto mark = static_cast<std::int32_t>(weft_handover_mark(EbpfHost::seed));
        const auto size = static_cast<std::int32_t>(sizeof(weft_handover));
        const bpf_insn program[] = {
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1),
            instruction(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, -size),
            instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_xdp_adjust_meta),
            instruction(BPF_LDX | BPF_MEM | BPF_W, 2, 6, offsetof(xdp_md, data_meta)),
            instruction(BPF_LDX | BPF_MEM | BPF_W, 3, 6, offsetof(xdp_md, data)),
            instruction(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2),
            instruction(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, size),
            instruction(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 2), // there is no room: on without a handover
            instruction(BPF_ST | BPF_MEM | BPF_W, 2, 0, offsetof(weft_handover, kind),
                        static_cast<std::int32_t>(kind)),
            instruction(BPF_ST | BPF_MEM | BPF_W, 2, 0, offsetof(weft_handover, mark), mark),
            instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS),
            instruction(BPF_JMP | BPF_EXIT, 0)};
        LIBBPF_OPTS(bpf_prog_load_opts, options);
        options.expected_attach_type = BPF_XDP;
        options.prog_flags = 1U << 5; // BPF_F_XDP_HAS_FRAGS, which older headers than the kernel's do not know
        descriptor_ =
            bpf_prog_load(BPF_PROG_TYPE_XDP, "strange", "Dual BSD/GPL", program, std::size(program), &options);
        if (descriptor_ < 0) throw std::runtime_error("cannot load a program");
    }

    ~StrangeVersion() { close(descriptor_); }

    StrangeVersion(const StrangeVersion&) = delete;
    StrangeVersion& operator=(const StrangeVersion&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }

  private:
    static bpf_insn instruction(int code, unsigned to, unsigned from = 0, std::size_t offset = 0,
                                std::int32_t value = 0) {
        bpf_insn made{};
        made.code = static_cast<std::uint8_t>(code);
        made.dst_reg = static_cast<std::uint8_t>(to & 15);
        made.src_reg = static_cast<std::uint8_t>(from & 15);
        made.off = static_cast<std::int16_t>(offset);
        made.imm = value;
        return made;
    }

    int descriptor_ = -1;
};

/// As in an upgrade, for as long as the uplink's two programs are of two versions. The host would get an inner frame.
TEST_P(InFront, WhatAnotherVersionHandsOverIsDroppedByName) {
    fixture_.emplace(1024, EbpfDevices::get());
    ASSERT_TRUE(fixture_->apply(world_.tables()));
    EbpfDevices::get().attach(EbpfHost::get(1024).programs());
    EbpfDevices::get().attach_in_front(StrangeVersion(WEFT_HANDOVER + 1).descriptor());
    EbpfDevices::get().send(World::uplink, inner(segment()));
    const std::uint32_t port = World::uplink;
    const auto drops_wanted = [&] {
        std::vector<weft_drop_counts> drops(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        EXPECT_TRUE(EbpfHost::get(1024).maps()["drops"].find(&port, drops.data()).value());
        std::uint64_t sum = 0;
        for (const weft_drop_counts& each : drops)
            sum += each.of_reason[WEFT_DROP_unknown_handover];
        return sum;
    };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (drops_wanted() < 2 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    EXPECT_EQ(drops_wanted(), 2U) << "the frame and its follower";
}

INSTANTIATE_TEST_SUITE_P(Families, InFront,
                         testing::Values(std::pair{4, 4}, std::pair{4, 6}, std::pair{6, 4}, std::pair{6, 6}),
                         [](const auto& info) {
                             return fmt::format("v{}_in_v{}", info.param.first, info.param.second);
                         });

} // namespace
} // namespace weft::cases
