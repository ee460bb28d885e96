// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/api/table_writer.hpp"

#include <algorithm>
#include <iterator>
#include <new>
#include <ranges>

#include <fmt/format.h>

#include "dataplane/api/limits.hpp"
#include "dataplane/api/table_wire.hpp"
#include "dataplane/api/verdict_wire.hpp"

namespace weft::fastpath {

namespace {

Result<void> check_vni(std::uint32_t vni) {
    if (auto checked = net::Vni::make(vni); !checked) return std::unexpected(std::move(checked).error());
    return {};
}

PolicyRow to_row(const PolicyKey& key, std::uint64_t list = 0) {
    return {.key = {.local_identity = key.local_identity(),
                    .peer_identity = key.peer_identity(),
                    .direction = static_cast<std::uint32_t>(key.direction())},
            .list = list};
}

PolicyEntry to_entry(const PolicyRow& row) {
    PolicyEntry entry;
    entry.mutable_key()->set_direction(static_cast<Direction>(row.key.direction));
    entry.mutable_key()->set_local_identity(row.key.local_identity);
    entry.mutable_key()->set_peer_identity(row.key.peer_identity);
    entry.set_list(row.list);
    return entry;
}

Result<void> check_policy_key(const PolicyKey& key) {
    if (key.direction() != DIRECTION_INGRESS && key.direction() != DIRECTION_EGRESS)
        return fail(ErrorCode::invalid, "policy entry: no direction");
    return {};
}

std::string name_of(const Endpoint& message) {
    return fmt::format("endpoint {} on port {}", message.name(), message.port());
}

std::unexpected<Error> no_memory() {
    return fail(ErrorCode::exhausted,
                "no memory for more table entries: stop something on this host, or use fewer routes");
}

} // namespace

/// What an update lost, so that nothing which builds on it is applied to what was there before.
struct TableWriter::Refused {
    std::set<std::uint64_t> verdict_lists;
    std::set<std::uint32_t> identities; ///< whose policy has a wrong entry, or no room
    std::set<std::uint32_t> peers;      ///< about whom such policy of an endpoint that is here speaks
    bool anybody = false;               ///< such policy speaks about everybody
    std::set<std::uint32_t> endpoints;  ///< by port
    std::set<std::uint32_t> next_hops;
    bool stays = false; ///< somebody is who it was, so that no policy may go

    /// Would it be as anybody to some endpoint, for want of policy about it? Nobody is, whatever policy says.
    [[nodiscard]] bool is_stranger(std::uint32_t identity) const {
        return identity != WEFT_IDENTITY_ANY && (anybody || peers.contains(identity));
    }
};

/// Keeps the first error.
class TableWriter::Outcome {
  public:
    /// Did it go well?
    bool note(Result<void> done) {
        const bool well = done.has_value();
        if (!well && result_) result_ = std::move(done);
        return well;
    }

    template <class Entries, class Set>
    void each(const Entries& entries, Set set) {
        for (const auto& entry : entries)
            note(set(entry));
    }

    [[nodiscard]] Result<void> take() { return std::move(result_); }

  private:
    Result<void> result_;
};

/// Collects routes for the store, which is quicker with many at a time.
class TableWriter::RouteBatch {
  public:
    using Store = Result<void> (TableStore::*)(std::span<RouteRow>);

    RouteBatch(TableWriter& writer, Refused& refused, Outcome& outcome, Store store) :
        writer_(writer), refused_(refused), outcome_(outcome), store_(store) {
        rows_.reserve(size_max);
        owners_.reserve(size_max);
    }

    /// `next_hop`: that the route shall lead to, none when it goes.
    void add(const RouteRow& row, NetworkState& network, NextHopState* next_hop) {
        rows_.push_back(row);
        owners_.push_back({&network, next_hop});
        if (rows_.size() == size_max) flush();
    }

