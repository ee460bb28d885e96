// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/endpoints.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <ctime>

#include <fmt/format.h>
#include <net/if.h>
#include <spdlog/spdlog.h>

#include "controlplane/fast_path_wire.hpp"
#include "controlplane/host_endpoint.hpp"
#include "dataplane/api/netns_path.hpp"

namespace weft::agent {

namespace {

constexpr std::chrono::seconds retry_interval{2};
constexpr const char* kind = "endpoint"; ///< in the database

constexpr const char* attaching = "attaching";
constexpr const char* ready = "ready";
constexpr const char* detaching = "detaching";

Interface interface_of(const v1::Endpoint& endpoint) {
    return {.netns = endpoint.netns(),
            .ifname = endpoint.ifname(),
            .mac = net::Mac::parse(endpoint.mac()).value_or(net::Mac())};
}

std::string device_text(const v1::Endpoint& endpoint) {
    return fastpath::device_text(endpoint.ifname(), endpoint.netns());
}

/// Of its interface: IPv6 refuses one of less than 1,280. What the uplink does not carry then is told by ICMP.
std::uint32_t mtu_of(const v1::Endpoint& endpoint, const Uplink& uplink) {
    const bool v4_alone = std::ranges::all_of(addresses_of(endpoint), &net::Address::is_v4);
    return v4_alone ? uplink.endpoint_mtu : std::max(uplink.endpoint_mtu, ipv6_mtu_min);
}

std::vector<FibSync::RouteKey> routes_to(const v1::Endpoint& endpoint) {
    std::vector<FibSync::RouteKey> keys;
    for (const auto& address : addresses_of(endpoint))
        keys.push_back(FibSync::key_of(endpoint.vni(), wire(net::Prefix::host(address))));
    return keys;
}

/// An answer may be about somebody else's entries; what counts is whether ours arrived.
bool refused(const Result<void>& answer, bool ours_arrived) {
    return !answer && (answer.error().code == ErrorCode::unavailable || !ours_arrived);
}

} // namespace

Result<std::vector<Interface>> interfaces_of_endpoints(const Store& store) {
    std::vector<Interface> interfaces;
    auto read = store.for_each(kind, [&](std::string_view, std::string_view value) {
        v1::Endpoint endpoint;
        if (endpoint.ParseFromArray(value.data(), static_cast<int>(value.size())))
            interfaces.push_back(interface_of(endpoint));
    });
    if (!read) return std::unexpected(std::move(read).error());
    return interfaces;
}

Endpoints::Endpoints(boost::asio::io_context& loop, const Config& config, const Uplink& uplink, Store& store,
                     FibSync& sync, policy::PolicyEngine& policy, bgp::Speaker& speaker) :
    loop_(loop),
    config_(config),
    uplink_(uplink),
    store_(store),
    sync_(sync),
    policy_(policy),
    speaker_(speaker),
    retry_timer_(loop),
    pool_(config.networks) {}

bool Endpoints::stored(const Store& store) {
    bool any = false;
    const auto read = store.for_each(kind, [&](std::string_view, std::string_view) { any = true; });
    return any || !read;
}

Result<void> Endpoints::restore() {
    std::vector<std::pair<std::string, v1::Endpoint>> stored;
    auto read = store_.for_each(kind, [&](std::string_view key, std::string_view value) {
        auto& endpoint = stored.emplace_back(key, v1::Endpoint()).second;
        if (!endpoint.ParseFromArray(value.data(), static_cast<int>(value.size()))) endpoint.Clear();
    });
    if (!read) return read;
    had_records_ = !stored.empty();
    const auto half_done = std::ranges::stable_partition(stored, [](const auto& record) {
        return record.second.state() != attaching && record.second.state() != detaching;
    });
    for (auto& [key, endpoint] : std::ranges::subrange(stored.begin(), half_done.begin())) {
        if (const auto checked = check_record(key, endpoint); !checked) {
            // What else it says may be wrong too, and another's.
            v1::Endpoint known;
            known.set_name(key);
            *known.mutable_addresses() = endpoint.addresses();
            known.set_netns(endpoint.netns());
            known.set_ifname(endpoint.ifname());
            known.set_host(endpoint.host());
            shelve(std::move(known),
                   fmt::format("its record in the database {} is damaged ({}): weft endpoint delete "
                               "{}, then add it again",
                               store_.path(), checked.error().message, key));
            continue;
        }
        take_up(std::move(endpoint));
    }
    // Last, since what they had may be another's by now.
    for (const auto& [key, endpoint] : half_done) {
        spdlog::warn("endpoint {}: the agent ended while {}: removed", key, endpoint.state());
        if (!interface_owner(endpoint)) remove_interface(interface_of(endpoint));
        forget(key);
    }
    retry_waiting();
    return {};
}

void Endpoints::take_up(v1::Endpoint endpoint) {
    const auto network = std::ranges::find(config_.networks, endpoint.network(), &NetworkSettings::name);
    if (network == config_.networks.end()) {
        remove_interface(interface_of(endpoint));
        const auto reason = fmt::format("its network {0} is not configured: start weftd with --network {0}={1}",
                                        endpoint.network(), endpoint.vni());
        endpoint.set_vni(0); // may be another network's by now
        return shelve(std::move(endpoint), reason);
    }
    static_cast<void>(pool_.reserve(endpoint.network(), addresses_of(endpoint)));
    endpoint.set_vni(network->vni.value());
    endpoint.set_mtu(mtu_of(endpoint, uplink_));
    auto& record = endpoints_[endpoint.name()] = std::move(endpoint);
    if (const auto identified = identify(record); !identified) {
        release_addresses(record);
        return shelve(v1::Endpoint(record), identified.error().message);
    }
    if (auto checked = check_place(record); !checked) {
        if (record.host()) remove_interface(interface_of(record)); // it would lead where it was to lead before
        return wait_for_namespace(record, checked.error().message);
    }
    record.set_state(ready);
    set_port(record);
    set_tables(record);
    announce(record);
}

Result<void> Endpoints::check_record(const std::string& key, const v1::Endpoint& endpoint) const {
    const auto damaged = [](std::string what) { return fail(ErrorCode::invalid, std::move(what)); };
    if (endpoint.name() != key) return damaged(fmt::format("it names endpoint '{}'", endpoint.name()));
    if (endpoint.addresses().empty()) return damaged("it has no address");
    if (endpoint.host() != endpoint.netns().empty()) return damaged("it is neither a container's nor the host's own");
    for (const auto& text : endpoint.addresses()) {
        const auto address = net::Address::parse(text);
        if (!address) return std::unexpected(address.error());
        for (const auto& [name, other] : endpoints_)
            if (!shelved_.contains(name) && other.network() == endpoint.network() &&
                std::ranges::count(other.addresses(), address->to_string()) > 0)
                return damaged(fmt::format("address {} is endpoint {}'s", text, name));
    }
    if (const auto mac = net::Mac::parse(endpoint.mac()); !mac) return std::unexpected(mac.error());
    if (endpoint.port() < first_port || endpoint.port() > fastpath::port_id_max)
        return damaged(fmt::format("port {}", endpoint.port()));
    if (const auto* const other = find_port(endpoint.port()))
        return damaged(fmt::format("port {} is endpoint {}'s", endpoint.port(), other->name()));
    return {};
}

void Endpoints::shelve(v1::Endpoint endpoint, const std::string& reason) {
    spdlog::warn("endpoint {} waits: {}", endpoint.name(), reason);
    endpoint.set_state("waiting: " + reason);
    shelved_.insert(endpoint.name());
    const std::string name = endpoint.name();
    endpoints_[name] = std::move(endpoint);
}

void Endpoints::add(const v1::AddEndpointRequest& request, Attached done) {
    auto prepared = prepare(request);
    if (!prepared) return done(std::unexpected(std::move(prepared).error().in("endpoint " + request.name())));
    if (auto saved = save(*prepared); !saved) {
        policy_.erase_endpoint(prepared->name());
        release_addresses(*prepared);
        return done(fail_in(std::move(saved), "endpoint " + request.name()));
    }
    const std::string name = prepared->name();
    endpoints_[name] = *std::move(prepared);
    enqueue([this, name, done = std::move(done)] { attach(name, Attempt::first, done); });
}

Result<v1::Endpoint> Endpoints::prepare(const v1::AddEndpointRequest& request) {
    auto endpoint = read_endpoint_request(request, config_.host_name);
    if (!endpoint) return endpoint;
    if (auto unique = check_unique(*endpoint); !unique) return std::unexpected(std::move(unique).error());
    const auto network = std::ranges::find(config_.networks, endpoint->network(), &NetworkSettings::name);
    if (network == config_.networks.end())
        return fail(ErrorCode::not_found,
                    fmt::format("no network is named {}: weft status lists them, weftd --network adds one",
                                endpoint->network()));
    auto addresses = take_addresses(request, *network);
    if (!addresses) return std::unexpected(std::move(addresses).error());
    for (const auto& address : *addresses)
        endpoint->add_addresses(address.to_string());
    if (endpoint->host())
        if (auto checked = check_host_routes(*endpoint, config_, uplink_); !checked) {
            release_addresses(*endpoint);
            return std::unexpected(std::move(checked).error());
        }
    endpoint->set_vni(network->vni.value());
    endpoint->set_mtu(mtu_of(*endpoint, uplink_));
    endpoint->set_state(attaching);
    endpoint->set_created_unix_s(static_cast<std::uint64_t>(std::time(nullptr)));
    endpoint->set_port(free_port());
    if (auto identified = identify(*endpoint); !identified) {
        release_addresses(*endpoint);
        return std::unexpected(std::move(identified).error());
    }
    return endpoint;
}

Result<void> Endpoints::check_unique(const v1::Endpoint& endpoint) const {
    if (const auto* const same = find(endpoint.name()))
        return fail(ErrorCode::exists,
                    fmt::format("the name is taken ({}): choose another, or weft endpoint delete {}", same->state(),
                                same->name()));
    if (endpoint.name() == uplink_.interface)
        return fail(ErrorCode::exists, "the name is the uplink's: choose another");
    if (endpoint.host())
        if (auto checked = check_host_unique(endpoint); !checked) return checked;
    if (const auto* const owner = interface_owner(endpoint))
        return fail(ErrorCode::exists, fmt::format("{} belongs to endpoint {}: choose another --ifname",
                                                   device_text(endpoint), owner->name()));
    return {};
}

Result<void> Endpoints::check_host_unique(const v1::Endpoint& endpoint) const {
    const auto same = std::ranges::find_if(endpoints_, [&](const auto& other) {
        return other.second.host() && other.second.network() == endpoint.network();
    });
    if (same != endpoints_.end())
        return fail(
            ErrorCode::exists,
            fmt::format("the host has endpoint {} in network {} already, and needs no second one: use that, or "
                        "weft endpoint delete {}",
                        same->first, endpoint.network(), same->first));
    // A TAP of somebody else's would be taken for ours.
    if (interface_owner(endpoint) == nullptr && if_nametoindex(endpoint.ifname().c_str()) != 0)
        return fail(ErrorCode::exists,
                    fmt::format("interface {}: the host has one of this name already: choose another --ifname",
                                endpoint.ifname()));
    return {};
}

Result<void> Endpoints::check_place(const v1::Endpoint& endpoint) const {
    return endpoint.host() ? check_host_routes(endpoint, config_, uplink_) : check_netns(endpoint.netns());
}

InterfaceSettings Endpoints::settings_of(const v1::Endpoint& endpoint) const {
    return {.interface = interface_of(endpoint),
            .mtu = endpoint.mtu(),
            .addresses = addresses_of(endpoint),
            .routes = endpoint.host() ? host_routes(endpoint, config_) : std::vector<net::Prefix>()};
}

const v1::Endpoint* Endpoints::interface_owner(const v1::Endpoint& endpoint) const {
    const auto owner = std::ranges::find_if(endpoints_, [&](const auto& other) {
        return other.second.netns() == endpoint.netns() && other.second.ifname() == endpoint.ifname();
    });
    return owner == endpoints_.end() ? nullptr : &owner->second;
}

Result<std::vector<net::Address>> Endpoints::take_addresses(const v1::AddEndpointRequest& request,
                                                            const NetworkSettings& network) {
    auto wanted = read_requested_addresses(request);
    if (!wanted) return wanted;
    if (wanted->empty())
        return pool_.lease(network.name,
                           [&](const net::Address& address) { return announced_elsewhere(network.vni, address); });
    for (const auto& address : *wanted) {
        if (const auto* const other = find(network.vni, address))
            return fail(ErrorCode::exists,
                        fmt::format("address {} belongs to endpoint {}: choose another, or weft endpoint delete {}",
                                    address.to_string(), other->name(), other->name()));
        if (announced_elsewhere(network.vni, address))
            return fail(ErrorCode::exists,
                        fmt::format("address {} is announced by another host (weft route list {}): choose another",
                                    address.to_string(), address.to_string()));
    }
    if (auto reserved = pool_.reserve(network.name, *wanted); !reserved)
        return std::unexpected(std::move(reserved).error());
    return wanted;
}

bool Endpoints::announced_elsewhere(net::Vni vni, const net::Address& address) const {
    bool found = false;
    speaker_.for_each_route(bgp::RibView::loc, {.vni = vni, .prefix = net::Prefix::host(address), .peer = {}},
                            [&](const bgp::RouteEntry& route) { found |= route.peer.has_value() && !route.stale; });
    return found;
}

std::uint32_t Endpoints::free_port() {
    std::set<std::uint32_t> used;
    for (const auto& [name, endpoint] : endpoints_)
        used.insert(endpoint.port());
    if (last_port_ == 0 && !used.empty()) last_port_ = *used.rbegin();
    // A number rests as long as others are free: sessions of who had it count to it until they end.
    for (std::uint32_t port = last_port_ + 1; port <= fastpath::port_id_max; ++port)
        if (port >= first_port && !used.contains(port)) return last_port_ = port;
    std::uint32_t port = first_port;
    while (used.contains(port))
        ++port;
    return last_port_ = port;
}

void Endpoints::attach(const std::string& name, Attempt attempt, Attached done) {
    const auto& endpoint = endpoints_.at(name);
    set_port(endpoint);
    sync_.commit([this, name, attempt, done = std::move(done)](Result<void> made) {
        if (refused(made, sync_.ports.acknowledged(endpoints_.at(name).port())))
            return undo(name, attempt, std::move(made).error(), done);
        connect(name, attempt, done);
    });
}

void Endpoints::connect(const std::string& name, Attempt attempt, Attached done) {
    const auto& endpoint = endpoints_.at(name);
    if (auto configured = configure_interface(settings_of(endpoint)); !configured)
        return undo(name, attempt, std::move(configured).error(), done);
    set_tables(endpoint);
    sync_.commit([this, name, attempt, done = std::move(done)](Result<void> applied) {
        auto& endpoint = endpoints_.at(name);
        if (refused(applied, programmed(endpoint))) return undo(name, attempt, std::move(applied).error(), done);
        endpoint.set_state(ready);
        if (attempt == Attempt::first)
            if (auto saved = save(endpoint); !saved) return undo(name, attempt, std::move(saved).error(), done);
        announce(endpoint);
        done(endpoint);
        next();
    });
}

bool Endpoints::programmed(const v1::Endpoint& endpoint) const {
    return sync_.ports.acknowledged(endpoint.port()) && sync_.endpoints.acknowledged(endpoint.port()) &&
           sync_.next_hops.acknowledged(endpoint.port()) &&
           std::ranges::all_of(routes_to(endpoint), [&](const auto& key) { return sync_.routes.acknowledged(key); });
}

v1::Endpoint Endpoints::shown(const v1::Endpoint& endpoint) const {
    v1::Endpoint shown = endpoint;
    const bool is_refused = sync_.endpoints.refused().contains(endpoint.port()) ||
                            std::ranges::any_of(routes_to(endpoint), [&](const auto& key) {
                                return sync_.routes.refused().contains(key);
                            });
    if (endpoint.state() == ready && is_refused)
        shown.set_state("refused: not all passes until the fast path takes what it became (weft status)");
    return shown;
}

void Endpoints::configure_all() {
    for (const auto& [name, endpoint] : endpoints_) {
        if (endpoint.state() != ready) continue;
        enqueue([this, name] {
            auto& endpoint = endpoints_.at(name);
            if (endpoint.state() == ready)
                if (auto configured = configure_interface(settings_of(endpoint)); !configured)
                    wait_for_namespace(endpoint, configured.error().message);
            next();
        });
    }
}

void Endpoints::undo(const std::string& name, Attempt attempt, Error error, const Attached& done) {
    auto& endpoint = endpoints_.at(name);
    spdlog::warn("endpoint {} not attached: {}", name, error.message);
    erase_tables(endpoint);
    remove_interface(interface_of(endpoint));
    if (attempt == Attempt::again) {
        endpoint.set_state("waiting: " + error.message);
        sync_.commit();
    } else {
        policy_.erase_endpoint(name);
        release_addresses(endpoint);
        endpoints_.erase(name);
        forget(name);
    }
    done(std::unexpected(std::move(error).in("endpoint " + name)));
    next();
}

void Endpoints::remove(const std::string& name, Attached done) {
    const auto found = endpoints_.find(name);
    if (found == endpoints_.end())
        return done(
            fail(ErrorCode::not_found, fmt::format("no endpoint is named {}: weft endpoint list shows them", name)));
    if (found->second.state() == attaching || found->second.state() == detaching)
        return done(fail(ErrorCode::unavailable,
                         fmt::format("endpoint {} is {} just now: try again", name, found->second.state())));
    v1::Endpoint leaving = found->second;
    leaving.set_state(detaching);
    if (auto saved = save(leaving); !saved) return done(fail_in(std::move(saved), "endpoint " + name));
    found->second.set_state(detaching);
    enqueue([this, name, done = std::move(done)] { detach(name, done); });
}

void Endpoints::detach(const std::string& name, Attached done) {
    const v1::Endpoint& endpoint = endpoints_.at(name);
    if (shelved_.erase(name) > 0) return detached(name, done);
    withdraw(endpoint);
    erase_tables(endpoint);
    policy_.erase_endpoint(name);
    sync_.commit([this, name, done = std::move(done)](Result<void> applied) {
        // Nothing is left to undo: what the fast path still has is swept when it is back. One that was started anew
        // does not know of the interface.
        if (!applied) spdlog::warn("endpoint {}: {}", name, applied.error().message);
        const auto& gone = endpoints_.at(name);
        remove_interface(interface_of(gone));
        release_addresses(gone);
        detached(name, done);
    });
}

void Endpoints::detached(const std::string& name, const Attached& done) {
    v1::Endpoint gone = std::move(endpoints_.at(name));
    endpoints_.erase(name);
    forget(name);
    done(std::move(gone));
    next();
}

void Endpoints::forget(const std::string& name) {
    forgotten_.insert(name);
    sync_.commit([this](const Result<void>& applied) {
        if (applied || applied.error().code != ErrorCode::unavailable) erase_records();
    });
}

void Endpoints::erase_records() {
    // A name that is in use again has a record of its own by now.
    std::erase_if(forgotten_, [this](const std::string& name) { return endpoints_.contains(name); });
    for (auto name = forgotten_.begin(); name != forgotten_.end();) {
        if (const auto erased = store_.erase(kind, *name); !erased) {
            if (!std::exchange(erase_failed_, true))
                spdlog::error("endpoint {} is detached, but its record is still there: {}", *name,
                              erased.error().message);
            return;
        }
        name = forgotten_.erase(name);
    }
    erase_failed_ = false;
}

Result<void> Endpoints::identify(v1::Endpoint& endpoint) {
    auto labels = policy::LabelSet::make({endpoint.labels().begin(), endpoint.labels().end()});
    if (!labels) return std::unexpected(std::move(labels).error());
    auto ports = policy::parse_port_names({endpoint.named_ports().begin(), endpoint.named_ports().end()});
    if (!ports) return std::unexpected(std::move(ports).error());
    auto set = policy_.set_endpoint(endpoint.name(), {.name_space = endpoint.namespace_(),
                                                      .labels = *std::move(labels),
                                                      .addresses = addresses_of(endpoint),
                                                      .named_ports = *std::move(ports),
                                                      .host = endpoint.host()});
    if (set) endpoint.set_identity(policy_.endpoint_identity(endpoint.name()));
    return set;
}

void Endpoints::set_port(const v1::Endpoint& endpoint) {
    fastpath::Port port;
    port.set_id(endpoint.port());
    port.set_role(fastpath::PORT_ROLE_ENDPOINT);
    port.set_mtu(endpoint.mtu());
    const auto describe = [&](auto& device) {
        device.set_netns(endpoint.netns());
        device.set_ifname(endpoint.ifname());
        device.set_mac(wire(*net::Mac::parse(endpoint.mac())));
    };
    if (config_.fast_path == FastPathKind::ebpf)
        describe(*port.mutable_veth());
    else
        describe(*port.mutable_tap());
    sync_.ports.set(endpoint.port(), std::move(port));
}

void Endpoints::set_tables(const v1::Endpoint& endpoint) {
    fastpath::Endpoint entry;
    entry.set_port(endpoint.port());
    entry.set_vni(endpoint.vni());
    entry.set_mac(wire(*net::Mac::parse(endpoint.mac())));
    entry.set_identity(endpoint.identity());
    entry.set_name(endpoint.name());
    fastpath::NextHop next_hop;
    next_hop.set_id(endpoint.port());
    next_hop.mutable_local()->set_port(endpoint.port());
    for (const auto& address : addresses_of(endpoint)) {
        entry.add_addresses(wire(address));
        policy_.set_local_route({endpoint.vni(), net::Prefix::host(address)}, endpoint.port(), endpoint.name());
    }
    sync_.endpoints.set(endpoint.port(), std::move(entry));
    sync_.next_hops.set(endpoint.port(), std::move(next_hop));
}

void Endpoints::erase_tables(const v1::Endpoint& endpoint) {
    for (const auto& address : addresses_of(endpoint))
        policy_.erase_local_route({endpoint.vni(), net::Prefix::host(address)});
    sync_.next_hops.erase(endpoint.port());
    sync_.endpoints.erase(endpoint.port());
    sync_.ports.erase(endpoint.port());
}

void Endpoints::announce(const v1::Endpoint& endpoint) {
    for (const auto& address : addresses_of(endpoint))
        speaker_.announce({.vni = vni_of(endpoint),
                           .prefix = net::Prefix::host(address),
                           .labels = policy_.endpoint_communities(endpoint.name())});
}

void Endpoints::withdraw(const v1::Endpoint& endpoint) {
    for (const auto& address : addresses_of(endpoint))
        speaker_.withdraw(vni_of(endpoint), net::Prefix::host(address));
}

void Endpoints::refresh(const std::string& name) {
    const auto found = endpoints_.find(name);
    if (found == endpoints_.end()) return;
    found->second.set_identity(policy_.endpoint_identity(name));
    // Also while it is being attached or detached: policy of who it was goes.
    if (sync_.endpoints.find(found->second.port()) != nullptr) set_tables(found->second);
    if (found->second.state() == ready) announce(found->second);
}

void Endpoints::ports_gone(const std::set<std::uint32_t>& ports) {
    for (auto& [name, endpoint] : endpoints_)
        if (endpoint.state() == ready && ports.contains(endpoint.port()))
            wait_for_namespace(
                endpoint, endpoint.host()
                              ? fmt::format("its interface {} has gone", endpoint.ifname())
                              : fmt::format("its interface in network namespace {} has gone, or the namespace has",
                                            endpoint.netns()));
}

void Endpoints::ports_refused() {
    const auto refused = sync_.ports.refused(); // which waiting changes
    for (auto& [name, endpoint] : endpoints_)
        if (endpoint.state() == ready && refused.contains(endpoint.port()))
            wait_for_namespace(endpoint, "the fast path refuses its port: " + sync_.last_refusal());
}

void Endpoints::wait_for_namespace(v1::Endpoint& endpoint, const std::string& reason) {
    spdlog::warn("endpoint {} waits: {}", endpoint.name(), reason);
    if (endpoint.state() == ready) withdraw(endpoint);
    erase_tables(endpoint);
    sync_.commit();
    endpoint.set_state("waiting: " + reason);
}

void Endpoints::retry_waiting() {
    retry_timer_.expires_after(retry_interval);
    retry_timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        if (sync_.idle()) erase_records();
        for (auto& [name, endpoint] : endpoints_) {
            if (!endpoint.state().starts_with("waiting") || shelved_.contains(name) || !check_place(endpoint))
                continue;
            endpoint.set_state(attaching); // in memory only: after a crash it is to wait again
            enqueue([this, name] {
                attach(name, Attempt::again, [name](const Result<v1::Endpoint>& attached) {
                    if (attached) spdlog::info("endpoint {} is back", name);
                });
            });
        }
        retry_waiting();
    });
}

