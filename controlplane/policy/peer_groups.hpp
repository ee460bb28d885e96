// SPDX-License-Identifier: BSD-3-Clause
// PeerGroups: which identities each peer of any rule means. Peers that mean the same are one group, however many
// rules name it and whomever they protect. Selectors ask about labels alone and are asked once about each label set,
// whatever CIDRs its identities are in; a block asks about CIDRs alone and is asked once about each set that has its
// own.
#pragma once

#include <map>
#include <span>
#include <unordered_map>
#include <variant>
#include <vector>

#include "controlplane/policy/hashed_selector.hpp"
#include "controlplane/policy/identity.hpp"

namespace weft::policy {

/// Whoever has an address in the CIDR, but in none of `except`.
struct AddressPeer {
    net::Prefix cidr;
    std::vector<net::Prefix> except; ///< sorted

    friend auto operator<=>(const AddressPeer&, const AddressPeer&) = default;
};

/// A peer of a rule, ready for evaluation.
using LoweredPeer = std::variant<AddressPeer, HashedSelector>;

[[nodiscard]] LoweredPeer lower(const Peer& peer, std::string_view own_namespace);

/// Never given twice, so that a later group has a greater one.
using GroupId = std::uint64_t;

class PeerGroups {
  public:
    PeerGroups() = default;
    PeerGroups(const PeerGroups&) = delete;
    PeerGroups& operator=(const PeerGroups&) = delete;

    /// The group of those whom the peer means, with one more use.
    [[nodiscard]] GroupId acquire(const LoweredPeer& peer);
    /// One use less.
    void release(GroupId group);

    /// The identity must stay where it is while it is a member.
    void add(std::uint32_t number, const Identity& identity);
    void remove(std::uint32_t number);

    /// Sorted.
    using Groups = std::vector<GroupId>;

    /// Of labels or CIDRs: the identities that have them, and the groups that mean them.
    struct Shared {
        std::vector<std::uint32_t> identities; ///< sorted
        Groups groups;
    };

    using LabelSets = std::map<HashedLabels, Shared>;
    using CidrSets = std::map<std::vector<net::Prefix>, Shared>;

    struct Member {
        const Identity* identity = nullptr;
        LabelSets::iterator label_set;
        CidrSets::iterator cidr_set;

        /// These stay where they are while the identity is a member.
        [[nodiscard]] const Groups& by_labels() const { return label_set->second.groups; }

        [[nodiscard]] const Groups& by_address() const { return cidr_set->second.groups; }
    };

    [[nodiscard]] const Member& at(std::uint32_t number) const { return members_.at(number); }

    /// Groups in use.
    [[nodiscard]] std::size_t size() const { return by_peer_.size(); }

    [[nodiscard]] const LabelSets& label_sets() const { return label_sets_; }

    [[nodiscard]] const CidrSets& cidr_sets() const { return cidr_sets_; }

  private:
    struct Use {
        GroupId id = 0;
        std::size_t uses = 0;
    };

    using ByPeer = std::map<LoweredPeer, Use>;

    /// Calls `change` with the groups of each label set or set of CIDRs that the peer means.
    template <class Change>
    void for_each_meant(const LoweredPeer& peer, Change change);

    GroupId next_ = 1;
    ByPeer by_peer_;
    std::map<GroupId, ByPeer::iterator> by_id_;
    std::map<GroupId, const HashedSelector*> selectors_;
    std::map<net::Prefix, std::map<GroupId, const AddressPeer*>> blocks_; ///< by CIDR
    LabelSets label_sets_;
    CidrSets cidr_sets_;
    std::unordered_map<std::uint32_t, Member> members_;
};

} // namespace weft::policy
