// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/yaml_tree.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace weft::policy {

namespace {

constexpr std::size_t nodes_max = 100'000;
constexpr std::size_t depth_max = 32;

/// Thrown through yaml-cpp, which calls us, to read_yaml().
struct Refusal : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void refuse(const YAML::Mark& mark, std::string_view why) {
    throw Refusal(fmt::format("line {}: {}", mark.line + 1, why));
}

/// Builds the tree from yaml-cpp's events. The path holds the open containers; a map's key waits there for its value.
class TreeBuilder : public YAML::EventHandler {
  public:
    std::vector<YamlNode> take_documents() { return std::move(documents_); }

    void OnDocumentStart(const YAML::Mark&) override { path_.clear(); }

    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(mark, make(mark, YamlNode::Kind::null)); }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        refuse(mark, "aliases (*name) are not supported: write the value out");
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
        if (tag != "?" && tag != "!")
            refuse(mark, fmt::format("tag {} is not supported: leave it out", tag.substr(0, 80)));
        const bool quoted = tag == "!";
        const bool null =
            !quoted && (value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL");
        YamlNode node = make(mark, null ? YamlNode::Kind::null : YamlNode::Kind::scalar);
        node.quoted = quoted;
        node.text = value;
        add(mark, std::move(node));
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        open(mark, tag, YamlNode::Kind::sequence);
    }

    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        open(mark, tag, YamlNode::Kind::map);
    }

    void OnMapEnd() override { close(); }

  private:
    struct Open {
        YamlNode node;
        bool has_key = false;
        std::string key;
    };

    static YamlNode make(const YAML::Mark& mark, YamlNode::Kind kind) {
        YamlNode node;
        node.kind = kind;
        node.line = static_cast<unsigned>(mark.line + 1);
        return node;
    }

    void open(const YAML::Mark& mark, const std::string& tag, YamlNode::Kind kind) {
        if (!tag.empty() && tag != "?" && tag != "!")
            refuse(mark, fmt::format("tag {} is not supported: leave it out", tag.substr(0, 80)));
        if (path_.size() == depth_max) refuse(mark, fmt::format("nested deeper than {} levels", depth_max));
        if (!path_.empty() && path_.back().node.kind == YamlNode::Kind::map && !path_.back().has_key)
            refuse(mark, "a key must be plain text");
        path_.push_back({make(mark, kind), false, {}});
    }

    void close() {
        YamlNode node = std::move(path_.back().node);
        path_.pop_back();
        place(std::move(node));
    }

    void add(const YAML::Mark& mark, YamlNode node) {
        if (path_.empty() || path_.back().node.kind != YamlNode::Kind::map || path_.back().has_key)
            return place(std::move(node));
        Open& map = path_.back();
        if (node.kind != YamlNode::Kind::scalar) refuse(mark, "a key must be plain text");
        if (std::ranges::find(map.node.names, node.text) != map.node.names.end())
            refuse(mark, fmt::format("'{}' stands here twice", node.text.substr(0, 80)));
        map.key = std::move(node.text);
        map.has_key = true;
    }

    void place(YamlNode node) {
        if (++nodes_ > nodes_max)
            throw Refusal(fmt::format("line {}: more than {} values in one text", node.line, nodes_max));
        if (path_.empty()) {
            if (node.kind != YamlNode::Kind::null) documents_.push_back(std::move(node));
            return;
        }
        Open& open = path_.back();
        if (open.node.kind == YamlNode::Kind::sequence) {
            open.node.items.push_back(std::move(node));
            return;
        }
        // Looking for duplicates is quadratic, and nothing that is read here has many fields.
        if (open.node.names.size() == fields_max)
            throw Refusal(fmt::format("line {}: more than {} fields in one map", node.line, fields_max));
        open.node.names.push_back(std::move(open.key));
        open.node.items.push_back(std::move(node));
        open.has_key = false;
    }

    static constexpr std::size_t fields_max = 1000;

    std::vector<YamlNode> documents_;
    std::vector<Open> path_;
    std::size_t nodes_ = 0;
};

void emit(YAML::Emitter& out, const YamlNode& node) {
    switch (node.kind) {
    case YamlNode::Kind::null:
        out << YAML::Null;
        break;
    case YamlNode::Kind::scalar:
        if (node.quoted) out << YAML::DoubleQuoted;
        out << node.text;
        break;
    case YamlNode::Kind::sequence:
        if (node.items.empty()) out << YAML::Flow;
        out << YAML::BeginSeq;
        for (const auto& item : node.items)
            emit(out, item);
        out << YAML::EndSeq;
        break;
    case YamlNode::Kind::map:
        if (node.items.empty()) out << YAML::Flow;
        out << YAML::BeginMap;
        for (std::size_t i = 0; i < node.items.size(); ++i) {
            out << YAML::Key << node.names[i] << YAML::Value;
            emit(out, node.items[i]);
        }
        out << YAML::EndMap;
        break;
    }
}

} // namespace

std::string YamlNode::to_yaml() const {
    YAML::Emitter out;
    emit(out, *this);
    return std::string(out.c_str(), out.size()) + "\n";
}

Result<std::vector<YamlNode>> read_yaml(std::string_view text) {
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        TreeBuilder builder;
        while (parser.HandleNextDocument(builder)) {
        }
        return builder.take_documents();
    } catch (const Refusal& refusal) {
        return fail(ErrorCode::invalid, refusal.what());
    } catch (const YAML::Exception& error) {
        return fail(ErrorCode::invalid, fmt::format("line {}: not YAML: {}", error.mark.line + 1, error.msg));
    }
}

} // namespace weft::policy
