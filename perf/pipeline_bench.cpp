// SPDX-License-Identifier: BSD-3-Clause
// pipeline_bench: what the pipeline itself costs, in process and without ports. Prints JSON: {"machine": ...,
// "cases":
// [{"name": ..., "mpps": ..., "cycles_per_packet": ...}]}, cycles being those of the time stamp counter.
//
//   encap, decap    whole bursts through Pipeline::process, every flow in its session
//   encap_logged    encap while a trace wants what policy decides, as the verdict log's does
//   miss            the same from the container, but every packet opens its session: routes, policy, insertion
//   session_hit, session_miss    the lookup alone: hash, two prefetches a burst ahead, compare
#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include <fmt/format.h>
#include <rte_cycles.h>
#include <sched.h>

#include "dataplane/buffer_pool.hpp"
#include "dataplane/eal.hpp"
#include "dataplane/pipeline.hpp"
#include "dataplane/tracer.hpp"
#include "perf/bench_main.hpp"
#include "perf/bench_world.hpp"
#include "perf/machine.hpp"

namespace weft::bench {
namespace {

using namespace dataplane;
using Json = nlohmann::ordered_json;

constexpr std::uint32_t now_s = 1000;

struct Scale {
    const char* name;
    std::uint32_t flows;
    std::uint32_t routes;
};

constexpr Scale scales[] = {{"1", 1, 1},
                            {"20k", 20'000, 4096},
                            {"20k_1m_routes", 20'000, 1'000'000},
                            {"1m", 1'000'000, 4096},
                            {"1m_1m_routes", 1'000'000, 1'000'000}};

/// Keeps what the pipeline sends; the bench uses the buffers again.
class Sink final : public ObservedOutput {
  public:
    void push(std::uint32_t, rte_mbuf*) override { ++count_; }

    void flush() override {}

    [[nodiscard]] const PortCounts* counts(std::uint32_t) const override { return nullptr; }

    unsigned take() { return std::exchange(count_, 0U); }

  private:
    unsigned count_ = 0;
};

/// One size of tables and flows, and the measurements on it.
class Bench {
  public:
    Bench(const Scale& scale, rte_mempool* pool, bool hugepages) :
        scale_(scale),
        quiescence_(1),
        tables_(quiescence_),
        sessions_(SessionTable::make(std::max(scale.flows * 2U, 65536U), 0x9e3779b97f4a7c15ULL, hugepages).value()),
        hits_(quiescence_, 1),
        pipeline_(tables_, *sessions_, pool, hits_.of_worker(0)) {
        if (rte_pktmbuf_alloc_bulk(pool, buffers_.data(), burst_max) != 0) throw std::runtime_error("no buffers");
        apply(base_tables());
        const auto routes = remote_routes(scale.routes);
        const std::uint64_t begin = rte_rdtsc();
        apply(routes);
        programming_s_ = static_cast<double>(rte_rdtsc() - begin) / static_cast<double>(rte_get_tsc_hz());
        open_all();
    }

    ~Bench() { rte_pktmbuf_free_bulk(buffers_.data(), burst_max); }

    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    double encap() { return through_pipeline(endpoint_port, Role::endpoint, write_frame_of_container, false); }

    double encap_logged() {
        traces_ = {&decisions_};
        const double cycles = encap();
        traces_.clear();
        return cycles;
    }

    double decap() { return through_pipeline(uplink_port, Role::uplink, write_frame_of_vtep, false); }

    double miss() { return through_pipeline(endpoint_port, Role::endpoint, write_frame_of_container, true); }

    double session_hit() { return lookups(0); }

    double session_miss() { return lookups(1); }

    [[nodiscard]] Json tables() const {
        const auto gauges = tables_.gauges();
        const auto fib = std::ranges::find(gauges, "fib", [](const auto& gauge) { return gauge.name(); });
        return {{"routes", scale_.routes},
                {"routes_per_s", std::round(scale_.routes / programming_s_)},
                {"bytes_per_route", static_cast<double>(fib->bytes()) / static_cast<double>(fib->used())}};
    }

  private:
    using WriteFrame = std::size_t (*)(std::uint8_t*, const Flow&);

    void apply(const fastpath::TableUpdate& update) {
        if (auto applied = tables_.apply(update); !applied) throw std::runtime_error(applied.error().message);
    }

    void open_all() {
        for (std::uint32_t sent = 0; sent < scale_.flows; sent += burst_max)
            burst(endpoint_port, Role::endpoint, write_frame_of_container);
        if (sessions_->size() != scale_.flows)
            throw std::runtime_error(fmt::format("{} of {} sessions opened", sessions_->size(), scale_.flows));
    }

    /// The next flow, round and round.
    Flow next() {
        const Flow flow = bench::flow(at_, scale_.routes);
        if (++at_ == scale_.flows) at_ = 0;
        return flow;
    }

    /// Cycles of one burst, packets made and checked outside them.
    std::uint64_t burst(std::uint32_t port, Role role, WriteFrame write) {
        std::array<rte_mbuf*, burst_max> burst = buffers_;
        for (rte_mbuf* packet : burst) {
            rte_pktmbuf_reset(packet);
            packet->data_len = static_cast<std::uint16_t>(write(data_of(packet), next()));
            packet->pkt_len = packet->data_len;
        }
        const std::uint64_t begin = rte_rdtsc_precise();
        if (traces_.empty())
            pipeline_.process(port, role, burst, counts_, now_s, sink_);
        else
            tracer_.process(traces_, port, role, burst, counts_, now_s, sink_);
        const std::uint64_t cycles = rte_rdtsc_precise() - begin;
        if (sink_.take() != burst_max) throw std::runtime_error("a packet was dropped");
        return cycles;
    }

    double through_pipeline(std::uint32_t port, Role role, WriteFrame write, bool close_before) {
        return median_burst([&] {
            if (close_before) {
                const std::uint32_t before = at_;
                for (unsigned i = 0; i < burst_max; ++i) {
                    const weft_session_key key = key_of(next());
                    sessions_->close(key, sessions_->hash(key));
                }
                at_ = before;
            }
            return burst(port, role, write);
        });
    }

    /// `stranger` is or-ed to a word of each key: 1 makes keys that are in no session.
    double lookups(std::uint32_t stranger) {
        std::array<weft_session_key, burst_max> keys;
        std::array<std::uint64_t, burst_max> hashes;
        std::array<SessionTable::Hint, burst_max> hints;
        return median_burst([&] {
            for (auto& key : keys) {
                key = key_of(next());
                key.vni_protocol ^= stranger << 31;
            }
            unsigned found = 0;
            std::uint32_t used = 0;
            const std::uint64_t begin = rte_rdtsc_precise();
            for (unsigned i = 0; i < burst_max; ++i)
                sessions_->prefetch_bucket(hashes[i] = sessions_->hash(keys[i]));
            for (unsigned i = 0; i < burst_max; ++i)
                hints[i] = sessions_->prefetch_entry(hashes[i]);
            for (unsigned i = 0; i < burst_max; ++i) {
                weft_session_value value;
                if (!sessions_->find(keys[i], hashes[i], hints[i], value)) continue;
                ++found;
                used += value.next_hop[1];
            }
            const std::uint64_t cycles = rte_rdtsc_precise() - begin;
            if (found != (stranger != 0 ? 0 : burst_max) || used == 1) throw std::runtime_error("a lookup was wrong");
            return cycles;
        });
    }

    /// Cycles per packet of the median burst: interrupts and other processes do not count.
    template <class Burst>
    double median_burst(Burst burst) {
        const std::size_t count = std::max<std::size_t>(scale_.flows / burst_max, 4096);
        std::vector<std::uint64_t> cycles(count);
        std::ranges::generate(cycles, burst);
        std::ranges::nth_element(cycles, cycles.begin() + static_cast<std::ptrdiff_t>(count / 2));
        return static_cast<double>(cycles[count / 2]) / burst_max;
    }

    Scale scale_;
    Quiescence quiescence_;
    Tables tables_;
    std::unique_ptr<SessionTable> sessions_;
    RuleHits hits_;
    Pipeline pipeline_;
    Tracer tracer_{0, tables_, *sessions_, pipeline_};
    Trace decisions_{1, {.filter = {.decisions = WEFT_DECIDED_ANY}, .snap_length = 0, .events_per_s = 0}, 1};
    TraceSet traces_;
    std::array<rte_mbuf*, burst_max> buffers_{};
    PortCounts counts_;
    Sink sink_;
    std::uint32_t at_ = 0;
    double programming_s_ = 0;
};

struct Measurement {
    const char* name;
    double (Bench::*run)();
};

constexpr Measurement measurements[] = {
    {"encap", &Bench::encap}, {"encap_logged", &Bench::encap_logged}, {"decap", &Bench::decap},
    {"miss", &Bench::miss},   {"session_hit", &Bench::session_hit},   {"session_miss", &Bench::session_miss}};

Json cases_of(const Scale& scale, rte_mempool* pool, bool hugepages, unsigned rounds, Json& tables) {
    Bench bench(scale, pool, hugepages);
    std::vector<std::vector<double>> trials(std::size(measurements));
    // A burst of one flow has but one miss.
    const auto is_left_out = [&](std::size_t i) {
        return measurements[i].run == &Bench::miss && scale.flows < burst_max;
    };
    for (unsigned round = 0; round < rounds; ++round)
        for (std::size_t i = 0; i < std::size(measurements); ++i)
            if (!is_left_out(i)) trials[i].push_back((bench.*measurements[i].run)());
    Json cases = Json::array();
    const auto rounded = [](double value) { return std::round(value * 10) / 10; };
    for (std::size_t i = 0; i < std::size(measurements); ++i) {
        if (is_left_out(i)) continue;
        auto sorted = trials[i];
        std::ranges::sort(sorted);
        const double median = sorted[sorted.size() / 2];
        std::ranges::transform(trials[i], trials[i].begin(), rounded);
        cases.push_back({{"name", fmt::format("{}_{}", measurements[i].name, scale.name)},
                         {"mpps", rounded(static_cast<double>(rte_get_tsc_hz()) / median / 1e6)},
                         {"cycles_per_packet", rounded(median)},
                         {"flows", scale.flows},
                         {"routes", scale.routes},
                         {"trials", trials[i]}});
    }
    tables.push_back(bench.tables());
    return cases;
}

int run(int argc, char** argv) {
    namespace options = boost::program_options;
    unsigned rounds = 5;
    unsigned cpu = std::thread::hardware_concurrency() - 1;
    std::vector<std::string> only;
    options::options_description description("pipeline_bench: cycles per packet of the pipeline, without ports");
    auto add = description.add_options();
    add("rounds", options::value(&rounds)->default_value(rounds), "measurements of each case, taken in turn");
    add("cpu", options::value(&cpu)->default_value(cpu), "to run on");
    add("scale", options::value(&only), "only this one: 1, 20k, 20k_1m_routes, 1m, 1m_1m_routes; repeatable");
    add("help", "print this");
    options::variables_map values;
    options::store(options::parse_command_line(argc, argv, description), values);
    options::notify(values);
    if (values.contains("help")) {
        std::cout << description;
        return 0;
    }
    auto eal = Eal::start({.memory_mb = 64});
    if (!eal) throw std::runtime_error(eal.error().message);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (rounds == 0 || sched_setaffinity(0, sizeof cpus, &cpus) != 0)
        throw std::runtime_error(
            fmt::format("--rounds {} --cpu {}: at least one round, on a CPU that is there", rounds, cpu));
    const auto pool = make_packet_pool("bench", 1023).value();
    Json cases = Json::array();
    Json tables = Json::array();
    for (const Scale& scale : scales)
        if (only.empty() || std::ranges::find(only, scale.name) != only.end())
            for (auto& each : cases_of(scale, pool.get(), eal->hugepages(), rounds, tables))
                cases.push_back(std::move(each));
    const Json settings{{"hugepages", eal->hugepages()}, {"rounds", rounds}, {"tsc_hz", rte_get_tsc_hz()}};
    std::cout << Json{{"machine", machine()}, {"settings", settings}, {"tables", tables}, {"cases", cases}}.dump(2)
              << '\n';
    return 0;
}

} // namespace
} // namespace weft::bench

int main(int argc, char** argv) { return weft::bench::bench_main("pipeline_bench", weft::bench::run, argc, argv); }
