// SPDX-License-Identifier: BSD-3-Clause
// Which containers of a fast path a database does not know, and what is said of a database that knows none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controlplane/adoption.hpp"

namespace weft::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

fastpath::TableUpdate tables_of(std::uint32_t containers) {
    fastpath::TableUpdate tables;
    auto& uplink = *tables.add_ports();
    uplink.set_id(1);
    uplink.set_role(fastpath::PORT_ROLE_UPLINK);
    uplink.mutable_device()->set_ifname("eth1");
    for (std::uint32_t id = 2; id < 2 + containers; ++id) {
        auto& port = *tables.add_ports();
        port.set_id(id);
        port.set_role(fastpath::PORT_ROLE_ENDPOINT);
        auto& veth = *port.mutable_veth();
        veth.set_ifname("eth0");
        veth.set_netns("/run/netns/c" + std::to_string(id));
        if (id == 3) continue; // a port that no endpoint is behind yet
        auto& endpoint = *tables.add_endpoints();
        endpoint.set_port(id);
        endpoint.set_name("web-" + std::to_string(id));
    }
    return tables;
}

TEST(Adoption, names_containers_that_are_not_known) {
    EXPECT_THAT(unknown_containers(tables_of(2), [](std::uint32_t) { return false; }),
                ElementsAre("web-2 (eth0 in /run/netns/c2)", "port 3 (eth0 in /run/netns/c3)"));
    EXPECT_THAT(unknown_containers(tables_of(2), [](std::uint32_t port) { return port == 2; }),
                ElementsAre("port 3 (eth0 in /run/netns/c3)"));
    EXPECT_THAT(unknown_containers(tables_of(0), [](std::uint32_t) { return false; }), ElementsAre())
        << "the uplink is no container";
}

TEST(Adoption, refusal_names_containers_database_and_remedies) {
    const auto all = unknown_containers(tables_of(12), [](std::uint32_t) { return false; });
    const auto message = refuse_adoption(all, "/x/weft.db").message;
    EXPECT_THAT(message, HasSubstr("has 12 containers, web-2 (eth0 in /run/netns/c2), port 3"));
    EXPECT_THAT(message, HasSubstr("web-11 (eth0 in /run/netns/c11) and 2 more"));
    EXPECT_THAT(message, HasSubstr("database /x/weft.db knows no endpoint"));
    EXPECT_THAT(message, HasSubstr("--state-dir"));
    EXPECT_THAT(message, HasSubstr("weftd --purge"));
    EXPECT_THAT(refuse_adoption({all[0]}, "/x/weft.db").message, HasSubstr("has 1 container, web-2 (eth0 in"));
}

} // namespace
} // namespace weft::agent
