// SPDX-License-Identifier: BSD-3-Clause
// Fragments of endpoints' packets, whose later ones go the way of the first; and fragments that we make ourselves
// (IPv4 without DF).
#include <algorithm>

#include "tests/pipeline/case_list.hpp"
#include "tests/pipeline/deletion.hpp"

namespace weft::cases {

namespace {

/// Bytes [begin, end) of the packet's upper layer as a fragment. `end` 0: to its end.
Packet piece(const Packet& packet, std::size_t begin, std::size_t end, bool more) {
    const Bytes body = packet.is_fragment ? packet.raw : packet.upper_layer();
    Packet part = packet;
    part.is_fragment = true;
    part.dont_fragment = false;
    part.fragment_offset = static_cast<std::uint32_t>(packet.fragment_offset + begin);
    part.more_fragments = more || packet.more_fragments;
    part.raw = {body.begin() + static_cast<std::ptrdiff_t>(begin),
                end == 0 ? body.end() : body.begin() + static_cast<std::ptrdiff_t>(end)};
    return part;
}

/// A packet cut by its sender at 512 and 1024 bytes.
struct Train {
    explicit Train(const Packet& packet) :
        first(piece(packet, 0, 512, true)),
        middle(piece(packet, 512, 1024, true)),
        last(piece(packet, 1024, 0, false)) {}

