/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/access.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/parse.h"

#define MAX_PEER_GROUPS  65536 /* NGROUPS_MAX of the kernel */
#define MAX_STATUS_BYTES 16384 /* of /proc/PID/status; the lines we need come early */

static const struct {
	const char *name;
	const char *text;
} rules[ACCESS_RULE_COUNT] = {
	[ACCESS_ALLOWED] = {"allowed", "it is allowed"},
	[ACCESS_RULE_METHOD] = {"all-level", "this is for root and the group that controls flamed"},
	[ACCESS_RULE_OWN_PROCESS] = {"own-process",
				     "only processes whose real, effective and saved user and "
				     "group are all yours"},
	[ACCESS_RULE_UNPRIVILEGED] = {"unprivileged-process",
				      "only processes that hold no capability and may be dumped"},
	[ACCESS_RULE_OWN_TARGET] = {"own-target", "only targets that you attached"},
	[ACCESS_RULE_OWN_SAMPLES] = {"own-samples", "only samples of your own processes"},
	[ACCESS_RULE_USER_FRAMES] = {"user-frames",
				     "kernel frames are for root and the group that controls "
				     "flamed"},
};

const char *access_rule_name(enum access_rule rule)
{
	return rules[rule].name;
}

const char *access_rule_text(enum access_rule rule)
{
	return rules[rule].text;
}

const char *access_level_name(enum access_level level)
{
	return level == ACCESS_LEVEL_ALL ? "all" : "own";
}

/* Read a file of /proc/PID as text. Returns its length, at most size - 1. */
static int read_proc_file(int proc_fd, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
	size_t length = 0;

	if (fd < 0)
		return -errno;
	while (length < size - 1) {
		ssize_t count = read(fd, text + length, size - 1 - length);

		if (count < 0)
			return -errno;
		if (!count)
			break;
		length += (size_t)count;
	}
	text[length] = 0;
	return (int)length;
}

static int open_proc(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void read_comm(struct access_peer *peer)
{
	_cleanup_close_ int proc_fd = open_proc(peer->pid);
	char text[sizeof(peer->comm) + 1];

	if (proc_fd < 0 || read_proc_file(proc_fd, "comm", text, sizeof(text)) < 0)
		return;
	text[strcspn(text, "\n")] = 0;
	snprintf(peer->comm, sizeof(peer->comm), "%.*s", (int)sizeof(peer->comm) - 1, text);
}

/* Groups as the kernel recorded them when the peer connected: positive: member, 0: not. */
static int is_member(int fd, gid_t group)
{
	socklen_t size = 64 * sizeof(gid_t);
	_cleanup_free_ gid_t *groups = memory_new(size);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
		/* On ERANGE the kernel says how much room it needs. */
		if (errno != ERANGE || size > MAX_PEER_GROUPS * sizeof(gid_t))
			return -errno;
		groups = memory_resize(groups, size, 1);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
			return -errno;
	}
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		if (groups[i] == group)
			return 1;
	return 0;
}

int access_peer_read(int fd, gid_t all_group, struct access_peer *peer)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	int member = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return -errno;
	if (all_group != ACCESS_NO_GROUP && credentials.uid != 0) {
		member = credentials.gid == all_group ? 1 : is_member(fd, all_group);
		if (member < 0)
			return member;
	}
	*peer = (struct access_peer){
		.uid = credentials.uid,
		.gid = credentials.gid,
		.pid = credentials.pid,
		.level = credentials.uid == 0 || member ? ACCESS_LEVEL_ALL : ACCESS_LEVEL_OWN,
	};
	read_comm(peer);
	return 0;
}

/* The rest of the line that starts with name, or NULL. */
static const char *find_line(const char *text, const char *end, const char *name)
{
	size_t length = strlen(name);

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		if (!newline)
			return NULL;
		if ((size_t)(newline - text) > length && memcmp(text, name, length) == 0)
			return text + length;
		text = newline + 1;
	}
	return NULL;
}

/* Four decimal numbers separated by tabs. */
static int parse_ids(const char *line, const char *end, uint32_t ids[4])
{
	if (!line)
		return -EINVAL;
	for (int i = 0; i < 4; i++) {
		uint64_t id;

		if (line == end || *line++ != '\t')
			return -EINVAL;
		size_t length = strspn(line, "0123456789");
		int error = parse_u64(line, length, 0, UINT32_MAX, &id);
		if (error)
			return error;
		ids[i] = (uint32_t)id;
		line += length;
	}
	return *line == '\n' ? 0 : -EINVAL;
}

