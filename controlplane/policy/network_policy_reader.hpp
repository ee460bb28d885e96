// SPDX-License-Identifier: BSD-3-Clause
// NetworkPolicy (networking.k8s.io/v1) from its YAML object.
#pragma once

#include "controlplane/policy/policy_model.hpp"
#include "controlplane/policy/yaml_field.hpp"

namespace weft::policy {

/// All but the metadata.
void read_network_policy(const YamlField& object, Policy& policy);

} // namespace weft::policy
