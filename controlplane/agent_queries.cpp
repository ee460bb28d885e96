// SPDX-License-Identifier: BSD-3-Clause
// What operators ask: status, endpoints, peers, routes, counters and explain. Nothing here changes anything.
#include <algorithm>
#include <ranges>

#include <fmt/format.h>

#include "controlplane/agent.hpp"
#include "controlplane/drop_reasons.hpp"
#include "controlplane/fast_path_wire.hpp"
#include "controlplane/protocol_names.hpp"
#include "controlplane/route_view.hpp"

namespace weft::agent {

namespace {

v1::Gauge to_api(const fastpath::Gauge& gauge) {
    v1::Gauge made;
    made.set_name(gauge.name());
    made.set_used(gauge.used());
    made.set_capacity(gauge.capacity());
    made.set_bytes(gauge.bytes());
    return made;
}

std::uint64_t seconds_since(std::chrono::steady_clock::time_point then) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - then).count());
}

v1::ExplainStep& add_step(v1::ExplainReply& reply, const std::string& stage, std::string detail) {
    auto& step = *reply.add_steps();
    step.set_stage(stage);
    step.set_detail(std::move(detail));
    return step;
}

} // namespace

// --- status
// -----------------------------------------------------------------------------------------------------------

void Agent::status(Done<v1::StatusReply> done) {
    v1::StatusReply reply;
    reply.set_version(WEFT_VERSION);
    reply.set_host_name(config_.host_name);
    reply.set_router_id(uplink_.router_id.to_string());
    reply.set_as_number(config_.as_number);
    if (uplink_.exists()) reply.add_vteps(uplink_.vtep.to_string());
    reply.set_router_mac(uplink_.router_mac.to_string());
    reply.set_uplink(uplink_.interface);
    reply.set_uplink_mtu(uplink_.exists() ? uplink_.mtu : 0);
    reply.set_endpoint_mtu(uplink_.endpoint_mtu);
    reply.set_uptime_s(seconds_since(started_));
    for (const auto& settings : config_.networks) {
        auto& each = *reply.add_networks();
        each.set_name(settings.name);
        each.set_vni(settings.vni.value());
        for (const auto& block : settings.blocks)
            each.add_blocks(block.to_string());
        for (const auto& target : settings.targets) {
            each.add_import_targets(target.to_string());
            each.add_export_targets(target.to_string());
        }
        each.set_addresses_used(endpoints_->addresses_used(settings.name));
    }
    reply.set_endpoints(static_cast<std::uint32_t>(endpoints_->all().size()));
    if (!uplink_.warning.empty()) reply.add_warnings(uplink_.warning);
    if (ports_down_.contains(uplink_port))
        reply.add_warnings(
            fmt::format("uplink {} is down or has gone, so no other host is reached: ip link set {} up",
                        uplink_.interface, uplink_.interface));
    for (const auto& [name, endpoint] : endpoints_->all())
        if (ports_down_.contains(endpoint.port()))
            reply.add_warnings(fmt::format("endpoint {}: its interface is down, so nothing reaches it", name));
    const auto longer = std::ranges::count_if(endpoints_->all() | std::views::values, [&](const auto& endpoint) {
        return endpoint.mtu() > uplink_.endpoint_mtu;
    });
    if (longer > 0)
        reply.add_warnings(
            fmt::format("{} {} a larger MTU than the {} that uplink {} carries, and {} told so by ICMP: "
                        "a weftd that starts gives them less, but never below the {} that IPv6 needs",
                        longer, longer == 1 ? "endpoint has" : "endpoints have", uplink_.endpoint_mtu,
                        uplink_.interface, longer == 1 ? "is" : "are", ipv6_mtu_min));
    std::uint32_t established = 0;
    const auto peers = speaker_->peers();
    for (const auto& peer : peers) {
        established += peer.state == "Established";
        if (!peer.dynamic && peer.state != "Established")
            reply.add_warnings(fmt::format(
                "neighbour {} is {}{}: check that it is up and has this host as a neighbour",
                peer.address.to_string(), peer.state, peer.last_error.empty() ? "" : " (" + peer.last_error + ")"));
    }
    reply.set_peers_established(established);
    reply.set_peers_configured(
        static_cast<std::uint32_t>(std::ranges::count(peers, false, &bgp::PeerStatus::dynamic)));
    reply.set_routes(sync_.routes.desired().size());
    reply.set_policies(static_cast<std::uint32_t>(policy_.list().size()));
    for (const auto& [name, endpoint] : endpoints_->all())
        if (endpoint.state().starts_with("waiting"))
            reply.add_warnings(fmt::format("endpoint {} is {}", name, endpoint.state()));
    if (const auto owed = policy_tables_.owed(); owed > 0)
        reply.add_warnings(
            fmt::format("database {} lacks {} row{} that could not be written: see whether its disk is "
                        "full",
                        store_.path(), owed, owed == 1 ? "" : "s"));
    for (const auto& [endpoint, side] : policy_.oversized())
        reply.add_warnings(fmt::format("the {} of endpoint {} is closed to some or all: policy has become {} for it",
                                       side == policy::Side::ingress ? "ingress" : "egress", endpoint,
                                       policy::too_large));
    if (sync_.is_doubtful())
        reply.add_warnings(
            fmt::format("the fast path refuses entries, cannot say which, and is sent nothing until it "
                        "can: {}",
                        sync_.last_refusal()));
    if (sync_.refused() > 0)
        reply.add_warnings(fmt::format("the fast path refuses {} {}, the last one since: {}", sync_.refused(),
                                       sync_.refused() == 1 ? "entry" : "entries", sync_.last_refusal()));
    if (verdict_log_)
        for (const std::string& why : {verdict_log_->trouble(), verdicts_unfollowed_})
            if (!why.empty()) reply.add_warnings("verdict log: " + why);
    auto& fast_path = *reply.mutable_fast_path();
    fast_path.set_kind(name_of(config_.fast_path));
    fast_path.set_state(provider_->state());
    fast_path.set_in_sync(sync_.in_sync());
    fast_path.set_pending_changes(sync_.pending() + sync_.refused());
    auto* const connected = provider_->fast_path();
    if (connected == nullptr) return done(std::move(reply));
    connected->info([this, reply = std::move(reply),
                     done = std::move(done)](Result<fastpath::InfoReply> info) mutable {
        auto& fast_path = *reply.mutable_fast_path();
        if (!info) {
            fast_path.set_state("unreachable: " + info.error().message);
            return done(std::move(reply));
        }
        fast_path.set_pid(info->pid());
        fast_path.set_version(info->version());
        const auto now =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
                .count();
        fast_path.set_uptime_s(static_cast<std::uint64_t>(
            std::max<std::int64_t>(now - static_cast<std::int64_t>(info->started_unix_ms()), 0) / 1000));
        fast_path.set_workers(info->workers());
        fast_path.set_hugepages(info->hugepages());
        for (const auto& note : info->notes())
            fast_path.add_notes(note);
        auto* const connected = provider_->fast_path();
        if (connected == nullptr) return done(std::move(reply));
        connected->counters(
            [reply = std::move(reply), done = std::move(done)](Result<fastpath::CountersReply> counters) mutable {
                if (counters)
                    for (const auto& gauge : counters->gauges())
                        *reply.mutable_fast_path()->add_gauges() = to_api(gauge);
                done(std::move(reply));
            });
    });
}

