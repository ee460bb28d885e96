// SPDX-License-Identifier: BSD-3-Clause
// The decision about a connection's first packet: routes of both ends, then policy of each end that lives on this
// host. The session stage calls it on a miss or after the tables changed; explain() calls it and tells why.
#pragma once

#include "dataplane/pipeline/parse.h"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

/// What a packet claims: ends and upper layer. Ports in network order.
struct Flow {
    weft_address source;
    weft_address destination;
    std::uint16_t source_port;
    std::uint16_t destination_port;
    std::uint8_t protocol;
};

struct Decision {
    weft_drop_reason reason = WEFT_DROP_none;
    weft_route_value source;
    weft_route_value destination;
    const NextHop* source_next_hop = nullptr; ///< none: the source has no route
    const NextHop* destination_next_hop = nullptr;
    weft_policy_value egress{};  ///< asked only when the source lives here
    weft_policy_value ingress{}; ///< asked only when the destination lives here

    /// The rule that denied, or that allowed last; 0: none was needed.
    [[nodiscard]] std::uint32_t rule() const {
        return reason == WEFT_DROP_egress_policy || ingress.rule == 0 ? egress.rule : ingress.rule;
    }
};

/// `sender`: the endpoint that the packet came from, if it is the flow's source and lives here; its egress policy is
/// asked even while no route leads to it.
[[nodiscard]] inline Decision decide(const Tables& tables, const Network& network, const Flow& flow,
                                     const Endpoint* sender) {
    Decision decision;
    decision.destination = tables.route(network, flow.destination);
    decision.source = tables.route(network, flow.source);
    decision.destination_next_hop = tables.next_hop(decision.destination.next_hop);
    decision.source_next_hop = tables.next_hop(decision.source.next_hop);
    if (decision.destination_next_hop == nullptr) {
        decision.reason = WEFT_DROP_no_route;
        return decision;
    }
    if (decision.destination_next_hop->kind == WEFT_NEXT_HOP_DROP) {
        decision.reason = WEFT_DROP_blackhole;
        return decision;
    }
    const std::uint32_t port = flow.protocol == WEFT_PROTO_ICMP || flow.protocol == WEFT_PROTO_ICMPV6
                                   ? 0
                                   : __builtin_bswap16(flow.destination_port);
    const std::uint32_t source_identity =
        decision.source_next_hop != nullptr ? decision.source.identity : std::uint32_t{WEFT_IDENTITY_WORLD};
    const std::uint32_t destination_identity = decision.destination.identity;
    if (sender == nullptr && decision.source_next_hop != nullptr &&
        decision.source_next_hop->kind == WEFT_NEXT_HOP_LOCAL) {
        sender = tables.endpoint(decision.source_next_hop->port);
        if (sender == nullptr) {
            decision.reason = WEFT_DROP_endpoint_not_ready;
            return decision;
        }
    }
    // The local side of an entry is who the endpoint is; the peer's is what the FIB says.
    if (sender != nullptr) {
        decision.egress = tables.policy(WEFT_EGRESS, sender->identity, destination_identity, flow.protocol, port);
        if (weft_policy_denies(decision.egress)) {
            decision.reason = WEFT_DROP_egress_policy;
            return decision;
        }
    }
    if (decision.destination_next_hop->kind == WEFT_NEXT_HOP_LOCAL) {
        const Endpoint* const receiver = tables.endpoint(decision.destination_next_hop->port);
        if (receiver == nullptr) {
            decision.reason = WEFT_DROP_endpoint_not_ready;
            return decision;
        }
        decision.ingress = tables.policy(WEFT_INGRESS, receiver->identity, source_identity, flow.protocol, port);
        if (weft_policy_denies(decision.ingress)) decision.reason = WEFT_DROP_ingress_policy;
    }
    return decision;
}

} // namespace weft::dataplane