    void flush() {
        if (rows_.empty()) return;
        outcome_.note((writer_.store_.*store_)(rows_));
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            const auto& [network, next_hop] = owners_[i];
            if (rows_[i].refused) {
                refused_.stays |= !rows_[i].is_read || rows_[i].before.next_hop != 0;
                continue;
            }
            if (next_hop != nullptr) {
                ++next_hop->routes;
                ++network->routes;
            }
            if (rows_[i].before.next_hop == 0) continue;
            --network->routes;
            if (const auto left = writer_.next_hops_.find(rows_[i].before.next_hop); left != writer_.next_hops_.end())
                --left->second.routes;
        }
        rows_.clear();
        owners_.clear();
    }

  private:
    static constexpr std::size_t size_max = 1024;

    TableWriter& writer_;
    Refused& refused_;
    Outcome& outcome_;
    Store store_;
    std::vector<RouteRow> rows_;
    std::vector<std::pair<NetworkState*, NextHopState*>> owners_;
};

Result<void> TableWriter::apply(const TableUpdate& update) {
    Outcome outcome;
    try {
        apply_entries(update, outcome);
    } catch (const std::bad_alloc&) {
        outcome.note(no_memory());
    }
    return outcome.take();
}

Result<void> TableWriter::adopt(const TableUpdate& told) {
    try {
        return adopt_entries(told);
    } catch (const std::bad_alloc&) {
        return no_memory();
    }
}

Result<void> TableWriter::adopt_entries(const TableUpdate& told) {
    Outcome outcome;
    if (told.has_host()) outcome.note(set_host(told.host()));
    outcome.each(told.networks(), [&](const auto& entry) { return set_network(entry); });
    outcome.each(told.endpoints(), [&](const auto& entry) { return keep_endpoint(entry); });
    outcome.each(told.next_hops(), [&](const auto& entry) { return keep_next_hop(entry); });
    outcome.note(adopt_policies());
    outcome.note(adopt_routes());
    outcome.note(sweep_vteps());
    return outcome.take();
}

Result<TableWriter::VerdictBlocks> TableWriter::read_verdicts() const {
    VerdictBlocks lists;
    Outcome outcome;
    outcome.note(store_.for_each_verdict([&](const VerdictRow& row) {
        if (row.block == 0 || row.block > WEFT_VERDICT_BLOCKS) {
            outcome.note(fail(ErrorCode::invalid,
                              fmt::format("verdict list {:016x}: no list has a block {}", row.list, row.block)));
            return;
        }
        auto& blocks = lists[row.list];
        blocks.resize(std::max<std::size_t>(blocks.size(), row.block));
        blocks[row.block - 1] = row.value;
    }));
    if (auto read = outcome.take(); !read) return std::unexpected(std::move(read).error());
    return lists;
}

Result<void> TableWriter::adopt_policies() {
    const auto lists = read_verdicts();
    if (!lists) return std::unexpected(lists.error());
    std::vector<VerdictListRow> damaged;
    for (const auto& [number, blocks] : *lists) {
        const auto count = static_cast<std::uint32_t>(blocks.size());
        if (to_list(number, blocks))
            verdict_lists_[number] = {.blocks = count};
        else
            damaged.push_back({.list = number, .blocks = count});
    }
    Outcome outcome;
    outcome.note(store_.for_each_policy([&](const PolicyRow& row) {
        if (!outcome.note(check_policy_key(to_entry(row).key()))) return;
        if (const auto list = verdict_lists_.find(row.list); list != verdict_lists_.end())
            ++list->second.policies;
        else
            outcome.note(fail(ErrorCode::invalid,
                              fmt::format("policy of identity {}: its verdict list {:016x} is not there, or damaged",
                                          row.key.local_identity, row.list)));
    }));
    auto adopted = outcome.take();
    return adopted && !damaged.empty() ? store_.erase_verdicts(damaged) : adopted;
}

