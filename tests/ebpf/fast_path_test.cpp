// SPDX-License-Identifier: BSD-3-Clause
// The eBPF fast path as the agent meets it, on real maps: answers in the order of the questions, the same
// explanations as DPDK's, and sessions that end by themselves. Its ports are tested in ports_test.cpp.
#include <set>
#include <thread>

#include "dataplane/explain.hpp"
#include "tests/ebpf/open_fast_path.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::ebpf {
namespace {

using cases::Bytes;
using cases::text_of;
using cases::World;
using fastpath::TableUpdate;

const World world{4, 4};

class InKernel : public OpenFastPath {
  protected:
    void SetUp() override {
        OpenFastPath::SetUp();
        if (!IsSkipped()) restart();
    }
};

TEST_F(InKernel, AnswersComeOnTheLoopInTheOrderOfTheQuestions) {
    std::string heard;
    const auto here = std::this_thread::get_id();
    const auto hear = [&](char letter) {
        EXPECT_EQ(std::this_thread::get_id(), here);
        heard += letter;
    };
    TableUpdate many = world.tables();
    for (std::uint32_t host = 0; host < 900; ++host)
        World::add_route(
            many, world.address(static_cast<std::uint8_t>(10 + host / 200), static_cast<std::uint8_t>(host % 200)),
            32, World::to_c, 5);
    fast_path_->apply(many, [&](auto done) { hear(done ? 'a' : 'A'); });
    fast_path_->dump([&](auto tables) { hear(tables && tables->routes_size() > 900 ? 'd' : 'D'); });
    fast_path_->counters([&](auto reply) { hear(reply ? 'c' : 'C'); });
    fast_path_->explain({}, [&](auto reply) { hear(reply ? 'E' : 'e'); });
    fast_path_->info([&](auto reply) { hear(reply && reply->version() == WEFT_VERSION ? 'i' : 'I'); });
    EXPECT_EQ(heard, "");
    loop_.run();
    EXPECT_EQ(heard, "adcei");
}

TEST_F(InKernel, AnAnswerThatWasHeardStopsNoLoop) {
    for (int round = 0; round < 2000; ++round) {
        bool told = false;
        fast_path_->info([&](auto) { told = true; });
        while (!told && loop_.run_one() > 0) {
        }
        ASSERT_TRUE(told);
        loop_.restart();
        for (int moment = 0; moment < 20; ++moment)
            std::this_thread::yield();
        ASSERT_FALSE(loop_.stopped()) << "after " << round << " answers";
    }
}

TEST_F(InKernel, WhatWasAskedIsDoneBeforeItEnds) {
    bool told = false;
    fast_path_->apply(world.tables(), [&](auto done) { told = done.has_value(); });
    fast_path_.reset();
    loop_.run();
    EXPECT_TRUE(told);
    restart();
    EXPECT_EQ(dump().routes_size(), world.tables().routes_size());
}

TEST_F(InKernel, GaugesTellSessionsToo) {
    std::set<std::string> names;
    const auto reply = counters();
    for (const auto& gauge : reply.gauges()) {
        names.insert(gauge.name());
        EXPECT_GT(gauge.capacity(), 0U);
    }
    EXPECT_EQ(names, (std::set<std::string>{"session", "fib", "fib_prefix", "next_hop", "policy", "verdict",
                                            "endpoint", "network", "trace"}));
}

TEST_F(InKernel, SessionsThatAreOverGoByThemselves) {
    const MapSet maps = MapSet::open(options_).value();
    weft_session_key key{};
    key.vni_protocol = World::vni << 8 | WEFT_PROTO_UDP;
    weft_session_value value{};
    value.last_seen_s = SessionSweeper::clock_s() - 1000;
    ASSERT_TRUE(maps["sessions"].set(&key, &value));
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (maps["sessions"].find(&key, &value).value() && std::chrono::steady_clock::now() < deadline)
        ASSERT_TRUE(apply({}));
    EXPECT_FALSE(maps["sessions"].find(&key, &value).value());
}

TEST_F(InKernel, ExplainsAsDpdkDoes) {
    TableUpdate update = world.tables();
    update.MergeFrom(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, World::id_web, 6, 80,
                                   fastpath::VERDICT_DENY, fastpath::VERDICT_ALLOW));
    update.MergeFrom(
        World::policy(fastpath::DIRECTION_EGRESS, World::id_web, World::id_cache, fastpath::VERDICT_DENY));
    ASSERT_TRUE(apply(update));
    dataplane::Quiescence quiescence(1);
    dataplane::Tables tables(quiescence);
    ASSERT_TRUE(tables.apply(update));
    std::set<std::uint32_t> reasons;
    for (const std::uint32_t vni : {World::vni, 1U})
        for (const std::uint8_t from : {0, 1, 2, 3, 4, 5, 9})
            for (const std::uint8_t to : {0, 1, 2, 3, 4, 5, 9})
                for (const std::uint8_t host : {1, 2})
                    for (const std::uint32_t port : {80U, 81U}) {
                        fastpath::ExplainRequest request;
                        request.set_vni(vni);
                        request.set_source(text_of(world.address(from, 1)));
                        request.set_destination(text_of(world.address(to, host)));
                        request.set_protocol(6);
                        request.set_destination_port(port);
                        const auto told =
                            answer<fastpath::ExplainReply>([&](auto done) { fast_path_->explain(request, done); });
                        const auto wanted = dataplane::explain(tables, request);
                        ASSERT_TRUE(told && wanted);
                        ASSERT_EQ(told->DebugString(), wanted->DebugString());
                        reasons.insert(told->drop_reason());
                    }
    for (const auto reason : {WEFT_DROP_none, WEFT_DROP_egress_policy, WEFT_DROP_ingress_policy, WEFT_DROP_no_route,
                              WEFT_DROP_unknown_vni})
        EXPECT_TRUE(reasons.contains(reason)) << reason;
    fastpath::ExplainRequest wrong;
    wrong.set_source("123");
    const auto refused = answer<fastpath::ExplainReply>([&](auto done) { fast_path_->explain(wrong, done); });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), dataplane::explain(tables, wrong).error());
}

TEST_F(InKernel, SaysWhatKeepsItFromOpening) {
    const TemporaryDirectory elsewhere;
    options_.directory = elsewhere.path() + "/weft";
    const auto opened = EbpfFastPath::open(loop_, options_);
    ASSERT_FALSE(opened);
    EXPECT_NE(opened.error().message.find("mount -t bpf"), std::string::npos) << opened.error().message;
}

} // namespace
} // namespace weft::ebpf
