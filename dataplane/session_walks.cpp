// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/session_walks.hpp"

#include "dataplane/api/account_wire.hpp"
#include "dataplane/api/session_wire.hpp"
#include "dataplane/api/trace_limits.hpp"

namespace weft::dataplane {

Result<void> SessionWalks::start(const fastpath::Request& request, const std::shared_ptr<Client>& client) {
    const bool flushes = request.has_flush_sessions();
    auto matcher =
        fastpath::SessionMatcher::make(flushes ? request.flush_sessions().filter() : request.sessions().filter());
    if (!matcher) return std::unexpected(std::move(matcher).error());
    walks_.push_back({.request = request.id(),
                      .client = client,
                      .matcher = *std::move(matcher),
                      .flushes = flushes,
                      .most = request.sessions().most()});
    return {};
}

void SessionWalks::pump(std::uint32_t now_s) {
    if (walks_.empty()) return;
    Walk walk = std::move(walks_.front());
    walks_.pop_front();
    const auto client = walk.client.lock();
    if (!client) return;
    // Who reads slowly waits for the rest, and nobody for him.
    if (client->unread() < fastpath::trace_unread_max)
        walk.flushes ? flush(walk, *client, now_s) : list(walk, *client, now_s);
    if (walk.at < sessions_.bucket_count()) walks_.push_back(std::move(walk));
}

void SessionWalks::list(Walk& walk, Client& client, std::uint32_t now_s) const {
    fastpath::Reply reply;
    reply.set_id(walk.request);
    auto& answer = *reply.mutable_sessions();
    sessions_.look(walk.at, slice, [&](const weft_session_key& key, const weft_session_value& value) {
        if (!walk.matcher.matches(key, value, now_s)) return;
        ++walk.matched;
        if (walk.told == walk.most) return;
        ++walk.told;
        *answer.add_sessions() = fastpath::to_message(key, value, now_s);
        if (answer.sessions_size() < fastpath::session_message_max) return;
        client.answer(reply);
        answer.clear_sessions();
    });
    walk.at += slice;
    answer.set_last(walk.at >= sessions_.bucket_count());
    if (answer.last()) {
        answer.set_matched(walk.matched);
        answer.set_used(sessions_.size());
        answer.set_capacity(sessions_.capacity());
        const auto capacity = static_cast<std::uint32_t>(sessions_.capacity());
        fastpath::add_quota(answer, weft_quota_of(tables_.host().session_quota, capacity));
        sessions_.accounts().each([&](fastpath::EndpointSessions of) { *answer.add_endpoints() = std::move(of); });
    }
    if (answer.last() || !answer.sessions().empty()) client.answer(reply);
}

void SessionWalks::flush(Walk& walk, Client& client, std::uint32_t now_s) {
    walk.matched +=
        sessions_.close_if(walk.at, slice, [&](const weft_session_key& key, const weft_session_value& value) {
            return walk.matcher.matches(key, value, now_s);
        });
    walk.at += slice;
    if (walk.at < sessions_.bucket_count()) return;
    // A burst that found a session before it was closed goes by it to its end.
    quiescence_.wait();
    fastpath::Reply reply;
    reply.set_id(walk.request);
    reply.mutable_sessions_flushed()->set_flushed(walk.matched);
    client.answer(reply);
}

} // namespace weft::dataplane
