// SPDX-License-Identifier: BSD-3-Clause
// decision.h with tables of its own, which change while a packet is under way.
#include <array>

#include <gtest/gtest.h>

#include "dataplane/pipeline/decision.h"

namespace {

constexpr std::uint32_t here = 7;     // port and next hop of the endpoint
constexpr std::uint32_t outside = 30; // a next hop to another host

} // namespace

enum class Policy { none, comes_between };

struct weft_view {
    weft_next_hop local{};
    weft_next_hop vtep{};
    weft_endpoint endpoint{};
    Policy policy = Policy::none;
    mutable bool asked_for_anybody = false;
};

// Everybody's address is the number of the next hop that leads there.
static inline weft_route_value weft_find_route(const weft_view*, uint32_t, const weft_address* address) {
    return {.next_hop = address->words[3], .identity = 900};
}

static inline const weft_next_hop* weft_find_next_hop(const weft_view* view, uint32_t id) {
    return id == here ? &view->local : &view->vtep;
}

static inline const weft_endpoint* weft_find_endpoint(const weft_view* view, uint32_t) { return &view->endpoint; }

// Anybody may do nothing, and the pair, whose entry comes between two questions, everything; lists are named by
// verdict.
static inline uint64_t weft_find_verdicts(const weft_view* view, const weft_policy_key* key) {
    if (view->policy == Policy::none) return 0;
    if (key->peer_identity != WEFT_IDENTITY_ANY) return view->asked_for_anybody ? WEFT_ALLOW : 0;
    view->asked_for_anybody = true;
    return WEFT_DENY;
}

static inline const weft_verdict_block* weft_find_verdict_block(const weft_view*, uint64_t list, uint32_t) {
    static const std::array<weft_verdict_block, 3> blocks = [] {
        std::array<weft_verdict_block, 3> made{};
        for (std::uint32_t verdict = 0; verdict < made.size(); ++verdict) {
            made[verdict].blocks = 1;
            for (auto& range : made[verdict].ranges)
                range = {.first = WEFT_NO_RANGE, .value = {.verdict = verdict, .rule = 1, .audited_rule = 0}};
            made[verdict].ranges[0].first = 0;
        }
        return made;
    }();
    return &blocks.at(list);
}

namespace {

weft_drop_reason decide(std::uint32_t from, std::uint32_t to, std::uint32_t identity, Policy policy = Policy::none) {
    weft_view view;
    view.local.kind = WEFT_NEXT_HOP_LOCAL;
    view.local.port = here;
    view.vtep.kind = WEFT_NEXT_HOP_VTEP;
    view.endpoint.port = here;
    view.endpoint.identity = identity;
    view.policy = policy;
    weft_flow flow{};
    flow.source.words[3] = from;
    flow.destination.words[3] = to;
    flow.protocol = WEFT_PROTO_UDP;
    weft_decision decision;
    return weft_decide(&view, 4000, &flow, from == here ? &view.endpoint : nullptr, &decision);
}

TEST(Decision, NobodysPolicyAllowsEverything) {
    EXPECT_EQ(decide(here, outside, 256), WEFT_DROP_none);
    EXPECT_EQ(decide(outside, here, 256), WEFT_DROP_none);
}

TEST(Decision, EndpointThatIsBeingOverwrittenIsNotOpen) {
    EXPECT_EQ(decide(here, outside, 0), WEFT_DROP_endpoint_not_ready);
    EXPECT_EQ(decide(outside, here, 0), WEFT_DROP_endpoint_not_ready);
}

TEST(Decision, NoRuleIsBlamedForWhatAnotherEndDenies) {
    weft_decision decision{};
    decision.egress = {.verdict = WEFT_ALLOW, .rule = 17, .audited_rule = 0};
    EXPECT_EQ(weft_decision_rule(&decision), 17U);
    decision.ingress.verdict = WEFT_DENY; // of a list that denies all
    decision.reason = WEFT_DROP_ingress_policy;
    EXPECT_EQ(weft_decision_rule(&decision), 0U);
}

TEST(Decision, EntryOfThePairThatHasJustComeHolds) {
    EXPECT_EQ(decide(here, outside, 256, Policy::comes_between), WEFT_DROP_none);
    EXPECT_EQ(decide(outside, here, 256, Policy::comes_between), WEFT_DROP_none);
}

} // namespace
