// SPDX-License-Identifier: BSD-3-Clause
// The compiler: what policy says of everything between one local identity and each of its peers, in one direction.
// A chain holds the rules that apply to the local identity in the order in which they are asked; for a peer, those
// of them that mean it become a verdict list. Pure functions; PolicyEntries calls them for what a change touches.
#pragma once

#include "controlplane/policy/lowered_policy.hpp"

namespace weft::policy {

/// A rule in its place.
struct ChainRule {
    const LoweredRule* rule = nullptr;
    const LoweredPolicy* policy = nullptr; ///< whose it is; lives longer than the chain
};

/// A group that a rule of the chain means.
struct ChainPeer {
    GroupId group = 0;
    std::uint32_t rule = 0; ///< its place in the chain

    friend auto operator<=>(const ChainPeer&, const ChainPeer&) = default;
};

struct Chain {
    std::vector<ChainRule> rules;
    std::vector<ChainPeer> peers;   ///< sorted
    std::uint32_t default_rule = 0; ///< of audited policies
    bool audit = false;             ///< any of its rules is an audited policy's
    bool names_ports = false;       ///< any of its rules does
};

/// `policies`: those that select the local identity, in the order in which they are asked.
[[nodiscard]] Chain make_chain(std::span<const LoweredPolicy* const> policies, Side side);

/// What every endpoint and its own host owe each other, whatever policies say: a rule that stands before all tiers.
inline constexpr const char* host_access = "host access";

/// All that a peer's list depends on, beside the chain: peers of equal PeerRules have the same list. Empty: as
/// anybody.
struct PeerRules {
    std::uint32_t host_access = 0;    ///< the number of the rule that allows the host all; 0: it is not the host
    std::vector<std::uint32_t> rules; ///< that mean it, beside those that mean everyone; places in the chain, sorted
    std::vector<LabelHash> ports;     ///< its names, if it is the destination and rules ask

    friend auto operator<=>(const PeerRules&, const PeerRules&) = default;
};

/// `host_access`: the number of that rule.
[[nodiscard]] PeerRules rules_for(const Chain& chain, Side side, const PeerGroups::Member& peer,
                                  std::uint32_t host_access);
/// For whoever has these labels and is in these groups.
[[nodiscard]] PeerRules rules_for(const Chain& chain, Side side, const HashedLabels& labels,
                                  const PeerGroups::Groups& by_labels, const PeerGroups::Groups& by_address,
                                  std::uint32_t host_access);

/// Does any rule of the chain mean any of the groups?
[[nodiscard]] bool means_any(const Chain& chain, const PeerGroups::Groups& groups);

/// What has more ranges than a fast path takes denies all.
[[nodiscard]] fastpath::VerdictList compile(const Chain& chain, Side side, const HashedLabels& local,
                                            const PeerRules& peer);

/// The policies' rules that match at that point of protocol << 16 | port, in the order in which they are asked,
/// whether or not one before them has decided.
[[nodiscard]] std::vector<ChainRule> matching(const Chain& chain, Side side, const HashedLabels& local,
                                              const PeerRules& peer, std::uint32_t point);

/// Does it deny all because it has too many ranges?
[[nodiscard]] bool is_too_large(const fastpath::VerdictList& list);

/// The same, for people.
inline constexpr const char* too_large = "more ranges than a fast path takes";

/// What holds where nothing is said.
[[nodiscard]] bool allows_all_by_default(const fastpath::VerdictList& list);

} // namespace weft::policy
