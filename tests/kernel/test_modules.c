/* SPDX-License-Identifier: Apache-2.0 */
/* How the kernel programs identify files, and how the broker opens them, on the real kernel. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/frame.h"
#include "common/memory.h"
#include "tests/kernel/kernel_fixture.h"
#include "tests/unit/cmocka_all.h"

#define RATE_HZ      999
#define SKIP_EXIT    77
#define ALTERNATE_NS (3ULL * 1000 * 1000)

static struct kernel_fixture *fixture;
static char folder[] = "/tmp/flame-modules-XXXXXX";
static pid_t child = -1;

static void burn(void)
{
	for (volatile unsigned int i = 0;; i++)
		;
}

static int stop_child(void **state)
{
	(void)state;
	kernel_fixture_set_rate(fixture, 0);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = -1;
	return 0;
}

/* Fork a child that prepares itself and then burns time; pipes tell when it has. */
static pid_t start_child(void (*prepare)(const char *program), const char *program)
{
	int pipe_fds[2];
	char byte;

	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pipe_fds[0]);
		fcntl(pipe_fds[1], F_SETFD, FD_CLOEXEC);
		prepare(program);
		close(pipe_fds[1]);
		burn();
	}
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
	close(pipe_fds[0]);
	return child;
}

/* A copy of this program, which burns time when it is told so. */
static char *copy_self(const char *name)
{
	char *path = memory_format("%s/%s", folder, name);
	char *command = memory_format("cp /proc/%d/exe %s", getpid(), path);

	assert_int_equal(system(command), 0);
	free(command);
	return path;
}

static void exec_program(const char *program)
{
	execl(program, "burner", "burn", (char *)NULL);
	_exit(1);
}

/* The sample of pid whose leaf lies in a file of this inode, and the announcement of that file. */
static const struct record_module *find_leaf_module(pid_t pid, uint64_t inode)
{
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];

		if (sample->header.type != RECORD_SAMPLE || sample->pid != (uint32_t)pid ||
		    !sample->user_count)
			continue;
		uint32_t module = frame_module(sample->frames[sample->kernel_count]);
		const struct record_module *record = kernel_fixture_module(fixture, module);

		if (record && record->key.inode == inode)
			return record;
	}
	return NULL;
}

static struct broker_request open_request(const struct record_module *record)
{
	struct broker_request request = {
		.type = BROKER_OPEN_MODULE,
		.pid = record->pid,
		.start_time_ns = record->start_time_ns,
		.start = record->start,
		.end = record->end,
		.inode = record->key.inode,
		.size = record->key.size,
		.mtime_s = record->key.mtime_s,
		.filesystem = record->filesystem,
		.value = record->root_length,
		.path_length = record->path_length,
	};

	memcpy(request.path, record->path, record->path_length);
	return request;
}

static const struct record_module *sample_program(const char *program, ino_t inode)
{
	const struct record_module *record;
	pid_t pid = start_child(exec_program, program);

	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, (record = find_leaf_module(pid, inode)) != NULL);
	return record;
}

static ino_t inode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_ino;
}

static void assert_opens_as(const struct record_module *record, ino_t inode)
{
	struct broker_request request = open_request(record);
	struct stat status;
	int fd;

	assert_int_equal(kernel_fixture_ask(fixture, &request, &fd), 0);
	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(status.st_ino, inode);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	close(fd);
}

static void test_a_file_is_announced_with_its_path(void **state)
{
	_cleanup_free_ char *path = copy_self("plain");
	const struct record_module *record = sample_program(path, inode_of(path));

	(void)state;
	assert_int_equal(record->path_length - record->root_length, strlen(path));
	assert_memory_equal(record->path + record->root_length, path, strlen(path));
	assert_true(record->start < record->end);
	assert_opens_as(record, inode_of(path));
}

static void test_a_dead_process_leaves_the_path(void **state)
{
	_cleanup_free_ char *path = copy_self("dead");
	const struct record_module *record = sample_program(path, inode_of(path));

	stop_child(state);
	assert_opens_as(record, inode_of(path));
}

