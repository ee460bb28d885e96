// SPDX-License-Identifier: BSD-3-Clause
// Quotas: what one container may have of the session table, and that it keeps nobody else from opening sessions.
// Nothing is swept within a case: a session that is over counts until something takes its place.
#include <algorithm>
#include <iterator>

#include "tests/pipeline/case_list.hpp"

namespace weft::cases {

namespace {

constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t rst = 0x04;
constexpr std::uint8_t ack = 0x10;
constexpr std::uint16_t half_open_least = 16;

Packet with_flags(Packet packet, unsigned flags) {
    packet.l4 = L4::tcp;
    packet.tcp_flags = static_cast<std::uint8_t>(flags);
    return packet;
}

/// Another connection between the same two.
Packet number(std::uint16_t flow, Packet packet) {
    (packet.destination_port == 8080 ? packet.source_port : packet.destination_port) =
        static_cast<std::uint16_t>(40000 + flow);
    return packet;
}

/// What web and cache say to each other, as steps.
class Talk {
  public:
    explicit Talk(const World& world) : world_(world) {}

    [[nodiscard]] fastpath::TableUpdate quota(std::uint32_t sessions) const {
        fastpath::TableUpdate update;
        *update.mutable_host() = world_.tables().host();
        update.mutable_host()->set_session_quota(sessions);
        return update;
    }

    [[nodiscard]] Step out(const Packet& packet) const {
        return passes(World::web, world_.from_web(packet), world_.to_cache(packet));
    }

    [[nodiscard]] Step in(const Packet& packet) const {
        return passes(World::uplink, world_.from_cache(packet), world_.at_web(packet));
    }

    [[nodiscard]] Step not_out(const Packet& packet, weft_drop_reason reason = WEFT_DROP_session_quota) const {
        return drops(World::web, world_.from_web(packet), reason);
    }

    [[nodiscard]] Step not_in(const Packet& packet, weft_drop_reason reason = WEFT_DROP_session_quota) const {
        return drops(World::uplink, world_.from_cache(packet), reason);
    }

    /// The first step's tables have this quota.
    [[nodiscard]] std::vector<Step> with_quota(std::uint32_t sessions, std::vector<Step> steps) const {
        steps.front().tables = quota(sessions);
        return steps;
    }

    /// `count` steps, then these.
    template <class Make>
    static std::vector<Step> many(std::uint16_t count, Make make, std::vector<Step> then) {
        std::vector<Step> steps;
        for (std::uint16_t flow = 0; flow < count; ++flow)
            steps.push_back(make(flow));
        std::ranges::move(then, std::back_inserter(steps));
        return steps;
    }