Result<void> Endpoints::save(const v1::Endpoint& endpoint) {
    return store_.put(kind, endpoint.name(), endpoint.SerializeAsString());
}

void Endpoints::enqueue(Job job) {
    jobs_.push_back(std::move(job));
    if (!busy_) {
        busy_ = true;
        next();
    }
}

void Endpoints::next() {
    // From a clean stack: jobs that end at once must not pile up on it.
    boost::asio::post(loop_, [this] {
        if (jobs_.empty()) {
            busy_ = false;
            return;
        }
        const Job job = std::move(jobs_.front());
        jobs_.pop_front();
        job();
    });
}

const v1::Endpoint* Endpoints::find(const std::string& name) const {
    const auto found = endpoints_.find(name);
    return found == endpoints_.end() ? nullptr : &found->second;
}

const v1::Endpoint* Endpoints::find(net::Vni vni, const net::Address& address) const {
    for (const auto& [name, endpoint] : endpoints_)
        if (endpoint.vni() == vni.value() && std::ranges::count(endpoint.addresses(), address.to_string()) > 0)
            return &endpoint;
    return nullptr;
}

const v1::Endpoint* Endpoints::find_port(std::uint32_t port) const {
    for (const auto& [name, endpoint] : endpoints_)
        if (endpoint.port() == port) return &endpoint;
    return nullptr;
}

} // namespace weft::agent
