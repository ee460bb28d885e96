// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/map_store.hpp"

#include <ranges>
#include <tuple>

#include <fmt/format.h>

#include "ebpf/grace_period.hpp"

namespace weft::ebpf {

namespace {

constexpr std::uint32_t present = 1;

/// An answer of a table whose value does not matter here.
template <class T>
Result<void> without_value(Result<T>&& result) {
    if (!result) return std::unexpected(std::move(result).error());
    return {};
}

weft_address to_address(const net::Address& address) {
    return address.is_v4() ? weft_address_v4(address.bytes().data()) : weft_address_v6(address.bytes().data());
}

Result<net::Address> to_address(const weft_address& address) {
    const std::span bytes(address.bytes);
    return net::Address::from_bytes(weft_address_is_v4(&address) ? bytes.subspan(12) : bytes);
}

weft_host_route_key host_key(const fastpath::RouteRow& row) {
    const weft_address address = to_address(row.prefix.address());
    return weft_host_route_key_of(row.vni, &address);
}

weft_prefix_route_key prefix_key(const fastpath::RouteRow& row) {
    const weft_address address = to_address(row.prefix.address());
    return weft_prefix_route_key_of(row.vni, &address, row.prefix.length() + (row.prefix.address().is_v4() ? 96 : 0));
}

/// What a key of host_routes stands for; none if it is none that we write.
std::optional<fastpath::RouteRow> to_row(const weft_host_route_key& key, const weft_route_value& value) {
    const auto address = to_address(key.address);
    if (!address || !net::Vni::make(key.vni) || value.next_hop == 0) return std::nullopt;
    return fastpath::RouteRow{.vni = key.vni, .prefix = net::Prefix::host(*address), .value = value};
}

/// The same for prefix_routes.
std::optional<fastpath::RouteRow> to_row(const weft_prefix_route_key& key, const weft_route_value& value) {
    const std::uint32_t vni = __builtin_bswap32(key.vni_family) >> 8;
    const auto address = to_address(key.address);
    const std::uint32_t before = 32 + (address && address->is_v4() ? 96 : 0); // bits in front of the prefix
    if (!address || !net::Vni::make(vni) || value.next_hop == 0 || key.length < before) return std::nullopt;
    const auto prefix = net::Prefix::make(*address, key.length - before);
    if (!prefix || prefix->is_host()) return std::nullopt;
    const fastpath::RouteRow row{.vni = vni, .prefix = *prefix, .value = value};
    if (!EqualBytes<weft_prefix_route_key>{}(prefix_key(row), key)) return std::nullopt; // host bits, another family
    return row;
}

/// Visits a table of routes; an entry that is none ends in an error.
template <class Routes>
Result<void> visit_routes(const Routes& routes, const std::function<void(const fastpath::RouteRow&)>& visit) {
    Result<void> readable;
    auto walked = routes.for_each([&](const auto& key, const auto& value) {
        if (const auto row = to_row(key, value))
            visit(*row);
        else if (readable)
            readable = fail(ErrorCode::invalid,
                            fmt::format("the eBPF map {} holds what this version cannot read: remove it with weftd "
                                        "--purge",
                                        routes.map().name()));
    });
    return walked ? readable : walked;
}

/// Undoes set_rows(), as far as it went.
template <class T>
void take_back(T& table, std::span<const typename T::Row> rows) {
    for (const auto& row : rows | std::views::reverse) {
        if (row.refused) continue;
        static_cast<void>(row.before ? table.set(row.key, *row.before) : table.erase(row.key));
    }
}

/// Opens the tables of a set one after the other, until one fails.
class Opener {
  public:
    explicit Opener(const MapSet& maps) : maps_(maps) {}

    template <class T>
    std::optional<T> open(const char* name) {
        if (!result_) return std::nullopt;
        auto opened = T::open(maps_[name]);
        if (opened) return std::move(*opened);
        result_ = std::unexpected(std::move(opened).error());
        return std::nullopt;
    }

    [[nodiscard]] Result<void> take() { return std::move(result_); }

