// SPDX-License-Identifier: BSD-3-Clause
// Traces between the API and the fast path: names there, numbers here.
#include <gtest/gtest.h>

#include "controlplane/trace_view.hpp"
#include "dataplane/pipeline/trace.h"

namespace weft::agent {
namespace {

class TraceView : public testing::Test {
  protected:
    TraceView() {
        networks[0].name = "default";
        networks[0].vni = net::Vni::make(4000).value();
        networks[1].name = "blue";
        networks[1].vni = net::Vni::make(5000).value();
        add("web", 4000, 3, {"10.244.0.2", "fd00::2"});
        add("sky", 5000, 4, {"10.244.0.2"});
    }

    void add(const std::string& name, std::uint32_t vni, std::uint32_t port, std::vector<std::string> addresses) {
        v1::Endpoint& endpoint = endpoints[name];
        endpoint.set_name(name);
        endpoint.set_vni(vni);
        endpoint.set_port(port);
        for (auto& address : addresses)
            endpoint.add_addresses(std::move(address));
    }

    [[nodiscard]] Result<fastpath::TraceRequest> resolve(const v1::TraceRequest& request) const {
        return resolve_trace(request, networks, endpoints);
    }

    [[nodiscard]] std::string refusal(const v1::TraceRequest& request) const {
        const auto resolved = resolve(request);
        return resolved ? "none" : resolved.error().message;
    }

