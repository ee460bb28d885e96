// SPDX-License-Identifier: BSD-3-Clause
// PolicyEntries: what stands in the fast path's policy table, and what it costs to keep it right. Changes of
// policies, identities and local endpoints are noted; write() compiles what they touch, once, and tells the sink the
// differences.
//
//   policy that selects a local identity ---> that identity's chain and all of its entries
//   identity that is new, or gone        ---> its own entry with each local identity
#pragma once

#include <compare>
#include <set>
#include <unordered_map>
#include <utility>

#include "controlplane/policy/compiler.hpp"
#include "controlplane/policy/policy_sink.hpp"

namespace weft::policy {

class PolicyEntries {
  public:
    /// Where policy decides about somebody.
    struct Place {
        Side side = Side::ingress;
        std::uint32_t local = 0; ///< identity

        friend auto operator<=>(const Place&, const Place&) = default;
    };

    /// The sink must live as long.
    explicit PolicyEntries(PolicySink& sink) : sink_(sink) {}

    /// The policy stays where it is until it is erased and that is written. None of its name is there.
    void insert(const LoweredPolicy& policy);
    void erase(const LoweredPolicy& policy);

    /// The number of the rule that allows the host all, before the host becomes a peer; 0: it is none any more.
    void set_host_access(std::uint32_t rule) { host_access_ = rule; }

    [[nodiscard]] std::uint32_t host_access() const { return host_access_; }

    /// An identity came into use; it must stay where it is until it is removed.
    void add_peer(std::uint32_t number, const Identity& identity);
    void remove_peer(std::uint32_t number);

    /// One more use of the identity, a peer already, by this host's endpoints.
    void add_local(std::uint32_t number);
    /// One use less.
    void remove_local(std::uint32_t number);

    [[nodiscard]] bool has_local(std::uint32_t number) const { return locals_.contains(number); }

    /// Brings the sink up to date.
    void write();

    [[nodiscard]] PeerGroups& groups() { return groups_; }

    [[nodiscard]] const PeerGroups& groups() const { return groups_; }

    /// In use, for those who look for leaks.
    [[nodiscard]] std::size_t lists() const { return lists_.size(); }

    /// Kept for peers that the same rules mean; about as many as there are entries.
    [[nodiscard]] std::size_t compiled() const;

    /// Where, since the last write(), a list would have more ranges than a fast path takes, and denies all.
    [[nodiscard]] std::set<Place> oversized() const;

  private:
    using Entries = std::map<std::uint32_t, std::uint64_t>; ///< by peer the list's number

    /// One direction of a local identity.
    struct Half {
        bool stale = true; ///< policies that select it are others
        Chain chain;
        std::uint64_t anybody = 0;                   ///< the number of the list of whom no rule means
        std::map<PeerRules, std::uint64_t> compiled; ///< lists' numbers; not for ever (see forget_compiled())
        Entries entries;
    };

    struct Local {
        std::size_t uses = 0;
        const HashedLabels* labels = nullptr;
        BySide<Half> halves;
    };

    /// What an entry stands under.
    using Peers = std::vector<std::pair<std::uint32_t, const PeerGroups::Member*>>;
    /// Lists' numbers of peers that no rule means by their address, by what they are in by their labels: most of
    /// them.
    using ByLabels = std::unordered_map<const PeerGroups::Groups*, std::uint64_t>;

    void touch(const LoweredPolicy& policy);
    void rebuild(Place place, const HashedLabels& labels, Half& half);
    /// Who has an entry or may need one; all others are as anybody.
    [[nodiscard]] Peers peers_of(Side side, const Half& half) const;
    void compile_peers(Place place, const HashedLabels& labels, Half& half, const Peers& peers);
    std::uint64_t list_of(Place place, const HashedLabels& labels, Half& half, const PeerGroups::Member& peer,
                          ByLabels& by_labels);
    std::uint64_t list_of(Place place, const HashedLabels& labels, Half& half, const PeerRules& rules);
    static void forget_compiled(Half& half);
    void set(Place place, Half& half, std::uint32_t peer, std::uint64_t list);
    Entries::iterator erase(Place place, Half& half, Entries::iterator entry);
    /// An entry is about to name it.
    void publish(const fastpath::VerdictList& list);
    void release(std::uint64_t list);

    PolicySink& sink_;
    PeerGroups groups_;
    std::set<const LoweredPolicy*, AskedBefore> policies_;
    std::map<std::uint32_t, Local> locals_;
    std::uint32_t host_access_ = 0;
    std::set<std::uint32_t> new_peers_;          ///< since the last write
    bool stale_ = false;                         ///< any half is
    std::uint64_t too_large_ = 0;                ///< the list in place of those that are
    std::map<std::uint64_t, std::size_t> lists_; ///< that the sink has, and their uses
    std::set<std::uint64_t> unused_lists_;       ///< that lost their last use since the last write
};

} // namespace weft::policy
