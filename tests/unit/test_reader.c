/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd_message.h"
#include "daemon/elf/lines.h"
#include "daemon/elf/module_image.h"
#include "daemon/elf/reader_message.h"
#include "tests/unit/cmocka_all.h"

/* A reader in a process of its own, as the broker starts it. */
struct reader {
	pid_t pid;
	int fd;
};

static int start_reader(void **state)
{
	static struct reader reader;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	reader.pid = fork();
	if (!reader.pid) {
		close(ends[0]);
		_exit(reader_main(ends[1]));
	}
	close(ends[1]);
	reader.fd = ends[0];
	*state = &reader;
	return 0;
}

static int stop_reader(void **state)
{
	struct reader *reader = *state;
	int status = 0;

	close(reader->fd);
	waitpid(reader->pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
}

/* Ask and wait for the answer; *answer is -1 when none came with it. Returns the error told. */
static int ask(struct reader *reader, uint32_t type, uint32_t flags, const int *fds,
	       uint32_t fd_count, int *answer)
{
	static uint32_t serial;
	const struct reader_request request = {
		.type = type, .serial = ++serial, .fd_count = fd_count, .flags = flags};
	struct reader_reply reply;
	size_t came = 1;

	*answer = -1;
	assert_int_equal(fd_message_send(reader->fd, &request, sizeof(request), fds, fd_count), 0);
	assert_int_equal(fd_message_receive(reader->fd, &reply, sizeof(reply), answer, &came),
			 sizeof(reply));
	assert_int_equal(reply.serial, serial);
	assert_int_equal(came, reply.error ? 0 : 1);
	return reply.error;
}

static void test_a_module_image_comes_back(void **state)
{
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int answer = -1;
	struct module_image image = {0};
	int found = 0;

	assert_int_equal(ask(*state, READER_MODULE, READER_WANT_ROWS, &file, 1, &answer), 0);
	assert_int_equal(module_image_open(&image, answer), 0);
	assert_true(image.header->cells.count > 0);
	assert_true(image.header->flags & MODULE_HAS_SYMTAB);
	assert_true(image.header->flags & MODULE_IS_EXECUTABLE);
	assert_true(image.header->build_id_length > 0);
	for (uint64_t i = 0; i < image.header->symbols.count; i++) {
		const struct module_symbol *symbol = &image.symbols[i];

		assert_ptr_equal(module_image_find(&image, symbol->offset), symbol);
		if (!strcmp(module_image_name(&image, symbol), "start_reader")) {
			found |= 1;
			assert_non_null(module_image_find_rule(&image, symbol->offset));
		}
		found |= !strcmp(module_image_name(&image, symbol), "waitpid@plt") ? 2 : 0;
		found |= !strcmp(module_image_name(&image, symbol), "main") ? 4 : 0;
	}
	assert_int_equal(found, 7);
	module_image_close(&image);
}

static void test_the_vdso_has_names(void **state)
{
	_cleanup_close_ int answer = -1;
	struct module_image image = {0};
	int found = 0;

	int error = ask(*state, READER_VDSO, 0, NULL, 0, &answer);
	if (error == -ENOENT)
		skip();
	assert_int_equal(error, 0);
	assert_int_equal(module_image_open(&image, answer), 0);
	for (uint64_t i = 0; i < image.header->symbols.count; i++)
		found |= strstr(module_image_name(&image, &image.symbols[i]), "clock_gettime") !=
			 NULL;
	assert_true(found);
	module_image_close(&image);
}

static void test_names_are_demangled(void **state)
{
	static const char names[] = "_Z3foov\0main";
	_cleanup_close_ int file = memfd_create("names", MFD_CLOEXEC);
	_cleanup_close_ int answer = -1;
	char result[64];

	assert_int_equal(write(file, names, sizeof(names)), sizeof(names));
	assert_int_equal(ask(*state, READER_DEMANGLE, 0, &file, 1, &answer), 0);
	assert_int_equal(pread(answer, result, sizeof(result), 0), 9);
	assert_memory_equal(result, "foo\0main", 9);
	assert_true(fcntl(answer, F_GET_SEALS) & F_SEAL_WRITE);
}

static void test_lines_are_looked_up(void **state)
{
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int list = memfd_create("offsets", MFD_CLOEXEC);
	_cleanup_close_ int answer = -1;
	const uint64_t offsets[] = {0, 0x10000};
	const int fds[] = {file, file, list};
	struct lines lines = {0};

	assert_int_equal(write(list, offsets, sizeof(offsets)), sizeof(offsets));
	for (uint32_t count = 2; count <= 3; count++) {
		int error = ask(*state, READER_LINES, 0, fds + 3 - count, count, &answer);

		if (error == -ENODATA)
			skip(); /* built without debug information */
		assert_int_equal(error, 0);
		assert_int_equal(lines_open(&lines, answer), 0);
		assert_int_equal(lines.header->address_count, 2);
		lines_close(&lines);
		close(steal_fd(&answer));
	}
	assert_int_equal(ask(*state, READER_LINES, 0, &file, 1, &answer), -EINVAL);
}

static void test_what_is_no_elf_file_is_refused_with_the_reason(void **state)
{
	_cleanup_close_ int directory = open("/", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	_cleanup_close_ int device = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int empty = memfd_create("empty", MFD_CLOEXEC);
	_cleanup_close_ int garbage = memfd_create("garbage", MFD_CLOEXEC);
	_cleanup_close_ int sparse = memfd_create("sparse", MFD_CLOEXEC);
	int pipe_ends[2];
	int answer;

	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(write(garbage, "\177ELF\2\1\1garbage", 14), 14);
	assert_int_equal(ftruncate(sparse, (off_t)1 << 40), 0);
	assert_int_equal(ask(*state, READER_MODULE, 0, &directory, 1, &answer), -EINVAL);
	assert_int_equal(ask(*state, READER_MODULE, 0, &device, 1, &answer), -EINVAL);
	assert_int_equal(ask(*state, READER_MODULE, 0, &pipe_ends[0], 1, &answer), -EINVAL);
	assert_int_equal(ask(*state, READER_MODULE, 0, &empty, 1, &answer), -ENOEXEC);
	assert_int_equal(ask(*state, READER_MODULE, 0, &garbage, 1, &answer), -ENOEXEC);
	assert_int_equal(ask(*state, READER_MODULE, 0, &sparse, 1, &answer), -ENOEXEC);
	assert_int_equal(ask(*state, READER_DEMANGLE, 0, &sparse, 1, &answer), -E2BIG);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

static void test_malformed_requests_get_an_error_and_leak_no_descriptor(void **state)
{
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	const int four[] = {file, file, file, file};
	struct reader *reader = *state;
	int many[FD_MESSAGE_MAX_FDS];
	int answer;

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = file;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(ask(*state, 77, 0, NULL, 0, &answer), -EOPNOTSUPP);
		assert_int_equal(ask(*state, 77, 0, four, 4, &answer), -EOPNOTSUPP);
		assert_int_equal(ask(*state, READER_MODULE, 0, NULL, 0, &answer), -EINVAL);
		assert_int_equal(ask(*state, READER_MODULE, 0, four, 3, &answer), -EINVAL);
		assert_int_equal(ask(*state, READER_VDSO, 0, four, 1, &answer), -EINVAL);
		/* neither the size of a request nor the number of descriptors: no answer at all */
		assert_int_equal(fd_message_send(reader->fd, "short", 5, four, 4), 0);
		assert_int_equal(fd_message_send(reader->fd, "short", 5, many, 16), 0);
	}
	assert_int_equal(ask(*state, READER_MODULE, 0, &file, 1, &answer), 0);
	close(answer);
}

/* A copy of this program in memory, to be damaged. */
static int copy_program(size_t *size)
{
	_cleanup_close_ int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int copy = memfd_create("copy", MFD_CLOEXEC);
	struct stat status;

	assert_int_equal(fstat(file, &status), 0);
	*size = (size_t)status.st_size;
	for (size_t done = 0; done < *size;) {
		ssize_t count = sendfile(copy, file, NULL, *size - done);

		assert_true(count > 0);
		done += (size_t)count;
	}
	return copy;
}

/* Damage the file in fd: what depends on the number of the attempt. */
static void damage(int fd, size_t size, unsigned int attempt, uint64_t *random)
{
	static const char zeros[4096];
	const unsigned int headers = 4096; /* where a change matters most */

	for (unsigned int i = 0; i <= attempt % 32; i++) {
		*random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t where = (*random >> 20) % (i % 2 ? headers : size);
		unsigned char byte = (unsigned char)(*random >> 50);

		assert_int_equal(pwrite(fd, &byte, 1, (off_t)where), 1);
	}
	if (attempt % 5 == 1)
		assert_int_equal(ftruncate(fd, (off_t)(*random >> 20) % (off_t)size), 0);
	if (attempt % 5 == 2)
		assert_true(pwrite(fd, zeros, sizeof(zeros),
				   (off_t)((*random >> 20) % size) & ~4095) > 0);
	if (attempt % 5 == 3)
		assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
}

static void check_answer(int error, int answer)
{
	struct module_image image = {0};

	if (error)
		return;
	assert_int_equal(module_image_open(&image, answer), 0);
	module_image_close(&image);
	close(answer);
}

static void test_damaged_files_give_an_error_or_an_image_that_holds(void **state)
{
	uint64_t random = 20;

	for (unsigned int attempt = 0; attempt < 150; attempt++) {
		size_t size;
		_cleanup_close_ int file = copy_program(&size);
		const int both[] = {file, file};
		int answer;

		damage(file, size, attempt, &random);
		int error = ask(*state, READER_MODULE, READER_WANT_ROWS, both, 1 + attempt % 2,
				&answer);
		check_answer(error, answer);
	}
}

static void test_a_file_that_shrinks_while_it_is_read_gives_an_error_at_worst(void **state)
{
	const struct reader_request request = {
		.type = READER_MODULE, .fd_count = 1, .flags = READER_WANT_ROWS};
	struct reader *reader = *state;

	for (int attempt = 0; attempt < 100; attempt++) {
		size_t size;
		_cleanup_close_ int file = copy_program(&size);
		struct reader_reply reply;
		size_t came = 1;
		int answer;

		assert_int_equal(fd_message_send(reader->fd, &request, sizeof(request), &file, 1),
				 0);
		for (size_t left = size; left > 4096; left -= left / 8)
			assert_int_equal(ftruncate(file, (off_t)left), 0);
		assert_int_equal(
			fd_message_receive(reader->fd, &reply, sizeof(reply), &answer, &came),
			sizeof(reply));
		check_answer(reply.error, answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_module_image_comes_back),
		cmocka_unit_test(test_the_vdso_has_names),
		cmocka_unit_test(test_names_are_demangled),
		cmocka_unit_test(test_lines_are_looked_up),
		cmocka_unit_test(test_what_is_no_elf_file_is_refused_with_the_reason),
		cmocka_unit_test(test_malformed_requests_get_an_error_and_leak_no_descriptor),
		cmocka_unit_test(test_damaged_files_give_an_error_or_an_image_that_holds),
		cmocka_unit_test(test_a_file_that_shrinks_while_it_is_read_gives_an_error_at_worst),
	};

	return cmocka_run_group_tests(tests, start_reader, stop_reader);
}
