// SPDX-License-Identifier: BSD-3-Clause
// Dataplane: how requests are answered when something in them cannot be done.
#include <gtest/gtest.h>

#include "dataplane/dataplane.hpp"
#include "tests/pipeline/test_host.hpp"
#include "tests/pipeline/world.hpp"

namespace weft::dataplane {
namespace {

using cases::World;
using fastpath::TableUpdate;

const World world{4, 4};

class DataplaneRequests : public testing::Test {
  protected:
    void SetUp() override {
        cases::TestHost::get(); // DPDK, before anything takes its memory
        auto made = Dataplane::make({.sessions = 64, .packet_buffers = 2047});
        ASSERT_TRUE(made) << made.error().message;
        dataplane_ = std::move(*made);
    }

    fastpath::Reply ask(const fastpath::Request& request) {
        dataplane_->handle(request, asker_);
        return asker_->last;
    }

    /// What has been answered once the control thread has done a chore.
    fastpath::Reply after_chore() {
        dataplane_->chore();
        return asker_->last;
    }

    fastpath::Reply apply(const TableUpdate& update) {
        fastpath::Request request;
        *request.mutable_update() = update;
        return ask(request);
    }

    TableUpdate dump() {
        fastpath::Request request;
        request.mutable_dump();
        return ask(request).dump().tables();
    }

    std::vector<std::uint32_t> ports() {
        std::vector<std::uint32_t> ids;
        const TableUpdate tables = dump();
        for (const auto& port : tables.ports())
            ids.push_back(port.id());
        return ids;
    }

    static void add_null(TableUpdate& update, std::uint32_t id) {
        auto& port = *update.add_ports();
        port.set_id(id);
        port.set_role(fastpath::PORT_ROLE_ENDPOINT);
        port.mutable_ethdev()->set_devargs("net_null" + std::to_string(id) + ",no-rx=1");
    }

    /// A TAP of a container whose namespace went.
    static void add_lost(TableUpdate& update, std::uint32_t id) {
        auto& port = *update.add_ports();
        port.set_id(id);
        port.set_role(fastpath::PORT_ROLE_ENDPOINT);
        port.mutable_tap()->set_netns("/run/netns/there-is-none-" + std::to_string(id));
        port.mutable_tap()->set_ifname("eth0");
        port.mutable_tap()->set_mac(cases::text_of(world.web_mac));
    }

  private:
    struct Asker final : Client {
        void answer(const fastpath::Reply& reply) override { last = reply; }

        [[nodiscard]] std::size_t unread() const override { return 0; }

        fastpath::Reply last;
    };

    std::unique_ptr<Dataplane> dataplane_;
    std::shared_ptr<Asker> asker_ = std::make_shared<Asker>();
};

TEST_F(DataplaneRequests, PortThatFailsKeepsNothingElseOut) {
    TableUpdate update = world.tables();
    add_lost(update, World::web);
    add_null(update, World::db);
    add_lost(update, World::without_endpoint);
    const auto reply = apply(update);
    EXPECT_EQ(reply.status().code(), fastpath::CODE_NOT_FOUND);
    EXPECT_NE(reply.status().message().find("there-is-none-1"), std::string::npos) << reply.status().message();
    EXPECT_FALSE(reply.has_applied());
    EXPECT_EQ(ports(), std::vector{std::uint32_t{World::db}});
    const TableUpdate tables = dump();
    EXPECT_EQ(tables.endpoints_size(), update.endpoints_size());
    EXPECT_EQ(tables.routes_size(), update.routes_size());
}

TEST_F(DataplaneRequests, PortIsDeletedThoughAnotherFails) {
    TableUpdate update;
    add_null(update, World::db);
    EXPECT_TRUE(apply(update).has_applied());
    TableUpdate next;
    add_lost(next, World::web);
    next.add_deleted_ports(World::db);
    EXPECT_EQ(apply(next).status().code(), fastpath::CODE_NOT_FOUND);
    EXPECT_TRUE(ports().empty());
}

TEST_F(DataplaneRequests, PortWhoseReplacementFailsIsGone) {
    TableUpdate update;
    add_null(update, World::web);
    EXPECT_TRUE(apply(update).has_applied());
    TableUpdate next;
    add_lost(next, World::web);
    EXPECT_EQ(apply(next).status().code(), fastpath::CODE_NOT_FOUND);
    EXPECT_TRUE(ports().empty());
}

TEST_F(DataplaneRequests, SessionsAreAnsweredByChoresBetweenOtherRequests) {
    fastpath::Request list;
    list.set_id(7);
    list.mutable_sessions()->set_most(10);
    EXPECT_FALSE(ask(list).has_sessions());
    fastpath::Request flush;
    flush.set_id(8);
    flush.mutable_flush_sessions();
    EXPECT_FALSE(ask(flush).has_sessions_flushed());
    EXPECT_TRUE(dump().ports().empty());
    const auto listed = after_chore();
    EXPECT_EQ(listed.id(), 7U);
    EXPECT_TRUE(listed.sessions().last());
    EXPECT_EQ(listed.sessions().capacity(), 64U);
    const auto flushed = after_chore();
    EXPECT_EQ(flushed.id(), 8U);
    EXPECT_TRUE(flushed.has_sessions_flushed());
    flush.mutable_flush_sessions()->mutable_filter()->set_l4_port(65536);
    EXPECT_EQ(ask(flush).status().code(), fastpath::CODE_INVALID);
}

} // namespace
} // namespace weft::dataplane
