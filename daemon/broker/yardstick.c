/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/yardstick.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fd_message.h"
#include "daemon/broker/yardstick_message.h"

#define ROUNDS 50 /* a millisecond or less, unless others run in between */

/* Two threads on one CPU and a pipe each way. */
struct match {
	int there[2];
	int back[2];
	pthread_t other;
};

static void close_match(const struct match *match)
{
	for (int i = 0; i < 2; i++) {
		if (match->there[i] >= 0)
			close(match->there[i]);
		if (match->back[i] >= 0)
			close(match->back[i]);
	}
}

/* Give back what comes, until nothing can come any more. */
static void *play(void *context)
{
	const struct match *match = context;
	char byte;

	while (read(match->there[0], &byte, 1) == 1 && write(match->back[1], &byte, 1) == 1)
		;
	return NULL;
}

static int stay_on_this_cpu(void)
{
	cpu_set_t cpus;
	int cpu = sched_getcpu();

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -ENOTSUP;
	CPU_ZERO(&cpus);
	CPU_SET((unsigned int)cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

static int open_match(struct match *match)
{
	int error = stay_on_this_cpu();

	if (!error && (pipe(match->there) || pipe(match->back)))
		error = -errno;
	if (!error)
		error = -pthread_create(&match->other, NULL, play, match);
	if (error)
		close_match(match);
	return error;
}

static void end_match(struct match *match)
{
	close(match->there[1]);
	match->there[1] = -1;
	pthread_join(match->other, NULL);
	close_match(match);
}

/* Some rounds; *switch_ns becomes the CPU time of one of their switches, if that is less. */
static int play_rounds(const struct match *match, double *switch_ns)
{
	uint64_t began_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	double took_ns;
	char byte = 0;

	for (int i = 0; i < ROUNDS; i++)
		if (write(match->there[1], &byte, 1) != 1 || read(match->back[0], &byte, 1) != 1)
			return -EIO;
	took_ns = (double)(clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - began_ns) / (2 * ROUNDS);
	if (*switch_ns <= 0 || took_ns < *switch_ns)
		*switch_ns = took_ns;
	return 0;
}

/* The least counts: whatever else happens on the machine makes it more. */
static int measure(const struct yardstick_request *request, double *switch_ns)
{
	struct match match = {.there = {-1, -1}, .back = {-1, -1}};
	uint64_t cpu_ns, wall_ns;
	int error;

	if (request->cpu_ms > YARDSTICK_MAX_MS || request->wall_ms > YARDSTICK_MAX_MS)
		return -EINVAL;
	error = open_match(&match);
	if (error)
		return error;
	*switch_ns = 0;
	cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) + request->cpu_ms * NS_PER_MS;
	wall_ns = clock_boot_ns() + request->wall_ms * NS_PER_MS;
	do {
		error = play_rounds(&match, switch_ns);
	} while (!error && clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) < cpu_ns &&
		 clock_boot_ns() < wall_ns);
	end_match(&match);
	return error;
}

int yardstick_main(int socket)
{
	struct yardstick_request request;

	for (;;) {
		_cleanup_close_ int unwanted = -1;
		size_t fd_count = 1;
		struct yardstick_reply reply = {0};
		ssize_t length =
			fd_message_receive(socket, &request, sizeof(request), &unwanted, &fd_count);

		if (length != sizeof(request))
			return 0;
		reply.error = measure(&request, &reply.switch_ns);
		if (fd_message_send(socket, &reply, sizeof(reply), NULL, 0))
			return 0;
	}
}
