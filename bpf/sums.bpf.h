/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Adding events up in the kernel: sum_announce() gives the stack in scratch an id and tells user
 * space about it the first time, sum_add() counts an event there.
 */
#ifndef FLAME_BPF_SUMS_BPF_H
#define FLAME_BPF_SUMS_BPF_H

#include "bpf/sample.bpf.h"
#include "bpf/scratch.bpf.h"
#include "bpf/sums.h"

#define HASH_SEED       0x9e3779b97f4a7c15ULL
#define HASH_MULTIPLIER 0xff51afd7ed558ccdULL
#define WEIGHT_EXACT    24 /* bits of an amount that are scaled without loss */
#define VARIANCE_MAX    (1ULL << 31)

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SUMS_MAX);
	__type(key, __u64);
	__type(value, struct sum);
} sums SEC(".maps") __weak;

/* hash with value mixed into it. */
static __always_inline __u64 hash_step(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * HASH_MULTIPLIER;
	return hash ^ hash >> 29;
}

/* The frames of the sample in scratch as one number, begun with seed; never 0. */
__weak __noinline __u64 sum_hash(__u32 slot, __u64 seed)
{
	struct scratch *scratch = scratch_get(slot);
	__u64 hash = seed;
	__u32 count;

	if (!scratch)
		return 1;
	count = scratch->sample.kernel_count + scratch->sample.user_count;
	for (__u32 i = 0; i < SCRATCH_FRAMES; i++) {
		if (i >= count)
			break;
		hash = hash_step(hash, scratch->frames[i]);
	}
	return hash ? hash : 1;
}

/*
 * Return the id of the stack in the scratch of slot as one of task, which event and reason of its
 * sample belong to; 0: there is no room. An id means one thread, while it runs one program and is
 * one user's.
 */
static __always_inline __u64 sum_announce(__u32 slot, struct scratch *scratch,
					  const struct task_struct *task)
{
	struct record_sample *sample = &scratch->sample;
	__u32 frames = sample->kernel_count + sample->user_count;
	struct sum nothing = {0};
	__u64 hash = HASH_SEED, id;

	hash = hash_step(hash, task->start_boottime);
	hash = hash_step(hash,
			 (__u64)task->pid << 32 | (__u32)sample->event << 16 | sample->reason);
	/* Read as numbers: the verifier lets nobody compute with pointers. */
	hash = hash_step(hash, (__u64)BPF_CORE_READ(task, mm));
	hash = hash_step(hash, (__u64)BPF_CORE_READ(task, real_cred));
	hash = hash_step(hash, (__u64)sample->kernel_count << 16 | sample->walk_end);
	id = sum_hash(slot, hash);
	if (bpf_map_lookup_elem(&sums, &id))
		return id;
	if (bpf_map_update_elem(&sums, &id, &nothing, BPF_NOEXIST)) {
		count(KERNEL_COUNTER_LOST_SUMS);
		return 0;
	}
	sample_identify(sample, task, cgroup_id_of(task));
	if (frames > RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES)
		frames = RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES;
	sample->header.type = RECORD_SUM;
	sample->header.size = sizeof(*sample) + frames * sizeof(__u64);
	sample->time_ns = bpf_ktime_get_boot_ns();
	sample->id = id;
	count(KERNEL_COUNTER_WALK_FIRST +
	      (sample->walk_end < WALK_END_COUNT ? sample->walk_end : 0));
	/* In the scheduler: no wake-up, which would be a switch that needs a record. */
	if (bpf_ringbuf_output(&records, sample, sizeof(*sample) + frames * sizeof(__u64),
			       BPF_RB_NO_WAKEUP)) {
		bpf_map_delete_elem(&sums, &id);
		count(KERNEL_COUNTER_LOST_STACK);
		return 0;
	}
	return id;
}

/* amount times KEEP_ALL / keep. */
static __always_inline __u64 sum_weight(__u64 amount, __u32 keep)
{
	__u64 factor = (1ULL << 48) / keep; /* in 1 / 65536 */

	if (amount >> WEIGHT_EXACT)
		return (amount >> 10) * factor >> 6;
	return amount * factor >> 16;
}

/* Count amount, drawn with probability keep, in part; is_new: the first time in this period. */
static __always_inline void sum_part_add(struct sum_part *part, __u64 amount, __u32 keep,
					 int is_new)
{
	__u64 weight, scaled;

	if (is_new)
		part->largest = 0;
	if (!amount)
		return;
	if (keep == KEEP_ALL) {
		__sync_fetch_and_add(&part->weight, amount);
		__sync_fetch_and_add(&part->certain, amount);
		return;
	}
	weight = sum_weight(amount, keep);
	scaled = weight / SUM_VARIANCE_UNIT;
	if (scaled > VARIANCE_MAX)
		scaled = VARIANCE_MAX;
	__u64 square = scaled * scaled, lost = (KEEP_ALL - keep) >> 16;

	__sync_fetch_and_add(&part->weight, weight);
	__sync_fetch_and_add(&part->variance,
			     square >> 46 ? (square >> 16) * lost : square * lost >> 16);
	if (weight > part->largest)
		part->largest = weight;
}

/* Count an event at the stack id that was drawn with probability keep. */
static __always_inline void sum_add(__u64 id, __u64 blocked, __u64 waited, __u32 keep,
				    const struct sampler_settings *knobs)
{
	struct sum *sum = bpf_map_lookup_elem(&sums, &id);
	int is_new;

	if (!sum) {
		count(KERNEL_COUNTER_LOST_SUMS);
		return;
	}
	if (!keep)
		keep = 1;
	is_new = sum->period != knobs->period;
	sum->period = knobs->period;
	__sync_fetch_and_add(&sum->count, 1);
	sum_part_add(&sum->parts[SUM_BLOCKED], blocked, keep, is_new);
	sum_part_add(&sum->parts[SUM_WAITED], waited, keep, is_new);
}

/* Two probabilities as one. */
static __always_inline __u32 keep_both(__u32 first, __u32 second)
{
	if (first == KEEP_ALL)
		return second;
	if (second == KEEP_ALL)
		return first;
	return (__u32)((__u64)first * second >> 32);
}

#endif
