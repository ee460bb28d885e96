// SPDX-License-Identifier: BSD-3-Clause
// What Kubernetes' policy objects share: metadata, label selectors, CIDRs and ports. One function per object of the
// API; what is wrong is remembered by the field (see YamlField).
#pragma once

#include "controlplane/policy/policy_model.hpp"
#include "controlplane/policy/yaml_field.hpp"

namespace weft::policy {

/// "true" makes an audited policy, of any kind.
inline constexpr std::string_view audit_annotation = "weft.dev/audit";

/// Name, namespace and audit of `policy`, whose kind is known already.
void read_metadata(const YamlField& field, Policy& policy);

[[nodiscard]] LabelSelector read_label_selector(const YamlField& field);
[[nodiscard]] std::optional<LabelSelector> read_optional_selector(const YamlField& field);

/// With its length.
[[nodiscard]] net::Prefix read_cidr(const YamlField& field);

/// Absent: TCP.
[[nodiscard]] std::uint8_t read_protocol(const YamlField& field);
/// 1 to 65535.
[[nodiscard]] std::uint16_t read_port_number(const YamlField& field);
[[nodiscard]] std::string read_port_name(const YamlField& field);

} // namespace weft::policy
