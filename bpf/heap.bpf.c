/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The heap of processes that were never restarted: probes in their allocators' functions. An
 * allocation is known when its function returns; in between, what was asked for is kept with the
 * thread. Functions that call each other count once, as the outermost. A C++ exception cannot pass a
 * probed return: what may throw is probed at its entry and at the instructions by which it returns.
 *
 * These programs run in the middle of the target and may be preempted there, so their working
 * memory is taken and given back.
 */
#include <asm/ptrace.h>
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/heap_maps.bpf.h"
#include "bpf/unwind.bpf.h"

#define NEST_BYTES   (1 << 20) /* of stack that an allocator may use */
#define NEST_TICKS   256       /* a second, where there are 250 of them */
#define TIMED_MASK   15        /* one walk in 16 is measured */
#define PAGE_BYTES   4096ULL
#define SPACE_BYTES  (1ULL << 47) /* that a process has: who asks for as much gets nothing */
#define ALLOC_SPARES 2            /* programs that may be preempted on a CPU at one time */

/* The call that a thread is in; function HEAP_FUNCTION_COUNT: none. */
struct heap_call {
	__u64 sp;    /* at the entry */
	__u64 began; /* ticks */
	__u64 size;
	__u64 place; /* the block that is reallocated, or where the result will be written */
	__u32 function;
	__u16 is_open;
	__u16 is_told; /* already, without its block */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct heap_call);
} heap_calls SEC(".maps");

/* Which working memory of a CPU is taken: a program that was preempted may go on after others. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ALLOC_SPARES);
	__type(key, __u32);
	__type(value, __u32);
} heap_spares SEC(".maps");

/* Take working memory. Returns its number, ALLOC_SPARES: there is none. */
__weak __noinline int heap_spare_take(void)
{
	for (__u32 i = 0; i < ALLOC_SPARES; i++) {
		__u32 number = i, *is_taken = bpf_map_lookup_elem(&heap_spares, &number);

		if (is_taken && !__sync_lock_test_and_set(is_taken, 1))
			return (int)i;
	}
	return ALLOC_SPARES;
}

static __always_inline void heap_spare_give_back(__u32 number)
{
	__u32 *is_taken = bpf_map_lookup_elem(&heap_spares, &number);

	if (is_taken)
		*is_taken = 0;
}

static __always_inline __u32 cookie_slot(__u64 cookie)
{
	return (__u32)(cookie >> 8) & (HEAP_MAX_SLOTS - 1);
}

static __always_inline __u32 cookie_function(__u64 cookie)
{
	return (__u32)cookie & (HEAP_DEAR - 1);
}

/* Count a hit that is dear. Returns what it costs beyond the usual. */
static __always_inline __u32 count_dear(__u64 cookie, const struct heap_slot *slot,
					struct heap_usage *usage)
{
	if (!(cookie & HEAP_DEAR))
		return 0;
	usage->dear++;
	return slot->dear_ns;
}

/* Count a hit of an entry. */
static __always_inline void count_hit(__u64 cookie, struct heap_usage *usage)
{
	usage->hits++;
	if (cookie & HEAP_FOLLOWED)
		usage->followed++;
}

