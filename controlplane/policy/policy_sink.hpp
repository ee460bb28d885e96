// SPDX-License-Identifier: BSD-3-Clause
// PolicySink: where the policy engine's answers go: entries and lists for the fast path, state for the database.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "controlplane/policy/route_table.hpp"
#include "dataplane/api/fastpath.pb.h"

namespace weft::policy {

/// An item that restore() is to be given again; no value: one that it is not.
struct Kept {
    std::string key;
    std::optional<std::string> value;
};

/// Called from within the engine's functions, which it must not call back.
class PolicySink {
  public:
    virtual ~PolicySink() = default;

    /// Before the first entry that names it. A list of that number is never another.
    virtual void set_list(const fastpath::VerdictList& list) = 0;
    /// After the last entry that named it.
    virtual void erase_list(std::uint64_t number) = 0;
    virtual void set_policy(const fastpath::PolicyEntry& entry) = 0;
    virtual void erase_policy(const fastpath::PolicyKey& key) = 0;
    virtual void set_route(const RouteTable::Key& key, std::uint32_t next_hop, std::uint32_t identity) = 0;
    virtual void erase_route(const RouteTable::Key& key) = 0;
    /// Its identity or its communities are others now: write it and announce its routes again.
    virtual void endpoint_changed(const std::string& name) = 0;
    /// What was asked for, before it takes effect: all of it is kept for restore() or, with the reason, none, and
    /// then nothing changes.
    [[nodiscard]] virtual Result<void> keep(std::string_view kind, std::span<const Kept> items) = 0;
    /// Numbers for what is in effect, to be kept for restore() before the fast path is told of them; no value: to be
    /// forgotten. Have effect either way.
    virtual void persist(std::string_view kind, std::span<const Kept> items) = 0;
};

} // namespace weft::policy
