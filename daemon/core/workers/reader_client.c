/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/reader_client.h"

#include "daemon/broker/broker_message.h"

_Static_assert(sizeof(struct reader_request) <= WORKER_REQUEST_BYTES, "a request fits");
_Static_assert(READER_MAX_FDS <= WORKER_MAX_FDS, "its descriptors fit");
_Static_assert(sizeof(struct reader_reply) == sizeof(struct worker_reply), "replies are alike");

const struct worker_kind reader_client_kind = {
	.name = "elf reader",
	.start_request = BROKER_START_READER,
	.serial_offset = offsetof(struct reader_request, serial),
	.timeout_ms = READER_TIMEOUT_MS,
	.retry_ms = 1000,
};

void reader_client_send(struct worker_client *reader, enum reader_request_type type, uint32_t flags,
			const int *fds, size_t fd_count, worker_done *done, void *context)
{
	const struct reader_request request = {
		.type = type, .fd_count = (uint32_t)fd_count, .flags = flags};

	worker_client_send(reader, &request, sizeof(request), fds, fd_count, done, context);
}
