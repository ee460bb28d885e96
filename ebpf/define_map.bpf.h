/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* How a map is defined. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define WEFT_MAP(map_type, flags, key_type, value_type, entries, name)                                               \
    struct {                                                                                                         \
        __uint(type, map_type);                                                                                      \
        __uint(map_flags, flags);                                                                                    \
        __uint(max_entries, entries);                                                                                \
        __type(key, key_type);                                                                                       \
        __type(value, value_type);                                                                                   \
    } name SEC(".maps")
