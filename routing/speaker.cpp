// SPDX-License-Identifier: BSD-3-Clause
#include "routing/speaker.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <ranges>
#include <set>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "routing/loc_rib.hpp"
#include "routing/peer.hpp"
#include "routing/route_policy.hpp"

namespace weft::bgp {

namespace {

using boost::asio::ip::tcp;

constexpr std::uint32_t local_pref = 100;
/// After an accept that failed: what is short, descriptors or memory, is not there again at once.
constexpr std::chrono::seconds accept_retry{1};

net::Address from_asio(const boost::asio::ip::address& address) {
    if (address.is_v4()) return net::Address::v4(address.to_v4().to_uint());
    if (address.to_v6().is_v4_mapped())
        return net::Address::v4(
            boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6()).to_uint());
    return *net::Address::from_bytes(address.to_v6().to_bytes());
}

class SpeakerImpl final : public Speaker {
  public:
    SpeakerImpl(boost::asio::io_context& loop, SpeakerConfig config, Events events) :
        loop_(loop), config_(std::move(config)), events_(std::move(events)), convergence_timer_(loop) {}

    ~SpeakerImpl() override { *alive_ = false; }

    Result<void> listen();
    void connect();

    void announce(const LocalRoute& route) override;
    void withdraw(net::Vni vni, const net::Prefix& prefix) override;
    Result<void> add_network(NetworkConfig network) override;
    Result<void> remove_network(net::Vni vni) override;
    void shutdown() override;
    void local_routes_complete() override;
    [[nodiscard]] std::vector<PeerStatus> peers() const override;
    void for_each_route(RibView view, const RouteFilter& filter,
                        const std::function<void(const RouteEntry&)>& visit) const override;

  private:
    using RouteKey = RouteUpdate::Key;

    /// A listening socket, and the wait after a failed accept.
    struct Listener {
        tcp::acceptor acceptor;
        boost::asio::steady_timer retry;
    };

    void accept(Listener& listener);
    void accepted(tcp::socket socket);
    Peer& add_peer(NeighborConfig neighbor, bool dynamic);

    // From peers to networks.
    /// True: a network takes it.
    bool route_changed(Peer& peer, const ReceivedRoute& route);
    void route_withdrawn(Peer& peer, const Nlri& key);
    /// A network does.
    [[nodiscard]] bool takes(const ReceivedRoute& route) const;
    void peer_established(Peer& peer);
    void check_convergence();
    void converged();

    // From networks to peers.
    [[nodiscard]] EvpnPrefix nlri_of(const NetworkConfig& network, const net::Prefix& prefix) const;
    [[nodiscard]] AttributesPtr attributes_of(const NetworkConfig& network, const LocalRoute& route) const;
    void advertise(Peer& peer, const std::set<RouteKey>& keys);
    void advertise_all(Peer& peer);

    /// One flush per turn of the event loop, however much changed in it.
    void schedule_flush();
    void flush();

    [[nodiscard]] OurSelf self() const { return {config_.local_as, config_.router_id, config_.vtep}; }

