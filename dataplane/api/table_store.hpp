// SPDX-License-Identifier: BSD-3-Clause
// TableStore: where a fast path keeps its tables. TableWriter decides what shall stand in them and calls this; the
// DPDK process implements it in its own memory, ebpf/ in the kernel's maps. One caller at a time.
//
// The entries are those of dataplane/pipeline/. The messages that they were made of come along for what the entries
// leave out: names, and whatever a later dump must say again.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/policy.h"
#include "routing/net/address.hpp"
#include "routing/net/result.hpp"

namespace weft::fastpath {

struct PolicyRow {
    weft_policy_key key{};
    std::uint64_t list = 0;   ///< number of a verdict list
    std::uint64_t before = 0; ///< told by the store: what stood there; 0: nothing
};

struct VerdictRow {
    std::uint64_t list = 0;
    std::uint32_t block = 0; ///< from 1
    weft_verdict_block value{};
};

/// A list and how many blocks it has.
struct VerdictListRow {
    std::uint64_t list = 0;
    std::uint32_t blocks = 0;
};

struct RouteRow {
    std::uint32_t vni = 0;
    net::Prefix prefix;
    weft_route_value value{};
    weft_route_value before{}; ///< told by the store, where it could be read; next hop 0: nothing stood there
    bool is_read = true;       ///< told by the store: it knows what stood there
    bool refused = false;      ///< told by the store: nothing was changed
};

/// Each call replaces the entry of the same key, and an entry that is not there may be erased. What cannot be kept is
/// refused, with an error that names the table and the remedy, and leaves what stood there.
class TableStore {
  public:
    virtual ~TableStore() = default;

    virtual Result<void> set_host(const weft_host& host, const HostSettings& message) = 0;
    virtual Result<void> set_network(const Network& message) = 0;
    /// A list that is not there, with all of its blocks or none.
    virtual Result<void> set_verdicts(std::uint64_t list, std::span<const weft_verdict_block> blocks) = 0;
    /// In their order, all rows or none. Their lists are there.
    virtual Result<void> set_policies(std::span<PolicyRow> rows) = 0;
    virtual Result<void> set_endpoint(const weft_endpoint& endpoint, const Endpoint& message) = 0;
    virtual Result<void> set_vtep(const weft_address& address) = 0;
    virtual Result<void> set_next_hop(std::uint32_t id, const weft_next_hop& next_hop, const NextHop& message) = 0;
    /// In their order; a row that is refused keeps no other out. The error is the first one's.
    virtual Result<void> set_routes(std::span<RouteRow> rows) = 0;

    /// Returns when no packet is under way any more that met the tables as they were before the call.
    virtual Result<void> wait_for_readers() = 0;

    virtual Result<void> erase_routes(std::span<RouteRow> rows) = 0;
    virtual Result<void> erase_next_hop(std::uint32_t id) = 0;
    virtual Result<void> erase_vtep(const weft_address& address) = 0;
    virtual Result<void> erase_endpoint(std::uint32_t port) = 0;
    virtual Result<void> erase_policies(std::span<PolicyRow> rows) = 0;
    /// Lists that no policy has any more; packets that still read one are waited for.
    virtual Result<void> erase_verdicts(std::span<const VerdictListRow> rows) = 0;
    virtual Result<void> erase_network(std::uint32_t vni) = 0;

    /// Tells what stands under the row's key.
    virtual Result<void> find_route(RouteRow& row) const = 0;

    /// In no order. They fail when the store cannot be read.
    virtual Result<void> for_each_vtep(const std::function<void(const weft_address&)>& visit) const = 0;
    virtual Result<void> for_each_verdict(const std::function<void(const VerdictRow&)>& visit) const = 0;
    virtual Result<void> for_each_policy(const std::function<void(const PolicyRow&)>& visit) const = 0;
    virtual Result<void> for_each_route(const std::function<void(const RouteRow&)>& visit) const = 0;
};

} // namespace weft::fastpath
