// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/explain.hpp"

#include <array>
#include <map>

#include <fmt/format.h>

#include "dataplane/api/table_wire.hpp"
#include "dataplane/pipeline/decision.h"
#include "dataplane/pipeline/special_address.h"

/// What decision.h asks. Entries are kept for as long as the question lasts, since it wants pointers.
struct weft_view {
    const weft::fastpath::TableReader* tables;
    mutable std::map<std::uint32_t, std::optional<weft_next_hop>> next_hops;
    mutable std::map<std::uint32_t, std::optional<weft_endpoint>> endpoints;
    mutable std::map<std::pair<std::uint64_t, std::uint32_t>, std::optional<weft_verdict_block>> verdict_blocks;
    mutable weft::Result<void> read; ///< the first error

    template <class T>
    T answer(weft::Result<T> result) const {
        if (result) return std::move(*result);
        if (read) read = std::unexpected(std::move(result).error());
        return {};
    }
};

static inline weft_route_value weft_find_route(const weft_view* view, std::uint32_t vni,
                                               const weft_address* address) {
    return view->answer(view->tables->route(vni, *address));
}

static inline const weft_next_hop* weft_find_next_hop(const weft_view* view, std::uint32_t id) {
    const auto [at, asked] = view->next_hops.try_emplace(id);
    if (asked) at->second = view->answer(view->tables->next_hop(id));
    return at->second ? &*at->second : nullptr;
}

static inline const weft_endpoint* weft_find_endpoint(const weft_view* view, std::uint32_t port) {
    const auto [at, asked] = view->endpoints.try_emplace(port);
    if (asked) at->second = view->answer(view->tables->endpoint(port));
    return at->second ? &*at->second : nullptr;
}

static inline std::uint64_t weft_find_verdicts(const weft_view* view, const weft_policy_key* key) {
    return view->answer(view->tables->verdicts(*key));
}

static inline const weft_verdict_block* weft_find_verdict_block(const weft_view* view, std::uint64_t list,
                                                                std::uint32_t block) {
    const auto [at, asked] = view->verdict_blocks.try_emplace({list, block});
    if (asked) at->second = view->answer(view->tables->verdict_block(list, block));
    return at->second ? &*at->second : nullptr;
}

namespace weft::fastpath {

namespace {

constexpr std::array<const char*, WEFT_DROP_REASON_COUNT> reason_texts = {
#define WEFT_TEXT(number, name, text) text,
    WEFT_DROP_REASONS(WEFT_TEXT)
#undef WEFT_TEXT
};

/// Collects steps; the last one may stop the packet.
class Story {
  public:
    void tell(const char* stage, std::string detail, const weft_policy_value& policy = {}) {
        auto& step = *reply_.add_steps();
        step.set_stage(stage);
        step.set_detail(std::move(detail));
        step.set_rule(policy.rule);
        step.set_audited_rule(policy.audited_rule);
    }

    ExplainReply stop(const char* stage, std::string detail, weft_drop_reason reason,
                      const weft_policy_value& policy = {}) {
        tell(stage, fmt::format("{}: {}", std::move(detail), reason_texts[reason]), policy);
        reply_.mutable_steps()->rbegin()->set_stops(true);
        reply_.set_verdict(VERDICT_DENY);
        reply_.set_drop_reason(reason);
        return std::move(reply_);
    }

    ExplainReply& reply() { return reply_; }