Result<void> TableWriter::adopt_routes() {
    Outcome outcome;
    outcome.note(store_.for_each_route([&](const RouteRow& row) {
        const auto network = networks_.find(row.vni);
        const auto next_hop = next_hops_.find(row.value.next_hop);
        if (network == networks_.end() || next_hop == next_hops_.end()) {
            outcome.note(fail(ErrorCode::invalid,
                              fmt::format("route {} of VNI {}: it leads to next hop {}, and {} is not there",
                                          row.prefix.to_string(), row.vni, row.value.next_hop,
                                          network == networks_.end() ? "its network" : "that")));
            return;
        }
        ++network->second.routes;
        ++next_hop->second.routes;
    }));
    return outcome.take();
}

Result<void> TableWriter::sweep_vteps() {
    std::vector<weft_address> unused;
    auto visited = store_.for_each_vtep([&](const weft_address& address) {
        if (!vteps_.contains(std::to_array(address.words))) unused.push_back(address);
    });
    if (!visited) return visited;
    Outcome outcome;
    outcome.each(unused, [&](const weft_address& address) { return store_.erase_vtep(address); });
    return outcome.take();
}

void TableWriter::apply_entries(const TableUpdate& update, Outcome& outcome) {
    Refused refused;
    if (update.has_host()) outcome.note(set_host(update.host()));
    outcome.each(update.networks(), [&](const auto& entry) { return set_network(entry); });
    for (const auto& list : update.verdict_lists())
        if (!outcome.note(set_verdict_list(list))) refused.verdict_lists.insert(list.number());
    set_policies(update, refused, outcome);
    refuse_peers(update, refused);
    for (const auto& entry : update.endpoints())
        if (!outcome.note(set_endpoint(entry, refused))) refuse_endpoint(entry, refused);
    for (const auto& entry : update.next_hops())
        if (!outcome.note(set_next_hop(entry, refused))) refused.next_hops.insert(entry.id());
    set_routes(update, refused, outcome);
    delete_routes(update, refused, outcome);
    outcome.each(update.deleted_next_hops(), [&](std::uint32_t id) { return delete_next_hop(id); });
    for (const std::uint32_t port : update.deleted_endpoints())
        refused.stays |= !outcome.note(delete_endpoint(port));
    delete_policies(update, refused, outcome);
    delete_verdict_lists(update, outcome);
    outcome.each(update.deleted_networks(), [&](std::uint32_t vni) { return delete_network(vni); });
}

Result<void> TableWriter::set_host(const HostSettings& message) {
    weft_host host{};
    for (const auto& [bytes, address] :
         {std::pair{&message.vtep_v4(), &host.vtep_v4}, std::pair{&message.vtep_v6(), &host.vtep_v6}}) {
        if (bytes->empty()) continue;
        auto parsed = to_address(*bytes);
        if (!parsed) return fail_in(std::move(parsed), "host: VTEP");
        *address = *parsed;
    }
    auto router = to_mac(message.router_mac());
    auto gateway = to_mac(message.gateway_mac());
    if (!router) return fail_in(std::move(router), "host: router MAC");
    if (!gateway) return fail_in(std::move(gateway), "host: gateway MAC");
    if (message.vxlan_port() == 0 || message.vxlan_port() > 65535)
        return fail(ErrorCode::invalid, "host: the VXLAN port is not 1 to 65535");
    std::ranges::copy(*router, host.router_mac);
    std::ranges::copy(*gateway, host.gateway_mac);
    host.vxlan_port = static_cast<std::uint16_t>(message.vxlan_port());
    host.session_quota = message.session_quota();
    HostSettings copy = message;
    if (auto set = store_.set_host(host, message); !set) return set;
    host_ = host;
    host_message_ = std::move(copy);
    return refresh_next_hops();
}

Result<void> TableWriter::set_network(const Network& message) {
    if (auto checked = check_vni(message.vni()); !checked) return checked;
    std::string name = message.name();
    const auto [at, added] = networks_.try_emplace(message.vni());
    if (auto set = store_.set_network(message); !set) {
        if (added) networks_.erase(at);
        return set;
    }
    at->second.name = std::move(name);
    return {};
}

