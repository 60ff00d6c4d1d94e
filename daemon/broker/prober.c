/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes are attached in the order in which nothing is missed: frees before what they free can be
 * recorded, returns before entries; and removed the other way round.
 */
#include "daemon/broker/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/broker/child_socket.h"
#include "daemon/broker/descriptors.h"
#include "daemon/broker/handles.h"
#include "daemon/broker/privileges.h"
#include "daemon/broker/probe_costs.h"
#include "daemon/broker/prober_message.h"
#include "daemon/broker/prober_setup.h"
#include "daemon/broker/uprobe_link.h"

#define CODE_BYTES    16 /* that are compared at each site */
#define PROBE_BYTES   5  /* of them that a probe, or a debugger, may change */
#define MAX_WINDOW_NS (10 * NS_PER_SECOND)

/* What the code at a site was before the first probe. */
struct site_code {
	uint8_t bytes[CODE_BYTES];
	int is_known;
};

struct probed_file {
	int fd;
	uint32_t site_count;
	struct prober_site sites[HEAP_MAX_SITES];
	struct site_code codes[HEAP_MAX_SITES];
	struct uprobe_link links[HEAP_PROGRAM_COUNT];
};

struct prober {
	const struct prober_setup *setup;
	struct heap_slot *slot;
	int socket;
	int pidfd;
	int memory;     /* of the program that the process ran when the prober started */
	int executable; /* that this process runs */
	int measured;   /* where the costs come from; -1: not begun, or over */
	struct probed_file files[PROBER_MAX_FILES];
	uint32_t file_count;
};

/* Which sites each program is for. */
static int is_site_of(const struct prober_site *site, enum heap_program program)
{
	int allocates = site->function != HEAP_FREE && site->function != HEAP_LEAVE;

	switch (program) {
	case HEAP_PROGRAM_FREE:
		return site->function == HEAP_FREE;
	case HEAP_PROGRAM_LEAVE:
		return site->function == HEAP_LEAVE;
	case HEAP_PROGRAM_RETURN:
		return allocates && site->flags & PROBER_SITE_RETURNS;
	case HEAP_PROGRAM_ENTER:
	case HEAP_PROGRAM_WINDOW:
	case HEAP_PROGRAM_COUNT:
		break;
	}
	return allocates;
}

/* As long as it is not gone its pid is no other's. */
static int is_gone(const struct prober *prober)
{
	struct pollfd end = {.fd = prober->pidfd, .events = POLLIN};

	return poll(&end, 1, 0) != 0;
}

static uint64_t cookie_of(const struct prober_setup *setup, const struct prober_site *site)
{
	uint32_t dear = site->flags & PROBER_SITE_DEAR ? (uint32_t)HEAP_DEAR : 0;
	uint64_t followed = site->flags & PROBER_SITE_FOLLOWED ? HEAP_FOLLOWED : 0;

	return heap_cookie(setup->slot, site->function | dear) | followed;
}

static int attach(struct prober *prober, enum heap_program program)
{
	const struct prober_setup *setup = prober->setup;
	int error = is_gone(prober) ? -ESRCH : 0;

	for (uint32_t i = 0; !error && i < prober->file_count; i++) {
		struct probed_file *file = &prober->files[i];
		struct uprobe_places places = {
			.program = setup->programs[program],
			.file = file->fd,
			.pid = setup->pid,
			.is_return = program == HEAP_PROGRAM_RETURN,
		};

		for (uint32_t j = 0; j < file->site_count; j++) {
			if (!is_site_of(&file->sites[j], program))
				continue;
			places.offsets[places.count] = file->sites[j].offset;
			places.cookies[places.count++] = cookie_of(setup, &file->sites[j]);
		}
		if (places.count && !file->links[program].count)
			error = uprobe_link_open(&file->links[program], &places, setup->is_multi);
	}
	return error;
}

