/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Accounts: whose sessions they are that fill the table. Each endpoint's port has two, one of the sessions that it
 * opened and one of those that were opened to it, so that who may reach an endpoint cannot keep it from opening its
 * own. Each account has a quota. */
#pragma once

#include "dataplane/pipeline/session.h"

enum weft_account_side { WEFT_OPENED = 0, WEFT_ACCEPTED = 1 };

enum {
    WEFT_ACCOUNTS = 2 * 16384,       /* ports' numbers are smaller than half of it; accounts 0 and 1 are nobody's */
    WEFT_QUOTA_OF_TABLE = 4,         /* the part of the table that an account may fill, unless told otherwise */
    WEFT_HALF_OPEN_OF_QUOTA = 8,     /* and the part of that for half-open ones, */
    WEFT_HALF_OPEN_QUOTA_LEAST = 16, /* but that many, as far as the quota goes: clients connect in bursts */
};

/* Signed: of what two CPUs count at once one may count too much, until it is put right. */
struct weft_account {
    int32_t sessions;
    int32_t half_open; /* of these: see weft_session_is_half_open() */
};

struct weft_quota {
    int32_t sessions;
    int32_t half_open;
};

WEFT_INLINE uint32_t weft_account_of(uint32_t port, enum weft_account_side side) { return port * 2 + (uint32_t)side; }

/* 0: nobody's. */
WEFT_INLINE uint32_t weft_port_of_account(uint32_t account) { return account / 2; }

/* `asked`: sessions of one account; 0: as the table's capacity says. */
WEFT_INLINE struct weft_quota weft_quota_of(uint32_t asked, uint32_t capacity) {
    const uint32_t most = 0x7fffffff;
    const uint32_t sessions = asked != 0 ? asked : capacity / WEFT_QUOTA_OF_TABLE;
    uint32_t half_open = sessions / WEFT_HALF_OPEN_OF_QUOTA;
    if (half_open < WEFT_HALF_OPEN_QUOTA_LEAST) half_open = WEFT_HALF_OPEN_QUOTA_LEAST;
    if (half_open > sessions) half_open = sessions;
    struct weft_quota quota;
    quota.sessions = (int32_t)(sessions < most ? sessions : most);
    quota.half_open = (int32_t)half_open;
    return quota;
}

enum weft_account_needs { WEFT_NEEDS_SESSION = 1, WEFT_NEEDS_HALF_OPEN = 2 };

/* What the session's account must have room for. `old`: what the table has under its key, which makes way; null:
 * nothing. */
WEFT_INLINE uint32_t weft_needs_of(const struct weft_session_key* key, const struct weft_session_value* session,
                                   const struct weft_session_value* old) {
    const int makes_way = old && old->account == session->account;
    const int half_open =
        weft_session_is_half_open(key, session) && !(makes_way && weft_session_is_half_open(key, old));
    return (makes_way ? 0 : (uint32_t)WEFT_NEEDS_SESSION) | (half_open ? (uint32_t)WEFT_NEEDS_HALF_OPEN : 0);
}

WEFT_INLINE enum weft_drop_reason weft_check_quota(struct weft_account account, struct weft_quota quota,
                                                   uint32_t needs) {
    if ((needs & WEFT_NEEDS_SESSION) && account.sessions >= quota.sessions) return WEFT_DROP_session_quota;
    if ((needs & WEFT_NEEDS_HALF_OPEN) && account.half_open >= quota.half_open) return WEFT_DROP_half_open_quota;
    return WEFT_DROP_none;
}
