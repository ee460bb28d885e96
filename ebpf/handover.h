/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* What the uplink's XDP program tells its tc program about a frame whose outer headers it took off: bytes in front of
 * the frame, which the kernel carries along as its metadata. Nothing from a wire can put any there, but another XDP
 * program could, so that they are marked: with what all of this host's programs are loaded with since it booted. */
#pragma once

#include "dataplane/pipeline/types.h"

enum { WEFT_HANDOVER = 0x77657831 }; /* "wex1": changes with the struct, but for its first two members */

/* GRO makes one frame of segments only if this is the same in all. */
struct weft_handover {
    uint32_t kind; /* WEFT_HANDOVER */
    uint32_t mark;
    uint32_t vni;
    /* 0: checksums were right down to what the frame carries. Anything else: they were not looked at, or were wrong,
     * and no two frames in a row have the same here, so that GRO leaves each by itself. */
    uint32_t unsummed;
    struct weft_address source; /* of the outer packet: a VTEP's */
};

WEFT_STATIC_ASSERT(sizeof(struct weft_handover) == 32, "metadata has 32 bytes on every kernel that has any");

/* Of the seed that the programs are loaded with. */
WEFT_INLINE uint32_t weft_handover_mark(uint64_t seed) { return (uint32_t)(seed * 0x9e3779b97f4a7c15ULL >> 32); }