static void detach(struct prober *prober, enum heap_program program)
{
	for (uint32_t i = 0; i < prober->file_count; i++)
		uprobe_link_close(&prober->files[i].links[program]);
}

static void *close_link(void *link)
{
	uprobe_link_close(link);
	return NULL;
}

/*
 * Probes are gone when their closing begins, and then it waits: all are closed at once, so that the
 * target does not pay for the last one while the first is waited for.
 */
static void detach_all(struct prober *prober)
{
	pthread_t threads[PROBER_MAX_FILES * HEAP_PROGRAM_COUNT];
	size_t count = 0;

	prober->slot->mode = HEAP_OFF;
	for (uint32_t i = 0; i < prober->file_count; i++) {
		for (int j = 0; j < HEAP_PROGRAM_COUNT; j++) {
			struct uprobe_link *link = &prober->files[i].links[j];

			if (!link->count)
				continue;
			if (pthread_create(&threads[count], NULL, close_link, link))
				uprobe_link_close(link);
			else
				count++;
		}
	}
	while (count)
		pthread_join(threads[--count], NULL);
}

/* ---- The code of the sites ---- */

/* Nothing can be read of a program that is no more, whoever has its pid and addresses now. */
static int read_code(const struct prober *prober, uint64_t address, uint8_t *bytes)
{
	return address && pread(prober->memory, bytes, CODE_BYTES, (off_t)address) == CODE_BYTES;
}

static void remember_code(const struct prober *prober, struct probed_file *file)
{
	for (uint32_t i = 0; i < file->site_count; i++)
		file->codes[i].is_known =
			read_code(prober, file->sites[i].address, file->codes[i].bytes);
}

/*
 * Whether code is neither what it was before nor what the file says, for another tracer may have
 * come or gone meanwhile. What differs altogether is another library at the same address.
 */
static int is_altered(const struct probed_file *file, uint32_t i, const uint8_t *now)
{
	uint8_t original[CODE_BYTES];

	if (!memcmp(now, file->codes[i].bytes, CODE_BYTES) ||
	    memcmp(now + PROBE_BYTES, file->codes[i].bytes + PROBE_BYTES, CODE_BYTES - PROBE_BYTES))
		return 0;
	return pread(file->fd, original, CODE_BYTES, (off_t)file->sites[i].offset) != CODE_BYTES ||
	       memcmp(now, original, CODE_BYTES);
}

/* Compare the code of all sites, which are not probed now, with what it was. */
static void compare_code(const struct prober *prober, struct prober_reply *reply)
{
	uint8_t bytes[CODE_BYTES];

	for (uint32_t i = 0; i < prober->file_count; i++) {
		const struct probed_file *file = &prober->files[i];

		for (uint32_t j = 0; j < file->site_count; j++) {
			if (!file->codes[j].is_known ||
			    !read_code(prober, file->sites[j].address, bytes))
				continue;
			reply->compared++;
			reply->altered += is_altered(file, j, bytes) != 0;
		}
	}
}

/* ---- Requests ---- */

static int on_add_file(struct prober *prober, const struct prober_request *request, int *fd,
		       struct prober_reply *reply)
{
	struct probed_file *file = &prober->files[prober->file_count];

	(void)reply;
	if (*fd < 0 || !request->site_count || request->site_count > HEAP_MAX_SITES)
		return -EINVAL;
	if (prober->file_count == PROBER_MAX_FILES)
		return -E2BIG;
	file->fd = steal_fd(fd);
	file->site_count = request->site_count;
	memcpy(file->sites, request->sites, sizeof(file->sites));
	remember_code(prober, file);
	prober->file_count++;
	return 0;
}

static int on_full(struct prober *prober, const struct prober_request *request, int *fd,
		   struct prober_reply *reply)
{
	static const enum heap_program order[] = {HEAP_PROGRAM_FREE, HEAP_PROGRAM_RETURN,
						  HEAP_PROGRAM_LEAVE, HEAP_PROGRAM_ENTER};
	int error = 0;

