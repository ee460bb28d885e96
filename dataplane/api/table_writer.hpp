// SPDX-License-Identifier: BSD-3-Clause
// TableWriter: what a TableUpdate means, written once for both fast paths. It checks an update, leaves out what is
// wrong and what builds on it, makes the entries and hands them to a TableStore. It keeps what was said, and how many
// routes and endpoints need a next hop or a network, which must not go before them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/table_store.hpp"

namespace weft::fastpath {

class TableWriter {
  public:
    explicit TableWriter(TableStore& store) : store_(store) {}

    /// Applies everything but ports, in the order of the message. A wrong entry, and what builds on it, is left out
    /// and everything else applied; the error is the first one's. Without memory for more, what came before stays.
    [[nodiscard]] Result<void> apply(const TableUpdate& update);
    /// Takes over a store that was filled before, by another writer that is gone; `told` is what that one was told of
    /// host, networks, endpoints and next hops. What it left half done is completed, what is as told stays untouched.
    /// Fails when store and told cannot both be right, and when what is there cannot be read.
    [[nodiscard]] Result<void> adopt(const TableUpdate& told);
    /// One update that would rebuild the tables, without ports. Fails when the store cannot be read.
    [[nodiscard]] Result<TableUpdate> dump() const;

    /// None: no network has the VNI.
    [[nodiscard]] const std::string* network_name(std::uint32_t vni) const;
    /// None: the port has no endpoint.
    [[nodiscard]] const Endpoint* endpoint(std::uint32_t port) const;

  private:
    using VtepAddress = std::array<std::uint32_t, 4>;

    struct NetworkState {
        std::string name;
        std::size_t endpoints = 0;
        std::size_t routes = 0;
    };

    struct NextHopState {
        NextHop message;
        std::optional<VtepAddress> vtep;
        std::size_t routes = 0;
    };

    struct VerdictListState {
        std::uint32_t blocks = 0;
        std::size_t policies = 0; ///< that have it
    };

    using VerdictBlocks = std::map<std::uint64_t, std::vector<weft_verdict_block>>;

    struct Refused;
    class Outcome;
    class RouteBatch;

    void apply_entries(const TableUpdate& update, Outcome& outcome);
    Result<void> adopt_entries(const TableUpdate& told);
    /// Counts the store's routes, and sees that each leads somewhere.
    Result<void> adopt_routes();
    /// Takes over lists and counts their policies. What an update that was cut off left of a list goes.
    Result<void> adopt_policies();
    /// By number; of what is missing between two blocks all is zero.
    [[nodiscard]] Result<VerdictBlocks> read_verdicts() const;
    /// Erases VTEPs that no next hop leads to.
    Result<void> sweep_vteps();
    Result<void> set_host(const HostSettings& message);
    Result<void> set_network(const Network& message);
    Result<void> set_verdict_list(const VerdictList& message);
    void set_policies(const TableUpdate& update, Refused& refused, Outcome& outcome);
    /// Keeps count of lists' policies, once the store has the rows.
    void count_policies(std::span<const PolicyRow> rows);
    void refuse_peers(const TableUpdate& update, Refused& refused) const;
    Result<void> set_endpoint(const Endpoint& message, const Refused& refused);
    /// Somebody whose change was refused is nobody, to whom and from whom nothing passes, and not who it was: policy
    /// tells nothing any more about that.
    void refuse_endpoint(const Endpoint& message, Refused& refused);
    Result<void> set_next_hop(const NextHop& message, const Refused& refused);
    /// Checked but for what it leads to.
    Result<void> keep_endpoint(const Endpoint& message);
    Result<void> keep_next_hop(const NextHop& message);
    void set_routes(const TableUpdate& update, Refused& refused, Outcome& outcome);
    /// Of a row that it refuses in a network that is there, it sees what stands there.
    [[nodiscard]] Result<void> check_route(RouteRow& row, Refused& refused, RouteBatch& batch) const;
    void delete_routes(const TableUpdate& update, Refused& refused, Outcome& outcome);
    Result<void> delete_next_hop(std::uint32_t id);
    Result<void> delete_endpoint(std::uint32_t port);
    void delete_policies(const TableUpdate& update, const Refused& refused, Outcome& outcome);
    /// Of endpoints, and of those whom routes lead to.
    [[nodiscard]] Result<std::set<std::uint32_t>> identities_there() const;
    void delete_verdict_lists(const TableUpdate& update, Outcome& outcome);
    Result<void> delete_network(std::uint32_t vni);
    /// Rebuilds every template, after the host's addresses changed.
    Result<void> refresh_next_hops();
    [[nodiscard]] Result<weft_next_hop> make_next_hop(const NextHop& message) const;
    /// A VTEP is known as long as a next hop leads to it.
    Result<void> hold_vtep(const std::optional<VtepAddress>& address);
    Result<void> release_vtep(const std::optional<VtepAddress>& address);

    TableStore& store_;
    weft_host host_{};
    std::optional<HostSettings> host_message_;
    std::map<std::uint32_t, NetworkState> networks_;
    std::map<std::uint64_t, VerdictListState> verdict_lists_;
    std::map<std::uint32_t, Endpoint> endpoints_;
    std::map<std::uint32_t, NextHopState> next_hops_;
    std::map<VtepAddress, std::size_t> vteps_; ///< next hops that lead there
};

} // namespace weft::fastpath
