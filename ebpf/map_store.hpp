// SPDX-License-Identifier: BSD-3-Clause
// MapStore: the tables in the kernel's maps. TableWriter fills them, programs read them, and they outlive both; the
// agent that comes later reads back what is there. Host routes stand in a hash, all others in an LPM trie.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/api/table_store.hpp"
#include "ebpf/epoch.hpp"
#include "ebpf/map_set.hpp"
#include "ebpf/table.hpp"
#include "ebpf/told.hpp"

namespace weft::ebpf {

class MapStore final : public fastpath::TableStore {
  public:
    /// `maps` must outlive it, but may be moved.
    [[nodiscard]] static Result<std::unique_ptr<MapStore>> open(const MapSet& maps);

    /// Around each update of the tables. Sessions are decided anew after it.
    void begin_update() { epoch_.begin(); }

    void end_update() { epoch_.end(true); }

    /// Around reading back what is there. It moves nothing if the tables are whole, as they were left; what an agent
    /// that died in an update left half done is completed, and sessions are decided anew.
    void begin_adoption();
    void end_adoption();

    [[nodiscard]] std::uint32_t epoch() const { return epoch_.now(); }

    [[nodiscard]] Told& told() { return told_; }

    [[nodiscard]] std::vector<fastpath::Gauge> gauges() const;

    /// What each account may hold.
    [[nodiscard]] weft_quota session_quota() const { return quota_; }

    Result<void> set_host(const weft_host& host, const fastpath::HostSettings& message) override;
    Result<void> set_network(const fastpath::Network& message) override;
    Result<void> set_verdicts(std::uint64_t list, std::span<const weft_verdict_block> blocks) override;
    Result<void> set_policies(std::span<fastpath::PolicyRow> rows) override;
    Result<void> set_endpoint(const weft_endpoint& endpoint, const fastpath::Endpoint& message) override;
    Result<void> set_vtep(const weft_address& address) override;
    Result<void> set_next_hop(std::uint32_t id, const weft_next_hop& next_hop,
                              const fastpath::NextHop& message) override;
    Result<void> set_routes(std::span<fastpath::RouteRow> rows) override;
    Result<void> wait_for_readers() override;
    Result<void> erase_routes(std::span<fastpath::RouteRow> rows) override;
    Result<void> erase_next_hop(std::uint32_t id) override;
    Result<void> erase_vtep(const weft_address& address) override;
    Result<void> erase_endpoint(std::uint32_t port) override;
    Result<void> erase_policies(std::span<fastpath::PolicyRow> rows) override;
    Result<void> erase_verdicts(std::span<const fastpath::VerdictListRow> rows) override;
    Result<void> erase_network(std::uint32_t vni) override;
    Result<void> find_route(fastpath::RouteRow& row) const override;
    Result<void> for_each_vtep(const std::function<void(const weft_address&)>& visit) const override;
    Result<void> for_each_verdict(const std::function<void(const fastpath::VerdictRow&)>& visit) const override;
    Result<void> for_each_policy(const std::function<void(const fastpath::PolicyRow&)>& visit) const override;
    Result<void> for_each_route(const std::function<void(const fastpath::RouteRow&)>& visit) const override;

  private:
    using Numbers = Table<std::uint32_t, std::uint32_t>;
    using Vteps = Table<weft_address, std::uint32_t>;
    using Endpoints = Table<std::uint32_t, weft_endpoint, Lookup::by_index>;
    using NextHops = Table<std::uint32_t, weft_next_hop, Lookup::by_index>;
    using Verdicts = Table<weft_verdict_key, weft_verdict_block>;
    using Policies = Table<weft_policy_key, weft_policy_list, Lookup::in_mirror>;
    using HostRoutes = Table<weft_host_route_key, weft_route_value>;
    using PrefixRoutes = Table<weft_prefix_route_key, weft_route_value, Lookup::in_mirror>;

    MapStore(const Map& host, std::uint32_t sessions_max, Epoch epoch, Told told, Numbers networks, Vteps vteps,
             Endpoints endpoints, NextHops next_hops, Verdicts verdicts, Policies policies, HostRoutes host_routes,
             PrefixRoutes prefix_routes) :
        host_(host),
        sessions_max_(sessions_max),
        epoch_(std::move(epoch)),
        told_(std::move(told)),
        networks_(std::move(networks)),
        vteps_(std::move(vteps)),
        endpoints_(std::move(endpoints)),
        next_hops_(std::move(next_hops)),
        verdicts_(std::move(verdicts)),
        policies_(std::move(policies)),
        host_routes_(std::move(host_routes)),
        prefix_routes_(std::move(prefix_routes)) {}

    [[nodiscard]] std::size_t changes() const;

    const Map& host_;
    std::uint32_t sessions_max_;
    weft_quota quota_{};
    Epoch epoch_;
    Told told_;
    Numbers networks_;
    Vteps vteps_;
    Endpoints endpoints_;
    NextHops next_hops_;
    Verdicts verdicts_;
    Policies policies_;
    HostRoutes host_routes_;
    PrefixRoutes prefix_routes_;
    std::size_t host_changes_ = 0;
    std::size_t adoption_began_at_ = 0; ///< changes()

    // Rows of one call, apart by table; kept for their memory.
    std::vector<HostRoutes::Row> host_rows_;
    std::vector<PrefixRoutes::Row> prefix_rows_;
};

} // namespace weft::ebpf