// --- endpoints and peers
// ----------------------------------------------------------------------------------------------

Result<v1::ListEndpointsReply> Agent::list_endpoints(const v1::ListEndpointsRequest& request) const {
    v1::ListEndpointsReply reply;
    for (const auto& [name, endpoint] : endpoints_->all())
        if (request.name().empty() || request.name() == name) *reply.add_endpoints() = endpoints_->shown(endpoint);
    if (!request.name().empty() && reply.endpoints().empty())
        return fail(ErrorCode::not_found,
                    fmt::format("no endpoint is named {}: weft endpoint list shows them", request.name()));
    return reply;
}

Result<v1::ListPeersReply> Agent::list_peers(const v1::ListPeersRequest& request) const {
    v1::ListPeersReply reply;
    for (const auto& peer : speaker_->peers())
        if (request.address().empty() || request.address() == peer.address.to_string())
            *reply.add_peers() = agent::to_api(peer);
    if (!request.address().empty() && reply.peers().empty())
        return fail(ErrorCode::not_found,
                    fmt::format("no neighbour has the address {}: weft peer list shows them", request.address()));
    return reply;
}

// --- routes
// -----------------------------------------------------------------------------------------------------------

std::string Agent::port_name(std::uint32_t port) const {
    if (port == uplink_port) return uplink_.interface;
    const auto* const endpoint = endpoints_->find_port(port);
    return endpoint != nullptr ? endpoint->name() : fmt::format("port {}", port);
}

