/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch/fetch_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/fetch/symbol_server.h"

#if defined(__SANITIZE_ADDRESS__)
#define LIMIT_ADDRESSES RLIM_INFINITY /* the sanitizer's shadow takes terabytes */
#else
#define LIMIT_ADDRESSES FETCH_SANDBOX_MAX_MEMORY
#endif

static const struct limit {
	__rlimit_resource_t resource;
	rlim_t value;
} limits[] = {
	{RLIMIT_AS, LIMIT_ADDRESSES},
	{RLIMIT_NOFILE, FETCH_SANDBOX_MAX_DESCRIPTORS},
	{RLIMIT_FSIZE, SYMBOL_SERVER_MAX_BYTES}, /* whatever a server says, or does not say */
	{RLIMIT_CORE, 0},
	{RLIMIT_MSGQUEUE, 0},
	{RLIMIT_MEMLOCK, 0},
};

/* What a client of HTTP has no business with. */
static const int refused[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kill),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(listen),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(personality),
	SCMP_SYS(shmget),
	SCMP_SYS(semget),
	SCMP_SYS(msgget),
};

/* Kinds of sockets: to servers, to name services on this machine, to ask for own addresses. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* As the kernel takes it; the members behind the first came with later versions of the interface. */
struct landlock_rights {
	uint64_t file_system;
	uint64_t network;
	uint64_t scope;
};

/* Everything that changes a file system, and execution; reading stays what the user may read. */
#define RIGHTS_EXECUTE  (UINT64_C(1) << 0)
#define RIGHTS_WRITE    (UINT64_C(1) << 1)
#define RIGHTS_MAKE     (UINT64_C(0x1ff) << 4) /* MAKE_*, REMOVE_* */
#define RIGHTS_REFER    (UINT64_C(1) << 13)
#define RIGHTS_TRUNCATE (UINT64_C(1) << 14)

DEFINE_CLEANUP(seccomp_release, void)

static void close_others(int keep_fd)
{
	const unsigned int first = STDERR_FILENO + 1;

	if (keep_fd > (int)first)
		close_range(first, (unsigned int)keep_fd - 1, 0);
	close_range(keep_fd < (int)first ? first : (unsigned int)keep_fd + 1, ~0U, 0);
}

/* A write beyond the limit and a server that hangs up are errors; the alarm ends the process. */
static void set_signals(void)
{
	sigset_t none;

	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_limits(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit;

		if (getrlimit(limits[i].resource, &limit))
			return -errno;
		if (limit.rlim_max <= limits[i].value)
			continue;
		limit.rlim_cur = limit.rlim_max = limits[i].value;
		if (setrlimit(limits[i].resource, &limit))
			return -errno;
	}
	return 0;
}

static int confine_writing(const char *folder)
{
	struct landlock_rights rights = {0};
	struct landlock_path_beneath_attr cache = {.parent_fd = -1};
	_cleanup_close_ int ruleset = -1, folder_fd = -1;
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version <= 0)
		return 0; /* not in this kernel: the rights of the user stand alone */
	cache.allowed_access = RIGHTS_WRITE | RIGHTS_MAKE | (version >= 2 ? RIGHTS_REFER : 0) |
			       (version >= 3 ? RIGHTS_TRUNCATE : 0);
	rights.file_system = RIGHTS_EXECUTE | cache.allowed_access;
	rights.scope = version >= 6 ? 3 : 0; /* abstract sockets, signals */
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights), 0);
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ruleset < 0 || folder_fd < 0)
		return -errno;
	cache.parent_fd = folder_fd;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &cache, 0) ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0))
		return -errno;
	return 0;
}

/* Refuse every family but those: they are few, and the numbers below the highest are rules. */
static int refuse_families(scmp_filter_ctx filter)
{
	const unsigned int highest = AF_NETLINK;
	int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_GT, highest));

	for (unsigned int family = 0; family < highest && !error; family++) {
		int is_allowed = 0;

		for (size_t i = 0; i < ARRAY_SIZE(families); i++)
			is_allowed |= families[i] == (int)family;
		if (!is_allowed)
			error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
						 SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, family));
	}
	return error;
}

static int filter_calls(void)
{
	_cleanup_(seccomp_releasep) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	if (!filter)
		return -ENOMEM;
	int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; i < ARRAY_SIZE(refused) && !error; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (!error)
		error = refuse_families(filter);
	return error ? error : seccomp_load(filter);
}

int fetch_sandbox_enter(int keep_fd, const char *folder)
{
	int error;

	close_others(keep_fd);
	set_signals();
	if (prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	error = set_limits();
	if (!error)
		error = confine_writing(folder);
	return error ? error : filter_calls();
}
