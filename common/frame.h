/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame address as it leaves the kernel: the module in the top 16 bits, the offset in that
 * module's file in the low 48. Two of the modules come for free: a user pc that belongs to no file
 * (JIT code) has zeros on top, and every kernel text address has ones.
 */
#ifndef FLAME_COMMON_FRAME_H
#define FLAME_COMMON_FRAME_H

#include <stdint.h>

#define FRAME_OFFSET_BITS 48
#define FRAME_OFFSET_MASK ((UINT64_C(1) << FRAME_OFFSET_BITS) - 1)

enum {
	MODULE_NONE = 0,           /* the offset is a pc in the process's own address space */
	MODULE_VDSO = 1,           /* the kernel's page of user code */
	MODULE_FIRST_FILE = 2,     /* files, in the order in which they were first seen */
	MODULE_FIRST_JIT = 0x8000, /* what processes make at run time, one number a process */
	MODULE_LAST_FILE = 0xff00,
	MODULE_NAME = 0xfffd,   /* no address: number of a name of a thread (waker_names.h) */
	MODULE_MARK = 0xfffe,   /* no address: why the stack ends here (enum frame_mark) */
	MODULE_KERNEL = 0xffff, /* the whole word is a kernel address */
};

/* What a frame that is not code says. The names are those that users see. */
enum frame_mark {
	FRAME_MARK_NONE,
	FRAME_MARK_TRUNCATED,      /* [truncated] deeper than the walk goes */
	FRAME_MARK_NO_UNWIND_INFO, /* [no unwind info] no rule for a pc */
	FRAME_MARK_UNREADABLE,     /* [stack not readable] a stack page was not in memory */
	FRAME_MARK_UNMAPPED,       /* [not mapped] a pc lies in no executable mapping */
	FRAME_MARK_NO_MEMORY,      /* [exiting] the process's memory was gone already */
	FRAME_MARK_EXEC,           /* [exec] the new image had not started yet */
	FRAME_MARK_LOST,           /* [lost] samples that could not be kept */
	FRAME_MARK_FRAME_POINTER,  /* [broken frame pointers] the chain does not reach the root */
	FRAME_MARK_UPROBES,        /* [uprobes] code of the kernel, for functions that are probed */
	/* Behind it, towards the leaf, comes who ended the sleep, from its leaf to its root. */
	FRAME_MARK_WAKER,         /* -- */
	FRAME_MARK_FOREIGN_WAKER, /* -- of another user's process */
	FRAME_MARK_INTERRUPT,     /* [interrupt] no thread ended it */
	/* What a thread that is off the CPU waits for; such a mark is the leaf. */
	FRAME_MARK_BLOCKED,    /* [blocked] anything that has no name of its own here */
	FRAME_MARK_LOCK,       /* [lock] a futex, a file lock, a semaphore */
	FRAME_MARK_TIMER,      /* [timer] time to pass */
	FRAME_MARK_POLL,       /* [poll] any of several descriptors */
	FRAME_MARK_PIPE,       /* [pipe] */
	FRAME_MARK_SOCKET,     /* [socket] */
	FRAME_MARK_DEVICE,     /* [device] a terminal, a device */
	FRAME_MARK_DISK,       /* [disk] a file system or block device */
	FRAME_MARK_PAGE_FAULT, /* [page fault] a page that has to come from somewhere */
	FRAME_MARK_CHILD,      /* [child] a child to exit or to run another program */
	FRAME_MARK_SIGNAL,     /* [signal] */
	FRAME_MARK_STOPPED,    /* [stopped] by a signal or a debugger, to be continued */
	FRAME_MARK_PREEMPTED,  /* [preempted] somebody else's turn on the CPU */
	FRAME_MARK_THROTTLED,  /* [throttled] the quota of CPU time of its cgroup is used up */
	FRAME_MARK_YIELDED,    /* [yielded] it gave its turn away */
	FRAME_MARK_RUN_QUEUE,  /* [run queue] woken, and waiting for a CPU */
	FRAME_MARK_RUNNING,    /* [running] on the CPU, where no sample was taken */
	FRAME_MARK_COUNT
};

/* How a frame is told apart in pictures and annotations. */
enum frame_kind {
	FRAME_USER,    /* the program's own file */
	FRAME_LIBRARY, /* a shared library, vdso */
	FRAME_KERNEL,
	FRAME_JIT,
	FRAME_INLINED,
	FRAME_UNKNOWN, /* no better name than module and offset */
	FRAME_PROCESS, /* a level that names a process, thread, host: not code */
	FRAME_MARKED,  /* enum frame_mark */
	/* Marks that say what a thread off the CPU waits for, in their own colours. */
	FRAME_QUEUED,   /* for a CPU */
	FRAME_WAITS_IO, /* for a device, a socket, a pipe, a page */
	FRAME_LOCKED,   /* for another thread */
	FRAME_SLEEPS,   /* for time to pass, for anything to happen */
	FRAME_RUNNING,  /* for nothing: it is on a CPU */
	FRAME_KIND_COUNT
};

static inline uint64_t frame_pack(uint32_t module, uint64_t offset)
{
	return ((uint64_t)module << FRAME_OFFSET_BITS) | (offset & FRAME_OFFSET_MASK);
}

static inline uint32_t frame_module(uint64_t address)
{
	return (uint32_t)(address >> FRAME_OFFSET_BITS);
}

static inline uint64_t frame_offset(uint64_t address)
{
	return address & FRAME_OFFSET_MASK;
}

/* The text users see for a mark: "[truncated]". */
const char *frame_mark_name(enum frame_mark mark);

/* The mark with this text, or FRAME_MARK_NONE. */
enum frame_mark frame_mark_find(const char *name);

/* Non-zero when the mark says what a thread waits for, and not what is missing in a stack. */
static inline int frame_mark_is_wait(enum frame_mark mark)
{
	return mark >= FRAME_MARK_BLOCKED && mark < FRAME_MARK_COUNT;
}

/* The kind of frames that say this. */
enum frame_kind frame_mark_kind(enum frame_mark mark);

/* "user", "library", … as in JSON, and back (FRAME_UNKNOWN for an unknown word). */
const char *frame_kind_name(enum frame_kind kind);
enum frame_kind frame_kind_find(const char *name);

#endif
