// SPDX-License-Identifier: BSD-3-Clause
// Sessions: answers pass where questions may not, state follows the connection, tables' changes reach it at its next
// packet.
#include <algorithm>
#include <iterator>

#include "tests/pipeline/case_list.hpp"
#include "tests/pipeline/deletion.hpp"

namespace weft::cases {

namespace {

enum Flags : std::uint8_t { fin = 0x01, syn = 0x02, rst = 0x04, ack = 0x10 };

Packet with_flags(Packet packet, unsigned flags) {
    packet.l4 = L4::tcp;
    packet.tcp_flags = static_cast<std::uint8_t>(flags);
    return packet;
}

} // namespace

void add_session_cases(CaseList& list) {
    const World& w = list.world();
    const Packet ask = World::between(w.web_ip(), w.cache_ip());
    const Packet reply = World::answer(ask);
    // web may ask; nobody may ask web.
    const auto closed = World::policy(fastpath::DIRECTION_INGRESS, World::id_web, 0, fastpath::VERDICT_DENY);
    const auto silent = World::policy(fastpath::DIRECTION_EGRESS, World::id_web, 0, fastpath::VERDICT_DENY);
    const auto out = [&](const Packet& packet) { return passes(World::web, w.from_web(packet), w.to_cache(packet)); };
    const auto in = [&](const Packet& packet) {
        return passes(World::uplink, w.from_cache(packet), w.at_web(packet));
    };
    const auto refused = [&](const Packet& packet) {
        return drops(World::uplink, w.from_cache(packet), WEFT_DROP_ingress_policy);
    };

    list.add("AnswerPassesWhereQuestionsMayNot", {after(closed, out(ask)), in(reply), in(reply)});
    list.add("AnswerWithoutQuestionIsAQuestion", {after(closed, refused(reply))});
    list.add("LocalAnswerPasses", {after(closed, passes(World::web, w.from_web(World::between(w.web_ip(), w.db_ip())),
                                                        w.at_db(World::between(w.web_ip(), w.db_ip())))),
                                   passes(World::db, w.from_db(World::answer(World::between(w.web_ip(), w.db_ip()))),
                                          w.at_web(World::answer(World::between(w.web_ip(), w.db_ip()))))});
    Packet elsewhere = reply;
    elsewhere.destination_port = 40001;
    list.add("AnswerToAnotherPortIsAQuestion", {after(closed, out(ask)), refused(elsewhere)});
    list.add("UdpAnswerTooLate", {after(closed, out(ask)), at_second(1031, refused(reply))});
    list.add("UdpAnswerInTime", {after(closed, out(ask)), at_second(1029, in(reply))});

    list.add("TcpHandshakeAndClose",
             {after(closed, out(with_flags(ask, syn))), in(with_flags(reply, syn | ack)), out(with_flags(ask, ack)),
              out(with_flags(ask, fin | ack)), in(with_flags(reply, fin | ack)), out(with_flags(ask, ack))});
    list.add("EstablishedTcpIsPatient", {after(closed, out(with_flags(ask, syn))), in(with_flags(reply, syn | ack)),
                                         out(with_flags(ask, ack)), at_second(8100, in(with_flags(reply, ack)))});
    list.add("ClosedTcpIsForgotten", {after(closed, out(with_flags(ask, syn))), in(with_flags(reply, syn | ack)),
                                      out(with_flags(ask, fin | ack)), in(with_flags(reply, fin | ack)),
                                      at_second(1011, refused(with_flags(reply, ack)))});
    list.add("ResetEndsTheSession", {after(closed, out(with_flags(ask, syn))), in(with_flags(reply, rst | ack)),
                                     at_second(1011, refused(with_flags(reply, ack)))});
    list.add("ResetOpensNothing",
             {drops(World::web, w.from_web(with_flags(ask, rst)), WEFT_DROP_invalid_session_state)});
    list.add("TcpMetInTheMiddleIsAdopted", {after(closed, out(with_flags(ask, ack))), in(with_flags(reply, ack))});
    list.add("SynAgainstTheSessionIsAQuestion", {after(closed, out(with_flags(ask, syn))),
                                                 refused(with_flags(reply, syn)), in(with_flags(reply, syn | ack))});

    Packet ping = ask;
    ping.l4 = L4::icmp;
    ping.icmp_type = w.inner == 4 ? 8 : 128;
    ping.icmp_rest = 0x00070001;
    Packet pong = World::answer(ping);
    pong.icmp_type = w.inner == 4 ? 0 : 129;
    Packet back = World::answer(ping);
    list.add("PingIsAnswered", {after(closed, out(ping)), in(pong)});
    list.add("PingBackIsAQuestion", {after(closed, out(ping)), refused(back), in(pong)});
    list.add("EchoReplyOpensNothing", {drops(World::uplink, w.from_cache(pong), WEFT_DROP_invalid_session_state)});

    // Changes of the tables.
    const auto no_egress = [&](const Packet& packet) {
        return drops(World::web, w.from_web(packet), WEFT_DROP_egress_policy);
    };
    const auto no_answer = [&](const Packet& packet) {
        return drops(World::uplink, w.from_cache(packet), WEFT_DROP_egress_policy);
    };
    list.add("NewDenyEndsTheSession",
             {out(ask), in(reply), after(silent, no_egress(ask)), no_answer(reply), after(closed, no_answer(reply))});
    // A connection under way: the server goes on sending, and must not become the one that opened it.
    const auto connection = [&](std::vector<Step> then) {
        std::vector<Step> steps{out(with_flags(ask, syn)), in(with_flags(reply, syn | ack)),
                                out(with_flags(ask, ack))};
        std::ranges::move(then, std::back_inserter(steps));
        return steps;
    };
    const Packet data = with_flags(reply, ack);
    const Packet acknowledgement = with_flags(ask, ack);
    fastpath::TableUpdate lifted;
    *lifted.add_deleted_policies() = silent.policies(0).key();
    list.add("NewDenyEndsTheConnectionInWhichTheServerSends",
             connection({after(silent, no_answer(data)), no_answer(data), no_egress(acknowledgement), no_answer(data),
                         at_second(8200, no_answer(data))}));
    list.add("NewDenyMeetsTheAskerFirst",
             connection({after(silent, no_egress(acknowledgement)), no_answer(data), no_answer(data)}));
    list.add("LiftedDenyLetsTheConnectionGoOn",
             connection({after(silent, no_answer(data)), after(lifted, in(data)), out(acknowledgement)}));
    list.add("DeniedConnectionTimesOut", connection({after(silent, no_answer(data)), at_second(5000, no_answer(data)),
                                                     at_second(8201, in(data))}));
    list.add("DeniedConnectionCanBeginAnewTheOtherWay",
             connection({after(silent, no_answer(data)), in(with_flags(reply, syn)), out(with_flags(ask, syn | ack)),
                         in(data)}));
    const Packet to_db = World::between(w.web_ip(), w.db_ip());
    const Packet from_db = World::answer(to_db);
    const auto at_db = [&](unsigned flags) {
        return passes(World::web, w.from_web(with_flags(to_db, flags)), w.at_db(with_flags(to_db, flags)));
    };
    const Step db_sends = drops(World::db, w.from_db(with_flags(from_db, ack)), WEFT_DROP_ingress_policy);
    list.add("NewDenyEndsTheConnectionOfTwoEndpoints",
             {at_db(syn),
              passes(World::db, w.from_db(with_flags(from_db, syn | ack)), w.at_web(with_flags(from_db, syn | ack))),
              at_db(ack),
              after(World::policy(fastpath::DIRECTION_INGRESS, World::id_db, 0, fastpath::VERDICT_DENY), db_sends),
              db_sends, drops(World::web, w.from_web(with_flags(to_db, ack)), WEFT_DROP_ingress_policy)});
    const Packet error = w.icmp_error(w.cache_ip(), ask, w.inner == 4 ? 3 : 1, w.inner == 4 ? 3 : 4);
    list.add("NewDenyMeetsTheErrorToo", {out(ask), in(error), after(silent, no_answer(error))});
    list.add("NewDenyAgainstTheAnswersDirectionChangesNothing",
             {out(ask), in(reply), after(closed, in(reply)), out(ask)});
    list.add("NewDenyMeetsTheAnswerToo",
             {out(ask), after(silent, drops(World::uplink, w.from_cache(reply), WEFT_DROP_egress_policy))});
    list.add("SessionFollowsTheRoute", {out(ask), after(w.route(w.cache_ip(), World::to_d, World::id_cache),
                                                        passes(World::web, w.from_web(ask), w.to_other(ask)))});
    const auto gone = deletion_of(w.route(w.cache_ip(), World::to_c, World::id_cache));
    const Packet unreachable = w.icmp_error(w.gateway_ip(), ask, w.inner == 4 ? 3 : 1, 0);
    list.add("SessionEndsWithTheRoute",
             {out(ask), after(gone, drops(World::web, w.from_web(ask), WEFT_DROP_no_route,
                                          {{World::web, frame(w.web_mac, w.gateway_mac, unreachable)}}))});
    // Nothing is evicted for newcomers, and what is there goes on.
    fastpath::TableUpdate no_quota;
    no_quota.mutable_host()->set_session_quota(100);
    std::vector<Step> flood;
    Packet flow = ask;
    for (std::uint16_t i = 0; i < 64; ++i, ++flow.source_port)
        flood.push_back(out(flow));
    flood.push_back(drops(World::web, w.from_web(flow), WEFT_DROP_session_table_full));
    flood.push_back(in(reply));
    flood.front().tables = no_quota;
    list.add("FullTableRefuses", std::move(flood), 64);

    // The other network's session of the same addresses is another one.
    fastpath::TableUpdate second;
    second.add_networks()->set_vni(5000);
    list.add("SessionsOfNetworksAreApart",
             {after(second, out(ask)),
              drops(World::uplink, w.tunnelled(w.c_vtep(), frame(w.router_mac, w.c_router, reply), 5000),
                    WEFT_DROP_wrong_vtep)});
}

} // namespace weft::cases