/*
 * The kernel escapes newlines in the name of a process here (unlike in /proc/PID/stat), so a line
 * cannot be forged.
 */
int access_process_parse(const char *status, size_t length, struct access_process *process)
{
	_cleanup_free_ char *text = memory_copy_text(status, length);
	const char *end = text + length;
	struct access_process parsed = *process;
	const char *capabilities = find_line(text, end, "CapPrm:");
	char *after;

	int error = parse_ids(find_line(text, end, "Uid:"), end, parsed.uids);
	if (!error)
		error = parse_ids(find_line(text, end, "Gid:"), end, parsed.gids);
	if (error)
		return error;
	if (!capabilities || *capabilities++ != '\t' ||
	    strspn(capabilities, "0123456789abcdef") != 16)
		return -EINVAL;
	parsed.permitted_capabilities = strtoull(capabilities, &after, 16);
	if (*after != '\n')
		return -EINVAL;
	*process = parsed;
	return 0;
}

int access_process_read(pid_t pid, struct access_process *process)
{
	_cleanup_close_ int proc_fd = open_proc(pid);
	struct access_process read = {0};
	char status[MAX_STATUS_BYTES];
	struct stat information;

	/* Of the directory itself, the kernel always tells the effective user. */
	if (proc_fd < 0 || fstatat(proc_fd, "status", &information, AT_SYMLINK_NOFOLLOW) < 0)
		return -ESRCH;
	int length = read_proc_file(proc_fd, "status", status, sizeof(status));
	if (length < 0)
		return -ESRCH;
	read.proc_owner = information.st_uid;
	int error = access_process_parse(status, (size_t)length, &read);
	if (!error)
		*process = read;
	return error;
}

static int has_own_ids(const struct access_peer *peer, const struct access_process *process)
{
	for (int i = 0; i < 4; i++)
		if (process->uids[i] != peer->uid || process->gids[i] != peer->gid)
			return 0;
	return 1;
}

static int is_unprivileged(const struct access_peer *peer, const struct access_process *process)
{
	return process->permitted_capabilities == 0 && process->proc_owner == peer->uid;
}

/* What a process must pass for level own, in the order in which a refusal names it. */
static const struct {
	enum access_rule rule;
	int (*passes)(const struct access_peer *peer, const struct access_process *process);
} process_rules[] = {
	{ACCESS_RULE_OWN_PROCESS, has_own_ids},
	{ACCESS_RULE_UNPRIVILEGED, is_unprivileged},
};

enum access_rule access_judge_process(const struct access_peer *peer,
				      const struct access_process *process)
{
	if (peer->level == ACCESS_LEVEL_ALL)
		return ACCESS_ALLOWED;
	for (size_t i = 0; i < ARRAY_SIZE(process_rules); i++)
		if (!process_rules[i].passes(peer, process))
			return process_rules[i].rule;
	return ACCESS_ALLOWED;
}

void access_process_owner(const struct access_process *process, uint32_t *uid, uint32_t *gid)
{
	const struct access_peer owner = {
		.uid = process->uids[0], .gid = process->gids[0], .level = ACCESS_LEVEL_OWN};
	int is_owned = access_judge_process(&owner, process) == ACCESS_ALLOWED;

	*uid = is_owned ? owner.uid : UINT32_MAX;
	*gid = is_owned ? owner.gid : UINT32_MAX;
}

static enum access_rule judge(const struct access_peer *peer, int passes, enum access_rule rule)
{
	return peer->level == ACCESS_LEVEL_ALL || passes ? ACCESS_ALLOWED : rule;
}

enum access_rule access_judge_target(const struct access_peer *peer, uid_t owner)
{
	return judge(peer, owner == peer->uid, ACCESS_RULE_OWN_TARGET);
}

enum access_rule access_judge_samples(const struct access_peer *peer, uid_t owner)
{
	return judge(peer, owner == peer->uid, ACCESS_RULE_OWN_SAMPLES);
}

enum access_rule access_judge_level(const struct access_peer *peer, enum access_level needed)
{
	return judge(peer, needed == ACCESS_LEVEL_OWN, ACCESS_RULE_METHOD);
}

enum access_rule access_judge_kernel_frames(const struct access_peer *peer)
{
	return judge(peer, 0, ACCESS_RULE_USER_FRAMES);
}
