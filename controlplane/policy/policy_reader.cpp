// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/policy/policy_reader.hpp"

#include <algorithm>
#include <array>
#include <ranges>
#include <set>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controlplane/policy/admin_policy_reader.hpp"
#include "controlplane/policy/api_object.hpp"
#include "controlplane/policy/network_policy_reader.hpp"
#include "controlplane/policy/yaml_field.hpp"

namespace weft::policy {

namespace {

constexpr std::array network_policy_versions{std::string_view("networking.k8s.io/v1")};
// Their fields are the same.
constexpr std::array cluster_policy_versions{std::string_view("policy.networking.k8s.io/v1alpha2"),
                                             std::string_view("policy.networking.k8s.io/v1beta1")};
constexpr std::array admin_policy_versions{std::string_view("policy.networking.k8s.io/v1alpha1")};

struct ObjectKind {
    Kind kind;
    std::span<const std::string_view> versions; ///< apiVersion: one of them, of its lists too
    void (*read)(const YamlField& object, Policy& policy);
};

constexpr std::array<ObjectKind, 4> object_kinds{{
    {Kind::network_policy, network_policy_versions, read_network_policy},
    {Kind::cluster_network_policy, cluster_policy_versions, read_cluster_network_policy},
    {Kind::admin_network_policy, admin_policy_versions, read_admin_network_policy},
    {Kind::baseline_admin_network_policy, admin_policy_versions, read_baseline_admin_network_policy},
}};

const ObjectKind* find_kind(std::string_view name) {
    const auto found =
        std::ranges::find_if(object_kinds, [&](const ObjectKind& each) { return to_string(each.kind) == name; });
    return found == object_kinds.end() ? nullptr : &*found;
}

/// What `kind` and `apiVersion` say that a document is.
struct ObjectType {
    const ObjectKind* object = nullptr; ///< none: a list of any kind, or of no known one
    bool list = false;
};

ObjectType type_of(std::string_view name) {
    if (name == "List") return {.list = true};
    const bool list = name.ends_with("List");
    if (list) name.remove_suffix(4);
    return {.object = find_kind(name), .list = list};
}

/// "policy default/web", as far as the document says so, for errors about the rest of it; it may be anything.
std::string claimed_name(const YamlNode& node) {
    std::optional<Error> ignored;
    const YamlField root(node, ignored);
    const YamlField metadata = root.field("metadata");
    PolicyName claimed{.name_space = metadata.field("namespace").text().substr(0, 80),
                       .name = metadata.field("name").text().substr(0, 80)};
    if (claimed.name.empty()) return "policy";
    if (const ObjectKind* known = find_kind(root.field("kind").text())) claimed.kind = known->kind;
    if (claimed.name_space.empty()) claimed.name_space = "default";
    return fmt::format("policy {}", claimed.to_string());
}

ObjectType read_type(const YamlField& root, bool in_list) {
    const YamlField kind = root.field("kind");
    const YamlField version = root.field("apiVersion");
    const std::string name = kind.text().substr(0, 80);
    const ObjectType type = type_of(name);
    if (type.list && in_list) kind.refuse(ErrorCode::invalid, "a list in a list");
    if (type.object == nullptr && name != "List")
        kind.refuse(ErrorCode::unsupported,
                    fmt::format("{}; want {}", name.empty() ? "missing" : fmt::format("'{}' is not supported", name),
                                fmt::join(object_kinds | std::views::transform([](const ObjectKind& each) {
                                              return to_string(each.kind);
                                          }),
                                          ", ")));
    static constexpr std::array list_versions{std::string_view("v1")};
    const std::span<const std::string_view> wanted =
        type.object == nullptr ? std::span<const std::string_view>(list_versions) : type.object->versions;
    if (std::ranges::find(wanted, version.text()) == wanted.end())
        version.refuse(ErrorCode::unsupported, fmt::format("want {} for kind {}", fmt::join(wanted, " or "), name));
    return type;
}

class Reader {
  public:
    Result<void> read(const YamlNode& node, bool in_list = false) {
        std::optional<Error> error;
        const YamlField root(node, error);
        if (node.kind != YamlNode::Kind::map) root.refuse(ErrorCode::invalid, "want a policy, which is a map");
        const ObjectType type = read_type(root, in_list);
        if (error) return std::unexpected(std::move(*error).in(claimed_name(node)));
        if (type.list) return read_list(root, error);
        Policy policy;
        policy.name.kind = type.object->kind;
        root.expect_map({"apiVersion", "kind", "metadata", "spec", "status"});
        read_metadata(root.field("metadata"), policy);
        type.object->read(root, policy);
        if (!error && !names_.insert(policy.name).second) root.refuse(ErrorCode::invalid, "stands in the text twice");
        if (error) return std::unexpected(std::move(*error).in(claimed_name(node)));
        documents_.push_back({std::move(policy), node.to_yaml()});
        return {};
    }

    std::vector<PolicyDocument> take() { return std::move(documents_); }

  private:
    Result<void> read_list(const YamlField& root, const std::optional<Error>& error) {
        root.expect_map({"apiVersion", "kind", "metadata", "items"});
        root.field("metadata").expect_map({"resourceVersion", "selfLink"});
        const auto items = root.field("items").items();
        if (error) return std::unexpected(Error(*error).in("list"));
        for (std::size_t i = 0; i < items.size(); ++i)
            if (auto done = read(*items[i].node(), true); !done)
                return fail_in(std::move(done), fmt::format("items[{}]", i));
        return {};
    }

    std::vector<PolicyDocument> documents_;
    std::set<PolicyName> names_;
};

} // namespace

Result<std::vector<PolicyDocument>> read_policies(std::string_view yaml, std::size_t bytes_max) {
    if (yaml.size() > bytes_max)
        return fail(ErrorCode::invalid,
                    fmt::format("policy text of {} bytes: at most {} are read at once", yaml.size(), bytes_max));
    auto documents = read_yaml(yaml);
    if (!documents) return std::unexpected(std::move(documents).error());
    if (documents->empty()) return fail(ErrorCode::invalid, "no policy in the text");
    Reader reader;
    for (const YamlNode& document : *documents)
        if (auto read = reader.read(document); !read) return std::unexpected(std::move(read).error());
    return reader.take();
}

} // namespace weft::policy