static void test_a_replaced_file_is_not_taken_for_the_one_that_was_mapped(void **state)
{
	_cleanup_free_ char *path = copy_self("replaced");
	_cleanup_free_ char *other = copy_self("other");
	ino_t inode = inode_of(path);
	const struct record_module *record = sample_program(path, inode);
	struct broker_request request = open_request(record);
	int fd;

	assert_int_equal(rename(other, path), 0);
	assert_opens_as(record, inode); /* the mapping still leads to it */
	stop_child(state);
	assert_int_equal(kernel_fixture_ask(fixture, &request, &fd), -ESTALE);
	assert_int_equal(fd, -1);
}

static void test_a_deleted_file_is_opened_while_it_is_mapped(void **state)
{
	_cleanup_free_ char *path = copy_self("deleted");
	ino_t inode = inode_of(path);
	const struct record_module *record;
	pid_t pid = start_child(exec_program, path);

	(void)state;
	assert_int_equal(unlink(path), 0);
	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, (record = find_leaf_module(pid, inode)) != NULL);
	assert_opens_as(record, inode);
}

static int memory_file = -1;

static void exec_memory_file(const char *program)
{
	char *const arguments[] = {(char[]){"burner"}, (char[]){"burn"}, NULL};
	char *const environment[] = {NULL};

	(void)program;
	fexecve(memory_file, arguments, environment);
	_exit(1);
}

static void test_a_program_that_is_only_in_memory_is_opened(void **state)
{
	_cleanup_free_ char *command = NULL;
	const struct record_module *record;
	struct stat status;
	pid_t pid;

	(void)state;
	memory_file = memfd_create("program", 0);
	command =
		memory_format("cat /proc/%d/exe > /proc/%d/fd/%d", getpid(), getpid(), memory_file);
	assert_int_equal(system(command), 0);
	assert_int_equal(fstat(memory_file, &status), 0);
	pid = start_child(exec_memory_file, NULL);
	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, (record = find_leaf_module(pid, status.st_ino)) != NULL);
	assert_opens_as(record, status.st_ino);
	close(memory_file);
}

static void exec_in_own_namespace(const char *program)
{
	_cleanup_free_ char *hidden = memory_format("%s/tmpfs/program", folder);
	_cleanup_free_ char *mount_point = memory_format("%s/tmpfs", folder);
	_cleanup_free_ char *command = memory_format("cp %s %s", program, hidden);

	/* A root that is no mount point (chroot) cannot be made private. */
	if (unshare(CLONE_NEWNS) ||
	    (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) && errno != EINVAL) ||
	    mkdir(mount_point, 0755) || mount("none", mount_point, "tmpfs", 0, NULL) ||
	    system(command))
		_exit(1);
	exec_program(hidden);
}

static void test_a_file_in_another_mount_namespace_is_opened(void **state)
{
	_cleanup_free_ char *path = copy_self("namespace");
	_cleanup_free_ char *inside = NULL;
	const struct record_module *record;
	pid_t pid = start_child(exec_in_own_namespace, path);
	struct stat status;

	(void)state;
	inside = memory_format("/proc/%d/exe", pid);
	assert_int_equal(stat(inside, &status), 0);
	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, (record = find_leaf_module(pid, status.st_ino)) != NULL);
	assert_opens_as(record, status.st_ino);
}

static void read_clock(const char *program)
{
	struct timespec now;

	(void)program;
	for (;;)
		clock_gettime(CLOCK_MONOTONIC, &now);
}

static int has_frame_of(pid_t pid, uint32_t module)
{
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];

		if (sample->header.type != RECORD_SAMPLE || sample->pid != (uint32_t)pid)
			continue;
		for (uint32_t j = 0; j < sample->user_count; j++) {
			if (frame_module(sample->frames[sample->kernel_count + j]) == module)
				return 1;
		}
	}
	return 0;
}

static void test_the_vdso_is_a_module_of_its_own(void **state)
{
	(void)state;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		read_clock(NULL);
	}
	kernel_fixture_profile(fixture, child, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, has_frame_of(child, MODULE_VDSO));
}

static void run_from_memory(const char *program)
{
	static const unsigned char code[] = {0xeb, 0xfe}; /* jmp to itself */
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void (*function)(void);

	(void)program;
	if (page == MAP_FAILED)
		_exit(1);
	memcpy(page, code, sizeof(code));
	memcpy(&function, &page, sizeof(function));
	function();
}

static void test_code_made_at_run_time_has_no_module(void **state)
{
	(void)state;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_from_memory(NULL);
	}
	kernel_fixture_profile(fixture, child, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, has_frame_of(child, MODULE_NONE));
}

