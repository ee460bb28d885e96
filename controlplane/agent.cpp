// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/agent.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "controlplane/adoption.hpp"
#include "controlplane/fast_path_wire.hpp"
#include "controlplane/netns.hpp"
#include "controlplane/route_view.hpp"

namespace weft::agent {

namespace {

constexpr std::uint32_t vxlan_port = 4789;
constexpr std::chrono::seconds port_interval{2};

std::uint16_t rd_number(std::size_t index) { return static_cast<std::uint16_t>(index + 1); }

} // namespace

Result<std::unique_ptr<Agent>> Agent::start(boost::asio::io_context& loop, const Config& config,
                                            FastPathProvider& provider) {
    auto uplink = find_uplink(config);
    if (!uplink) return std::unexpected(std::move(uplink).error());
    auto store = Store::open(config.state_dir);
    if (!store) return std::unexpected(std::move(store).error());
    std::optional<VerdictLog> verdict_log;
    if (!config.verdict_log.path.empty()) {
        auto file = LogFile::open(config.verdict_log.path);
        if (!file) return fail_in(std::move(file), "--verdict-log");
        verdict_log.emplace(std::move(*file));
    }
    std::unique_ptr<Agent> agent(
        new Agent(loop, config, *std::move(store), *std::move(uplink), std::move(verdict_log)));
    if (auto begun = agent->begin(provider); !begun) return std::unexpected(std::move(begun).error());
    return agent;
}

Agent::Agent(boost::asio::io_context& loop, const Config& config, Store store, Uplink uplink,
             std::optional<VerdictLog> verdict_log) :
    loop_(loop),
    config_(config),
    store_(std::move(store)),
    uplink_(std::move(uplink)),
    sync_([this](const auto& key) { return policy_.knows(key.local_identity(), key.peer_identity()); }),
    policy_tables_(sync_, store_),
    policy_(config_.label_asn, policy_tables_, config_.local_labels),
    remote_(std::make_unique<RemoteRoutes>(sync_, policy_, uplink_, uplink_port)),
    port_timer_(loop),
    verdict_log_(std::move(verdict_log)) {}

Agent::~Agent() = default;

Result<void> Agent::begin(FastPathProvider& provider) {
    if (!Endpoints::stored(store_)) {
        // One that does not answer is looked at when it does.
        if (const auto tables = provider.look())
            if (auto right = check_database(*tables); !right) return right;
    }
    set_host_tables();
    // Before the first route: numbers keep their meaning, and no endpoint has a moment without its policy.
    if (auto restored = restore_policy(policy_, store_); !restored) return restored;
    if (uplink_.exists()) {
        auto resolver = NeighborResolver::start(
            loop_, uplink_.interface, [this](const net::Address& vtep, std::optional<ResolvedNeighbor> neighbor) {
                remote_->resolved(vtep, neighbor);
            });
        if (!resolver) return std::unexpected(std::move(resolver).error());
        remote_->set_resolver(*std::move(resolver));
    }
    if (auto started = start_speaker(); !started) return started;
    endpoints_ = std::make_unique<Endpoints>(loop_, config_, uplink_, store_, sync_, policy_, *speaker_);
    if (auto restored = endpoints_->restore(); !restored) return restored;
    speaker_->local_routes_complete();
    return {};
}

Result<void> Agent::run_fast_path(std::unique_ptr<FastPathProvider> provider,
                                  std::function<void(const Error&)> on_fatal) {
    on_fatal_ = std::move(on_fatal);
    provider_ = std::move(provider);
    auto started = provider_->start(
        {.on_connected = [this](fastpath::FastPath& fast_path,
                                const fastpath::TableUpdate& tables) { fast_path_connected(fast_path, tables); },
         .on_disconnected = [this](const std::string& reason) { sync_.disconnected(reason); }});
    if (!started) return started;
    watch_ports();
    return {};
}

Result<void> Agent::check_database(const fastpath::TableUpdate& tables) const {
    const auto containers = unknown_containers(tables, [](std::uint32_t) { return false; });
    if (containers.empty()) return {};
    return std::unexpected(refuse_adoption(containers, store_.path()));
}

Result<void> Agent::start_speaker() {
    bgp::SpeakerConfig settings;
    settings.local_as = config_.as_number;
    settings.router_id = uplink_.router_id.to_v4();
    settings.vtep = uplink_.vtep;
    settings.router_mac = uplink_.router_mac;
    settings.accept = !config_.neighbors.empty() || !config_.ranges.empty() || !config_.bgp_listen.empty();
    settings.listen = config_.bgp_listen;
    if (settings.listen.empty() && uplink_.exists()) settings.listen = {uplink_.vtep};
    settings.port = config_.bgp_port;
    settings.hold_time_s = config_.hold_time_s;
    settings.restart_time_s = config_.restart_time_s;
    settings.restarting = store_.existed();
    settings.neighbors = config_.neighbors;
    settings.ranges = config_.ranges;
    for (std::size_t i = 0; i < config_.networks.size(); ++i) {
        const auto& network = config_.networks[i];
        settings.networks.push_back({.vni = network.vni,
                                     .name = network.name,
                                     .rd = bgp::RouteDistinguisher::make(settings.router_id, rd_number(i)),
                                     .import_targets = network.targets,
                                     .export_targets = network.targets});
    }
    bgp::Speaker::Events events{.on_routes = [this](bgp::RouteUpdate update) { routes_changed(update); },
                                .on_converged =
                                    [this] {
                                        converged_ = true;
                                        sweep_unclaimed();
                                    },
                                .on_peer =
                                    [](const bgp::PeerStatus& peer) {
                                        spdlog::debug("neighbour {}: {}", peer.address.to_string(), peer.state);
                                    }};
    auto started = bgp::Speaker::start(loop_, std::move(settings), std::move(events));
    if (!started) return std::unexpected(std::move(started).error());
    speaker_ = *std::move(started);
    return {};
}

void Agent::set_host_tables() {
    fastpath::HostSettings host;
    if (uplink_.exists())
        (uplink_.vtep.is_v4() ? host.set_vtep_v4(wire(uplink_.vtep)) : host.set_vtep_v6(wire(uplink_.vtep)));
    host.set_router_mac(wire(uplink_.router_mac));
    host.set_gateway_mac(wire(gateway_mac));
    host.set_vxlan_port(vxlan_port);
    host.set_session_quota(config_.session_quota);
    sync_.host.set(0, std::move(host));
    for (const auto& network : config_.networks) {
        fastpath::Network entry;
        entry.set_vni(network.vni.value());
        entry.set_name(network.name);
        sync_.networks.set(network.vni.value(), std::move(entry));
    }
    if (!uplink_.exists()) return;
    fastpath::Port port;
    port.set_id(uplink_port);
    port.set_role(fastpath::PORT_ROLE_UPLINK);
    port.set_mtu(uplink_.mtu);
    if (config_.fast_path == FastPathKind::ebpf) {
        port.mutable_device()->set_ifname(uplink_.interface);
        port.mutable_device()->set_hook(wire(config_.uplink_hook));
    } else
        port.mutable_ethdev()->set_devargs(uplink_.devargs);
    sync_.ports.set(uplink_port, std::move(port));
}

void Agent::fast_path_connected(fastpath::FastPath& fast_path, const fastpath::TableUpdate& tables) {
    if (!std::exchange(adopted_, true) && !endpoints_->had_records())
        if (auto right = check_database(tables); !right) {
            provider_->abandon();
            return on_fatal_(right.error());
        }
    for (const auto& each :
         unknown_containers(tables, [this](std::uint32_t port) { return endpoints_->find_port(port) != nullptr; }))
        spdlog::warn("the fast path has {}, which the database {} does not know: removed", each, store_.path());
    remote_->adopt(tables);
    for (const auto& port : tables.ports())
        uplink_proven_ |= port.id() == uplink_port;
    sync_.commit([this](Result<void> applied) {
        if (!applied && applied.error().code == ErrorCode::unavailable) return;
        uplink_proven_ |= sync_.ports.acknowledged(uplink_port);
        if (!uplink_proven_ && sync_.ports.refused().contains(uplink_port)) {
            provider_->abandon();
            return on_fatal_(applied.error());
        }
        endpoints_->ports_refused();
        endpoints_->configure_all();
    });
    sync_.connected(fast_path, tables);
    sweep_unclaimed();
    follow_verdicts();
}

void Agent::sweep_unclaimed() {
    if (!converged_ || !remote_->adopted()) return;
    policy_.sweep();
    sync_.sweep_routes();
}

void Agent::watch_ports() {
    port_timer_.expires_after(port_interval);
    port_timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        policy_tables_.write_owed();
        if (verdict_log_) verdict_log_->look();
        follow_verdicts();
        if (uplink_.exists() && refresh_mtu(uplink_)) {
            spdlog::warn("uplink {} has MTU {} now: containers may send {} to other hosts", uplink_.interface,
                         uplink_.mtu, uplink_.endpoint_mtu);
            remote_->mtu_changed();
        }
        if (auto* const fast_path = provider_->fast_path(); fast_path != nullptr && sync_.idle()) {
            // Before they are tried again, and before the next answer comes.
            endpoints_->ports_refused();
            fast_path->counters([this](Result<fastpath::CountersReply> reply) {
                if (!reply) return;
                std::set<std::uint32_t> gone;
                ports_down_.clear();
                for (const auto& port : reply->ports()) {
                    if (!port.up()) ports_down_.insert(port.port());
                    if (!port.up() && !port.present()) gone.insert(port.port());
                }
                gone.erase(uplink_port);
                if (!gone.empty()) endpoints_->ports_gone(gone);
            });
        }
        sync_.retry_refused();
        sync_.commit();
        watch_ports();
    });
}

