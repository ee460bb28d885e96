/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The tc program's side of the handover. */
#pragma once

#include <linux/if_packet.h>

#include "ebpf/handover.h"
#include "ebpf/scratch.bpf.h"

/* Whether there is one; then the scratch knows of the tunnel as if the outer headers had been parsed. */
WEFT_INLINE int weft_take_over(struct __sk_buff* skb, struct weft_outer* outer) {
    const struct weft_handover* const handover = (const void*)(long)skb->data_meta;
    if ((const void*)(handover + 1) > (const void*)(long)skb->data) return 0;
    if (handover->kind != WEFT_HANDOVER || handover->mark != weft_handover_mark(hash_seed)) return 0;
    outer->vni = handover->vni;
    outer->source = handover->source;
    /* What a device says of checksums, it says of the outer packet's: one level less is known of the inner one. */
    if (handover->unsummed) bpf_csum_level(skb, BPF_CSUM_LEVEL_DEC);
    /* To the kernel it is a frame for the router MAC, which is no device's. */
    bpf_skb_change_type(skb, PACKET_HOST);
    return 1;
}
