// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/fast_path_supervisor.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::agent {

namespace {

constexpr std::chrono::milliseconds poll_interval{10};
constexpr std::chrono::seconds launch_patience{20};

} // namespace

FastPathSupervisor::FastPathSupervisor(boost::asio::io_context& loop, FastPathProgram program) :
    loop_(loop), program_(std::move(program)), timer_(loop) {}

FastPathSupervisor::~FastPathSupervisor() {
    if (client_) client_->close();
}

Result<void> FastPathSupervisor::start(FastPathEvents events) {
    events_ = std::move(events);
    std::error_code ignored;
    if (!std::filesystem::exists(program_.program, ignored))
        return fail(ErrorCode::not_found,
                    fmt::format("weft-dataplane is not at {}: build it, or name it with --dataplane-program",
                                program_.program));
    attempt();
    return {};
}

Result<fastpath::TableUpdate> FastPathSupervisor::look() {
    auto client = fastpath::SocketFastPath::connect(loop_, program_.socket, [](const Error&) {});
    if (!client) return fastpath::TableUpdate();
    auto tables = dump_now(loop_, **client);
    (*client)->close();
    return tables;
}

void FastPathSupervisor::attempt() {
    auto client =
        fastpath::SocketFastPath::connect(loop_, program_.socket, [this](const Error& error) { lost(error); });
    if (client) {
        client_ = *client;
        if (!state_.starts_with("unreachable")) state_ = "synchronising";
        // The dump is the first word, so that nothing is programmed before we know what is there.
        client_->dump([this, client = client_](Result<fastpath::TableUpdate> tables) {
            if (!tables || client != client_) return;
            connected_ = has_served_ = true;
            state_ = "running";
            spdlog::info("fast path at {} connected: {} ports, {} routes", program_.socket, tables->ports_size(),
                         tables->routes_size());
            events_.on_connected(*client_, *tables);
        });
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (launched_pid_ != 0 && waitpid(launched_pid_, nullptr, WNOHANG) == launched_pid_) {
        // Whoever waits for one that never served must hear of it, however long it lived.
        const bool served = has_served_ && now - launched_at_ >= std::chrono::seconds(5);
        quick_deaths_ = served ? 0 : quick_deaths_ + 1;
        launched_pid_ = 0;
        if (quick_deaths_ > 0) {
            unreachable(fmt::format("weft-dataplane ended at once: {} (see {})", last_words(), program_.log));
            spdlog::error("{}", state_);
            // Back off: whatever is wrong needs a person.
            timer_.expires_after(std::min(std::chrono::milliseconds(200) * (1U << std::min(quick_deaths_, 7U)),
                                          std::chrono::milliseconds(15000)));
            timer_.async_wait([this](boost::system::error_code error) {
                if (!error) attempt();
            });
            return;
        }
    }
    if (launched_pid_ == 0)
        launch();
    else if (now - launched_at_ > launch_patience)
        unreachable(fmt::format("weft-dataplane does not answer on {}, see {}", program_.socket, program_.log));
    timer_.expires_after(poll_interval);
    timer_.async_wait([this](boost::system::error_code error) {
        if (!error) attempt();
    });
}

void FastPathSupervisor::launch() {
    spdlog::info("starting {}", program_.program);
    std::vector<std::string> texts{program_.program, "--socket", program_.socket};
    texts.insert(texts.end(), program_.arguments.begin(), program_.arguments.end());
    std::vector<char*> argv;
    for (auto& text : texts)
        argv.push_back(text.data());
    argv.push_back(nullptr);
    const int log = open(program_.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    launched_at_ = std::chrono::steady_clock::now();
    has_served_ = false;
    launched_pid_ = fork();
    if (launched_pid_ != 0) {
        if (log >= 0) close(log);
        close(null);
        return;
    }
    // In the child: a session of its own, so that what ends the agent does not end it; no descriptor of ours.
    setsid();
    dup2(null, STDIN_FILENO);
    if (log >= 0) {
        dup2(log, STDOUT_FILENO);
        dup2(log, STDERR_FILENO);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    close_range(3, ~0U, 0);
    execv(argv[0], argv.data());
    _exit(127);
}

void FastPathSupervisor::abandon() {
    const int pid = std::exchange(launched_pid_, 0);
    if (pid == 0) return;
    if (client_) client_->close();
    kill(pid, SIGTERM);
    waitpid(pid, nullptr, 0);
}

std::string FastPathSupervisor::last_words() const {
    std::ifstream log(program_.log);
    std::string last = "it said nothing";
    for (std::string line; std::getline(log, line);)
        if (!line.empty()) last = line;
    return last;
}

void FastPathSupervisor::lost(const Error& error) {
    spdlog::warn("{}", error.message);
    const bool hung = std::exchange(client_, nullptr)->hung();
    state_ = "starting";
    if (hung)
        unreachable(error.message);
    else if (std::exchange(connected_, false))
        events_.on_disconnected("the fast path went away; it is started again, so try once more");
    attempt();
}

void FastPathSupervisor::unreachable(const std::string& reason) {
    state_ = "unreachable: " + reason;
    connected_ = false;
    events_.on_disconnected("the fast path is " + state_);
}

} // namespace weft::agent
