// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/session_accounts.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace weft::ebpf {

namespace {

static_assert(sizeof(weft_account) == 8, "an array's entries stand eight bytes apart");

std::size_t mapped_bytes() {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return (WEFT_ACCOUNTS * sizeof(weft_account) + page - 1) / page * page;
}

/// By how much what a walk saw lies outside of what the books had from its beginning to its end. What lies between
/// may have come behind the walk's back.
std::int32_t outside(std::int32_t seen, std::int32_t began, std::int32_t now) {
    return seen - std::clamp(seen, std::min(began, now), std::max(began, now));
}

/// What two walks agree on.
std::int32_t common(std::int32_t a, std::int32_t b) {
    if (a > 0 && b > 0) return std::min(a, b);
    return a < 0 && b < 0 ? std::max(a, b) : 0;
}

} // namespace

Result<SessionAccounts> SessionAccounts::open(const Map& map) {
    if (map.capacity() != WEFT_ACCOUNTS)
        return fail(ErrorCode::unsupported, fmt::format("the eBPF map {} has {} entries, not {}: make it anew (weftd "
                                                        "--purge)",
                                                        map.name(), map.capacity(), int{WEFT_ACCOUNTS}));
    void* const pages = mmap(nullptr, mapped_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, map.descriptor(), 0);
    if (pages == MAP_FAILED) return std::unexpected(map.error("map", errno));
    return SessionAccounts(static_cast<weft_account*>(pages));
}

SessionAccounts::SessionAccounts(weft_account* accounts) : accounts_(accounts) {
    for (std::uint32_t account = 0; account < WEFT_ACCOUNTS; ++account)
        walks_[account].began = read(account);
}

SessionAccounts::SessionAccounts(SessionAccounts&& other) noexcept :
    accounts_(std::exchange(other.accounts_, nullptr)), walks_(std::move(other.walks_)) {}

SessionAccounts::~SessionAccounts() {
    if (accounts_ != nullptr) munmap(accounts_, mapped_bytes());
}

weft_account SessionAccounts::read(std::uint32_t account) const {
    weft_account& held = accounts_[account];
    return {.sessions = std::atomic_ref(held.sessions).load(std::memory_order_relaxed),
            .half_open = std::atomic_ref(held.half_open).load(std::memory_order_relaxed)};
}

void SessionAccounts::add(std::uint32_t account, weft_account more) {
    weft_account& held = accounts_[account];
    std::atomic_ref(held.sessions).fetch_add(more.sessions, std::memory_order_relaxed);
    std::atomic_ref(held.half_open).fetch_add(more.half_open, std::memory_order_relaxed);
}

void SessionAccounts::ended(const weft_session_key& key, const weft_session_value& value) {
    if (value.account >= WEFT_ACCOUNTS) return;
    const std::int32_t half_open = weft_session_is_half_open(&key, &value);
    add(value.account, {.sessions = -1, .half_open = -half_open});
    weft_account& began = walks_[value.account].began;
    --began.sessions;
    began.half_open -= half_open;
}

void SessionAccounts::seen(const weft_session_key& key, const weft_session_value& value) {
    if (value.account >= WEFT_ACCOUNTS) return;
    weft_account& seen = walks_[value.account].seen;
    ++seen.sessions;
    seen.half_open += weft_session_is_half_open(&key, &value);
}

void SessionAccounts::audit() {
    for (std::uint32_t account = 0; account < WEFT_ACCOUNTS; ++account) {
        Walk& walk = walks_[account];
        const weft_account now = read(account);
        weft_account beside{.sessions = outside(walk.seen.sessions, walk.began.sessions, now.sessions),
                            .half_open = outside(walk.seen.half_open, walk.began.half_open, now.half_open)};
        const weft_account wrong{.sessions = common(walk.beside.sessions, beside.sessions),
                                 .half_open = common(walk.beside.half_open, beside.half_open)};
        if (wrong.sessions != 0 || wrong.half_open != 0) {
            add(account, wrong);
            beside.sessions -= wrong.sessions;
            beside.half_open -= wrong.half_open;
        }
        walk = {.began = read(account), .seen = {}, .beside = beside};
    }
}

} // namespace weft::ebpf