	(void)fd;
	(void)reply;
	/* What is on its way to return when nobody waits there any more must not be waited for. */
	if (!request->value) {
		prober->slot->follows_new = 0;
		detach(prober, HEAP_PROGRAM_LEAVE);
	}
	prober->slot->is_tripped = 0;
	prober->slot->mode = HEAP_FULL;
	for (size_t i = 0; !error && i < ARRAY_SIZE(order); i++) {
		if (order[i] != HEAP_PROGRAM_LEAVE || request->value)
			error = attach(prober, order[i]);
		if (order[i] == HEAP_PROGRAM_LEAVE)
			prober->slot->follows_new = !error && request->value;
	}
	if (error)
		detach_all(prober);
	return error;
}

static uint64_t cpu_time_ns(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : clock_read_ns(clock);
}

static int on_window(struct prober *prober, const struct prober_request *request, int *fd,
		     struct prober_reply *reply)
{
	uint64_t length_ns = request->value < MAX_WINDOW_NS ? request->value : MAX_WINDOW_NS;
	struct timespec length = {.tv_sec = (time_t)(length_ns / NS_PER_SECOND),
				  .tv_nsec = (long)(length_ns % NS_PER_SECOND)};
	struct pollfd next = {.fd = prober->socket, .events = POLLIN};
	pid_t pid = prober->setup->pid;
	uint64_t opened_ns, opened_cpu_ns;
	int error;

	(void)fd;
	prober->slot->mode = HEAP_OFF;
	error = attach(prober, HEAP_PROGRAM_WINDOW);
	if (error)
		return error;
	/* The probes are there: the window is what lies between the two changes of the mode. */
	opened_cpu_ns = cpu_time_ns(pid);
	opened_ns = clock_boot_ns();
	prober->slot->mode = HEAP_WINDOW;
	/* Whatever comes next ends the window. */
	ppoll(&next, 1, &length, NULL);
	prober->slot->mode = HEAP_OFF;
	reply->window_ns = clock_boot_ns() - opened_ns;
	reply->window_cpu_ns = cpu_time_ns(pid) - opened_cpu_ns;
	detach(prober, HEAP_PROGRAM_WINDOW);
	compare_code(prober, reply);
	return 0;
}

static int on_stop(struct prober *prober, const struct prober_request *request, int *fd,
		   struct prober_reply *reply)
{
	(void)request;
	(void)fd;
	detach_all(prober);
	compare_code(prober, reply);
	return 0;
}

/*
 * Removing any probe makes the kernel look through all who map the file and take away the
 * breakpoints that no probe asks for: a probe that is for nobody, put in and taken out again, rids
 * children of what they inherited while their parent keeps its own.
 */
static int on_sweep(struct prober *prober, const struct prober_request *request, int *fd,
		    struct prober_reply *reply)
{
	int error = 0;

	(void)request;
	(void)fd;
	(void)reply;
	for (uint32_t i = 0; !error && i < prober->file_count; i++) {
		const struct probed_file *file = &prober->files[i];
		struct uprobe_link link = {.count = 0};
		struct uprobe_places places = {
			.program = prober->setup->programs[HEAP_PROGRAM_ENTER],
			.file = file->fd,
			.pid = getpid(),
			.count = file->site_count,
		};

		for (uint32_t j = 0; j < file->site_count; j++)
			places.offsets[j] = file->sites[j].offset;
		error = uprobe_link_open(&link, &places, prober->setup->is_multi);
		uprobe_link_close(&link);
	}
	return error;
}

/* Children that measured are not waited for: who asks, asks again. */
static int on_costs(struct prober *prober, const struct prober_request *request, int *fd,
		    struct prober_reply *reply)
{
	struct heap_slot *slots = prober->slot - prober->setup->slot;
	ssize_t length;