    boost::asio::io_context& loop_;
    SpeakerConfig config_;
    Events events_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::map<net::Address, std::unique_ptr<Peer>> peers_;
    std::map<net::Vni, NetworkConfig> networks_;
    std::map<RouteKey, LocalRoute> local_routes_;
    LocRib loc_rib_;
    std::set<RouteKey> to_advertise_;
    boost::asio::steady_timer convergence_timer_;
    bool flush_scheduled_ = false;
    bool local_complete_ = false;
    bool converged_ = false;
    bool stopped_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Result<void> SpeakerImpl::listen() {
    if (!config_.accept) return {};
    auto addresses = config_.listen;
    if (addresses.empty()) addresses = {*net::Address::parse("0.0.0.0"), *net::Address::parse("::")};
    for (const net::Address& address : addresses) {
        auto listener = std::make_unique<Listener>(tcp::acceptor(loop_), boost::asio::steady_timer(loop_));
        tcp::acceptor& acceptor = listener->acceptor;
        const tcp::endpoint local(boost::asio::ip::make_address(address.to_string()), config_.port);
        boost::system::error_code error;
        acceptor.open(local.protocol(), error);
        if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
        if (!error && local.protocol() == tcp::v6()) acceptor.set_option(boost::asio::ip::v6_only(true), error);
        if (!error) acceptor.bind(local, error);
        if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
        if (error) {
            // A host without IPv6 has no "::"; that is nothing to complain of.
            if (config_.listen.empty() && !address.is_v4()) continue;
            return fail(error == boost::asio::error::address_in_use ? ErrorCode::exists : ErrorCode::denied,
                        fmt::format("cannot listen for BGP on {} port {}: {}: stop the other speaker, or choose "
                                    "another --bgp-listen or --bgp-port",
                                    address.to_string(), config_.port, error.message()));
        }
        accept(*listener);
        listeners_.push_back(std::move(listener));
    }
    return {};
}

void SpeakerImpl::connect() {
    for (NetworkConfig& network : std::exchange(config_.networks, {})) {
        const net::Vni vni = network.vni;
        networks_.emplace(vni, std::move(network));
    }
    for (const NeighborConfig& neighbor : config_.neighbors)
        add_peer(neighbor, false).start();
    convergence_timer_.expires_after(std::chrono::seconds(std::max<std::uint16_t>(config_.restart_time_s, 1)));
    convergence_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) converged();
    });
}

void SpeakerImpl::accept(Listener& listener) {
    listener.acceptor.async_accept(
        [this, &listener, alive = alive_](boost::system::error_code error, tcp::socket socket) {
            if (!*alive || !listener.acceptor.is_open()) return;
            if (!error) {
                accepted(std::move(socket));
                accept(listener);
                return;
            }
            // The connection stays in the backlog: an accept at once would fail for ever, and eat a core.
            spdlog::warn("BGP: cannot accept a connection: {}: trying again in {} s", error.message(),
                         accept_retry.count());
            listener.retry.expires_after(accept_retry);
            listener.retry.async_wait([this, &listener, alive](boost::system::error_code cancelled) {
                if (*alive && !cancelled && listener.acceptor.is_open()) accept(listener);
            });
        });
}

void SpeakerImpl::accepted(tcp::socket socket) {
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error || stopped_) return;
    const net::Address address = from_asio(remote.address());
    if (const auto known = peers_.find(address); known != peers_.end()) {
        known->second->accept(std::move(socket));
        return;
    }
    const auto range = std::ranges::find_if(
        config_.ranges, [&](const NeighborRangeConfig& each) { return each.prefix.contains(address); });
    if (range == config_.ranges.end()) {
        spdlog::info("BGP: connection from {} refused: neither a neighbour nor in a range", address.to_string());
        return;
    }
    std::erase_if(peers_, [](const auto& peer) { return peer.second->forgettable(); });
    const auto dynamic = static_cast<std::uint32_t>(
        std::ranges::count_if(peers_ | std::views::values, [](const auto& peer) { return peer->dynamic(); }));
    if (dynamic >= range->limit) {
        spdlog::warn("BGP: connection from {} refused: {} dynamic neighbours are the limit", address.to_string(),
                     range->limit);
        return;
    }
    NeighborConfig neighbor;
    neighbor.address = address;
    neighbor.remote_as = range->remote_as;
    add_peer(std::move(neighbor), true).accept(std::move(socket));
}

Peer& SpeakerImpl::add_peer(NeighborConfig neighbor, bool dynamic) {
    const net::Address address = neighbor.address;
    auto peer = std::make_unique<Peer>(
        loop_, std::move(neighbor), dynamic, config_,
        Peer::Events{
            .on_route = [this](Peer& from, const ReceivedRoute& route) { return route_changed(from, route); },
            .on_withdrawn = [this](Peer& from, const Nlri& key) { route_withdrawn(from, key); },
            .on_established = [this](Peer& with) { peer_established(with); },
            .on_end_of_rib = [this](Peer&) { check_convergence(); },
            .on_state =
                [this](Peer& of) {
                    if (events_.on_peer) events_.on_peer(of.status());
                },
            .on_refresh = [this](Peer& by, AddressFamily) { advertise_all(by); },
        });
    return *(peers_[address] = std::move(peer));
}

