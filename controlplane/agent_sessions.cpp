// SPDX-License-Identifier: BSD-3-Clause
// Sessions: the fast path's are listed, counted and ended here by the names that operators give them.
#include <limits>

#include <spdlog/spdlog.h>

#include "controlplane/agent.hpp"
#include "controlplane/session_view.hpp"

namespace weft::agent {

void Agent::ask_sessions(const v1::SessionFilter& filter, std::uint64_t most, fastpath::SessionsSink sink) {
    auto resolved = resolve_sessions(filter, config_.networks, endpoints_->all());
    if (!resolved) return sink(std::unexpected(std::move(resolved).error()));
    const auto fast_path = provider_->running();
    if (!fast_path) return sink(std::unexpected(fast_path.error()));
    fastpath::SessionsRequest request;
    *request.mutable_filter() = *std::move(resolved);
    request.set_most(most);
    (*fast_path)->sessions(std::move(request), std::move(sink));
}

void Agent::list_sessions(const v1::ListSessionsRequest& request,
                          const std::function<void(v1::ListSessionsReply)>& take, const Done<void>& done) {
    const std::uint64_t most = request.most() != 0 ? request.most() : std::numeric_limits<std::uint64_t>::max();
    ask_sessions(
        request.filter(), most,
        [take, done, names = std::make_shared<HostNames>(host_names())](const Result<fastpath::SessionsReply>& part) {
            if (!part) return done(std::unexpected(part.error()));
            v1::ListSessionsReply reply;
            for (const auto& session : part->sessions())
                *reply.add_sessions() = to_api(session, *names);
            reply.set_matched(part->matched());
            take(std::move(reply));
            if (part->last()) done({});
        });
}

void Agent::count_sessions(const v1::SessionFilter& filter, const Done<v1::CountSessionsReply>& done) {
    ask_sessions(filter, 0, [this, done](const Result<fastpath::SessionsReply>& part) {
        if (!part) return done(std::unexpected(part.error()));
        if (!part->last()) return;
        v1::CountSessionsReply reply;
        reply.set_matched(part->matched());
        reply.set_used(part->used());
        reply.set_capacity(part->capacity());
        reply.set_quota(part->quota());
        reply.set_unanswered_quota(part->unanswered_quota());
        const HostNames names = host_names();
        for (const auto& endpoint : part->endpoints())
            *reply.add_endpoints() = to_api(endpoint, names);
        done(std::move(reply));
    });
}

void Agent::flush_sessions(const v1::SessionFilter& filter, const Done<v1::FlushSessionsReply>& done) {
    auto resolved = resolve_sessions(filter, config_.networks, endpoints_->all());
    if (!resolved) return done(std::unexpected(std::move(resolved).error()));
    const auto fast_path = provider_->running();
    if (!fast_path) return done(std::unexpected(fast_path.error()));
    fastpath::FlushSessionsRequest request;
    *request.mutable_filter() = *std::move(resolved);
    (*fast_path)->flush_sessions(std::move(request), [done](const Result<std::uint64_t>& flushed) {
        if (!flushed) return done(std::unexpected(flushed.error()));
        spdlog::info("{} sessions are ended by request", *flushed);
        v1::FlushSessionsReply reply;
        reply.set_flushed(*flushed);
        done(std::move(reply));
    });
}

} // namespace weft::agent
