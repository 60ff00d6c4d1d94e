/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Why a thread leaves the CPU, told without its kernel stack: by the system call it is in, whether
 * it waits for a device, and what kind of file it reads. A table of x86-64's system calls.
 */
#ifndef FLAME_BPF_REASON_BPF_H
#define FLAME_BPF_REASON_BPF_H

#include <asm/unistd_64.h>
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
/* needs the helpers */
#include <bpf/bpf_core_read.h>

#include "bpf/kernel_types.bpf.h"
#include "common/frame.h"

#define REASON_CALLS   512
#define REASON_BY_FILE 255    /* the first argument is a descriptor: look what it is */
#define STATE_STOPPED  0x000c /* by a signal, by a debugger */
#define MODE_KIND      0170000
#define MODE_PIPE      0010000
#define MODE_DEVICE    0020000
#define MODE_REGULAR   0100000
#define MODE_BLOCK     0060000
#define MODE_FOLDER    0040000
#define MODE_SOCKET    0140000

/* Calls that are not named here: FRAME_MARK_BLOCKED. Numbers that headers may not know yet. */
#define CALL_FUTEX_WAITV    449
#define CALL_FUTEX_WAIT     455
#define CALL_EPOLL_PWAIT2   441
#define CALL_IO_URING_ENTER 426
#define CALL_CLONE3         435

const __u8 reasons_of_calls[REASON_CALLS] __weak = {
	[__NR_futex] = FRAME_MARK_LOCK,
	[CALL_FUTEX_WAITV] = FRAME_MARK_LOCK,
	[CALL_FUTEX_WAIT] = FRAME_MARK_LOCK,
	[__NR_flock] = FRAME_MARK_LOCK,
	[__NR_fcntl] = FRAME_MARK_LOCK,
	[__NR_semop] = FRAME_MARK_LOCK,
	[__NR_semtimedop] = FRAME_MARK_LOCK,
	[__NR_nanosleep] = FRAME_MARK_TIMER,
	[__NR_clock_nanosleep] = FRAME_MARK_TIMER,
	[__NR_poll] = FRAME_MARK_POLL,
	[__NR_ppoll] = FRAME_MARK_POLL,
	[__NR_select] = FRAME_MARK_POLL,
	[__NR_pselect6] = FRAME_MARK_POLL,
	[__NR_epoll_wait] = FRAME_MARK_POLL,
	[__NR_epoll_pwait] = FRAME_MARK_POLL,
	[CALL_EPOLL_PWAIT2] = FRAME_MARK_POLL,
	[CALL_IO_URING_ENTER] = FRAME_MARK_POLL,
	[__NR_io_getevents] = FRAME_MARK_POLL,
	[__NR_read] = REASON_BY_FILE,
	[__NR_write] = REASON_BY_FILE,
	[__NR_readv] = REASON_BY_FILE,
	[__NR_writev] = REASON_BY_FILE,
	[__NR_pread64] = REASON_BY_FILE,
	[__NR_pwrite64] = REASON_BY_FILE,
	[__NR_preadv] = REASON_BY_FILE,
	[__NR_pwritev] = REASON_BY_FILE,
	[__NR_preadv2] = REASON_BY_FILE,
	[__NR_pwritev2] = REASON_BY_FILE,
	[__NR_sendfile] = REASON_BY_FILE,
	[__NR_splice] = REASON_BY_FILE,
	[__NR_ioctl] = REASON_BY_FILE,
	[__NR_recvfrom] = FRAME_MARK_SOCKET,
	[__NR_recvmsg] = FRAME_MARK_SOCKET,
	[__NR_recvmmsg] = FRAME_MARK_SOCKET,
	[__NR_sendto] = FRAME_MARK_SOCKET,
	[__NR_sendmsg] = FRAME_MARK_SOCKET,
	[__NR_sendmmsg] = FRAME_MARK_SOCKET,
	[__NR_accept] = FRAME_MARK_SOCKET,
	[__NR_accept4] = FRAME_MARK_SOCKET,
	[__NR_connect] = FRAME_MARK_SOCKET,
	[__NR_fsync] = FRAME_MARK_DISK,
	[__NR_fdatasync] = FRAME_MARK_DISK,
	[__NR_sync] = FRAME_MARK_DISK,
	[__NR_syncfs] = FRAME_MARK_DISK,
	[__NR_sync_file_range] = FRAME_MARK_DISK,
	[__NR_msync] = FRAME_MARK_DISK,
	[__NR_wait4] = FRAME_MARK_CHILD,
	[__NR_waitid] = FRAME_MARK_CHILD,
	[__NR_vfork] = FRAME_MARK_CHILD,
	[__NR_clone] = FRAME_MARK_CHILD,
	[CALL_CLONE3] = FRAME_MARK_CHILD,
	[__NR_pause] = FRAME_MARK_SIGNAL,
	[__NR_rt_sigsuspend] = FRAME_MARK_SIGNAL,
	[__NR_rt_sigtimedwait] = FRAME_MARK_SIGNAL,
};

/* What kind of file descriptor number fd of the task is. */
static __always_inline __u32 reason_of_file(const struct task_struct *task, __u32 fd)
{
	const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **slot = BPF_CORE_READ(table, fd);
	struct file *file = (void *)0;

	if (fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), slot + fd))
		return FRAME_MARK_BLOCKED;
	switch (BPF_CORE_READ(file, f_inode, i_mode) & MODE_KIND) {
	case MODE_PIPE:
		return FRAME_MARK_PIPE;
	case MODE_SOCKET:
		return FRAME_MARK_SOCKET;
	case MODE_DEVICE:
		return FRAME_MARK_DEVICE;
	case MODE_REGULAR:
	case MODE_BLOCK:
	case MODE_FOLDER:
		return FRAME_MARK_DISK;
	}
	return FRAME_MARK_BLOCKED; /* eventfd, timerfd, inotify and the like */
}

/* What the task, which cannot run, waits for: enum frame_mark. */
static __always_inline __u32 reason_blocked(const struct task_struct *task, long call,
					    __u32 argument)
{
	__u32 reason;

	if (BPF_CORE_READ(task, __state) & STATE_STOPPED)
		return FRAME_MARK_STOPPED;
	/* Not in a system call: a fault, whose page has to come from somewhere. */
	if (call < 0)
		return FRAME_MARK_PAGE_FAULT;
	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait))
		return FRAME_MARK_DISK;
	reason = call < REASON_CALLS ? reasons_of_calls[call & (REASON_CALLS - 1)] : 0;
	if (reason == REASON_BY_FILE)
		return reason_of_file(task, argument);
	return reason ? reason : FRAME_MARK_BLOCKED;
}

#endif
