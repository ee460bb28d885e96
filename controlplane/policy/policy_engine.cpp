// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/policy_engine.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <ranges>

#include <fmt/format.h>

#include "dataplane/api/verdict_wire.hpp"

namespace weft::policy {

namespace {

constexpr std::string_view identity_kind = PolicyEngine::kinds[0];
constexpr std::string_view rule_kind = PolicyEngine::kinds[1];
constexpr std::string_view namespace_kind = PolicyEngine::kinds[2];
constexpr std::string_view document_kind = PolicyEngine::kinds[3];

std::optional<std::uint32_t> to_number(std::string_view text) {
    std::uint32_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// As LabelSet::to_string() writes it.
LabelSet::Map to_labels(std::string_view text) {
    LabelSet::Map labels;
    for (const auto part : text | std::views::split(',')) {
        const std::string_view label(part.begin(), part.end());
        const auto equals = label.find('=');
        labels.emplace(label.substr(0, equals), equals == std::string_view::npos ? "" : label.substr(equals + 1));
    }
    return labels;
}

} // namespace

PolicyEngine::PolicyEngine(std::uint32_t marker, PolicySink& sink, LabelFilter filter) :
    marker_(marker),
    sink_(sink),
    filter_(std::move(filter)),
    routes_([this](const RouteTable::Key& key, const LabelledRoute* route, std::vector<net::Prefix> cidrs) {
        write_route(key, route, std::move(cidrs));
    }),
    entries_(sink) {}

void PolicyEngine::write() {
    entries_.write();
    persist(identity_kind, identities_.take_changes());
    persist(rule_kind, rules_.take_changes());
}

void PolicyEngine::persist(std::string_view kind, const std::vector<NumberTable::Change>& changes) {
    if (changes.empty()) return;
    std::vector<Kept> items;
    for (const auto& [number, text] : changes)
        items.push_back({std::to_string(number), text});
    sink_.persist(kind, items);
}

// --- state over a restart
// ---------------------------------------------------------------------------------------------

std::optional<std::uint32_t> PolicyEngine::rule_of(std::string_view kind, std::string_view key) {
    return kind == rule_kind ? to_number(key) : std::nullopt;
}

Result<void> PolicyEngine::restore(std::string_view kind, const std::string& key, const std::string& value) {
    const auto damaged = [&] {
        return fail(ErrorCode::internal,
                    fmt::format("database: {} {} is damaged: apply policies and namespaces again", kind, key));
    };
    if (kind == identity_kind || kind == rule_kind) {
        const auto number = to_number(key);
        if (!number || !(kind == identity_kind ? restore_identity(*number, value) : rules_.restore(*number, value)))
            return damaged();
    } else if (kind == namespace_kind) {
        auto labels = namespace_labels(key, to_labels(value));
        if (!labels) return damaged();
        namespaces_[key] = std::move(*labels);
        relabel(key);
    } else if (kind == document_kind) {
        // Written again, it may be longer than what was applied.
        auto documents = read(value, std::string_view::npos);
        if (!documents) return fail_in(std::move(documents), fmt::format("database: policy {}", key));
        Policies policies;
        for (PolicyDocument& document : *documents) {
            const PolicyName name = document.policy.name;
            policies[name] = lower(std::move(document));
        }
        swap_policies(policies);
        settle(policies);
    } else {
        return damaged();
    }
    return {};
}

bool PolicyEngine::restore_identity(std::uint32_t number, const std::string& text) {
    const auto identity = Identity::from_text(text);
    if (!identity || !identities_.restore(number, text)) return false;
    restored_.push_back(acquire(*identity, false));
    return restored_.back() == number;
}

void PolicyEngine::sweep() {
    for (const std::uint32_t number : std::exchange(restored_, {}))
        release(number, false);
    identities_.sweep();
    rules_.sweep();
    write();
}

// --- policies
// ---------------------------------------------------------------------------------------------------------

Result<std::vector<PolicyDocument>> PolicyEngine::read(std::string_view yaml, std::size_t bytes_max) const {
    auto documents = read_policies(yaml, bytes_max);
    if (!documents) return documents;
    for (const PolicyDocument& document : *documents)
        if (auto checked = filter_.check(document.policy); !checked)
            return std::unexpected(std::move(checked).error());
    return documents;
}

Result<std::vector<PolicyStatus>> PolicyEngine::apply(std::string_view yaml) {
    auto documents = read(yaml);
    if (!documents) return std::unexpected(std::move(documents).error());
    return apply(std::move(*documents));
}

Result<std::vector<PolicyStatus>> PolicyEngine::apply(std::vector<PolicyDocument> documents) {
    std::vector<std::pair<PolicyName, PolicyStatus::Action>> done;
    std::map<PolicyName, PolicyDocument> changed; // the last of a name
    for (PolicyDocument& document : documents) {
        const PolicyName name = document.policy.name;
        done.emplace_back(name, action_of(document.policy));
        if (done.back().second == PolicyStatus::Action::unchanged)
            changed.erase(name);
        else
            changed.insert_or_assign(name, std::move(document));
    }
    if (!changed.empty()) {
        std::vector<Kept> items;
        for (const auto& [name, document] : changed)
            items.push_back({name.to_string(), document.yaml});
        Policies policies;
        for (auto& [name, document] : changed)
            policies[name] = lower(std::move(document));
        if (auto replaced = replace_policies(std::move(policies), items); !replaced)
            return std::unexpected(std::move(replaced).error());
    }
    std::vector<PolicyStatus> statuses;
    for (const auto& [name, action] : done) {
        const Applied& applied = *policies_.at(name);
        statuses.push_back({&applied.document, action, selected(applied.lowered), {}});
    }
    return statuses;
}

PolicyStatus::Action PolicyEngine::action_of(const Policy& policy) const {
    const auto known = policies_.find(policy.name);
    if (known == policies_.end()) return PolicyStatus::Action::created;
    return known->second->document.policy == policy ? PolicyStatus::Action::unchanged : PolicyStatus::Action::changed;
}

Result<PolicyDocument> PolicyEngine::remove(const PolicyName& name) {
    const auto known = policies_.find(name);
    if (known == policies_.end())
        return fail(ErrorCode::not_found,
                    fmt::format("policy {}: there is none; weft policy list shows all", name.to_string()));
    PolicyDocument document = known->second->document;
    const Kept gone{name.to_string(), std::nullopt};
    Policies none;
    none[name] = nullptr;
    if (auto replaced = replace_policies(std::move(none), {&gone, 1}); !replaced)
        return std::unexpected(std::move(replaced).error());
    return document;
}

std::vector<PolicyStatus> PolicyEngine::list() const {
    std::vector<PolicyStatus> statuses;
    for (const auto& [name, applied] : policies_)
        statuses.push_back({.document = &applied->document,
                            .selected_endpoints = selected(applied->lowered),
                            .rules = applied->rules});
    return statuses;
}

std::unique_ptr<Judge> PolicyEngine::judge(std::span<const PolicyDocument> proposed) const {
    std::map<PolicyName, const Policy*> policies;
    for (const auto& [name, applied] : policies_)
        policies[name] = &applied->document.policy;
    for (const PolicyDocument& document : proposed)
        policies[document.policy.name] = &document.policy;
    const auto all = policies | std::views::values;
    return std::make_unique<Judge>(std::vector<const Policy*>(all.begin(), all.end()));
}

std::set<Identity> PolicyEngine::peers_with(std::span<const PolicyDocument> proposed) const {
    std::map<RouteTable::Key, Identity> entries;
    RouteTable routes([&](const RouteTable::Key& key, const LabelledRoute* route, std::vector<net::Prefix> cidrs) {
        if (route != nullptr)
            entries.insert_or_assign(key, Identity::of(*route->labels, std::move(cidrs)));
        else
            entries.erase(key);
    });
    std::vector<net::Prefix> cidrs;
    const auto append = [&](const Policy& policy) {
        const auto own = cidrs_of(policy);
        cidrs.insert(cidrs.end(), own.begin(), own.end());
    };
    for (const auto& [name, applied] : policies_)
        append(applied->document.policy);
    for (const PolicyDocument& document : proposed)
        append(document.policy);
    static_cast<void>(routes.change_cidrs(cidrs, {}));
    routes_.for_each([&](const RouteTable::Key& key, const LabelledRoute& route) { routes.set(key, route); });
    std::set<Identity> peers;
    for (auto& [key, identity] : entries)
        peers.insert(std::move(identity));
    // Also those that wait, to which no route leads.
    for (const auto& [name, endpoint] : endpoints_)
        for (const net::Address& address : endpoint.settings.addresses)
            peers.insert(Identity::of(*endpoint.labels, routes.cidrs_around(net::Prefix::host(address))));
    return peers;
}

Result<PolicyDifference> PolicyEngine::diff(std::span<const PolicyDocument> proposed) const {
    PolicyDifference difference;
    std::map<PolicyName, LoweredPolicy> lowered;
    Changed changed;
    for (const PolicyDocument& document : proposed) {
        PeerGroups nobody;
        auto alone = policy::lower(document.policy, nobody, [](const std::string& /*text*/) { return 1U; });
        const auto& policy = lowered.insert_or_assign(document.policy.name, std::move(alone)).first->second;
        difference.policies.push_back({&document, action_of(document.policy), selected(policy), {}});
        if (difference.policies.back().action != PolicyStatus::Action::unchanged)
            changed[document.policy.name] = &policy;
    }
    std::map<HashedLabels, std::vector<std::string>> locals;
    for (const auto& [name, endpoint] : endpoints_)
        locals[*endpoint.labels].push_back(name);
    const auto before = judge();
    const auto after = judge(proposed);
    const auto peers = peers_with(proposed);
    Places too_large;
    for (const auto& [labels, endpoints] : locals)
        for (const Side side : sides) {
            bool fits = !is_too_large(after->list(side, labels, {}));
            for (const Identity& peer : peers) {
                fits = fits && !is_too_large(after->list(side, labels, peer));
                if (auto spans = changed_spans(*before, *after, side, labels, peer); !spans.empty())
                    difference.changes.push_back({side, endpoints, peer, std::move(spans)});
            }
            if (fits) continue;
            for (const std::string& endpoint : endpoints)
                too_large.insert({endpoint, side});
        }
    if (auto checked = check_sizes(changed, oversized(), too_large); !checked)
        return std::unexpected(std::move(checked).error());
    return difference;
}

std::unique_ptr<PolicyEngine::Applied> PolicyEngine::lower(PolicyDocument document) {
    std::vector<std::uint32_t> rules;
    LoweredPolicy lowered = policy::lower(document.policy, entries_.groups(), [&](const std::string& text) {
        rules.push_back(rules_.acquire(text).number);
        return rules.back();
    });
    return std::make_unique<Applied>(Applied{std::move(document), std::move(lowered), std::move(rules)});
}

void PolicyEngine::give_back(const Applied& applied) {
    policy::release(applied.lowered, entries_.groups());
    for (const std::uint32_t rule : applied.rules)
        rules_.release(rule);
}

Result<void> PolicyEngine::replace_policies(Policies policies, std::span<const Kept> items) {
    if (auto kept = sink_.keep(document_kind, items); !kept) {
        give_back(policies);
        return kept;
    }
    const auto before = oversized();
    const auto [added, removed] = cidr_change(policies);
    const auto held = added != removed ? identities_.hold() : std::vector<std::uint32_t>();
    swap_policies(policies);
    Changed changed;
    for (const PolicyName& name : policies | std::views::keys) {
        const auto present = policies_.find(name);
        changed[name] = present != policies_.end() ? &present->second->lowered : nullptr;
    }
    auto fits = check_sizes(changed, before, oversized());
    if (!fits) {
        swap_policies(policies);
        if (auto kept = sink_.keep(document_kind, documents_of(policies)); !kept)
            fits = fail_in(std::move(kept), fits.error().message + "; it is stored, which cannot be undone");
    }
    for (const std::uint32_t number : held)
        release(number, false);
    settle(policies);
    return fits;
}

std::vector<Kept> PolicyEngine::documents_of(const Policies& names) const {
    std::vector<Kept> items;
    for (const PolicyName& name : names | std::views::keys) {
        const auto present = policies_.find(name);
        items.push_back({name.to_string(),
                         present != policies_.end() ? std::optional(present->second->document.yaml) : std::nullopt});
    }
    return items;
}

void PolicyEngine::give_back(const Policies& out) {
    for (const auto& [name, policy] : out)
        if (policy) give_back(*policy);
}

void PolicyEngine::settle(const Policies& out) {
    // They are asked no more; until now, what stands in their place kept the numbers that both have.
    give_back(out);
    write();
}

PolicyEngine::CidrChange PolicyEngine::cidr_change(const Policies& policies) const {
    CidrChange change;
    const auto append = [](std::vector<net::Prefix>& cidrs, const Applied& of) {
        const auto own = cidrs_of(of.document.policy);
        cidrs.insert(cidrs.end(), own.begin(), own.end());
    };
    for (const auto& [name, policy] : policies) {
        if (const auto present = policies_.find(name); present != policies_.end())
            append(change.removed, *present->second);
        if (policy) append(change.added, *policy);
    }
    std::ranges::sort(change.added);
    std::ranges::sort(change.removed);
    return change;
}

void PolicyEngine::swap_policies(Policies& policies) {
    const auto [added, removed] = cidr_change(policies);
    for (auto& [name, policy] : policies) {
        std::unique_ptr<Applied>& present = policies_[name];
        if (present) entries_.erase(present->lowered);
        if (policy) entries_.insert(policy->lowered);
        std::swap(present, policy);
        if (!present) policies_.erase(name);
    }
    if (routes_.change_cidrs(added, removed))
        for (auto& [endpoint_name, endpoint] : endpoints_)
            refresh_identities(endpoint_name, endpoint);
    entries_.write();
}

PolicyEngine::Places PolicyEngine::oversized() const {
    Places places;
    const auto identities = entries_.oversized();
    if (identities.empty()) return places;
    for (const auto& [name, endpoint] : endpoints_)
        for (const Side side : sides)
            if (std::ranges::any_of(endpoint.identities,
                                    [&](std::uint32_t identity) { return identities.contains({side, identity}); }))
                places.insert({name, side});
    return places;
}

Result<void> PolicyEngine::check_sizes(const Changed& changed, const Places& before, const Places& after) const {
    const auto place = std::ranges::find_if(after, [&](const auto& each) { return !before.contains(each); });
    if (place == after.end() || changed.empty()) return {};
    const auto& [endpoint, side] = *place;
    // One that selects it; where none does, it is what goes that kept the list short.
    const HashedLabels& labels = *endpoints_.at(endpoint).labels;
    const auto selecting = std::ranges::find_if(
        changed, [&](const auto& each) { return each.second != nullptr && each.second->selects(labels); });
    const auto& policy = selecting != changed.end() ? selecting->first : changed.begin()->first;
    return fail(ErrorCode::invalid,
                fmt::format("policy {}: {} it, the ports that policies tell apart for the {} of endpoint {} make "
                            "more than {} ranges, which no fast path takes: name fewer ports, or wider ranges",
                            policy.to_string(), selecting != changed.end() ? "with" : "without",
                            side == Side::ingress ? "ingress" : "egress", endpoint, fastpath::verdict_ranges_max));
}

unsigned PolicyEngine::selected(const LoweredPolicy& policy) const {
    return static_cast<unsigned>(std::ranges::count_if(
        endpoints_, [&](const auto& endpoint) { return policy.selects(*endpoint.second.labels); }));
}

// --- identities
// -------------------------------------------------------------------------------------------------------

std::uint32_t PolicyEngine::acquire(const Identity& identity, bool local) {
    const auto [number, first_use] = identities_.acquire(identity);
    if (first_use && number == identity_host) entries_.set_host_access(rules_.acquire(host_access).number);
    if (first_use) entries_.add_peer(number, *identities_.find(number));
    if (local && identity.labels.is_endpoint()) entries_.add_local(number);
    return number;
}

void PolicyEngine::release(std::uint32_t number, bool local) {
    const Identity* const identity = identities_.find(number);
    if (local && identity != nullptr && identity->labels.is_endpoint()) entries_.remove_local(number);
    if (!identities_.release(number)) return;
    entries_.remove_peer(number);
    if (number != identity_host) return;
    rules_.release(entries_.host_access());
    entries_.set_host_access(0);
}

PolicyEngine::InUse PolicyEngine::in_use() const {
    return {.identities = identities_.size(),
            .rules = rules_.size(),
            .groups = entries_.groups().size(),
            .label_sets = entries_.groups().label_sets().size(),
            .lists = entries_.lists()};
}

// --- namespaces and endpoints
// -----------------------------------------------------------------------------------------

LabelSet PolicyEngine::labels_of_namespace(const std::string& name) const {
    if (const auto known = namespaces_.find(name); known != namespaces_.end()) return known->second;
    // Every namespace exists, with the label that carries its name.
    return namespace_labels(name, {}).value_or(LabelSet{});
}

Result<void> PolicyEngine::set_namespace(const std::string& name, const LabelSet::Map& labels) {
    auto checked = namespace_labels(name, labels);
    if (!checked) return std::unexpected(std::move(checked).error());
    const Kept item{name, checked->to_string()};
    if (auto kept = sink_.keep(namespace_kind, {&item, 1}); !kept) return kept;
    namespaces_[name] = std::move(*checked);
    relabel(name);
    return {};
}

Result<void> PolicyEngine::remove_namespace(const std::string& name) {
    if (!namespaces_.contains(name))
        return fail(
            ErrorCode::not_found,
            fmt::format("namespace {}: has no labels of its own; weft namespace list shows all", name.substr(0, 80)));
    const Kept gone{name, std::nullopt};
    if (auto kept = sink_.keep(namespace_kind, {&gone, 1}); !kept) return kept;
    namespaces_.erase(name);
    relabel(name);
    return {};
}

std::map<std::string, LabelSet> PolicyEngine::namespaces() const {
    std::map<std::string, LabelSet> all = namespaces_;
    for (const auto& [name, endpoint] : endpoints_)
        if (!endpoint.settings.host)
            all.try_emplace(endpoint.settings.name_space, labels_of_namespace(endpoint.settings.name_space));
    for (const auto& [name, applied] : policies_)
        if (!name.name_space.empty()) all.try_emplace(name.name_space, labels_of_namespace(name.name_space));
    return all;
}

HashedLabels PolicyEngine::labels_of(const LocalEndpoint& endpoint) const {
    if (endpoint.host) return HashedLabels::of_host();
    return {endpoint.labels, endpoint.name_space, labels_of_namespace(endpoint.name_space), endpoint.named_ports};
}

void PolicyEngine::relabel(const std::string& name_space) {
    for (auto& [name, endpoint] : endpoints_) {
        if (endpoint.settings.host || endpoint.settings.name_space != name_space) continue;
        endpoint.labels = share(labels_of(endpoint.settings));
        refresh_identities(name, endpoint);
        for (const auto& [key, route] : local_routes_)
            if (route.endpoint == name)
                routes_.set(key, {.next_hop = route.next_hop, .local = true, .labels = endpoint.labels});
        sink_.endpoint_changed(name);
    }
    write();
}

Result<void> PolicyEngine::set_endpoint(const std::string& name, LocalEndpoint settings) {
    if (!settings.host)
        if (auto checked = check_namespace_name(settings.name_space); !checked) return checked;
    Endpoint& endpoint = endpoints_[name];
    endpoint.settings = std::move(settings);
    endpoint.labels = share(labels_of(endpoint.settings));
    refresh_identities(name, endpoint);
    for (const auto& [key, route] : local_routes_)
        if (route.endpoint == name)
            routes_.set(key, {.next_hop = route.next_hop, .local = true, .labels = endpoint.labels});
    write();
    return {};
}

void PolicyEngine::erase_endpoint(const std::string& name) {
    const auto found = endpoints_.find(name);
    if (found == endpoints_.end()) return;
    for (const std::uint32_t identity : found->second.identities)
        release(identity, true);
    endpoints_.erase(found);
    write();
}

void PolicyEngine::refresh_identities(const std::string& name, Endpoint& endpoint) {
    const std::uint32_t before = endpoint_identity(name);
    std::vector<std::uint32_t> identities;
    for (const net::Address& address : endpoint.settings.addresses)
        identities.push_back(
            acquire(Identity::of(*endpoint.labels, routes_.cidrs_around(net::Prefix::host(address))), true));
    std::swap(endpoint.identities, identities);
    for (const std::uint32_t identity : identities)
        release(identity, true);
    if (before != 0 && before != endpoint_identity(name)) sink_.endpoint_changed(name);
}

std::uint32_t PolicyEngine::endpoint_identity(const std::string& name) const {
    const auto found = endpoints_.find(name);
    return found == endpoints_.end() || found->second.identities.empty() ? 0 : found->second.identities.front();
}

std::vector<bgp::LargeCommunity> PolicyEngine::endpoint_communities(const std::string& name) const {
    const auto found = endpoints_.find(name);
    if (found == endpoints_.end()) return {};
    const LocalEndpoint& settings = found->second.settings;
    if (settings.host) return {};
    const LabelSet of_namespace = labels_of_namespace(settings.name_space);
    return HashedLabels(filter_.travelling(settings.labels), settings.name_space, filter_.travelling(of_namespace),
                        settings.named_ports)
        .to_communities(marker_);
}

// --- routes
// -----------------------------------------------------------------------------------------------------------

void PolicyEngine::set_local_route(const RouteTable::Key& key, std::uint32_t next_hop, const std::string& endpoint) {
    const auto found = endpoints_.find(endpoint);
    assert(found != endpoints_.end());
    local_routes_[key] = {endpoint, next_hop};
    routes_.set(key, {.next_hop = next_hop, .local = true, .labels = found->second.labels});
    write();
}

std::shared_ptr<const HashedLabels> PolicyEngine::share(HashedLabels labels) {
    const auto [entry, added] = label_sets_.try_emplace(std::move(labels));
    if (!added) return entry->second.lock();
    // The map's key is the value; the last who lets go of it takes the entry away.
    std::shared_ptr<const HashedLabels> shared(&entry->first,
                                               [this, entry](const HashedLabels*) { label_sets_.erase(entry); });
    entry->second = shared;
    return shared;
}

void PolicyEngine::set_remote_route(const RouteTable::Key& key, std::uint32_t next_hop,
                                    std::span<const bgp::LargeCommunity> communities) {
    local_routes_.erase(key);
    auto labels = share(HashedLabels::from_communities(marker_, communities));
    routes_.set(key, {.next_hop = next_hop, .local = false, .labels = std::move(labels)});
    write();
}

void PolicyEngine::erase_local_route(const RouteTable::Key& key) {
    if (local_routes_.erase(key) == 0) return;
    routes_.erase(key);
    write();
}

void PolicyEngine::erase_remote_route(const RouteTable::Key& key) {
    if (local_routes_.contains(key)) return;
    routes_.erase(key);
    write();
}

End PolicyEngine::end_at(std::uint32_t vni, const net::Address& address) const {
    const LabelledRoute* const route = route_to(vni, address);
    if (route == nullptr) return {.labels = {}, .address = address};
    return {.labels = *route->labels, .address = address, .here = route->local};
}

std::optional<End> PolicyEngine::end_of(const std::string& endpoint, const net::Address& address) const {
    const auto found = endpoints_.find(endpoint);
    if (found == endpoints_.end()) return std::nullopt;
    return End{.labels = *found->second.labels, .address = address, .here = true};
}

void PolicyEngine::write_route(const RouteTable::Key& key, const LabelledRoute* route,
                               std::vector<net::Prefix> cidrs) {
    const auto known = fib_.find(key);
    if (route == nullptr) {
        if (known == fib_.end()) return;
        sink_.erase_route(key);
        const FibEntry before = known->second;
        fib_.erase(known);
        release(before.identity, before.local);
        return;
    }
    const FibEntry after{route->next_hop, acquire(Identity::of(*route->labels, std::move(cidrs)), route->local),
                         route->local};
    if (known == fib_.end()) {
        fib_.emplace(key, after);
        sink_.set_route(key, after.next_hop, after.identity);
        return;
    }
    const FibEntry before = std::exchange(known->second, after);
    if (before.next_hop != after.next_hop || before.identity != after.identity)
        sink_.set_route(key, after.next_hop, after.identity);
    release(before.identity, before.local);
}

} // namespace weft::policy