    Packet first;
    Packet middle;
    Packet last;
};

/// What we cut: 1450 - 20 = 1430 bytes fit, 1424 of them in whole eights.
void add_own_fragments(CaseList& list) {
    const World& w = list.world();
    Packet large = World::between(w.web_ip(), w.cache_ip());
    large.dont_fragment = false;
    large.payload = pattern(3000);
    const auto cut = [&](const Packet& packet, const std::vector<Packet>& pieces) {
        Step step{.port = World::web, .frame = w.from_web(packet), .sent = {}};
        for (const Packet& each : pieces)
            step.sent.push_back(w.to_cache(each));
        return step;
    };
    const std::vector<Packet> three = {piece(large, 0, 1424, true), piece(large, 1424, 2848, true),
                                       piece(large, 2848, 0, false)};
    list.add("CutWithoutDf", {cut(large, three)});
    Step scattered = cut(large, three);
    scattered.scattered = true;
    list.add("CutOverSeveralBuffers", {scattered});
    Step summed = cut(large, three);
    summed.offload.checksum = true;
    list.add("CutCompletesTheChecksum", {summed});
    Packet tcp = large;
    tcp.l4 = L4::tcp;
    Step tcp_summed = cut(tcp, {piece(tcp, 0, 1424, true), piece(tcp, 1424, 2848, true), piece(tcp, 2848, 0, false)});
    tcp_summed.offload.checksum = true;
    list.add("CutTcpCompletesTheChecksum", {tcp_summed});

    Packet fits = large;
    fits.payload = pattern(World::mtu - 28);
    list.add("NoCutAtTheMtu", {passes(World::web, w.from_web(fits), w.to_cache(fits))});
    Packet over = large;
    over.payload = pattern(World::mtu - 27);
    list.add("CutOneByteOver", {cut(over, {piece(over, 0, 1424, true), piece(over, 1424, 0, false)})});
    Packet largest = large;
    largest.payload = pattern(65535 - 28);
    std::vector<Packet> many;
    const std::size_t body = largest.payload.size() + 8;
    for (std::size_t done = 0; done < body; done += 1424)
        many.push_back(piece(largest, done, std::min(done + 1424, body), done + 1424 < body));
    list.add("CutTheLargest", {cut(largest, many)});
    fastpath::TableUpdate narrow;
    w.add_vtep(narrow, World::to_c, w.c_vtep(), w.c_router, w.next_nic, 68);
    Packet small = large;
    small.payload = pattern(100);
    list.add("CutForTheLeastMtu", {after(narrow, cut(small, {piece(small, 0, 48, true), piece(small, 48, 96, true),
                                                             piece(small, 96, 0, false)}))});

    // Record route (7) stays in the first, router alert (148) is copied, padding follows.
    Packet optioned = large;
    const Bytes copied{148, 4, 0, 0};
    optioned.options = Bytes{7, 7, 4, 0, 0, 0, 0, 1} + copied;
    Packet second = piece(optioned, 1416, 2840, true);
    Packet third = piece(optioned, 2840, 0, false);
    second.options = third.options = copied;
    list.add("CutCopiesTheOptionsThatSaySo", {cut(optioned, {piece(optioned, 0, 1416, true), second, third})});
    Packet lying = large;
    lying.options = {0x94, 40, 0, 0};
    second = piece(lying, 1424, 2848, true);
    third = piece(lying, 2848, 0, false);
    second.options = third.options = {};
    list.add("CutLeavesAnOptionThatLies", {cut(lying, {piece(lying, 0, 1424, true), second, third})});

    // Fragments of fragments.
    const Packet front = piece(large, 0, 2000, true);
    const Packet rest = piece(large, 2000, 0, false);
    Packet longer = large;
    longer.payload = pattern(5000);
    const Packet tail = piece(longer, 2000, 0, false);
    list.add("CutAFirstFragment", {cut(front, {piece(front, 0, 1424, true), piece(front, 1424, 0, true)}),
                                   passes(World::web, w.from_web(rest), w.to_cache(rest))});
    list.add("CutALaterFragment",
             {cut(piece(longer, 0, 2000, true), {piece(longer, 0, 1424, true), piece(longer, 1424, 2000, true)}),
              cut(tail, {piece(tail, 0, 1424, true), piece(tail, 1424, 2848, true), piece(tail, 2848, 0, false)})});
}

} // namespace

void add_fragment_cases(CaseList& list) {
    const World& w = list.world();
    if (w.inner == 4) add_own_fragments(list);
    Packet whole = World::between(w.web_ip(), w.cache_ip());
    whole.payload = pattern(1200);
    const Train train(whole);
    const auto out = [&](const Packet& packet) { return passes(World::web, w.from_web(packet), w.to_cache(packet)); };
    const auto lost = [&](const Packet& packet) {
        return drops(World::web, w.from_web(packet), WEFT_DROP_fragment_without_first);
    };
    list.add("FragmentsFollowTheFirst", {out(train.first), out(train.middle), out(train.last)});
    list.add("FragmentsFollowInAnyOrder", {out(train.first), out(train.last), out(train.middle)});
    list.add("FragmentWithoutFirst", {lost(train.middle)});
    Packet of_another = train.middle;
    of_another.id = 0x4321;
    list.add("FragmentOfAnotherPacket", {out(train.first), lost(of_another)});
    Packet to_another = train.middle;
    to_another.destination = w.other_ip();
    list.add("FragmentToAnother", {out(train.first), lost(to_another)});
    list.add("FragmentTooLate", {out(train.first), at_second(1016, lost(train.middle))});
    list.add("FragmentInTime", {out(train.first), at_second(1015, out(train.middle))});
    list.add("FragmentsDoNotKeepTheTrainAlive",
             {out(train.first), at_second(1010, out(train.middle)), at_second(1017, lost(train.last))});
    Packet local = whole;
    local.destination = w.db_ip();
    const Train across(local);
    const auto over = [&](const Packet& packet) { return passes(World::web, w.from_web(packet), w.at_db(packet)); };
    list.add("LocalFragmentsFollowTheFirst", {over(across.first), over(across.middle), over(across.last)});
    Packet ping = whole;
    ping.l4 = L4::icmp;
    ping.icmp_type = w.inner == 4 ? 8 : 128;
    const Train large_ping(ping);
    list.add("FragmentedPing", {out(large_ping.first), out(large_ping.middle), out(large_ping.last)});

    // Verdict and way.
    const auto silent = World::policy(fastpath::DIRECTION_EGRESS, World::id_web, 0, 17, 8080, fastpath::VERDICT_DENY,
                                      fastpath::VERDICT_ALLOW);
    list.add(
        "PolicySeesTheFirst",
        {after(silent, drops(World::web, w.from_web(train.first), WEFT_DROP_egress_policy)), lost(train.middle)});
    list.add("VerdictHoldsForTheWholePacket", {out(train.first), after(silent, out(train.middle))});
    list.add("FragmentFollowsTheMovedRoute",
             {out(train.first), after(w.route(w.cache_ip(), World::to_d, World::id_cache),
                                      passes(World::web, w.from_web(train.middle), w.to_other(train.middle)))});
    const auto gone = deletion_of(w.route(w.cache_ip(), World::to_c, World::id_cache));
    list.add("FragmentWithoutRoute",
             {out(train.first), after(gone, drops(World::web, w.from_web(train.middle), WEFT_DROP_no_route))});
    Packet dying = train.middle;
    dying.ttl = 1;
    list.add("NoErrorAboutALaterFragment",
             {out(train.first), drops(World::web, w.from_web(dying), WEFT_DROP_ttl_exceeded)});
    Packet first_dying = train.first;
    first_dying.ttl = 1;
    const Packet told = w.icmp_error(w.gateway_ip(), first_dying, w.inner == 4 ? 11 : 3, 0);
    list.add("ErrorAboutTheFirstFragment", {drops(World::web, w.from_web(first_dying), WEFT_DROP_ttl_exceeded,
                                                  {{World::web, frame(w.web_mac, w.gateway_mac, told)}})});
    const Packet about = w.icmp_error(w.cache_ip(), World::one_hop_on(train.middle), w.inner == 4 ? 11 : 3, 1);
    list.add("ErrorAboutAFragmentPasses",
             {out(train.first), passes(World::uplink, w.from_cache(about), w.at_web(about))});

    // RFC 1858: nothing may overwrite what was judged in the first.
    Packet tcp = whole;
    tcp.l4 = L4::tcp;
    list.add("FragmentOverTheTcpHeader",
             {out(piece(tcp, 0, 24, true)),
              drops(World::web, w.from_web(piece(tcp, 8, 40, true)), WEFT_DROP_malformed_transport)});
    list.add("FirstFragmentTooShortForTcp",
             {drops(World::web, w.from_web(piece(tcp, 0, 16, true)), WEFT_DROP_malformed_transport)});

    // Cut again, the rest of such a fragment would begin at 65,536 bytes: as a first one, which nobody has judged.
    Packet endless = piece(whole, 512, 528, true);
    endless.fragment_offset = 65528;
    list.add("FragmentBeyondTheLongestPacket",
             {out(train.first), drops(World::web, w.from_web(endless),
                                      w.inner == 4 ? WEFT_DROP_malformed_ipv4 : WEFT_DROP_malformed_extension)});
    Packet furthest = piece(whole, 512, w.inner == 4 ? 515 : 519, false);
    furthest.fragment_offset = w.inner == 4 ? 65512 : 65528;
    list.add("FragmentToTheEndOfTheLongestPacket", {out(train.first), out(furthest)});

    Packet inward = whole;
    std::swap(inward.source, inward.destination);
    const Train inbound(inward);
    const auto in = [&](const Packet& packet) {
        return passes(World::uplink, w.from_cache(packet), w.at_web(packet));
    };
    list.add("InboundFragmentsFollowTheFirst", {in(inbound.first), in(inbound.middle), in(inbound.last)});
    list.add("InboundFragmentWithoutFirst",
             {drops(World::uplink, w.from_cache(inbound.middle), WEFT_DROP_fragment_without_first)});
    list.add("InboundFragmentFromTheWrongVtep",
             {in(inbound.first), drops(World::uplink, w.from_other(inbound.middle), WEFT_DROP_wrong_vtep)});
    list.add("InboundPolicySeesTheFirst",
             {after(World::policy(fastpath::DIRECTION_INGRESS, World::id_web, 0, fastpath::VERDICT_DENY),
                    drops(World::uplink, w.from_cache(inbound.first), WEFT_DROP_ingress_policy)),
              drops(World::uplink, w.from_cache(inbound.middle), WEFT_DROP_fragment_without_first)});
}

} // namespace weft::cases