    std::array<NetworkSettings, 2> networks;
    std::map<std::string, v1::Endpoint> endpoints;
};

TEST_F(TraceView, endpoint_is_its_port_its_addresses_and_its_network) {
    v1::TraceRequest request;
    request.add_ends("web");
    const auto resolved = resolve(request);
    ASSERT_TRUE(resolved) << resolved.error().message;
    const auto& filter = resolved->filter();
    ASSERT_EQ(filter.ends_size(), 1);
    EXPECT_EQ(filter.ends(0).port(), 3U);
    ASSERT_EQ(filter.ends(0).prefixes_size(), 2);
    EXPECT_EQ(filter.ends(0).prefixes(0).address(), std::string("\x0a\xf4\x00\x02", 4));
    EXPECT_EQ(filter.ends(0).prefixes(0).length(), 32U);
    EXPECT_EQ(filter.ends(0).prefixes(1).length(), 128U);
    EXPECT_EQ(filter.vni(), 4000U);
}

TEST_F(TraceView, addresses_and_prefixes_are_of_any_network_unless_one_is_named) {
    v1::TraceRequest request;
    request.add_ends("10.244.1.0/24");
    request.add_ends("fd00::7");
    auto resolved = resolve(request);
    ASSERT_TRUE(resolved) << resolved.error().message;
    EXPECT_EQ(resolved->filter().vni(), 0U);
    EXPECT_EQ(resolved->filter().ends(0).prefixes(0).length(), 24U);
    EXPECT_EQ(resolved->filter().ends(1).prefixes(0).length(), 128U);
    request.set_network("blue");
    resolved = resolve(request);
    ASSERT_TRUE(resolved) << resolved.error().message;
    EXPECT_EQ(resolved->filter().vni(), 5000U);
}

TEST_F(TraceView, words_become_numbers) {
    v1::TraceRequest request;
    request.set_protocol("sctp");
    request.set_port(80);
    request.set_verdict("dropped");
    request.set_drop_reason("ingress_policy");
    request.set_snap_length(100);
    request.set_events_per_s(7);
    auto resolved = resolve(request);
    ASSERT_TRUE(resolved) << resolved.error().message;
    EXPECT_EQ(resolved->filter().protocol(), 132U);
    EXPECT_EQ(resolved->filter().l4_port(), 80U);
    EXPECT_EQ(resolved->filter().verdict(), fastpath::TRACE_VERDICT_DROPPED);
    EXPECT_EQ(resolved->filter().drop_reason(), static_cast<std::uint32_t>(WEFT_DROP_ingress_policy));
    EXPECT_EQ(resolved->snap_length(), 100U);
    EXPECT_EQ(resolved->events_per_s(), 7U);
    request.set_protocol("47");
    resolved = resolve(request);
    ASSERT_TRUE(resolved);
    EXPECT_EQ(resolved->filter().protocol(), 47U);
}

TEST_F(TraceView, what_cannot_be_is_refused_by_name) {
    v1::TraceRequest request;
    request.add_ends("wbe");
    EXPECT_NE(refusal(request).find("wbe: neither an endpoint of this host"), std::string::npos) << refusal(request);
    request.set_ends(0, "10.244.0.2/24");
    EXPECT_NE(refusal(request).find("10.244.0.0/24"), std::string::npos) << refusal(request);
    request.set_ends(0, "web");
    request.add_ends("sky");
    EXPECT_NE(refusal(request).find("endpoint sky: in another network"), std::string::npos) << refusal(request);
    request.mutable_ends()->RemoveLast();
    request.set_network("blue");
    EXPECT_NE(refusal(request).find("endpoint web: in another network"), std::string::npos) << refusal(request);
    request.set_network("red");
    EXPECT_NE(refusal(request).find("no network is named red"), std::string::npos) << refusal(request);
    request = {};
    for (const char* const end : {"10.0.0.1", "10.0.0.2", "10.0.0.3"})
        request.add_ends(end);
    EXPECT_EQ(refusal(request), "3 ends: a packet has two");
    request = {};
    request.set_protocol("tpc");
    EXPECT_NE(refusal(request).find("protocol tpc: want tcp"), std::string::npos);
    request.set_protocol("256");
    EXPECT_NE(refusal(request).find("protocol 256"), std::string::npos);
    request = {};
    request.set_port(65536);
    EXPECT_NE(refusal(request).find("port 65536"), std::string::npos);
    request = {};
    request.set_verdict("lost");
    EXPECT_NE(refusal(request).find("verdict lost"), std::string::npos);
    request = {};
    request.set_drop_reason("none");
    EXPECT_NE(refusal(request).find("drop reason none"), std::string::npos);
    request = {};
    request.set_snap_length(WEFT_TRACE_SNAP_MAX + 1);
    EXPECT_NE(refusal(request).find("snap length"), std::string::npos);
}

TEST_F(TraceView, events_get_names) {
    HostNames names;
    names.ports = {{1, "eth0"}, {3, "web"}};
    names.networks = {{4000, "default"}};
    names.endpoints = {{{4000, "10.244.0.2"}, "web"}};
    names.rule = [](std::uint32_t rule) { return "rule " + std::to_string(rule); };
    fastpath::TraceEvent event;
    event.set_port_in(1);
    event.set_port_out(3);
    event.set_vni(4000);
    event.set_from_underlay(true);
    event.set_vtep(std::string("\xc0\x00\x02\x02", 4));
    event.set_ethertype(0x0800);
    event.set_source(std::string("\x0a\xf4\x01\x07", 4));
    event.set_destination(std::string("\x0a\xf4\x00\x02", 4));
    event.set_protocol(6);
    event.set_fragment(WEFT_FRAGMENT_FIRST);
    event.set_verdict(fastpath::TRACE_VERDICT_DROPPED);
    event.set_drop_reason(WEFT_DROP_ingress_policy);
    event.set_stage(WEFT_STAGE_ingress_policy);
    event.set_rule(9);
    event.set_audited_rule(8);
    const v1::TraceEvent told = to_api(event, names);
    EXPECT_EQ(told.network(), "default");
    EXPECT_EQ(told.port_in(), "eth0");
    EXPECT_EQ(told.port_out(), "web");
    EXPECT_EQ(told.vtep(), "192.0.2.2");
    EXPECT_EQ(told.source(), "10.244.1.7");
    EXPECT_EQ(told.source_endpoint(), "");
    EXPECT_EQ(told.destination_endpoint(), "web");
    EXPECT_EQ(told.protocol(), "tcp");
    EXPECT_EQ(told.fragment(), "first");
    EXPECT_EQ(told.verdict(), "dropped");
    EXPECT_EQ(told.drop_reason(), "ingress_policy");
    EXPECT_EQ(told.stage(), "S6 ingress policy");
    EXPECT_EQ(told.rule(), "rule 9");
    EXPECT_EQ(told.audited_rule(), "rule 8");
}

TEST_F(TraceView, decisions_have_names) {
    v1::TraceRequest request;
    for (const char* const decision : {"denied", "audited"})
        request.add_decisions(decision);
    const auto resolved = resolve_trace(request, {}, {});
    ASSERT_TRUE(resolved) << resolved.error().message;
    EXPECT_EQ(resolved->filter().decisions(), std::uint32_t{WEFT_DECIDED_DENIED | WEFT_DECIDED_AUDITED});
    request.add_decisions("refused");
    EXPECT_EQ(resolve_trace(request, {}, {}).error().message, "decision refused: want allowed, denied or audited");
}

TEST_F(TraceView, what_is_not_known_has_its_number) {
    fastpath::TraceEvent event;
    event.set_port_in(77);
    event.set_verdict(fastpath::TRACE_VERDICT_DROPPED);
    event.set_drop_reason(4711);
    event.set_stage(4711);
    const v1::TraceEvent told = to_api(event, {});
    EXPECT_EQ(told.port_in(), "port 77");
    EXPECT_EQ(told.port_out(), "");
    EXPECT_EQ(told.drop_reason(), "unknown");
    EXPECT_EQ(told.stage(), "");
    EXPECT_EQ(told.protocol(), "");
}

} // namespace
} // namespace weft::agent
