/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What a trace that runs looks like to the programs (trace.bpf.h), which share it with who runs it
 * (traced_programs.hpp). It ends with the tracing programs, and is pinned nowhere. */
#pragma once

#include "dataplane/pipeline/trace.h"

/* `trace_slots`: WEFT_TRACES_MAX of them. */
struct weft_trace_slot {
    struct weft_trace_filter filter;
    uint64_t number; /* of the trace; 0: none runs here. Written last, cleared first */
    uint32_t snap_length;
    uint32_t limited; /* whether tokens are asked for */
    int64_t tokens;   /* packets that the rate still allows */
    uint64_t lost;    /* matched, and could not be carried */
};
