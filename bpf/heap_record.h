/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses between the heap's kernel programs and user space: records in a ring buffer of their
 * own ("heap_records": a burst of allocations may not push out the samples of the CPU), the slots
 * that say how each process is watched, and what it has cost. Included by both sides.
 *
 * A process whose heap is watched has a slot; the probes carry its number and the kind of function
 * in their cookie.
 */
#ifndef FLAME_BPF_HEAP_RECORD_H
#define FLAME_BPF_HEAP_RECORD_H

#include "bpf/record.h"

#define HEAP_MAX_SLOTS 64
/* The last one is for measuring what probes cost. */
#define HEAP_CALIBRATION_SLOT (HEAP_MAX_SLOTS - 1)
#define HEAP_DEAR             0x80    /* in a cookie: the kernel runs the instruction out of line */
#define HEAP_FOLLOWED         0x10000 /* in a cookie: its block can be seen at HEAP_LEAVE */
#define HEAP_MAX_FUNCTIONS    48      /* of the allocators of one process */
#define HEAP_MAX_LEAVES       64      /* instructions of HEAP_LEAVE of a file */
#define HEAP_MAX_SITES        (HEAP_MAX_FUNCTIONS + HEAP_MAX_LEAVES) /* of a file */
#define HEAP_PERIOD_BITS      8          /* the fuse is measured over 2^8 ticks of the kernel */
#define HEAP_RECORDS_BYTES    (1U << 22) /* of the ring buffer */

/* What a function of an allocator does, by where its arguments are. */
enum heap_function {
	HEAP_MALLOC,         /* (size); also valloc */
	HEAP_CALLOC,         /* (count, size) */
	HEAP_REALLOC,        /* (old, size) */
	HEAP_REALLOCARRAY,   /* (old, count, size) */
	HEAP_POSIX_MEMALIGN, /* (result, alignment, size) */
	HEAP_ALIGNED_ALLOC,  /* (alignment, size); also memalign */
	HEAP_PVALLOC,        /* (size), rounded up to whole pages */
	HEAP_NEW,            /* (size), and may throw: no probe may change its return address */
	HEAP_FREE,           /* (old) */
	HEAP_LEAVE,          /* no function: a `ret` by which those of HEAP_NEW return */
	HEAP_FUNCTION_COUNT
};

enum heap_mode {
	HEAP_OFF,    /* probes that hit now are counted and else ignored */
	HEAP_FULL,   /* every allocation and free is recorded */
	HEAP_WINDOW, /* a window of the duty cycle is open: allocations are sampled */
};

/* A stretch of code in the process. */
struct heap_range {
	__u64 start;
	__u64 end;
};

/* One element of the memory-mapped array "heap_slots", written by the core and the prober. */
struct heap_slot {
	__u32 mode;           /* enum heap_mode */
	__u32 is_tripped;     /* set by the kernel program when fuse_ns was spent: all is ignored */
	__u64 fuse_ns;        /* what a CPU may spend in a period; 0: no limit */
	__u32 allocation_ns;  /* what one costs, for the fuse */
	__u32 free_ns;        /* likewise */
	__u32 dear_ns;        /* more, where the instruction is run out of line */
	__u32 follows_new;    /* HEAP_FULL: blocks of HEAP_NEW are seen at HEAP_LEAVE */
	__u64 interval_bytes; /* HEAP_WINDOW: mean distance between samples, under 2^32 */
	/* Functions of the allocators: calls from inside are part of another call. */
	struct heap_range hull; /* around all of the ranges */
	__u32 range_count;
	__u32 reserved;
	struct heap_range ranges[HEAP_MAX_FUNCTIONS];
};

/* One element of the per-CPU array "heap_usage". All but the last two only grow. */
struct heap_usage {
	__u64 hits;        /* of probes at entries of functions that allocate */
	__u64 allocations; /* recorded or sampled from: nested calls and failures are not in */
	__u64 bytes;       /* that they asked for */
	__u64 frees;       /* hits of probes at functions that free */
	__u64 dear;        /* of all hits, those where the instruction is run out of line */
	__u64 sampled;     /* allocations whose stack was walked */
	__u64 lost;        /* records that were refused */
	__u64 walk_ns;     /* time that walking and recording took where it was measured */
	__u64 walks_timed; /* how often it was */
	__u64 followed; /* of the hits, those of functions whose block can be seen as they return */
	__u64 leaves;   /* hits of HEAP_LEAVE: dear, and counted there */
	__u64 period;   /* number of the period that spent_ns is about */
	__u64 spent_ns;
};

enum heap_record_type {
	RECORD_HEAP_ALLOCATED = 16,
	RECORD_HEAP_FREED,
	RECORD_HEAP_MOVING,  /* realloc began: the block is freed, unless STAYED follows */
	RECORD_HEAP_STAYED,  /* realloc failed: what the thread was moving is still there */
	RECORD_HEAP_TRIPPED, /* the fuse of the slot blew */
};

/*
 * The beginning of each record. RECORD_HEAP_ALLOCATED: a struct record_sample follows whose weight is
 * the size in bytes; of its other fields tid, thread name, walk and frames are filled in.
 */
struct record_heap {
	struct record_header header;
	__u64 time_ns; /* boot time; 0: without a sample, for reading the clock costs the target */
	__u64 address; /* of the block; 0: not known (HEAP_NEW, HEAP_WINDOW) */
	__u64 interval_bytes; /* 0: every allocation is recorded */
	__u32 slot;
	__u32 tid;
	__u32 function; /* enum heap_function */
	__u32 reserved;
};

/* The cookie of a probe. */
static inline __u64 heap_cookie(__u32 slot, __u32 function)
{
	return (__u64)slot << 8 | function;
}

_Static_assert(sizeof(struct record_heap) == 48, "layout shared with the kernel");
_Static_assert(sizeof(struct heap_usage) == 104, "layout shared with the kernel");

#endif
