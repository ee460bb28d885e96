// SPDX-License-Identifier: BSD-3-Clause
// weft_view: what pipeline/decision.h, pipeline/admit.h and pipeline/trace_rule.h ask of the tables and sessions of
// this fast path. One for a burst, which sees one epoch.
#pragma once

#include "dataplane/rule_hits.hpp"
#include "dataplane/session_table.hpp"
#include "dataplane/tables.hpp"

struct weft_view {
    std::uint32_t epoch;
    std::uint32_t now_s;
    const weft_endpoint* sender;
    const weft::dataplane::Network* network; ///< that was asked for last, or null
    const weft::dataplane::Tables* tables;
    weft::dataplane::SessionTable* sessions;
    weft::dataplane::WorkerHits* hits; ///< null: for who counts nothing
};

// These know what a view has.
#include "dataplane/pipeline/forward.h"
#include "dataplane/pipeline/trace_rule.h"

static inline weft_route_value weft_find_route(const weft_view* view, std::uint32_t vni,
                                               const weft_address* address) {
    const auto* const network =
        view->network != nullptr && view->network->vni == vni ? view->network : view->tables->network(vni);
    return network != nullptr ? view->tables->route(*network, *address) : weft_route_value{};
}

static inline const weft_next_hop* weft_find_next_hop(const weft_view* view, std::uint32_t id) {
    return view->tables->next_hop(id);
}

static inline const weft_endpoint* weft_find_endpoint(const weft_view* view, std::uint32_t port) {
    return view->tables->endpoint(port);
}

static inline std::uint64_t weft_find_verdicts(const weft_view* view, const weft_policy_key* key) {
    return reinterpret_cast<std::uint64_t>(view->tables->verdicts(*key));
}

static inline const weft_verdict_block* weft_find_verdict_block(const weft_view*, std::uint64_t list,
                                                                std::uint32_t block) {
    return &reinterpret_cast<const weft::dataplane::VerdictList*>(list)->blocks[block - 1];
}

static inline int weft_find_session(const weft_view* view, const weft_session_key* key, weft_session_value* session) {
    return view->sessions->find(*key, view->sessions->hash(*key), *session) ? 1 : 0;
}

static inline int weft_open_session(const weft_view* view, const weft_session_key* key,
                                    const weft_session_value* session) {
    return view->sessions->open(*key, view->sessions->hash(*key), *session) ? 1 : 0;
}

static inline void weft_update_session(const weft_view* view, const weft_packet* packet,
                                       const weft_session_value* session, int) {
    view->sessions->update(packet->key, packet->hash, *session);
}

static inline weft_drop_reason weft_ask_account(const weft_view* view, std::uint32_t account, std::uint32_t needs) {
    const auto capacity = static_cast<std::uint32_t>(view->sessions->capacity());
    return weft_check_quota(view->sessions->accounts().read(account),
                            weft_quota_of(view->tables->host().session_quota, capacity), needs);
}

WEFT_STAGE weft_drop_reason weft_decide_flow(const weft_view* view, std::uint32_t vni, const weft_flow* flow,
                                             const weft_endpoint* sender, weft_decision* decision) {
    return weft_decide(view, vni, flow, sender, decision);
}

static inline void weft_count_hit(const weft_view* view, std::uint32_t rule, weft_hit hit) {
    if (rule == 0) return;
    if (auto* const hits = view->hits->find(rule)) weft_add_hit(hits, hit);
}

static inline void weft_note_decision(const weft_view* view, std::uint32_t decided, std::uint32_t audited_rule) {
    view->hits->note({decided, audited_rule});
}