/* Two files with code that takes a while and returns, each at its own place in the page. */
#define CODE_PLACES 2
#define PAGE_BYTES  4096
#define PLACE_BYTES (PAGE_BYTES / CODE_PLACES)

static char *write_code(int place)
{
	static const unsigned char code[] = {0xb9, 0x00, 0x00, 0x01, 0x00, /* mov $65536, %ecx */
					     0xff, 0xc9,                   /* dec %ecx */
					     0x75, 0xfc,                   /* jnz to the dec */
					     0xc3};
	char *path = memory_format("%s/code-%d", folder, place);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fseek(file, (long)place * PLACE_BYTES, SEEK_SET), 0);
	assert_int_equal(fwrite(code, sizeof(code), 1, file), 1);
	assert_int_equal(fclose(file), 0);
	return path;
}

/* Map the one, run it, map the other in its place, for ever. */
static void run_in_turn(const char *first, const char *second)
{
	int fds[CODE_PLACES] = {open(first, O_RDONLY), open(second, O_RDONLY)};
	char *page = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int place = 0;; place = (place + 1) % CODE_PLACES) {
		char *code = page + (size_t)place * PLACE_BYTES;
		void (*function)(void);

		if (mmap(page, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
			 fds[place], 0) != page)
			_exit(1);
		memcpy(&function, &code, sizeof(function));
		for (int i = 0; i < 20; i++)
			function();
	}
}

/* Count the samples of pid whose leaf is in one of the files; each must be in that of its place. */
static void count_places(pid_t pid, const ino_t *inodes, size_t *counts)
{
	memset(counts, 0, CODE_PLACES * sizeof(*counts));
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];
		const struct record_module *record;
		uint64_t frame;

		if (sample->header.type != RECORD_SAMPLE || sample->pid != (uint32_t)pid ||
		    !sample->user_count || sample->flags & SAMPLE_IN_KERNEL)
			continue;
		frame = sample->frames[sample->kernel_count];
		record = kernel_fixture_module(fixture, frame_module(frame));
		for (int place = 0; record && place < CODE_PLACES; place++) {
			if (record->key.inode != inodes[place])
				continue;
			assert_int_equal(frame_offset(frame) / PLACE_BYTES, place);
			counts[place]++;
		}
	}
}

static void test_a_file_that_takes_the_place_of_another_is_told_from_it(void **state)
{
	_cleanup_free_ char *first = write_code(0);
	_cleanup_free_ char *second = write_code(1);
	ino_t inodes[CODE_PLACES] = {inode_of(first), inode_of(second)};
	size_t counts[CODE_PLACES];

	(void)state;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run_in_turn(first, second);
	}
	kernel_fixture_profile(fixture, child, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture,
		   (count_places(child, inodes, counts), counts[0] > 50 && counts[1] > 50));
}

/* The program at path: work for a moment, then become the one at other, which does the same. */
static void alternate(const char *path, const char *other)
{
	uint64_t end_ns = kernel_fixture_cpu_ns(getpid()) + ALTERNATE_NS;

	while (kernel_fixture_cpu_ns(getpid()) < end_ns)
		for (volatile int i = 0; i < 10000; i++)
			;
	execl(other, other, "alternate", other, path, (char *)NULL);
	_exit(1);
}

/* Samples of pid in the file: what the program was called then must be the file's name. */
static size_t count_named(pid_t pid, ino_t inode, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];
		const struct record_module *record;

		if (sample->header.type != RECORD_SAMPLE || sample->pid != (uint32_t)pid ||
		    !sample->user_count || sample->flags & SAMPLE_IN_KERNEL)
			continue;
		record = kernel_fixture_module(fixture, frame_module(sample->frames[0]));
		if (!record || record->key.inode != inode)
			continue;
		assert_string_equal(sample->process_name, name);
		count++;
	}
	return count;
}

static void test_programs_at_the_same_addresses_are_told_apart(void **state)
{
	_cleanup_free_ char *first = copy_self("first");
	_cleanup_free_ char *second = copy_self("second");
	ino_t first_inode = inode_of(first), second_inode = inode_of(second);

	(void)state;
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		personality(ADDR_NO_RANDOMIZE);
		alternate(second, first);
	}
	kernel_fixture_profile(fixture, child, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, count_named(child, first_inode, "first") > 50 &&
				    count_named(child, second_inode, "second") > 50);
}

