/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The tc program's side of the handover. */
#pragma once

#include <linux/if_packet.h>

#include "ebpf/handover.h"
#include "ebpf/scratch.bpf.h"

enum weft_handed {
    WEFT_HANDED_NOTHING = 0,
    WEFT_HANDED_OVER = 1,
    /* By another version's XDP program, which an upgrade has not replaced yet: no outer headers are left to parse,
     * and as it is the host's stack would get an inner frame. */
    WEFT_HANDED_STRANGELY = 2,
};

/* Whether there is one; then the scratch knows of the tunnel as if the outer headers had been parsed. */
WEFT_INLINE enum weft_handed weft_take_over(struct __sk_buff* skb, struct weft_outer* outer) {
    const struct weft_handover* const handover = (const void*)(long)skb->data_meta;
    const void* const end = (const void*)(long)skb->data;
    if ((const void*)&handover->vni > end || handover->mark != weft_handover_mark(hash_seed))
        return WEFT_HANDED_NOTHING;
    if (handover->kind != WEFT_HANDOVER || (const void*)(handover + 1) > end) return WEFT_HANDED_STRANGELY;
    outer->vni = handover->vni;
    outer->source = handover->source;
    /* What a device says of checksums, it says of the outer packet's: one level less is known of the inner one. */
    if (handover->unsummed) bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
    /* To the kernel it is a frame for the router MAC, which is no device's. */
    bpf_skb_change_type(skb, PACKET_HOST);
    return WEFT_HANDED_OVER;
}
