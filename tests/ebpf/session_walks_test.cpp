// SPDX-License-Identifier: BSD-3-Clause
// Sessions as the agent asks about them, on real maps: listed in parts, counted, and ended so that no copy of one is
// used any more.
#include <set>

#include "ebpf/session_walk.hpp"
#include "tests/ebpf/open_fast_path.hpp"

namespace weft::ebpf {
namespace {

constexpr std::uint32_t vni = 4000;

weft_session_key key_of(std::uint32_t number, std::uint32_t network) {
    weft_session_key key{};
    key.low.words[3] = number;
    key.high.words[3] = ~0U;
    key.vni_protocol = network << 8 | WEFT_PROTO_UDP;
    return key;
}

class EbpfSessionWalks : public OpenFastPath {
  protected:
    void SetUp() override {
        OpenFastPath::SetUp();
        if (IsSkipped()) return;
        options_.entries["sessions"] = 32768;
        restart();
        maps_.emplace(MapSet::open(options_).value());
    }

    const Map& sessions() const { return (*maps_)["sessions"]; }

    void open(std::uint32_t number, std::uint32_t network = vni, std::uint16_t account = 0) {
        const weft_session_key key = key_of(number, network);
        weft_session_value value{};
        value.last_seen_s = SessionSweeper::clock_s();
        value.rule = number;
        value.state = WEFT_SESSION_NEW;
        value.account = account;
        ASSERT_TRUE(sessions().set(&key, &value));
    }

    bool exists(std::uint32_t number, std::uint32_t network = vni) {
        const weft_session_key key = key_of(number, network);
        weft_session_value value;
        return sessions().find(&key, &value).value();
    }

    std::uint32_t epoch() {
        const std::uint32_t word = WEFT_EPOCH;
        std::uint32_t value = 0;
        EXPECT_TRUE((*maps_)["epoch"].find(&word, &value).value());
        return value;
    }

    static fastpath::SessionsRequest of_network(std::uint32_t network, std::uint64_t most) {
        fastpath::SessionsRequest request;
        request.mutable_filter()->set_vni(network);
        request.set_most(most);
        return request;
    }

    /// All parts of an answer.
    std::vector<fastpath::SessionsReply> list(const fastpath::SessionsRequest& request) {
        std::vector<fastpath::SessionsReply> parts;
        fast_path_->sessions(request, [&](Result<fastpath::SessionsReply> part) {
            ASSERT_TRUE(part) << part.error().message;
            parts.push_back(*std::move(part));
        });
        loop_.restart();
        loop_.run();
        return parts;
    }

    Result<std::uint64_t> flush(std::uint32_t network) {
        fastpath::FlushSessionsRequest request;
        request.mutable_filter()->set_vni(network);
        return answer<std::uint64_t>([&](auto done) { fast_path_->flush_sessions(request, done); });
    }

