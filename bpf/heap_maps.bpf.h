/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The maps through which the heap's kernel programs and user space meet. What they hold is described
 * in heap_record.h.
 */
#ifndef FLAME_BPF_HEAP_MAPS_BPF_H
#define FLAME_BPF_HEAP_MAPS_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/heap_record.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, HEAP_RECORDS_BYTES);
} heap_records SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, HEAP_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct heap_slot);
} heap_slots SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HEAP_MAX_SLOTS);
	__type(key, __u32);
	__type(value, struct heap_usage);
} heap_usage SEC(".maps") __weak;

#endif