	(void)request;
	(void)fd;
	if (prober->measured < 0) {
		prober->measured = probe_costs_begin(prober->setup, slots, prober->executable);
		return prober->measured < 0 ? prober->measured : 0;
	}
	length = read(prober->measured, &reply->costs, sizeof(reply->costs));
	if (length < 0)
		return 0;
	close(prober->measured);
	prober->measured = -1;
	return length == sizeof(reply->costs) ? 0 : -EIO;
}

static int (*const handlers[PROBER_REQUEST_COUNT])(struct prober *prober,
						   const struct prober_request *request, int *fd,
						   struct prober_reply *reply) = {
	[PROBER_ADD_FILE] = on_add_file, [PROBER_FULL] = on_full,   [PROBER_WINDOW] = on_window,
	[PROBER_STOP] = on_stop,         [PROBER_SWEEP] = on_sweep, [PROBER_COSTS] = on_costs,
};

/* Answer one request; an error ends the prober. */
static int answer(struct prober *prober)
{
	_cleanup_close_ int fd = -1;
	struct prober_request request;
	struct prober_reply reply = {0};
	size_t fd_count = 1;
	ssize_t length =
		fd_message_receive(prober->socket, &request, sizeof(request), &fd, &fd_count);

	if (length != sizeof(request))
		return length < 0 ? (int)length : -EPIPE;
	reply.serial = request.serial;
	if (request.type >= PROBER_REQUEST_COUNT)
		reply.error = -ENOSYS;
	else
		reply.error = handlers[request.type](prober, &request, &fd, &reply);
	return fd_message_send(prober->socket, &reply, sizeof(reply), NULL, 0);
}

static int is_attached(const struct prober *prober)
{
	for (uint32_t i = 0; i < prober->file_count; i++)
		for (int j = 0; j < HEAP_PROGRAM_COUNT; j++)
			if (prober->files[i].links[j].count)
				return 1;
	return 0;
}

/* Remove what is left when nobody asks for it any more, and nobody hears what was found then. */
static void finish(struct prober *prober)
{
	struct prober_reply reply = {0};

	/* After the last comparison the code may have become somebody else's. */
	if (!is_attached(prober))
		return;
	detach_all(prober);
	compare_code(prober, &reply);
	if (reply.altered)
		log_error("Code is not what it was before it was probed: pid=%d sites=%u of=%u",
			  prober->setup->pid, reply.altered, reply.compared);
}

static int open_memory(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* What belongs to the broker ends when the broker ends it. */
static void close_others(const struct prober_setup *setup, int socket)
{
	int needed[HEAP_PROGRAM_COUNT + 2] = {socket, setup->slots_map};

	memcpy(needed + 2, setup->programs, sizeof(setup->programs));
	descriptors_close_others(needed, ARRAY_SIZE(needed));
}

/* In the child: serve until the core closes its end. */
static __attribute__((noreturn)) void run(const struct prober_setup *setup, int socket)
{
	struct prober prober = {.setup = setup, .socket = socket};

	close_others(setup, socket);

	struct heap_slot *slots = mmap(NULL, HEAP_MAX_SLOTS * sizeof(*slots),
				       PROT_READ | PROT_WRITE, MAP_SHARED, setup->slots_map, 0);

	signal(SIGINT, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	prober.pidfd = (int)syscall(SYS_pidfd_open, setup->pid, 0);
	prober.memory = open_memory(setup->pid);
	prober.executable = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	prober.measured = -1;
	/* Who has the pid after it was opened had it when it was checked, too. */
	if (prober.pidfd < 0 || handles_check_process(setup->request))
		_exit(1);
	if (slots == MAP_FAILED || privileges_keep_prober("flamed-probe", !setup->is_multi)) {
		log_error("a prober cannot be started");
		_exit(1);
	}
	prober.slot = &slots[setup->slot];
	while (!answer(&prober))
		continue;
	finish(&prober);
	_exit(0);
}

pid_t prober_start(const struct prober_setup *setup, int *fd)
{
	pid_t child = child_socket_fork(fd);

	if (!child)
		run(setup, *fd);
	return child;
}
