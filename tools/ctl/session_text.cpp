// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/session_text.hpp"

#include <algorithm>
#include <compare>

#include <fmt/format.h>

#include "routing/net/address.hpp"
#include "tools/ctl/gauges.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

struct SessionKey {
    net::Address initiator;
    net::Address responder;
    std::string protocol;
    std::uint32_t responder_port;
    std::uint32_t initiator_port;

    explicit SessionKey(const v1::Session& session) :
        initiator(net::Address::parse(session.initiator()).value_or(net::Address())),
        responder(net::Address::parse(session.responder()).value_or(net::Address())),
        protocol(session.protocol()),
        responder_port(session.responder_port()),
        initiator_port(session.initiator_port()) {}

    friend auto operator<=>(const SessionKey&, const SessionKey&) = default;
};

bool has_ports(const v1::Session& session) {
    return session.protocol() == "tcp" || session.protocol() == "udp" || session.protocol() == "sctp";
}

/// "10.244.0.2:80 (web-1)"
std::string end_text(const v1::Session& session, const std::string& address, std::uint32_t port,
                     const std::string& endpoint) {
    std::string text = !has_ports(session)
                           ? address
                           : fmt::format(fmt::runtime(address.contains(':') ? "[{}]:{}" : "{}:{}"), address, port);
    return endpoint.empty() ? text : fmt::format("{} ({})", text, endpoint);
}

/// Pings between the same ends are told apart by their identifier.
std::string protocol_of(const v1::Session& session) {
    const bool echo = session.protocol() == "icmp" || session.protocol() == "icmpv6";
    return echo ? fmt::format("{} id {}", session.protocol(), session.initiator_port()) : session.protocol();
}

Cell state_of(const v1::Session& session) {
    const bool ends = session.state() == "closing" || session.state() == "closed";
    return {session.state(), session.state() == "established" ? Tone::good : ends ? Tone::dim : Tone::plain};
}

/// How near an endpoint is to that of its quotas which it will meet first.
Cell fullness_of(const v1::EndpointSessions& endpoint, const v1::CountSessionsReply& counts) {
    const std::uint64_t all = std::max(endpoint.opened(), endpoint.accepted());
    const std::uint64_t unanswered = std::max(endpoint.opened_unanswered(), endpoint.accepted_unanswered());
    const bool unanswered_first = unanswered * counts.quota() > all * counts.unanswered_quota();
    return unanswered_first ? fullness(unanswered, counts.unanswered_quota()) : fullness(all, counts.quota());
}

} // namespace

void sort_sessions(std::vector<v1::Session>& sessions) {
    // Keys are made once each: there may be hundreds of thousands.
    std::vector<std::pair<SessionKey, std::size_t>> keys;
    keys.reserve(sessions.size());
    for (std::size_t i = 0; i < sessions.size(); ++i)
        keys.emplace_back(SessionKey(sessions[i]), i);
    std::ranges::sort(keys, [&](const auto& a, const auto& b) {
        const std::string& network_a = sessions[a.second].network();
        const std::string& network_b = sessions[b.second].network();
        return network_a != network_b ? natural_less(network_a, network_b) : a < b;
    });
    std::vector<v1::Session> sorted;
    sorted.reserve(sessions.size());
    for (const auto& [key, index] : keys)
        sorted.push_back(std::move(sessions[index]));
    sessions.swap(sorted);
}

std::string sessions_table(const std::vector<v1::Session>& sessions, Style style) {
    Table table({{"NETWORK"},
                 {"STATE"},
                 {"PROTOCOL"},
                 {"INITIATOR"},
                 {"RESPONDER"},
                 {"IDLE", align_right},
                 {"ENDS IN", align_right},
                 {"RULE"}});
    for (const v1::Session& session : sessions)
        table.add({session.network(), state_of(session), protocol_of(session),
                   end_text(session, session.initiator(), session.initiator_port(), session.initiator_endpoint()),
                   end_text(session, session.responder(), session.responder_port(), session.responder_endpoint()),
                   duration(session.idle_s()),
                   duration(session.timeout_s() > session.idle_s() ? session.timeout_s() - session.idle_s() : 0),
                   session.rule()});
    return table.render(style);
}

std::string session_counts(const v1::CountSessionsReply& counts, Style style) {
    Details details;
    details.add("matched", Cell(counts.matched()));
    details.add("used", Cell(counts.used()));
    details.add("capacity", Cell(counts.capacity()));
    details.add("full", fullness(counts.used(), counts.capacity()));
    if (counts.quota() != 0)
        details.add("quota",
                    fmt::format("{} opened by, and {} accepted by each endpoint", counts.quota(), counts.quota()));
    if (counts.unanswered_quota() != 0)
        details.add("unanswered", fmt::format("{} of these at most", counts.unanswered_quota()));
    std::string text = details.render(style);
    Table endpoints({{"ENDPOINT"},
                     {"OPENED", align_right},
                     {"UNANSWERED", align_right},
                     {"ACCEPTED", align_right},
                     {"UNANSWERED", align_right},
                     {"FULL", align_right, true}});
    for (const v1::EndpointSessions& endpoint : counts.endpoints())
        endpoints.add({endpoint.endpoint(), endpoint.opened(), endpoint.opened_unanswered(), endpoint.accepted(),
                       endpoint.accepted_unanswered(), fullness_of(endpoint, counts)});
    return endpoints.empty() ? text : text + "\n" + endpoints.render(style);
}

} // namespace weft::ctl
