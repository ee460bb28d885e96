// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/complete.hpp"

#include <algorithm>

#include "tools/ctl/arguments.hpp"

namespace weft::ctl {

namespace {

/// Where the finished words lead: a command, how many operands it has, and an option that waits for its value.
struct Position {
    const Command* command;
    std::size_t operands = 0;
    Option pending = {}; ///< its name is empty: none
    bool only_operands = false;
};

Position walk(const Command& root, std::span<const std::string> finished) {
    Position position{.command = &root};
    for (const std::string& word : finished) {
        if (!position.pending.name.empty()) {
            position.pending = {};
        } else if (position.only_operands) {
            ++position.operands;
        } else if (word == "--") {
            position.only_operands = true;
        } else if (word.size() > 1 && word.front() == '-') {
            const std::vector<Option> options = options_of(*position.command);
            const Option* const option = find_option(options, word);
            const bool waits =
                option != nullptr && !option->value.empty() && option->implicit.empty() && !word.contains('=');
            if (waits) position.pending = *option;
        } else if (const Command* const verb = position.command->find(word)) {
            position.command = verb;
        } else {
            ++position.operands;
        }
    }
    return position;
}

class Offer {
  public:
    Offer(std::string_view begun, std::string_view before, Candidates& candidates) :
        begun_(begun), before_(before), candidates_(candidates) {}

    void add(std::string_view word, std::string_view says = {}) {
        if (word.starts_with(begun_))
            candidates_.words.push_back({std::string(before_) + std::string(word), std::string(says)});
    }

    void values(std::span<const std::string_view> choices, Completes completes, const NameSource& names,
                std::span<const std::string> words) {
        for (const std::string_view choice : choices)
            add(choice);
        if (completes == Completes::files) candidates_.files = true;
        if (completes == Completes::nothing || completes == Completes::files) return;
        for (const Candidate& candidate : names(completes, words))
            add(candidate.word, candidate.says);
    }

  private:
    std::string_view begun_;
    std::string_view before_; // "--view=" when the value is written so
    Candidates& candidates_;
};

} // namespace

Candidates complete(const Command& root, std::span<const std::string> words, const NameSource& names) {
    Candidates candidates;
    if (words.empty()) return candidates;
    const std::string& last = words.back();
    const Position position = walk(root, words.first(words.size() - 1));
    const std::vector<Option> options = options_of(*position.command);
    Offer offer(last, {}, candidates);
    if (!position.pending.name.empty()) {
        offer.values(position.pending.choices, position.pending.completes, names, words);
    } else if (!position.only_operands && last.starts_with("--") && last.contains('=')) {
        const std::size_t equals = last.find('=') + 1;
        if (const Option* const option = find_option(options, last))
            Offer(std::string_view(last).substr(equals), std::string_view(last).substr(0, equals), candidates)
                .values(option->choices, option->completes, names, words);
    } else if (!position.only_operands && last.starts_with('-')) {
        for (const Option& option : options)
            offer.add("--" + std::string(option.name), option.help);
    } else if (position.command->name == "help") {
        const Command* about = &root;
        for (const std::string& word : words.first(words.size() - 1))
            if (const Command* const next = about->find(word); next != nullptr && next != position.command)
                about = next;
        for (const Command& verb : about->verbs)
            if (!verb.hidden) offer.add(verb.name, verb.summary);
    } else if (position.command->run == nullptr) {
        for (const Command& verb : position.command->verbs)
            if (!verb.hidden) offer.add(verb.name, verb.summary);
    } else if (const auto& operands = position.command->operands; !operands.empty()) {
        const bool beyond = position.operands >= operands.size();
        if (!beyond || operands.back().repeatable) {
            const Operand& operand = beyond ? operands.back() : operands[position.operands];
            offer.values(operand.choices, operand.completes, names, words);
        }
    }
    return candidates;
}

} // namespace weft::ctl
