// SPDX-License-Identifier: BSD-3-Clause
// weft: the operator's CLI. main only looks at the process's world (terminal, environment variables) and hands it to
// cli.cpp.
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <thread>
#include <vector>

#include <unistd.h>

#include "routing/net/standard_descriptors.hpp"
#include "tools/ctl/cli.hpp"
#include "tools/ctl/interrupt.hpp"

namespace {

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value != nullptr ? value : "";
}

bool wants_colour(int descriptor) {
    return isatty(descriptor) == 1 && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
}

} // namespace

int main(int argc, char** argv) {
    setenv("GRPC_VERBOSITY", "NONE", 0); // gRPC's own log lines are no use to an operator; failures come as sentences
    weft::ctl::Environment environment{
        .out = std::cout,
        .err = std::cerr,
        .in = std::cin,
        .terminal = isatty(STDOUT_FILENO) == 1,
        .colour = wants_colour(STDOUT_FILENO),
        .error_colour = wants_colour(STDERR_FILENO),
        .sleep = [](auto time) { std::this_thread::sleep_for(time); },
        .on_interrupt = [](auto tell) { return std::make_shared<weft::ctl::Interrupt>(std::move(tell)); },
    };
    if (const std::string_view socket = variable("WEFT_SOCKET"); !socket.empty()) environment.socket = socket;
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    return static_cast<int>(weft::ctl::run(words, environment));
}
