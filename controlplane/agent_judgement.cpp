// SPDX-License-Identifier: BSD-3-Clause
// What policies say of connections that nobody has made yet. Nothing here changes anything, or asks the fast path.
#include <fmt/format.h>

#include "controlplane/agent.hpp"
#include "controlplane/fast_path_wire.hpp"
#include "controlplane/judgement_view.hpp"
#include "controlplane/policy_view.hpp"
#include "dataplane/pipeline/wire.h"

namespace weft::agent {

policy::End Agent::end_at(net::Vni vni, const net::Address& address) const {
    policy::End by_route = policy_.end_at(vni.value(), address);
    // No route of its own leads to an endpoint that waits, but policies will say of it what they say now.
    const auto* const endpoint =
        policy_.has_host_route(vni.value(), address) ? nullptr : endpoints_->find(vni, address);
    if (endpoint == nullptr) return by_route;
    return policy_.end_of(endpoint->name(), address).value_or(std::move(by_route));
}

policy::Connection Agent::connection_of(const Flow& flow, std::uint32_t port) const {
    const std::uint32_t ping = flow.source.is_v4() ? WEFT_PROTO_ICMP : WEFT_PROTO_ICMPV6;
    return {.source = end_at(flow.network->vni, flow.source),
            .destination = end_at(flow.network->vni, flow.destination),
            .protocol = static_cast<std::uint8_t>(flow.protocol != 0 ? flow.protocol : ping),
            .port = static_cast<std::uint16_t>(port)};
}

void Agent::place_end(v1::PolicyJudgement& judgement, net::Vni vni, const net::Address& address) const {
    judgement.set_address(address.to_string());
    const auto [labels, _, here] = end_at(vni, address);
    for (auto& text : policy::PolicyEngine::describe(labels, policy_.known_labels()))
        judgement.add_labels(std::move(text));
    const bool outside = !labels.is_endpoint() && !labels.is_host();
    judgement.set_place(outside ? "outside" : here ? "here" : "remote");
    if (const auto* const endpoint = here ? endpoints_->find(vni, address) : nullptr) {
        judgement.set_endpoint(endpoint->name());
        judgement.set_state(endpoints_->shown(*endpoint).state());
    }
    const auto* const route = policy_.route_to(vni.value(), address);
    if (route == nullptr || here) return;
    const auto* const next_hop = sync_.next_hops.find(route->next_hop);
    if (next_hop != nullptr && next_hop->has_vtep())
        judgement.set_vtep(address_from(next_hop->vtep().address()).to_string());
}

Result<v1::ExplainPolicyReply> Agent::explain_policy(const v1::ExplainRequest& request) const {
    const auto flow = resolve_flow(request);
    if (!flow) return std::unexpected(flow.error());
    auto reply = to_api(policy_.judge()->judge(connection_of(*flow, request.port())));
    place_end(*reply.mutable_egress(), flow->network->vni, flow->source);
    place_end(*reply.mutable_ingress(), flow->network->vni, flow->destination);
    return reply;
}

Result<v1::DiffPolicyReply> Agent::diff_policy(const v1::DiffPolicyRequest& request) const {
    const auto proposed = policy_.read(request.yaml());
    if (!proposed) return std::unexpected(proposed.error());
    const auto difference = policy_.diff(*proposed);
    if (!difference) return std::unexpected(difference.error());
    const auto known = policy_.known_labels();
    v1::DiffPolicyReply reply;
    for (const auto& status : difference->policies)
        *reply.add_policies() = to_api(status);
    for (const policy::PolicyChange& change : difference->changes)
        add_change(reply, change, policy::PolicyEngine::describe(change.peer, known));
    return reply;
}

Result<v1::TestPolicyReply> Agent::test_policy(const v1::TestPolicyRequest& request) const {
    const auto expectations = policy::read_expectations(request.expectations());
    if (!expectations) return std::unexpected(Error(expectations.error()).in("expectations"));
    std::vector<policy::PolicyDocument> proposed;
    if (!request.policies().empty()) {
        auto documents = policy_.read(request.policies());
        if (!documents) return fail_in(std::move(documents), "policies to judge by");
        proposed = *std::move(documents);
    }
    const auto judge = policy_.judge(proposed);
    v1::TestPolicyReply reply;
    for (const policy::Expectation& each : *expectations) {
        v1::ExplainRequest asked;
        asked.set_source(each.from);
        asked.set_destination(each.to);
        asked.set_protocol(each.protocol);
        asked.set_port(each.port);
        asked.set_network(each.network);
        const auto flow = resolve_flow(asked);
        if (!flow) return std::unexpected(Error(flow.error()).in(each.where));
        add_tested(reply, each, judge->judge(connection_of(*flow, each.port)));
    }
    return reply;
}

} // namespace weft::agent
