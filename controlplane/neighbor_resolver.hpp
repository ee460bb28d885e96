// SPDX-License-Identifier: BSD-3-Clause
// NeighborResolver: from a VTEP's address to the link-layer addresses of the way there, by the kernel's own routes
// and neighbour table, watched for changes. The kernel resolves; we ask it to and read. The uplink is known by its
// name: one that is made anew, with another number and address, is followed.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "routing/net/address.hpp"

struct nl_sock;

namespace weft::agent {

struct ResolvedNeighbor {
    net::Mac source;
    net::Mac destination;

    friend bool operator==(const ResolvedNeighbor&, const ResolvedNeighbor&) = default;
};

class NeighborResolver {
  public:
    /// `on_change` is told each time the answer for a watched address changes; none: not resolved.
    using OnChange = std::function<void(const net::Address&, std::optional<ResolvedNeighbor>)>;

    [[nodiscard]] static Result<std::unique_ptr<NeighborResolver>> start(boost::asio::io_context& loop,
                                                                         std::string uplink, OnChange on_change);
    ~NeighborResolver();

    /// Begins to watch; the answer comes by on_change, at once if the kernel knows it.
    void watch(const net::Address& address);

    void forget(const net::Address& address) { watched_.erase(address); }

  private:
    struct FreeSocket {
        void operator()(nl_sock* socket) const;
    };

    using Socket = std::unique_ptr<nl_sock, FreeSocket>;

    NeighborResolver(boost::asio::io_context& loop, Socket events, Socket questions, std::string uplink,
                     OnChange on_change);

    void listen();
    void keep_fresh();
    /// The uplink as it is now; false: there is none, and it stays what it was.
    bool find_uplink();
    /// On-link address on the way: the VTEP itself, or the gateway.
    [[nodiscard]] net::Address hop_to(const net::Address& address) const;
    void ask_kernel(const net::Address& hop) const;
    /// A refresh reads the whole neighbour table, so what comes together is answered by one.
    void refresh_soon();
    void refresh();

    Socket events_;
    Socket questions_;
    std::string uplink_;
    int interface_ = 0; ///< its number; 0: not found yet
    net::Mac source_;
    OnChange on_change_;
    boost::asio::posix::stream_descriptor descriptor_;
    boost::asio::steady_timer timer_;
    boost::asio::steady_timer refresh_timer_;
    bool refresh_due_ = false;
    std::map<net::Address, std::optional<ResolvedNeighbor>> watched_;
};

} // namespace weft::agent
