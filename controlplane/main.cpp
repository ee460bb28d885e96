// SPDX-License-Identifier: BSD-3-Clause
// weftd: reads its configuration, starts the agent and its API, and runs until it is told to end. What it ends with
// is written for a person.
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "controlplane/agent.hpp"
#include "controlplane/api_server.hpp"
#include "controlplane/config.hpp"
#include "controlplane/dataplane_purge.hpp"
#include "controlplane/fast_path_choice.hpp"
#include "controlplane/fast_path_supervisor.hpp"
#include "controlplane/instance_lock.hpp"
#include "controlplane/local_fast_path.hpp"
#include "ebpf/fast_path.hpp"
#include "ebpf/map_size.hpp"
#include "ebpf/pin_directory.hpp"
#include "ebpf/purge.hpp"
#include "routing/net/standard_descriptors.hpp"

namespace {

using weft::Error;

constexpr int usage_error = 2; ///< as of weft and weft-dataplane

int complain(const Error& error) {
    fmt::print(stderr, "weftd: {}\n", error.message);
    return EXIT_FAILURE;
}

using weft::agent::Config;
using weft::agent::FastPathKind;
using weft::agent::FastPathProvider;

/// Is an eBPF fast path there? Looking makes nothing, and mounts nothing.
bool has_programs(const std::string& bpf_dir) {
    if (!weft::ebpf::PinDirectory::exists(bpf_dir)) return false;
    const auto pins = weft::ebpf::PinDirectory::at(bpf_dir);
    return pins && !pins->layouts().empty();
}

/// The fast path that the configuration asks for; `auto` is settled on the way.
weft::Result<std::unique_ptr<FastPathProvider>> open_fast_path(boost::asio::io_context& loop, Config& config,
                                                               const weft::ebpf::MapSet::Sizes& entries) {
    const auto kind = weft::agent::choose_fast_path(config, has_programs(config.bpf_dir));
    if (!kind) return std::unexpected(kind.error());
    config.fast_path = *kind;
    if (config.fast_path != FastPathKind::dpdk) {
        auto fast_path = weft::ebpf::EbpfFastPath::open(loop, {.directory = config.bpf_dir, .entries = entries});
        if (fast_path) {
            config.fast_path = FastPathKind::ebpf;
            return std::make_unique<weft::agent::LocalFastPath>(loop, *std::move(fast_path));
        }
        if (config.fast_path == FastPathKind::ebpf) return fail_in(std::move(fast_path), "--fastpath ebpf");
        // Programs that are there go on by themselves, and two fast paths would take each other's packets.
        if (has_programs(config.bpf_dir))
            return fail_in(std::move(fast_path),
                           "an eBPF fast path is here and cannot be taken over (weftd --purge removes it)");
        spdlog::warn("no eBPF fast path here, so it will be DPDK: {}", fast_path.error().message);
        config.fast_path = FastPathKind::dpdk;
    }
    return std::make_unique<weft::agent::FastPathSupervisor>(
        loop, weft::agent::FastPathProgram{.socket = config.dataplane_socket,
                                           .program = config.dataplane_program,
                                           .arguments = {"--workers", std::to_string(config.dataplane_workers),
                                                         "--hugepages", config.hugepages},
                                           .log = config.state_dir + "/weft-dataplane.log"});
}

/// libbpf writes to standard error whatever the kernel says, also where we ask whether something is there.
int log_of_libbpf(libbpf_print_level, const char* format, va_list arguments) {
    if (!spdlog::should_log(spdlog::level::debug)) return 0;
    std::array<char, 1024> text{};
    std::vsnprintf(text.data(), text.size(), format, arguments);
    std::string_view said(text.data());
    while (said.ends_with('\n'))
        said.remove_suffix(1);
    spdlog::debug("{}", said);
    return 0;
}

int complain_about_user() {
    return complain({weft::ErrorCode::denied, "it makes network interfaces, and must run as root: sudo weftd"});
}

/// Both fast paths, whichever the configuration asks for: `auto` may have become either.
int purge(const Config& config) {
    using weft::agent::InstanceLock;
    if (geteuid() != 0) return complain_about_user();
    bool any = false;
    const auto removed = [&](const std::string& what) {
        any = true;
        fmt::print("removed {}\n", what);
    };
    const auto kept = [](const Error& why) { complain(why); };
    // An agent that runs has its files; taking its locks makes no directory.
    std::error_code ignored;
    std::vector<InstanceLock> locks;
    if (std::filesystem::exists(config.state_dir, ignored)) {
        auto taken = InstanceLock::take(config.state_dir);
        if (!taken) return complain(taken.error());
        locks.push_back(std::move(*taken));
    }
    const std::filesystem::path lock_file = InstanceLock::path_of_fast_path(config.dataplane_socket);
    const bool ran = std::filesystem::exists(lock_file, ignored);
    const bool locked = std::filesystem::exists(lock_file.parent_path(), ignored);
    if (locked) {
        auto taken = InstanceLock::take_fast_path(config.dataplane_socket);
        if (!taken) return complain(taken.error());
        locks.push_back(std::move(*taken));
    }
    const weft::fastpath::PurgeReport report{.removed = removed, .kept = kept};
    const bool ended = weft::agent::purge_dataplane(config, report);
    const bool unloaded = weft::ebpf::purge(config.bpf_dir, report);
    if (locked) locks.back().discard();
    if (ran) removed(lock_file);
    if (!ended || !unloaded) return EXIT_FAILURE;
    if (!any) fmt::print("nothing of a fast path is here\n");
    return EXIT_SUCCESS;
}

int run(Config config, const weft::ebpf::MapSet::Sizes& map_entries) {
    if (geteuid() != 0) return complain_about_user();
    auto lock = weft::agent::InstanceLock::take(config.state_dir);
    if (!lock) return complain(lock.error());
    // Two agents on one fast path would each take the other's ports and routes away.
    auto fast_path_lock = weft::agent::InstanceLock::take_fast_path(config.dataplane_socket);
    if (!fast_path_lock) return complain(fast_path_lock.error());

    boost::asio::io_context loop;
    int status = EXIT_SUCCESS;
    auto fast_path = open_fast_path(loop, config, map_entries);
    if (!fast_path) return complain(fast_path.error());
    auto agent = weft::agent::Agent::start(loop, config, **fast_path);
    if (!agent) return complain(agent.error());
    auto api = weft::agent::ApiServer::start(loop, **agent, config.socket, config.socket_group);
    if (!api) return complain(api.error());
    const auto running = (*agent)->run_fast_path(*std::move(fast_path), [&](const Error& error) {
        status = complain(error);
        loop.stop();
    });
    if (!running) return complain(running.error());

    boost::asio::signal_set signals(loop, SIGINT, SIGTERM);
    // The terminal has gone; nohup(1) asks to go on without it.
    struct sigaction hangup{};
    if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN) signals.add(SIGHUP);
    signals.async_wait([&](boost::system::error_code error, int signal) {
        if (error) return;
        // Neighbours keep our routes for the restart time and the fast path goes on, so nobody is told good-bye.
        spdlog::info("{}: ending; the fast path goes on", strsignal(signal));
        loop.stop();
    });
    spdlog::info("weftd {} on {}: fast path {}, API at {}", WEFT_VERSION, config.host_name,
                 weft::agent::name_of(config.fast_path), config.socket);
    loop.run();
    return status;
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    spdlog::set_default_logger(spdlog::stderr_color_mt("weftd"));
    spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
    const auto line = weft::agent::parse_command_line(argc, argv);
    if (!line) {
        complain(line.error());
        return usage_error;
    }
    if (line->print) {
        fmt::print("{}\n", *line->print);
        return EXIT_SUCCESS;
    }
    spdlog::set_level(spdlog::level::from_str(line->config.log_level));
    libbpf_set_print(&log_of_libbpf);
    if (line->purge) return purge(line->config);
    const auto map_entries = weft::ebpf::map_entries(line->config.map_sizes);
    if (!map_entries) {
        complain(map_entries.error());
        return usage_error;
    }
    return run(line->config, *map_entries);
}
