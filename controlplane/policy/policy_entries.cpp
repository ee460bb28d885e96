// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/policy_entries.hpp"

#include <algorithm>
#include <cassert>

namespace weft::policy {

namespace {

fastpath::PolicyKey key_of(Side side, std::uint32_t local, std::uint32_t peer) {
    fastpath::PolicyKey key;
    key.set_direction(side == Side::ingress ? fastpath::DIRECTION_INGRESS : fastpath::DIRECTION_EGRESS);
    key.set_local_identity(local);
    key.set_peer_identity(peer);
    return key;
}

} // namespace

// --- what changed
// -----------------------------------------------------------------------------------------------------

void PolicyEntries::insert(const LoweredPolicy& policy) {
    const bool added = policies_.insert(&policy).second;
    assert(added);
    static_cast<void>(added);
    touch(policy);
}

void PolicyEntries::erase(const LoweredPolicy& policy) {
    policies_.erase(&policy);
    touch(policy);
}

void PolicyEntries::touch(const LoweredPolicy& policy) {
    for (auto& [number, local] : locals_) {
        if (!policy.selects(*local.labels)) continue;
        for (const Side side : sides)
            if (!policy.on(side).empty()) local.halves[static_cast<std::size_t>(side)].stale = stale_ = true;
    }
}

void PolicyEntries::add_peer(std::uint32_t number, const Identity& identity) {
    groups_.add(number, identity);
    new_peers_.insert(number);
}

void PolicyEntries::remove_peer(std::uint32_t number) {
    new_peers_.erase(number);
    groups_.remove(number);
    for (auto& [local_number, local] : locals_)
        for (const Side side : sides) {
            Half& half = local.halves[static_cast<std::size_t>(side)];
            if (const auto entry = half.entries.find(number); entry != half.entries.end())
                erase({side, local_number}, half, entry);
        }
}

void PolicyEntries::add_local(std::uint32_t number) {
    Local& local = locals_[number];
    if (local.uses++ > 0) return;
    local.labels = &groups_.at(number).identity->labels;
    stale_ = true;
}

void PolicyEntries::remove_local(std::uint32_t number) {
    const auto found = locals_.find(number);
    assert(found != locals_.end() && found->second.uses > 0);
    if (--found->second.uses > 0) return;
    for (const Side side : sides) {
        Half& half = found->second.halves[static_cast<std::size_t>(side)];
        for (auto entry = half.entries.begin(); entry != half.entries.end();)
            entry = erase({side, number}, half, entry);
    }
    locals_.erase(found);
}

// --- what follows
// -----------------------------------------------------------------------------------------------------

void PolicyEntries::write() {
    if (stale_ || !new_peers_.empty()) {
        Peers new_peers;
        for (const std::uint32_t number : new_peers_)
            new_peers.emplace_back(number, &groups_.at(number));
        for (auto& [number, local] : locals_)
            for (const Side side : sides) {
                Half& half = local.halves[static_cast<std::size_t>(side)];
                if (half.stale) {
                    rebuild({side, number}, *local.labels, half);
                } else {
                    compile_peers({side, number}, *local.labels, half, new_peers);
                }
            }
        stale_ = false;
        new_peers_.clear();
    }
    for (const std::uint64_t list : unused_lists_)
        if (lists_.at(list) == 0) {
            lists_.erase(list);
            sink_.erase_list(list);
        }
    unused_lists_.clear();
}

void PolicyEntries::rebuild(Place place, const HashedLabels& labels, Half& half) {
    std::vector<const LoweredPolicy*> selecting;
    for (const LoweredPolicy* policy : policies_)
        if (policy->selects(labels)) selecting.push_back(policy);
    half.chain = make_chain(selecting, place.side);
    half.compiled.clear();
    const fastpath::VerdictList anybody = compile(half.chain, place.side, labels, {});
    half.anybody = anybody.number();
    // Whoever shall be as anybody must not be so before anybody's entry is right.
    if (!allows_all_by_default(anybody)) {
        publish(anybody);
        set(place, half, identity_any, anybody.number());
    } else if (const auto entry = half.entries.find(identity_any); entry != half.entries.end()) {
        erase(place, half, entry);
    }
    compile_peers(place, labels, half, peers_of(place.side, half));
    half.stale = false;
}

PolicyEntries::Peers PolicyEntries::peers_of(Side side, const Half& half) const {
    std::vector<std::uint32_t> numbers;
    const auto append = [&](const std::vector<std::uint32_t>& identities) {
        numbers.insert(numbers.end(), identities.begin(), identities.end());
    };
    for (const auto& [labels, shared] : groups_.label_sets())
        if (rules_for(half.chain, side, labels, shared.groups, {}, host_access_) != PeerRules{})
            append(shared.identities);
    for (const auto& [cidrs, shared] : groups_.cidr_sets())
        if (means_any(half.chain, shared.groups)) append(shared.identities);
    for (const auto& [number, list] : half.entries)
        if (number != identity_any) numbers.push_back(number);
    std::ranges::sort(numbers);
    const auto duplicates = std::ranges::unique(numbers);
    numbers.erase(duplicates.begin(), duplicates.end());
    Peers peers;
    for (const std::uint32_t number : numbers)
        peers.emplace_back(number, &groups_.at(number));
    return peers;
}

void PolicyEntries::compile_peers(Place place, const HashedLabels& labels, Half& half, const Peers& peers) {
    ByLabels by_labels;
    for (const auto& [number, peer] : peers) {
        const std::uint64_t list = list_of(place, labels, half, *peer, by_labels);
        if (list != half.anybody) {
            set(place, half, number, list);
        } else if (const auto entry = half.entries.find(number); entry != half.entries.end()) {
            erase(place, half, entry);
        }
    }
    forget_compiled(half);
}

std::uint64_t PolicyEntries::list_of(Place place, const HashedLabels& labels, Half& half,
                                     const PeerGroups::Member& peer, ByLabels& by_labels) {
    const auto rules = [&] { return rules_for(half.chain, place.side, peer, host_access_); };
    if (peer.identity->labels.is_host()) return list_of(place, labels, half, rules());
    // Nobody else is anything but anybody where no rule asks who it is.
    if (half.chain.peers.empty() && !half.chain.names_ports) return half.anybody;
    if (means_any(half.chain, peer.by_address())) return list_of(place, labels, half, rules());
    const auto [known, added] = by_labels.try_emplace(&peer.by_labels());
    if (added) known->second = list_of(place, labels, half, rules());
    return known->second;
}

std::uint64_t PolicyEntries::list_of(Place place, const HashedLabels& labels, Half& half, const PeerRules& rules) {
    if (rules == PeerRules{}) return half.anybody;
    const auto [known, added] = half.compiled.try_emplace(rules, 0);
    if (known->second == half.anybody || lists_.contains(known->second)) return known->second;
    const fastpath::VerdictList list = compile(half.chain, place.side, labels, rules);
    known->second = list.number();
    if (list.number() != half.anybody) publish(list);
    return list.number();
}

std::set<PolicyEntries::Place> PolicyEntries::oversized() const {
    std::set<Place> places;
    if (!lists_.contains(too_large_)) return places;
    for (const auto& [number, local] : locals_)
        for (const Side side : sides)
            for (const auto& [peer, list] : local.halves[static_cast<std::size_t>(side)].entries)
                if (list == too_large_) places.insert({side, number});
    return places;
}

std::size_t PolicyEntries::compiled() const {
    std::size_t count = 0;
    for (const auto& [number, local] : locals_)
        for (const Half& half : local.halves)
            count += half.compiled.size();
    return count;
}

void PolicyEntries::forget_compiled(Half& half) {
    // Peers come and go, and with them what was compiled for them: it is kept for about as many as there are.
    if (half.compiled.size() > 2 * half.entries.size() + 64) half.compiled.clear();
}

void PolicyEntries::set(Place place, Half& half, std::uint32_t peer, std::uint64_t list) {
    const auto [entry, added] = half.entries.try_emplace(peer, 0);
    if (entry->second == list) return;
    ++lists_.at(list);
    fastpath::PolicyEntry message;
    *message.mutable_key() = key_of(place.side, place.local, peer);
    message.set_list(list);
    sink_.set_policy(message);
    if (!added) release(entry->second);
    entry->second = list;
}

PolicyEntries::Entries::iterator PolicyEntries::erase(Place place, Half& half, Entries::iterator entry) {
    sink_.erase_policy(key_of(place.side, place.local, entry->first));
    release(entry->second);
    return half.entries.erase(entry);
}

void PolicyEntries::publish(const fastpath::VerdictList& list) {
    if (!lists_.try_emplace(list.number(), 0).second) return;
    if (is_too_large(list)) too_large_ = list.number();
    sink_.set_list(list);
}

void PolicyEntries::release(std::uint64_t list) {
    if (--lists_.at(list) == 0) unused_lists_.insert(list);
}

} // namespace weft::policy
