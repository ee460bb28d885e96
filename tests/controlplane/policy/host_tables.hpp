// SPDX-License-Identifier: BSD-3-Clause
// HostTables: a PolicySink that keeps what a fast path and a database would keep, and decides as
// dataplane/pipeline/decision.h does, by the same probes.
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

    /// Direction, local identity, peer identity, protocol, port.
    using PolicyKey = std::array<std::uint32_t, 5>;

    std::map<PolicyKey, weft_policy_value> policies;
    std::map<RouteTable::Key, Route> routes;
    std::set<std::string> changed_endpoints;
    std::map<std::pair<std::string, std::string>, std::string> database;
    unsigned writes = 0; ///< of policy entries
    std::string refuse_to_keep;

    void set_policy(const fastpath::PolicyEntry& entry) override {
        ++writes;
        policies[key_of(entry.key())] = {entry.precedence() << 2 | static_cast<std::uint32_t>(entry.verdict()),
                                         entry.rule()};
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
        for (const auto& [key, value] : items)
            persist(kind, key, value ? &*value : nullptr);
        return {};
    }

    void persist(std::string_view kind, const std::string& key, const std::string* value) override {
        if (value != nullptr) {
            database[{std::string(kind), key}] = *value;
        } else {
            expect(database.erase({std::string(kind), key}) == 1);
        }
    }

    [[nodiscard]] const Route* lookup(std::uint32_t vni, const net::Address& address) const {
        for (int length = static_cast<int>(net::address_bits(address.family())); length >= 0; --length) {
            const auto found = routes.find({vni, *net::Prefix::make(address, static_cast<unsigned>(length))});
            if (found != routes.end()) return &found->second;
        }
        return nullptr;
    }

    [[nodiscard]] weft_policy_value decide(weft_direction direction, std::uint32_t local, std::uint32_t peer,
                                           std::uint8_t protocol, std::uint16_t port) const {
        weft_policy_value strongest{};
        for (int probe = 0; probe < WEFT_POLICY_PROBES; ++probe) {
            const weft_policy_key key = weft_policy_probe(probe, direction, local, peer, protocol, port);
            const auto found = policies.find({key.direction, key.local_identity, key.peer_identity,
                                              key.protocol_port >> 16, key.protocol_port & 0xffff});
            if (found != policies.end()) strongest = weft_policy_stronger(strongest, found->second);
        }
        return strongest;
    }

    /// Changes that contradicted what was there.
    unsigned contradictions = 0;

  private:
    static PolicyKey key_of(const fastpath::PolicyKey& key) {
        return {static_cast<std::uint32_t>(key.direction()), key.local_identity(), key.peer_identity(),
                key.protocol(), key.port()};
    }

    void expect(bool holds) { contradictions += holds ? 0 : 1; }
};

} // namespace weft::policy
