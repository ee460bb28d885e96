// SPDX-License-Identifier: BSD-3-Clause
// YamlField: a place in a YAML document, named by its path ("spec.ingress[0].ports[0].port"), read by those who know
// what belongs there. The first thing that is wrong is remembered with its path; readers go on with empty values and
// ask once, at the end.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/policy/yaml_tree.hpp"

namespace weft::policy {

class YamlField {
  public:
    /// The root of a document. `error` takes the first error of this field and all below it.
    YamlField(const YamlNode& node, std::optional<Error>& error) : node_(&node), error_(&error) {}

    /// Absent and null mean the same.
    [[nodiscard]] bool present() const { return node_ != nullptr && node_->kind != YamlNode::Kind::null; }

    /// A map whose fields are all among the known ones; a field that is absent is a field too.
    void expect_map(std::initializer_list<std::string_view> known) const;
    [[nodiscard]] YamlField field(std::string_view name) const;
    /// Absent: no items.
    [[nodiscard]] std::vector<YamlField> items() const;
    /// The map's fields, whatever their names.
    [[nodiscard]] std::vector<std::pair<std::string, YamlField>> fields() const;
    /// Absent: empty.
    [[nodiscard]] std::string text() const;
    /// A number written without quotes, if it is one; not 0120, which some take for 80.
    [[nodiscard]] std::optional<std::uint64_t> number() const;
    /// Is it a number to readers of YAML, in whatever notation: 80, 0120, 0x50, 0o120, 0b1, 1e3?
    [[nodiscard]] bool is_number() const;

    void refuse(ErrorCode code, std::string_view why) const;
    /// Refuses what a check refused.
    void check(const Result<void>& result) const;

    [[nodiscard]] const YamlNode* node() const { return node_; }

  private:
    YamlField(const YamlNode* node, std::optional<Error>* error, std::string path, unsigned line) :
        node_(node), error_(error), path_(std::move(path)), line_(line) {}

    [[nodiscard]] unsigned line() const { return node_ != nullptr ? node_->line : line_; }

    const YamlNode* node_; ///< none: absent
    std::optional<Error>* error_;
    std::string path_;
    unsigned line_ = 0; ///< of the map that it is absent from
};

} // namespace weft::policy