static void test_what_could_block_or_act_is_refused(void **state)
{
	static const char *const names[] = {"fifo", "link-to-fifo", "folder", "null"};
	struct broker_request request = {.type = BROKER_OPEN_IN_ROOT, .pid = (uint32_t)getpid()};
	_cleanup_free_ char *fifo = memory_format("%s/fifo", folder);
	_cleanup_free_ char *link = memory_format("%s/link-to-fifo", folder);
	_cleanup_free_ char *sub = memory_format("%s/folder", folder);
	_cleanup_free_ char *null = memory_format("%s/null", folder);

	(void)state;
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(symlink("fifo", link), 0);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(symlink("/dev/null", null), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd;

		request.path_length = (uint32_t)snprintf(request.path, sizeof(request.path),
							 "%s/%s", folder, names[i]);
		if (kernel_fixture_ask(fixture, &request, &fd) != -EMEDIUMTYPE)
			fail_msg("%s was not refused", names[i]);
		assert_int_equal(fd, -1);
	}
}

static void test_processes_are_identified_by_their_start(void **state)
{
	struct broker_request request = {
		.type = BROKER_OPEN_PROC,
		.pid = (uint32_t)getpid(),
		.start_time_ns = 42,
		.value = BROKER_PROC_STAT,
	};
	int fd;

	(void)state;
	assert_int_equal(kernel_fixture_ask(fixture, &request, &fd), -ESRCH);
	request.start_time_ns = 0;
	assert_int_equal(kernel_fixture_ask(fixture, &request, &fd), 0);
	close(fd);
	request.value = BROKER_PROC_FILE_COUNT;
	assert_int_equal(kernel_fixture_ask(fixture, &request, &fd), -EINVAL);
	request.type = BROKER_REQUEST_COUNT;
	assert_int_equal(kernel_fixture_ask(fixture, &request, &fd), -ENOSYS);
}

static void test_files_are_announced_on_request(void **state)
{
	_cleanup_free_ char *path = copy_self("announced");
	struct broker_request request = {.type = BROKER_ANNOUNCE};
	ino_t inode = inode_of(path);
	pid_t pid = start_child(exec_program, path);
	const struct record_module *found = NULL;

	(void)state;
	request.pid = (uint32_t)pid;
	assert_int_equal(kernel_fixture_ask(fixture, &request, NULL), 0);
	kernel_fixture_drain(fixture);
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_module *record = (const void *)fixture->records[i];

		if (record->header.type == RECORD_MODULE && record->key.inode == inode)
			found = record;
	}
	assert_non_null(found);
	assert_int_equal(found->pid, pid);
}

static int start(void **state)
{
	static const struct options options;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	fixture = kernel_fixture_start(&options);
	return fixture ? 0 : -1;
}

static int stop(void **state)
{
	_cleanup_free_ char *command = memory_format("rm -rf %s", folder);

	(void)state;
	return kernel_fixture_stop(fixture) | system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define behaviour(test) cmocka_unit_test_teardown(test, stop_child)
		behaviour(test_a_file_is_announced_with_its_path),
		behaviour(test_a_dead_process_leaves_the_path),
		behaviour(test_a_replaced_file_is_not_taken_for_the_one_that_was_mapped),
		behaviour(test_a_deleted_file_is_opened_while_it_is_mapped),
		behaviour(test_a_program_that_is_only_in_memory_is_opened),
		behaviour(test_a_file_in_another_mount_namespace_is_opened),
		behaviour(test_the_vdso_is_a_module_of_its_own),
		behaviour(test_code_made_at_run_time_has_no_module),
		behaviour(test_a_file_that_takes_the_place_of_another_is_told_from_it),
		behaviour(test_programs_at_the_same_addresses_are_told_apart),
		behaviour(test_what_could_block_or_act_is_refused),
		behaviour(test_processes_are_identified_by_their_start),
		behaviour(test_files_are_announced_on_request),
	};

	if (argc == 2 && strcmp(argv[1], "burn") == 0)
		burn();
	if (argc == 4 && strcmp(argv[1], "alternate") == 0)
		alternate(argv[2], argv[3]);
	if (geteuid()) {
		puts("needs root: loads kernel programs");
		return getenv("FLAME_MUST_RUN") ? 1 : SKIP_EXIT;
	}
	return cmocka_run_group_tests(tests, start, stop);
}
