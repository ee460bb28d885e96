// SPDX-License-Identifier: BSD-3-Clause
// Policy: which entry decides, for which direction, and that both local sides are asked.
#include "tests/pipeline/case_list.hpp"

namespace weft::cases {

namespace {

using fastpath::DIRECTION_EGRESS;
using fastpath::DIRECTION_INGRESS;
using fastpath::VERDICT_ALLOW;
using fastpath::VERDICT_DENY;

fastpath::TableUpdate both(fastpath::TableUpdate a, const fastpath::TableUpdate& b) {
    a.MergeFrom(b);
    return a;
}

} // namespace

void add_policy_cases(CaseList& list) {
    const World& w = list.world();
    const Packet to_db = World::between(w.web_ip(), w.db_ip());
    const Packet to_cache = World::between(w.web_ip(), w.cache_ip());
    const Packet inward = World::between(w.cache_ip(), w.web_ip());
    const auto allowed = passes(World::web, w.from_web(to_db), w.at_db(to_db));
    const auto no_ingress = drops(World::web, w.from_web(to_db), WEFT_DROP_ingress_policy);
    const auto no_egress = drops(World::web, w.from_web(to_db), WEFT_DROP_egress_policy);
    const auto ingress = [](std::uint32_t peer, std::uint32_t protocol, std::uint32_t port, fastpath::Verdict verdict,
                            std::uint32_t precedence = 1) {
        return World::policy(DIRECTION_INGRESS, World::id_db, peer, protocol, port, verdict, precedence);
    };
    const auto deny_all = ingress(0, 0, 0, VERDICT_DENY, 1);

    list.add("DefaultDenyIngress", {after(deny_all, no_ingress)});
    list.add("AllowPeerOverDefaultDeny",
             {after(both(deny_all, ingress(World::id_web, 0, 0, VERDICT_ALLOW, 2)), allowed)});
    list.add("AllowOtherPeerDoesNotHelp",
             {after(both(deny_all, ingress(World::id_cache, 0, 0, VERDICT_ALLOW, 2)), no_ingress)});
    list.add("AllowPort", {after(both(deny_all, ingress(World::id_web, 17, 8080, VERDICT_ALLOW, 2)), allowed)});
    list.add("AllowOtherPortDoesNotHelp",
             {after(both(deny_all, ingress(World::id_web, 17, 8081, VERDICT_ALLOW, 2)), no_ingress)});
    list.add("AllowProtocol", {after(both(deny_all, ingress(World::id_web, 17, 0, VERDICT_ALLOW, 2)), allowed)});
    list.add("AllowOtherProtocolDoesNotHelp",
             {after(both(deny_all, ingress(World::id_web, 6, 0, VERDICT_ALLOW, 2)), no_ingress)});
    list.add("AllowPortFromAnyone", {after(both(deny_all, ingress(0, 17, 8080, VERDICT_ALLOW, 2)), allowed)});
    list.add("DenyBeforeAllowAtEqualPrecedence",
             {after(both(ingress(0, 0, 0, VERDICT_DENY, 5), ingress(World::id_web, 17, 8080, VERDICT_ALLOW, 5)),
                    no_ingress)});
    list.add("GreaterPrecedenceDecides",
             {after(both(ingress(World::id_web, 17, 8080, VERDICT_DENY, 5), ingress(0, 0, 0, VERDICT_ALLOW, 6)),
                    allowed)});
    list.add("DefaultDenyEgress",
             {after(World::policy(DIRECTION_EGRESS, World::id_web, 0, 0, 0, VERDICT_DENY), no_egress)});
    list.add(
        "EgressBeforeIngress",
        {after(both(deny_all, World::policy(DIRECTION_EGRESS, World::id_web, 0, 0, 0, VERDICT_DENY)), no_egress)});
    list.add("EgressToPeer",
             {after(both(World::policy(DIRECTION_EGRESS, World::id_web, 0, 0, 0, VERDICT_DENY),
                         World::policy(DIRECTION_EGRESS, World::id_web, World::id_cache, 17, 8080, VERDICT_ALLOW, 2)),
                    passes(World::web, w.from_web(to_cache), w.to_cache(to_cache)))});
    list.add("OthersPolicyIsNotOurs",
             {after(World::policy(DIRECTION_EGRESS, World::id_db, 0, 0, 0, VERDICT_DENY), allowed)});
    list.add("RemoteIngressIsTheRemotesBusiness",
             {after(World::policy(DIRECTION_INGRESS, World::id_cache, 0, 0, 0, VERDICT_DENY),
                    passes(World::web, w.from_web(to_cache), w.to_cache(to_cache)))});
    list.add("IngressFromRemoteIdentity",
             {after(World::policy(DIRECTION_INGRESS, World::id_web, World::id_cache, 0, 0, VERDICT_DENY),
                    drops(World::uplink, w.from_cache(inward), WEFT_DROP_ingress_policy))});
    list.add("IdentityOfThePrefix",
             {after(World::policy(DIRECTION_INGRESS, World::id_web, World::id_other, 0, 0, VERDICT_DENY),
                    drops(World::uplink, w.from_other(World::between(w.other_ip(), w.web_ip())),
                          WEFT_DROP_ingress_policy))});
    list.add("RefusalMakesNoSession", {after(deny_all, no_ingress), after(ingress(0, 0, 0, VERDICT_ALLOW), allowed)});
    fastpath::TableUpdate deleted;
    *deleted.add_deleted_policies() = deny_all.policies(0).key();
    list.add("DeletionEndsEnforcement", {after(deny_all, no_ingress), after(deleted, allowed)});
    // Policy holds before the endpoint's own route is there.
    fastpath::TableUpdate early = World::policy(DIRECTION_EGRESS, World::id_web, 0, 0, 0, VERDICT_DENY);
    early.add_deleted_routes()->set_vni(World::vni);
    early.mutable_deleted_routes(0)->mutable_prefix()->set_address(text_of(w.web_ip()));
    early.mutable_deleted_routes(0)->mutable_prefix()->set_length(w.inner == 4 ? 32 : 128);
    list.add("NoMomentWithoutPolicy", {after(early, no_egress)});
}

} // namespace weft::cases
