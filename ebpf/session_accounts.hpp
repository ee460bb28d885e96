// SPDX-License-Identifier: BSD-3-Clause
// SessionAccounts: the map `accounts`, mapped into this process. Programs count sessions that begin, whoever erases
// them here those that end. Two CPUs that change one session at once may both count it, an agent that dies may leave
// one out, and an older layout had no accounts: so whoever walks over all sessions tells what it sees, and at the end
// what the books have too much or too little is put right.
#pragma once

#include <vector>

#include "dataplane/api/account_wire.hpp"
#include "ebpf/layout.h"
#include "ebpf/map.hpp"

namespace weft::ebpf {

class SessionAccounts {
  public:
    /// The map may be closed then.
    [[nodiscard]] static Result<SessionAccounts> open(const Map& map);
    ~SessionAccounts();

    SessionAccounts(SessionAccounts&& other) noexcept;
    SessionAccounts& operator=(SessionAccounts&&) = delete;

    /// The session was erased, having had this value.
    void ended(const weft_session_key& key, const weft_session_value& value);

    /// A walk over all sessions has come by this one, which stays.
    void seen(const weft_session_key& key, const weft_session_value& value);
    /// The walk has come to its end; the next one begins.
    void audit();

    [[nodiscard]] weft_account read(std::uint32_t account) const;

    /// visit(fastpath::EndpointSessions) for each endpoint that has any.
    template <class Visit>
    void each(Visit visit) const {
        fastpath::each_endpoint_sessions([this](std::uint32_t account) { return read(account); }, visit);
    }

  private:
    /// One account's part in a walk.
    struct Walk {
        weft_account began{};  ///< what the books had, less what was erased here since
        weft_account seen{};   ///< sessions
        weft_account beside{}; ///< what the last walk saw beside the books; positive: more
    };

    explicit SessionAccounts(weft_account* accounts);

    /// `sessions` and `half_open` more in the books.
    void add(std::uint32_t account, weft_account more);

    weft_account* accounts_;
    std::vector<Walk> walks_{WEFT_ACCOUNTS};
};

} // namespace weft::ebpf
