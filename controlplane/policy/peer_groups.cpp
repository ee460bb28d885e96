// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/peer_groups.hpp"

#include <algorithm>
#include <cassert>

namespace weft::policy {

namespace {

bool means(const HashedSelector& selector, const HashedLabels& labels) {
    return labels.is_endpoint() && selector.matches(labels);
}

bool means(const AddressPeer& block, std::span<const net::Prefix> cidrs) {
    const auto within = [&](const net::Prefix& cidr) { return std::ranges::binary_search(cidrs, cidr); };
    return within(block.cidr) && std::ranges::none_of(block.except, within);
}

template <class T>
void insert(std::vector<T>& sorted, T item) {
    sorted.insert(std::ranges::lower_bound(sorted, item), item);
}

template <class T>
void erase(std::vector<T>& sorted, T item) {
    sorted.erase(std::ranges::lower_bound(sorted, item));
}

} // namespace

LoweredPeer lower(const Peer& peer, std::string_view own_namespace) {
    if (const auto* const selector = std::get_if<EndpointSelector>(&peer))
        return HashedSelector(*selector, own_namespace);
    const auto& block = std::get<IpBlock>(peer);
    AddressPeer lowered{block.cidr, block.except};
    std::ranges::sort(lowered.except);
    return lowered;
}

template <class Change>
void PeerGroups::for_each_meant(const LoweredPeer& peer, Change change) {
    if (const auto* const selector = std::get_if<HashedSelector>(&peer)) {
        for (auto& [labels, of_labels] : label_sets_)
            if (means(*selector, labels)) change(of_labels.groups);
        return;
    }
    for (auto& [cidrs, of_cidrs] : cidr_sets_)
        if (means(std::get<AddressPeer>(peer), cidrs)) change(of_cidrs.groups);
}

GroupId PeerGroups::acquire(const LoweredPeer& peer) {
    const auto [known, added] = by_peer_.try_emplace(peer, Use{next_, 0});
    if (added) {
        by_id_.emplace(next_, known);
        if (const auto* const selector = std::get_if<HashedSelector>(&known->first)) {
            selectors_.emplace(next_, selector);
        } else {
            const auto& block = std::get<AddressPeer>(known->first);
            blocks_[block.cidr].emplace(next_, &block);
        }
        for_each_meant(peer, [&](Groups& groups) { insert(groups, next_); });
        ++next_;
    }
    ++known->second.uses;
    return known->second.id;
}

void PeerGroups::release(GroupId group) {
    const auto found = by_id_.find(group);
    assert(found != by_id_.end() && found->second->second.uses > 0);
    if (--found->second->second.uses > 0) return;
    const LoweredPeer& peer = found->second->first;
    for_each_meant(peer, [&](Groups& groups) { erase(groups, group); });
    if (const auto* const block = std::get_if<AddressPeer>(&peer)) {
        const auto of_cidr = blocks_.find(block->cidr);
        of_cidr->second.erase(group);
        if (of_cidr->second.empty()) blocks_.erase(of_cidr);
    }
    selectors_.erase(group);
    by_peer_.erase(found->second);
    by_id_.erase(found);
}

void PeerGroups::add(std::uint32_t number, const Identity& identity) {
    const auto [label_set, labels_added] = label_sets_.try_emplace(identity.labels);
    if (labels_added)
        for (const auto& [id, selector] : selectors_)
            if (means(*selector, identity.labels)) label_set->second.groups.push_back(id);
    insert(label_set->second.identities, number);
    const auto [cidr_set, cidrs_added] = cidr_sets_.try_emplace(identity.cidrs);
    if (cidrs_added)
        for (const net::Prefix& cidr : identity.cidrs)
            if (const auto of_cidr = blocks_.find(cidr); of_cidr != blocks_.end())
                for (const auto& [id, block] : of_cidr->second)
                    if (means(*block, identity.cidrs)) insert(cidr_set->second.groups, id);
    insert(cidr_set->second.identities, number);
    members_.emplace(number, Member{&identity, label_set, cidr_set});
}

void PeerGroups::remove(std::uint32_t number) {
    const auto let_go = [&](auto& sets, auto set) {
        erase(set->second.identities, number);
        if (set->second.identities.empty()) sets.erase(set);
    };
    const auto member = members_.find(number);
    let_go(label_sets_, member->second.label_set);
    let_go(cidr_sets_, member->second.cidr_set);
    members_.erase(member);
}

} // namespace weft::policy
