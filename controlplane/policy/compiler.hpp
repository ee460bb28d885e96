// SPDX-License-Identifier: BSD-3-Clause
// The compiler: which entries of the fast path's policy table one local identity needs. Pure functions; PolicyEngine
// calls them for what a change touches. Isolation is a DENY for any peer, an allowed peer and port an ALLOW of
// greater precedence: policies only add.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "controlplane/policy/hashed_selector.hpp"
#include "controlplane/policy/identity.hpp"
#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/policy.h"

namespace weft::policy {

/// An IpBlock or selectors, ready for evaluation.
struct LoweredPeer {
    std::optional<IpBlock> block;
    std::optional<LabelHash> name_space; ///< the policy's own, where the peer has no namespace selector
    std::optional<HashedSelector> namespaces;
    std::optional<HashedSelector> pods;

    [[nodiscard]] bool matches(const Identity& identity) const;
};

struct LoweredRule {
    std::uint32_t number = 0;
    std::vector<LoweredPeer> peers;                            ///< empty: everyone
    std::vector<std::pair<std::uint8_t, std::uint16_t>> ports; ///< protocol and port, 0: any; never empty
};

struct LoweredDirection {
    weft_direction direction = WEFT_INGRESS;
    bool isolates = false;
    std::uint32_t isolation_rule = 0; ///< the rule that stands for "nothing of this policy allows it"
    std::vector<LoweredRule> rules;
};

struct LoweredPolicy {
    LabelHash name_space = 0;
    HashedSelector pods;
    std::array<LoweredDirection, 2> directions; ///< ingress, egress

    [[nodiscard]] bool selects(const HashedLabels& labels) const {
        return labels.contains(name_space) && pods.matches(labels);
    }
};

/// Gives a rule, described for people, its number.
using NumberRule = std::function<std::uint32_t(const std::string& text)>;

[[nodiscard]] LoweredPolicy lower(const Policy& policy, const NumberRule& number_rule);

/// What fastpath::PolicyKey has beside the local identity; sorted by peer.
struct EntryKey {
    std::uint32_t peer = identity_any;
    weft_direction direction = WEFT_INGRESS;
    std::uint8_t protocol = 0;
    std::uint16_t port = 0;

    friend auto operator<=>(const EntryKey&, const EntryKey&) = default;
};

struct EntryValue {
    weft_verdict verdict = WEFT_ALLOW;
    std::uint32_t rule = 0;

    friend bool operator==(const EntryValue&, const EntryValue&) = default;
};

using Entries = std::map<EntryKey, EntryValue>;

/// A number and whom it means.
using NumberedIdentity = std::pair<std::uint32_t, const Identity*>;

/// The entries of a local identity with these labels, against these peers. Where rules allow the same, the first one
/// is named.
[[nodiscard]] Entries compile(std::span<const LoweredPolicy* const> policies, const HashedLabels& local,
                              std::span<const NumberedIdentity> peers);

[[nodiscard]] fastpath::PolicyKey to_message(std::uint32_t local, const EntryKey& key);
[[nodiscard]] fastpath::PolicyEntry to_message(std::uint32_t local, const EntryKey& key, const EntryValue& value);

} // namespace weft::policy