  private:
    const MapSet& maps_;
    Result<void> result_;
};

} // namespace

Result<std::unique_ptr<MapStore>> MapStore::open(const MapSet& maps) {
    Opener opener(maps);
    auto epoch = opener.open<Epoch>("epoch");
    auto told = opener.open<Told>("told");
    auto networks = opener.open<Numbers>("networks");
    auto vteps = opener.open<Vteps>("vteps");
    auto endpoints = opener.open<Endpoints>("endpoints");
    auto next_hops = opener.open<NextHops>("next_hops");
    auto verdicts = opener.open<Verdicts>("verdicts");
    auto policies = opener.open<Policies>("policies");
    auto host_routes = opener.open<HostRoutes>("host_routes");
    auto prefix_routes = opener.open<PrefixRoutes>("prefix_routes");
    if (auto opened = opener.take(); !opened) return std::unexpected(std::move(opened).error());
    return std::unique_ptr<MapStore>(
        new MapStore(maps["host"], maps["sessions"].capacity(), std::move(*epoch), std::move(*told),
                     std::move(*networks), std::move(*vteps), std::move(*endpoints), std::move(*next_hops),
                     std::move(*verdicts), std::move(*policies), std::move(*host_routes), std::move(*prefix_routes)));
}

std::size_t MapStore::changes() const {
    return host_changes_ + networks_.changes() + vteps_.changes() + endpoints_.changes() + next_hops_.changes() +
           verdicts_.changes() + policies_.changes() + host_routes_.changes() + prefix_routes_.changes();
}

void MapStore::begin_adoption() { adoption_began_at_ = changes(); }

void MapStore::end_adoption() {
    if (epoch_.is_updating() || changes() != adoption_began_at_) epoch_.end(true);
}

Result<void> MapStore::set_host(const weft_host& asked, const fastpath::HostSettings& message) {
    // Programs do not know how large the table is.
    const weft_quota quota = weft_quota_of(asked.session_quota, sessions_max_);
    weft_host host = asked;
    host.session_quota = static_cast<std::uint32_t>(quota.sessions);
    return told_.tell(WEFT_TOLD_HOST, 0, message, [&]() -> Result<void> {
        constexpr std::uint32_t only = 0;
        weft_host before;
        if (auto found = host_.find(&only, &before); !found) return without_value(std::move(found));
        // An array's entry is written in place, so a program could see half of it.
        if (!EqualBytes<weft_host>{}(before, host)) {
            ++host_changes_;
            if (auto set = host_.set(&only, &host); !set) return set;
        }
        quota_ = quota;
        return {};
    });
}

Result<void> MapStore::set_network(const fastpath::Network& message) {
    return told_.tell(WEFT_TOLD_NETWORK, message.vni(), message,
                      [&] { return without_value(networks_.set(message.vni(), present)); });
}

Result<void> MapStore::set_verdicts(std::uint64_t list, std::span<const weft_verdict_block> blocks) {
    std::vector<Verdicts::Row> rows;
    rows.reserve(blocks.size());
    for (std::uint32_t i = 0; i < blocks.size(); ++i)
        rows.push_back({.key = weft_verdict_key_of(list, i + 1), .value = blocks[i]});
    if (verdicts_.size() + rows.size() > verdicts_.map().capacity())
        return std::unexpected(verdicts_.map().error("write", ENOSPC));
    auto done = verdicts_.set_rows(rows);
    if (!done) take_back(verdicts_, rows);
    return done;
}

Result<void> MapStore::set_policies(std::span<fastpath::PolicyRow> rows) {
    std::unordered_set<weft_policy_key, HashBytes<weft_policy_key>, EqualBytes<weft_policy_key>> fresh;
    for (const auto& row : rows) {
        auto found = policies_.find(row.key);
        if (!found) return without_value(std::move(found));
        if (!*found) fresh.insert(row.key);
    }
    if (policies_.size() + fresh.size() > policies_.map().capacity())
        return std::unexpected(policies_.map().error("write", ENOSPC));
    std::vector<Policies::Row> set;
    set.reserve(rows.size());
    for (const auto& row : rows)
        set.push_back({.key = row.key, .value = {row.list}});
    auto done = policies_.set_rows(set);
    if (!done) take_back(policies_, set);
    for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i].before = set[i].before.value_or(weft_policy_list{}).list;
    return done;
}

Result<void> MapStore::set_endpoint(const weft_endpoint& endpoint, const fastpath::Endpoint& message) {
    return told_.tell(WEFT_TOLD_ENDPOINT, endpoint.port, message,
                      [&] { return without_value(endpoints_.set(endpoint.port, endpoint)); });
}

Result<void> MapStore::set_vtep(const weft_address& address) { return without_value(vteps_.set(address, present)); }

Result<void> MapStore::set_next_hop(std::uint32_t id, const weft_next_hop& next_hop,
                                    const fastpath::NextHop& message) {
    return told_.tell(WEFT_TOLD_NEXT_HOP, id, message, [&] { return without_value(next_hops_.set(id, next_hop)); });
}

Result<void> MapStore::set_routes(std::span<fastpath::RouteRow> rows) {
    host_rows_.clear();
    prefix_rows_.clear();
    for (const auto& row : rows) {
        if (row.prefix.is_host())
            host_rows_.push_back({.key = host_key(row), .value = row.value});
        else
            prefix_rows_.push_back({.key = prefix_key(row), .value = row.value});
    }
    auto done = host_routes_.set_rows(host_rows_);
    if (auto prefixes = prefix_routes_.set_rows(prefix_rows_); done) done = std::move(prefixes);
    const auto answer = [](fastpath::RouteRow& row, const auto& set) {
        row.refused = set.refused;
        row.is_read = set.is_read;
        row.before = set.before.value_or(weft_route_value{});
    };
    auto host = host_rows_.begin();
    auto prefix = prefix_rows_.begin();
    for (auto& row : rows)
        row.prefix.is_host() ? answer(row, *host++) : answer(row, *prefix++);
    return done;
}

