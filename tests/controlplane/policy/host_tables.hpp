// SPDX-License-Identifier: BSD-3-Clause
// HostTables: a PolicySink that keeps what a fast path and a database would keep, and decides as a fast path does: by
// the entry of the peer or, where it has none, of anybody.
#pragma once

#include <set>

#include "controlplane/policy/policy_engine.hpp"

namespace weft::policy {

class HostTables : public PolicySink {
  public:
    struct Route {
        std::uint32_t next_hop = 0;
        std::uint32_t identity = 0;

        friend bool operator==(const Route&, const Route&) = default;
    };

    /// Direction, local identity, peer identity.
    using PolicyKey = std::array<std::uint32_t, 3>;

    std::map<PolicyKey, std::uint64_t> policies; ///< the list's number
    std::map<std::uint64_t, fastpath::VerdictList> lists;
    std::map<RouteTable::Key, Route> routes;
    std::set<std::string> changed_endpoints;
    std::map<std::pair<std::string, std::string>, std::string> database;
    unsigned writes = 0; ///< of policy entries
    std::string refuse_to_keep;

    /// Changes that contradicted what was there.
    unsigned contradictions = 0;

    void set_list(const fastpath::VerdictList& list) override {
        expect(list.number() != 0 && list.ranges_size() > 0 && list.ranges(0).first() == 0);
        for (int i = 1; i < list.ranges_size(); ++i) {
            expect(list.ranges(i - 1).first() < list.ranges(i).first() && list.ranges(i).first() < 1U << 24);
            expect(!same(list.ranges(i - 1), list.ranges(i)));
        }
        expect(lists.emplace(list.number(), list).second);
    }

    void erase_list(std::uint64_t number) override {
        expect(lists.erase(number) == 1);
        for (const auto& [key, list] : policies)
            expect(list != number);
    }

    void set_policy(const fastpath::PolicyEntry& entry) override {
        ++writes;
        expect(lists.contains(entry.list()));
        policies[key_of(entry.key())] = entry.list();
    }

    void erase_policy(const fastpath::PolicyKey& key) override {
        ++writes;
        expect(policies.erase(key_of(key)) == 1);
    }

    void set_route(const RouteTable::Key& key, std::uint32_t next_hop, std::uint32_t identity) override {
        routes[key] = {next_hop, identity};
    }

    void erase_route(const RouteTable::Key& key) override { expect(routes.erase(key) == 1); }

    void endpoint_changed(const std::string& name) override { changed_endpoints.insert(name); }

    [[nodiscard]] Result<void> keep(std::string_view kind, std::span<const Kept> items) override {
        if (!refuse_to_keep.empty()) return fail(ErrorCode::exhausted, refuse_to_keep);
        persist(kind, items);
        return {};
    }

    void persist(std::string_view kind, std::span<const Kept> items) override {
        for (const auto& [key, value] : items)
            if (value)
                database[{std::string(kind), key}] = *value;
            else
                expect(database.erase({std::string(kind), key}) == 1);
    }

    [[nodiscard]] const Route* lookup(std::uint32_t vni, const net::Address& address) const {
        for (int length = static_cast<int>(net::address_bits(address.family())); length >= 0; --length) {
            const auto found = routes.find({vni, *net::Prefix::make(address, static_cast<unsigned>(length))});
            if (found != routes.end()) return &found->second;
        }
        return nullptr;
    }

    /// The range that the port lies in.
    [[nodiscard]] fastpath::VerdictRange decide(fastpath::Direction direction, std::uint32_t local,
                                                std::uint32_t peer, std::uint8_t protocol, std::uint16_t port) const {
        auto entry = policies.find({static_cast<std::uint32_t>(direction), local, peer});
        if (entry == policies.end()) entry = policies.find({static_cast<std::uint32_t>(direction), local, 0});
        fastpath::VerdictRange range;
        range.set_verdict(fastpath::VERDICT_ALLOW);
        if (entry == policies.end()) return range;
        for (const auto& each : lists.at(entry->second).ranges())
            if (each.first() <= (static_cast<std::uint32_t>(protocol) << 16 | port)) range = each;
        return range;
    }

  private:
    static PolicyKey key_of(const fastpath::PolicyKey& key) {
        return {static_cast<std::uint32_t>(key.direction()), key.local_identity(), key.peer_identity()};
    }

    static bool same(const fastpath::VerdictRange& a, const fastpath::VerdictRange& b) {
        return a.verdict() == b.verdict() && a.rule() == b.rule() && a.audited_rule() == b.audited_rule();
    }

    void expect(bool holds) { contradictions += holds ? 0 : 1; }
};

} // namespace weft::policy
