// SPDX-License-Identifier: BSD-3-Clause
// The admin and baseline tiers' objects (policy.networking.k8s.io) from their YAML.
#pragma once

#include "controlplane/policy/policy_model.hpp"
#include "controlplane/policy/yaml_field.hpp"

namespace weft::policy {

// All but the metadata.
void read_cluster_network_policy(const YamlField& object, Policy& policy);
void read_admin_network_policy(const YamlField& object, Policy& policy);
void read_baseline_admin_network_policy(const YamlField& object, Policy& policy);

} // namespace weft::policy