bool SpeakerImpl::route_changed(Peer& peer, const ReceivedRoute& route) {
    // A changed route may leave a network, or a prefix (type 2 keeps its key when the label changes): take it out
    // everywhere first.
    route_withdrawn(peer, key_of(route.nlri));
    const auto imported = import_route(route.nlri, route.attributes, self());
    if (!imported) return false;
    bool taken = false;
    for (const auto& [vni, network] : networks_) {
        if (!matches_target(*route.attributes, network)) continue;
        taken = true;
        loc_rib_.set({vni, imported->prefix}, Candidate{.path = imported->path,
                                                        .nlri = route.nlri,
                                                        .peer = peer.address(),
                                                        .peer_router_id = peer.remote_router_id(),
                                                        .internal = peer.internal(),
                                                        .stale = route.stale});
    }
    schedule_flush();
    return taken;
}

void SpeakerImpl::route_withdrawn(Peer& peer, const Nlri& key) {
    net::Prefix prefix;
    if (const auto* const route = std::get_if<EvpnPrefix>(&key))
        prefix = route->prefix;
    else if (const auto* const mac = std::get_if<EvpnMacIp>(&key); mac != nullptr && mac->address)
        prefix = net::Prefix::host(*mac->address);
    else
        return;
    for (const auto& vni : networks_ | std::views::keys)
        loc_rib_.erase({vni, prefix}, peer.address(), key);
    schedule_flush();
}

bool SpeakerImpl::takes(const ReceivedRoute& route) const {
    return import_route(route.nlri, route.attributes, self()) &&
           std::ranges::any_of(networks_ | std::views::values,
                               [&](const auto& network) { return matches_target(*route.attributes, network); });
}

EvpnPrefix SpeakerImpl::nlri_of(const NetworkConfig& network, const net::Prefix& prefix) const {
    EvpnPrefix nlri;
    nlri.rd = network.rd;
    nlri.prefix = prefix;
    nlri.label = network.vni.value();
    return nlri;
}

AttributesPtr SpeakerImpl::attributes_of(const NetworkConfig& network, const LocalRoute& route) const {
    auto attributes = std::make_shared<PathAttributes>();
    attributes->next_hop = config_.vtep;
    attributes->local_pref = local_pref;
    attributes->extended_communities = network.export_targets;
    attributes->extended_communities.push_back(ExtendedCommunity::vxlan_encapsulation());
    attributes->extended_communities.push_back(ExtendedCommunity::router_mac(config_.router_mac));
    std::ranges::sort(attributes->extended_communities);
    attributes->large_communities = route.labels;
    std::ranges::sort(attributes->large_communities);
    return attributes;
}

void SpeakerImpl::announce(const LocalRoute& route) {
    const auto network = networks_.find(route.vni);
    if (network == networks_.end()) return;
    const RouteKey key{route.vni, route.prefix};
    local_routes_[key] = route;
    Candidate candidate;
    candidate.nlri = nlri_of(network->second, route.prefix);
    candidate.path.vtep = config_.vtep;
    candidate.path.label = route.vni.value();
    candidate.path.router_mac = config_.router_mac;
    candidate.path.attributes = attributes_of(network->second, route);
    candidate.path.local = true;
    loc_rib_.set(key, std::move(candidate));
    to_advertise_.insert(key);
    schedule_flush();
}

void SpeakerImpl::withdraw(net::Vni vni, const net::Prefix& prefix) {
    const RouteKey key{vni, prefix};
    if (local_routes_.erase(key) == 0) return;
    if (const auto network = networks_.find(vni); network != networks_.end())
        loc_rib_.erase(key, net::Address{}, key_of(nlri_of(network->second, prefix)));
    to_advertise_.insert(key);
    schedule_flush();
}

