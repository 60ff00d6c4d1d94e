/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Maps that the core gets when it starts, of programs that are loaded when they are first needed:
 * they belong to the object that is loaded first, and the later ones use them.
 */
#include "bpf/heap_maps.bpf.h"
#include "bpf/sums.bpf.h"

char LICENSE[] SEC("license") = "GPL";
