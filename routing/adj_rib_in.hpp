// SPDX-License-Identifier: BSD-3-Clause
// AdjRibIn: what one neighbour announced (RFC 4271 section 3.2), which of it is stale (RFC 4724), and how many of its
// routes networks took.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <utility>

#include "routing/attribute.hpp"
#include "routing/nlri.hpp"

namespace weft::bgp {

struct ReceivedRoute {
    Nlri nlri;
    AttributesPtr attributes;
    bool stale = false;
    bool accepted = false; ///< a network took it
};

class AdjRibIn {
  public:
    struct Events {
        std::function<bool(const ReceivedRoute&)>
            on_route; ///< new, changed, or its staleness; true: a network took it
        std::function<void(const Nlri& key)> on_withdrawn;
    };

    explicit AdjRibIn(Events events) : events_(std::move(events)) {}

    void announce(Nlri nlri, const AttributesPtr& attributes);
    void withdraw(const Nlri& nlri);
    void withdraw_all();

    void mark_stale();
    /// Withdraws what is stale.
    void sweep_stale();

    /// Tells every route again: a new network may take it.
    void tell_again();
    /// After a network went; what it had is withdrawn already.
    void recount(const std::function<bool(const ReceivedRoute&)>& accepted);

    /// By NLRI key.
    [[nodiscard]] const std::map<Nlri, ReceivedRoute>& routes() const { return routes_; }

    [[nodiscard]] std::size_t accepted() const { return accepted_; }

    [[nodiscard]] std::size_t stale() const { return stale_; }

  private:
    using Routes = std::map<Nlri, ReceivedRoute>;

    void tell(ReceivedRoute& route);
    Routes::iterator erase(Routes::iterator route);

    Events events_;
    Routes routes_;
    std::size_t accepted_ = 0;
    std::size_t stale_ = 0;
};

} // namespace weft::bgp
