// SPDX-License-Identifier: BSD-3-Clause
// SessionWalks: the walks over the session table that agents have asked for, to list sessions or to end them. The
// control thread goes on with them between its other work, a slice at a time, and answers when a walk has something
// to tell; a walk ends with its client.
#pragma once

#include <deque>
#include <memory>

#include "dataplane/api/session_matcher.hpp"
#include "dataplane/control_server.hpp"
#include "dataplane/quiescence.hpp"
#include "dataplane/session_table.hpp"
#include "dataplane/tables.hpp"

namespace weft::dataplane {

class SessionWalks {
  public:
    SessionWalks(SessionTable& sessions, const Tables& tables, Quiescence& quiescence) :
        sessions_(sessions), tables_(tables), quiescence_(quiescence) {}

    /// A request to list or to flush sessions. It is answered under its id by pump().
    [[nodiscard]] Result<void> start(const fastpath::Request& request, const std::shared_ptr<Client>& client);
    /// One slice of one walk; `now_s` is on the workers' clock.
    void pump(std::uint32_t now_s);

    [[nodiscard]] bool running() const { return !walks_.empty(); }

    /// Buckets of one slice: one or two milliseconds, if they are full.
    static constexpr std::size_t slice = 1024;

  private:
    struct Walk {
        std::uint64_t request;
        std::weak_ptr<Client> client;
        fastpath::SessionMatcher matcher;
        bool flushes;
        std::uint64_t most = 0; ///< sessions that are told
        std::size_t at = 0;     ///< the next bucket
        std::uint64_t matched = 0;
        std::uint64_t told = 0;
    };

    void list(Walk& walk, Client& client, std::uint32_t now_s) const;
    void flush(Walk& walk, Client& client, std::uint32_t now_s);

    SessionTable& sessions_;
    const Tables& tables_;
    Quiescence& quiescence_;
    std::deque<Walk> walks_; ///< whose turn it is comes first
};

} // namespace weft::dataplane