Result<void> TableWriter::set_verdict_list(const VerdictList& message) {
    auto blocks = to_blocks(message);
    if (!blocks) return std::unexpected(std::move(blocks).error());
    if (verdict_lists_.contains(message.number())) return {}; // the same number is the same content
    const auto at = verdict_lists_.try_emplace(message.number()).first;
    if (auto set = store_.set_verdicts(message.number(), *blocks); !set) {
        verdict_lists_.erase(at);
        return set;
    }
    at->second.blocks = static_cast<std::uint32_t>(blocks->size());
    return {};
}

void TableWriter::set_policies(const TableUpdate& update, Refused& refused, Outcome& outcome) {
    // The policy of an identity changes as a whole or not at all: half of it could allow what the whole denies.
    std::map<std::uint32_t, std::vector<PolicyRow>> of_identity;
    const auto check = [&](const PolicyEntry& entry) -> Result<void> {
        if (auto checked = check_policy_key(entry.key()); !checked) return checked;
        if (refused.verdict_lists.contains(entry.list()) || !verdict_lists_.contains(entry.list()))
            return fail(ErrorCode::invalid, fmt::format("policy of identity {}: there is no verdict list {:016x}",
                                                        entry.key().local_identity(), entry.list()));
        return {};
    };
    for (const auto& entry : update.policies()) {
        if (outcome.note(check(entry)))
            of_identity[entry.key().local_identity()].push_back(to_row(entry.key(), entry.list()));
        else
            refused.identities.insert(entry.key().local_identity());
    }
    for (auto& [identity, rows] : of_identity) {
        if (refused.identities.contains(identity)) continue;
        if (outcome.note(store_.set_policies(rows)))
            count_policies(rows);
        else
            refused.identities.insert(identity);
    }
}

void TableWriter::count_policies(std::span<const PolicyRow> rows) {
    for (const PolicyRow& row : rows) {
        if (row.list != 0) ++verdict_lists_.at(row.list).policies;
        if (row.before != 0) --verdict_lists_.at(row.before).policies;
    }
}

void TableWriter::refuse_peers(const TableUpdate& update, Refused& refused) const {
    if (refused.identities.empty()) return;
    std::set<std::uint32_t> here;
    for (const Endpoint& message : endpoints_ | std::views::values)
        here.insert(message.identity());
    const auto refuse = [&](const PolicyKey& key) {
        if (!refused.identities.contains(key.local_identity()) || !here.contains(key.local_identity())) return;
        refused.peers.insert(key.peer_identity());
        refused.anybody |= key.peer_identity() == WEFT_IDENTITY_ANY;
    };
    for (const auto& entry : update.policies())
        refuse(entry.key());
    for (const auto& key : update.deleted_policies())
        refuse(key);
}

Result<void> TableWriter::set_endpoint(const Endpoint& message, const Refused& refused) {
    const std::string what = name_of(message);
    if (refused.identities.contains(message.identity()))
        return fail(ErrorCode::invalid,
                    fmt::format("{}: the policy of identity {} was refused", what, message.identity()));
    const auto present = endpoints_.find(message.port());
    const bool is_known = present != endpoints_.end() && present->second.identity() == message.identity();
    if (!is_known && refused.is_stranger(message.identity()))
        return fail(ErrorCode::invalid,
                    fmt::format("{}: the policy about identity {} was refused", what, message.identity()));
    return keep_endpoint(message);
}

void TableWriter::refuse_endpoint(const Endpoint& message, Refused& refused) {
    refused.endpoints.insert(message.port());
    const auto present = endpoints_.find(message.port());
    if (present == endpoints_.end() || present->second.identity() == message.identity()) return;
    Endpoint nobody = present->second;
    nobody.set_identity(WEFT_IDENTITY_ANY);
    refused.stays |= !keep_endpoint(nobody);
}

