// SPDX-License-Identifier: BSD-3-Clause
// What could stand at the end of an unfinished command line. The shells' functions (completion.cpp) are thin: they
// ask `weft __complete`.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tools/ctl/command.hpp"

namespace weft::ctl {

struct Candidate {
    std::string word;
    std::string says; ///< may be empty
};

struct Candidates {
    bool files = false; ///< the shell offers files
    std::vector<Candidate> words;
};

/// Asks the agent, or the host, for the names behind a Completes; `words` may name a socket.
using NameSource = std::function<std::vector<Candidate>(Completes, std::span<const std::string> words)>;

/// `words`: those behind `weft`; the last is unfinished and may be empty.
[[nodiscard]] Candidates complete(const Command& root, std::span<const std::string> words, const NameSource& names);

} // namespace weft::ctl
