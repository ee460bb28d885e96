// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/neighbor_resolver.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <utility>

#include <fmt/format.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <unistd.h>

namespace weft::agent {

namespace {

constexpr std::chrono::seconds fresh_interval{20};
constexpr std::chrono::milliseconds refresh_delay{2};

struct Put {
    void operator()(nl_addr* address) const { nl_addr_put(address); }

    void operator()(rtnl_neigh* neighbor) const { rtnl_neigh_put(neighbor); }

    void operator()(rtnl_route* route) const { rtnl_route_put(route); }

    void operator()(rtnl_link* link) const { rtnl_link_put(link); }

    void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};

template <class T>
using Owned = std::unique_ptr<T, Put>;

Owned<nl_addr> raw(const net::Address& address) {
    const auto bytes = address.bytes();
    return Owned<nl_addr>(nl_addr_build(address.is_v4() ? AF_INET : AF_INET6, bytes.data(), bytes.size()));
}

std::optional<net::Address> from_raw(nl_addr* address) {
    if (address == nullptr) return std::nullopt;
    auto read = net::Address::from_bytes(
        {static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address)), nl_addr_get_len(address)});
    return read ? std::optional(*read) : std::nullopt;
}

} // namespace

void NeighborResolver::FreeSocket::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<std::unique_ptr<NeighborResolver>> NeighborResolver::start(boost::asio::io_context& loop, std::string uplink,
                                                                  OnChange on_change) {
    Socket events(nl_socket_alloc());
    Socket questions(nl_socket_alloc());
    nl_socket_disable_seq_check(events.get());
    if (nl_connect(events.get(), NETLINK_ROUTE) < 0 || nl_connect(questions.get(), NETLINK_ROUTE) < 0 ||
        nl_socket_add_memberships(events.get(), RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0) < 0)
        return fail(ErrorCode::internal, "netlink: cannot watch neighbours");
    nl_socket_set_nonblocking(events.get());
    std::unique_ptr<NeighborResolver> resolver(
        new NeighborResolver(loop, std::move(events), std::move(questions), std::move(uplink), std::move(on_change)));
    if (!resolver->find_uplink())
        return fail(ErrorCode::not_found,
                    fmt::format("uplink {}: no such interface with an Ethernet address", resolver->uplink_));
    resolver->listen();
    resolver->keep_fresh();
    return resolver;
}

NeighborResolver::NeighborResolver(boost::asio::io_context& loop, Socket events, Socket questions, std::string uplink,
                                   OnChange on_change) :
    events_(std::move(events)),
    questions_(std::move(questions)),
    uplink_(std::move(uplink)),
    on_change_(std::move(on_change)),
    descriptor_(loop, dup(nl_socket_get_fd(events_.get()))),
    timer_(loop),
    refresh_timer_(loop) {}

NeighborResolver::~NeighborResolver() = default;

void NeighborResolver::listen() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
        if (error) return;
        // What exactly changed does not matter: few addresses are watched, and the kernel is asked anew.
        char drained[16384];
        while (recv(nl_socket_get_fd(events_.get()), drained, sizeof drained, MSG_DONTWAIT) > 0) {
        }
        refresh_soon();
        listen();
    });
}

void NeighborResolver::keep_fresh() {
    timer_.expires_after(fresh_interval);
    timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        for (const auto& watched : watched_)
            ask_kernel(hop_to(watched.first));
        refresh();
        keep_fresh();
    });
}

bool NeighborResolver::find_uplink() {
    rtnl_link* found = nullptr;
    if (rtnl_link_get_kernel(questions_.get(), 0, uplink_.c_str(), &found) < 0) return false;
    const Owned<rtnl_link> link(found);
    nl_addr* const address = rtnl_link_get_addr(link.get());
    if (address == nullptr || nl_addr_get_len(address) != 6) return false;
    source_ = *net::Mac::from_bytes({static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(address)), 6});
    interface_ = rtnl_link_get_ifindex(link.get());
    return true;
}

net::Address NeighborResolver::hop_to(const net::Address& address) const {
    const auto destination = raw(address);
    rtnl_route* found = nullptr;
    if (rtnl_route_lookup(questions_.get(), destination.get(), &found) < 0) return address;
    const Owned<rtnl_route> route(found);
    rtnl_nexthop* const next_hop = rtnl_route_nexthop_n(route.get(), 0);
    const auto gateway = next_hop != nullptr ? from_raw(rtnl_route_nh_get_gateway(next_hop)) : std::nullopt;
    return gateway.value_or(address);
}

void NeighborResolver::ask_kernel(const net::Address& hop) const {
    const Owned<rtnl_neigh> neighbor(rtnl_neigh_alloc());
    const auto destination = raw(hop);
    rtnl_neigh_set_ifindex(neighbor.get(), interface_);
    rtnl_neigh_set_dst(neighbor.get(), destination.get());
    rtnl_neigh_set_flags(neighbor.get(), NTF_USE);
    rtnl_neigh_add(questions_.get(), neighbor.get(), NLM_F_CREATE);
}

void NeighborResolver::watch(const net::Address& address) {
    if (!watched_.emplace(address, std::nullopt).second) return;
    ask_kernel(hop_to(address));
    refresh_soon();
}

void NeighborResolver::refresh_soon() {
    if (std::exchange(refresh_due_, true)) return;
    refresh_timer_.expires_after(refresh_delay);
    refresh_timer_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        refresh_due_ = false;
        refresh();
    });
}

void NeighborResolver::refresh() {
    if (watched_.empty()) return;
    find_uplink();
    nl_cache* found = nullptr;
    if (rtnl_neigh_alloc_cache(questions_.get(), &found) < 0) return;
    const Owned<nl_cache> cache(found);
    std::map<net::Address, std::optional<ResolvedNeighbor>> changed;
    for (auto& [address, known] : watched_) {
        const net::Address hop = hop_to(address);
        const Owned<rtnl_neigh> neighbor(rtnl_neigh_get(cache.get(), interface_, raw(hop).get()));
        if (!neighbor) ask_kernel(hop); // as on an uplink that was made anew
        std::optional<ResolvedNeighbor> now;
        if (neighbor && (rtnl_neigh_get_state(neighbor.get()) & (NUD_FAILED | NUD_INCOMPLETE)) == 0)
            if (nl_addr* const lladdr = rtnl_neigh_get_lladdr(neighbor.get());
                lladdr != nullptr && nl_addr_get_len(lladdr) == 6)
                now = ResolvedNeighbor{
                    source_,
                    *net::Mac::from_bytes({static_cast<const std::uint8_t*>(nl_addr_get_binary_addr(lladdr)), 6})};
        // A neighbour that is asked again keeps its address until it is known to have failed.
        if (now == known) continue;
        known = now;
        changed[address] = now;
    }
    for (const auto& [address, now] : changed)
        on_change_(address, now);
}

} // namespace weft::agent
