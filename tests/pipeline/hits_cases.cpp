// SPDX-License-Identifier: BSD-3-Clause
// Hits of rules: what counts as a connection and what as a denied packet, at which end, and what audited rules have.
#include "tests/pipeline/case_list.hpp"

namespace weft::cases {

namespace {

using fastpath::DIRECTION_EGRESS;
using fastpath::DIRECTION_INGRESS;
using fastpath::VERDICT_ALLOW;
using fastpath::VERDICT_DENY;

constexpr std::uint32_t out_rule = 11;
constexpr std::uint32_t in_rule = 12;
constexpr std::uint32_t audited_out = 21;
constexpr std::uint32_t audited_in = 22;

/// What the list of everybody says of web as a sender, and of db as a receiver.
fastpath::TableUpdate at_both(fastpath::Verdict egress, fastpath::Verdict ingress, bool audited = false) {
    auto update =
        World::policy(DIRECTION_EGRESS, World::id_web, 0, {{0, 0, egress, out_rule, audited ? audited_out : 0}});
    update.MergeFrom(
        World::policy(DIRECTION_INGRESS, World::id_db, 0, {{0, 0, ingress, in_rule, audited ? audited_in : 0}}));
    return update;
}

} // namespace

void add_hits_cases(CaseList& list) {
    const World& w = list.world();
    const Packet ask = World::between(w.web_ip(), w.db_ip());
    const Packet reply = World::answer(ask);
    const auto passes_out = passes(World::web, w.from_web(ask), w.at_db(ask));
    const auto passes_back = passes(World::db, w.from_db(reply), w.at_web(reply));
    const auto no_egress = drops(World::web, w.from_web(ask), WEFT_DROP_egress_policy);
    const auto no_ingress = drops(World::web, w.from_web(ask), WEFT_DROP_ingress_policy);
    Packet again = ask;
    again.source_port = 41000;
    const std::vector<Hits> one{{out_rule, 1, 0, 0}, {in_rule, 1, 0, 0}};

    list.add(
        "HitsOfBothEndsAreOfConnections",
        {counted(after(at_both(VERDICT_ALLOW, VERDICT_ALLOW), passes_out), one), counted(passes_out, one),
         counted(passes_back, one),
         counted(passes(World::web, w.from_web(again), w.at_db(again)), {{out_rule, 2, 0, 0}, {in_rule, 2, 0, 0}})});
    list.add("HitsOfDenialsAreOfPackets",
             {counted(after(at_both(VERDICT_DENY, VERDICT_ALLOW), no_egress), {{out_rule, 0, 1, 0}}),
              counted(no_egress, {{out_rule, 0, 2, 0}})});
    list.add("HitsOfTheEndThatDenies",
             {counted(after(at_both(VERDICT_ALLOW, VERDICT_DENY), no_ingress), {{in_rule, 0, 1, 0}})});
    list.add("HitsOfAuditedRulesAreOfBothEnds",
             {counted(after(at_both(VERDICT_ALLOW, VERDICT_ALLOW, true), passes_out),
                      {{out_rule, 1, 0, 0}, {in_rule, 1, 0, 0}, {audited_out, 0, 0, 1}, {audited_in, 0, 0, 1}}),
              counted(passes_out,
                      {{out_rule, 1, 0, 0}, {in_rule, 1, 0, 0}, {audited_out, 0, 0, 1}, {audited_in, 0, 0, 1}})});
    list.add("HitsOfAnAuditedRuleThatWouldAllow",
             {counted(after(at_both(VERDICT_DENY, VERDICT_ALLOW, true), no_egress),
                      {{out_rule, 0, 1, 0}, {audited_out, 0, 0, 1}})});
    // A session that a newer rule denies, from either end; one that it still allows counts once.
    list.add("HitsOfADenialBehindTheOpening", {after(at_both(VERDICT_ALLOW, VERDICT_ALLOW), passes_out),
                                               counted(after(at_both(VERDICT_ALLOW, VERDICT_DENY), no_ingress),
                                                       {{out_rule, 1, 0, 0}, {in_rule, 1, 1, 0}}),
                                               counted(drops(World::db, w.from_db(reply), WEFT_DROP_ingress_policy),
                                                       {{out_rule, 1, 0, 0}, {in_rule, 1, 2, 0}}),
                                               counted(after(at_both(VERDICT_ALLOW, VERDICT_ALLOW), passes_out),
                                                       {{out_rule, 1, 0, 0}, {in_rule, 1, 2, 0}})});
    list.add("NoHitsWithoutRules", {counted(passes_out, {})});
    list.add(
        "NoHitsOfRuleZero",
        {counted(after(World::policy(DIRECTION_EGRESS, World::id_web, 0, {{0, 0, VERDICT_DENY, 0, 0}}), no_egress),
                 {})});
    // What does not open a session has used no rule.
    Packet reset = ask;
    reset.l4 = L4::tcp;
    reset.tcp_flags = 0x04;
    list.add("NoHitsOfWhatOpensNothing",
             {counted(after(at_both(VERDICT_ALLOW, VERDICT_ALLOW, true),
                            drops(World::web, w.from_web(reset), WEFT_DROP_invalid_session_state)),
                      {})});
    const Packet spoofed = World::between(w.other_ip(), w.web_ip());
    list.add("NoHitsOfAWrongSender",
             {counted(after(World::policy(DIRECTION_INGRESS, World::id_web, 0, {{0, 0, VERDICT_DENY, in_rule}}),
                            drops(World::uplink, w.from_cache(spoofed), WEFT_DROP_wrong_vtep)),
                      {})});
    fastpath::TableUpdate reset_rules;
    reset_rules.add_reset_rules(in_rule);
    list.add("HitsBeginAnewWithTheRule", {counted(after(at_both(VERDICT_ALLOW, VERDICT_ALLOW), passes_out), one),
                                          counted(after(reset_rules, passes_out), {{out_rule, 1, 0, 0}})});
}

} // namespace weft::cases