static __always_inline __u64 size_asked(const struct pt_regs *registers, __u32 function)
{
	switch (function) {
	case HEAP_CALLOC:
		return PT_REGS_PARM1(registers) * PT_REGS_PARM2(registers);
	case HEAP_REALLOC:
	case HEAP_ALIGNED_ALLOC:
		return PT_REGS_PARM2(registers);
	case HEAP_REALLOCARRAY:
		return PT_REGS_PARM2(registers) * PT_REGS_PARM3(registers);
	case HEAP_POSIX_MEMALIGN:
		return PT_REGS_PARM3(registers);
	case HEAP_PVALLOC:
		return (PT_REGS_PARM1(registers) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	default:
		return PT_REGS_PARM1(registers);
	}
}

static __always_inline int moves(__u32 function)
{
	return function == HEAP_REALLOC || function == HEAP_REALLOCARRAY;
}

/* Send a record without a stack. */
static __always_inline void heap_send(__u32 type, __u32 slot, __u64 address,
				      struct heap_usage *usage)
{
	struct record_heap *record = bpf_ringbuf_reserve(&heap_records, sizeof(*record), 0);

	if (!record) {
		usage->lost++;
		return;
	}
	record->header.type = type;
	record->header.size = sizeof(*record);
	record->time_ns = 0;
	record->address = address;
	record->interval_bytes = 0;
	record->slot = slot;
	record->tid = tid_of(bpf_get_current_task_btf());
	record->function = HEAP_FREE;
	record->reserved = 0;
	bpf_ringbuf_submit(record,
			   type == RECORD_HEAP_TRIPPED ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/* Charge cost_ns to the fuse of the slot. Non-zero: it has blown, now or before. */
static __always_inline int fuse_is_blown(__u32 number, struct heap_slot *slot,
					 struct heap_usage *usage, __u32 cost_ns)
{
	__u64 period;

	if (slot->is_tripped)
		return 1;
	if (!slot->fuse_ns)
		return 0;
	period = bpf_jiffies64() >> HEAP_PERIOD_BITS;
	if (period != usage->period) {
		usage->period = period;
		usage->spent_ns = 0;
	}
	usage->spent_ns += cost_ns;
	if (usage->spent_ns < slot->fuse_ns)
		return 0;
	if (!__sync_lock_test_and_set(&slot->is_tripped, 1))
		heap_send(RECORD_HEAP_TRIPPED, number, 0, usage);
	return 1;
}

/* Walk from where the function was called and send the record. */
static __always_inline void heap_record(__u32 scratch_slot, __u32 slot, __u32 function,
					__u64 address, __u64 size, __u64 interval, int is_entry,
					struct heap_usage *usage)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct scratch *scratch = scratch_get(scratch_slot);
	int is_timed = !(usage->sampled++ & TIMED_MASK);
	__u64 began_ns = is_timed ? bpf_ktime_get_ns() : 0;
	struct record_heap *record;
	__u64 bytes;

	if (!scratch)
		return;
	record = &scratch->heap;
	scratch->sample.kernel_count = 0;
	scratch->pid = pid_of(task);
	scratch->start_time_ns = task->group_leader->start_boottime;
	scratch->sample.walk_end = (__u16)(is_entry ? unwind_caller(scratch_slot, scratch, task)
						    : unwind_user(scratch_slot, scratch, task));
	record->header.type = RECORD_HEAP_ALLOCATED;
	record->time_ns = bpf_ktime_get_boot_ns();
	record->address = address;
	record->interval_bytes = interval;
	record->slot = slot;
	record->tid = tid_of(task);
	record->function = function;
	scratch->sample.tid = tid_of(task);
	scratch->sample.weight = size;
	bpf_get_current_comm(scratch->sample.thread_name, RECORD_NAME_BYTES);

	__u32 frames = scratch->sample.user_count;

	if (frames > RECORD_USER_FRAMES)
		frames = RECORD_USER_FRAMES;
	bytes = sizeof(*record) + sizeof(struct record_sample) + frames * sizeof(__u64);
	record->header.size = (__u32)bytes;
	if (bpf_ringbuf_output(&heap_records, record, bytes, BPF_RB_NO_WAKEUP))
		usage->lost++;
	if (is_timed) {
		usage->walk_ns += bpf_ktime_get_ns() - began_ns;
		usage->walks_timed++;
	}
}

/* The same with working memory that no preempted program holds. */
static __always_inline void heap_record_safely(__u32 slot, __u32 function, __u64 address,
					       __u64 size, __u64 interval, int is_entry,
					       struct heap_usage *usage)
{
	__u32 spare = (__u32)heap_spare_take();

	if (spare >= ALLOC_SPARES) {
		usage->lost++;
		return;
	}
	heap_record(SCRATCH_HEAP + spare, slot, function, address, size, interval, is_entry, usage);
	heap_spare_give_back(spare);
}

/* Whether the function was called by a function of the allocator. */
static __always_inline int is_called_from_inside(const struct heap_slot *slot,
						 const struct pt_regs *context)
{
	__u64 caller;

	if (bpf_probe_read_user(&caller, sizeof(caller), (const void *)PT_REGS_SP(context)) ||
	    caller < slot->hull.start || caller >= slot->hull.end)
		return 0;
	for (__u32 i = 0; i < HEAP_MAX_FUNCTIONS; i++) {
		if (i >= slot->range_count)
			break;
		if (caller >= slot->ranges[i].start && caller < slot->ranges[i].end)
			return 1;
	}
	return 0;
}

/*
 * Whether the entry is part of the call that the thread is in already. One that may throw may be
 * over without a word: only what the allocator itself calls is a part of it. (What it jumps to takes
 * its place.)
 */
static __always_inline int is_nested(const struct heap_call *call, const struct heap_slot *slot,
				     const struct pt_regs *context, __u64 now)
{
	__u64 sp = PT_REGS_SP(context);

	if (!call->is_open || sp > call->sp || call->sp - sp >= NEST_BYTES ||
	    now - call->began >= NEST_TICKS)
		return 0;
	return call->function != HEAP_NEW ||
	       (sp < call->sp && is_called_from_inside(slot, context));
}

SEC("uprobe")
int on_heap_enter(struct pt_regs *context)
{
	__u64 cookie = bpf_get_attach_cookie(context), sp = PT_REGS_SP(context), now;
	__u32 number = cookie_slot(cookie), function = cookie_function(cookie);
	struct heap_slot *slot = bpf_map_lookup_elem(&heap_slots, &number);
	struct heap_usage *usage = bpf_map_lookup_elem(&heap_usage, &number);
	struct heap_call *call;
	__u32 cost_ns;

	if (!slot || !usage)
		return 0;
	count_hit(cookie, usage);
	cost_ns = slot->allocation_ns + count_dear(cookie, slot, usage);
	if (slot->mode != HEAP_FULL || fuse_is_blown(number, slot, usage, cost_ns))
		return 0;
	call = bpf_task_storage_get(&heap_calls, bpf_get_current_task_btf(), NULL,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		usage->lost++;
		return 0;
	}
	now = bpf_jiffies64();
	if (is_nested(call, slot, context, now))
		return 0;
	call->sp = sp;
	call->began = now;
	call->size = size_asked(context, function);
	call->is_told = function == HEAP_NEW && !(cookie & HEAP_FOLLOWED && slot->follows_new);
	if (call->is_told && call->size < SPACE_BYTES) {
		/* Its return will not be seen: the block has no address. */
		usage->allocations++;
		usage->bytes += call->size;
		heap_record_safely(number, function, 0, call->size, 0, 1, usage);
	}
	call->place = PT_REGS_PARM1(context);
	call->function = function;
	call->is_open = 1;
	if (moves(function) && call->place)
		heap_send(RECORD_HEAP_MOVING, number, call->place, usage);
	return 0;
}

SEC("uprobe")
int on_heap_return(struct pt_regs *context)
{
	__u32 number = cookie_slot(bpf_get_attach_cookie(context));
	struct heap_usage *usage = bpf_map_lookup_elem(&heap_usage, &number);
	struct heap_call *call =
		bpf_task_storage_get(&heap_calls, bpf_get_current_task_btf(), NULL, 0);
	__u64 address = PT_REGS_RC(context);

	/* Only the return of the outermost call leaves the stack as that found it. */
	if (!usage || !call || !call->is_open || PT_REGS_SP(context) != call->sp + sizeof(__u64))
		return 0;
	call->is_open = 0;
	if (call->function == HEAP_POSIX_MEMALIGN) {
		if (address ||
		    bpf_probe_read_user(&address, sizeof(address), (const void *)call->place))
			address = 0;
	}
	if (!address) {
		/* realloc to size 0 frees: that it failed is not said then. */
		if (moves(call->function) && call->place && call->size)
			heap_send(RECORD_HEAP_STAYED, number, call->place, usage);
		return 0;
	}
	usage->allocations++;
	usage->bytes += call->size;
	heap_record_safely(number, call->function, address, call->size, 0, 0, usage);
	return 0;
}

/*
 * At a `ret` by which a function of HEAP_NEW returns, its block in hand; others return there, too. The
 * return address is still on the stack, as at the entry.
 */
SEC("uprobe")
int on_heap_leave(struct pt_regs *context)
{
	__u64 cookie = bpf_get_attach_cookie(context);
	__u32 number = cookie_slot(cookie);
	struct heap_slot *slot = bpf_map_lookup_elem(&heap_slots, &number);
	struct heap_usage *usage = bpf_map_lookup_elem(&heap_usage, &number);
	struct heap_call *call;

	if (!slot || !usage)
		return 0;
	usage->leaves++;
	/* The probe of the entry has charged the rest. */
	if (fuse_is_blown(number, slot, usage, count_dear(cookie, slot, usage)))
		return 0;
	call = bpf_task_storage_get(&heap_calls, bpf_get_current_task_btf(), NULL, 0);
	if (!call || !call->is_open || call->function != HEAP_NEW ||
	    PT_REGS_SP(context) != call->sp)
		return 0;
	call->is_open = 0;
	if (call->is_told || !PT_REGS_RC(context))
		return 0;
	usage->allocations++;
	usage->bytes += call->size;
	heap_record_safely(number, HEAP_NEW, PT_REGS_RC(context), call->size, 0, 1, usage);
	return 0;
}

SEC("uprobe")
int on_heap_free(struct pt_regs *context)
{
	__u64 cookie = bpf_get_attach_cookie(context);
	__u32 number = cookie_slot(cookie), cost_ns;
	struct heap_slot *slot = bpf_map_lookup_elem(&heap_slots, &number);
	struct heap_usage *usage = bpf_map_lookup_elem(&heap_usage, &number);
	__u64 address = PT_REGS_PARM1(context);

	if (!slot || !usage)
		return 0;
	usage->frees++;
	cost_ns = slot->free_ns + count_dear(cookie, slot, usage);
	if (!address || slot->mode != HEAP_FULL || fuse_is_blown(number, slot, usage, cost_ns))
		return 0;
	heap_send(RECORD_HEAP_FREED, number, address, usage);
	return 0;
}

/*
 * realloc of nothing may jump to malloc, and then the caller seems to have called both. Remember the
 * one, recognise the other.
 */
static __always_inline int is_tail_call(const struct pt_regs *context, __u32 function)
{
	int is_first = function == HEAP_REALLOC && !PT_REGS_PARM1(context);
	struct heap_call *call;

	if (!is_first && function != HEAP_MALLOC)
		return 0;
	call = bpf_task_storage_get(&heap_calls, bpf_get_current_task_btf(), NULL,
				    is_first ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
	if (!call)
		return 0;
	if (is_first) {
		call->sp = PT_REGS_SP(context);
		call->size = PT_REGS_PARM2(context);
		call->function = HEAP_REALLOC;
		return 0;
	}
	if (call->function != HEAP_REALLOC || call->sp != PT_REGS_SP(context) ||
	    call->size != PT_REGS_PARM1(context))
		return 0;
	call->function = HEAP_FUNCTION_COUNT;
	return 1;
}

SEC("uprobe")
int on_heap_window(struct pt_regs *context)
{
	__u64 cookie = bpf_get_attach_cookie(context);
	__u32 number = cookie_slot(cookie), function = cookie_function(cookie);
	struct heap_slot *slot = bpf_map_lookup_elem(&heap_slots, &number);
	struct heap_usage *usage = bpf_map_lookup_elem(&heap_usage, &number);
	__u64 size, interval;

	if (!slot || !usage)
		return 0;
	count_hit(cookie, usage);
	count_dear(cookie, slot, usage);
	if (slot->mode != HEAP_WINDOW)
		return 0;
	if (is_called_from_inside(slot, context) || is_tail_call(context, function))
		return 0;
	size = size_asked(context, function);
	if (size >= SPACE_BYTES)
		return 0;
	interval = slot->interval_bytes;
	usage->allocations++;
	usage->bytes += size;
	/* The share to keep is known before the coin: size over interval, at most all. */
	if (size < interval &&
	    bpf_get_prandom_u32() > (__u32)((size << 32) / (interval ? interval : 1)))
		return 0;
	heap_record_safely(number, function, 0, size, interval ? interval : 1, 1, usage);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