  private:
    ExplainReply reply_;
};

std::string describe(const weft_next_hop* next_hop, const weft_view& view) {
    if (next_hop == nullptr) return "no route";
    switch (next_hop->kind) {
    case WEFT_NEXT_HOP_LOCAL: {
        const bool there = weft_find_endpoint(&view, next_hop->port) != nullptr;
        return fmt::format("endpoint {} of this host, port {}",
                           there ? view.tables->endpoint_name(next_hop->port) : "(none)", next_hop->port);
    }
    case WEFT_NEXT_HOP_VTEP:
        return fmt::format("VTEP {}, VNI {}, port {}", to_text(next_hop->remote), next_hop->vni, next_hop->port);
    default:
        return "drop";
    }
}

std::string describe(weft_policy_value value) {
    if (value.rule == 0)
        return weft_policy_denies(value) ? "denied: policy is more than a fast path takes, or damaged"
                                         : "no policy decides: allowed";
    return fmt::format("{} by rule {}", weft_policy_denies(value) ? "denied" : "allowed", value.rule);
}

std::string describe(std::uint32_t identity) {
    static constexpr std::array<const char*, 4> reserved{" (nobody)", " (host)", " (world)", " (unknown)"};
    return fmt::format("identity {}{}", identity, identity < reserved.size() ? reserved.at(identity) : "");
}

Result<weft_flow> to_flow(const ExplainRequest& request) {
    auto source = to_address(request.source());
    auto destination = to_address(request.destination());
    if (!source) return fail_in(std::move(source), "source");
    if (!destination) return fail_in(std::move(destination), "destination");
    const bool v4 = weft_address_is_v4(&*source) != 0;
    if (v4 != (weft_address_is_v4(&*destination) != 0))
        return fail(ErrorCode::invalid, "source and destination are of different families");
    weft_flow flow{};
    flow.source = *source;
    flow.destination = *destination;
    flow.protocol = request.protocol() != 0 ? static_cast<std::uint8_t>(request.protocol())
                                            : static_cast<std::uint8_t>(v4 ? WEFT_PROTO_ICMP : WEFT_PROTO_ICMPV6);
    flow.source_port = __builtin_bswap16(static_cast<std::uint16_t>(request.source_port()));
    flow.destination_port = __builtin_bswap16(static_cast<std::uint16_t>(request.destination_port()));
    return flow;
}

ExplainReply tell(const weft_view& view, std::uint32_t vni, const weft_flow& flow) {
    Story story;
    const auto network = view.answer(view.tables->network(vni));
    if (!network) return story.stop("network", fmt::format("VNI {}", vni), WEFT_DROP_unknown_vni);
    story.tell("network", fmt::format("{}, VNI {}", *network, vni));
    weft_decision decision;
    weft_decide(&view, vni, &flow, nullptr, &decision);
    const bool v4 = weft_address_is_v4(&flow.source) != 0;
    const weft_next_hop* const source_next_hop = weft_find_next_hop(&view, decision.source.next_hop);
    const weft_next_hop* const destination_next_hop = weft_find_next_hop(&view, decision.destination.next_hop);
    story.tell("source", fmt::format("{} is {}, {}", to_text(flow.source), describe(source_next_hop, view),
                                     describe(decision.source.identity)));
    const std::string to = fmt::format("{} is {}, {}", to_text(flow.destination),
                                       describe(destination_next_hop, view), describe(decision.destination.identity));
    const auto is_kind = [](const weft_next_hop* next_hop, weft_next_hop_kind kind) {
        return next_hop != nullptr && next_hop->kind == kind;
    };
    const bool source_local = is_kind(source_next_hop, WEFT_NEXT_HOP_LOCAL);
    const bool destination_local = is_kind(destination_next_hop, WEFT_NEXT_HOP_LOCAL);
    if (source_local && weft_find_endpoint(&view, source_next_hop->port) == nullptr)
        return story.stop("source", describe(source_next_hop, view), WEFT_DROP_endpoint_not_ready);
    if (weft_is_group(&flow.destination))
        return story.stop("destination", to_text(flow.destination), WEFT_DROP_multicast);
    if (const auto gateway = weft_gateway_address(v4 ? 4 : 6);
        source_local && weft_address_equal(&flow.destination, &gateway) != 0) {
        const std::string is_gateway =
            fmt::format("{} is the gateway that every container has", to_text(flow.destination));
        if (flow.protocol != (v4 ? WEFT_PROTO_ICMP : WEFT_PROTO_ICMPV6))
            return story.stop("destination", is_gateway + ", and answers pings only", WEFT_DROP_no_route);
        story.tell("destination", is_gateway + ", and answers pings");
        story.reply().set_verdict(VERDICT_ALLOW);
        return std::move(story.reply());
    }
    // What does not begin here comes from the underlay, and must end here.
    if (!source_local && !is_kind(source_next_hop, WEFT_NEXT_HOP_VTEP))
        return story.stop("fib", "no VTEP may send for it", WEFT_DROP_wrong_vtep);
    if (!source_local && !destination_local) return story.stop("fib", to, WEFT_DROP_not_local);
    if (decision.reason == WEFT_DROP_no_route || decision.reason == WEFT_DROP_blackhole ||
        decision.reason == WEFT_DROP_endpoint_not_ready)
        return story.stop("fib", to, decision.reason);
    story.tell("fib", to);

    auto& reply = story.reply();
    reply.set_rule(weft_decision_rule(&decision));
    reply.set_next_hop(decision.destination.next_hop);
    if (weft_decision_rule(&decision) != 0)
        reply.set_rule_direction(weft_decision_rule(&decision) == decision.ingress.rule &&
                                         decision.reason != WEFT_DROP_egress_policy
                                     ? DIRECTION_INGRESS
                                     : DIRECTION_EGRESS);
    if (source_local) {
        if (decision.reason == WEFT_DROP_egress_policy)
            return story.stop("egress policy", describe(decision.egress), decision.reason, decision.egress);
        story.tell("egress policy", describe(decision.egress), decision.egress);
    } else {
        story.tell("egress policy", "enforced by the source's host");
    }
    if (destination_local) {
        if (decision.reason == WEFT_DROP_ingress_policy)
            return story.stop("ingress policy", describe(decision.ingress), decision.reason, decision.ingress);
        story.tell("ingress policy", describe(decision.ingress), decision.ingress);
    } else {
        story.tell("ingress policy", "enforced by the destination's host; ask weft explain there");
    }
    if (!destination_next_hop->resolved)
        return story.stop("next hop", describe(destination_next_hop, view), WEFT_DROP_next_hop_unresolved);
    story.tell("next hop", destination_local ? "delivered to " + describe(destination_next_hop, view)
                                             : "encapsulated to " + describe(destination_next_hop, view));
    reply.set_verdict(VERDICT_ALLOW);
    return std::move(reply);
}

} // namespace

Result<weft_policy_value> ask_policy(const TableReader& tables, weft_direction direction, std::uint32_t local,
                                     std::uint32_t peer, std::uint32_t protocol_port) {
    const weft_view view{.tables = &tables};
    weft_policy_value value{};
    const weft_policy_key key = weft_policy_key_of(direction, local, peer);
    weft_ask_policy(&view, &key, protocol_port, &value);
    if (!view.read) return std::unexpected(std::move(view.read).error());
    return value;
}

Result<ExplainReply> explain(const TableReader& tables, const ExplainRequest& request) {
    auto flow = to_flow(request);
    if (!flow) return std::unexpected(std::move(flow).error());
    const weft_view view{.tables = &tables};
    auto told = tell(view, request.vni(), *flow);
    if (!view.read) return std::unexpected(std::move(view.read).error());
    return told;
}

} // namespace weft::fastpath
