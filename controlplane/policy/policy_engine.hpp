// SPDX-License-Identifier: BSD-3-Clause
// PolicyEngine: the model of all that policy knows on this host, and the one place where it becomes table entries.
// The agent tells it of namespaces, endpoints, routes and policies; it answers through a PolicySink with the
// differences, ready for the fast path and the database.
//
//   policies, namespaces, endpoints, routes -> identities -> PolicyEntries: compile what changed -> PolicySink:
//   verdict lists and policy entries, FIB routes, what to persist
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "controlplane/policy/judge.hpp"
#include "controlplane/policy/label_filter.hpp"
#include "controlplane/policy/policy_difference.hpp"
#include "controlplane/policy/policy_entries.hpp"
#include "controlplane/policy/policy_reader.hpp"
#include "controlplane/policy/policy_sink.hpp"
#include "controlplane/policy/route_table.hpp"

namespace weft::policy {

/// An endpoint of this host.
struct LocalEndpoint {
    std::string name_space;
    LabelSet labels;
    std::vector<net::Address> addresses;
    std::vector<PortName> named_ports;
    bool host = false; ///< the host's own, which has no more than addresses
};

struct PolicyStatus {
    enum class Action : std::uint8_t { none, created, changed, unchanged };

    const PolicyDocument* document = nullptr; ///< until the next change
    Action action = Action::none;             ///< of apply()
    unsigned selected_endpoints = 0;          ///< on this host
    std::span<const std::uint32_t> rules;     ///< of list(): their numbers, until the next change
};

/// What an endpoint's peer would gain or lose.
struct PolicyChange {
    Side side = Side::ingress;
    std::vector<std::string> endpoints; ///< that have the same labels
    Identity peer;
    std::vector<ChangedSpan> spans;
};

struct PolicyDifference {
    std::vector<PolicyStatus> policies; ///< as apply() would tell them
    std::vector<PolicyChange> changes;
};

class PolicyEngine {
  public:
    /// `marker`: the ASN that marks label communities. The sink must live as long as the engine.
    PolicyEngine(std::uint32_t marker, PolicySink& sink, LabelFilter filter = {});

    /// The kinds of what is persisted, in the order in which they are restored.
    static constexpr std::array<std::string_view, 4> kinds{"policy-identity", "policy-rule", "policy-namespace",
                                                           "policy-document"};
    /// The number that an item of persist() is about, if it is a rule's.
    [[nodiscard]] static std::optional<std::uint32_t> rule_of(std::string_view kind, std::string_view key);
    /// What persist() was told in an earlier run, before anything else is done; fails for what no engine wrote.
    /// Identities that were in use are peers again, so that a change of policy reaches those whose routes the fast
    /// path still has and nobody has announced again.
    [[nodiscard]] Result<void> restore(std::string_view kind, const std::string& key, const std::string& value);

    /// Does the sink know all that policy says about them, an endpoint's identity and a peer's (or identity_any)?
    [[nodiscard]] bool knows(std::uint32_t local, std::uint32_t peer) const {
        return entries_.has_local(local) && (peer < identity_first || identities_.find(peer) != nullptr);
    }

    /// All routes are known: identities and rules that nobody has claimed since restore() are forgotten.
    void sweep();

    /// As read_policies(), without policies that would need labels which stay on their host.
    [[nodiscard]] Result<std::vector<PolicyDocument>> read(std::string_view yaml,
                                                           std::size_t bytes_max = policy_text_max) const;
    /// Applies all policies of the text or, with the reason, none.
    [[nodiscard]] Result<std::vector<PolicyStatus>> apply(std::string_view yaml);
    [[nodiscard]] Result<std::vector<PolicyStatus>> apply(std::vector<PolicyDocument> documents);
    [[nodiscard]] Result<PolicyDocument> remove(const PolicyName& name);
    /// By kind, namespace and name.
    [[nodiscard]] std::vector<PolicyStatus> list() const;

    /// Of the policies, with the proposed ones in place of those of their names; both until the next change. Changes
    /// nothing.
    [[nodiscard]] std::unique_ptr<Judge> judge(std::span<const PolicyDocument> proposed = {}) const;

