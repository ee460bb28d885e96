// SPDX-License-Identifier: BSD-3-Clause
// SessionAccounts: what each account (pipeline/account.h) has in the session table. Who changes the table says so
// under the bucket's lock, so that the books are exact; nobody writes here while a session's packets only go by.
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "dataplane/api/account_wire.hpp"
#include "dataplane/pipeline/account.h"

namespace weft::dataplane {

class SessionAccounts {
  public:
    void opened(const weft_session_key& key, const weft_session_value& value) { add(key, value, 1); }

    void ended(const weft_session_key& key, const weft_session_value& value) { add(key, value, -1); }

    /// Another value stands under the key now.
    void changed(const weft_session_key& key, const weft_session_value& before, const weft_session_value& after) {
        const bool same_books = before.account == after.account &&
                                weft_session_is_half_open(&key, &before) == weft_session_is_half_open(&key, &after);
        if (same_books) [[likely]]
            return;
        ended(key, before);
        opened(key, after);
    }

    [[nodiscard]] weft_account read(std::uint32_t account) const {
        const Account& held = accounts_[account];
        return {.sessions = held.sessions.load(std::memory_order_relaxed),
                .half_open = held.half_open.load(std::memory_order_relaxed)};
    }

    /// visit(fastpath::EndpointSessions) for each endpoint that has any.
    template <class Visit>
    void each(Visit visit) const {
        fastpath::each_endpoint_sessions([this](std::uint32_t account) { return read(account); }, visit);
    }

  private:
    struct Account {
        std::atomic<std::int32_t> sessions = 0;
        std::atomic<std::int32_t> half_open = 0;
    };

    void add(const weft_session_key& key, const weft_session_value& value, std::int32_t one) {
        Account& account = accounts_[value.account];
        account.sessions.fetch_add(one, std::memory_order_relaxed);
        if (weft_session_is_half_open(&key, &value) != 0) account.half_open.fetch_add(one, std::memory_order_relaxed);
    }

    std::vector<Account> accounts_{WEFT_ACCOUNTS};
};

} // namespace weft::dataplane
