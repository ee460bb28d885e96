// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/tables.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <ranges>

#include "dataplane/api/limits.hpp"

namespace weft::dataplane {

namespace {

std::uint64_t as_value(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

std::uint32_t load_word(const std::uint8_t* at) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, sizeof word);
    return word;
}

/// The first `length` bits of four words in network byte order.
void mask_words(std::uint32_t* words, unsigned length) {
    for (unsigned i = 0; i < 4; ++i) {
        const int kept = std::clamp(static_cast<int>(length) - static_cast<int>(32 * i), 0, 32);
        words[i] &= kept == 0 ? 0 : __builtin_bswap32(~0U << (32 - kept));
    }
}

std::uint64_t as_value(weft_route_value value) { return std::uint64_t{value.identity} << 32 | value.next_hop; }

weft_route_value to_route_value(std::uint64_t value) {
    return {.next_hop = static_cast<std::uint32_t>(value), .identity = static_cast<std::uint32_t>(value >> 32)};
}

std::uint64_t number_at(std::uint64_t value) {
    return value != 0 ? reinterpret_cast<const VerdictList*>(value)->number : 0;
}

/// Runs a change that may find no memory for more. Room for what it retires is made before, so that nothing that
/// readers still see is freed for want of a place to keep it.
template <class Change>
Result<void> within_memory(Retired& retired, Change change) {
    constexpr std::size_t retired_max = 4; // by one change
    try {
        if (retired.capacity() - retired.size() < retired_max)
            retired.reserve(2 * retired.capacity() + 16 * retired_max);
        change();
        return {};
    } catch (const std::bad_alloc&) {
        return fail(ErrorCode::exhausted,
                    "no memory for more table entries: stop something on this host, or use fewer routes");
    }
}

} // namespace

Tables::Tables(Quiescence& quiescence, std::uint64_t seed) :
    quiescence_(quiescence),
    host_(nullptr),
    networks_(seed),
    endpoints_(seed),
    routes_v4_(seed),
    routes_v6_(seed),
    vteps_(seed),
    policies_(seed),
    next_hops_(nullptr),
    host_owner_(std::make_shared<const weft_host>()),
    next_hop_array_(std::make_shared<NextHopArray>(64)) {
    host_.store(host_owner_.get());
    next_hops_.store(next_hop_array_.get());
}

Tables::~Tables() = default;

Tables::RouteKeyV4 Tables::key_v4(const fastpath::RouteRow& row) {
    return {load_word(row.prefix.address().bytes().data()), row.vni << 8 | row.prefix.length()};
}

Tables::RouteKeyV6 Tables::key_v6(const fastpath::RouteRow& row) {
    RouteKeyV6 key{{}, row.vni << 8 | row.prefix.length()};
    std::memcpy(key.address, row.prefix.address().bytes().data(), sizeof key.address);
    return key;
}

weft_route_value Tables::route(const Network& network, const weft_address& address) const {
    if (weft_address_is_v4(&address)) {
        const std::uint32_t host = address.words[3];
        if (const auto value = routes_v4_.find({host, network.vni << 8 | 32})) return to_route_value(value);
        for (const std::uint8_t length : network.lengths_v4) {
            const std::uint32_t kept = length == 0 ? 0 : __builtin_bswap32(~0U << (32 - length));
            if (const auto value = routes_v4_.find({host & kept, network.vni << 8 | length}))
                return to_route_value(value);
        }
        return {};
    }
    RouteKeyV6 key{{address.words[0], address.words[1], address.words[2], address.words[3]}, network.vni << 8 | 128};
    if (const auto value = routes_v6_.find(key)) return to_route_value(value);
    for (const std::uint8_t length : network.lengths_v6) { // longest first, so masking may go on in place
        mask_words(key.address, length);
        key.vni_length = network.vni << 8 | length;
        if (const auto value = routes_v6_.find(key)) return to_route_value(value);
    }
    return {};
}

