/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Which rule of policy decided about a traced packet: asked of the session, or of the tables, once the packet is
 * through, so that none carries it along. */
#pragma once

#include "dataplane/pipeline/admit.h"
#include "dataplane/pipeline/trace.h"

/* The packet that an ICMP error is about; any other packet is about itself. Family 0: it cannot be read. `frame` is
 * the one that `ip` was read from; `linear` of its `length` bytes are there, at most WEFT_HEADERS_MAX. */
WEFT_INLINE void weft_trace_subject(const uint8_t* frame, uint32_t linear, uint32_t length, const struct weft_ip* ip,
                                    struct weft_ip* subject) {
    if (ip->family == 0 || !weft_is_icmp_error(ip)) {
        *subject = *ip;
        return;
    }
    if (weft_parse_ip(frame, linear, length, ip->l4_offset + (uint32_t)WEFT_ICMP_SIZE, ip->family, 0, subject) !=
        WEFT_DROP_none)
        subject->family = 0;
}

/* 0: none. `subject` is whom the session table knows: the packet, or the one that an ICMP error is about; family 0:
 * it cannot be read. Needs the event's ip, vni, outer, verdict and drop_reason. */
WEFT_STAGE uint32_t weft_trace_rule(const struct weft_view* view, const struct weft_trace_event* event,
                                    const struct weft_ip* subject) {
    const int denied = weft_is_denied((enum weft_drop_reason)event->drop_reason);
    struct weft_session_key key;
    struct weft_session_value session;
    if (subject->family == 0 || event->outer || event->vni == 0) return 0;
    if (event->verdict != WEFT_TRACE_FORWARDED && !denied) return 0;
    const int from_low = weft_session_key_of(subject, event->vni, &key);
    if (subject->fragment == WEFT_FRAGMENT_LATER) key = weft_fragment_key(subject, &key);
    const int found = weft_find_session(view, &key, &session) && weft_session_is_live(view, &key, &session);
    if (!denied) return found ? session.rule : 0;
    /* What was denied is the way of the session's opener, whoever sent this packet. */
    const int reversed = found && !weft_session_begins_anew(&session, subject, from_low) &&
                         (weft_session_initiator_is_low(&session) != 0) != (from_low != 0);
    const struct weft_endpoint* const sender = reversed || weft_is_icmp_error(&event->ip) ? 0 : view->sender;
    const struct weft_flow flow = weft_flow_of(subject, reversed);
    struct weft_decision decision;
    (void)weft_decide_flow(view, event->vni, &flow, sender, &decision);
    return weft_decision_rule(&decision);
}
