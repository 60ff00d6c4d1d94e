/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/module_image.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NEEDS_ADDRESS_SPACE 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(NEEDS_ADDRESS_SPACE)
#define LIMIT_ADDRESSES RLIM_INFINITY /* the sanitizer's shadow takes terabytes */
#else
#define LIMIT_ADDRESSES SANDBOX_MAX_ADDRESSES
#endif

static const struct limit {
	__rlimit_resource_t resource;
	rlim_t value;
} limits[] = {
	{RLIMIT_AS, LIMIT_ADDRESSES},
	{RLIMIT_DATA, SANDBOX_MAX_MEMORY},
	{RLIMIT_NOFILE, SANDBOX_MAX_DESCRIPTORS},
	{RLIMIT_FSIZE, MODULE_IMAGE_MAX}, /* holds for memfds as well */
	{RLIMIT_NPROC, 0},
	{RLIMIT_CORE, 0},
	{RLIMIT_MSGQUEUE, 0},
	{RLIMIT_MEMLOCK, 0},
};

/* What the parsers, the allocator and the C library need. */
static const int allowed[] = {
	SCMP_SYS(read),           SCMP_SYS(pread64),
	SCMP_SYS(write),          SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),          SCMP_SYS(fstat),
	SCMP_SYS(close),          SCMP_SYS(memfd_create),
	SCMP_SYS(ftruncate),      SCMP_SYS(recvmsg),
	SCMP_SYS(sendmsg),        SCMP_SYS(brk),
	SCMP_SYS(munmap),         SCMP_SYS(mremap),
	SCMP_SYS(madvise),        SCMP_SYS(futex),
	SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday),
	SCMP_SYS(nanosleep),      SCMP_SYS(clock_nanosleep),
	SCMP_SYS(setitimer),      SCMP_SYS(sysinfo), /* qsort() asks how much memory there is */
	SCMP_SYS(getrandom),      SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(restart_syscall),
	SCMP_SYS(getpid),         SCMP_SYS(gettid),
	SCMP_SYS(exit),           SCMP_SYS(exit_group),
};

/* What libraries may try and can live without. */
static const int refused[] = {
	SCMP_SYS(open),       SCMP_SYS(openat),   SCMP_SYS(openat2), SCMP_SYS(creat),
	SCMP_SYS(stat),       SCMP_SYS(lstat),    SCMP_SYS(statx),   SCMP_SYS(access),
	SCMP_SYS(faccessat),  SCMP_SYS(readlink), SCMP_SYS(ioctl),   SCMP_SYS(prctl),
	SCMP_SYS(readlinkat), SCMP_SYS(getcwd),   SCMP_SYS(socket),  SCMP_SYS(prlimit64),
};

/*
 * What depends on an argument: allowed or refused when argument & mask == value. Where neither
 * matches the process ends, as for every other call.
 */
static const struct condition {
	int call;
	int is_allowed;
	unsigned int argument;
	uint64_t mask;
	uint64_t value;
} conditions[] = {
	{SCMP_SYS(mmap), 1, 2, PROT_EXEC, 0},
	{SCMP_SYS(mmap), 0, 2, PROT_EXEC, PROT_EXEC},
	{SCMP_SYS(mprotect), 1, 2, PROT_EXEC, 0},
	{SCMP_SYS(mprotect), 0, 2, PROT_EXEC, PROT_EXEC},
	{SCMP_SYS(newfstatat), 1, 3, UINT32_MAX, AT_EMPTY_PATH}, /* what fstat() is in glibc */
	{SCMP_SYS(newfstatat), 0, 3, AT_EMPTY_PATH, 0},          /* what stat() is */
	{SCMP_SYS(fcntl), 1, 1, UINT32_MAX, F_GETFD},
	{SCMP_SYS(fcntl), 1, 1, UINT32_MAX, F_GETFL},
	{SCMP_SYS(fcntl), 1, 1, UINT32_MAX, F_ADD_SEALS},
	{SCMP_SYS(fcntl), 1, 1, UINT32_MAX, F_GET_SEALS},
};

/* As the kernel takes it; the members behind the first came with later versions of the interface. */
struct landlock_rights {
	uint64_t file_system;
	uint64_t network;
	uint64_t scope;
};

DEFINE_CLEANUP(seccomp_release, void)

static int close_between(unsigned int first, unsigned int last)
{
	struct rlimit limit;

	if (first > last || !close_range(first, last, 0))
		return 0;
	if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &limit))
		return -errno;
	for (rlim_t fd = first; fd <= last && fd < limit.rlim_max; fd++) /* kernels before 5.9 */
		close((int)fd);
	return 0;
}

/* Close all descriptors but the standard ones and keep_fd. */
static int close_others(int keep_fd)
{
	const unsigned int first = STDERR_FILENO + 1;
	unsigned int keep = keep_fd < (int)first ? first - 1 : (unsigned int)keep_fd;
	int error = close_between(first, keep - 1);

	return error ? error : close_between(keep + 1, ~0U);
}

/* The process that forked this one may have had its own ideas of signals. */
static void reset_signals(void)
{
	static const int deadly[] = {SIGALRM, SIGPROF, SIGXFSZ, SIGSYS, SIGTERM, SIGSEGV, SIGBUS};
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		signal(deadly[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_limits(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct rlimit limit = {limits[i].value, limits[i].value};

		if (limits[i].value != RLIM_INFINITY && setrlimit(limits[i].resource, &limit))
			return -errno;
	}
	return 0;
}

/* Number of file system rights that version of Landlock knows; they are the lowest bits. */
static unsigned int landlock_right_count(long version)
{
	static const unsigned int counts[] = {0, 13, 14, 15, 15, 16};

	return counts[version < (long)ARRAY_SIZE(counts) ? (size_t)version
							 : ARRAY_SIZE(counts) - 1];
}

/* Give up every right that Landlock knows of: a set of rules without a rule. */
static int leave_file_system(void)
{
	struct landlock_rights rights = {0};
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version <= 0)
		return 0; /* not in this kernel: the system call filter stands alone */
	rights.file_system = (UINT64_C(1) << landlock_right_count(version)) - 1;
	rights.network = version >= 4 ? 3 : 0; /* bind, connect */
	rights.scope = version >= 6 ? 3 : 0;   /* abstract sockets, signals */
	_cleanup_close_ int ruleset =
		(int)syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights), 0);
	if (ruleset < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0))
		return -errno;
	return 0;
}

static int add_rules(scmp_filter_ctx filter)
{
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(allowed) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; i < ARRAY_SIZE(conditions) && !error; i++) {
		const struct condition *condition = &conditions[i];

		error = seccomp_rule_add(
			filter, condition->is_allowed ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EACCES),
			condition->call, 1,
			SCMP_CMP(condition->argument, SCMP_CMP_MASKED_EQ, condition->mask,
				 condition->value));
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), refused[i], 0);
	return error;
}

static int filter_calls(void)
{
	_cleanup_(seccomp_releasep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (!filter)
		return -ENOMEM;
	int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!error)
		error = add_rules(filter);
	return error ? error : seccomp_load(filter);
}

int sandbox_enter(int keep_fd)
{
	int error = close_others(keep_fd);

	if (error)
		return error;
	reset_signals();
	if (prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	error = set_limits();
	if (!error)
		error = leave_file_system();
	return error ? error : filter_calls();
}

void sandbox_set_deadline(uint32_t milliseconds)
{
	const struct itimerval timer = {
		.it_value = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000},
	};

	setitimer(ITIMER_REAL, &timer, NULL);
	setitimer(ITIMER_PROF, &timer, NULL);
}
