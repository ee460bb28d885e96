// SPDX-License-Identifier: BSD-3-Clause
// table_bench: how fast the tables of both fast paths are programmed, from a TableUpdate to what packets meet, and
// how long the eBPF fast path's session sweep keeps its caller. Makes eBPF maps, so it needs root. Prints JSON:
// {"machine": ..., "cases": [{"name": ..., "routes_per_s": ...}], "bytes_per_route": {...}, "sweep": {...}}.
//
//   add, replace, delete    IPv4 host routes, in one update
//   add_prefixes            IPv4 prefixes of 28 bits
//   dump, adopt             reading them all back: for the agent, and at its start (eBPF only)
#include <algorithm>
#include <boost/program_options.hpp>
#include <chrono>
#include <iostream>

#include <fmt/format.h>

#include "dataplane/tables.hpp"
#include "ebpf/session_sweeper.hpp"
#include "ebpf/tables.hpp"
#include "perf/bench_main.hpp"
#include "perf/bench_world.hpp"
#include "perf/machine.hpp"

namespace weft::bench {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using fastpath::TableUpdate;

template <class T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

template <class Work>
double seconds_of(Work work) {
    const auto begin = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

TableUpdate prefixes(std::uint32_t count) {
    TableUpdate update;
    for (std::uint32_t number = 0; number < count; ++number) {
        add_route(update, remote_host(number << 4), 2, remote_identity);
        update.mutable_routes()->rbegin()->mutable_prefix()->set_length(28);
    }
    return update;
}

TableUpdate deletion_of(const TableUpdate& routes) {
    TableUpdate update;
    for (const auto& route : routes.routes()) {
        auto& key = *update.add_deleted_routes();
        key.set_vni(route.vni());
        *key.mutable_prefix() = route.prefix();
    }
    return update;
}

/// Rates by case, one for each round.
class Rates {
  public:
    void add(const std::string& name, std::size_t routes, double seconds) {
        trials_[name].push_back(static_cast<double>(routes) / seconds);
    }

    [[nodiscard]] Json to_json() const {
        Json cases = Json::array();
        for (const auto& [name, trials] : trials_) {
            auto sorted = trials;
            std::ranges::sort(sorted);
            std::vector<std::uint64_t> rounded(trials.begin(), trials.end());
            cases.push_back({{"name", name},
                             {"routes_per_s", static_cast<std::uint64_t>(sorted[sorted.size() / 2])},
                             {"trials", rounded}});
        }
        return cases;
    }

  private:
    std::map<std::string, std::vector<double>> trials_;
};

struct Work {
    explicit Work(std::uint32_t count) :
        routes(remote_routes(count)),
        moved(routes),
        deletion(deletion_of(routes)),
        nets(prefixes(std::min(count, 200'000U))),
        nets_deletion(deletion_of(nets)) {
        for (auto& route : *moved.mutable_routes())
            route.set_next_hop(1);
    }

    [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(routes.routes_size()); }

    TableUpdate routes;
    TableUpdate moved;
    TableUpdate deletion;
    TableUpdate nets;
    TableUpdate nets_deletion;
};

template <class Tables>
void measure(const std::string& name, const Work& work, Tables& tables, Rates& rates, Json& bytes) {
    must(tables.apply(base_tables()));
    const auto apply = [&](const char* what, const TableUpdate& update, std::size_t count) {
        rates.add(fmt::format("{}_{}", name, what), count, seconds_of([&] { must(tables.apply(update)); }));
    };
    apply("add", work.routes, work.count());
    const auto gauges = tables.gauges();
    const auto fib = std::ranges::find(gauges, "fib", [](const auto& gauge) { return gauge.name(); });
    bytes[name] = fib->bytes() / fib->used();
    apply("replace", work.moved, work.count());
    rates.add(name + "_dump", work.count(), seconds_of([&] {
                  if constexpr (std::is_same_v<Tables, ebpf::Tables>)
                      must(tables.dump());
                  else
                      static_cast<void>(tables.dump());
              }));
    if constexpr (std::is_same_v<Tables, ebpf::Tables>)
        rates.add(name + "_adopt", work.count(), seconds_of([&] {
                      const auto store = must(ebpf::MapStore::open(tables.maps()));
                      fastpath::TableWriter writer(*store);
                      must(writer.adopt(must(store->told().read())));
                  }));
    apply("delete", work.deletion, work.count());
    apply("add_prefixes", work.nets, static_cast<std::size_t>(work.nets.routes_size()));
    must(tables.apply(work.nets_deletion));
}

/// Fills the map of sessions, then sweeps it: once with all in use, once with all over.
Json measure_sweep(std::uint32_t count) {
    const auto maps = must(ebpf::MapSet::open({.directory = std::nullopt, .entries = {{"sessions", count}}}));
    const ebpf::Map& sessions = maps["sessions"];
    std::vector<weft_session_key> keys(count);
    const std::vector<weft_session_value> values(count, {.last_seen_s = 1000, .state = WEFT_SESSION_ESTABLISHED});
    for (std::uint32_t number = 0; number < count; ++number) {
        keys[number].low.words[3] = number;
        keys[number].vni_protocol = vni << 8 | WEFT_PROTO_TCP;
    }
    Error refusal;
    if (sessions.set_batch(keys.data(), values.data(), count, refusal) != count)
        throw std::runtime_error(refusal.message);
    Json told{{"sessions", count}, {"bytes_per_session", sessions.bytes() / count}};
    auto accounts = must(ebpf::SessionAccounts::open(maps["accounts"]));
    for (const auto& [name, now_s] : {std::pair{"in_use", 1001U}, std::pair{"over", 100'000U}}) {
        ebpf::SessionSweeper sweeper(sessions, accounts);
        std::vector<double> slices;
        for (bool end = false; !end;)
            slices.push_back(1000 * seconds_of([&, now = now_s] { end = must(sweeper.sweep(now)); }));
        std::ranges::sort(slices);
        told[name] = {{"slices", slices.size()},
                      {"median_ms", slices[slices.size() / 2]},
                      {"p99_ms", slices[slices.size() * 99 / 100]},
                      {"max_ms", slices.back()},
                      {"left", sweeper.size()}};
    }
    return told;
}

int run(int argc, char** argv) {
    namespace options = boost::program_options;
    unsigned rounds = 5;
    std::uint32_t routes = 200'000;
    std::uint32_t sessions = 1'000'000;
    options::options_description description("table_bench: how fast tables are programmed, and sessions swept");
    auto add = description.add_options();
    add("rounds", options::value(&rounds)->default_value(rounds), "measurements of each case, taken in turn");
    add("routes", options::value(&routes)->default_value(routes), "in one update");
    add("sessions", options::value(&sessions)->default_value(sessions), "to be swept");
    add("help", "print this");
    options::variables_map values;
    options::store(options::parse_command_line(argc, argv, description), values);
    options::notify(values);
    if (values.contains("help")) {
        std::cout << description;
        return 0;
    }
    if (rounds == 0 || routes == 0 || sessions == 0)
        throw std::runtime_error("--rounds, --routes and --sessions are at least 1");
    const Work work(routes);
    Rates rates;
    Json bytes;
    for (unsigned round = 0; round < rounds; ++round) {
        dataplane::Quiescence quiescence(1);
        dataplane::Tables dpdk(quiescence);
        measure("dpdk", work, dpdk, rates, bytes);
        const auto ebpf = must(ebpf::Tables::open(
            {.directory = std::nullopt, .entries = {{"host_routes", std::max(routes + 1, 1'048'576U)}}}));
        measure("ebpf", work, *ebpf, rates, bytes);
    }
    std::cout << Json{{"machine", machine()},
                      {"settings", {{"rounds", rounds}, {"routes", routes}}},
                      {"cases", rates.to_json()},
                      {"bytes_per_route", bytes},
                      {"sweep", measure_sweep(sessions)}}
                     .dump(2)
              << '\n';
    return 0;
}

} // namespace
} // namespace weft::bench

int main(int argc, char** argv) { return weft::bench::bench_main("table_bench", weft::bench::run, argc, argv); }