Result<void> MapStore::wait_for_readers() { return wait_for_packets_under_way(); }

Result<void> MapStore::erase_routes(std::span<fastpath::RouteRow> rows) {
    Result<void> first;
    for (auto& row : rows) {
        auto erased =
            row.prefix.is_host() ? host_routes_.erase(host_key(row)) : prefix_routes_.erase(prefix_key(row));
        row.refused = !erased;
        row.is_read = erased.has_value();
        if (erased)
            row.before = erased->value_or(weft_route_value{});
        else if (first)
            first = std::unexpected(std::move(erased).error());
    }
    return first;
}

Result<void> MapStore::find_route(fastpath::RouteRow& row) const {
    const auto found = row.prefix.is_host() ? host_routes_.find(host_key(row)) : prefix_routes_.find(prefix_key(row));
    if (!found) return std::unexpected(found.error());
    row.before = found->value_or(weft_route_value{});
    return {};
}

Result<void> MapStore::erase_next_hop(std::uint32_t id) {
    if (auto erased = next_hops_.erase(id); !erased) return without_value(std::move(erased));
    return told_.forget(WEFT_TOLD_NEXT_HOP, id);
}

Result<void> MapStore::erase_vtep(const weft_address& address) { return without_value(vteps_.erase(address)); }

Result<void> MapStore::erase_endpoint(std::uint32_t port) {
    if (auto erased = endpoints_.erase(port); !erased) return without_value(std::move(erased));
    return told_.forget(WEFT_TOLD_ENDPOINT, port);
}

Result<void> MapStore::erase_policies(std::span<fastpath::PolicyRow> rows) {
    Result<void> first;
    for (auto& row : rows) {
        auto erased = policies_.erase(row.key);
        if (erased)
            row.before = erased->value_or(weft_policy_list{}).list;
        else if (first)
            first = without_value(std::move(erased));
    }
    return first;
}

Result<void> MapStore::erase_verdicts(std::span<const fastpath::VerdictListRow> rows) {
    // A program that found a list's number before the last policy left it reads the list to its end.
    if (auto waited = wait_for_packets_under_way(); !waited) return waited;
    for (const auto& row : rows)
        for (std::uint32_t block = 1; block <= row.blocks; ++block)
            if (auto erased = verdicts_.erase(weft_verdict_key_of(row.list, block)); !erased)
                return without_value(std::move(erased));
    return {};
}

Result<void> MapStore::erase_network(std::uint32_t vni) {
    if (auto erased = networks_.erase(vni); !erased) return without_value(std::move(erased));
    return told_.forget(WEFT_TOLD_NETWORK, vni);
}

Result<void> MapStore::for_each_vtep(const std::function<void(const weft_address&)>& visit) const {
    return vteps_.for_each([&](const weft_address& address, std::uint32_t) { visit(address); });
}

Result<void> MapStore::for_each_verdict(const std::function<void(const fastpath::VerdictRow&)>& visit) const {
    return verdicts_.for_each([&](const weft_verdict_key& key, const weft_verdict_block& block) {
        visit({.list = key.list, .block = key.block, .value = block});
    });
}

Result<void> MapStore::for_each_policy(const std::function<void(const fastpath::PolicyRow&)>& visit) const {
    return policies_.for_each(
        [&](const weft_policy_key& key, const weft_policy_list& list) { visit({.key = key, .list = list.list}); });
}

Result<void> MapStore::for_each_route(const std::function<void(const fastpath::RouteRow&)>& visit) const {
    if (auto visited = visit_routes(host_routes_, visit); !visited) return visited;
    return visit_routes(prefix_routes_, visit);
}

std::vector<fastpath::Gauge> MapStore::gauges() const {
    std::vector<fastpath::Gauge> gauges;
    const auto add = [&](const char* name, const auto& table) {
        auto& gauge = gauges.emplace_back();
        gauge.set_name(name);
        gauge.set_used(table.size());
        gauge.set_capacity(table.map().capacity());
        gauge.set_bytes(table.map().bytes());
    };
    add("fib", host_routes_);
    add("fib_prefix", prefix_routes_); // a map of its own, which fills by itself
    add("next_hop", next_hops_);
    add("policy", policies_);
    add("verdict", verdicts_);
    add("endpoint", endpoints_);
    add("network", networks_);
    return gauges;
}

} // namespace weft::ebpf