    std::optional<MapSet> maps_;
};

TEST_F(EbpfSessionWalks, ListIsTheWholeMapInParts) {
    constexpr std::uint32_t count = 5000;
    for (std::uint32_t number = 1; number <= count; ++number)
        open(number);
    const auto parts = list(of_network(0, 1'000'000));
    EXPECT_GE(parts.size(), count / SessionWalk::slice);
    std::set<std::uint32_t> rules;
    for (const auto& part : parts) {
        EXPECT_EQ(part.last(), &part == &parts.back());
        EXPECT_LE(static_cast<std::size_t>(part.sessions_size()), SessionWalk::slice);
        for (const auto& session : part.sessions())
            EXPECT_TRUE(rules.insert(session.rule()).second) << session.rule() << " came twice";
    }
    EXPECT_EQ(rules.size(), count);
    EXPECT_EQ(parts.back().matched(), count);
    EXPECT_EQ(parts.back().used(), count);
    EXPECT_EQ(parts.back().capacity(), sessions().capacity());
}

TEST_F(EbpfSessionWalks, NoMoreAreToldThanWereAskedForButAllAreCounted) {
    for (std::uint32_t number = 1; number <= 3000; ++number)
        open(number, number % 2 == 0 ? vni : vni + 1);
    for (const std::uint64_t most : {0, 3, 1400}) {
        std::uint64_t told = 0;
        const auto parts = list(of_network(vni, most));
        for (const auto& part : parts)
            told += static_cast<std::uint64_t>(part.sessions_size());
        EXPECT_EQ(told, most);
        ASSERT_FALSE(parts.empty());
        EXPECT_EQ(parts.back().matched(), 1500U);
        EXPECT_EQ(parts.back().used(), 3000U);
    }
}

TEST_F(EbpfSessionWalks, FlushEndsThoseThatMatchAndOutdatesCopies) {
    for (std::uint32_t number = 1; number <= 3000; ++number)
        open(number, number % 3 == 0 ? vni : vni + 1);
    const std::uint32_t before = epoch();
    const auto flushed = flush(vni);
    ASSERT_TRUE(flushed) << flushed.error().message;
    EXPECT_EQ(*flushed, 1000U);
    EXPECT_NE(epoch(), before);
    for (std::uint32_t number = 1; number <= 3000; ++number)
        EXPECT_EQ(exists(number, number % 3 == 0 ? vni : vni + 1), number % 3 != 0) << number;
}

TEST_F(EbpfSessionWalks, FlushTakesThemOutOfTheBooks) {
    constexpr std::uint32_t port = 7;
    const std::uint32_t account = weft_account_of(port, WEFT_ACCEPTED);
    const weft_account books{.sessions = 3, .half_open = 0};
    ASSERT_TRUE((*maps_)["accounts"].set(&account, &books));
    for (std::uint32_t number = 1; number <= 3; ++number)
        open(number, number == 3 ? vni + 1 : vni, static_cast<std::uint16_t>(account));
    const auto accepted = [&] {
        const auto parts = list(of_network(0, 0));
        const auto& endpoints = parts.back().endpoints();
        return endpoints.size() == 1 && endpoints[0].port() == port ? endpoints[0].accepted() : 0;
    };
    EXPECT_EQ(accepted(), 3U);
    EXPECT_EQ(flush(vni).value(), 2U);
    EXPECT_EQ(accepted(), 1U);
}

TEST_F(EbpfSessionWalks, FlushOfNothingOutdatesNothing) {
    open(1);
    const std::uint32_t before = epoch();
    EXPECT_EQ(flush(vni + 1).value(), 0U);
    EXPECT_EQ(epoch(), before);
    EXPECT_TRUE(exists(1));
}

// The worker begins at once, so a walk may be over before this thread has asked for more. One that lets nobody in is
// told of first, however often it is tried.
TEST_F(EbpfSessionWalks, OthersAreAnsweredBetweenSlices) {
    std::string heard;
    for (int attempt = 0; attempt < 50 && !heard.starts_with("ii"); ++attempt) {
        heard.clear();
        for (std::uint32_t number = 1; number <= 20 * SessionWalk::slice; ++number)
            open(number);
        fast_path_->sessions(of_network(0, 0), [&](auto part) { heard += part.value().last() ? 'c' : '.'; });
        fast_path_->info([&](auto) { heard += 'i'; });
        fastpath::FlushSessionsRequest all;
        fast_path_->flush_sessions(all, [&](auto flushed) { heard += flushed.value() > 0 ? 'f' : 'F'; });
        fast_path_->info([&](auto) { heard += 'i'; });
        loop_.restart();
        loop_.run();
        ASSERT_EQ(std::set<char>(heard.begin(), heard.end()), (std::set<char>{'c', 'f', 'i'}));
    }
    EXPECT_EQ(heard.substr(0, 2), "ii") << heard;
}

TEST_F(EbpfSessionWalks, AreAnsweredBeforeItEnds) {
    for (std::uint32_t number = 1; number <= 5 * SessionWalk::slice; ++number)
        open(number);
    std::uint64_t matched = 0;
    std::uint64_t flushed = 0;
    fast_path_->sessions(of_network(0, 0), [&](auto part) { matched = part.value().matched(); });
    fastpath::FlushSessionsRequest all;
    fast_path_->flush_sessions(all, [&](auto count) { flushed = count.value(); });
    fast_path_.reset();
    loop_.restart();
    loop_.run();
    EXPECT_GT(matched, 0U);
    EXPECT_EQ(flushed, 5 * SessionWalk::slice);
}

TEST_F(EbpfSessionWalks, ListThatIsNotThroughIsToldOfTheEnd) {
    for (std::uint32_t number = 1; number <= 5 * SessionWalk::slice; ++number)
        open(number);
    std::vector<Result<fastpath::SessionsReply>> parts;
    fast_path_->sessions(of_network(0, 1'000'000), [&](auto part) { parts.push_back(std::move(part)); });
    fast_path_.reset(); // the loop has not taken the first part yet
    loop_.restart();
    loop_.run();
    ASSERT_EQ(parts.size(), 2U);
    EXPECT_TRUE(parts[0]);
    ASSERT_FALSE(parts[1]);
    EXPECT_EQ(parts[1].error().code, ErrorCode::unavailable);
}

TEST_F(EbpfSessionWalks, WrongFilterIsRefused) {
    const auto refused = flush(1U << 24);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid);
    const auto listed = answer<fastpath::SessionsReply>(
        [&](auto done) { fast_path_->sessions(of_network(1U << 24, 1), std::move(done)); });
    ASSERT_FALSE(listed);
    EXPECT_EQ(listed.error().code, ErrorCode::invalid);
}

} // namespace
} // namespace weft::ebpf
