// SPDX-License-Identifier: BSD-3-Clause
// What comes from the underlay: outer headers, VXLAN, who may speak for whom, delivery.
#include "tests/pipeline/case_list.hpp"

namespace weft::cases {

void add_underlay_cases(CaseList& list) {
    const World& w = list.world();
    const bool v4 = w.outer == 4;
    const std::size_t l3 = 14;
    const std::size_t udp = l3 + (v4 ? 20 : 40);
    const std::size_t vxlan_header = udp + 8;
    const Packet inward = World::between(w.cache_ip(), w.web_ip());
    const Bytes good = w.from_cache(inward);
    const auto damage = [&](const char* name, const Bytes& frame, weft_drop_reason reason) {
        list.add(name, {drops(World::uplink, frame, reason)});
    };
    const auto summed = [&](Bytes bytes) {
        if (!v4) return bytes;
        put16(bytes, l3 + 10, 0);
        put16(bytes, l3 + 10, internet_checksum({bytes.begin() + 14, bytes.begin() + 34}));
        return bytes;
    };
    const auto changed = [](Bytes bytes, std::size_t at, std::uint8_t value) {
        bytes.at(at) = value;
        return bytes;
    };
    const auto cut = [](Bytes bytes, std::size_t size) {
        bytes.resize(size);
        return bytes;
    };

    list.add("TunnelledIsDelivered", {passes(World::uplink, good, w.at_web(inward))});
    Packet from_prefix = World::between(w.other_ip(), w.web_ip());
    list.add("TunnelledFromPrefixIsDelivered",
             {passes(World::uplink, w.from_other(from_prefix), w.at_web(from_prefix))});
    list.add("UnderlayPaddingIsLeft", {passes(World::uplink, good + zeros(11), w.at_web(inward))});
    list.add("ReservedVxlanBitsAreIgnored",
             {passes(World::uplink,
                     changed(changed(changed(good, vxlan_header, 0x88), vxlan_header + 1, 0xff), vxlan_header + 7, 1),
                     w.at_web(inward))});
    // A checksum that is there must be right.
    Bytes inner_udp(good.begin() + static_cast<std::ptrdiff_t>(udp), good.end());
    const Bytes pseudo = w.c_vtep() + w.our_vtep() + be32(static_cast<std::uint32_t>(inner_udp.size())) + be32(17);
    Bytes with_checksum = good;
    put16(with_checksum, udp + 6, internet_checksum(pseudo + inner_udp));
    list.add("OuterUdpChecksumRight", {passes(World::uplink, with_checksum, w.at_web(inward))});
    damage("OuterUdpChecksumWrong",
           changed(with_checksum, with_checksum.size() - 1, static_cast<std::uint8_t>(with_checksum.back() ^ 1)),
           WEFT_DROP_bad_outer_checksum);

    damage("OuterEthernetCutShort", cut(good, 13), WEFT_DROP_malformed_ethernet);
    damage("OuterIpCutShort", cut(good, udp - 1), WEFT_DROP_malformed_outer);
    damage("OuterIpLongerThanTheFrame", cut(good, good.size() - 1), WEFT_DROP_malformed_outer);
    Bytes long_udp = good;
    put16(long_udp, udp + 4, 2000);
    damage("OuterUdpLongerThanThePacket", long_udp, WEFT_DROP_malformed_outer);
    damage("NeitherIpv4NorIpv6", changed(good, 12, 0x99), WEFT_DROP_not_vxlan);
    damage("OtherUdpPort", changed(good, udp + 3, 0xb6), WEFT_DROP_not_vxlan);
    damage("NotUdp", summed(changed(good, v4 ? l3 + 9 : l3 + 6, 6)), WEFT_DROP_not_vxlan);
    damage("ForAnotherVtep", summed(changed(good, udp - 1, 99)), WEFT_DROP_not_vxlan);
    if (v4) {
        damage("OuterHeaderChecksumWrong", changed(good, l3 + 10, static_cast<std::uint8_t>(good[l3 + 10] ^ 1)),
               WEFT_DROP_bad_outer_checksum);
        damage("OuterFragment", summed(changed(good, l3 + 6, 0x20)), WEFT_DROP_fragmented_outer);
    } else {
        damage("OuterFragment", changed(good, l3 + 6, 44), WEFT_DROP_fragmented_outer);
    }
    // All lengths agree, but the VXLAN header is not all there.
    Bytes short_vxlan = cut(good, vxlan_header + 7);
    put16(short_vxlan, v4 ? l3 + 2 : l3 + 4, v4 ? 35 : 15);
    put16(short_vxlan, udp + 4, 15);
    damage("VxlanCutShort", summed(short_vxlan), WEFT_DROP_malformed_vxlan);
    put16(short_vxlan, udp + 2, 53);
    damage("ShortPacketToAnotherPort", summed(short_vxlan), WEFT_DROP_not_vxlan);
    Bytes no_udp = good;
    put16(no_udp, udp + 4, 7);
    damage("OuterUdpLengthTooSmall", no_udp, WEFT_DROP_malformed_outer);
    if (!v4)
        damage("OuterSourceMapsIpv4",
               w.tunnelled(zeros(10) + Bytes{0xff, 0xff, 192, 0, 2, 3}, frame(w.router_mac, w.c_router, inward)),
               WEFT_DROP_malformed_outer);
    damage("VxlanNamesNoNetwork", changed(good, vxlan_header, 0), WEFT_DROP_malformed_vxlan);
    damage("UnknownVni", changed(good, vxlan_header + 6, 0xff), WEFT_DROP_unknown_vni);
    damage("UnknownVtep", w.tunnelled(w.vtep(77), frame(w.router_mac, w.c_router, inward)), WEFT_DROP_unknown_vtep);
    damage("ForAnotherRoutersMac", w.tunnelled(w.c_vtep(), frame(w.d_router, w.c_router, inward)),
           WEFT_DROP_wrong_router_mac);

    damage("SpeaksForAnothersContainer", w.from_other(inward), WEFT_DROP_wrong_vtep);
    damage("SpeaksForOurContainer", w.from_cache(World::between(w.db_ip(), w.web_ip())), WEFT_DROP_wrong_vtep);
    damage("SourceWithoutRoute", w.from_cache(World::between(w.address(9, 9), w.web_ip())), WEFT_DROP_wrong_vtep);
    damage("Transit", w.from_cache(World::between(w.cache_ip(), w.other_ip())), WEFT_DROP_not_local);
    damage("DestinationWithoutRoute", w.from_cache(World::between(w.cache_ip(), w.address(9, 9))),
           WEFT_DROP_not_local);
    const Bytes group = w.inner == 4 ? Bytes{224, 0, 0, 251} : Bytes{0xff, 2} + zeros(13) + Bytes{0xfb};
    damage("TunnelledMulticast", w.from_cache(World::between(w.cache_ip(), group)), WEFT_DROP_multicast);
    damage("TunnelledInvalidSource", w.from_cache(World::between(zeros(w.web_ip().size()), w.web_ip())),
           WEFT_DROP_invalid_source);
    list.add("TunnelledToPortWithoutEndpoint",
             {drops(World::uplink, w.from_cache(World::between(w.cache_ip(), w.address(5, 1))),
                    WEFT_DROP_endpoint_not_ready)});
    // A session does not let another VTEP in, but follows its container to a new host.
    list.add("SessionDoesNotExcuseWrongVtep", {passes(World::uplink, good, w.at_web(inward)),
                                               drops(World::uplink, w.from_other(inward), WEFT_DROP_wrong_vtep)});
    list.add("SessionFollowsItsContainer",
             {passes(World::uplink, good, w.at_web(inward)),
              after(w.route(w.cache_ip(), World::to_d, World::id_cache),
                    passes(World::uplink, w.from_other(inward), w.at_web(inward))),
              drops(World::uplink, good, WEFT_DROP_wrong_vtep),
              passes(World::web, w.from_web(World::answer(inward)), w.to_other(World::answer(inward)))});
}

} // namespace weft::cases