void SpeakerImpl::schedule_flush() {
    if (std::exchange(flush_scheduled_, true)) return;
    boost::asio::post(loop_, [this, alive = alive_] {
        if (*alive) flush();
    });
}

void SpeakerImpl::flush() {
    flush_scheduled_ = false;
    const auto keys = std::exchange(to_advertise_, {});
    if (!keys.empty())
        for (const auto& peer : peers_ | std::views::values)
            if (peer->established()) advertise(*peer, keys);
    if (auto update = loc_rib_.take_update(); !update.paths.empty()) events_.on_routes(std::move(update));
}

void SpeakerImpl::advertise(Peer& peer, const std::set<RouteKey>& keys) {
    const auto& negotiated = peer.negotiated();
    if (!negotiated.speaks(AddressFamily::l2vpn_evpn)) return;
    std::vector<Nlri> withdrawn;
    std::map<PathAttributes, std::vector<Nlri>> announced;
    for (const RouteKey& key : keys) {
        const auto network = networks_.find(key.first);
        if (network == networks_.end()) continue;
        const auto route = local_routes_.find(key);
        const Nlri nlri = nlri_of(network->second, key.second);
        if (route == local_routes_.end()) {
            withdrawn.push_back(nlri);
            continue;
        }
        PathAttributes attributes = *attributes_of(network->second, route->second);
        if (!negotiated.codec.internal_peer) {
            attributes.as_path = attributes.as_path.prepended(config_.local_as);
            attributes.local_pref.reset();
        }
        announced[std::move(attributes)].push_back(nlri);
    }
    std::vector<std::vector<std::uint8_t>> messages = encode_routes({}, nullptr, withdrawn, negotiated.codec);
    for (const auto& [attributes, routes] : announced)
        std::ranges::move(encode_routes(routes, &attributes, {}, negotiated.codec), std::back_inserter(messages));
    peer.send(messages);
    peer.count_advertised(local_routes_.size(), messages.size());
}

void SpeakerImpl::advertise_all(Peer& peer) {
    std::set<RouteKey> keys;
    for (const RouteKey& key : local_routes_ | std::views::keys)
        keys.insert(key);
    advertise(peer, keys);
}

void SpeakerImpl::peer_established(Peer& peer) {
    advertise_all(peer);
    if (local_complete_) peer.send({encode_end_of_rib(AddressFamily::l2vpn_evpn, peer.negotiated().codec)});
}

void SpeakerImpl::local_routes_complete() {
    if (std::exchange(local_complete_, true)) return;
    flush();
    for (const auto& peer : peers_ | std::views::values)
        if (peer->established()) peer->send({encode_end_of_rib(AddressFamily::l2vpn_evpn, peer->negotiated().codec)});
    check_convergence();
}

void SpeakerImpl::check_convergence() {
    if (!local_complete_) return;
    // Those who have not connected yet are waited for, up to the timer.
    const bool all = std::ranges::all_of(
        peers_ | std::views::values, [](const auto& peer) { return peer->dynamic() || peer->heard_end_of_rib(); });
    // A range has no list of who will come: only the timer says that all who would did.
    if (all && config_.ranges.empty()) converged();
}

void SpeakerImpl::converged() {
    if (std::exchange(converged_, true)) return;
    convergence_timer_.cancel();
    for (const auto& peer : peers_ | std::views::values)
        peer->clear_restarting();
    if (flush_scheduled_) flush();
    events_.on_converged();
}

Result<void> SpeakerImpl::add_network(NetworkConfig network) {
    const net::Vni vni = network.vni;
    if (!networks_.emplace(vni, std::move(network)).second)
        return fail(ErrorCode::exists, fmt::format("a network with VNI {} exists already", vni.value()));
    for (const auto& peer : peers_ | std::views::values)
        peer->adj_rib_in().tell_again();
    return {};
}

