// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/arguments.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>

#include <fmt/format.h>

#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

namespace po = boost::program_options;

constexpr const char* operands_key = "(operands)"; // no option can be called so

bool is_option(std::string_view word) { return word.size() > 1 && word.front() == '-'; }

std::vector<std::string_view> verb_names(const Command& command) {
    std::vector<std::string_view> names;
    for (const Command& verb : command.verbs)
        if (!verb.hidden) names.push_back(verb.name);
    return names;
}

std::string one_of(std::span<const std::string_view> choices) { return fmt::format("{}", fmt::join(choices, ", ")); }

std::unexpected<Failure> misused(const Resolved& resolved, std::string_view sentence, std::string_view hint = {}) {
    if (!hint.empty()) return refuse(Exit::usage, fmt::format("{}{}", sentence, hint));
    return refuse(Exit::usage, fmt::format("{}; `{} --help` explains it", sentence, resolved.words()));
}

std::unexpected<Failure> unknown_option(const Resolved& resolved, std::string_view word) {
    std::vector<std::string> dashed;
    for (const Option& option : options_of(resolved.command()))
        dashed.push_back("--" + std::string(option.name));
    const std::vector<std::string_view> names(dashed.begin(), dashed.end());
    const std::string hint = word.starts_with("--") ? did_you_mean(word, names) : std::string{};
    return misused(resolved, fmt::format("{} has no option {}", resolved.words(), word), hint);
}

/// An option whose value may be left out takes the next word if that is a number: `--watch 5`, and `--watch NAME` as
/// it reads.
std::vector<std::string> join_optional_values(const std::vector<Option>& options,
                                              const std::vector<std::string>& words) {
    std::vector<std::string> result;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--") {
            result.insert(result.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
            break;
        }
        const Option* const option =
            is_option(words[i]) && !words[i].contains('=') ? find_option(options, words[i]) : nullptr;
        if (option != nullptr && !option->implicit.empty()) {
            const bool number = i + 1 < words.size() && !words[i + 1].empty() &&
                                words[i + 1].find_first_not_of("0123456789.") == std::string::npos;
            result.push_back(
                fmt::format("--{}={}", option->name, number ? std::string_view(words[++i]) : option->implicit));
        } else {
            result.push_back(words[i]);
        }
    }
    return result;
}

po::options_description describe(const std::vector<Option>& options) {
    po::options_description description;
    for (const Option& option : options) {
        const std::string key =
            option.letter != 0 ? fmt::format("{},{}", option.name, option.letter) : std::string(option.name);
        if (option.value.empty()) {
            description.add_options()(key.c_str(), "");
            continue;
        }
        description.add_options()(key.c_str(), po::value<std::vector<std::string>>(), "");
    }
    description.add_options()(operands_key, po::value<std::vector<std::string>>(), "");
    return description;
}

Outcome<po::parsed_options> read(const Resolved& resolved, const std::vector<Option>& options) {
    const po::options_description description = describe(options);
    po::positional_options_description operands;
    operands.add(operands_key, -1);
    namespace style = po::command_line_style;
    try {
        return po::command_line_parser(join_optional_values(options, resolved.rest))
            .options(description)
            .positional(operands)
            .style(style::unix_style & ~style::allow_guessing & ~style::allow_sticky)
            .run();
    } catch (const po::unknown_option& error) {
        return unknown_option(resolved, error.get_option_name());
    } catch (const po::error_with_option_name& error) {
        const Option* const option = find_option(options, error.get_option_name());
        if (option != nullptr && option->value.empty())
            return misused(resolved, fmt::format("--{} takes no value", option->name));
        if (option != nullptr)
            return misused(resolved, fmt::format("--{} needs its {}", option->name, option->value));
        return misused(resolved, error.what());
    } catch (const po::error& error) {
        return misused(resolved, error.what());
    }
}

std::optional<std::unexpected<Failure>> check_choice(std::string_view name, const std::string& value,
                                                     std::span<const std::string_view> choices) {
    if (choices.empty() || std::ranges::find(choices, value) != choices.end()) return std::nullopt;
    const std::string hint = did_you_mean(value, choices);
    return refuse(Exit::usage, hint.empty()
                                   ? fmt::format("{} '{}' is not known; there are {}", name, value, one_of(choices))
                                   : fmt::format("{} '{}' is not known{}", name, value, hint));
}

Outcome<void> take_operands(const Resolved& resolved, const std::vector<std::string>& words, Arguments& arguments) {
    const std::vector<Operand>& operands = resolved.command().operands;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const bool beyond = i >= operands.size();
        if (beyond && (operands.empty() || !operands.back().repeatable))
            return misused(resolved, fmt::format("'{}' is one word too many for {}", words[i], resolved.words()));
        const Operand& operand = beyond ? operands.back() : operands[i];
        if (words[i].empty() && !operand.may_be_empty)
            return misused(resolved, fmt::format("{} is empty", operand.name));
        if (!is_utf8(words[i])) return misused(resolved, fmt::format("{} is not UTF-8 text", operand.name));
        if (auto wrong = check_choice(operand.name, words[i], operand.choices)) return *std::move(wrong);
        arguments.add(operand.name, words[i]);
    }
    for (const Operand& operand : operands)
        if (operand.required && !arguments.has(operand.name))
            return misused(resolved, fmt::format("{} needs {}", resolved.words(), operand.name));
    return {};
}

} // namespace

