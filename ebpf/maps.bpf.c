// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The maps alone, without a program: what map_set.cpp makes and pins.
#include "ebpf/maps.bpf.h"

char weft_license[] SEC("license") = "Dual BSD/GPL";
