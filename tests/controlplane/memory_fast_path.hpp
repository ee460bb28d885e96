// SPDX-License-Identifier: BSD-3-Clause
// A fast path that is a map: it applies updates as the real one does (upserts first, in order, deletions last),
// answers when the test says so, and can be told to refuse. Lets tests look at what the agent programs, and in which
// steps.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "dataplane/api/fast_path.hpp"

namespace weft {

class MemoryFastPath final : public fastpath::FastPath {
  public:
    /// Says why an update is refused; none: it is applied.
    std::function<std::optional<Error>(const fastpath::TableUpdate&)> refuse = [](const auto&) {
        return std::nullopt;
    };
    std::vector<fastpath::TableUpdate> updates; ///< all that came

    std::map<std::uint32_t, fastpath::Port> ports;
    std::map<std::uint32_t, fastpath::Endpoint> endpoints;
    std::map<std::uint32_t, fastpath::NextHop> next_hops;
    std::map<std::string, fastpath::Route> routes; ///< by serialized key
    std::map<std::string, fastpath::PolicyEntry> policies;
    std::map<std::uint32_t, fastpath::Network> networks;
    fastpath::HostSettings host;

    /// Gives the answers that are due, and those that they cause.
    void run() {
        while (!due_.empty())
            run_one();
    }

    /// The agent's end of the connection is gone: nobody hears the answers.
    void hang_up() { due_.clear(); }

    void run_one() {
        const auto answer = std::move(due_.front());
        due_.pop_front();
        answer();
    }

    [[nodiscard]] std::size_t due() const { return due_.size(); }

    void apply(fastpath::TableUpdate update, fastpath::Done<void> done) override {
        updates.push_back(update);
        due_.push_back([this, update = std::move(update), done = std::move(done)] {
            if (auto error = refuse(update)) return done(std::unexpected(*std::move(error)));
            take(update);
            done({});
        });
    }

    void dump(fastpath::Done<fastpath::TableUpdate> done) override {
        due_.push_back([this, done = std::move(done)] { done(tables()); });
    }

    void counters(fastpath::Done<fastpath::CountersReply> done) override {
        due_.push_back([done] { done(fastpath::CountersReply()); });
    }

    void explain(fastpath::ExplainRequest, fastpath::Done<fastpath::ExplainReply> done) override {
        due_.push_back([done] { done(fastpath::ExplainReply()); });
    }

    void info(fastpath::Done<fastpath::InfoReply> done) override {
        due_.push_back([done] { done(fastpath::InfoReply()); });
    }

    [[nodiscard]] fastpath::TableUpdate tables() const {
        fastpath::TableUpdate all;
        *all.mutable_host() = host;
        for (const auto& [key, entry] : networks)
            *all.add_networks() = entry;
        for (const auto& [key, entry] : ports)
            *all.add_ports() = entry;
        for (const auto& [key, entry] : policies)
            *all.add_policies() = entry;
        for (const auto& [key, entry] : endpoints)
            *all.add_endpoints() = entry;
        for (const auto& [key, entry] : next_hops)
            *all.add_next_hops() = entry;
        for (const auto& [key, entry] : routes)
            *all.add_routes() = entry;
        return all;
    }

  private:
    static std::string key_of(std::uint32_t vni, const fastpath::Prefix& prefix) {
        return std::to_string(vni) + prefix.SerializeAsString();
    }

    void take(const fastpath::TableUpdate& update) {
        if (update.has_host()) host = update.host();
        for (const auto& entry : update.networks())
            networks[entry.vni()] = entry;
        for (const auto& entry : update.ports())
            ports[entry.id()] = entry;
        for (const auto& entry : update.policies())
            policies[entry.key().SerializeAsString()] = entry;
        for (const auto& entry : update.endpoints())
            endpoints[entry.port()] = entry;
        for (const auto& entry : update.next_hops())
            next_hops[entry.id()] = entry;
        for (const auto& entry : update.routes())
            routes[key_of(entry.vni(), entry.prefix())] = entry;
        for (const auto& key : update.deleted_routes())
            routes.erase(key_of(key.vni(), key.prefix()));
        for (const auto id : update.deleted_next_hops())
            next_hops.erase(id);
        for (const auto port : update.deleted_endpoints())
            endpoints.erase(port);
        for (const auto& key : update.deleted_policies())
            policies.erase(key.SerializeAsString());
        for (const auto id : update.deleted_ports())
            ports.erase(id);
        for (const auto vni : update.deleted_networks())
            networks.erase(vni);
    }

    std::deque<std::function<void()>> due_;
};

} // namespace weft