HostNames Agent::host_names() const {
    HostNames names;
    if (uplink_.exists()) names.ports[uplink_port] = uplink_.interface;
    for (const auto& network : config_.networks)
        names.networks[network.vni.value()] = network.name;
    for (const auto& [name, endpoint] : endpoints_->all()) {
        names.ports[endpoint.port()] = name;
        for (const auto& address : endpoint.addresses())
            names.endpoints[{endpoint.vni(), address}] = name;
    }
    names.rule = [this](std::uint32_t rule) { return policy_.rule_text(rule); };
    return names;
}

void Agent::name_route(v1::Route& route) const {
    const auto* const settings = network(route.vni());
    if (settings == nullptr) return;
    route.set_network(settings->name);
    if (!route.peer().empty() || route.nlri().empty()) return;
    const auto prefix = net::Prefix::parse(route.prefix());
    const auto* const endpoint = prefix ? endpoints_->find(settings->vni, prefix->address()) : nullptr;
    if (endpoint != nullptr) route.set_next_hop("local " + endpoint->name());
}

void Agent::list_fib(const std::function<void(v1::Route)>& visit) const {
    for (const auto& [key, wanted] : sync_.routes.desired()) {
        const fastpath::Route& entry = wanted.first;
        v1::Route route;
        route.set_vni(entry.vni());
        const auto prefix = net::Prefix::make(address_from(entry.prefix().address()), entry.prefix().length());
        if (prefix) route.set_prefix(prefix->to_string());
        route.set_identity(entry.identity());
        const auto* const settings = network(entry.vni());
        if (settings != nullptr) route.set_network(settings->name);
        const auto* const next_hop = sync_.next_hops.find(entry.next_hop());
        const bool programmed = sync_.routes.acknowledged(key) && sync_.next_hops.acknowledged(entry.next_hop());
        route.set_state(programmed ? "programmed" : "pending");
        route.set_best(true);
        if (next_hop != nullptr && next_hop->has_local())
            route.set_next_hop("local " + port_name(next_hop->local().port()));
        if (next_hop != nullptr && next_hop->has_vtep()) {
            const auto& vtep = next_hop->vtep();
            const std::string address = address_from(vtep.address()).to_string();
            route.set_next_hop(address);
            route.set_label(vtep.vni());
            const auto& mac = vtep.inner_destination_mac();
            if (const auto read =
                    net::Mac::from_bytes({reinterpret_cast<const std::uint8_t*>(mac.data()), mac.size()}))
                route.set_router_mac(read->to_string());
            if (vtep.outer_destination_mac().empty())
                route.set_state(fmt::format("unresolved: no link-layer address for {} on {} (ip neigh)", address,
                                            uplink_.interface));
        }
        visit(std::move(route));
    }
}

Result<std::vector<v1::Route>> Agent::list_routes(const v1::ListRoutesRequest& request) const {
    std::optional<net::Address> longest_match;
    bgp::RouteFilter filter;
    if (!request.prefix().empty()) {
        auto prefix = net::Prefix::parse(request.prefix());
        if (!prefix) return std::unexpected(std::move(prefix).error());
        if (request.prefix().contains('/'))
            filter.prefix = *prefix;
        else
            longest_match = prefix->address();
    }
    if (!request.network().empty()) {
        const auto* const settings = network(request.network());
        if (settings == nullptr)
            return fail(ErrorCode::not_found,
                        fmt::format("no network is named {}: weft status lists them", request.network()));
        filter.vni = settings->vni;
    }
    if (!request.peer().empty()) {
        auto peer = net::Address::parse(request.peer());
        if (!peer) return std::unexpected(std::move(peer).error());
        filter.peer = *peer;
    }
    std::vector<v1::Route> routes;
    if (request.view() == v1::ROUTE_VIEW_FIB) {
        list_fib([&](v1::Route route) {
            if (filter.vni && filter.vni->value() != route.vni()) return;
            if (filter.prefix && filter.prefix->to_string() != route.prefix()) return;
            routes.push_back(std::move(route));
        });
    } else {
        const auto view = request.view() == v1::ROUTE_VIEW_ADJ_IN    ? bgp::RibView::adj_in
                          : request.view() == v1::ROUTE_VIEW_ADJ_OUT ? bgp::RibView::adj_out
                                                                     : bgp::RibView::loc;
        speaker_->for_each_route(view, filter, [&](const bgp::RouteEntry& entry) {
            routes.push_back(agent::to_api(entry));
            name_route(routes.back());
        });
    }
    if (longest_match) keep_longest_match(routes, *longest_match);
    label_routes(routes);
    return routes;
}

