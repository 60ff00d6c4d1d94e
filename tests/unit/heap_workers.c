/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/heap_workers.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/reader_client.h"
#include "daemon/elf/allocator.h"
#include "daemon/elf/reader_message.h"
#include "tests/unit/cmocka_all.h"

static const char maps[] = "1000-2000 r-xp 00000000 08:01 11 /usr/bin/program\n"
			   "7000-9000 r-xp 00000000 08:01 22 /usr/lib/libc.so.6\n";

void heap_workers_init(struct heap_workers *workers)
{
	struct heap_sources *sources = &workers->sources;
	int ends[2];

	log_start("test", LOG_LEVEL_ERROR);
	memset(workers, 0, sizeof(*workers));
	workers->reader = workers->prober = -1;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	workers->broker = ends[1];
	heap_calibration_init(&workers->calibration);
	workers->calibration.state = HEAP_CALIBRATION_DONE;
	workers->calibration.measured_ns = UINT64_MAX;
	sources->base = event_base_new();
	sources->broker = broker_client_new(sources->base, ends[0], NULL, NULL);
	sources->reader = worker_client_new(sources->base, sources->broker, &reader_client_kind);
	sources->stacks = stack_table_new();
	sources->counters = &workers->counters;
	sources->calibration = &workers->calibration;
	sources->maps = (struct heap_maps){workers->slots, -1, 1};
}

void heap_workers_fini(struct heap_workers *workers)
{
	struct heap_sources *sources = &workers->sources;

	worker_client_free(sources->reader);
	broker_client_free(sources->broker);
	event_base_loop(sources->base, EVLOOP_NONBLOCK);
	event_base_free(sources->base);
	assert_int_equal(stack_table_count(sources->stacks), 0);
	stack_table_free(sources->stacks);
	close(workers->broker);
	if (workers->reader >= 0)
		close(workers->reader);
	if (workers->prober >= 0)
		close(workers->prober);
}

void heap_workers_turn(const struct heap_workers *workers)
{
	event_base_loop(workers->sources.base, EVLOOP_NONBLOCK);
}

int heap_workers_file(const void *data, size_t length)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, data, length), length);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

struct broker_request heap_workers_answer_broker(const struct heap_workers *workers, uint32_t type,
						 int error, int fd)
{
	struct broker_request request;
	struct broker_reply reply = {.error = error, .fd_count = fd >= 0};
	size_t no_fds = 0;

	assert_int_equal(
		fd_message_receive(workers->broker, &request, sizeof(request), NULL, &no_fds),
		sizeof(request));
	assert_int_equal(request.type, type);
	reply.type = request.type;
	reply.serial = request.serial;
	assert_int_equal(fd_message_send(workers->broker, &reply, sizeof(reply), &fd, fd >= 0), 0);
	if (fd >= 0)
		close(fd);
	heap_workers_turn(workers);
	return request;
}

/* Answer with one end of a socket. Returns the other. */
static int answer_with_socket(const struct heap_workers *workers, uint32_t type)
{
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	heap_workers_answer_broker(workers, type, 0, ends[0]);
	return ends[1];
}

void heap_workers_start_reader(struct heap_workers *workers)
{
	workers->reader = answer_with_socket(workers, BROKER_START_READER);
}

void heap_workers_start_prober(struct heap_workers *workers)
{
	workers->prober = answer_with_socket(workers, BROKER_START_PROBER);
}

void heap_workers_answer_maps(const struct heap_workers *workers)
{
	heap_workers_answer_broker(workers, BROKER_OPEN_PROC, 0,
				   heap_workers_file(maps, sizeof(maps) - 1));
}

/* Take one request and answer it. Takes answer, -1: none. */
static void answer_reader(const struct heap_workers *workers, int error, int answer)
{
	struct reader_request request;
	struct reader_reply reply = {.error = error};
	int fd = -1;
	size_t fd_count = 1;

	assert_int_equal(
		fd_message_receive(workers->reader, &request, sizeof(request), &fd, &fd_count),
		sizeof(request));
	assert_int_equal(request.type, READER_ALLOCATOR);
	close(fd);
	reply.serial = request.serial;
	assert_int_equal(
		fd_message_send(workers->reader, &reply, sizeof(reply), &answer, answer >= 0), 0);
	if (answer >= 0)
		close(answer);
	heap_workers_turn(workers);
}

void heap_workers_answer_reader(const struct heap_workers *workers, int is_allocator)
{
	static const struct allocator_function functions[] = {
		{.entry = 0x100, .size = 0x20, .site = 0x100, .name = "malloc"},
		{.entry = 0x200,
		 .size = 0x20,
		 .site = 0x209,
		 .function = HEAP_FREE,
		 .name = "free"},
		{.entry = 0x300,
		 .size = 0x20,
		 .site = 0x300,
		 .function = HEAP_NEW,
		 .flags = ALLOCATOR_THROWS | ALLOCATOR_FOLLOWED,
		 .name = "_Znwm"},
	};
	size_t count = workers->has_operators ? 3 : 2;

	if (is_allocator)
		heap_workers_answer_reader_with(workers, functions, count * sizeof(functions[0]));
	else
		answer_reader(workers, -ENOENT, -1);
}

void heap_workers_answer_reader_with(const struct heap_workers *workers, const void *functions,
				     size_t length)
{
	answer_reader(workers, 0, heap_workers_file(functions, length));
}

void heap_workers_search(struct heap_workers *workers, int is_allocator)
{
	heap_workers_turn(workers);
	heap_workers_answer_maps(workers);
	heap_workers_answer_broker(workers, BROKER_OPEN_MAPPED, 0, heap_workers_file("elf", 3));
	heap_workers_start_reader(workers);
	heap_workers_answer_reader(workers, 0);
	heap_workers_answer_broker(workers, BROKER_OPEN_MAPPED, 0, heap_workers_file("elf", 3));
	heap_workers_answer_reader(workers, is_allocator);
}

struct prober_request heap_workers_answer_prober(const struct heap_workers *workers, uint32_t type,
						 struct prober_reply reply)
{
	struct prober_request request;
	int fd = -1;
	size_t fd_count = 1;

	assert_int_equal(
		fd_message_receive(workers->prober, &request, sizeof(request), &fd, &fd_count),
		sizeof(request));
	if (fd_count)
		close(fd);
	assert_int_equal(request.type, type);
	reply.serial = request.serial;
	assert_int_equal(fd_message_send(workers->prober, &reply, sizeof(reply), NULL, 0), 0);
	heap_workers_turn(workers);
	return request;
}
