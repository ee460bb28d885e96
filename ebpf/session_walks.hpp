// SPDX-License-Identifier: BSD-3-Clause
// SessionWalks: what the agent asks about sessions, listed or ended. Each walk over their map is done by the worker
// in slices, between which it turns to whatever else was asked; answers come on the agent's loop, which waits for
// them.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>

#include "dataplane/api/fast_path.hpp"
#include "ebpf/session_walk.hpp"
#include "ebpf/tables.hpp"

namespace weft::ebpf {

class SessionWalks {
  public:
    /// All must outlive it, and the worker end before it.
    SessionWalks(boost::asio::io_context& loop, boost::asio::thread_pool& worker, Tables& tables,
                 SessionAccounts& accounts) :
        loop_(loop), worker_(worker), tables_(tables), accounts_(accounts) {}

    /// A list that is not through when this ends is told so.
    void list(const fastpath::SessionsRequest& request, fastpath::SessionsSink sink);
    /// `done` when no packet meets any of them.
    void flush(const fastpath::FlushSessionsRequest& request, fastpath::Done<std::uint64_t> done);

  private:
    using Awaited = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

    struct Listing {
        SessionWalk walk;
        fastpath::SessionsSink sink;
        Awaited awaited;
        std::uint64_t most; ///< sessions that are told
        std::uint64_t told = 0;
    };

    struct Flush {
        SessionWalk walk;
        fastpath::Done<std::uint64_t> done;
        Awaited awaited;
    };

    void go_on_later(std::shared_ptr<Listing> listing);
    // By the worker: a slice, and then the one after it.
    void go_on(std::shared_ptr<Listing> listing);
    void go_on(std::shared_ptr<Flush> flush);
    // By the loop:
    static void tell_last(const std::shared_ptr<Listing>& listing, Result<fastpath::SessionsReply> part);

    [[nodiscard]] const Map& sessions() const { return tables_.maps()["sessions"]; }

    boost::asio::io_context& loop_;
    boost::asio::thread_pool& worker_;
    Tables& tables_;
    SessionAccounts& accounts_;
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true); ///< the loop looks, and ends it
};

} // namespace weft::ebpf