    /// What apply() would change between this host's endpoints, and between them and all peers that routes tell of.
    /// Fails where apply() would, since policies would become too large. Changes nothing.
    [[nodiscard]] Result<PolicyDifference> diff(std::span<const PolicyDocument> proposed) const;

    [[nodiscard]] Result<void> set_namespace(const std::string& name, const LabelSet::Map& labels);
    /// Its labels are forgotten; endpoints and policies in it stay.
    [[nodiscard]] Result<void> remove_namespace(const std::string& name);
    /// With labels of their own, or with endpoints or policies.
    [[nodiscard]] std::map<std::string, LabelSet> namespaces() const;

    /// Its identities are in use from now on, and their policy goes out: call before its routes are set. Replaces one
    /// of that name.
    [[nodiscard]] Result<void> set_endpoint(const std::string& name, LocalEndpoint endpoint);
    /// After its routes are erased.
    void erase_endpoint(const std::string& name);
    /// Of its first address; 0: there is no such endpoint.
    [[nodiscard]] std::uint32_t endpoint_identity(const std::string& name) const;
    /// What its routes carry: nothing that the filter keeps here, nor that they are this host's own.
    [[nodiscard]] std::vector<bgp::LargeCommunity> endpoint_communities(const std::string& name) const;

    /// The endpoint was set before.
    void set_local_route(const RouteTable::Key& key, std::uint32_t next_hop, const std::string& endpoint);
    void set_remote_route(const RouteTable::Key& key, std::uint32_t next_hop,
                          std::span<const bgp::LargeCommunity> communities);
    /// Erase what the other two set, and only that: a prefix may be an endpoint's today and another host's tomorrow.
    void erase_local_route(const RouteTable::Key& key);
    void erase_remote_route(const RouteTable::Key& key);

    /// Who has an address, by the route to it; without one, the world.
    [[nodiscard]] End end_at(std::uint32_t vni, const net::Address& address) const;

    /// The endpoint of this host, whether routes lead to it or not; none has that name: nothing.
    [[nodiscard]] std::optional<End> end_of(const std::string& endpoint, const net::Address& address) const;

    /// Is there a route to this address alone?
    [[nodiscard]] bool has_host_route(std::uint32_t vni, const net::Address& address) const {
        return routes_.contains({vni, net::Prefix::host(address)});
    }

    /// That route; none: it leads nowhere.
    [[nodiscard]] const LabelledRoute* route_to(std::uint32_t vni, const net::Address& address) const {
        return routes_.longest_match(vni, address);
    }

    /// Where policy has become more than a fast path takes, by labels that came later: there it denies all.
    using Places = std::set<std::pair<std::string, Side>>; ///< by the endpoint's name
    [[nodiscard]] Places oversized() const;

    /// The number of the rule that allows the host all; 0: no endpoint is the host's own.
    [[nodiscard]] std::uint32_t host_access_rule() const { return entries_.host_access(); }

    /// "ingress rule 1 of default/web"; empty for a number that means nothing.
    [[nodiscard]] std::string rule_text(std::uint32_t rule) const;
    /// Hashes whose text this host knows, from its endpoints, namespaces and policies.
    [[nodiscard]] std::map<LabelHash, std::string> known_labels() const;
    /// "app=web", "namespace default", "in 10.0.0.0/8", "3 unknown labels".
    [[nodiscard]] std::vector<std::string> describe(std::span<const bgp::LargeCommunity> communities,
                                                    const std::map<LabelHash, std::string>& known) const;
    [[nodiscard]] static std::vector<std::string> describe(const HashedLabels& labels,
                                                           const std::map<LabelHash, std::string>& known);
    [[nodiscard]] static std::vector<std::string> describe(const Identity& identity,
                                                           const std::map<LabelHash, std::string>& known);
    [[nodiscard]] std::vector<std::string> describe(std::uint32_t identity,
                                                    const std::map<LabelHash, std::string>& known) const;

    /// What is in use, for those who look for leaks.
    struct InUse {
        std::size_t identities = 0;
        std::size_t rules = 0;
        std::size_t groups = 0;
        std::size_t label_sets = 0;
        std::size_t lists = 0;

        friend bool operator==(const InUse&, const InUse&) = default;
    };

