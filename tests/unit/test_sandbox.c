/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/module_image.h"
#include "tests/unit/cmocka_all.h"

#define ESCAPED 99 /* exit status of an attempt that worked */
#define REFUSED 7

static pid_t parent;
static int inherited; /* a descriptor that was open before */

/* Attempts; each returns non-zero when it was let. */
static int try_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static int try_create(void)
{
	return open("/tmp/flame-escaped", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static int try_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static int try_socketpair(void)
{
	int ends[2];

	return !socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

static int try_execute(void)
{
	return execl("/bin/true", "true", (char *)NULL) == 0;
}

static int try_fork(void)
{
	return fork() >= 0;
}

static int try_ptrace(void)
{
	return !ptrace(PTRACE_ATTACH, parent, NULL, NULL);
}

static int try_kill(void)
{
	return !kill(parent, 0);
}

static int try_executable_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) != MAP_FAILED;
}

static int try_making_memory_executable(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED || !mprotect(memory, 4096, PROT_READ | PROT_EXEC);
}

static int try_stat(void)
{
	struct stat status;

	return !stat("/etc/passwd", &status);
}

static int try_unlink(void)
{
	return !unlink("/tmp/flame-does-not-exist") || errno == ENOENT;
}

static int try_duplicating_a_descriptor(void)
{
	return fcntl(0, F_DUPFD, 0) >= 0;
}

static int try_much_memory(void)
{
	return mmap(NULL, SANDBOX_MAX_MEMORY + 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static int try_a_large_image(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	return fd < 0 || !ftruncate(fd, (off_t)MODULE_IMAGE_MAX + 1);
}

static int try_many_descriptors(void)
{
	for (int i = 0; i < SANDBOX_MAX_DESCRIPTORS; i++) {
		if (memfd_create("one of many", MFD_CLOEXEC) < 0)
			return 0;
	}
	return 1;
}

static int try_working_forever(void)
{
	sandbox_set_deadline(20);
	while (getpid())
		;
	return 1;
}

static int try_an_inherited_descriptor(void)
{
	return fcntl(inherited, F_GETFD) >= 0;
}

/* What the reader needs; escaping is what it must be able to do here. */
static int make_an_image(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat status;

	return fd >= 0 && !ftruncate(fd, 4096) && pwrite(fd, "x", 1, 0) == 1 &&
	       !fstat(fd, &status) && !fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
}

/* Run attempt in a sandbox. Returns its exit status, or the negative signal that ended it. */
static int run(int (*attempt)(void))
{
	int status;
	parent = getpid();
	inherited = open("/dev/null", O_RDONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (!pid) {
		if (sandbox_enter(-1))
			_exit(1);
		_exit(attempt() ? ESCAPED : REFUSED);
	}
	close(inherited);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_nothing_outside_can_be_reached(void **state)
{
	static const struct {
		const char *name;
		int (*attempt)(void);
		int outcome;
	} cases[] = {
		{"open", try_open, REFUSED},
		{"create", try_create, REFUSED},
		{"socket", try_socket, REFUSED},
		{"stat", try_stat, REFUSED},
		{"executable memory", try_executable_memory, REFUSED},
		{"mprotect", try_making_memory_executable, REFUSED},
		{"fcntl", try_duplicating_a_descriptor, -SIGSYS},
		{"inherited descriptor", try_an_inherited_descriptor, REFUSED},
		{"memory", try_much_memory, REFUSED},
		{"descriptors", try_many_descriptors, REFUSED},
		{"socketpair", try_socketpair, -SIGSYS},
		{"execve", try_execute, -SIGSYS},
		{"fork", try_fork, -SIGSYS},
		{"ptrace", try_ptrace, -SIGSYS},
		{"kill", try_kill, -SIGSYS},
		{"unlink", try_unlink, -SIGSYS},
		{"image size", try_a_large_image, -SIGXFSZ},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int outcome = run(cases[i].attempt);

		if (outcome != cases[i].outcome)
			fail_msg("%s: %d instead of %d", cases[i].name, outcome, cases[i].outcome);
	}
}

static void test_a_request_that_takes_too_long_ends_the_process(void **state)
{
	(void)state;
	int outcome = run(try_working_forever);
	assert_true(outcome == -SIGALRM || outcome == -SIGPROF);
}

static void test_the_reader_can_still_work(void **state)
{
	(void)state;
	assert_int_equal(run(make_an_image), ESCAPED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_outside_can_be_reached),
		cmocka_unit_test(test_a_request_that_takes_too_long_ends_the_process),
		cmocka_unit_test(test_the_reader_can_still_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
