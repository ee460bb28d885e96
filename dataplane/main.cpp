// SPDX-License-Identifier: BSD-3-Clause
// weft-dataplane: the DPDK fast path of one host. The agent starts it and programs it over a socket; it outlives the
// agent.
#include <boost/program_options.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <sstream>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>

#include "dataplane/dataplane.hpp"
#include "dataplane/eal.hpp"
#include "routing/net/standard_descriptors.hpp"

namespace {

namespace options = boost::program_options;
using namespace weft;
using namespace weft::dataplane;

constexpr const char* introduction = R"(weft-dataplane: moves the packets of this host's endpoints, by DPDK.

weftd starts it, programs it over --socket, and adopts it after a restart; starting it by hand is useful for benchmarks and tests.
It needs root: it opens TAP devices in containers' network namespaces and attaches to the uplink.

  weft-dataplane --socket /run/weft/dataplane.sock --workers 2

Options)";

struct Arguments {
    std::string socket;
    Hugepages hugepages = Hugepages::automatic;
    unsigned memory_mb = 0;
    std::size_t sessions = 0;
    std::string log_level;
    DataplaneOptions dataplane;
};

/// What an option's number may be.
struct Limit {
    const char* option;
    std::uint64_t value, least, most;
};

/// The steering program that a build or an installation leaves beside this program.
std::string default_steering_program() {
    std::error_code ignored;
    const auto here = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
    for (const auto& candidate :
         {here / "steer.bpf.o", here / "../ebpf/steer.bpf.o", here / "../lib/weft/steer.bpf.o"})
        if (std::filesystem::exists(candidate, ignored))
            return std::filesystem::canonical(candidate, ignored).string();
    return {};
}

/// Exit code when the process should end at once.
std::optional<int> parse(int argc, char** argv, Arguments& arguments) {
    std::string hugepages;
    options::options_description description(introduction, 110);
    auto add = description.add_options();
    add("socket", options::value(&arguments.socket)->default_value("/run/weft/dataplane.sock"),
        "UNIX socket for the agent, mode 0600");
    add("workers", options::value(&arguments.dataplane.workers)->default_value(1),
        "threads that move packets, 1 to 64");
    add("hugepages", options::value(&hugepages)->default_value("auto"),
        "auto, on, or off; auto takes them when enough are free");
    add("memory", options::value(&arguments.memory_mb)->default_value(256), "MiB for packet buffers and DPDK");
    add("sessions", options::value(&arguments.sessions)->default_value(0),
        "capacity of the session table; 0: 1048576 with hugepages, 262144 without");
    add("buffers", options::value(&arguments.dataplane.packet_buffers)->default_value(16383),
        "packet buffers of 2 KiB");
    add("poll", options::bool_switch(&arguments.dataplane.worker.poll),
        "never sleep: lowest latency, one CPU per worker always busy");
    add("idle-us", options::value(&arguments.dataplane.worker.idle_us)->default_value(50),
        "microseconds without a packet before a worker sleeps");
    add("steering-program",
        options::value(&arguments.dataplane.steering_program)->default_value(default_steering_program()),
        "XDP program for AF_XDP uplinks: VXLAN to us, the rest to the kernel");
    add("log-level", options::value(&arguments.log_level)->default_value("info"), "trace, debug, info, warn, error");
    add("version", "print the version");
    add("help", "print this");
    options::variables_map values;
    try {
        options::store(options::command_line_parser(argc, argv).options(description).positional({}).run(), values);
        options::notify(values);
    } catch (const options::error& error) {
        fmt::print(stderr, "weft-dataplane: {}; --help lists the options\n", error.what());
        return 2;
    }
    if (values.contains("help")) {
        std::cout << description;
        return 0;
    }
    if (values.contains("version")) {
        fmt::print("weft-dataplane {}\n", WEFT_VERSION);
        return 0;
    }
    if (hugepages == "on")
        arguments.hugepages = Hugepages::on;
    else if (hugepages == "off")
        arguments.hugepages = Hugepages::off;
    else if (hugepages != "auto") {
        fmt::print(stderr, "weft-dataplane: --hugepages {}: auto, on or off\n", hugepages);
        return 2;
    }
    if (arguments.log_level != "off" && spdlog::level::from_str(arguments.log_level) == spdlog::level::off) {
        fmt::print(stderr, "weft-dataplane: --log-level {}: one of trace, debug, info, warn, error\n",
                   arguments.log_level);
        return 2;
    }
    // Also what a minus sign makes of an unsigned number.
    const Limit limits[] = {{"workers", arguments.dataplane.workers, 1, 64},
                            {"memory", arguments.memory_mb, 64, 1U << 20},
                            {"sessions", arguments.sessions, 0, 1U << 28},
                            {"buffers", arguments.dataplane.packet_buffers, 1024, 1U << 24},
                            {"idle-us", arguments.dataplane.worker.idle_us, 0, 60'000'000}};
    for (const auto& [name, value, least, most] : limits) {
        if (value >= least && value <= most) continue;
        fmt::print(stderr, "weft-dataplane: --{}: want a number from {} to {}\n", name, least, most);
        return 2;
    }
    return std::nullopt;
}

int complain(const Error& error) {
    fmt::print(stderr, "weft-dataplane: {}\n", error.message);
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    Arguments arguments;
    if (const auto code = parse(argc, argv, arguments)) return *code;
    spdlog::set_default_logger(spdlog::stderr_color_mt("weft-dataplane"));
    spdlog::set_level(spdlog::level::from_str(arguments.log_level));
    spdlog::flush_on(spdlog::level::info);

    // Blocked before any thread starts, so that all inherit it.
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    // The terminal has gone; nohup(1) asks to go on without it.
    struct sigaction hangup{};
    if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    const Descriptor stop(signalfd(-1, &signals, SFD_CLOEXEC));

    // The socket first: a second process for the same one must not touch anything.
    auto server = ControlServer::listen(arguments.socket);
    if (!server) return complain(server.error());
    auto eal = Eal::start({.hugepages = arguments.hugepages, .memory_mb = arguments.memory_mb});
    if (!eal) return complain(eal.error());
    arguments.dataplane.hugepages = eal->hugepages();
    arguments.dataplane.hugepages_refused = arguments.hugepages == Hugepages::off;
    arguments.dataplane.sessions = arguments.sessions != 0 ? arguments.sessions
                                   : eal->hugepages()      ? 1U << 20
                                                           : 1U << 18;
    auto dataplane = Dataplane::make(arguments.dataplane);
    if (!dataplane) return complain(dataplane.error());
    spdlog::info("weft-dataplane {} serves {}: {} worker(s), hugepages {}", WEFT_VERSION, arguments.socket,
                 arguments.dataplane.workers, eal->hugepages() ? "on" : "off");
    server->run([&](const auto& request, const auto& client) { (*dataplane)->handle(request, client); }, stop.get(),
                [&] { return (*dataplane)->chore(); });
    spdlog::info("weft-dataplane ends");
    return 0;
}
