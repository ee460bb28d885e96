// SPDX-License-Identifier: BSD-3-Clause
#include "ebpf/session_walks.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "dataplane/api/session_wire.hpp"
#include "ebpf/session_sweeper.hpp"

namespace weft::ebpf {

void SessionWalks::list(const fastpath::SessionsRequest& request, fastpath::SessionsSink sink) {
    auto matcher = fastpath::SessionMatcher::make(request.filter());
    if (!matcher)
        return boost::asio::post(
            loop_, [sink = std::move(sink), error = std::move(matcher).error()] { sink(std::unexpected(error)); });
    auto listing = std::make_shared<Listing>(SessionWalk(sessions(), *std::move(matcher)), std::move(sink),
                                             boost::asio::make_work_guard(loop_), request.most());
    go_on_later(std::move(listing));
}

void SessionWalks::go_on_later(std::shared_ptr<Listing> listing) {
    boost::asio::post(worker_, [this, listing = std::move(listing)]() mutable { go_on(std::move(listing)); });
}

void SessionWalks::tell_last(const std::shared_ptr<Listing>& listing, Result<fastpath::SessionsReply> part) {
    listing->awaited.reset();
    listing->sink(std::move(part));
}

void SessionWalks::go_on(std::shared_ptr<Listing> listing) {
    fastpath::SessionsReply part;
    const std::uint32_t now_s = SessionSweeper::clock_s();
    const auto ended = listing->walk.look(now_s, [&](const weft_session_key& key, const weft_session_value& value) {
        if (listing->told == listing->most) return;
        ++listing->told;
        *part.add_sessions() = fastpath::to_message(key, value, now_s);
    });
    if (ended && !*ended) {
        if (part.sessions().empty()) return go_on_later(std::move(listing));
        boost::asio::post(loop_, [this, alive = std::weak_ptr(alive_), listing = std::move(listing),
                                  part = std::move(part)]() mutable {
            listing->sink(std::move(part));
            if (alive.expired())
                tell_last(listing, fail(ErrorCode::unavailable, "the fast path has ended"));
            else
                go_on_later(std::move(listing));
        });
        return;
    }
    part.set_last(true);
    part.set_matched(listing->walk.matched());
    part.set_used(listing->walk.seen());
    part.set_capacity(sessions().capacity());
    fastpath::add_quota(part, tables_.session_quota());
    accounts_.each([&](fastpath::EndpointSessions of) { *part.add_endpoints() = std::move(of); });
    auto told = ended ? Result<fastpath::SessionsReply>(std::move(part)) : std::unexpected(ended.error());
    boost::asio::post(loop_, [listing = std::move(listing), told = std::move(told)]() mutable {
        tell_last(listing, std::move(told));
    });
}

void SessionWalks::flush(const fastpath::FlushSessionsRequest& request, fastpath::Done<std::uint64_t> done) {
    auto matcher = fastpath::SessionMatcher::make(request.filter());
    if (!matcher)
        return boost::asio::post(
            loop_, [done = std::move(done), error = std::move(matcher).error()] { done(std::unexpected(error)); });
    auto flush = std::make_shared<Flush>(SessionWalk(sessions(), *std::move(matcher)), std::move(done),
                                         boost::asio::make_work_guard(loop_));
    boost::asio::post(worker_, [this, flush = std::move(flush)]() mutable { go_on(std::move(flush)); });
}

void SessionWalks::go_on(std::shared_ptr<Flush> flush) {
    const auto ended = flush->walk.flush(SessionSweeper::clock_s(), accounts_);
    if (ended && !*ended)
        return boost::asio::post(worker_, [this, flush = std::move(flush)]() mutable { go_on(std::move(flush)); });
    Result<std::uint64_t> told =
        ended ? Result<std::uint64_t>(flush->walk.matched()) : std::unexpected(ended.error());
    // Also when it failed on its way: what it erased until then is gone.
    if (flush->walk.matched() > 0)
        if (auto outdated = tables_.outdate_sessions(); !outdated && told)
            told = std::unexpected(std::move(outdated).error());
    boost::asio::post(loop_, [flush = std::move(flush), told = std::move(told)]() mutable {
        flush->awaited.reset();
        flush->done(std::move(told));
    });
}

} // namespace weft::ebpf
