/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what. A peer is whoever opened a connection, as the kernel tells it; its level follows
 * from its credentials alone: root and the members of one group may do everything ("all"), everyone
 * else only what ptrace(2) would let them do to their own processes ("own"). The rules that bind
 * level "own" are one table; each has a name that refusals and the log show.
 *
 * Nothing here keeps state: a process is judged at the moment of asking, and again after an exec.
 */
#ifndef FLAME_DAEMON_CORE_PROCESSES_ACCESS_H
#define FLAME_DAEMON_CORE_PROCESSES_ACCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/memory.h"

#define ACCESS_NO_GROUP ((gid_t)-1)

enum access_level {
	ACCESS_LEVEL_OWN,
	ACCESS_LEVEL_ALL,
};

/* The end of a connection that is not us; over ssh -L it is the login user's sshd. */
struct access_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char comm[16]; /* for the log alone: its owner can choose it */
	enum access_level level;
};

/* What the rules look at in a process. */
struct access_process {
	uid_t uids[4]; /* real, effective, saved, file system */
	gid_t gids[4];
	uint64_t permitted_capabilities;
	uid_t proc_owner; /* of /proc/PID/status: root where the process may not be dumped */
};

enum access_rule {
	ACCESS_ALLOWED,
	ACCESS_RULE_METHOD,       /* the method or parameter is for level all */
	ACCESS_RULE_OWN_PROCESS,  /* every uid and gid of the process is the peer's */
	ACCESS_RULE_UNPRIVILEGED, /* the process holds no capability and may be dumped */
	ACCESS_RULE_OWN_TARGET,   /* the target was attached by the same user */
	ACCESS_RULE_OWN_SAMPLES,  /* the samples were taken in processes of the same user */
	ACCESS_RULE_USER_FRAMES,  /* kernel frames are for level all */
	ACCESS_RULE_COUNT
};

/* "own-process" */
const char *access_rule_name(enum access_rule rule);

/* The rule as a sentence without its full stop: "only processes whose user and group ids …". */
const char *access_rule_text(enum access_rule rule);

/* "all" or "own", as the greeting says it. */
const char *access_level_name(enum access_level level);

/*
 * Tell who is at the other end of a connected UNIX socket; members of all_group (ACCESS_NO_GROUP:
 * there is none) have level all. Errors: those of getsockopt(2).
 */
must_check int access_peer_read(int fd, gid_t all_group, struct access_peer *peer);

/*
 * Take the credentials out of the text of /proc/PID/status; proc_owner is left alone.
 * Errors: -EINVAL when a line is missing or malformed.
 */
must_check int access_process_parse(const char *status, size_t length,
				    struct access_process *process);

/* Read the credentials of a process. Errors: -ESRCH when it is gone, -EINVAL. */
must_check int access_process_read(pid_t pid, struct access_process *process);

/* Return ACCESS_ALLOWED, or the rule that keeps the peer from profiling the process. */
enum access_rule access_judge_process(const struct access_peer *peer,
				      const struct access_process *process);

/*
 * The one user that may profile the process without being privileged; both are UINT32_MAX when there
 * is none.
 */
void access_process_owner(const struct access_process *process, uint32_t *uid, uint32_t *gid);

/* Whether the peer may do so with a target that owner attached. */
enum access_rule access_judge_target(const struct access_peer *peer, uid_t owner);

/* The same for samples of a process that belonged to owner (UINT32_MAX: privileged) when taken. */
enum access_rule access_judge_samples(const struct access_peer *peer, uid_t owner);

/* The same for a method or parameter that needs a level. */
enum access_rule access_judge_level(const struct access_peer *peer, enum access_level needed);

/* The same for frames of the kernel. */
enum access_rule access_judge_kernel_frames(const struct access_peer *peer);

#endif