Result<void> TableWriter::keep_endpoint(const Endpoint& message) {
    const std::string what = name_of(message);
    if (message.port() == 0) return fail(ErrorCode::invalid, what + ": port 0 is none");
    if (message.port() > port_id_max)
        return fail(ErrorCode::invalid, fmt::format("{}: ports are 1 to {}", what, port_id_max));
    const auto network = networks_.find(message.vni());
    if (network == networks_.end())
        return fail(ErrorCode::invalid, fmt::format("{}: no network has VNI {}", what, message.vni()));
    weft_endpoint endpoint{};
    auto mac = to_mac(message.mac());
    if (!mac) return fail_in(std::move(mac), what);
    if (message.addresses_size() > WEFT_ENDPOINT_ADDRESSES)
        return fail(ErrorCode::invalid, fmt::format("{}: {} addresses, where at most {} can be", what,
                                                    message.addresses_size(), int{WEFT_ENDPOINT_ADDRESSES}));
    for (const auto& bytes : message.addresses()) {
        auto address = to_address(bytes);
        if (!address) return fail_in(std::move(address), what);
        endpoint.addresses[endpoint.address_count++] = *address;
    }
    endpoint.port = message.port();
    endpoint.vni = message.vni();
    endpoint.identity = message.identity();
    std::ranges::copy(*mac, endpoint.mac);
    Endpoint copy = message;
    const auto [at, added] = endpoints_.try_emplace(message.port());
    if (auto set = store_.set_endpoint(endpoint, message); !set) {
        if (added) endpoints_.erase(at);
        return fail_in(std::move(set), what);
    }
    if (!added) --networks_.at(at->second.vni()).endpoints;
    ++network->second.endpoints;
    at->second = std::move(copy);
    return {};
}

Result<weft_next_hop> TableWriter::make_next_hop(const NextHop& message) const {
    weft_next_hop next_hop{};
    next_hop.resolved = 1;
    if (message.has_drop()) return next_hop; // kind 0
    if (message.has_local()) {
        next_hop.kind = WEFT_NEXT_HOP_LOCAL;
        next_hop.port = message.local().port();
        return next_hop;
    }
    if (!message.has_vtep()) return fail(ErrorCode::invalid, "neither local, VTEP nor drop");
    const auto& vtep = message.vtep();
    auto remote = to_address(vtep.address());
    auto inner_destination = to_mac(vtep.inner_destination_mac());
    auto outer_source = to_optional_mac(vtep.outer_source_mac());
    auto outer_destination = to_optional_mac(vtep.outer_destination_mac());
    if (!remote) return fail_in(std::move(remote), "VTEP");
    for (auto* mac : {&inner_destination, &outer_source, &outer_destination})
        if (!*mac) return std::unexpected(std::move(*mac).error());
    if (auto checked = check_vni(vtep.vni()); !checked) return std::unexpected(std::move(checked).error());
    if (vtep.mtu() != 0 && vtep.mtu() < WEFT_IPV4_MTU_MIN)
        return fail(ErrorCode::invalid, fmt::format("an MTU of {}: IP needs {}", vtep.mtu(), int{WEFT_IPV4_MTU_MIN}));

    weft_tunnel tunnel{};
    tunnel.remote = *remote;
    tunnel.local = weft_address_is_v4(&*remote) ? host_.vtep_v4 : host_.vtep_v6;
    tunnel.vni = vtep.vni();
    tunnel.port = host_.vxlan_port;
    std::ranges::copy(*outer_source, tunnel.outer_source_mac);
    std::ranges::copy(*outer_destination, tunnel.outer_destination_mac);
    std::ranges::copy(host_.router_mac, tunnel.inner_source_mac);
    std::ranges::copy(*inner_destination, tunnel.inner_destination_mac);
    next_hop.kind = WEFT_NEXT_HOP_VTEP;
    next_hop.resolved = !vtep.outer_destination_mac().empty();
    next_hop.outer_v4 = weft_address_is_v4(&*remote) != 0;
    next_hop.port = vtep.port();
    next_hop.vni = vtep.vni();
    next_hop.remote = *remote;
    next_hop.outer_size = static_cast<std::uint8_t>(weft_tunnel_template(&tunnel, next_hop.tunnel_template));
    const std::uint32_t longest = 65535 - next_hop.outer_size; // that the outer length fields can say
    next_hop.mtu = vtep.mtu() == 0 ? longest : std::min(vtep.mtu(), longest);
    return next_hop;
}

