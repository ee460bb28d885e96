// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/yaml_field.hpp"

#include <algorithm>
#include <charconv>
#include <regex>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace weft::policy {

void YamlField::refuse(ErrorCode code, std::string_view why) const {
    if (*error_) return;
    *error_ = Error{code, fmt::format("{}{}{} (line {})", path_, path_.empty() ? "" : ": ", why, line())};
}

void YamlField::check(const Result<void>& result) const {
    if (!result) refuse(result.error().code, result.error().message);
}

void YamlField::expect_map(std::initializer_list<std::string_view> known) const {
    for (const auto& [name, field] : fields())
        if (std::ranges::find(known, name) == known.end())
            field.refuse(ErrorCode::unsupported,
                         fmt::format("unknown field; known here: {}", fmt::join(known, ", ")));
}

YamlField YamlField::field(std::string_view name) const {
    const YamlNode* found = nullptr;
    if (node_ != nullptr)
        for (std::size_t i = 0; i < node_->names.size(); ++i)
            if (node_->names[i] == name) found = &node_->items[i];
    return {found, error_, fmt::format("{}{}{}", path_, path_.empty() ? "" : ".", name.substr(0, 80)), line()};
}

std::vector<YamlField> YamlField::items() const {
    std::vector<YamlField> items;
    if (!present()) return items;
    if (node_->kind != YamlNode::Kind::sequence) {
        refuse(ErrorCode::invalid, "want a list");
        return items;
    }
    for (const YamlNode& node : node_->items)
        items.push_back({&node, error_, fmt::format("{}[{}]", path_, items.size()), node.line});
    return items;
}

std::vector<std::pair<std::string, YamlField>> YamlField::fields() const {
    std::vector<std::pair<std::string, YamlField>> fields;
    if (!present()) return fields;
    if (node_->kind != YamlNode::Kind::map) {
        refuse(ErrorCode::invalid, "want a map");
        return fields;
    }
    for (const std::string& name : node_->names)
        fields.emplace_back(name, field(name));
    return fields;
}

std::string YamlField::text() const {
    if (!present()) return {};
    if (node_->kind != YamlNode::Kind::scalar) {
        refuse(ErrorCode::invalid, "want text");
        return {};
    }
    return node_->text;
}

std::optional<std::uint64_t> YamlField::number() const {
    if (!present() || node_->kind != YamlNode::Kind::scalar || node_->quoted) return std::nullopt;
    std::uint64_t value = 0;
    const char* const end = node_->text.data() + node_->text.size();
    const auto [stopped, status] = std::from_chars(node_->text.data(), end, value);
    if (status != std::errc{} || stopped != end || (node_->text.size() > 1 && node_->text.front() == '0'))
        return std::nullopt;
    return value;
}

bool YamlField::is_number() const {
    constexpr std::size_t longest = 80; // std::regex recurses
    static const std::regex notations("[0-9]+([eE][-+]?[0-9]+)?|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+");
    return present() && node_->kind == YamlNode::Kind::scalar && !node_->quoted && node_->text.size() <= longest &&
           std::regex_match(node_->text, notations);
}

} // namespace weft::policy
