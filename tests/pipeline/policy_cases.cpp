// SPDX-License-Identifier: BSD-3-Clause
// Policy: which entry decides, for which direction, and that both local sides are asked.
#include "tests/pipeline/case_list.hpp"
#include "tests/pipeline/deletion.hpp"

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
    const auto ingress = [](std::uint32_t peer, const std::vector<World::Said>& ranges) {
        return World::policy(DIRECTION_INGRESS, World::id_db, peer, ranges);
    };
    const auto deny_all = ingress(0, {{0, 0, VERDICT_DENY}});
    const auto allow_all = ingress(0, {{0, 0, VERDICT_ALLOW}});
    // The packets are UDP to port 8080.
    const auto at = [](std::uint32_t protocol, std::uint32_t first, std::uint32_t last) {
        return std::vector<World::Said>{
            {0, 0, VERDICT_DENY}, {protocol, first, VERDICT_ALLOW}, {protocol, last + 1, VERDICT_DENY}};
    };

    list.add("DefaultDenyIngress", {after(deny_all, no_ingress)});
    list.add("AllowPeerOverDefaultDeny",
             {after(both(deny_all, ingress(World::id_web, {{0, 0, VERDICT_ALLOW}})), allowed)});
    list.add("DenyPeerOverDefaultAllow",
             {after(both(allow_all, ingress(World::id_web, {{0, 0, VERDICT_DENY}})), no_ingress)});
    list.add("AllowOtherPeerDoesNotHelp",
             {after(both(deny_all, ingress(World::id_cache, {{0, 0, VERDICT_ALLOW}})), no_ingress)});
    list.add("ListOfThePeerIsTheWhole",
             {after(both(allow_all, ingress(World::id_web, at(17, 8081, 65534))), no_ingress)});
    list.add("AllowPort", {after(ingress(World::id_web, at(17, 8080, 8080)), allowed)});
    list.add("AllowOtherPortsDoesNotHelp", {after(ingress(World::id_web, {{0, 0, VERDICT_DENY},
                                                                          {17, 0, VERDICT_ALLOW},
                                                                          {17, 8080, VERDICT_DENY},
                                                                          {17, 8081, VERDICT_ALLOW},
                                                                          {18, 0, VERDICT_DENY}}),
                                                  no_ingress)});
    list.add("AllowRangeThatEndsThere", {after(ingress(World::id_web, at(17, 1, 8080)), allowed)});
    list.add("AllowRangeThatBeginsThere", {after(ingress(World::id_web, at(17, 8080, 65534)), allowed)});
    list.add("AllowProtocol",
             {after(ingress(World::id_web, {{0, 0, VERDICT_DENY}, {17, 0, VERDICT_ALLOW}, {18, 0, VERDICT_DENY}}),
                    allowed)});
    list.add("AllowOtherProtocolDoesNotHelp",
             {after(ingress(World::id_web, {{0, 0, VERDICT_DENY}, {6, 0, VERDICT_ALLOW}, {17, 0, VERDICT_DENY}}),
                    no_ingress)});
    list.add("AllowPortFromAnyone", {after(ingress(0, at(17, 8080, 8080)), allowed)});
    // Lists of as many ranges as fill one block, one more, many blocks, and all there can be.
    for (const std::uint32_t ranges : {7U, 8U, 15U, 500U, 7168U}) {
        std::vector<World::Said> said{{0, 0, VERDICT_DENY}};
        while (said.size() < ranges) {
            const auto port = static_cast<std::uint32_t>(8080 + 2 * (said.size() - ranges / 2));
            said.push_back({17, port, said.back().verdict == VERDICT_DENY ? VERDICT_ALLOW : VERDICT_DENY});
        }
        const bool allows = said[ranges / 2].verdict == VERDICT_ALLOW;
        list.add("ListOf" + std::to_string(ranges) + "Ranges",
                 {after(ingress(World::id_web, said), allows ? allowed : no_ingress)});
    }
    list.add("AuditedRuleDoesNotDecide", {after(ingress(0, {{0, 0, VERDICT_ALLOW, 7, 8}}), allowed)});
    list.add("DefaultDenyEgress",
             {after(World::policy(DIRECTION_EGRESS, World::id_web, 0, VERDICT_DENY), no_egress)});
    list.add("EgressBeforeIngress",
             {after(both(deny_all, World::policy(DIRECTION_EGRESS, World::id_web, 0, VERDICT_DENY)), no_egress)});
    list.add("EgressToPeer", {after(both(World::policy(DIRECTION_EGRESS, World::id_web, 0, VERDICT_DENY),
                                         World::policy(DIRECTION_EGRESS, World::id_web, World::id_cache, 17, 8080,
                                                       VERDICT_ALLOW, VERDICT_DENY)),
                                    passes(World::web, w.from_web(to_cache), w.to_cache(to_cache)))});
    list.add("OthersPolicyIsNotOurs",
             {after(World::policy(DIRECTION_EGRESS, World::id_db, 0, VERDICT_DENY), allowed)});
    list.add("RemoteIngressIsTheRemotesBusiness",
             {after(World::policy(DIRECTION_INGRESS, World::id_cache, 0, VERDICT_DENY),
                    passes(World::web, w.from_web(to_cache), w.to_cache(to_cache)))});
    list.add("IngressFromRemoteIdentity",
             {after(World::policy(DIRECTION_INGRESS, World::id_web, World::id_cache, VERDICT_DENY),
                    drops(World::uplink, w.from_cache(inward), WEFT_DROP_ingress_policy))});
    list.add("IdentityOfThePrefix",
             {after(World::policy(DIRECTION_INGRESS, World::id_web, World::id_other, VERDICT_DENY),
                    drops(World::uplink, w.from_other(World::between(w.other_ip(), w.web_ip())),
                          WEFT_DROP_ingress_policy))});
    list.add("RefusalMakesNoSession", {after(deny_all, no_ingress), after(allow_all, allowed)});
    list.add("DeletionEndsEnforcement", {after(deny_all, no_ingress), after(deletion_of(deny_all), allowed)});
    // Before its own route is there, and behind it, an endpoint would be another to its neighbours.
    const auto early = deletion_of(w.route(w.web_ip(), World::to_web, World::id_web));
    const Step not_ready = drops(World::web, w.from_web(to_db), WEFT_DROP_endpoint_not_ready);
    list.add("NoMomentWithoutRoute", {after(early, not_ready), after(w.tables(), allowed)});
    list.add("RouteToAnotherIsNone", {after(w.route(w.web_ip(), World::to_d, World::id_web), not_ready),
                                      after(w.route(w.web_ip(), World::to_db, World::id_web), not_ready)});
    // Identity 0 is nobody's, and means somebody of whom policy says nothing any more.
    list.add("NobodyIsNotAnybody",
             {after(w.route(w.web_ip(), World::to_web, 0), not_ready), after(w.tables(), allowed),
              after(w.route(w.db_ip(), World::to_db, 0), not_ready)});
    const auto nobody_is_cache = w.route(w.cache_ip(), World::to_c, 0);
    list.add("NobodyIsHeardFromAfar",
             {after(nobody_is_cache, drops(World::uplink, w.from_cache(inward), WEFT_DROP_endpoint_not_ready)),
              after(w.tables(), passes(World::uplink, w.from_cache(inward), w.at_web(inward)))});
    const Packet answer = World::answer(to_cache);
    list.add("WhoBecomesNobodyAnswersNoMore",
             {passes(World::web, w.from_web(to_cache), w.to_cache(to_cache)),
              after(nobody_is_cache, drops(World::uplink, w.from_cache(answer), WEFT_DROP_endpoint_not_ready))});
}

} // namespace weft::cases