Result<void> TableWriter::set_next_hop(const NextHop& message, const Refused& refused) {
    if (message.has_local() && refused.endpoints.contains(message.local().port()))
        return fail(ErrorCode::invalid, fmt::format("next hop {}: the endpoint on port {} was refused", message.id(),
                                                    message.local().port()));
    return keep_next_hop(message);
}

Result<void> TableWriter::keep_next_hop(const NextHop& message) {
    const std::string what = fmt::format("next hop {}", message.id());
    if (message.id() == 0 || message.id() > next_hop_id_max)
        return fail(ErrorCode::invalid, fmt::format("{}: ids are 1 to {}", what, next_hop_id_max));
    auto next_hop = make_next_hop(message);
    if (!next_hop) return fail_in(std::move(next_hop), what);
    std::optional<VtepAddress> vtep;
    if (next_hop->kind == WEFT_NEXT_HOP_VTEP) vtep = std::to_array(next_hop->remote.words);
    NextHop copy = message;
    const auto [at, added] = next_hops_.try_emplace(message.id());
    // The new VTEP first: if both lead to one, it is known all the time.
    auto set = hold_vtep(vtep);
    if (set) {
        set = store_.set_next_hop(message.id(), *next_hop, message);
        if (!set) static_cast<void>(release_vtep(vtep));
    }
    if (!set) {
        if (added) next_hops_.erase(at);
        return fail_in(std::move(set), what);
    }
    at->second.message = std::move(copy);
    return release_vtep(std::exchange(at->second.vtep, vtep));
}

Result<void> TableWriter::hold_vtep(const std::optional<VtepAddress>& address) {
    if (!address) return {};
    const auto [at, first] = vteps_.try_emplace(*address, 0);
    if (first) {
        weft_address vtep{};
        std::ranges::copy(*address, vtep.words);
        if (auto set = store_.set_vtep(vtep); !set) {
            vteps_.erase(at);
            return set;
        }
    }
    ++at->second;
    return {};
}

Result<void> TableWriter::release_vtep(const std::optional<VtepAddress>& address) {
    if (!address) return {};
    const auto at = vteps_.find(*address);
    if (--at->second != 0) return {};
    vteps_.erase(at);
    weft_address vtep{};
    std::ranges::copy(*address, vtep.words);
    return store_.erase_vtep(vtep);
}

Result<void> TableWriter::refresh_next_hops() {
    Outcome outcome;
    for (const auto& [id, state] : next_hops_) {
        auto next_hop = make_next_hop(state.message);
        auto set = next_hop ? store_.set_next_hop(id, *next_hop, state.message)
                            : Result<void>(std::unexpected(std::move(next_hop).error()));
        if (!set) set = fail_in(std::move(set), fmt::format("next hop {}", id));
        outcome.note(std::move(set));
    }
    return outcome.take();
}

void TableWriter::set_routes(const TableUpdate& update, Refused& refused, Outcome& outcome) {
    RouteBatch batch(*this, refused, outcome, &TableStore::set_routes);
    for (const auto& route : update.routes()) {
        auto prefix = to_prefix(route.prefix());
        if (!prefix) {
            outcome.note(fail_in(std::move(prefix), "route"));
            continue;
        }
        RouteRow row{.vni = route.vni(), .prefix = *prefix, .value = {route.next_hop(), route.identity()}};
        if (auto checked = check_route(row, refused, batch); !checked) {
            outcome.note(
                fail_in(std::move(checked), fmt::format("route {} of VNI {}", prefix->to_string(), row.vni)));
            if (row.before.next_hop == 0 || row.before.identity == row.value.identity) continue;
            row.value = {row.before.next_hop, WEFT_IDENTITY_ANY};
        }
        batch.add(row, networks_.at(row.vni), &next_hops_.at(row.value.next_hop));
    }
    batch.flush();
}