Result<void> SpeakerImpl::remove_network(net::Vni vni) {
    if (!networks_.contains(vni))
        return fail(ErrorCode::not_found, fmt::format("no network has VNI {}", vni.value()));
    for (auto route = local_routes_.begin(); route != local_routes_.end();) {
        const auto current = route++;
        if (current->first.first == vni) withdraw(vni, net::Prefix(current->first.second));
    }
    flush();
    loc_rib_.erase_network(vni);
    networks_.erase(vni);
    for (const auto& peer : peers_ | std::views::values)
        peer->adj_rib_in().recount([this](const ReceivedRoute& route) { return takes(route); });
    schedule_flush();
    return {};
}

void SpeakerImpl::shutdown() {
    stopped_ = true;
    convergence_timer_.cancel();
    for (const auto& listener : listeners_) {
        boost::system::error_code ignored;
        listener->acceptor.close(ignored);
        listener->retry.cancel();
    }
    for (const auto& peer : peers_ | std::views::values)
        peer->shutdown();
}

std::vector<PeerStatus> SpeakerImpl::peers() const {
    std::vector<PeerStatus> all;
    for (const auto& peer : peers_ | std::views::values)
        all.push_back(peer->status());
    return all;
}

void SpeakerImpl::for_each_route(RibView view, const RouteFilter& filter,
                                 const std::function<void(const RouteEntry&)>& visit) const {
    const auto prefix_of = [](const Nlri& nlri) -> std::optional<net::Prefix> {
        if (const auto* const route = std::get_if<EvpnPrefix>(&nlri)) return route->prefix;
        if (const auto* const mac = std::get_if<EvpnMacIp>(&nlri); mac != nullptr && mac->address)
            return net::Prefix::host(*mac->address);
        return std::nullopt;
    };
    const auto wanted = [&](const Nlri& nlri, std::optional<net::Vni> vni, std::optional<net::Address> peer) {
        return (!filter.vni || filter.vni == vni) && (!filter.prefix || filter.prefix == prefix_of(nlri)) &&
               (!filter.peer || filter.peer == peer);
    };
    if (view == RibView::loc) {
        const bool one = filter.vni && filter.prefix;
        for (const RouteKey& key : one ? std::vector<RouteKey>{{*filter.vni, *filter.prefix}} : loc_rib_.keys())
            for (const auto& [candidate, best, why] : loc_rib_.judge(key)) {
                const auto peer = candidate->path.local ? std::nullopt : std::optional(candidate->peer);
                if (!wanted(candidate->nlri, key.first, peer)) continue;
                visit({candidate->nlri, key.first, candidate->path.attributes, peer, best, candidate->stale, why});
            }
        return;
    }
    for (const auto& [address, peer] : peers_) {
        if (view == RibView::adj_out) {
            if (!peer->established() || !peer->negotiated().speaks(AddressFamily::l2vpn_evpn)) continue;
            for (const auto& [key, route] : local_routes_) {
                const auto& network = networks_.at(key.first);
                const Nlri nlri = nlri_of(network, key.second);
                if (wanted(nlri, key.first, address))
                    visit({nlri, key.first, attributes_of(network, route), address, true, false, "our own route"});
            }
            continue;
        }
        for (const ReceivedRoute& route : peer->adj_rib_in().routes() | std::views::values) {
            const auto imported = import_route(route.nlri, route.attributes, self());
            std::optional<net::Vni> vni;
            for (const auto& [each, network] : networks_)
                if (imported && matches_target(*route.attributes, network)) vni = each;
            if (!wanted(route.nlri, vni, address)) continue;
            visit({route.nlri, vni, route.attributes, address, false, route.stale,
                   !imported ? "not imported: " + imported.error()
                   : !vni    ? "not imported: no network has one of its route targets"
                             : "imported"});
        }
    }
}

} // namespace

Result<std::unique_ptr<Speaker>> Speaker::start(boost::asio::io_context& loop, SpeakerConfig config, Events events) {
    auto speaker = std::make_unique<SpeakerImpl>(loop, std::move(config), std::move(events));
    if (auto listening = speaker->listen(); !listening) return std::unexpected(std::move(listening).error());
    speaker->connect();
    return speaker;
}

} // namespace weft::bgp
