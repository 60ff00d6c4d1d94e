/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/cgroup_lineage.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"
#include "daemon/core/processes/cgroup_table.h"
#include "tests/unit/cmocka_all.h"

/* A hierarchy in a mount namespace of our own, and a process two levels below its root. */
struct fixture {
	char mount[32];
	char outer[64];
	char inner[80];
	pid_t member; /* 0: such a thing cannot be made here */
	struct cgroup_table *table;
	struct cgroup_lineage *lineage;
};

static uint64_t id_of(const char *path)
{
	struct stat status;

	return stat(path, &status) ? 0 : status.st_ino;
}

static int make_hierarchy(struct fixture *fixture)
{
	strcpy(fixture->mount, "/tmp/flame-cgroup-XXXXXX");
	if (!mkdtemp(fixture->mount))
		return -1;
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	/* So that it is the first that is found. */
	while (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 &&
	       !umount2("/sys/fs/cgroup", MNT_DETACH))
		;
	if (mount("none", fixture->mount, "cgroup2", 0, NULL))
		return -1;
	snprintf(fixture->outer, sizeof(fixture->outer), "%s/flame-%d", fixture->mount, getpid());
	snprintf(fixture->inner, sizeof(fixture->inner), "%s/inner", fixture->outer);
	return mkdir(fixture->outer, 0755) || mkdir(fixture->inner, 0755) ? -1 : 0;
}

static pid_t start_member(const char *cgroup)
{
	_cleanup_free_ char *path = memory_format("%s/cgroup.procs", cgroup);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (fd < 0 || dprintf(fd, "%d", pid) < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return 0;
	}
	return pid;
}

static int set_up(void **state)
{
	struct fixture *fixture = memory_new(sizeof(*fixture));

	if (!make_hierarchy(fixture))
		fixture->member = start_member(fixture->inner);
	fixture->table = cgroup_table_new();
	fixture->lineage = cgroup_lineage_new(fixture->table);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	cgroup_lineage_free(fixture->lineage);
	cgroup_table_free(fixture->table);
	if (fixture->member) {
		kill(fixture->member, SIGKILL);
		waitpid(fixture->member, NULL, 0);
	}
	rmdir(fixture->inner);
	rmdir(fixture->outer);
	umount2(fixture->mount, MNT_DETACH);
	rmdir(fixture->mount);
	free(fixture);
	return 0;
}

static void test_all_above_are_found_up_to_the_root(void **state)
{
	struct fixture *fixture = *state;
	uint64_t ids[CGROUP_LINEAGE_LEVELS];

	if (!fixture->member)
		skip();
	/* Once from the files, once from memory: its process need not live any more. */
	for (uint32_t pid = (uint32_t)fixture->member;; pid = 0x7fffffff) {
		assert_int_equal(
			cgroup_lineage_find(fixture->lineage, id_of(fixture->inner), pid, ids), 3);
		assert_int_equal(ids[0], id_of(fixture->inner));
		assert_int_equal(ids[1], id_of(fixture->outer));
		assert_int_equal(ids[2], id_of(fixture->mount));
		if (pid == 0x7fffffff)
			break;
	}
}

static void test_what_cannot_be_found_out_is_no_lineage(void **state)
{
	struct fixture *fixture = *state;
	uint64_t ids[CGROUP_LINEAGE_LEVELS];

	assert_int_equal(cgroup_lineage_find(fixture->lineage, 0, (uint32_t)getpid(), ids), 0);
	/* A process that is gone, in a cgroup that nobody has met. */
	assert_int_equal(cgroup_lineage_find(fixture->lineage, UINT64_MAX, 0x7fffffff, ids), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_above_are_found_up_to_the_root),
		cmocka_unit_test(test_what_cannot_be_found_out_is_no_lineage),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