    [[nodiscard]] InUse in_use() const;

  private:
    struct Applied {
        PolicyDocument document;
        LoweredPolicy lowered;
        std::vector<std::uint32_t> rules; ///< its uses of numbers
    };

    /// Where they are is where PolicyEntries finds them.
    using Policies = std::map<PolicyName, std::unique_ptr<Applied>>;

    struct Endpoint {
        LocalEndpoint settings;
        std::shared_ptr<const HashedLabels> labels;
        std::vector<std::uint32_t> identities; ///< one per address
    };

    struct FibEntry {
        std::uint32_t next_hop = 0;
        std::uint32_t identity = 0;
        bool local = false;
    };

    struct LocalRoute {
        std::string endpoint;
        std::uint32_t next_hop = 0;
    };

    /// One copy of a label set for all routes that have it.
    [[nodiscard]] std::shared_ptr<const HashedLabels> share(HashedLabels labels);
    /// False: not what persist() was told, or it contradicts what is here.
    [[nodiscard]] bool restore_identity(std::uint32_t number, const std::string& text);
    std::uint32_t acquire(const Identity& identity, bool local);
    void release(std::uint32_t number, bool local);

    void write_route(const RouteTable::Key& key, const LabelledRoute* route, std::vector<net::Prefix> cidrs);
    void refresh_identities(const std::string& name, Endpoint& endpoint);
    void relabel(const std::string& name_space);
    [[nodiscard]] LabelSet labels_of_namespace(const std::string& name) const;
    [[nodiscard]] HashedLabels labels_of(const LocalEndpoint& endpoint) const;

    [[nodiscard]] std::unique_ptr<Applied> lower(PolicyDocument document);
    /// What to apply it would be.
    [[nodiscard]] PolicyStatus::Action action_of(const Policy& policy) const;
    /// This host's endpoints and all that routes tell of, by the CIDRs of present and proposed policies.
    [[nodiscard]] std::set<Identity> peers_with(std::span<const PolicyDocument> proposed) const;
    void give_back(const Applied& applied);
    void give_back(const Policies& out);
    /// Keeps the items and puts policies in place of those of their names; none: takes that one away. What cannot be
    /// kept, or no fast path takes, changes nothing.
    [[nodiscard]] Result<void> replace_policies(Policies policies, std::span<const Kept> items);
    /// As they are kept: those that are in place now.
    [[nodiscard]] std::vector<Kept> documents_of(const Policies& names) const;

    /// Of `policies` and of those in their places; both sorted. While they are the same, everybody stays who they
    /// are.
    struct CidrChange {
        std::vector<net::Prefix> added;
        std::vector<net::Prefix> removed;
    };

    [[nodiscard]] CidrChange cidr_change(const Policies& policies) const;
    /// Exchanges them for those of their names.
    void swap_policies(Policies& policies);
    /// After the last swap; `out`: those that are not in force.
    void settle(const Policies& out);
    /// Policies that change, as they become; none: it goes.
    using Changed = std::map<PolicyName, const LoweredPolicy*>;
    /// Fails if policies are too large `after` their change where they were not `before`.
    [[nodiscard]] Result<void> check_sizes(const Changed& changed, const Places& before, const Places& after) const;
    [[nodiscard]] unsigned selected(const LoweredPolicy& policy) const;
    /// Brings the sink up to date, at the end of each change.
    void write();
    void persist(std::string_view kind, const std::vector<NumberTable::Change>& changes);

    std::uint32_t marker_;
    PolicySink& sink_;
    LabelFilter filter_;
    std::map<HashedLabels, std::weak_ptr<const HashedLabels>> label_sets_; ///< outlives all that share them
    NumberTable rules_{1};
    IdentityTable identities_;
    std::vector<std::uint32_t> restored_; ///< identities, with one use each until sweep()
    RouteTable routes_;
    std::map<RouteTable::Key, FibEntry> fib_;
    PolicyEntries entries_;
    Policies policies_;
    std::map<std::string, LabelSet> namespaces_; ///< with labels of their own
    std::map<std::string, Endpoint> endpoints_;
    std::map<RouteTable::Key, LocalRoute> local_routes_;
};

} // namespace weft::policy
