// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/peer_groups.hpp"

#include <algorithm>
#include <cassert>

namespace weft::policy {

namespace {

bool means(const HashedSelector& selector, const HashedLabels& labels) {
    return labels.is_endpoint() && selector.matches(labels);
}

/// An identity in its CIDR.
bool means(const AddressPeer& block, const Identity& identity) {
    return std::ranges::none_of(
        block.except, [&](const net::Prefix& except) { return std::ranges::binary_search(identity.cidrs, except); });
}

void insert(PeerGroups::Groups& groups, GroupId group) {
    groups.insert(std::ranges::lower_bound(groups, group), group);
}

void erase(PeerGroups::Groups& groups, GroupId group) { groups.erase(std::ranges::lower_bound(groups, group)); }

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
    const auto& block = std::get<AddressPeer>(peer);
    for (auto& [number, member] : members_)
        if (std::ranges::binary_search(member.identity->cidrs, block.cidr) && means(block, *member.identity))
            change(member.by_address);
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
    const auto [label_set, added] = label_sets_.try_emplace(identity.labels);
    LabelSetGroups& of_labels = label_set->second;
    if (added)
        for (const auto& [id, selector] : selectors_)
            if (means(*selector, identity.labels)) of_labels.groups.push_back(id);
    ++of_labels.identities;
    Member member{&identity, label_set, {}};
    for (const net::Prefix& cidr : identity.cidrs)
        if (const auto of_cidr = blocks_.find(cidr); of_cidr != blocks_.end())
            for (const auto& [id, block] : of_cidr->second)
                if (means(*block, identity)) insert(member.by_address, id);
    members_.emplace(number, std::move(member));
}

void PeerGroups::remove(std::uint32_t number) {
    const auto member = members_.find(number);
    const auto label_set = member->second.label_set;
    if (--label_set->second.identities == 0) label_sets_.erase(label_set);
    members_.erase(member);
}

} // namespace weft::policy
