// SPDX-License-Identifier: BSD-3-Clause
// The CLI's commands as values: nouns, their verbs, options, operands and examples. Each noun's file makes its
// Command; parsing, help and completion all read the same tree, so they cannot disagree.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tools/ctl/exit.hpp"

namespace weft::ctl {

class Arguments;
struct Context;

/// What a shell may offer for a value, beyond a fixed list of choices.
enum class Completes : std::uint8_t { nothing, endpoint, label_namespace, network, peer, policy, netns, files };

struct Option {
    std::string_view name; ///< without the dashes
    std::string_view help;
    std::string_view value = {}; ///< what the value is called, in capitals; empty: a flag
    char letter = 0;             ///< 0: none
    bool repeatable = false;
    std::string_view implicit = {}; ///< not empty: the value may be left out, and is this then
    std::vector<std::string_view> choices = {};
    Completes completes = Completes::nothing;
};

struct Operand {
    std::string_view name; ///< in capitals
    std::string_view help;
    bool required = true;
    bool repeatable = false; ///< only the last
    bool may_be_empty = false;
    std::vector<std::string_view> choices = {};
    Completes completes = Completes::nothing;
};

struct Example {
    std::string_view line;
    std::string_view says = {};
};

using Action = Outcome<Exit> (*)(Context&, const Arguments&);

struct Command {
    std::string_view name;
    std::string_view summary;      ///< one line, no full stop
    std::string_view details = {}; ///< sentences for --help
    std::vector<Operand> operands = {};
    std::vector<Option> options = {};
    std::vector<Example> examples = {};
    Action run = nullptr; ///< null: a noun, which needs a verb
    std::vector<Command> verbs = {};
    bool hidden = false; ///< not in help or completion

    [[nodiscard]] const Command* find(std::string_view verb) const {
        for (const Command& command : verbs)
            if (command.name == verb) return &command;
        return nullptr;
    }
};

/// `weft` itself, with every noun.
[[nodiscard]] Command all_commands();

/// Options that every command takes.
[[nodiscard]] const std::vector<Option>& global_options();

} // namespace weft::ctl
