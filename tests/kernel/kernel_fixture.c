/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/kernel/kernel_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fd_message.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/broker/broker.h"
#include "daemon/broker/privileges.h"
#include "daemon/broker/spawner.h"
#include "daemon/elf/reader.h"
#include "daemon/fetch/fetcher.h"

/* In place of the elf reader: echoes one byte, so that a test sees that it lives and as whom. */
int reader_main(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) == 1) {
		uid_t uid = getuid();

		if (send(fd, &uid, sizeof(uid), MSG_NOSIGNAL) < 0)
			return 1;
	}
	return 0;
}

/* Nothing is fetched here. */
int fetcher_main(int socket, const struct fetch_cache *cache)
{
	(void)socket;
	(void)cache;
	return 1;
}

static void run_broker(int core_socket, const struct options *options)
{
	struct privileges_user user;
	struct spawner spawner;
	sigset_t signals;
	struct broker_setup setup = {
		.options = options, .user = &user, .spawner = &spawner, .core_socket = core_socket};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (privileges_find_user(NULL, &user) || spawner_start(&user, NULL, &spawner))
		_exit(1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGCHLD);
	setup.core_pid = fork();
	if (!setup.core_pid) {
		if (privileges_drop_all(&user, "core"))
			_exit(1);
		for (;;)
			pause();
	}
	sigprocmask(SIG_BLOCK, &signals, NULL);
	setup.signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	_exit(broker_run(&setup) ? 1 : 0);
}

static int keep_record(void *context, void *data, size_t size)
{
	struct kernel_fixture *fixture = context;
	struct record_header *copy;

	if (fixture->record_count == MAX_RECORDS)
		return 0;
	copy = memory_new(size);
	memcpy(copy, data, size);
	fixture->records[fixture->record_count++] = copy;
	return 0;
}

struct kernel_fixture *kernel_fixture_start(const struct options *options)
{
	struct kernel_fixture *fixture = memory_new(sizeof(*fixture));
	size_t fd_count = BROKER_FD_COUNT;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return NULL;
	log_start("test", LOG_LEVEL_INFO);
	fixture->broker = fork();
	if (!fixture->broker) {
		close(pair[0]);
		run_broker(pair[1], options);
	}
	close(pair[1]);
	fixture->socket = pair[0];
	fixture->records = memory_resize(NULL, MAX_RECORDS, sizeof(struct record_header *));
	ssize_t length = fd_message_receive(fixture->socket, &fixture->hello,
					    sizeof(fixture->hello), fixture->fds, &fd_count);
	if (length != sizeof(fixture->hello) || fd_count != BROKER_FD_COUNT)
		return NULL;
	fixture->ring =
		ring_buffer__new(fixture->fds[BROKER_FD_RECORDS], keep_record, fixture, NULL);
	fixture->settings = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
				 MAP_SHARED, fixture->fds[BROKER_FD_SETTINGS], 0);
	if (!fixture->ring || fixture->settings == MAP_FAILED)
		return NULL;
	return fixture;
}

int kernel_fixture_stop(struct kernel_fixture *fixture)
{
	int status;

	kill(fixture->broker, SIGTERM);
	waitpid(fixture->broker, &status, 0);
	return status;
}

int kernel_fixture_ask(struct kernel_fixture *fixture, struct broker_request *request, int *fd)
{
	struct broker_reply reply;
	size_t fd_count = 1;
	int unused;
	int error;

	request->serial++;
	if (!fd)
		fd = &unused;
	*fd = -1;
	error = fd_message_send(fixture->socket, request, sizeof(*request), NULL, 0);
	if (error)
		return error;
	if (fd_message_receive(fixture->socket, &reply, sizeof(reply), fd, &fd_count) !=
	    sizeof(reply))
		return -EPIPE;
	if (reply.serial != request->serial || reply.type != request->type)
		return -EBADMSG;
	return reply.error;
}

void kernel_fixture_set_rate(struct kernel_fixture *fixture, uint64_t rate_hz)
{
	struct broker_request request = {.type = BROKER_SET_RATE, .value = rate_hz};

	if (rate_hz)
		fixture->settings->interval_ns = NS_PER_SECOND / rate_hz;
	if (kernel_fixture_ask(fixture, &request, NULL))
		abort();
}

void kernel_fixture_profile(struct kernel_fixture *fixture, pid_t pid, uint32_t flags)
{
	struct profiled profiled = {.keep = UINT32_MAX, .target = 7, .flags = flags};
	uint32_t key = (uint32_t)pid;

	if (bpf_map_update_elem(fixture->fds[BROKER_FD_PROCESSES], &key, &profiled, BPF_ANY))
		abort();
}

void kernel_fixture_drain(struct kernel_fixture *fixture)
{
	ring_buffer__consume(fixture->ring);
}

uint64_t kernel_fixture_counter(struct kernel_fixture *fixture, uint32_t counter)
{
	_cleanup_free_ uint64_t *values =
		memory_resize(NULL, fixture->hello.cpu_count, sizeof(*values));
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(fixture->fds[BROKER_FD_COUNTERS], &counter, values))
		abort();
	for (uint32_t i = 0; i < fixture->hello.cpu_count; i++)
		sum += values[i];
	return sum;
}

size_t kernel_fixture_count(const struct kernel_fixture *fixture, enum record_type type, pid_t pid)
{
	size_t count = 0;

	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_header *header = fixture->records[i];
		uint32_t of = type == RECORD_SAMPLE ? ((const struct record_sample *)header)->pid
			      : type == RECORD_MODULE
				      ? ((const struct record_module *)header)->pid
				      : ((const struct record_process *)header)->pid;

		count += header->type == (uint32_t)type && of == (uint32_t)pid;
	}
	return count;
}

uint64_t kernel_fixture_cpu_ns(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		abort();
	return (uint64_t)time.tv_sec * NS_PER_SECOND + (uint64_t)time.tv_nsec;
}

const struct record_module *kernel_fixture_module(const struct kernel_fixture *fixture,
						  uint32_t module)
{
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_module *record = (const void *)fixture->records[i];

		if (record->header.type == RECORD_MODULE && record->module == module)
			return record;
	}
	return NULL;
}

uint64_t kernel_fixture_frame(const struct kernel_fixture *fixture, const void *address)
{
	uint64_t at = (uint64_t)(uintptr_t)address, start, end, offset, inode;
	FILE *maps = fopen("/proc/self/maps", "r");
	uint64_t frame = 0;
	char line[4400];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %" SCNu64, &start,
			   &end, &offset, &inode) != 4 ||
		    at < start || at >= end)
			continue;
		for (size_t i = 0; i < fixture->record_count; i++) {
			const struct record_module *record = (const void *)fixture->records[i];

			if (record->header.type == RECORD_MODULE && record->key.inode == inode)
				frame = frame_pack(record->module, at - start + offset);
		}
	}
	if (maps)
		fclose(maps);
	return frame;
}
