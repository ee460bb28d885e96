// SPDX-License-Identifier: BSD-3-Clause
#include "controlplane/interface_routes.hpp"

#include <algorithm>
#include <array>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <optional>
#include <span>
#include <string>

#include <net/if.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/route/rtnl.h>
#include <sys/socket.h>

#include "controlplane/netlink.hpp"

namespace weft::agent {

using namespace netlink;

namespace {

using Route = Handle<rtnl_route, rtnl_route_put>;
using Callbacks = Handle<nl_cb, nl_cb_put>;

constexpr std::uint32_t last_resort_metric = 4000;

/// What the kernel gives the prefixes of interfaces: a host's routes to networks of its own are in the way, and
/// others are not, whichever family they are of.
constexpr std::uint32_t metric_of_own_prefixes(net::Family family) { return family == net::Family::ipv4 ? 0 : 256; }

/// A message that tells of a route. A host may have a million, of which few are looked at closely.
class RouteMessage {
  public:
    explicit RouteMessage(nlmsghdr* message) : message_(message) {}

    [[nodiscard]] const rtmsg& header() const { return *static_cast<const rtmsg*>(nlmsg_data(message_)); }

    /// None: it is for some senders only.
    [[nodiscard]] std::optional<net::Prefix> destination() const {
        if (header().rtm_src_len != 0 || header().rtm_tos != 0) return std::nullopt;
        const std::size_t size = header().rtm_family == AF_INET ? 4 : 16;
        static constexpr std::array<std::uint8_t, 16> any{};
        std::span<const std::uint8_t> bytes(any.data(), size);
        if (const nlattr* const told = nlmsg_find_attr(message_, sizeof(rtmsg), RTA_DST))
            bytes = {static_cast<const std::uint8_t*>(nla_data(told)), static_cast<std::size_t>(nla_len(told))};
        const auto address = net::Address::from_bytes(bytes);
        const auto prefix =
            address ? net::Prefix::make(*address, header().rtm_dst_len) : std::unexpected(address.error());
        return prefix ? std::optional(*prefix) : std::nullopt;
    }

    [[nodiscard]] std::uint32_t metric() const {
        const nlattr* const told = nlmsg_find_attr(message_, sizeof(rtmsg), RTA_PRIORITY);
        return told == nullptr ? 0 : nla_get_u32(told);
    }

    /// By one of its next hops.
    [[nodiscard]] bool leads_to(int index) const {
        if (header().rtm_type != RTN_UNICAST) return false;
        const Route route = read();
        for (int i = 0; route && i < rtnl_route_get_nnexthops(route.get()); ++i)
            if (rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route.get(), i)) == index) return true;
        return false;
    }

    /// Enough for `ip route delete`.
    [[nodiscard]] std::string to_string() const {
        const Route route = read();
        const auto prefix = destination();
        if (!route || !prefix) return "?";
        std::string text = prefix->to_string();
        std::array<char, 32> type{};
        if (header().rtm_type != RTN_UNICAST)
            text = fmt::format("{} {}", nl_rtntype2str(header().rtm_type, type.data(), type.size()), text);
        else if (rtnl_route_get_nnexthops(route.get()) == 1) {
            char name[IF_NAMESIZE];
            const int index = rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route.get(), 0));
            if (if_indextoname(static_cast<unsigned>(index), name) != nullptr) text += fmt::format(" dev {}", name);
        }
        return metric() == 0 ? text : fmt::format("{} metric {}", text, metric());
    }

  private:
    [[nodiscard]] Route read() const {
        rtnl_route* route = nullptr;
        return rtnl_route_parse(message_, &route) < 0 ? nullptr : Route(route);
    }

    nlmsghdr* message_;
};

/// Calls `visit` with each route of the main table, or with those of one protocol: which these are, the kernel picks.
/// What changes meanwhile may be missed.
template <class Visit>
void for_each_route(nl_sock* socket, net::Family family, std::uint8_t protocol, Visit visit) {
    const int strictly = 1;
    setsockopt(nl_socket_get_fd(socket), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &strictly, sizeof strictly);
    rtmsg question{};
    question.rtm_family = static_cast<unsigned char>(family_of(family));
    question.rtm_table = RT_TABLE_MAIN;
    question.rtm_protocol = protocol;
    if (nl_send_simple(socket, RTM_GETROUTE, NLM_F_DUMP, &question, sizeof question) < 0) return;
    const auto wanted = [&](const RouteMessage& route) {
        const rtmsg& header = route.header();
        if (header.rtm_family == question.rtm_family && header.rtm_table == RT_TABLE_MAIN &&
            (protocol == RTPROT_UNSPEC || header.rtm_protocol == protocol))
            visit(route);
    };
    const Callbacks callbacks(nl_cb_alloc(NL_CB_DEFAULT));
    nl_cb_set(
        callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM,
        [](nl_msg* message, void* told) {
            (*static_cast<decltype(wanted)*>(told))(RouteMessage(nlmsg_hdr(message)));
            return static_cast<int>(NL_OK);
        },
        const_cast<void*>(static_cast<const void*>(&wanted)));
    nl_recvmsgs(socket, callbacks.get());
}