Result<std::uint64_t> Agent::watch_routes(const v1::ListRoutesRequest& request, RouteWatcher watcher) {
    if (request.view() != v1::ROUTE_VIEW_LOC && request.view() != v1::ROUTE_VIEW_UNSPECIFIED)
        return fail(ErrorCode::unsupported, "only the loc view can be watched: the networks' best routes");
    if (!request.network().empty() && network(request.network()) == nullptr)
        return fail(ErrorCode::not_found,
                    fmt::format("no network is named {}: weft status lists them", request.network()));
    watchers_.emplace(++last_watch_, Watch{request, std::move(watcher)});
    return last_watch_;
}

// --- counters
// ---------------------------------------------------------------------------------------------------------

void Agent::counters(Done<v1::CountersReply> done) {
    const auto fast_path = provider_->running();
    if (!fast_path) return done(std::unexpected(fast_path.error()));
    (*fast_path)->counters([this, done = std::move(done)](Result<fastpath::CountersReply> counters) {
        if (!counters) return done(std::unexpected(std::move(counters).error()));
        v1::CountersReply reply;
        for (const auto& counted : counters->ports()) {
            auto& port = *reply.add_ports();
            port.set_port(counted.port());
            port.set_name(port_name(counted.port()));
            port.set_up(counted.up());
            port.set_rx_packets(counted.rx_packets());
            port.set_rx_bytes(counted.rx_bytes());
            port.set_tx_packets(counted.tx_packets());
            port.set_tx_bytes(counted.tx_bytes());
            for (int i = 0; i < counted.drops_size(); ++i) {
                if (counted.drops(i) == 0) continue;
                auto& drop = *port.add_drops();
                drop.set_reason(drop_reason(static_cast<std::size_t>(i)).name);
                drop.set_text(drop_reason(static_cast<std::size_t>(i)).text);
                drop.set_packets(counted.drops(i));
            }
        }
        for (const auto& gauge : counters->gauges())
            *reply.add_gauges() = to_api(gauge);
        done(std::move(reply));
    });
}

// --- explain
// ----------------------------------------------------------------------------------------------------------

Result<Agent::Flow> Agent::resolve_flow(const v1::ExplainRequest& request) const {
    const auto* const source = endpoints_->find(request.source());
    const auto* const destination = endpoints_->find(request.destination());
    const std::string name = !request.network().empty() ? request.network()
                             : source != nullptr        ? source->network()
                             : destination != nullptr   ? destination->network()
                                                        : "default";
    Flow flow{.network = network(name), .source = {}, .destination = {}, .protocol = 0};
    if (flow.network == nullptr)
        return fail(ErrorCode::not_found, fmt::format("no network is named {}: weft status lists them", name));
    for (const auto* const endpoint : {source, destination})
        if (endpoint != nullptr && endpoint->network() != name)
            return fail(ErrorCode::invalid, fmt::format("endpoint {} is in network {}, and nothing leads there from "
                                                        "network {}",
                                                        endpoint->name(), endpoint->network(), name));
    // One side's address decides the family; with two names, the first family that both have.
    const auto candidates = [](const v1::Endpoint* endpoint,
                               const std::string& text) -> Result<std::vector<net::Address>> {
        std::vector<net::Address> found;
        if (endpoint != nullptr)
            for (const auto& each : endpoint->addresses())
                found.push_back(*net::Address::parse(each));
        else if (auto address = net::Address::parse(text))
            found.push_back(*address);
        else
            return fail(
                ErrorCode::not_found,
                fmt::format("{}: neither an endpoint of this host (weft endpoint list) nor an address; for an "
                            "endpoint of another host, give its address",
                            text));
        return found;
    };
    auto from = candidates(source, request.source());
    if (!from) return std::unexpected(std::move(from).error());
    auto to = candidates(destination, request.destination());
    if (!to) return std::unexpected(std::move(to).error());
    bool found = false;
    for (const auto& a : *from)
        for (const auto& b : *to)
            if (!found && a.family() == b.family()) {
                flow.source = a;
                flow.destination = b;
                found = true;
            }
    if (!found)
        return fail(ErrorCode::invalid, fmt::format("{} and {} have no address family in common", request.source(),
                                                    request.destination()));
    // 0 is a ping of the family.
    if (const auto& protocol = request.protocol(); !protocol.empty() && protocol != "icmp") {
        const auto* const named = find_protocol(protocol);
        if (named == nullptr || protocol == "icmpv6")
            return fail(ErrorCode::invalid, fmt::format("protocol {}: want tcp, udp, sctp or icmp", protocol));
        flow.protocol = named->number;
    }
    if (request.port() > 65535)
        return fail(ErrorCode::invalid, fmt::format("port {}: at most 65535", request.port()));
    return flow;
}

