// SPDX-License-Identifier: BSD-3-Clause
// policy_bench: how long policy takes from a change to what the fast path is told, on a host with many routes. No
// fast path, no database: the sink only counts. Prints JSON: {"machine": ..., "settings": ..., "cases": {NAME:
// {"median_ms": ..., "max_ms": ...}}, "written": {...}, "memory_mib": ...}.
//
//   routes            remote host routes of few label sets, before there is any policy
//   restart           endpoints and routes, with all policies there already
//   compile           all policies at once, from nothing
//   change            one policy, selecting one local identity
//   change_wide       one policy that selects all of its namespace
//   change_cidr       one policy, with a CIDR that nobody had, around 512 routes
//   endpoint          one more, of a label set of its own
//   label_set         one more remote route, of a label set of its own
//   route             one more remote route, of a label set that is known
#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <random>

#include <fmt/format.h>

#include "controlplane/policy/policy_engine.hpp"
#include "perf/bench_labels.hpp"
#include "perf/bench_main.hpp"
#include "perf/machine.hpp"

namespace weft::bench {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using namespace policy;

constexpr std::uint32_t vni = 4000;

template <class Work>
double milliseconds_of(Work work) {
    const auto begin = Clock::now();
    work();
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

/// What it is told, by kind.
class CountingSink final : public PolicySink {
  public:
    void set_list(const fastpath::VerdictList& list) override {
        ++lists;
        ranges += static_cast<std::size_t>(list.ranges_size());
    }

    void erase_list(std::uint64_t /*number*/) override { --lists; }

    void set_policy(const fastpath::PolicyEntry& /*entry*/) override { ++entry_writes; }

    void erase_policy(const fastpath::PolicyKey& /*key*/) override { ++entry_writes; }

    void set_route(const RouteTable::Key& /*key*/, std::uint32_t /*next_hop*/, std::uint32_t /*identity*/) override {
        ++route_writes;
    }

    void erase_route(const RouteTable::Key& /*key*/) override { ++route_writes; }

    void endpoint_changed(const std::string& /*name*/) override {}

    [[nodiscard]] Result<void> keep(std::string_view /*kind*/, std::span<const Kept> /*items*/) override {
        return {};
    }

    void persist(std::string_view /*kind*/, std::span<const Kept> /*items*/) override {}

    std::size_t lists = 0;
    std::size_t ranges = 0; ///< of all that there ever were
    std::size_t entry_writes = 0;
    std::size_t route_writes = 0;
};

struct Settings {
    unsigned routes = 100'000;
    unsigned label_sets = 500;
    unsigned policies = 1000;
    unsigned locals = 50;
    unsigned rounds = 20;
};

LabelSelector one_of(const char* key, std::vector<std::string> values) {
    return {{{key, Operator::in, std::move(values)}}};
}

class Bench {
  public:
    explicit Bench(const Settings& settings) : settings_(settings) {}

    /// As a restarted agent learns it all: policies are there first.
    double restart() {
        for (unsigned i = 0; i < settings_.label_sets; ++i)
            communities_.push_back(communities(i));
        apply(policies());
        return milliseconds_of([&] {
            for (unsigned i = 0; i < settings_.locals; ++i)
                set_endpoint(i);
            set_remote("0.0.0.0/0", {});
            set_routes();
        });
    }

    Json run() {
        for (unsigned i = 0; i < settings_.label_sets + settings_.rounds; ++i)
            communities_.push_back(communities(i));
        for (unsigned i = 0; i < settings_.locals; ++i)
            set_endpoint(i);
        set_remote("0.0.0.0/0", {});
        take("routes", [&] { set_routes(); });
        take("compile", [&] { apply(policies()); });
        const auto entries = sink_.entry_writes;
        const auto lists = sink_.lists;
        const auto ranges = sink_.ranges;
        for (unsigned round = 0; round < settings_.rounds; ++round)
            run_changes(round);
        Json cases;
        for (auto& [name, trials] : trials_) {
            std::ranges::sort(trials);
            cases[name] = {{"median_ms", trials[trials.size() / 2]}, {"max_ms", trials.back()}};
        }
        return {
            {"cases", cases},
            {"written", {{"entries", entries}, {"lists", lists}, {"ranges", ranges}, {"routes", sink_.route_writes}}},
            {"memory_mib", resident_mib()}};
    }

  private:
    template <class Work>
    void take(const std::string& name, Work work) {
        trials_[name].push_back(milliseconds_of(work));
    }

    std::vector<PolicyDocument> policies() {
        std::vector<PolicyDocument> documents;
        for (unsigned i = 0; i < settings_.policies; ++i)
            documents.push_back({any_policy(i), ""});
        return documents;
    }

    void set_routes() {
        for (unsigned i = 0; i < settings_.routes; ++i)
            set_remote(i, communities_[i % settings_.label_sets]);
    }

    void run_changes(unsigned round) {
        // A NetworkPolicy, and a local identity of its namespace.
        const unsigned number = (round * 10 + 2) % settings_.policies;
        const unsigned local = (round * 10 + 2) % settings_.locals;
        Policy policy = any_policy(number);
        policy.subject.pods = one_of("app", {app(local)});
        apply({{policy, ""}});
        policy.ingress.rules.front().ports = {PortRange{6, 4000, static_cast<std::uint16_t>(5000 + round)}};
        take("change", [&] { apply({{policy, ""}}); });
        policy.subject.pods.emplace();
        apply({{policy, ""}});
        policy.ingress.rules.front().ports = {PortRange{6, 4001, static_cast<std::uint16_t>(5000 + round)}};
        take("change_wide", [&] { apply({{policy, ""}}); });
        policy.subject.pods = one_of("app", {app(local)});
        apply({{policy, ""}});
        const auto cidr = net::Prefix::make(net::Address::v4(0x0b008000U + (round << 9)), 23).value();
        policy.ingress.rules.front().peers = {IpBlock{cidr, {}}};
        take("change_cidr", [&] { apply({{policy, ""}}); });
        apply({{any_policy(number), ""}});
        take("endpoint", [&] { set_endpoint(settings_.locals + round); });
        take("label_set",
             [&] { set_remote(settings_.routes + 2 * round, communities_[settings_.label_sets + round]); });
        take("route",
             [&] { set_remote(settings_.routes + 2 * round + 1, communities_[round % settings_.label_sets]); });
    }

    void set_endpoint(unsigned number) {
        const net::Address address = net::Address::v4(0x0a000001U + number);
        const std::string name = fmt::format("local-{}", number);
        if (!engine_.set_endpoint(name, {name_space(number), labels(number), {address}, {{"http", 6, 8080}}}))
            throw std::runtime_error("an endpoint is refused");
        engine_.set_local_route({vni, net::Prefix::host(address)}, 1, name);
    }

    void set_remote(unsigned number, const std::vector<bgp::LargeCommunity>& communities) {
        engine_.set_remote_route({vni, net::Prefix::host(net::Address::v4(0x0b000000U + number))}, 70000,
                                 communities);
    }

    void set_remote(const char* prefix, const std::vector<bgp::LargeCommunity>& communities) {
        engine_.set_remote_route({vni, net::Prefix::parse(prefix).value()}, 70000, communities);
    }

    void apply(std::vector<PolicyDocument> documents) {
        if (const auto applied = engine_.apply(std::move(documents)); !applied)
            throw std::runtime_error(applied.error().message);
    }

    /// One in ten is of the admin tier and one in fifty of the baseline; the others are NetworkPolicies that select
    /// some local identities of their namespace, or nobody here.
    Policy any_policy(unsigned number) {
        std::mt19937 random(number);
        const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        Policy policy;
        policy.name.name = fmt::format("policy-{}", number);
        const bool admin = number % 10 == 0;
        const bool baseline = number % 50 == 1;
        if (admin || baseline) {
            policy.name.kind = Kind::cluster_network_policy;
            policy.tier = admin ? Tier::admin : Tier::baseline;
            policy.priority = up_to(priority_max);
            policy.subject.namespaces = one_of("kubernetes.io/metadata.name", {name_space(up_to(10))});
        } else {
            policy.name.name_space = name_space(number);
            policy.ingress.isolates = true;
            policy.egress.isolates = up_to(3) == 0;
        }
        policy.subject.pods = one_of("tier", {fmt::format("tier-{}", up_to(7))});
        if (up_to(2) == 0)
            policy.subject.pods->requirements.push_back({"version", Operator::in, {fmt::format("v{}", up_to(3))}});
        for (Direction* direction : {&policy.ingress, &policy.egress})
            for (unsigned i = 1 + up_to(2); i > 0; --i)
                direction->rules.push_back(any_rule(random, admin || baseline));
        return policy;
    }

    static Rule any_rule(std::mt19937& random, bool decides) {
        const auto up_to = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        Rule rule;
        if (decides) rule.action = static_cast<Action>(up_to(3));
        for (unsigned i = 1 + up_to(2); i > 0; --i) {
            if (up_to(10) == 0) {
                rule.peers.emplace_back(
                    IpBlock{net::Prefix::make(net::Address::v4(0x0b000000U + (up_to(64) << 8)), 24).value(), {}});
                continue;
            }
            EndpointSelector selector{.pods = one_of("zone", {fmt::format("zone-{}", up_to(11))}),
                                      .namespaces = one_of("kubernetes.io/metadata.name", {name_space(up_to(10))})};
            if (up_to(2) == 0) selector.pods = one_of("app", {app(up_to(500)), app(up_to(500)), app(up_to(500))});
            rule.peers.emplace_back(selector);
        }
        for (unsigned i = up_to(3); i > 0; --i) {
            const auto first = static_cast<std::uint16_t>(80 + up_to(2000));
            const unsigned shape = up_to(5);
            if (shape == 0)
                rule.ports.emplace_back(NamedPort{6, "http"});
            else
                rule.ports.emplace_back(
                    PortRange{6, first, static_cast<std::uint16_t>(first + (shape == 1 ? up_to(1000) : 0))});
        }
        return rule;
    }

    static double resident_mib() {
        std::ifstream statm("/proc/self/statm");
        std::size_t size = 0;
        std::size_t resident = 0;
        statm >> size >> resident;
        return static_cast<double>(resident * 4096) / (1 << 20);
    }

    Settings settings_;
    std::vector<std::vector<bgp::LargeCommunity>> communities_; ///< by label set
    CountingSink sink_;
    PolicyEngine engine_{label_marker, sink_};
    std::map<std::string, std::vector<double>> trials_;
};

int run(int argc, char** argv) {
    namespace options = boost::program_options;
    Settings settings;
    options::options_description description("policy_bench: how long policy takes");
    auto add = description.add_options();
    add("routes", options::value(&settings.routes)->default_value(settings.routes), "remote host routes");
    add("label-sets", options::value(&settings.label_sets)->default_value(settings.label_sets), "of these routes");
    add("policies", options::value(&settings.policies)->default_value(settings.policies), "of all tiers");
    add("locals", options::value(&settings.locals)->default_value(settings.locals), "endpoints of this host");
    add("rounds", options::value(&settings.rounds)->default_value(settings.rounds), "of single changes");
    add("help", "print this");
    options::variables_map values;
    options::store(options::parse_command_line(argc, argv, description), values);
    options::notify(values);
    if (values.contains("help")) {
        std::cout << description;
        return 0;
    }
    if (std::ranges::min(
            {settings.routes, settings.label_sets, settings.policies, settings.locals, settings.rounds}) == 0)
        throw std::runtime_error("every number is at least 1");
    Json told{{"machine", machine()},
              {"settings",
               {{"routes", settings.routes},
                {"label_sets", settings.label_sets},
                {"policies", settings.policies},
                {"locals", settings.locals},
                {"rounds", settings.rounds}}}};
    const double restart_ms = Bench(settings).restart();
    told.update(Bench(settings).run());
    told["cases"]["restart"] = {{"median_ms", restart_ms}, {"max_ms", restart_ms}};
    std::cout << told.dump(2) << '\n';
    return 0;
}

} // namespace
} // namespace weft::bench

int main(int argc, char** argv) { return weft::bench::bench_main("policy_bench", weft::bench::run, argc, argv); }