void Agent::routes_changed(const bgp::RouteUpdate& update) {
    remote_->apply(update);
    if (watchers_.empty()) return;
    for (const auto& [key, paths] : update.paths) {
        std::vector<v1::RouteEvent> events;
        speaker_->for_each_route(bgp::RibView::loc, {.vni = key.first, .prefix = key.second, .peer = {}},
                                 [&](const bgp::RouteEntry& entry) {
                                     if (!entry.best) return;
                                     auto& event = events.emplace_back();
                                     *event.mutable_route() = to_api(entry);
                                     name_route(*event.mutable_route());
                                 });
        if (events.empty()) {
            auto& event = events.emplace_back();
            event.set_withdrawn(true);
            event.mutable_route()->set_vni(key.first.value());
            event.mutable_route()->set_prefix(key.second.to_string());
            name_route(*event.mutable_route());
        }
        for (const auto& [number, watch] : watchers_) {
            const auto& want = watch.request;
            const auto* const only = network(want.network());
            if (!want.network().empty() && (only == nullptr || only->vni != key.first)) continue;
            if (!want.prefix().empty() && want.prefix() != key.second.to_string() &&
                want.prefix() != key.second.address().to_string())
                continue;
            for (const auto& event : events)
                watch.tell(event);
        }
    }
}

void Agent::add_endpoint(const v1::AddEndpointRequest& request, Done<v1::Endpoint> done) {
    if (const auto& state = provider_->state(); state.starts_with("unreachable"))
        return done(fail(ErrorCode::unavailable, "the fast path is " + state));
    endpoints_->add(request, std::move(done));
}

void Agent::delete_endpoint(const v1::DeleteEndpointRequest& request, Done<v1::Endpoint> done) {
    endpoints_->remove(request.name(), std::move(done));
}

const NetworkSettings* Agent::network(const std::string& name) const {
    const auto found = std::ranges::find(config_.networks, name, &NetworkSettings::name);
    return found == config_.networks.end() ? nullptr : &*found;
}

const NetworkSettings* Agent::network(std::uint32_t vni) const {
    const auto found =
        std::ranges::find_if(config_.networks, [&](const auto& each) { return each.vni.value() == vni; });
    return found == config_.networks.end() ? nullptr : &*found;
}

} // namespace weft::agent
