// SPDX-License-Identifier: BSD-3-Clause
// What we say as a router: errors for TTL, MTU and missing routes; and whose errors we let pass.
#include "tests/pipeline/case_list.hpp"

namespace weft::cases {

void add_icmp_cases(CaseList& list) {
    const World& w = list.world();
    const bool v4 = w.inner == 4;
    const std::uint8_t unreachable = v4 ? 3 : 1;
    const std::uint8_t exceeded = v4 ? 11 : 3;
    const std::uint8_t too_big = v4 ? 3 : 2;
    const std::uint8_t too_big_code = v4 ? 4 : 0;
    const Packet ask = World::between(w.web_ip(), w.cache_ip());
    const Packet inward = World::between(w.cache_ip(), w.web_ip());
    const auto to_web = [&](const Packet& error) { return Sent{World::web, frame(w.web_mac, w.gateway_mac, error)}; };

    Packet last_hop = ask;
    last_hop.ttl = 1;
    list.add("TtlRunsOut", {drops(World::web, w.from_web(last_hop), WEFT_DROP_ttl_exceeded,
                                  {to_web(w.icmp_error(w.gateway_ip(), last_hop, exceeded, 0))})});
    Packet still = ask;
    still.ttl = 2;
    list.add("OneHopLeftPasses", {passes(World::web, w.from_web(still), w.to_cache(still))});
    Packet inward_last = inward;
    inward_last.ttl = 1;
    // Towards another host in the name of the destination, which is routed to us.
    const Packet told = w.icmp_error(w.web_ip(), inward_last, exceeded, 0);
    list.add("TtlRunsOutInbound", {drops(World::uplink, w.from_cache(inward_last), WEFT_DROP_ttl_exceeded,
                                         {w.encapsulated(frame(w.c_router, w.router_mac, told), w.c_vtep())})});
    const Packet lost = World::between(w.web_ip(), w.address(9, 9));
    list.add("NoRoute", {drops(World::web, w.from_web(lost), WEFT_DROP_no_route,
                               {to_web(w.icmp_error(w.gateway_ip(), lost, unreachable, 0))})});
    const Packet swallowed = World::between(w.web_ip(), w.address(3, 1));
    list.add("Blackhole", {drops(World::web, w.from_web(swallowed), WEFT_DROP_blackhole,
                                 {to_web(w.icmp_error(w.gateway_ip(), swallowed, unreachable, 0))})});

    Packet large = ask;
    large.payload = pattern(World::mtu - (v4 ? 28 : 48) + 1);
    list.add("OneByteTooBig",
             {drops(World::web, w.from_web(large), WEFT_DROP_packet_too_big,
                    {to_web(w.icmp_error(w.gateway_ip(), large, too_big, too_big_code, World::mtu))})});
    Packet bulk = ask;
    bulk.l4 = L4::tcp;
    bulk.tcp_flags = 0x10;
    bulk.payload = pattern(4001);
    const auto fits = static_cast<std::uint16_t>(World::mtu - (v4 ? 40 : 60));
    list.add("SegmentsThatFit", {in_segments(fits, passes(World::web, w.from_web(bulk), w.to_cache(bulk)))});
    const auto too_long = static_cast<std::uint16_t>(fits + 1);
    Step refused_bulk = in_segments(too_long, drops(World::web, w.from_web(bulk), WEFT_DROP_packet_too_big));
    // The excerpt holds what arrived: a checksum that was still open.
    Packet quoted = bulk;
    quoted.checksum_open = true;
    refused_bulk.sent = {to_web(w.icmp_error(w.gateway_ip(), quoted, too_big, too_big_code, World::mtu))};
    list.add("SegmentsOneByteTooBig", {refused_bulk});
    Packet one_segment = bulk;
    one_segment.payload = pattern(fits);
    list.add("OneSegmentThatFits",
             {in_segments(too_long, passes(World::web, w.from_web(one_segment), w.to_cache(one_segment)))});
    if (v4) {
        bulk.dont_fragment = false; // what nobody has cut yet is cut finer
        Step finer = in_segments(too_long, passes(World::web, w.from_web(bulk), w.to_cache(bulk)));
        finer.sent[0].segment = fits;
        list.add("SegmentsShrinkWithoutDf", {finer});
    }

    // Errors about our packets, from whoever is routed.
    const Packet about = World::one_hop_on(ask);
    const Packet from_cache = w.icmp_error(w.cache_ip(), about, unreachable, v4 ? 3 : 4);
    const auto opened = passes(World::web, w.from_web(ask), w.to_cache(ask));
    list.add("ErrorAboutASessionPasses",
             {opened, passes(World::uplink, w.from_cache(from_cache), w.at_web(from_cache))});
    Packet router = w.icmp_error(w.other_ip(), about, exceeded, 0);
    list.add("ErrorFromARouterOnTheWayPasses",
             {opened, passes(World::uplink, w.from_other(router), w.at_web(router))});
    list.add("ErrorAboutNothing", {drops(World::uplink, w.from_cache(from_cache), WEFT_DROP_icmp_error_unrelated)});
    Packet foreign = from_cache;
    foreign.destination = w.db_ip();
    list.add("ErrorToAnotherThanTheSender",
             {opened, drops(World::uplink, w.from_cache(foreign), WEFT_DROP_icmp_error_unrelated)});
    list.add("ErrorFromNobody",
             {opened, after(w.route(w.cache_ip(), World::to_c, 0),
                            drops(World::uplink, w.from_cache(from_cache), WEFT_DROP_endpoint_not_ready))});
    Packet excerpt = from_cache;
    excerpt.payload.resize(v4 ? 28 : 48); // header and eight bytes: all that RFC 792 promises
    list.add("ErrorWithShortExcerptPasses",
             {opened, passes(World::uplink, w.from_cache(excerpt), w.at_web(excerpt))});
    excerpt.payload.resize(v4 ? 19 : 39);
    list.add("ErrorWithTornExcerpt", {opened, drops(World::uplink, w.from_cache(excerpt),
                                                    v4 ? WEFT_DROP_malformed_ipv4 : WEFT_DROP_malformed_ipv6)});
    // Ethernet's padding is no part of it.
    const Bytes padded = frame(w.router_mac, w.c_router, excerpt) + zeros(9);
    list.add("ErrorWithTornExcerptAndPadding",
             {opened, drops(World::uplink, w.tunnelled(w.c_vtep(), padded),
                            v4 ? WEFT_DROP_malformed_ipv4 : WEFT_DROP_malformed_ipv6)});
    list.add("ErrorFromTheWrongVtep", {opened, drops(World::uplink, w.from_other(from_cache), WEFT_DROP_wrong_vtep)});
    const Packet refused = w.icmp_error(w.web_ip(), World::one_hop_on(inward), unreachable, v4 ? 3 : 4);
    list.add("ContainersErrorPasses", {passes(World::uplink, w.from_cache(inward), w.at_web(inward)),
                                       passes(World::web, w.from_web(refused), w.to_cache(refused))});
    list.add("ContainersErrorAboutNothing", {drops(World::web, w.from_web(refused), WEFT_DROP_icmp_error_unrelated)});
    const Packet meddling = w.icmp_error(w.db_ip(), about, unreachable, v4 ? 3 : 4);
    list.add("ContainersErrorAboutAnothersSession",
             {opened, drops(World::db, w.from_db(meddling), WEFT_DROP_icmp_error_unrelated)});
    Packet dying = from_cache;
    dying.ttl = 1;
    list.add("NoErrorAboutAnError", {opened, drops(World::uplink, w.from_cache(dying), WEFT_DROP_ttl_exceeded)});
}

} // namespace weft::cases
