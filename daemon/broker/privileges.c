/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/cleanup.h"

/* libcap 2.66 knows them all; the kernel has had the last two since 5.8 and 5.9. */
static const struct right {
	cap_value_t value;
	const char *name;
	const char *purpose;
	int is_kept; /* by the broker */
	int is_optional;
} rights[] = {
	/* Without it perf events copy stacks. */
	{CAP_BPF, "CAP_BPF", "to load the sampling programs into the kernel", 1, 1},
	{CAP_PERFMON, "CAP_PERFMON", "to sample the processes of all users", 1, 0},
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "to reach the files of other users' processes", 1, 0},
	{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "to read programs that only others may read",
	 1, 0},
	{CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE",
	 "to open the very file that a process has mapped", 1, 0},
	{CAP_SYSLOG, "CAP_SYSLOG", "to read the addresses of kernel functions", 1, 0},
	{CAP_SETUID, "CAP_SETUID", "to give up root once it runs", 0, 0},
	{CAP_SETGID, "CAP_SETGID", "to give up root once it runs", 0, 0},
};

static void free_capabilities(cap_t *capabilities)
{
	if (*capabilities)
		cap_free(*capabilities);
}

#define _cleanup_capabilities_ _cleanup_(free_capabilities)

int privileges_check(void)
{
	_cleanup_capabilities_ cap_t held = cap_get_proc();
	int missing = 0;

	if (!held)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		cap_flag_value_t is_set = CAP_CLEAR;

		if (!cap_get_flag(held, rights[i].value, CAP_EFFECTIVE, &is_set) &&
		    is_set == CAP_SET)
			continue;
		if (rights[i].is_optional)
			continue;
		if (!missing++)
			fputs("flamed: not permitted; run it as root, or through systemd. "
			      "Missing:\n",
			      stderr);
		fprintf(stderr, "  %s %s\n", rights[i].name, rights[i].purpose);
	}
	return !missing;
}

int privileges_find_user(const char *name, struct privileges_user *user)
{
	static const char *const defaults[] = {"flamed", "nobody"};
	const char *const *names = name ? &name : defaults;
	size_t count = name ? 1 : ARRAY_SIZE(defaults);

	for (size_t i = 0; i < count; i++) {
		const struct passwd *entry = getpwnam(names[i]);

		if (!entry)
			continue;
		*user = (struct privileges_user){names[i], entry->pw_uid, entry->pw_gid};
		return 0;
	}
	return -ENOENT;
}

static int become_user(const struct privileges_user *user)
{
	if (setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return -errno;
	return 0;
}

/* Hold exactly these: all as permitted, the first used_count as effective. */
static int set_capabilities(const cap_value_t *values, int count, int used_count)
{
	_cleanup_capabilities_ cap_t wanted = cap_init();

	if (!wanted)
		return -errno;
	if (count && (cap_set_flag(wanted, CAP_PERMITTED, count, values, CAP_SET) ||
		      cap_set_flag(wanted, CAP_EFFECTIVE, used_count, values, CAP_SET)))
		return -errno;
	return cap_set_proc(wanted) ? -errno : 0;
}

int privileges_drop_all(const struct privileges_user *user, const char *name)
{
	pid_t parent = getppid();
	int error = become_user(user);

	if (!error)
		error = set_capabilities(NULL, 0, 0);
	if (error)
		return error;
	/* After the change of user, which would forget the first and allow the last. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_NAME, name) || prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

/* Those that are to be kept; the optional ones where they are held. */
static int list_kept(cap_value_t *values)
{
	_cleanup_capabilities_ cap_t held = cap_get_proc();
	int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		cap_flag_value_t is_set = CAP_SET;

		if (!rights[i].is_kept)
			continue;
		if (held && rights[i].is_optional)
			cap_get_flag(held, rights[i].value, CAP_PERMITTED, &is_set);
		if (is_set == CAP_SET)
			values[count++] = rights[i].value;
	}
	return count;
}

/* Whether this process may use a right, or hand it on. */
static int holds(cap_value_t value)
{
	_cleanup_capabilities_ cap_t held = cap_get_proc();
	cap_flag_value_t is_set = CAP_CLEAR;

	return held && !cap_get_flag(held, value, CAP_PERMITTED, &is_set) && is_set == CAP_SET;
}

int privileges_keep_broker(const struct privileges_user *user, int has_single_probes)
{
	cap_value_t values[ARRAY_SIZE(rights) + 1];
	int used_count = list_kept(values), count = used_count;
	int error;

	/* For probers alone. */
	if (has_single_probes && holds(CAP_SYS_ADMIN))
		values[count++] = CAP_SYS_ADMIN;

	if (prctl(PR_SET_KEEPCAPS, 1))
		return -errno;
	error = become_user(user);
	if (!error)
		error = set_capabilities(values, count, used_count);
	if (error)
		return error;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	return 0;
}

int privileges_keep_prober(const char *name, int has_single_probes)
{
	static const cap_value_t values[] = {CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_SYS_ADMIN};
	int count = ARRAY_SIZE(values) - !(has_single_probes && holds(CAP_SYS_ADMIN));
	int error = set_capabilities(values, count, count);

	if (error)
		return error;
	/*
	 * No signal when the broker dies: the core dies then, too, and by its end of the socket the
	 * prober knows. A signal that kills it while it removes probes makes the kernel leave them.
	 */
	return prctl(PR_SET_NAME, name) ? -errno : 0;
}
