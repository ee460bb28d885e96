// SPDX-License-Identifier: BSD-3-Clause
// Judge: what a set of policies, applied or only proposed, says of connections that nobody has made yet, and which
// rules say so. It lowers and compiles them as PolicyEntries does, for itself: nobody's numbers, tables or database
// know of it.
#pragma once

#include <map>

#include "controlplane/policy/cidr.hpp"
#include "controlplane/policy/compiler.hpp"

namespace weft::policy {

/// What became of a rule that matches.
enum class Standing : std::uint8_t {
    decides,
    passes,         ///< its tier has no say any more
    passed_over,    ///< a rule before it has passed the tier
    after_decision, ///< in the tier that decides
    lower_tier,     ///< than the one that decides
    audited,        ///< not enforced
};

/// Why the rule does not decide, for people; empty if it does.
[[nodiscard]] std::string_view to_string(Standing standing);

struct MatchingRule {
    const Policy* policy = nullptr; ///< null: host access, which is no policy's
    unsigned number = 0;            ///< in its direction, from 1; 0: the policy's isolation
    std::string name;               ///< may be empty
    std::string text;               ///< "ingress rule 1 of default/web"
    Action action = Action::allow;
    Standing standing = Standing::decides;
};

/// What policies say at one end of a connection.
struct Judgement {
    bool selected = false; ///< any policy asks about this end, in this direction
    bool allowed = true;
    std::string rule;                   ///< that decides; empty: none
    std::string audited_rule;           ///< that would decide otherwise if audited policies were enforced
    std::vector<MatchingRule> matching; ///< in the order in which they are asked
};

/// One end, as policy sees it. `labels` of the world and of the host are empty.
struct End {
    HashedLabels labels;
    net::Address address;
    bool here = false; ///< an endpoint of this host, or the host itself
};

struct Connection {
    End source;
    End destination;
    std::uint8_t protocol = 0;
    std::uint16_t port = 0; ///< the destination's
};

/// What both ends say; it takes both of them to allow it.
struct ConnectionJudgement {
    Judgement egress;
    Judgement ingress;

    [[nodiscard]] bool allowed() const { return egress.allowed && ingress.allowed; }

    /// The rules that decide: those of each end that denies it or, where none does, of each end that has one.
    [[nodiscard]] std::vector<std::string> rules() const;
};

/// In place of a rule: what goes from an address to the same one passes by loopback, where nobody decides.
inline constexpr const char* to_itself = "to itself, by loopback";

class Judge {
  public:
    /// The policies live longer.
    explicit Judge(std::span<const Policy* const> policies);
    Judge(const Judge&) = delete;
    Judge& operator=(const Judge&) = delete;

    /// At `local`: as the destination for ingress, as the source for egress.
    [[nodiscard]] Judgement judge(Side side, const End& local, const End& peer, std::uint8_t protocol,
                                  std::uint16_t port);
    [[nodiscard]] ConnectionJudgement judge(const Connection& connection);

    /// All that is said of a peer, until the next question; `peer` names at least the CIDRs that policies here name.
    [[nodiscard]] const fastpath::VerdictList& list(Side side, const HashedLabels& local, const Identity& peer);

    /// Of a number in such a list; empty: of none.
    [[nodiscard]] const std::string& text_of(std::uint32_t rule) const { return texts_.at(rule); }

  private:
    struct Item {
        const Policy* policy = nullptr;
        LoweredPolicy lowered;
    };

    /// One direction of a local end.
    struct Half {
        Chain chain;
        std::map<PeerRules, fastpath::VerdictList> compiled;
    };

    [[nodiscard]] Half& half_of(Side side, const HashedLabels& local);
    [[nodiscard]] const PeerGroups::Member& member(const Identity& peer);
    [[nodiscard]] PeerRules rules_of(const Half& half, Side side, const HashedLabels& local, const Identity& peer);
    [[nodiscard]] static const fastpath::VerdictList& list(Half& half, Side side, const HashedLabels& local,
                                                           const PeerRules& rules);
    [[nodiscard]] MatchingRule describe(Side side, const ChainRule& rule) const;

    PeerGroups groups_;
    CidrSet cidrs_;
    std::vector<std::string> texts_{{}}; ///< of rules, by their numbers here; none has 0
    std::uint32_t host_access_ = 0;
    std::map<PolicyName, Item> items_;
    std::vector<const LoweredPolicy*> asked_; ///< in that order
    std::map<Identity, std::uint32_t> members_;
    BySide<std::map<HashedLabels, Half>> halves_;
};

} // namespace weft::policy