/// Its kernel delivers by itself, whatever the tables say of such a packet.
v1::ExplainReply Agent::explain_loopback(const Flow& flow) const {
    v1::ExplainReply reply = explain_waiting(flow);
    add_step(reply, "network", fmt::format("{}, VNI {}", flow.network->name, flow.network->vni.value()));
    add_step(reply, "source",
             fmt::format("{} is the destination itself: by loopback, no packet gets here", flow.source.to_string()));
    reply.set_allowed(true);
    return reply;
}

/// The tables have nothing of an endpoint that waits: here is why.
v1::ExplainReply Agent::explain_waiting(const Flow& flow) const {
    v1::ExplainReply reply;
    for (const net::Address& address : std::set{flow.source, flow.destination}) {
        const auto* const endpoint = endpoints_->find(flow.network->vni, address);
        if (endpoint != nullptr && endpoint->state().starts_with("waiting"))
            add_step(reply, "endpoint", fmt::format("{} is {}", endpoint->name(), endpoint->state()));
    }
    return reply;
}

void Agent::explain(const v1::ExplainRequest& request, Done<v1::ExplainReply> done) {
    auto flow = resolve_flow(request);
    if (!flow) return done(std::unexpected(std::move(flow).error()));
    if (flow->source == flow->destination && endpoints_->find(flow->network->vni, flow->source) != nullptr)
        return done(explain_loopback(*flow));
    const auto fast_path = provider_->running();
    if (!fast_path) return done(std::unexpected(fast_path.error()));
    fastpath::ExplainRequest question;
    question.set_vni(flow->network->vni.value());
    question.set_source(wire(flow->source));
    question.set_destination(wire(flow->destination));
    question.set_protocol(flow->protocol);
    question.set_source_port(50000); // any: no policy looks at it
    question.set_destination_port(request.port());
    v1::ExplainReply reply = explain_waiting(*flow);
    (*fast_path)
        ->explain(std::move(question), [this, reply = std::move(reply),
                                        done = std::move(done)](Result<fastpath::ExplainReply> answer) mutable {
            if (!answer) return done(std::unexpected(std::move(answer).error()));
            for (const auto& step : answer->steps()) {
                const std::string rule = policy_.rule_text(step.rule());
                auto& each = add_step(reply, step.stage(),
                                      rule.empty() ? step.detail() : fmt::format("{}: {}", step.detail(), rule));
                if (step.audited_rule() != 0)
                    each.set_detail(fmt::format("{} (audit: {} would decide otherwise)", each.detail(),
                                                policy_.rule_text(step.audited_rule())));
                each.set_stops(step.stops());
            }
            reply.set_allowed(answer->verdict() == fastpath::VERDICT_ALLOW);
            reply.set_rule(policy_.rule_text(answer->rule()));
            if (!reply.allowed()) reply.set_drop_reason(drop_reason(answer->drop_reason()).name);
            done(std::move(reply));
        });
}

} // namespace weft::agent
