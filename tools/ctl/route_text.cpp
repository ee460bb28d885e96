// SPDX-License-Identifier: BSD-3-Clause
#include "tools/ctl/route_text.hpp"

#include <algorithm>
#include <compare>
#include <tuple>

#include <fmt/format.h>

#include "routing/net/address.hpp"
#include "tools/ctl/json.hpp"
#include "tools/ctl/text.hpp"

namespace weft::ctl {

namespace {

/// A sort key: addresses as numbers; text that is no prefix (it should not happen) last, as it is.
struct PrefixKey {
    bool unreadable = false;
    net::Prefix prefix;
    std::string text;

    explicit PrefixKey(const std::string& text_) : text(text_) {
        if (const auto parsed = net::Prefix::parse(text_))
            prefix = *parsed;
        else
            unreadable = true;
    }

    friend auto operator<=>(const PrefixKey&, const PrefixKey&) = default;
};

Cell mark_of(const v1::Route& route) {
    if (route.stale()) return {route.best() ? "* stale" : "stale", Tone::warning};
    return route.best() ? Cell("*", Tone::good) : Cell("");
}

std::string labels_of(const v1::Route& route) { return fmt::format("{}", fmt::join(route.labels(), ",")); }

Cell fib_state(const v1::Route& route) {
    return {route.state(), route.state() == "programmed" ? Tone::good : Tone::warning};
}

std::string vni_of(const v1::Route& route) { return route.vni() == 0 ? std::string{} : std::to_string(route.vni()); }

std::string with_optional(bool has, std::uint32_t value) { return has ? std::to_string(value) : std::string{}; }

std::string as_path_of(const v1::Route& route) { return route.as_path().empty() ? "(own AS)" : route.as_path(); }

std::string fib_table(const std::vector<v1::Route>& routes, Style style) {
    Table table({{"NETWORK"},
                 {"PREFIX"},
                 {"NEXT HOP"},
                 {"IDENTITY", align_right},
                 {"STATE"},
                 {"LABELS", Column::Align::left, true}});
    for (const v1::Route& route : routes)
        table.add({route.network(), route.prefix(), route.next_hop(), std::uint64_t{route.identity()},
                   fib_state(route), labels_of(route)});
    return table.render(style);
}

std::string loc_table(const std::vector<v1::Route>& routes, Style style) {
    Table table({{" "},
                 {"NETWORK"},
                 {"PREFIX"},
                 {"NEXT HOP"},
                 {"PEER"},
                 {"AS PATH", Column::Align::left, true},
                 {"PREF", align_right, true},
                 {"WHY", Column::Align::left, true}});
    for (const v1::Route& route : routes) {
        const Cell mark = mark_of(route);
        table.add({mark.text.empty() ? Cell(" ") : mark, route.network(), route.prefix(), route.next_hop(),
                   route.peer().empty() ? "local" : route.peer(), route.as_path(),
                   with_optional(route.has_local_pref(), route.local_pref()), route.why()});
    }
    return table.render(style);
}

std::string adjacent_table(const std::vector<v1::Route>& routes, v1::RouteView view, Style style) {
    const bool in = view == v1::ROUTE_VIEW_ADJ_IN;
    Table table({{in ? "FROM" : "TO"},
                 {"NETWORK", Column::Align::left, true},
                 {"PREFIX"},
                 {"NEXT HOP"},
                 {"VNI", align_right, true},
                 {"RD", Column::Align::left, true},
                 {"ROUTER MAC", Column::Align::left, true},
                 {"AS PATH", Column::Align::left, true},
                 {"STALE", Column::Align::left, true},
                 {"WHY", Column::Align::left, true}});
    for (const v1::Route& route : routes)
        table.add({route.peer(), route.network(), route.prefix(), route.next_hop(),
                   route.label() != 0 ? std::to_string(route.label()) : vni_of(route), route.rd(), route.router_mac(),
                   route.as_path(), route.stale() ? Cell("stale", Tone::warning) : Cell(""), route.why()});
    return table.render(style);
}

} // namespace

void sort_routes(std::vector<v1::Route>& routes) {
    // Keys are parsed once per route: there may be hundreds of thousands.
    using Key = std::tuple<std::string, PrefixKey, bool, std::string, std::string>;
    std::vector<std::pair<Key, v1::Route>> keyed;
    keyed.reserve(routes.size());
    for (v1::Route& route : routes) {
        Key key{route.network(), PrefixKey(route.prefix()), !route.best(), route.peer(), route.rd()};
        keyed.emplace_back(std::move(key), std::move(route));
    }
    std::ranges::stable_sort(keyed, std::ranges::less{}, [](const auto& entry) -> const Key& { return entry.first; });
    for (std::size_t i = 0; i < routes.size(); ++i)
        routes[i] = std::move(keyed[i].second);
}

std::string routes_table(const std::vector<v1::Route>& routes, v1::RouteView view, Style style) {
    switch (view) {
    case v1::ROUTE_VIEW_FIB:
        return fib_table(routes, style);
    case v1::ROUTE_VIEW_ADJ_IN:
    case v1::ROUTE_VIEW_ADJ_OUT:
        return adjacent_table(routes, view, style);
    default:
        return loc_table(routes, style);
    }
}

std::string routes_json(const std::vector<v1::Route>& routes) {
    Json list = Json::array();
    for (const v1::Route& route : routes)
        list.push_back(to_json(route));
    return pretty(Json{{"routes", std::move(list)}});
}

std::string route_details(const v1::Route& route, v1::RouteView view, Style style) {
    Details details;
    details.add("prefix", Cell(route.prefix() + (route.best() ? "  best" : "") + (route.stale() ? "  stale" : ""),
                               route.stale()  ? Tone::warning
                               : route.best() ? Tone::good
                                              : Tone::plain));
    details.add_if("network", route.network().empty() ? std::string{}
                                                      : fmt::format("{} (VNI {})", route.network(), route.vni()));
    details.add("next hop", route.next_hop());
    details.add_if("why", route.why());
    if (view == v1::ROUTE_VIEW_FIB) {
        details.add("identity", std::uint64_t{route.identity()});
        details.add("state", fib_state(route));
    } else {
        details.add("peer", route.peer().empty() ? "none: this host's own" : route.peer());
        details.add("AS path", as_path_of(route));
        details.add_if("origin", route.origin());
        details.add_if("local pref", with_optional(route.has_local_pref(), route.local_pref()));
        details.add_if("MED", with_optional(route.has_med(), route.med()));
    }
    details.add_if("RD", route.rd());
    details.add_if("label", route.label() == 0 ? std::string{} : std::to_string(route.label()));
    details.add_if("router MAC", route.router_mac());
    details.add_if("originator", route.originator_id());
    details.add_if("clusters", fmt::format("{}", fmt::join(route.cluster_list(), " ")));
    details.add_if("communities", fmt::format("{}", fmt::join(route.extended_communities(), "\n")));
    std::vector<std::string> large;
    for (const v1::LargeCommunity& community : route.large_communities())
        large.push_back(fmt::format("{}:{}:{}", community.global(), community.local1(), community.local2()));
    details.add_if("large comm.", join(large, "\n"));
    details.add_if("labels", fmt::format("{}", fmt::join(route.labels(), "\n")));
    details.add_if("NLRI", route.nlri());
    return details.render(style);
}

std::string route_event_line(const v1::RouteEvent& event, Style style) {
    const v1::Route& route = event.route();
    std::string text =
        route.network().empty() ? route.prefix() : fmt::format("{} {}", route.network(), route.prefix());
    if (!route.next_hop().empty()) text += fmt::format(" via {}", route.next_hop());
    if (!route.peer().empty()) text += fmt::format(" from {}", route.peer());
    if (route.stale()) text += ", stale";
    if (!route.why().empty()) text += fmt::format(" ({})", route.why());
    return fmt::format("{} {}\n", event.withdrawn() ? style.paint("-", Tone::bad) : style.paint("+", Tone::good),
                       style.paint(text, Tone::plain));
}

} // namespace weft::ctl