Result<void> TableWriter::check_route(RouteRow& row, Refused& refused, RouteBatch& batch) const {
    const auto& [next_hop, identity] = row.value;
    const bool has_network = networks_.contains(row.vni);
    Result<void> leads = {};
    if (!has_network)
        leads = fail(ErrorCode::invalid, "no network has this VNI");
    else if (refused.next_hops.contains(next_hop))
        leads = fail(ErrorCode::invalid, fmt::format("next hop {} was refused", next_hop));
    else if (!next_hops_.contains(next_hop))
        leads = fail(ErrorCode::invalid, fmt::format("no next hop {}", next_hop));
    if (leads && !refused.is_stranger(identity)) return {};
    batch.flush(); // it may be about the same prefix, and what it refuses is told first
    if (!has_network) return leads;
    if (auto found = store_.find_route(row); !found) {
        refused.stays = true;
        return found;
    }
    const bool is_known = row.before.next_hop != 0 && row.before.identity == identity;
    if (leads && !is_known)
        return fail(ErrorCode::invalid, fmt::format("the policy about identity {} was refused", identity));
    return leads;
}

void TableWriter::delete_routes(const TableUpdate& update, Refused& refused, Outcome& outcome) {
    RouteBatch batch(*this, refused, outcome, &TableStore::erase_routes);
    for (const auto& key : update.deleted_routes()) {
        auto prefix = to_prefix(key.prefix());
        if (!prefix) {
            outcome.note(fail_in(std::move(prefix), "route"));
            continue;
        }
        if (const auto network = networks_.find(key.vni()); network != networks_.end())
            batch.add({.vni = key.vni(), .prefix = *prefix}, network->second, nullptr);
    }
    batch.flush();
}

Result<void> TableWriter::delete_next_hop(std::uint32_t id) {
    const auto found = next_hops_.find(id);
    if (found == next_hops_.end()) return {};
    if (found->second.routes != 0)
        return fail(ErrorCode::invalid,
                    fmt::format("next hop {} is still used by {} routes", id, found->second.routes));
    if (auto erased = store_.erase_next_hop(id); !erased) return erased;
    const auto vtep = found->second.vtep;
    next_hops_.erase(found);
    return release_vtep(vtep);
}

Result<void> TableWriter::delete_endpoint(std::uint32_t port) {
    const auto found = endpoints_.find(port);
    if (found == endpoints_.end()) return {};
    if (auto erased = store_.erase_endpoint(port); !erased) return erased;
    --networks_.at(found->second.vni()).endpoints;
    endpoints_.erase(found);
    return {};
}

void TableWriter::delete_policies(const TableUpdate& update, const Refused& refused, Outcome& outcome) {
    std::vector<PolicyRow> rows;
    std::vector<PolicyRow> rows_of_refused;
    for (const auto& key : update.deleted_policies()) {
        if (!outcome.note(check_policy_key(key))) continue;
        if (!refused.identities.contains(key.local_identity()))
            rows.push_back(to_row(key));
        else if (key.peer_identity() > WEFT_IDENTITY_UNKNOWN) // the others are always there
            rows_of_refused.push_back(to_row(key));
    }
    if (refused.stays) return;
    // Of policy that could not change, entries about peers that are gone make room for its next try.
    if (!rows_of_refused.empty()) {
        if (const auto there = identities_there())
            std::ranges::copy_if(rows_of_refused, std::back_inserter(rows),
                                 [&](const PolicyRow& row) { return !there->contains(row.key.peer_identity); });
        else
            outcome.note(std::unexpected(there.error()));
    }
    if (rows.empty()) return;
    // A packet that met an endpoint or a route as it was before asks for the policy of before.
    const bool others_met = update.endpoints_size() + update.deleted_endpoints_size() + update.routes_size() +
                                update.deleted_routes_size() >
                            0;
    if (others_met && !outcome.note(store_.wait_for_readers())) return;
    outcome.note(store_.erase_policies(rows));
    count_policies(rows);
}