struct RouteSettings {
    std::uint8_t protocol;
    std::uint32_t metric; ///< 0: the kernel's default
};

Route route_by_gateway(int index, const net::Prefix& prefix, RouteSettings settings) {
    const auto destination = raw(prefix.address(), prefix.length());
    const auto via = raw(gateway_address(prefix.family()), net::address_bits(prefix.family()));
    Route route(rtnl_route_alloc());
    rtnl_route_set_family(route.get(), static_cast<std::uint8_t>(family_of(prefix.family())));
    rtnl_route_set_dst(route.get(), destination.get());
    rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
    rtnl_route_set_protocol(route.get(), settings.protocol);
    if (settings.metric != 0) rtnl_route_set_priority(route.get(), settings.metric);
    rtnl_nexthop* const next_hop = rtnl_route_nh_alloc(); // owned by the route from here
    rtnl_route_nh_set_ifindex(next_hop, index);
    rtnl_route_nh_set_gateway(next_hop, via.get());
    rtnl_route_nh_set_flags(next_hop, RTNH_F_ONLINK);
    rtnl_route_add_nexthop(route.get(), next_hop);
    return route;
}

/// Added; or false: another is in its place.
Result<bool> add_route(nl_sock* socket, int index, const net::Prefix& prefix, RouteSettings settings) {
    const Route route = route_by_gateway(index, prefix, settings);
    const int status = rtnl_route_add(socket, route.get(), NLM_F_CREATE | NLM_F_EXCL);
    if (status == -NLE_EXIST) return false;
    if (status < 0)
        return fail_netlink(
            fmt::format("route to {} via {}", prefix.to_string(), gateway_address(prefix.family()).to_string()),
            status);
    return true;
}

/// A route is in the place of ours: does it lead to the interface as well?
Result<void> check_led(nl_sock* socket, int index, const net::Prefix& prefix, std::uint32_t metric) {
    bool led = false;
    std::string foreign;
    for_each_route(socket, prefix.family(), RTPROT_UNSPEC, [&](const RouteMessage& route) {
        if (route.metric() != metric || route.destination() != prefix) return;
        if (route.leads_to(index))
            led = true;
        else
            foreign = route.to_string();
    });
    if (led) return {};
    return fail(
        ErrorCode::exists,
        fmt::format("the host has another route to {}: {} route delete {}, or give the overlay other addresses",
                    prefix.to_string(), prefix.address().is_v4() ? "ip" : "ip -6", foreign));
}

} // namespace

net::Address gateway_address(net::Family family) {
    return *net::Address::parse(family == net::Family::ipv4 ? "169.254.1.1" : "fe80::1");
}

Result<void> add_default_route(nl_sock* socket, int index, net::Family family) {
    const auto any = *net::Prefix::parse(family == net::Family::ipv4 ? "0.0.0.0/0" : "::/0");
    bool ours = false;
    bool foreign = false;
    for_each_route(socket, family, RTPROT_UNSPEC, [&](const RouteMessage& route) {
        if (route.header().rtm_type == RTN_UNICAST && route.destination() == any)
            (route.leads_to(index) ? ours : foreign) = true;
    });
    if (ours) return {};
    const auto added =
        add_route(socket, index, any, {.protocol = RTPROT_STATIC, .metric = foreign ? last_resort_metric : 0});
    return added ? Result<void>{} : std::unexpected(added.error());
}

Result<void> set_host_routes(nl_sock* socket, int index, net::Family family,
                             const std::vector<net::Prefix>& prefixes) {
    const RouteSettings settings{.protocol = host_route_protocol, .metric = metric_of_own_prefixes(family)};
    std::vector<net::Prefix> present;
    for_each_route(socket, family, host_route_protocol, [&](const RouteMessage& route) {
        if (const auto prefix = route.destination(); prefix && route.leads_to(index)) present.push_back(*prefix);
    });
    for (const auto& prefix : present)
        if (std::ranges::count(prefixes, prefix) == 0)
            rtnl_route_delete(socket, route_by_gateway(index, prefix, settings).get(), 0);
    for (const auto& prefix : prefixes) {
        if (prefix.family() != family || std::ranges::count(present, prefix) > 0) continue;
        const auto added = add_route(socket, index, prefix, settings);
        if (!added) return std::unexpected(added.error());
        if (*added) continue;
        if (auto led = check_led(socket, index, prefix, settings.metric); !led) return led;
    }
    return {};
}

} // namespace weft::agent
