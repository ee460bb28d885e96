// SPDX-License-Identifier: BSD-3-Clause
// Runs the CLI as main would, with texts instead of a terminal.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "tools/ctl/cli.hpp"

namespace weft::ctl {

using Words = std::vector<std::string>;

struct Ended {
    Exit exit;
    std::string out;
    std::string err;

    [[nodiscard]] Json json() const { return Json::parse(out); }
};

/// Against a socket; time passes only as --watch sleeps. `change` may set what else the world has.
template <class Change>
Ended run_in(const std::string& socket, const Words& words, const std::string& input, Change change) {
    using std::chrono::steady_clock;
    std::ostringstream out, err;
    std::istringstream in(input);
    steady_clock::time_point now{};
    Environment environment{.out = out, .err = err, .in = in, .socket = socket};
    environment.now = [&now] { return now; };
    environment.sleep = [&now](steady_clock::duration time) { now += time; };
    change(environment);
    const Exit exit = run(words, environment);
    return {exit, out.str(), err.str()};
}

inline Ended run_at(const std::string& socket, const Words& words, const std::string& input = {}) {
    return run_in(socket, words, input, [](Environment&) {});
}

} // namespace weft::ctl