  private:
    const World& world_;
};

void add_account_cases(CaseList& list) {
    const World& w = list.world();
    const Talk talk(w);
    const Packet ask = World::between(w.web_ip(), w.cache_ip());
    const Packet reply = World::answer(ask);
    // The same, opened by cache.
    const Packet visit = World::between(w.cache_ip(), w.web_ip());
    const auto asks = [&](std::uint16_t flow) { return talk.out(number(flow, ask)); };
    const auto visits = [&](std::uint16_t flow) { return talk.in(number(flow, visit)); };
    const Packet from_db = World::between(w.db_ip(), w.cache_ip());
    const Packet to_db = World::between(w.cache_ip(), w.db_ip());

    list.add("ContainerAtItsQuotaIsRefusedAndOthersGoOn",
             talk.with_quota(4, Talk::many(4, asks,
                                           {talk.not_out(number(4, ask)), talk.in(reply), asks(3),
                                            passes(World::db, w.from_db(from_db), w.to_cache(from_db)),
                                            talk.not_out(number(5, ask))})));
    list.add("VisitorsDoNotKeepAContainerFromOpening",
             talk.with_quota(4, Talk::many(4, visits,
                                           {talk.not_in(number(4, visit)), talk.out(World::answer(visit)), asks(0),
                                            passes(World::uplink, w.from_cache(to_db), w.at_db(to_db))})));
    list.add("ContainerAtItsQuotaIsVisited",
             talk.with_quota(2, Talk::many(2, asks, {talk.not_out(number(2, ask)), visits(10), visits(11)})));
    list.add("TheTablesPartIsTheQuota", Talk::many(16, asks, {talk.not_out(number(16, ask)), visits(20)}), 64);
    list.add("QuotaThatChangesHoldsAtOnce",
             {asks(0), after(talk.quota(1), talk.not_out(number(1, ask))), after(talk.quota(2), asks(1))});

    // Between two containers of a host only who opens is charged.
    const Packet near = World::between(w.web_ip(), w.db_ip());
    const Packet from_near = World::between(w.db_ip(), w.web_ip());
    list.add("NeighboursSessionIsItsOpeners",
             talk.with_quota(1, {passes(World::web, w.from_web(near), w.at_db(near)), talk.not_out(ask),
                                 passes(World::uplink, w.from_cache(to_db), w.at_db(to_db)),
                                 passes(World::db, w.from_db(number(1, from_near)), w.at_web(number(1, from_near))),
                                 drops(World::db, w.from_db(from_db), WEFT_DROP_session_quota)}));

    Packet ping = ask;
    ping.l4 = L4::icmp;
    ping.icmp_type = w.inner == 4 ? 8 : 128;
    ping.icmp_rest = 0x00070001;
    Packet other_ping = ping;
    other_ping.icmp_rest = 0x00080001;
    list.add("EchoesCount", talk.with_quota(1, {talk.out(ping), talk.not_out(other_ping), talk.out(ping)}));
    Packet sctp = ask;
    sctp.l4 = L4::other;
    sctp.other_protocol = 132;
    Packet other_sctp = sctp;
    other_sctp.payload[1] ^= 1;
    list.add("SctpCounts", talk.with_quota(1, {talk.out(sctp), talk.not_out(other_sctp), talk.out(sctp)}));
    Packet sctp_answer = World::answer(sctp);
    std::swap_ranges(sctp_answer.payload.begin(), sctp_answer.payload.begin() + 2, sctp_answer.payload.begin() + 2);
    const auto closed = World::policy(fastpath::DIRECTION_INGRESS, World::id_web, 0, fastpath::VERDICT_DENY);
    list.add("UnansweredSctpIsShort",
             {after(closed, talk.out(sctp)), at_second(1032, talk.not_in(sctp_answer, WEFT_DROP_ingress_policy))});
    list.add("AnsweredSctpIsPatient",
             {after(closed, talk.out(sctp)), talk.in(sctp_answer), at_second(1500, talk.in(sctp_answer))});

    list.add("SessionThatIsOverMakesWayForItself",
             talk.with_quota(
                 1, {talk.out(ask), at_second(1040, talk.out(ask)), at_second(1040, talk.not_out(number(1, ask)))}));

    // A packet in fragments has a session and a train.
    Packet first = ask;
    first.payload = pattern(600);
    const Bytes body = first.upper_layer();
    first.is_fragment = true;
    first.more_fragments = true;
    first.dont_fragment = false;
    Packet last = first;
    first.raw = {body.begin(), body.begin() + 512};
    last.raw = {body.begin() + 512, body.end()};
    last.fragment_offset = 512;
    last.more_fragments = false;
    list.add("FragmentsTrainCounts",
             talk.with_quota(2, {talk.out(first), talk.out(last), talk.not_out(number(1, ask))}));
    list.add("NoRoomForATrain",
             talk.with_quota(1, {talk.out(first), talk.not_out(last, WEFT_DROP_fragment_without_first)}));
}

void add_half_open_cases(CaseList& list) {
    const World& w = list.world();
    const Talk talk(w);
    const Packet ask = World::between(w.web_ip(), w.cache_ip());
    const Packet reply = World::answer(ask);
    const auto closed = World::policy(fastpath::DIRECTION_INGRESS, World::id_web, 0, fastpath::VERDICT_DENY);
    const auto syns = [&](std::uint16_t flow) { return talk.out(with_flags(number(flow, ask), syn)); };
    const auto answered = [&](std::uint16_t flow) { return talk.in(with_flags(number(flow, reply), syn | ack)); };
    const auto goes_on = [&](std::uint16_t flow) { return talk.out(with_flags(number(flow, ask), ack)); };
    const auto too_many = [&](std::uint16_t flow) {
        return talk.not_out(with_flags(number(flow, ask), syn), WEFT_DROP_half_open_quota);
    };
    const auto refused = [&](unsigned flags) {
        return talk.not_in(with_flags(reply, flags), WEFT_DROP_ingress_policy);
    };

    list.add("AnsweredSynStaysHalfOpen", {after(closed, syns(0)), answered(0), at_second(1032, refused(ack))});
    list.add("HandshakeMakesAConnection",
             {after(closed, syns(0)), answered(0), goes_on(0), at_second(8100, talk.in(with_flags(reply, ack)))});
    list.add("SynAgainIsNoHandshake",
             {after(closed, syns(0)), answered(0), syns(0), answered(0), at_second(1032, refused(ack))});
    list.add("SynAgainKeepsItWaiting", {after(closed, syns(0)), at_second(1020, syns(0)),
                                        at_second(1045, answered(0)), at_second(1046, goes_on(0))});

    constexpr std::uint32_t quota = 100; // of which the least number may be half-open
    const auto flood = [&](std::vector<Step> then) {
        return talk.with_quota(quota, Talk::many(half_open_least, syns, std::move(then)));
    };
    list.add("HalfOpenQuotaLeavesTheRestAlone",
             flood({answered(0), goes_on(0), syns(100), too_many(101), goes_on(0), talk.in(with_flags(reply, ack)),
                    syns(3), talk.out(number(102, ask))}));
    list.add("AnswersAloneMakeNoRoom", flood({answered(0), answered(1), too_many(100)}));
    list.add("HandshakeMakesRoomForOne", flood({answered(3), goes_on(3), syns(100), too_many(101)}));
    list.add("ResetMakesRoomForOne",
             flood({talk.in(with_flags(number(3, reply), rst | ack)), syns(100), too_many(101)}));
    list.add("FloodOfItsOwnLeavesVisitorsAlone",
             flood({talk.in(with_flags(World::between(w.cache_ip(), w.web_ip()), syn))}));

    // What begins anew on an old key takes its place in the books too.
    const auto reset = [&](std::uint16_t flow) { return talk.in(with_flags(number(flow, reply), rst | ack)); };
    list.add("BeginsAnewAtTheQuota",
             talk.with_quota(2, {syns(0), reset(0), syns(1), talk.not_out(with_flags(number(2, ask), syn)), syns(0),
                                 talk.not_out(with_flags(number(2, ask), syn))}));
    list.add("BeginsAnewAtTheHalfOpenQuota", flood({reset(0), syns(0), too_many(100)}));
    list.add("BeginsAnewFromTheOtherEndIsTheVisitors",
             talk.with_quota(
                 1, {syns(0), talk.not_out(with_flags(number(1, ask), syn)), talk.in(with_flags(reply, syn)), syns(1),
                     talk.not_in(with_flags(number(2, reply), syn)), talk.not_out(with_flags(number(2, ask), syn))}));
}

} // namespace

void add_quota_cases(CaseList& list) {
    add_account_cases(list);
    add_half_open_cases(list);
}

} // namespace weft::cases
