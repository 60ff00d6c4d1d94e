/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/prober_arrival.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/workers/broker_client.h"

struct prober_arrival {
	const struct heap_sources *sources;
	uint32_t pid;
	uint32_t slot;
	uint64_t start_time_ns;
	prober_arrival_done *done; /* NULL: cancelled */
	void *context;
	struct allocator_search *search; /* NULL: it is over */
	/* What it found waits until there is a prober. */
	struct allocator_file files[ALLOCATOR_SEARCH_MAX_FILES];
	size_t file_count;
};

static void free_arrival(struct prober_arrival *arrival)
{
	for (size_t i = 0; i < arrival->file_count; i++)
		close(arrival->files[i].fd);
	free(arrival);
}

static void finish(struct prober_arrival *arrival, const struct prober_arrived *arrived)
{
	arrival->done(arrival->context, arrived);
	free_arrival(arrival);
}

static void on_prober_started(void *context, int error, const int *fds, size_t fd_count)
{
	struct prober_arrival *arrival = context;
	struct prober_arrived arrived = {
		.fd = -1, .files = arrival->files, .file_count = arrival->file_count};

	if (arrival->done && !error && fd_count == 1) {
		arrived.fd = fds[0];
		finish(arrival, &arrived);
		return;
	}
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (!arrival->done) {
		free_arrival(arrival);
		return;
	}
	arrived.error = error ? error : -EPROTO;
	arrived.reason = "no prober could be started";
	finish(arrival, &arrived);
}

static void start_prober(struct prober_arrival *arrival)
{
	const struct broker_request request = {
		.type = BROKER_START_PROBER,
		.pid = arrival->pid,
		.start_time_ns = arrival->start_time_ns,
		.value = arrival->slot,
	};

	broker_client_send(arrival->sources->broker, &request, on_prober_started, arrival);
}

static void on_searched(void *context, int error, const struct allocator_file *files, size_t count)
{
	struct prober_arrival *arrival = context;

	arrival->search = NULL;
	if (error) {
		const struct prober_arrived arrived = {
			.error = error,
			.reason = error == -ENOENT ? "it has no allocator with symbols"
						   : "it is gone",
			.fd = -1,
		};

		finish(arrival, &arrived);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		arrival->files[i] = files[i];
		arrival->files[i].fd = fcntl(files[i].fd, F_DUPFD_CLOEXEC, 3);
	}
	arrival->file_count = count;
	start_prober(arrival);
}

struct prober_arrival *prober_arrival_start(const struct heap_sources *sources, uint32_t pid,
					    uint64_t start_time_ns, uint32_t slot,
					    prober_arrival_done *done, void *context)
{
	struct prober_arrival *arrival = memory_new(sizeof(*arrival));

	arrival->sources = sources;
	arrival->pid = pid;
	arrival->slot = slot;
	arrival->start_time_ns = start_time_ns;
	arrival->done = done;
	arrival->context = context;
	arrival->search = allocator_search_start(sources->broker, sources->reader, pid,
						 start_time_ns, on_searched, arrival);
	return arrival;
}

void prober_arrival_cancel(struct prober_arrival *arrival)
{
	if (!arrival)
		return;
	arrival->done = NULL;
	if (arrival->search) {
		allocator_search_cancel(arrival->search);
		free_arrival(arrival);
	}
}