void Tables::prefetch_route(const Network& network, const weft_address& address) const {
    if (weft_address_is_v4(&address))
        routes_v4_.prefetch({address.words[3], network.vni << 8 | 32});
    else
        routes_v6_.prefetch(
            {{address.words[0], address.words[1], address.words[2], address.words[3]}, network.vni << 8 | 128});
}

Result<void> Tables::apply(const fastpath::TableUpdate& update) {
    auto applied = writer_.apply(update);
    epoch_.fetch_add(1, std::memory_order_release);
    quiescence_.wait();
    retired_.clear();
    return applied;
}

fastpath::TableUpdate Tables::dump() const { return writer_.dump().value(); }

Result<void> Tables::set_host(const weft_host& host, const fastpath::HostSettings&) {
    return within_memory(retired_, [&] {
        auto owner = std::make_shared<const weft_host>(host);
        host_.store(owner.get(), std::memory_order_release);
        retired_.push_back(std::exchange(host_owner_, std::move(owner)));
    });
}

Result<void> Tables::set_network(const fastpath::Network& message) {
    return within_memory(retired_, [&] { publish_network(message.vni(), message.name()); });
}

void Tables::publish_network(std::uint32_t vni, std::string name) {
    NetworkState& state = network_states_[vni];
    auto network = std::make_shared<Network>();
    network->vni = vni;
    network->name = std::move(name);
    for (const auto& [counts, lengths] :
         {std::pair{&state.lengths_v4, &network->lengths_v4}, std::pair{&state.lengths_v6, &network->lengths_v6}})
        for (const std::uint8_t length : *counts | std::views::keys | std::views::reverse)
            lengths->push_back(length);
    networks_.insert({vni, 1}, as_value(network.get()), retired_);
    retired_.push_back(std::exchange(state.shared, std::move(network)));
}

Result<void> Tables::erase_network(std::uint32_t vni) {
    return within_memory(retired_, [&] {
        const auto found = network_states_.find(vni);
        if (found == network_states_.end()) return;
        networks_.erase({vni, 1});
        retired_.push_back(std::move(found->second.shared));
        network_states_.erase(found);
    });
}

Result<void> Tables::set_verdicts(std::uint64_t list, std::span<const weft_verdict_block> blocks) {
    return within_memory(retired_, [&] {
        verdict_list_owners_[list] = std::make_shared<const VerdictList>(
            VerdictList{.number = list, .blocks = {blocks.begin(), blocks.end()}});
    });
}

Result<void> Tables::set_policies(std::span<fastpath::PolicyRow> rows) {
    return within_memory(retired_, [&] {
        policies_.reserve(rows.size(), retired_);
        for (auto& row : rows) {
            row.before = number_at(policies_.find(row.key));
            policies_.insert(row.key, as_value(verdict_list_owners_.at(row.list).get()), retired_);
        }
    });
}

Result<void> Tables::erase_policies(std::span<fastpath::PolicyRow> rows) {
    for (auto& row : rows) {
        row.before = number_at(policies_.find(row.key));
        policies_.erase(row.key);
    }
    return {};
}

Result<void> Tables::erase_verdicts(std::span<const fastpath::VerdictListRow> rows) {
    for (const auto& row : rows) {
        auto erased = within_memory(retired_, [&] {
            const auto found = verdict_list_owners_.find(row.list);
            if (found == verdict_list_owners_.end()) return;
            retired_.push_back(std::move(found->second));
            verdict_list_owners_.erase(found);
        });
        if (!erased) return erased;
    }
    return {};
}

Result<void> Tables::set_endpoint(const weft_endpoint& entry, const fastpath::Endpoint& message) {
    return within_memory(retired_, [&] {
        auto endpoint = std::make_shared<Endpoint>();
        static_cast<weft_endpoint&>(*endpoint) = entry;
        endpoint->name = message.name();
        auto& owner = endpoint_owners_[entry.port];
        endpoints_.insert({entry.port, 1}, as_value(endpoint.get()), retired_);
        retired_.push_back(std::exchange(owner, std::move(endpoint)));
    });
}

