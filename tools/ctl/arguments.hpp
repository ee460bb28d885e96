// SPDX-License-Identifier: BSD-3-Clause
// From words on the command line to a command with named values, or to a sentence that says what is wrong with them
// and what was probably meant. Boost.Program_options reads the options; which exist comes from the Command.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/ctl/command.hpp"

namespace weft::ctl {

/// What was given, by the names of the Command's options and operands.
class Arguments {
  public:
    [[nodiscard]] bool has(std::string_view name) const { return values_.contains(name); }

    /// The value, or an empty string if it was not given.
    [[nodiscard]] std::string get(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> all(std::string_view name) const;

    void add(std::string_view name, std::string value) { values_[std::string(name)].push_back(std::move(value)); }

  private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

/// A command found by its nouns and verbs, and the words that are left for it.
struct Resolved {
    std::vector<const Command*> path; ///< `weft` first
    std::vector<std::string> rest;
    bool wants_help = false;

    [[nodiscard]] const Command& command() const { return *path.back(); }

    /// "weft endpoint add"
    [[nodiscard]] std::string words() const;
};

/// Global options may stand before, between and behind noun and verb.
[[nodiscard]] Outcome<Resolved> resolve(const Command& root, std::span<const std::string> words);

/// The options and operands of a resolved command. Failures are Exit::usage.
[[nodiscard]] Outcome<Arguments> parse(const Resolved& resolved);

/// "app=web" for each; a repeated key or an empty one is refused.
[[nodiscard]] Outcome<std::map<std::string, std::string>> parse_labels(std::span<const std::string> texts);

/// A whole number in the range, or a sentence that starts with what it was for.
[[nodiscard]] Outcome<unsigned long> parse_number(std::string_view what, const std::string& text, unsigned long least,
                                                  unsigned long most);

/// Seconds, with fractions; at least `least`.
[[nodiscard]] Outcome<double> parse_seconds(std::string_view what, const std::string& text, double least,
                                            double most);

/// The option called `word` ("--socket", "-o", "--socket=x"), or null.
[[nodiscard]] const Option* find_option(std::span<const Option> options, std::string_view word);

/// The command's own options, then the global ones.
[[nodiscard]] std::vector<Option> options_of(const Command& command);

} // namespace weft::ctl
