/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/reader.h"

#include <errno.h>
#include <malloc.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/elf/allocator_reader.h"
#include "daemon/elf/demangle.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/line_reader.h"
#include "daemon/elf/lines.h"
#include "daemon/elf/module_reader.h"
#include "daemon/elf/perf_map.h"
#include "daemon/elf/reader_message.h"
#include "daemon/elf/sandbox.h"
#include "daemon/elf/whole_file.h"

/* A fraction of READER_TIMEOUT_MS: a few names that take for ever must not cost all the others. */
#define DEMANGLE_BUDGET_NS (UINT64_C(2000) * NS_PER_MS)

#define KEPT_BYTES (256 << 10) /* of heap, between requests */

/* A request with the descriptors that came with it, which are closed after it. */
struct job {
	struct reader_request request;
	int fds[READER_MAX_FDS];
	uint32_t fd_count; /* that came, not that were announced */
};

static int read_module(const struct job *job, int *answer)
{
	return module_reader_read(job->fds[0], job->fd_count > 1 ? job->fds[1] : -1,
				  job->request.flags, answer);
}

static int read_vdso(const struct job *job, int *answer)
{
	return module_reader_read_vdso(job->request.flags, answer);
}

static int read_perf_map(const struct job *job, int *answer)
{
	return perf_map_read(job->fds[0], answer);
}

static int demangle(const struct job *job, int *answer)
{
	_cleanup_free_ char *names = NULL;
	_cleanup_free_ char *result = NULL;
	size_t size = 0;
	size_t result_size = 0;
	int error = whole_file_read(job->fds[0], DEMANGLE_MAX_BATCH, &names, &size);

	if (!error)
		error = demangle_batch(names, size, DEMANGLE_BUDGET_NS, &result, &result_size);
	return error ? error
		     : image_write_pieces(&(struct image_piece){result, result_size}, 1, answer);
}

static int read_lines(const struct job *job, int *answer)
{
	const struct line_files files = {
		.file = job->fds[0],
		.debug = job->fd_count > 2 ? job->fds[1] : -1,
		.alternate = job->fd_count > 3 ? job->fds[2] : -1,
	};
	_cleanup_free_ char *offsets = NULL;
	size_t size = 0;
	int error = whole_file_read(job->fds[job->fd_count - 1],
				    LINES_MAX_ADDRESSES * sizeof(uint64_t), &offsets, &size);

	if (error)
		return error;
	/* memory from malloc() is aligned for any type */
	return line_reader_read(&files, (const uint64_t *)(const void *)offsets,
				size / sizeof(uint64_t), answer);
}

static int read_allocator(const struct job *job, int *answer)
{
	return allocator_reader_read(job->fds[0], answer);
}

static const struct job_kind {
	uint32_t type; /* enum reader_request_type */
	uint32_t least_fds;
	uint32_t most_fds;
	int (*run)(const struct job *job, int *answer);
} job_kinds[] = {
	{READER_MODULE, 1, 2, read_module}, {READER_PERF_MAP, 1, 1, read_perf_map},
	{READER_VDSO, 0, 0, read_vdso},     {READER_DEMANGLE, 1, 1, demangle},
	{READER_LINES, 2, 4, read_lines},   {READER_ALLOCATOR, 1, 1, read_allocator},
};

static int run_job(const struct job *job, int *answer)
{
	if (job->request.fd_count != job->fd_count)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(job_kinds); i++) {
		const struct job_kind *kind = &job_kinds[i];

		if (kind->type != job->request.type)
			continue;
		if (job->fd_count < kind->least_fds || job->fd_count > kind->most_fds)
			return -EINVAL;
		return kind->run(job, answer);
	}
	return -EOPNOTSUPP;
}

static void close_job(struct job *job)
{
	for (uint32_t i = 0; i < job->fd_count; i++)
		close(job->fds[i]);
	job->fd_count = 0;
}

/*
 * Wait for the next request. Returns 1, 0 at the end of the connection, -EBADMSG for a message that
 * is no request.
 */
static int receive_job(int fd, struct job *job)
{
	size_t fd_count = READER_MAX_FDS;
	ssize_t length =
		fd_message_receive(fd, &job->request, sizeof(job->request), job->fds, &fd_count);

	job->fd_count = length < 0 ? 0 : (uint32_t)fd_count;
	if (length == -EMSGSIZE)
		return -EBADMSG;
	if (length <= 0)
		return 0;
	return length == sizeof(job->request) ? 1 : -EBADMSG;
}

int reader_main(int fd)
{
	int error;

	/* Give what a large file took back to the system instead of keeping it for the next one. */
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	error = sandbox_enter(fd);
	if (error) {
		log_error_errno(error, "the elf reader cannot be confined and does not run");
		return 1;
	}
	for (;;) {
		_cleanup_(close_job) struct job job = {0};
		_cleanup_close_ int answer = -1;
		int received = receive_job(fd, &job);

		if (!received)
			return 0;
		if (received < 0)
			continue; /* the core waits for no answer to what is no request */
		sandbox_set_deadline(READER_TIMEOUT_MS);
		struct reader_reply reply = {
			.serial = job.request.serial,
			.error = run_job(&job, &answer),
		};
		sandbox_set_deadline(0);
		if (fd_message_send(fd, &reply, sizeof(reply), &answer, reply.error ? 0 : 1))
			return 0;
	}
}
