// SPDX-License-Identifier: BSD-3-Clause
// What an endpoint may send, and where it goes: addresses, gateway, local delivery, encapsulation.
#include "tests/pipeline/case_list.hpp"

namespace weft::cases {

namespace {

Bytes arp(std::uint32_t operation, const Bytes& sender_mac, const Bytes& sender, const Bytes& target_mac,
          const Bytes& target) {
    return be16(1) + be16(0x0800) + Bytes{6, 4} + be16(operation) + sender_mac + sender + target_mac + target;
}

void add_arp(CaseList& list) {
    const World& w = list.world();
    const Bytes all(6, 0xff);
    const Bytes ask = ethernet(all, w.web_mac, 0x0806) + arp(1, w.web_mac, w.web_ip(), zeros(6), w.gateway_ip());
    const Bytes reply =
        ethernet(w.web_mac, w.gateway_mac, 0x0806) + arp(2, w.gateway_mac, w.gateway_ip(), w.web_mac, w.web_ip());
    list.add("ArpForGatewayIsAnswered", {passes(World::web, ask, {World::web, reply})});
    list.add("ArpForOthersIsNot",
             {drops(World::web, ethernet(all, w.web_mac, 0x0806) + arp(1, w.web_mac, w.web_ip(), zeros(6), w.db_ip()),
                    WEFT_DROP_not_for_gateway)});
    list.add(
        "ArpWithForeignSender",
        {drops(World::web, ethernet(all, w.web_mac, 0x0806) + arp(1, w.web_mac, w.db_ip(), zeros(6), w.gateway_ip()),
               WEFT_DROP_spoofed_address)});
    list.add(
        "ArpWithForeignSenderMac",
        {drops(World::web, ethernet(all, w.web_mac, 0x0806) + arp(1, w.db_mac, w.web_ip(), zeros(6), w.gateway_ip()),
               WEFT_DROP_spoofed_mac)});
    Bytes cut = ask;
    cut.resize(41);
    list.add("ArpCutShort", {drops(World::web, cut, WEFT_DROP_malformed_arp)});
    Bytes token_ring = ask;
    token_ring[15] = 6;
    list.add("ArpOfOtherHardware", {drops(World::web, token_ring, WEFT_DROP_malformed_arp)});
}

Packet solicitation(const World& w, const Bytes& target) {
    Packet packet = World::between(w.web_ip(), Bytes{0xff, 2} + zeros(9) + Bytes{1, 0xff, 0, 0, 1});
    packet.l4 = L4::icmp;
    packet.icmp_type = 135;
    packet.ttl = 255;
    packet.payload = target + Bytes{1, 1} + w.web_mac;
    return packet;
}

void add_neighbour(CaseList& list) {
    const World& w = list.world();
    const Bytes group_mac{0x33, 0x33, 0xff, 0, 0, 1};
    const Packet ask = solicitation(w, w.gateway_ip());
    Packet reply = World::between(w.gateway_ip(), w.web_ip());
    reply.l4 = L4::icmp;
    reply.icmp_type = 136;
    reply.ttl = 255;
    reply.icmp_rest = 0xe0000000;
    reply.payload = w.gateway_ip() + Bytes{2, 1} + w.gateway_mac;
    list.add("SolicitationForGatewayIsAnswered", {passes(World::web, frame(group_mac, w.web_mac, ask),
                                                         {World::web, frame(w.web_mac, w.gateway_mac, reply)})});
    Packet bare = ask;
    bare.payload = w.gateway_ip(); // unicast probes carry no option
    list.add("SolicitationWithoutOptionIsAnswered", {passes(World::web, frame(w.gateway_mac, w.web_mac, bare),
                                                            {World::web, frame(w.web_mac, w.gateway_mac, reply)})});
    list.add("SolicitationForOthersIsNot",
             {drops(World::web, frame(group_mac, w.web_mac, solicitation(w, w.db_ip())), WEFT_DROP_not_for_gateway)});
    Packet far = ask;
    far.ttl = 254;
    list.add("SolicitationFromAfar", {drops(World::web, frame(group_mac, w.web_mac, far), WEFT_DROP_malformed_nd)});
    Packet cut = ask;
    cut.payload.resize(12);
    list.add("SolicitationCutShort", {drops(World::web, frame(group_mac, w.web_mac, cut), WEFT_DROP_malformed_nd)});
    Packet foreign = ask;
    foreign.source = w.db_ip();
    list.add("SolicitationFromForeignAddress",
             {drops(World::web, frame(group_mac, w.web_mac, foreign), WEFT_DROP_spoofed_address)});
    Packet probe = ask;
    probe.source = zeros(16);
    list.add("DuplicateAddressDetectionIsSilent",
             {drops(World::web, frame(group_mac, w.web_mac, probe), WEFT_DROP_not_for_gateway)});
    Bytes damaged = frame(group_mac, w.web_mac, ask);
    damaged.back() ^= 1;
    list.add("SolicitationWithBadChecksum", {drops(World::web, damaged, WEFT_DROP_malformed_nd)});
}

void add_gateway(CaseList& list) {
    const World& w = list.world();
    Packet ping = World::between(w.web_ip(), w.gateway_ip());
    ping.l4 = L4::icmp;
    ping.icmp_type = w.inner == 4 ? 8 : 128;
    ping.icmp_rest = 0x00070001;
    Packet pong = World::answer(ping);
    pong.icmp_type = w.inner == 4 ? 0 : 129;
    list.add("GatewayAnswersPing",
             {passes(World::web, w.from_web(ping), {World::web, frame(w.web_mac, w.gateway_mac, pong)})});
    list.add("GatewayHasNoServices",
             {drops(World::web, w.from_web(World::between(w.web_ip(), w.gateway_ip())), WEFT_DROP_no_route)});
}

} // namespace

void add_endpoint_cases(CaseList& list) {
    const World& w = list.world();
    if (w.inner == 4)
        add_arp(list);
    else
        add_neighbour(list);
    add_gateway(list);

    const Packet to_db = World::between(w.web_ip(), w.db_ip());
    const Packet to_cache = World::between(w.web_ip(), w.cache_ip());
    const Packet to_other = World::between(w.web_ip(), w.other_ip());
    list.add("LocalDelivery", {passes(World::web, w.from_web(to_db), w.at_db(to_db))});
    list.add("HostRouteIsEncapsulated", {passes(World::web, w.from_web(to_cache), w.to_cache(to_cache))});
    list.add("PrefixRouteIsEncapsulated", {passes(World::web, w.from_web(to_other), w.to_other(to_other))});
    Packet tcp = to_cache;
    tcp.l4 = L4::tcp;
    list.add("TcpIsEncapsulated", {passes(World::web, w.from_web(tcp), w.to_cache(tcp))});
    Packet exotic = to_cache;
    exotic.l4 = L4::other;
    list.add("OtherProtocolIsEncapsulated", {passes(World::web, w.from_web(exotic), w.to_cache(exotic))});
    Packet odd = to_cache;
    odd.payload = pattern(27);
    list.add("OddLength", {passes(World::web, w.from_web(odd), w.to_cache(odd))});
    list.add("EthernetPaddingStays", {passes(World::web, w.from_web(to_cache) + zeros(9), w.to_cache(to_cache))});
    Packet longest = to_cache;
    longest.payload = pattern(World::mtu - (w.inner == 4 ? 28 : 48));
    Step scattered = passes(World::web, w.from_web(longest), w.to_cache(longest));
    scattered.scattered = true;
    list.add("AsLongAsTheMtu", {passes(World::web, w.from_web(longest), w.to_cache(longest))});
    list.add("OverSeveralBuffers", {scattered});

    list.add("ForeignMac", {drops(World::web, frame(w.gateway_mac, w.db_mac, to_db), WEFT_DROP_spoofed_mac)});
    list.add("ForeignAddress",
             {drops(World::web, w.from_web(World::between(w.cache_ip(), w.db_ip())), WEFT_DROP_spoofed_address)});
    list.add("UnspecifiedSource", {drops(World::web, w.from_web(World::between(zeros(w.web_ip().size()), w.db_ip())),
                                         WEFT_DROP_invalid_source)});
    const Bytes loopback = w.inner == 4 ? Bytes{127, 0, 0, 1} : zeros(15) + Bytes{1};
    list.add("LoopbackSource",
             {drops(World::web, w.from_web(World::between(loopback, w.db_ip())), WEFT_DROP_invalid_source)});
    const Bytes group = w.inner == 4 ? Bytes{224, 0, 0, 251} : Bytes{0xff, 2} + zeros(13) + Bytes{0xfb};
    list.add("MulticastSource",
             {drops(World::web, w.from_web(World::between(group, w.db_ip())), WEFT_DROP_invalid_source)});
    list.add("MulticastDestination",
             {drops(World::web, w.from_web(World::between(w.web_ip(), group)), WEFT_DROP_multicast)});
    list.add("MulticastMac",
             {drops(World::web, frame({0x33, 0x33, 0, 0, 0, 1}, w.web_mac, to_db), WEFT_DROP_multicast)});
    list.add("OtherThanTheGatewaysMac",
             {drops(World::web, frame(w.db_mac, w.web_mac, to_db), WEFT_DROP_not_for_gateway)});
    Packet nested = to_cache;
    nested.destination_port = 4789;
    list.add("NestedVxlan", {drops(World::web, w.from_web(nested), WEFT_DROP_nested_vxlan)});
    list.add("PortWithoutEndpoint",
             {drops(World::without_endpoint, w.from_web(to_db), WEFT_DROP_endpoint_not_ready)});
    list.add("RouteToPortWithoutEndpoint", {drops(World::web, w.from_web(World::between(w.web_ip(), w.address(5, 1))),
                                                  WEFT_DROP_endpoint_not_ready)});
    list.add("UnresolvedVtep", {drops(World::web, w.from_web(World::between(w.web_ip(), w.address(4, 1))),
                                      WEFT_DROP_next_hop_unresolved)});
    fastpath::TableUpdate resolved;
    w.add_vtep(resolved, World::to_unresolved, w.vtep(5), w.d_router, w.next_nic);
    const Packet waiting = World::between(w.web_ip(), w.address(4, 1));
    list.add("ResolvedVtepAtOnce",
             {drops(World::web, w.from_web(waiting), WEFT_DROP_next_hop_unresolved),
              after(resolved,
                    passes(World::web, w.from_web(waiting),
                           w.encapsulated(frame(w.d_router, w.router_mac, World::one_hop_on(waiting)), w.vtep(5))))});

    // A checksum that the container left to us stays for the port to complete.
    Packet bulk = to_cache;
    bulk.l4 = L4::tcp;
    bulk.tcp_flags = 0x10;
    bulk.payload = pattern(4000);
    list.add("FrameToBeCutIsEncapsulatedWhole",
             {in_segments(1390, passes(World::web, w.from_web(bulk), w.to_cache(bulk)))});
    Packet across = to_db;
    across.l4 = L4::tcp;
    across.tcp_flags = 0x10;
    across.payload = pattern(4000);
    list.add("FrameToBeCutIsDeliveredWhole",
             {in_segments(1400, passes(World::web, w.from_web(across), w.at_db(across)))});
    Step partial = passes(World::web, w.from_web(to_cache), w.to_cache(to_cache));
    partial.offload.checksum = true;
    list.add("PartialChecksumStaysPartial", {partial});
    Packet many = bulk;
    const std::size_t headers = many.bytes().size() - many.payload.size();
    many.payload = pattern(745 * 2 - headers - 14); // two bytes a segment, headers counted
    list.add("AsManySegmentsAsThereMayBe", {in_segments(2, passes(World::web, w.from_web(many), w.to_cache(many)))});
    many.payload = pattern(many.payload.size() + 1);
    list.add("MoreSegmentsThanThereMayBe",
             {in_segments(2, drops(World::web, w.from_web(many), WEFT_DROP_unsupported_offload))});
    Step elsewhere = drops(World::web, w.from_web(bulk), WEFT_DROP_unsupported_offload);
    elsewhere.offload = {.segment = 1390, .checksum = true, .wrong_l3_by = 4};
    list.add("OffloadOfAnotherPlace", {elsewhere});
}

} // namespace weft::cases
