// SPDX-License-Identifier: BSD-3-Clause
#include "routing/adj_rib_in.hpp"

#include <iterator>
#include <ranges>
#include <utility>

namespace weft::bgp {

void AdjRibIn::announce(Nlri nlri, const AttributesPtr& attributes) {
    ReceivedRoute& route = routes_[key_of(nlri)];
    stale_ -= std::size_t{route.stale};
    route.nlri = std::move(nlri);
    route.attributes = attributes;
    route.stale = false;
    tell(route);
}

void AdjRibIn::withdraw(const Nlri& nlri) {
    if (const auto route = routes_.find(key_of(nlri)); route != routes_.end()) erase(route);
}

void AdjRibIn::withdraw_all() {
    for (auto route = routes_.begin(); route != routes_.end();)
        route = erase(route);
}

void AdjRibIn::mark_stale() {
    stale_ = routes_.size();
    for (ReceivedRoute& route : routes_ | std::views::values)
        if (!std::exchange(route.stale, true)) tell(route);
}

void AdjRibIn::sweep_stale() {
    if (stale_ == 0) return;
    for (auto route = routes_.begin(); route != routes_.end();)
        route = route->second.stale ? erase(route) : std::next(route);
}

void AdjRibIn::tell_again() {
    for (ReceivedRoute& route : routes_ | std::views::values)
        tell(route);
}

void AdjRibIn::recount(const std::function<bool(const ReceivedRoute&)>& accepted) {
    accepted_ = 0;
    for (ReceivedRoute& route : routes_ | std::views::values) {
        route.accepted = accepted(route);
        accepted_ += std::size_t{route.accepted};
    }
}

void AdjRibIn::tell(ReceivedRoute& route) {
    accepted_ -= std::size_t{route.accepted};
    route.accepted = events_.on_route(route);
    accepted_ += std::size_t{route.accepted};
}

AdjRibIn::Routes::iterator AdjRibIn::erase(Routes::iterator route) {
    accepted_ -= std::size_t{route->second.accepted};
    stale_ -= std::size_t{route->second.stale};
    const auto next = std::next(route);
    const auto gone = routes_.extract(route);
    events_.on_withdrawn(gone.key());
    return next;
}

} // namespace weft::bgp
