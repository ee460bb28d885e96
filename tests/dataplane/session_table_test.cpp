// SPDX-License-Identifier: BSD-3-Clause
// SessionTable: capacity, expiry, many threads; raced against a std::map.
#include <array>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "dataplane/session_table.hpp"

namespace weft::dataplane {
namespace {

constexpr std::uint64_t seed = 42;

weft_session_key key_of(std::uint32_t number, std::uint32_t protocol = WEFT_PROTO_UDP) {
    weft_session_key key{};
    const std::uint8_t low[4] = {10, 0, 0, 1};
    const std::uint8_t high[4] = {10, 0, 0, 2};
    key.low = weft_address_v4(low);
    key.high = weft_address_v4(high);
    key.low_port = static_cast<std::uint16_t>(number);
    key.high_port = static_cast<std::uint16_t>(number >> 16);
    key.vni_protocol = 4000U << 8 | protocol;
    return key;
}

weft_session_value value_of(std::uint32_t number, std::uint32_t last_seen_s = 0) {
    return {.epoch = number,
            .last_seen_s = last_seen_s,
            .next_hop = {number, number},
            .rule = number,
            .state = WEFT_SESSION_NEW,
            .flags = 0,
            .account = 0};
}

std::unique_ptr<SessionTable> table_of(std::size_t capacity) { return SessionTable::make(capacity, seed).value(); }

bool open(SessionTable& table, const weft_session_key& key, const weft_session_value& value) {
    return table.open(key, table.hash(key), value);
}

std::optional<weft_session_value> find(const SessionTable& table, const weft_session_key& key) {
    weft_session_value value;
    if (!table.find(key, table.hash(key), value)) return std::nullopt;
    return value;
}

TEST(SessionTable, FindsWhatWasOpened) {
    const auto table = table_of(64);
    EXPECT_FALSE(find(*table, key_of(1)));
    ASSERT_TRUE(open(*table, key_of(1), value_of(7)));
    ASSERT_TRUE(find(*table, key_of(1)));
    EXPECT_EQ(find(*table, key_of(1))->rule, 7U);
    EXPECT_FALSE(find(*table, key_of(2)));
    EXPECT_FALSE(find(*table, key_of(1, WEFT_PROTO_TCP)));
    EXPECT_EQ(table->size(), 1U);
}

TEST(SessionTable, OpeningAgainReplaces) {
    const auto table = table_of(64);
    ASSERT_TRUE(open(*table, key_of(1), value_of(7)));
    ASSERT_TRUE(open(*table, key_of(1), value_of(8)));
    EXPECT_EQ(find(*table, key_of(1))->rule, 8U);
    EXPECT_EQ(table->size(), 1U);
}

TEST(SessionTable, AHintIsNoMoreThanThat) {
    const auto table = table_of(64);
    const auto key = key_of(1);
    const std::uint64_t hash = table->hash(key);
    const auto find_by = [&](SessionTable::Hint hint) {
        weft_session_value value{};
        return table->find(key, hash, hint, value) ? value.rule : 0;
    };
    const auto before = table->prefetch_entry(hash);
    EXPECT_EQ(before.entry, SessionTable::Hint::none);
    ASSERT_TRUE(open(*table, key, value_of(7)));
    EXPECT_EQ(find_by(before), 7U) << "opened since";
    const auto opened = table->prefetch_entry(hash);
    ASSERT_NE(opened.entry, SessionTable::Hint::none);
    EXPECT_EQ(find_by(opened), 7U);
    table->update(key, hash, value_of(8));
    EXPECT_EQ(find_by(opened), 8U) << "changed since";
    const auto updated = table->prefetch_entry(hash);
    table->close(key, hash);
    EXPECT_EQ(find_by(updated), 0U) << "closed since, though the entry still holds the key";
    ASSERT_TRUE(open(*table, key_of(2), value_of(9)));
    EXPECT_EQ(find_by(updated), 0U) << "the entry is another's";
}

TEST(SessionTable, UpdateOfNothingDoesNothing) {
    const auto table = table_of(64);
    table->update(key_of(1), table->hash(key_of(1)), value_of(7));
    EXPECT_FALSE(find(*table, key_of(1)));
    EXPECT_EQ(table->size(), 0U);
}

TEST(SessionTable, HoldsItsCapacityAndNoMore) {
    constexpr std::uint32_t capacity = 4096;
    const auto table = table_of(capacity);
    ASSERT_EQ(table->capacity(), capacity);
    for (std::uint32_t i = 0; i < capacity; ++i)
        ASSERT_TRUE(open(*table, key_of(i), value_of(i))) << i;
    EXPECT_EQ(table->size(), capacity);
    EXPECT_FALSE(open(*table, key_of(capacity), value_of(0)));
    EXPECT_EQ(table->size(), capacity);
    for (std::uint32_t i = 0; i < capacity; ++i)
        ASSERT_EQ(find(*table, key_of(i)).value_or(value_of(~0U)).rule, i);
    // A full table still changes what it has, and one that goes makes room for one.
    EXPECT_TRUE(open(*table, key_of(5), value_of(55)));
    table->close(key_of(6), table->hash(key_of(6)));
    EXPECT_TRUE(open(*table, key_of(capacity), value_of(1)));
    EXPECT_FALSE(open(*table, key_of(capacity + 1), value_of(1)));
}

TEST(SessionTable, RefusesMemoryThatIsNotThere) {
    const auto table = SessionTable::make(std::size_t{1} << 44, seed);
    ASSERT_FALSE(table);
    EXPECT_NE(table.error().message.find("--sessions"), std::string::npos) << table.error().message;
}

/// A session of an account, half-open or not.
weft_session_value charged_to(std::uint32_t account, weft_session_state state, std::uint32_t last_seen_s = 0) {
    weft_session_value value = value_of(1, last_seen_s);
    value.account = static_cast<std::uint16_t>(account);
    value.state = static_cast<std::uint8_t>(state);
    return value;
}

std::pair<int, int> held(const SessionTable& table, std::uint32_t account) {
    const weft_account has = table.accounts().read(account);
    return {has.sessions, has.half_open};
}

using Held = std::pair<int, int>; // sessions, half-open ones

TEST(SessionAccounts, FollowTheTable) {
    const auto table = table_of(64);
    constexpr std::uint32_t opened = 6;
    constexpr std::uint32_t accepted = 7;
    const auto tcp = key_of(1, WEFT_PROTO_TCP);
    const auto udp = key_of(1);
    ASSERT_TRUE(open(*table, tcp, charged_to(opened, WEFT_SESSION_NEW)));
    ASSERT_TRUE(open(*table, udp, charged_to(opened, WEFT_SESSION_NEW)));
    EXPECT_EQ(held(*table, opened), Held(2, 1)) << "of TCP alone there are half-open ones";
    table->update(tcp, table->hash(tcp), charged_to(opened, WEFT_SESSION_ESTABLISHED));
    table->update(tcp, table->hash(tcp), charged_to(opened, WEFT_SESSION_ESTABLISHED));
    EXPECT_EQ(held(*table, opened), Held(2, 0));
    // It begins anew from the other end.
    ASSERT_TRUE(open(*table, tcp, charged_to(accepted, WEFT_SESSION_NEW)));
    EXPECT_EQ(held(*table, opened), Held(1, 0));
    EXPECT_EQ(held(*table, accepted), Held(1, 1));
    table->update(key_of(2), table->hash(key_of(2)), charged_to(opened, WEFT_SESSION_NEW)); // is not there
    table->close(udp, table->hash(udp));
    table->close(udp, table->hash(udp));
    EXPECT_EQ(held(*table, opened), Held(0, 0));
    table->sweep(table->bucket_count(), 100);
    EXPECT_EQ(held(*table, accepted), Held(0, 0));
}

TEST(SessionAccounts, OfAFullTableAreNotChargedForWhatItRefuses) {
    const auto table = table_of(64);
    for (std::uint32_t number = 0; number < 70; ++number)
        EXPECT_EQ(open(*table, key_of(number), charged_to(9, WEFT_SESSION_NEW)), number < 64);
    EXPECT_EQ(held(*table, 9), Held(64, 0));
}

TEST(SessionAccounts, TellWhatEndpointsHave) {
    const auto table = table_of(64);
    ASSERT_TRUE(
        open(*table, key_of(1, WEFT_PROTO_TCP), charged_to(weft_account_of(5, WEFT_OPENED), WEFT_SESSION_NEW)));
    ASSERT_TRUE(open(*table, key_of(2), charged_to(weft_account_of(5, WEFT_ACCEPTED), WEFT_SESSION_NEW)));
    ASSERT_TRUE(open(*table, key_of(3), charged_to(weft_account_of(16383, WEFT_ACCEPTED), WEFT_SESSION_NEW)));
    std::vector<std::string> told;
    table->accounts().each([&](const fastpath::EndpointSessions& each) { told.push_back(each.ShortDebugString()); });
    EXPECT_EQ(told, (std::vector<std::string>{"port: 5 opened: 1 opened_unanswered: 1 accepted: 1",
                                              "port: 16383 accepted: 1"}));
}

TEST(SessionAccounts, KeepCountWhileWorkersAndSweeperRace) {
    const auto table = table_of(256);
    std::atomic<bool> stop = false;
    std::thread sweeper([&] {
        while (!stop.load(std::memory_order_relaxed))
            table->sweep(table->bucket_count(), 100'000); // all that is seen at second 0 is over
    });
    std::vector<std::thread> workers;
    for (std::uint32_t worker = 0; worker < 2; ++worker)
        workers.emplace_back([&, worker] {
            std::mt19937 random(worker);
            for (std::uint32_t i = 0; i < 60'000; ++i) {
                const weft_session_key key = key_of(static_cast<std::uint32_t>(random() % 100), WEFT_PROTO_TCP);
                const auto state = random() % 2 == 0 ? WEFT_SESSION_NEW : WEFT_SESSION_ESTABLISHED;
                const weft_session_value value = charged_to(2 + static_cast<std::uint32_t>(random() % 4), state);
                if (random() % 2 == 0)
                    static_cast<void>(open(*table, key, value));
                else
                    table->update(key, table->hash(key), value);
            }
        });
    for (auto& worker : workers)
        worker.join();
    stop = true;
    sweeper.join();
    table->sweep(table->bucket_count(), 100'000);
    ASSERT_EQ(table->size(), 0U);
    for (std::uint32_t account = 0; account < 8; ++account)
        EXPECT_EQ(held(*table, account), Held(0, 0)) << account;
}

struct Timeout {
    const char* name;
    std::uint32_t protocol;
    weft_session_state state;
    std::uint32_t timeout_s;
};

class SessionTimeout : public testing::TestWithParam<Timeout> {};

TEST_P(SessionTimeout, SweepClosesAfterItAndNotBefore) {
    const auto& [name, protocol, state, timeout_s] = GetParam();
    const auto table = table_of(64);
    constexpr std::uint32_t opened_s = 0xfffffff0; // the clock wraps on the way
    weft_session_value value = value_of(1, opened_s);
    value.state = static_cast<std::uint8_t>(state);
    ASSERT_TRUE(open(*table, key_of(1, protocol), value));
    table->sweep(table->bucket_count(), opened_s - 1); // another core's clock
    table->sweep(table->bucket_count(), opened_s + timeout_s);
    EXPECT_TRUE(find(*table, key_of(1, protocol)));
    table->sweep(table->bucket_count(), opened_s + timeout_s + 1);
    EXPECT_FALSE(find(*table, key_of(1, protocol)));
    EXPECT_EQ(table->size(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Of, SessionTimeout,
                         testing::Values(Timeout{"TcpNew", WEFT_PROTO_TCP, WEFT_SESSION_NEW, 30},
                                         Timeout{"TcpEstablished", WEFT_PROTO_TCP, WEFT_SESSION_ESTABLISHED, 7200},
                                         Timeout{"TcpClosing", WEFT_PROTO_TCP, WEFT_SESSION_CLOSING, 120},
                                         Timeout{"TcpClosed", WEFT_PROTO_TCP, WEFT_SESSION_CLOSED, 10},
                                         Timeout{"UdpNew", WEFT_PROTO_UDP, WEFT_SESSION_NEW, 30},
                                         Timeout{"UdpEstablished", WEFT_PROTO_UDP, WEFT_SESSION_ESTABLISHED, 180},
                                         Timeout{"SctpNew", WEFT_PROTO_SCTP, WEFT_SESSION_NEW, 30},
                                         Timeout{"SctpEstablished", WEFT_PROTO_SCTP, WEFT_SESSION_ESTABLISHED, 600},
                                         Timeout{"Icmp", WEFT_PROTO_ICMP, WEFT_SESSION_ESTABLISHED, 30},
                                         Timeout{"FragmentTrain", WEFT_PROTO_FRAGMENT, WEFT_SESSION_NEW, 15}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(SessionTable, SweepOfAFullTableFreesIt) {
    constexpr std::uint32_t capacity = 1024;
    const auto table = table_of(capacity);
    for (std::uint32_t i = 0; i < capacity; ++i)
        ASSERT_TRUE(open(*table, key_of(i), value_of(i, i % 2 == 0 ? 100 : 200)));
    for (std::size_t swept = 0; swept < table->bucket_count(); swept += 16) // in slices, as the control thread does
        table->sweep(16, 140);
    EXPECT_EQ(table->size(), capacity / 2);
    for (std::uint32_t i = 0; i < capacity; ++i)
        EXPECT_EQ(find(*table, key_of(i)).has_value(), i % 2 != 0);
    for (std::uint32_t i = 0; i < capacity; i += 2)
        EXPECT_TRUE(open(*table, key_of(i), value_of(i, 140)));
}

TEST(SessionTable, LookMeetsEachSessionOnce) {
    constexpr std::uint32_t capacity = 4096;
    const auto table = table_of(capacity);
    for (std::uint32_t i = 0; i < capacity; ++i) // full, so that some live in alternates
        ASSERT_TRUE(open(*table, key_of(i), value_of(i)));
    std::map<std::uint32_t, unsigned> met;
    for (std::size_t at = 0; at < table->bucket_count(); at += 100)
        table->look(at, 100, [&](const weft_session_key& key, const weft_session_value& value) {
            EXPECT_EQ(key.low_port | std::uint32_t{key.high_port} << 16, value.rule);
            ++met[value.rule];
        });
    EXPECT_EQ(met.size(), capacity);
    for (const auto& [number, times] : met)
        EXPECT_EQ(times, 1U) << number;
}

TEST(SessionTable, WhatIsMeantIsClosedAndTheRestStays) {
    constexpr std::uint32_t capacity = 1024;
    const auto table = table_of(capacity);
    for (std::uint32_t i = 0; i < capacity; ++i)
        ASSERT_TRUE(open(*table, key_of(i), value_of(i)));
    const auto every_third = [](const weft_session_key&, const weft_session_value& value) {
        return value.rule % 3 == 0;
    };
    std::size_t closed = 0;
    for (std::size_t at = 0; at < table->bucket_count(); at += 100)
        closed += table->close_if(at, 100, every_third);
    EXPECT_EQ(closed, (capacity + 2) / 3);
    EXPECT_EQ(table->size(), capacity - closed);
    for (std::uint32_t i = 0; i < capacity; ++i)
        EXPECT_EQ(find(*table, key_of(i)).has_value(), i % 3 != 0) << i;
    for (std::uint32_t i = 0; i < capacity; i += 3) // their entries are free
        EXPECT_TRUE(open(*table, key_of(i), value_of(i)));
    EXPECT_EQ(table->close_if(0, table->bucket_count(), [](const auto&, const auto&) { return false; }), 0U);
    EXPECT_EQ(table->size(), capacity);
}

TEST(SessionTable, LookSeesWholeSessionsWhileOthersWrite) {
    const auto table = table_of(64);
    constexpr std::uint32_t keys = 40;
    std::atomic<bool> stop = false;
    std::thread writer([&] {
        for (std::uint32_t round = 0; !stop.load(std::memory_order_relaxed); ++round) {
            const weft_session_key key = key_of(round * 7 % keys);
            const std::uint64_t hash = table->hash(key);
            const weft_session_value value = value_of(round * 7 % keys + round * keys);
            if (round % 3 == 0)
                table->close(key, hash);
            else
                static_cast<void>(table->open(key, hash, value));
        }
    });
    std::uint64_t met = 0;
    std::uint64_t torn = 0;
    while (met < 100'000)
        table->look(0, table->bucket_count(), [&](const weft_session_key& key, const weft_session_value& value) {
            ++met;
            if (value.rule % keys != key.low_port || value.epoch != value.rule || value.next_hop[1] != value.rule)
                ++torn;
        });
    stop = true;
    writer.join();
    EXPECT_EQ(torn, 0U);
}

TEST(SessionTable, RacesAMap) {
    std::mt19937 random(7);
    const auto table = table_of(256);
    std::map<std::uint32_t, std::uint32_t> reference; // number -> rule
    for (std::uint32_t round = 0; round < 200'000; ++round) {
        const auto number = static_cast<std::uint32_t>(random() % 400);
        const weft_session_key key = key_of(number);
        const std::uint64_t hash = table->hash(key);
        switch (random() % 4) {
        case 0: {
            const bool known = reference.contains(number);
            const bool opened = table->open(key, hash, value_of(round));
            ASSERT_EQ(opened, known || reference.size() < 256) << round;
            if (opened) reference[number] = round;
            break;
        }
        case 1:
            table->close(key, hash);
            reference.erase(number);
            break;
        case 2:
            table->update(key, hash, value_of(round));
            if (reference.contains(number)) reference[number] = round;
            break;
        default: {
            const auto found = find(*table, key);
            ASSERT_EQ(found.has_value(), reference.contains(number)) << round;
            ASSERT_EQ(found ? found->rule : 0, found ? reference[number] : 0) << round;
        }
        }
        ASSERT_EQ(table->size(), reference.size());
    }
}

TEST(SessionTable, ReadersSeeWholeValues) {
    const auto table = table_of(64);
    constexpr std::uint32_t keys = 40;
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> torn = 0;
    std::atomic<std::uint64_t> found_any = 0;
    std::vector<std::thread> readers;
    const auto judge = [&](std::uint32_t number, const weft_session_value& found) {
        found_any.fetch_add(1, std::memory_order_relaxed);
        // Every value written says its key and one number, everywhere.
        if (found.rule % keys != number || found.epoch != found.rule || found.next_hop[0] != found.rule ||
            found.next_hop[1] != found.rule)
            torn.fetch_add(1, std::memory_order_relaxed);
    };
    readers.emplace_back([&] {
        for (std::uint32_t number = 0; !stop.load(std::memory_order_relaxed); number = (number + 1) % keys)
            if (const auto found = find(*table, key_of(number))) judge(number, *found);
    });
    // As a burst does it: all hints first, which are old when they are used.
    readers.emplace_back([&] {
        std::array<SessionTable::Hint, keys> hints;
        while (!stop.load(std::memory_order_relaxed)) {
            for (std::uint32_t number = 0; number < keys; ++number)
                hints[number] = table->prefetch_entry(table->hash(key_of(number)));
            for (std::uint32_t number = 0; number < keys; ++number) {
                weft_session_value found;
                const weft_session_key key = key_of(number);
                if (table->find(key, table->hash(key), hints[number], found)) judge(number, found);
            }
        }
    });
    for (std::uint32_t round = 0; round < 100'000 || found_any.load() == 0; ++round) {
        const std::uint32_t number = round * 7 % keys;
        const weft_session_key key = key_of(number);
        const std::uint64_t hash = table->hash(key);
        const weft_session_value value = value_of(round * keys + number);
        if (round % 3 == 0)
            table->close(key, hash);
        else if (round % 3 == 1)
            ASSERT_TRUE(table->open(key, hash, value));
        else
            table->update(key, hash, value);
    }
    stop = true;
    for (auto& reader : readers)
        reader.join();
    EXPECT_EQ(torn.load(), 0U);
}

TEST(SessionTable, OpenersOfOneKeyShareOneSession) {
    constexpr std::uint32_t capacity = 1024;
    const auto table = table_of(capacity);
    std::vector<std::thread> openers;
    std::atomic<std::uint32_t> refused = 0;
    for (int i = 0; i < 3; ++i)
        openers.emplace_back([&] {
            for (std::uint32_t number = 0; number < capacity; ++number)
                if (!open(*table, key_of(number), value_of(number))) ++refused;
        });
    std::thread sweeper([&] {
        for (int i = 0; i < 200; ++i)
            table->sweep(64, 5); // nothing is old
    });
    for (auto& opener : openers)
        opener.join();
    sweeper.join();
    EXPECT_EQ(refused.load(), 0U);
    EXPECT_EQ(table->size(), capacity);
    for (std::uint32_t number = 0; number < capacity; ++number)
        table->close(key_of(number), table->hash(key_of(number)));
    EXPECT_EQ(table->size(), 0U);
    for (std::uint32_t number = 0; number < capacity; ++number) // every entry came back exactly once
        ASSERT_TRUE(open(*table, key_of(number + capacity), value_of(number)));
    EXPECT_FALSE(open(*table, key_of(9 * capacity), value_of(0)));
}

TEST(SessionTable, SweeperAndWorkersKeepCount) {
    constexpr std::uint32_t capacity = 256;
    const auto table = table_of(capacity);
    std::atomic<bool> stop = false;
    std::thread sweeper([&] {
        while (!stop.load(std::memory_order_relaxed))
            table->sweep(table->bucket_count(), 1000); // all that is opened at second 0 is over
    });
    std::vector<std::thread> workers;
    for (std::uint32_t worker = 0; worker < 2; ++worker)
        workers.emplace_back([&, worker] {
            for (std::uint32_t i = 0; i < 60'000; ++i) {
                const weft_session_key key = key_of(worker * 100 + i % 100);
                static_cast<void>(open(*table, key, value_of(i)));
                if (i % 2 == 0) table->close(key, table->hash(key));
            }
        });
    for (auto& worker : workers)
        worker.join();
    stop = true;
    sweeper.join();
    table->sweep(table->bucket_count(), 1000);
    EXPECT_EQ(table->size(), 0U);
    for (std::uint32_t number = 0; number < capacity; ++number)
        ASSERT_TRUE(open(*table, key_of(number), value_of(number)));
    EXPECT_FALSE(open(*table, key_of(9 * capacity), value_of(0)));
}

} // namespace
} // namespace weft::dataplane
