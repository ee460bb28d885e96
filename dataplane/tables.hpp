// SPDX-License-Identifier: BSD-3-Clause
// Tables: everything the pipeline looks up but sessions: networks, endpoints, next hops, FIB, policy. One writer, the
// control thread, applies TableUpdates (TableWriter calls back what is private here); workers read without locks,
// under QSBR. Each change moves the epoch, by which
// sessions notice that they must decide again.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
#include "dataplane/api/table_store.hpp"
#include "dataplane/api/table_writer.hpp"
#include "dataplane/pipeline/entries.h"
#include "dataplane/pipeline/policy.h"
#include "dataplane/pipeline/types.h"
#include "dataplane/quiescence.hpp"
#include "dataplane/read_mostly_map.hpp"
#include "routing/net/result.hpp"

namespace weft::dataplane {

struct Network {
    std::uint32_t vni = 0;
    std::string name;
    /// Prefix lengths that have routes, longest first; host routes are always tried.
    std::vector<std::uint8_t> lengths_v4;
    std::vector<std::uint8_t> lengths_v6;
};

struct Endpoint : weft_endpoint {
    std::string name;
};

struct alignas(64) NextHop : weft_next_hop {};

struct VerdictList {
    std::uint64_t number = 0;
    std::vector<weft_verdict_block> blocks;
};

class Tables : private fastpath::TableStore {
  public:
    /// `seed` of all hashes, unknown to those who choose addresses.
    explicit Tables(Quiescence& quiescence, std::uint64_t seed = 0);
    ~Tables() override;
    Tables(const Tables&) = delete;
    Tables& operator=(const Tables&) = delete;

    // --- the writer ---

    /// Applies everything but ports; returns when all workers see it. See TableWriter for what an error leaves.
    [[nodiscard]] Result<void> apply(const fastpath::TableUpdate& update);
    /// One update that would rebuild the tables, without ports.
    [[nodiscard]] fastpath::TableUpdate dump() const;
    [[nodiscard]] std::vector<fastpath::Gauge> gauges() const;

    // --- the readers ---

    [[nodiscard]] const weft_host& host() const { return *host_.load(std::memory_order_acquire); }

    [[nodiscard]] std::uint32_t epoch() const { return epoch_.load(std::memory_order_acquire); }

    [[nodiscard]] const Network* network(std::uint32_t vni) const {
        return reinterpret_cast<const Network*>(networks_.find({vni, 1}));
    }

    [[nodiscard]] const Endpoint* endpoint(std::uint32_t port) const {
        return reinterpret_cast<const Endpoint*>(endpoints_.find({port, 1}));
    }

    [[nodiscard]] const NextHop* next_hop(std::uint32_t id) const {
        const auto& array = *next_hops_.load(std::memory_order_acquire);
        return id < array.size() ? array[id].load(std::memory_order_acquire) : nullptr;
    }

    /// Longest match of the address in the network.
    [[nodiscard]] weft_route_value route(const Network& network, const weft_address& address) const;

    /// Fetches where the address's host route would stand.
    void prefetch_route(const Network& network, const weft_address& address) const;

    [[nodiscard]] bool is_vtep(const weft_address& address) const { return vteps_.find(vtep_key(address)) != 0; }

    /// Null: there is none under this key.
    [[nodiscard]] const VerdictList* verdicts(const weft_policy_key& key) const {
        return reinterpret_cast<const VerdictList*>(policies_.find(key));
    }

  private:
    struct NumberKey {
        std::uint32_t number;
        std::uint32_t mark;
    };

    struct RouteKeyV4 {
        std::uint32_t address;
        std::uint32_t vni_length; ///< vni << 8 | length
    };

    struct RouteKeyV6 {
        std::uint32_t address[4];
        std::uint32_t vni_length;
    };

    struct AddressKey {
        std::uint32_t address[4];
        std::uint32_t mark;
    };

    using NextHopArray = std::vector<std::atomic<const NextHop*>>;

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

    static AddressKey vtep_key(const weft_address& address) {
        return {{address.words[0], address.words[1], address.words[2], address.words[3]}, 1};
    }

    static RouteKeyV4 key_v4(const fastpath::RouteRow& row);
    static RouteKeyV6 key_v6(const fastpath::RouteRow& row);
    template <class Map, class Key>
    void set_route(Map& routes, const Key& key, fastpath::RouteRow& row);
    template <class Map, class Key>
    void erase_route(Map& routes, const Key& key, fastpath::RouteRow& row);
    /// Counts a prefix of the network, and tells readers when its length is new there, or gone.
    void count_length(const fastpath::RouteRow& row, int change);
    /// Tells readers which prefix lengths the network has now.
    void publish_network(std::uint32_t vni, std::string name);
    void grow_next_hops(std::uint32_t id);

    Quiescence& quiescence_;
    std::atomic<std::uint32_t> epoch_{1};
    std::atomic<const weft_host*> host_;
    ReadMostlyMap<NumberKey> networks_;
    ReadMostlyMap<NumberKey> endpoints_;
    ReadMostlyMap<RouteKeyV4> routes_v4_;
    ReadMostlyMap<RouteKeyV6> routes_v6_;
    ReadMostlyMap<AddressKey> vteps_;
    ReadMostlyMap<weft_policy_key> policies_; ///< to a VerdictList
    std::atomic<const NextHopArray*> next_hops_;

    // Owned by the writer alone: what the readers' pointers point to.
    struct NetworkState {
        std::shared_ptr<const Network> shared;
        std::map<std::uint8_t, std::size_t> lengths_v4; ///< of prefixes, host routes left out
        std::map<std::uint8_t, std::size_t> lengths_v6;
    };

    std::shared_ptr<const weft_host> host_owner_;
    std::map<std::uint32_t, NetworkState> network_states_;
    std::map<std::uint32_t, std::shared_ptr<const Endpoint>> endpoint_owners_;
    std::map<std::uint64_t, std::shared_ptr<const VerdictList>> verdict_list_owners_;
    std::shared_ptr<NextHopArray> next_hop_array_;
    std::map<std::uint32_t, std::shared_ptr<const NextHop>> next_hop_owners_;
    Retired retired_;
    fastpath::TableWriter writer_{*this};
};

} // namespace weft::dataplane