Result<void> Tables::erase_endpoint(std::uint32_t port) {
    return within_memory(retired_, [&] {
        const auto found = endpoint_owners_.find(port);
        if (found == endpoint_owners_.end()) return;
        endpoints_.erase({port, 1});
        retired_.push_back(std::move(found->second));
        endpoint_owners_.erase(found);
    });
}

Result<void> Tables::set_vtep(const weft_address& address) {
    return within_memory(retired_, [&] { vteps_.insert(vtep_key(address), 1, retired_); });
}

Result<void> Tables::erase_vtep(const weft_address& address) {
    vteps_.erase(vtep_key(address));
    return {};
}

Result<void> Tables::set_next_hop(std::uint32_t id, const weft_next_hop& entry, const fastpath::NextHop&) {
    return within_memory(retired_, [&] {
        auto next_hop = std::make_shared<NextHop>();
        static_cast<weft_next_hop&>(*next_hop) = entry;
        if (id >= next_hop_array_->size()) grow_next_hops(id);
        auto& owner = next_hop_owners_[id];
        (*next_hop_array_)[id].store(next_hop.get(), std::memory_order_release);
        retired_.push_back(std::exchange(owner, std::move(next_hop)));
    });
}

void Tables::grow_next_hops(std::uint32_t id) {
    auto larger = std::make_shared<NextHopArray>(std::bit_ceil(std::size_t{id} + 1));
    for (std::size_t i = 0; i < next_hop_array_->size(); ++i)
        (*larger)[i].store((*next_hop_array_)[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
    next_hops_.store(larger.get(), std::memory_order_release);
    retired_.push_back(std::exchange(next_hop_array_, std::move(larger)));
}

Result<void> Tables::erase_next_hop(std::uint32_t id) {
    return within_memory(retired_, [&] {
        const auto found = next_hop_owners_.find(id);
        if (found == next_hop_owners_.end()) return;
        (*next_hop_array_)[id].store(nullptr, std::memory_order_release);
        retired_.push_back(std::move(found->second));
        next_hop_owners_.erase(found);
    });
}

Result<void> Tables::set_routes(std::span<fastpath::RouteRow> rows) {
    Result<void> first;
    for (auto& row : rows) {
        static_cast<void>(find_route(row)); // told whatever comes, also without memory
        auto set = within_memory(retired_, [&] {
            if (row.prefix.address().is_v4())
                set_route(routes_v4_, key_v4(row), row);
            else
                set_route(routes_v6_, key_v6(row), row);
        });
        row.refused = !set;
        if (!set && first) first = std::move(set);
    }
    return first;
}

template <class Map, class Key>
void Tables::set_route(Map& routes, const Key& key, fastpath::RouteRow& row) {
    if (row.before.next_hop == 0 && !row.prefix.is_host()) {
        routes.reserve(1, retired_); // what comes after the length is published does not fail
        count_length(row, 1);
    }
    routes.insert(key, as_value(row.value), retired_);
}

Result<void> Tables::wait_for_readers() {
    quiescence_.wait();
    return {};
}

Result<void> Tables::erase_routes(std::span<fastpath::RouteRow> rows) {
    for (auto& row : rows) {
        if (row.prefix.address().is_v4())
            erase_route(routes_v4_, key_v4(row), row);
        else
            erase_route(routes_v6_, key_v6(row), row);
    }
    return {};
}

Result<void> Tables::find_route(fastpath::RouteRow& row) const {
    const bool v4 = row.prefix.address().is_v4();
    row.before = to_route_value(v4 ? routes_v4_.find(key_v4(row)) : routes_v6_.find(key_v6(row)));
    return {};
}

template <class Map, class Key>
void Tables::erase_route(Map& routes, const Key& key, fastpath::RouteRow& row) {
    row.before = to_route_value(routes.find(key));
    if (row.before.next_hop == 0) return;
    routes.erase(key);
    // Without memory to say so, readers go on asking for a length that nobody has.
    if (!row.prefix.is_host()) static_cast<void>(within_memory(retired_, [&] { count_length(row, -1); }));
}

void Tables::count_length(const fastpath::RouteRow& row, int change) {
    NetworkState& state = network_states_.at(row.vni);
    auto& lengths = row.prefix.address().is_v4() ? state.lengths_v4 : state.lengths_v6;
    const auto at = lengths.try_emplace(static_cast<std::uint8_t>(row.prefix.length()), 0).first;
    at->second += static_cast<std::size_t>(change);
    if (at->second > 1 || (at->second == 1 && change < 0)) return;
    if (at->second == 0) lengths.erase(at);
    publish_network(row.vni, state.shared->name);
}

Result<void> Tables::for_each_vtep(const std::function<void(const weft_address&)>& visit) const {
    vteps_.for_each([&](const AddressKey& key, std::uint64_t) {
        weft_address address{};
        std::ranges::copy(key.address, address.words);
        visit(address);
    });
    return {};
}

Result<void> Tables::for_each_verdict(const std::function<void(const fastpath::VerdictRow&)>& visit) const {
    for (const auto& [number, list] : verdict_list_owners_)
        for (std::uint32_t i = 0; i < list->blocks.size(); ++i)
            visit({.list = number, .block = i + 1, .value = list->blocks[i]});
    return {};
}

Result<void> Tables::for_each_policy(const std::function<void(const fastpath::PolicyRow&)>& visit) const {
    policies_.for_each(
        [&](const weft_policy_key& key, std::uint64_t value) { visit({.key = key, .list = number_at(value)}); });
    return {};
}

Result<void> Tables::for_each_route(const std::function<void(const fastpath::RouteRow&)>& visit) const {
    const auto tell = [&](const std::uint32_t* words, std::size_t size, std::uint32_t vni_length,
                          std::uint64_t value) {
        const auto address = net::Address::from_bytes({reinterpret_cast<const std::uint8_t*>(words), size});
        visit({.vni = vni_length >> 8,
               .prefix = *net::Prefix::make(*address, vni_length & 0xff),
               .value = to_route_value(value)});
    };
    routes_v4_.for_each(
        [&](const RouteKeyV4& key, std::uint64_t value) { tell(&key.address, 4, key.vni_length, value); });
    routes_v6_.for_each(
        [&](const RouteKeyV6& key, std::uint64_t value) { tell(key.address, 16, key.vni_length, value); });
    return {};
}

std::vector<fastpath::Gauge> Tables::gauges() const {
    std::vector<fastpath::Gauge> gauges;
    const auto add = [&](const char* name, std::size_t used, std::size_t capacity, std::size_t bytes) {
        auto& gauge = gauges.emplace_back();
        gauge.set_name(name);
        gauge.set_used(used);
        gauge.set_capacity(capacity);
        gauge.set_bytes(bytes);
    };
    // Capacity 0: the table grows.
    add("fib", routes_v4_.size() + routes_v6_.size(), 0, routes_v4_.bytes() + routes_v6_.bytes());
    add("next_hop", next_hop_owners_.size(), fastpath::next_hop_id_max,
        next_hop_owners_.size() * sizeof(NextHop) + next_hop_array_->size() * 8);
    add("policy", policies_.size(), 0, policies_.bytes());
    std::size_t blocks = 0;
    for (const auto& list : verdict_list_owners_ | std::views::values)
        blocks += list->blocks.size();
    add("verdict", blocks, 0, blocks * sizeof(weft_verdict_block));
    add("endpoint", endpoints_.size(), 0, endpoints_.bytes());
    add("network", networks_.size(), 0, networks_.bytes());
    return gauges;
}

} // namespace weft::dataplane