Result<std::set<std::uint32_t>> TableWriter::identities_there() const {
    std::set<std::uint32_t> there;
    for (const Endpoint& message : endpoints_ | std::views::values)
        there.insert(message.identity());
    auto read = store_.for_each_route([&](const RouteRow& row) { there.insert(row.value.identity); });
    if (!read) return std::unexpected(std::move(read).error());
    return there;
}

void TableWriter::delete_verdict_lists(const TableUpdate& update, Outcome& outcome) {
    std::vector<VerdictListRow> rows;
    for (const std::uint64_t number : update.deleted_verdict_lists()) {
        const auto found = verdict_lists_.find(number);
        if (found == verdict_lists_.end()) continue;
        const auto& [blocks, policies] = found->second;
        if (policies != 0)
            outcome.note(fail(ErrorCode::invalid,
                              fmt::format("verdict list {:016x} is still used by {} policies", number, policies)));
        else
            rows.push_back({.list = number, .blocks = blocks});
    }
    if (rows.empty() || !outcome.note(store_.erase_verdicts(rows))) return;
    for (const VerdictListRow& row : rows)
        verdict_lists_.erase(row.list);
}

Result<void> TableWriter::delete_network(std::uint32_t vni) {
    const auto found = networks_.find(vni);
    if (found == networks_.end()) return {};
    if (const auto& [name, endpoints, routes] = found->second; endpoints != 0 || routes != 0)
        return fail(ErrorCode::invalid,
                    fmt::format("network {} still has {} endpoints and {} routes", vni, endpoints, routes));
    if (auto erased = store_.erase_network(vni); !erased) return erased;
    networks_.erase(found);
    return {};
}

const std::string* TableWriter::network_name(std::uint32_t vni) const {
    const auto found = networks_.find(vni);
    return found != networks_.end() ? &found->second.name : nullptr;
}

const Endpoint* TableWriter::endpoint(std::uint32_t port) const {
    const auto found = endpoints_.find(port);
    return found != endpoints_.end() ? &found->second : nullptr;
}

Result<TableUpdate> TableWriter::dump() const {
    TableUpdate update;
    if (host_message_) *update.mutable_host() = *host_message_;
    for (const auto& [vni, state] : networks_) {
        auto& network = *update.add_networks();
        network.set_vni(vni);
        network.set_name(state.name);
    }
    const auto lists = read_verdicts();
    if (!lists) return std::unexpected(lists.error());
    for (const auto& [number, blocks] : *lists) {
        auto list = to_list(number, blocks);
        if (!list) return std::unexpected(std::move(list).error());
        *update.add_verdict_lists() = std::move(*list);
    }
    auto read = store_.for_each_policy([&](const PolicyRow& row) { *update.add_policies() = to_entry(row); });
    if (!read) return std::unexpected(std::move(read).error());
    for (const Endpoint& message : endpoints_ | std::views::values)
        *update.add_endpoints() = message;
    for (const NextHopState& state : next_hops_ | std::views::values)
        *update.add_next_hops() = state.message;
    read = store_.for_each_route([&](const RouteRow& row) {
        auto& route = *update.add_routes();
        const auto address = row.prefix.address().bytes();
        route.set_vni(row.vni);
        route.mutable_prefix()->set_address(address.data(), address.size());
        route.mutable_prefix()->set_length(row.prefix.length());
        route.set_next_hop(row.value.next_hop);
        route.set_identity(row.value.identity);
    });
    if (!read) return std::unexpected(std::move(read).error());
    return update;
}

} // namespace weft::fastpath
