// SPDX-License-Identifier: BSD-3-Clause
// Damage: everything that ends early, lies about its length or is summed wrongly, from both sides.
#include "tests/pipeline/case_list.hpp"

namespace weft::cases {

namespace {

constexpr std::size_t l3 = 14;

Bytes changed(Bytes bytes, std::size_t at, std::uint8_t value) {
    bytes.at(at) = value;
    return bytes;
}

Bytes cut(Bytes bytes, std::size_t size) {
    bytes.resize(size);
    return bytes;
}

} // namespace

void add_parse_cases(CaseList& list) {
    const World& w = list.world();
    const bool v4 = w.inner == 4;
    const std::size_t l4 = l3 + (v4 ? 20 : 40);
    const weft_drop_reason malformed_ip = v4 ? WEFT_DROP_malformed_ipv4 : WEFT_DROP_malformed_ipv6;
    const Packet udp = World::between(w.web_ip(), w.db_ip());
    Packet tcp = udp;
    tcp.l4 = L4::tcp;
    Packet ping = udp;
    ping.l4 = L4::icmp;
    ping.icmp_type = v4 ? 8 : 128;
    const Bytes good = w.from_web(udp);
    const auto damage = [&](const char* name, const Bytes& frame, weft_drop_reason reason) {
        list.add(name, {drops(World::web, frame, reason)});
    };
    // Of an IPv4 header that was changed, the checksum is made right again.
    const auto summed = [&](Bytes bytes) {
        if (!v4) return bytes;
        put16(bytes, l3 + 10, 0);
        put16(bytes, l3 + 10, internet_checksum({bytes.begin() + l3, bytes.begin() + l3 + 20}));
        return bytes;
    };

    damage("EthernetCutShort", cut(good, 13), WEFT_DROP_malformed_ethernet);
    damage("UnknownEthertype", changed(good, 12, 0x99), WEFT_DROP_unknown_ethertype);
    damage("IpHeaderCutShort", cut(good, l4 - 1), malformed_ip);
    damage("IpOfOtherVersion", changed(good, l3, v4 ? 0x65 : 0x40), malformed_ip);
    damage("IpLongerThanTheFrame", cut(good, good.size() - 1), malformed_ip);
    if (v4) {
        damage("HeaderLengthTooSmall", summed(changed(good, l3, 0x44)), malformed_ip);
        damage("TotalLengthBelowHeader", summed(changed(good, l3 + 3, 19)), malformed_ip);
        damage("BadHeaderChecksum", changed(good, l3 + 10, static_cast<std::uint8_t>(good[l3 + 10] ^ 1)),
               WEFT_DROP_bad_ipv4_checksum);
        damage("FragmentHeaderIsNoIpv4Protocol", summed(changed(good, l3 + 9, 44)), WEFT_DROP_malformed_extension);
        Packet optioned = udp;
        optioned.options = {148, 4, 0, 0};
        list.add("OptionsPass", {passes(World::web, w.from_web(optioned), w.at_db(optioned))});
        damage("OptionsCutShort", cut(w.from_web(optioned), l4 + 3), malformed_ip);
    } else {
        Packet mapped = udp;
        const Bytes v4_prefix = zeros(10) + Bytes{0xff, 0xff};
        mapped.source = v4_prefix + Bytes{10, 0, 0, 1};
        damage("Ipv4MappedSource", w.from_web(mapped), malformed_ip);
        mapped = udp;
        mapped.destination = v4_prefix + Bytes{10, 0, 0, 2};
        damage("Ipv4MappedDestination", w.from_web(mapped), malformed_ip);
        Packet extended = udp;
        extended.first_header = 60;
        extended.extensions = Bytes{17, 0} + zeros(6);
        list.add("DestinationOptionsPass", {passes(World::web, w.from_web(extended), w.at_db(extended))});
        extended.first_header = 0;
        list.add("HopByHopFirstPasses", {passes(World::web, w.from_web(extended), w.at_db(extended))});
        extended.extensions = Bytes{0, 0} + zeros(6) + Bytes{17, 0} + zeros(6);
        extended.first_header = 60;
        damage("HopByHopElsewhere", w.from_web(extended), WEFT_DROP_malformed_extension);
        extended.extensions = Bytes{17, 200} + zeros(6);
        damage("ExtensionLongerThanThePacket", w.from_web(extended), WEFT_DROP_malformed_extension);
        extended.extensions = {};
        for (int i = 0; i < 9; ++i)
            extended.extensions =
                extended.extensions + Bytes{static_cast<std::uint8_t>(i == 8 ? 17 : 60), 0} + zeros(6);
        damage("OneExtensionTooMany", w.from_web(extended), WEFT_DROP_malformed_extension);
        extended.extensions = Bytes{17, 0} + zeros(6); // offset 0, nothing more: RFC 6946
        extended.first_header = 44;
        list.add("AtomicFragmentIsAWholePacket", {passes(World::web, w.from_web(extended), w.at_db(extended))});
    }
    Bytes short_udp = good;
    put16(short_udp, l4 + 4, 7);
    damage("UdpLengthTooSmall", short_udp, WEFT_DROP_malformed_transport);
    Bytes long_udp = good;
    put16(long_udp, l4 + 4, 2000);
    damage("UdpLongerThanThePacket", long_udp, WEFT_DROP_malformed_transport);
    Packet stub = udp;
    stub.l4 = L4::other;
    stub.other_protocol = 6;
    stub.payload = pattern(19);
    damage("TcpHeaderCutShort", w.from_web(stub), WEFT_DROP_malformed_transport);
    damage("TcpOffsetTooSmall", changed(w.from_web(tcp), l4 + 12, 0x40), WEFT_DROP_malformed_transport);
    Packet bare = tcp;
    bare.payload = {};
    damage("TcpOffsetBeyondThePacket", changed(w.from_web(bare), l4 + 12, 0xf0), WEFT_DROP_malformed_transport);
    stub.other_protocol = ping.protocol();
    stub.payload = pattern(7);
    damage("IcmpCutShort", w.from_web(stub), WEFT_DROP_malformed_transport);
    stub.other_protocol = 132;
    stub.payload = pattern(11);
    damage("SctpCutShort", w.from_web(stub), WEFT_DROP_malformed_transport);
    stub.payload = pattern(12);
    list.add("SctpPasses", {passes(World::web, w.from_web(stub), w.at_db(stub))});

    // The same inside a tunnel.
    const Packet inward = World::between(w.cache_ip(), w.web_ip());
    const Bytes inner = frame(w.router_mac, w.c_router, inward);
    const auto tunnelled = [&](const char* name, const Bytes& frame, weft_drop_reason reason) {
        list.add(name, {drops(World::uplink, w.tunnelled(w.c_vtep(), frame), reason)});
    };
    tunnelled("InnerEthernetCutShort", cut(inner, 13), WEFT_DROP_malformed_ethernet);
    tunnelled("InnerUnknownEthertype", changed(inner, 12, 0x99), WEFT_DROP_unknown_ethertype);
    tunnelled("InnerIpCutShort", cut(inner, l4 - 1), malformed_ip);
    tunnelled("InnerIpLongerThanTheFrame", cut(inner, inner.size() - 1), malformed_ip);
    if (v4)
        tunnelled("InnerBadHeaderChecksum", changed(inner, l3 + 11, static_cast<std::uint8_t>(inner[l3 + 11] ^ 4)),
                  WEFT_DROP_bad_ipv4_checksum);
    // The inner packet claims bytes that the frame has, but the UDP packet has not.
    list.add("InnerIpLongerThanTheUdpPacket",
             {drops(World::uplink, w.tunnelled(w.c_vtep(), cut(inner, inner.size() - 1)) + zeros(1), malformed_ip)});
    Bytes inner_udp = inner;
    put16(inner_udp, l4 + 4, 3);
    tunnelled("InnerUdpLengthTooSmall", inner_udp, WEFT_DROP_malformed_transport);
}

} // namespace weft::cases
