// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/help.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "tools/ctl/context.hpp"
#include "tools/ctl/nouns.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

constexpr std::size_t page_width = 100;

/// Entries as two columns, the right one wrapped.
std::string columns(const std::vector<std::pair<std::string, std::string>>& entries, Style style) {
    std::size_t width = 0;
    for (const auto& [left, right] : entries)
        width = std::max(width, left.size());
    std::string result;
    for (const auto& [left, right] : entries) {
        const std::string gap(width - left.size() + 2, ' ');
        result += fmt::format("  {}{}{}\n", style.paint(left, Tone::plain), gap, wrap(right, page_width, width + 4));
    }
    return result;
}

std::string heading(std::string_view text, Style style) {
    return fmt::format("\n{}\n", style.paint(text, Tone::strong));
}

std::string written(const Option& option) {
    const std::string letter = option.letter != 0 ? fmt::format("-{}, ", option.letter) : std::string{};
    if (option.value.empty()) return fmt::format("{}--{}", letter, option.name);
    return option.implicit.empty() ? fmt::format("{}--{} {}", letter, option.name, option.value)
                                   : fmt::format("{}--{} [{}]", letter, option.name, option.value);
}

std::string explained(std::string_view help, std::span<const std::string_view> choices, bool repeatable) {
    std::string result(help);
    if (!choices.empty()) result += fmt::format(" ({})", fmt::join(choices, ", "));
    if (repeatable) result += " (may be repeated)";
    return result;
}

std::string usage(const Resolved& resolved) {
    const Command& command = resolved.command();
    std::string line = resolved.words();
    if (command.run == nullptr) return line + (resolved.path.size() == 1 ? " COMMAND ..." : " VERB ...");
    for (const Operand& operand : command.operands) {
        const std::string_view dots = operand.repeatable ? " ..." : "";
        line +=
            operand.required ? fmt::format(" {}{}", operand.name, dots) : fmt::format(" [{}{}]", operand.name, dots);
    }
    return command.options.empty() ? line : line + " [options]";
}

} // namespace

std::string help_text(const Resolved& resolved, Style style) {
    const Command& command = resolved.command();
    std::string text = fmt::format("{}: {}\n", style.paint(resolved.words(), Tone::strong), command.summary);
    if (!command.details.empty()) text += fmt::format("\n{}\n", wrap(command.details, page_width, 0));
    text += heading("Usage", style) + fmt::format("  {}\n", usage(resolved));
    std::vector<std::pair<std::string, std::string>> entries;
    if (!command.verbs.empty()) {
        for (const Command& verb : command.verbs)
            if (!verb.hidden) entries.emplace_back(verb.name, verb.summary);
        text += heading(resolved.path.size() == 1 ? "Commands" : "Verbs", style) + columns(entries, style);
    }
    if (!command.operands.empty()) {
        entries.clear();
        for (const Operand& operand : command.operands)
            entries.emplace_back(operand.name, explained(operand.help, operand.choices, operand.repeatable));
        text += heading("Operands", style) + columns(entries, style);
    }
    if (!command.options.empty()) {
        entries.clear();
        for (const Option& option : command.options)
            entries.emplace_back(written(option), explained(option.help, option.choices, option.repeatable));
        text += heading("Options", style) + columns(entries, style);
    }
    entries.clear();
    for (const Option& option : global_options())
        entries.emplace_back(written(option), explained(option.help, option.choices, option.repeatable));
    text += heading("Options of every command", style) + columns(entries, style);
    if (!command.examples.empty()) {
        text += heading("Examples", style);
        for (const Example& example : command.examples) {
            text += fmt::format("  {}\n", example.line);
            if (!example.says.empty()) text += fmt::format("      {}\n", style.paint(example.says, Tone::dim));
        }
    }
    if (!command.verbs.empty())
        text += fmt::format("\n`{} {} --help` says more about each.\n", resolved.words(),
                            resolved.path.size() == 1 ? "COMMAND" : "VERB");
    return text;
}

namespace {

Outcome<Exit> show_help(Context& context, const Arguments& arguments) {
    const auto resolved = resolve(context.root, arguments.all("COMMAND"));
    if (!resolved) return std::unexpected(resolved.error());
    context.print(help_text(*resolved, context.style));
    return Exit::ok;
}

} // namespace

Command help_command() {
    return {
        .name = "help",
        .summary = "explain weft or one of its commands",
        .operands = {{.name = "COMMAND", .help = "noun, or noun and verb", .required = false, .repeatable = true}},
        .examples = {{"weft help"}, {"weft help endpoint add", "the same as weft endpoint add --help"}},
        .run = show_help,
    };
}

} // namespace weft::ctl