std::string Arguments::get(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() || found->second.empty() ? std::string{} : found->second.back();
}

std::vector<std::string> Arguments::all(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>{} : found->second;
}

std::string Resolved::words() const {
    std::string result;
    for (const Command* const command : path)
        result += fmt::format("{}{}", result.empty() ? "" : " ", command->name);
    return result;
}

const Option* find_option(std::span<const Option> options, std::string_view word) {
    word = word.substr(0, word.find('='));
    for (const Option& option : options) {
        const bool by_letter = option.letter != 0 && word.size() == 2 && word[0] == '-' && word[1] == option.letter;
        if (by_letter || (word.starts_with("--") && word.substr(2) == option.name)) return &option;
    }
    return nullptr;
}

std::vector<Option> options_of(const Command& command) {
    std::vector<Option> options = command.options;
    options.insert(options.end(), global_options().begin(), global_options().end());
    return options;
}

Outcome<Resolved> resolve(const Command& root, std::span<const std::string> words) {
    Resolved resolved{.path = {&root}, .rest = {}};
    for (std::size_t i = 0; i < words.size(); ++i) {
        const Command& here = resolved.command();
        const std::string& word = words[i];
        if (here.run != nullptr) {
            resolved.rest.push_back(word);
        } else if (is_option(word)) {
            resolved.rest.push_back(word);
            const Option* const option = find_option(global_options(), word);
            if (option != nullptr && !option->value.empty() && !word.contains('=') && i + 1 < words.size())
                resolved.rest.push_back(words[++i]);
        } else if (const Command* const verb = here.find(word)) {
            resolved.path.push_back(verb);
        } else {
            const std::string kind = resolved.path.size() == 1 ? "command" : "verb";
            return misused(resolved, fmt::format("{} has no {} '{}'", resolved.words(), kind, word),
                           did_you_mean(word, verb_names(here)));
        }
    }
    for (const std::string& word : resolved.rest) {
        if (word == "--") break;
        if (word == "--help" || word == "-h") resolved.wants_help = true;
    }
    return resolved;
}

Outcome<Arguments> parse(const Resolved& resolved) {
    const std::vector<Option> options = options_of(resolved.command());
    auto parsed = read(resolved, options);
    if (!parsed) return pass_on(std::move(parsed));
    Arguments arguments;
    std::vector<std::string> operands;
    for (const auto& given : parsed->options) {
        if (given.string_key == operands_key) {
            operands.insert(operands.end(), given.value.begin(), given.value.end());
            continue;
        }
        const Option& option = *find_option(options, "--" + given.string_key);
        if (arguments.has(option.name) && !option.repeatable && !option.value.empty())
            return misused(resolved, fmt::format("--{} is given twice", option.name));
        std::string value = given.value.empty() ? std::string{} : given.value.back();
        if (!option.value.empty() && value.empty())
            return misused(resolved, fmt::format("--{} needs its {}", option.name, option.value));
        // Files of ours may be called anything; all else goes to the agent as text.
        if (option.name != "file" && option.name != "socket" && !is_utf8(value))
            return misused(resolved, fmt::format("--{}: its {} is not UTF-8 text", option.name, option.value));
        if (auto wrong = check_choice(fmt::format("--{}", option.name), value, option.choices))
            return *std::move(wrong);
        arguments.add(option.name, std::move(value));
    }
    if (auto taken = take_operands(resolved, operands, arguments); !taken) return pass_on(std::move(taken));
    return arguments;
}

Outcome<std::map<std::string, std::string>> parse_labels(std::span<const std::string> texts) {
    std::map<std::string, std::string> labels;
    for (const std::string& text : texts) {
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0)
            return refuse(Exit::usage, fmt::format("label '{}' is not of the form key=value", text));
        const std::string key = text.substr(0, equals);
        if (!labels.emplace(key, text.substr(equals + 1)).second)
            return refuse(Exit::usage,
                          fmt::format("label '{}' is given twice; an endpoint has one value for each key", key));
    }
    return labels;
}

Outcome<unsigned long> parse_number(std::string_view what, const std::string& text, unsigned long least,
                                    unsigned long most) {
    unsigned long number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end || number < least || number > most)
        return refuse(Exit::usage, fmt::format("{} '{}' is not a number from {} to {}", what, text, least, most));
    return number;
}

Outcome<double> parse_seconds(std::string_view what, const std::string& text, double least, double most) {
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
    if (error != std::errc{} || stop != end || !(number >= least && number <= most))
        return refuse(Exit::usage,
                      fmt::format("{} '{}' is not a number of seconds from {} to {}", what, text, least, most));
    return number;
}

} // namespace weft::ctl
