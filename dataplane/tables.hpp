// SPDX-License-Identifier: BSD-3-Clause
// Tables: everything the pipeline looks up but sessions: networks, endpoints, next hops, FIB, policy. One writer, the
// control thread, applies TableUpdates; workers read without locks, under QSBR. Each change moves the epoch, by which
// sessions notice that they must decide again.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "dataplane/api/fastpath.pb.h"
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

class Tables {
  public:
    /// `seed` of all hashes, unknown to those who choose addresses.
    explicit Tables(Quiescence& quiescence, std::uint64_t seed = 0);
    ~Tables();
    Tables(const Tables&) = delete;
    Tables& operator=(const Tables&) = delete;

    // --- the writer ---

    /// Applies everything but ports, in the order of the message; returns when all workers see it. A wrong entry, and
    /// what builds on it, is left out and everything else applied; the error is the first one's. Without memory for
    /// more, what came before stays.
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

    [[nodiscard]] bool is_vtep(const weft_address& address) const {
        return vteps_.find({{address.words[0], address.words[1], address.words[2], address.words[3]}, 1}) != 0;
    }

    [[nodiscard]] weft_policy_value policy(weft_direction direction, std::uint32_t local, std::uint32_t peer,
                                           std::uint32_t protocol, std::uint32_t port) const;

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

    struct Refused;

    Result<void> apply_entries(const fastpath::TableUpdate& update);
    Result<void> set_host(const fastpath::HostSettings& host);
    Result<void> set_network(const fastpath::Network& network);
    Result<void> set_policy(const fastpath::PolicyEntry& entry, const Refused& refused);
    Result<void> set_endpoint(const fastpath::Endpoint& endpoint, const Refused& refused);
    Result<void> set_next_hop(const fastpath::NextHop& next_hop, const Refused& refused);
    Result<void> set_route(const fastpath::Route& route, const Refused& refused);
    Result<void> delete_route(const fastpath::RouteKey& key);
    void delete_next_hop(std::uint32_t id);
    void delete_network(std::uint32_t vni);
    /// Tells readers which prefix lengths the network has now.
    void publish_network(std::uint32_t vni, std::string name);
    void publish_next_hop(std::uint32_t id, const NextHop* next_hop);
    void count_vtep(const NextHop& next_hop, int change);
    /// Rebuilds every template, after the host's addresses changed.
    Result<void> refresh_next_hops();
    [[nodiscard]] Result<std::shared_ptr<NextHop>> make_next_hop(const fastpath::NextHop& message) const;

    Quiescence& quiescence_;
    std::atomic<std::uint32_t> epoch_{1};
    std::atomic<const weft_host*> host_;
    ReadMostlyMap<NumberKey> networks_;
    ReadMostlyMap<NumberKey> endpoints_;
    ReadMostlyMap<RouteKeyV4> routes_v4_;
    ReadMostlyMap<RouteKeyV6> routes_v6_;
    ReadMostlyMap<AddressKey> vteps_;
    ReadMostlyMap<weft_policy_key> policies_;
    std::atomic<const NextHopArray*> next_hops_;

    // Owned by the writer alone: what the readers' pointers point to, and what was said, for dump().
    struct NetworkState {
        std::shared_ptr<const Network> shared;
        std::map<std::uint8_t, std::size_t> lengths_v4;
        std::map<std::uint8_t, std::size_t> lengths_v6;
        std::size_t routes = 0;
    };

    struct NextHopState {
        std::shared_ptr<const NextHop> shared;
        fastpath::NextHop message;
        std::size_t routes = 0;
    };

    std::shared_ptr<const weft_host> host_owner_;
    fastpath::HostSettings host_message_;
    std::map<std::uint32_t, NetworkState> network_states_;
    std::map<std::uint32_t, std::pair<std::shared_ptr<const Endpoint>, fastpath::Endpoint>> endpoint_states_;
    std::shared_ptr<NextHopArray> next_hop_array_;
    std::map<std::uint32_t, NextHopState> next_hop_states_;
    std::map<std::array<std::uint32_t, 4>, std::size_t> vtep_counts_;
    Retired retired_;
};

} // namespace weft::dataplane
