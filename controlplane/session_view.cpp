// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/session_view.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controlplane/protocol_names.hpp"

namespace weft::agent {

namespace {

struct StateName {
    fastpath::SessionState state;
    const char* name;
};

constexpr StateName states[] = {{fastpath::SESSION_STATE_NEW, "new"},
                                {fastpath::SESSION_STATE_ESTABLISHED, "established"},
                                {fastpath::SESSION_STATE_CLOSING, "closing"},
                                {fastpath::SESSION_STATE_CLOSED, "closed"}};

} // namespace

Result<fastpath::SessionFilter> resolve_sessions(const v1::SessionFilter& filter,
                                                 std::span<const NetworkSettings> networks,
                                                 const std::map<std::string, v1::Endpoint>& endpoints) {
    auto flow = resolve_flow(flow_words(filter), networks, endpoints);
    if (!flow) return std::unexpected(std::move(flow).error());
    for (auto& end : flow->ends)
        end.clear_port(); // sessions are of addresses
    fastpath::SessionFilter resolved;
    set_flow(resolved, *flow);
    if (!filter.state().empty()) {
        const auto* const found = std::ranges::find(states, filter.state(), &StateName::name);
        if (found == std::end(states))
            return fail(ErrorCode::invalid,
                        fmt::format("state {}: want new, established, closing or closed", filter.state()));
        resolved.set_state(found->state);
    }
    return resolved;
}

v1::Session to_api(const fastpath::Session& session, const HostNames& names) {
    v1::Session made;
    made.set_network(names.network(session.vni()));
    made.set_vni(session.vni());
    made.set_protocol(session.protocol() == WEFT_PROTO_FRAGMENT ? "fragments" : protocol_text(session.protocol()));
    made.set_initiator(address_text(session.initiator()));
    made.set_responder(address_text(session.responder()));
    made.set_initiator_port(session.initiator_port());
    made.set_responder_port(session.responder_port());
    made.set_initiator_endpoint(names.endpoint(session.vni(), made.initiator()));
    made.set_responder_endpoint(names.endpoint(session.vni(), made.responder()));
    const auto* const state = std::ranges::find(states, session.state(), &StateName::state);
    if (state != std::end(states)) made.set_state(state->name);
    made.set_idle_s(session.idle_s());
    made.set_timeout_s(session.timeout_s());
    if (session.rule() != 0) made.set_rule(names.rule(session.rule()));
    made.set_endpoint(names.port(session.port()));
    return made;
}

v1::EndpointSessions to_api(const fastpath::EndpointSessions& sessions, const HostNames& names) {
    v1::EndpointSessions made;
    made.set_endpoint(names.port(sessions.port()));
    made.set_opened(sessions.opened());
    made.set_opened_unanswered(sessions.opened_unanswered());
    made.set_accepted(sessions.accepted());
    made.set_accepted_unanswered(sessions.accepted_unanswered());
    return made;
}

} // namespace weft::agent
