/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* U4 and U5: is there a network with the tunnel's VNI, and a VTEP with its source? */
#pragma once

#include "ebpf/scratch.bpf.h"

/* Packets come in trains from one VTEP and network: those need no second look. */
WEFT_INLINE int weft_check_tunnel(struct weft_scratch* scratch, __u32 epoch_now) {
    const struct weft_outer* const outer = &scratch->outer;
    if (scratch->known_epoch == epoch_now && scratch->known_vni != 0 && scratch->known_vni == outer->vni &&
        weft_address_equal(&scratch->known_vtep, &outer->source))
        return WEFT_DROP_none;
    if (!bpf_map_lookup_elem(&networks, &outer->vni)) return WEFT_DROP_unknown_vni;
    if (!bpf_map_lookup_elem(&vteps, &outer->source)) return WEFT_DROP_unknown_vtep;
    scratch->known_epoch = epoch_now;
    scratch->known_vni = outer->vni;
    scratch->known_vtep = outer->source;
    return WEFT_DROP_none;
}
