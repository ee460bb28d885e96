// SPDX-License-Identifier: BSD-3-Clause
// A fast path that is a map: it applies updates as the real one does (upserts first, in order, deletions last),
// answers when the test says so, and can be told to refuse: who may not change is nobody then. Lets tests look at
// what the agent programs, and in which steps.
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
    /// Says why an entry, alone in an update, is refused; none: it is applied. The others are applied either way, as
    /// the real one does.
    std::function<std::optional<Error>(const fastpath::TableUpdate&)> refuse = [](const auto&) {
        return std::nullopt;
    };
    bool can_tell = true;                       ///< what it has
    std::vector<fastpath::TableUpdate> updates; ///< all that came

    std::map<std::uint32_t, fastpath::Port> ports;
    std::map<std::uint32_t, fastpath::Endpoint> endpoints;
    std::map<std::uint32_t, fastpath::NextHop> next_hops;
    std::map<std::string, fastpath::Route> routes; ///< by serialized key
    std::map<std::uint64_t, fastpath::VerdictList> verdict_lists;
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

    void start_trace(fastpath::TraceRequest, fastpath::TraceSink, fastpath::Done<std::uint64_t> done) override {
        done(fail(ErrorCode::unsupported, "this fast path cannot trace packets"));
    }

    void stop_trace(std::uint64_t trace, fastpath::Done<void> done) override {
        done(fail(ErrorCode::not_found, "no trace has the number " + std::to_string(trace)));
    }

    void sessions(fastpath::SessionsRequest, fastpath::SessionsSink sink) override {
        due_.push_back([sink = std::move(sink)] {
            fastpath::SessionsReply none;
            none.set_last(true);
            sink(std::move(none));
        });
    }

    void flush_sessions(fastpath::FlushSessionsRequest, fastpath::Done<std::uint64_t> done) override {
        due_.push_back([done = std::move(done)] { done(0); });
    }

    void apply(fastpath::TableUpdate update, fastpath::Done<void> done) override {
        updates.push_back(update);
        due_.push_back([this, update = std::move(update), done = std::move(done)] {
            Result<void> result;
            for (const auto& single : split(update)) {
                auto error = refuse(single);
                if (!error) {
                    take(single);
                    continue;
                }
                disown(single);
                if (result) result = std::unexpected(*std::move(error));
            }
            done(result);
        });
    }

    void dump(fastpath::Done<fastpath::TableUpdate> done) override {
        due_.push_back([this, done = std::move(done)] {
            if (can_tell) return done(tables());
            done(fail(ErrorCode::exhausted, "no memory to tell"));
        });
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

    void rule_hits(fastpath::Done<fastpath::RuleHitsReply> done) override {
        due_.push_back([done] { done(fastpath::RuleHitsReply()); });
    }

    [[nodiscard]] fastpath::TableUpdate tables() const {
        fastpath::TableUpdate all;
        *all.mutable_host() = host;
        for (const auto& [key, entry] : networks)
            *all.add_networks() = entry;
        for (const auto& [key, entry] : ports)
            *all.add_ports() = entry;
        for (const auto& [key, entry] : verdict_lists)
            *all.add_verdict_lists() = entry;
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

    /// Updates of one entry each, in the order in which they apply.
    static std::vector<fastpath::TableUpdate> split(const fastpath::TableUpdate& update) {
        std::vector<fastpath::TableUpdate> singles;
        const auto next = [&]() -> fastpath::TableUpdate& { return singles.emplace_back(); };
        if (update.has_host()) *next().mutable_host() = update.host();
        for (const auto& entry : update.networks())
            *next().add_networks() = entry;
        for (const auto& entry : update.ports())
            *next().add_ports() = entry;
        for (const auto& entry : update.verdict_lists())
            *next().add_verdict_lists() = entry;
        for (const auto& entry : update.policies())
            *next().add_policies() = entry;
        for (const auto& entry : update.endpoints())
            *next().add_endpoints() = entry;
        for (const auto& entry : update.next_hops())
            *next().add_next_hops() = entry;
        for (const auto& entry : update.routes())
            *next().add_routes() = entry;
        for (const auto& key : update.deleted_routes())
            *next().add_deleted_routes() = key;
        for (const auto id : update.deleted_next_hops())
            next().add_deleted_next_hops(id);
        for (const auto port : update.deleted_endpoints())
            next().add_deleted_endpoints(port);
        for (const auto& key : update.deleted_policies())
            *next().add_deleted_policies() = key;
        for (const auto number : update.deleted_verdict_lists())
            next().add_deleted_verdict_lists(number);
        for (const auto id : update.deleted_ports())
            next().add_deleted_ports(id);
        for (const auto vni : update.deleted_networks())
            next().add_deleted_networks(vni);
        return singles;
    }

    /// Who was to be another, and may not, is nobody.
    void disown(const fastpath::TableUpdate& update) {
        const auto change = [](auto& known, const auto& key, const auto& entry) {
            if (const auto at = known.find(key); at != known.end() && at->second.identity() != entry.identity())
                at->second.set_identity(0);
        };
        for (const auto& entry : update.endpoints())
            change(endpoints, entry.port(), entry);
        for (const auto& entry : update.routes())
            change(routes, key_of(entry.vni(), entry.prefix()), entry);
    }

    void take(const fastpath::TableUpdate& update) {
        if (update.has_host()) host = update.host();
        for (const auto& entry : update.networks())
            networks[entry.vni()] = entry;
        for (const auto& entry : update.ports())
            ports[entry.id()] = entry;
        for (const auto& entry : update.verdict_lists())
            verdict_lists[entry.number()] = entry;
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
        for (const auto number : update.deleted_verdict_lists())
            verdict_lists.erase(number);
        for (const auto id : update.deleted_ports())
            ports.erase(id);
        for (const auto vni : update.deleted_networks())
            networks.erase(vni);
    }

    std::deque<std::function<void()>> due_;
};

} // namespace weft
