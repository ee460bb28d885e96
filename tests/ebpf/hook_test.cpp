// SPDX-License-Identifier: BSD-3-Clause
// Programs at a device: replaced in place, by a link as by a filter; what was made for them goes, what others made
// stays. On the loopback device of a network namespace that this process alone has.
#include <filesystem>

#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <sched.h>
#include <unistd.h>

#include "ebpf/device_pins.hpp"
#include "ebpf/hook.hpp"
#include "tests/ebpf/bpf_maps.hpp"

namespace weft::ebpf {
namespace {

constexpr std::uint32_t loopback = 1;

/// "return TC_ACT_UNSPEC".
class PassingProgram {
  public:
    PassingProgram() {
        const bpf_insn program[] = {
            {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = -1},
            {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
        descriptor_ = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "pass", "Dual BSD/GPL", program, 2, nullptr);
        if (descriptor_ < 0) throw std::runtime_error("cannot load a program");
    }

    ~PassingProgram() { close(descriptor_); }

    PassingProgram(const PassingProgram&) = delete;
    PassingProgram& operator=(const PassingProgram&) = delete;

    [[nodiscard]] int descriptor() const { return descriptor_; }

    [[nodiscard]] std::uint32_t id() const {
        bpf_prog_info info{};
        std::uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(descriptor_, &info, &size) != 0) throw std::runtime_error("cannot ask");
        return info.id;
    }

  private:
    int descriptor_ = -1;
};

class Hooks : public PinnedTest {
  protected:
    void SetUp() override {
        PinnedTest::SetUp();
        if (IsSkipped()) return;
        static const bool apart = unshare(CLONE_NEWNET) == 0;
        if (!apart) GTEST_SKIP() << "makes network namespaces: run as root";
        std::filesystem::create_directory(*options_.directory);
    }

    [[nodiscard]] bool has(const std::string& name) const {
        return std::filesystem::exists(*options_.directory + "/" + name);
    }

    PassingProgram first_;
    PassingProgram second_;
};

TEST_F(Hooks, LinkOutlivesWhoMadeItAndIsReplacedInPlace) {
    ASSERT_TRUE(IngressHook(loopback, options_.directory).attach(first_.descriptor()));
    EXPECT_EQ(IngressHook(loopback, options_.directory).attached(), first_.id());
    if (!has("tcx-1")) GTEST_SKIP() << "this kernel has no links at devices (Linux 6.6)";
    ASSERT_TRUE(IngressHook(loopback, options_.directory).attach(second_.descriptor()));
    EXPECT_EQ(IngressHook(loopback, options_.directory).attached(), second_.id());
    const auto removed = IngressHook(loopback, options_.directory).detach();
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->size(), 1U);
    EXPECT_EQ(IngressHook(loopback, options_.directory).attached(), 0U);
    EXPECT_FALSE(has("tcx-1"));
    EXPECT_TRUE(IngressHook(loopback, options_.directory).detach()->empty());
}

TEST_F(Hooks, FilterIsReplacedInPlace) {
    const IngressHook hook(loopback);
    ASSERT_TRUE(hook.attach(first_.descriptor()));
    EXPECT_EQ(hook.attached(), first_.id());
    ASSERT_TRUE(hook.attach(second_.descriptor()));
    EXPECT_EQ(hook.attached(), second_.id());
    EXPECT_EQ(hook.detach()->size(), 1U);
    EXPECT_EQ(hook.attached(), 0U);
    // Who made the qdisc is not known without a directory.
    EXPECT_FALSE(Clsact(loopback, options_.directory).remove().value());
    EXPECT_TRUE(Clsact(loopback, options_.directory).add());
    EXPECT_TRUE(pinned_devices(*options_.directory).empty()) << "it was there";
}

TEST_F(Hooks, QdiscGoesWithItsLastFilter) {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0); // without the qdisc of the test before
    const Clsact qdisc(loopback, options_.directory);
    ASSERT_TRUE(qdisc.add());
    EXPECT_EQ(pinned_devices(*options_.directory), std::set{loopback});
    const IngressHook of_others(loopback);
    ASSERT_TRUE(of_others.attach(first_.descriptor()));
    EXPECT_FALSE(qdisc.remove().value());
    EXPECT_EQ(of_others.attached(), first_.id());
    ASSERT_TRUE(of_others.detach());
    EXPECT_TRUE(qdisc.remove().value());
    EXPECT_FALSE(has("clsact-1"));
    EXPECT_FALSE(qdisc.remove().value());
}

} // namespace
} // namespace weft::ebpf
