/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch/fetcher.h"

#include <errno.h>
#include <poll.h>
#include <sys/time.h>

#include "common/cleanup.h"
#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/fetch/fetch_cache.h"
#include "daemon/fetch/fetch_message.h"
#include "daemon/fetch/fetch_sandbox.h"
#include "daemon/fetch/symbol_server.h"

/* Non-zero when nobody waits for the answer any more. */
static int is_deserted(void *context)
{
	struct pollfd peer = {.fd = *(const int *)context, .events = POLLRDHUP};

	return poll(&peer, 1, 0) > 0 && peer.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

/* The library looks at the clock between two steps; this is for a step that does not end. */
static void set_alarm(uint32_t milliseconds)
{
	const struct itimerval timer = {
		.it_value = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000},
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static int fetch(struct symbol_server *server, const struct fetch_request *request, int *fd)
{
	if (!request->build_id_length || request->build_id_length > FETCH_BUILD_ID_MAX)
		return -EINVAL;
	if (!server)
		return -ELIBACC;
	set_alarm(FETCH_ALARM_MS);
	int error = symbol_server_fetch(server, request->build_id, request->build_id_length,
					FETCH_LIMIT_MS, fd);
	set_alarm(0);
	return error;
}

int fetcher_main(int socket, const struct fetch_cache *cache)
{
	_cleanup_(symbol_server_closep) struct symbol_server *server = NULL;
	int error = fetch_sandbox_enter(socket, cache->path);

	if (error) {
		log_error_errno(error, "the fetcher cannot be confined and does not run");
		return 1;
	}
	error = symbol_server_open(&server, cache, is_deserted, &socket);
	if (error)
		log_error_errno(error, "libdebuginfod cannot be used, no debug file is fetched");
	for (;;) {
		_cleanup_close_ int fd = -1;
		struct fetch_request request;
		struct fetch_reply reply;
		size_t no_fds = 0;
		ssize_t length =
			fd_message_receive(socket, &request, sizeof(request), NULL, &no_fds);

		if (length == -EMSGSIZE || (length > 0 && length != sizeof(request)))
			continue; /* the core waits for no answer to what is no request */
		if (length <= 0)
			return 0;
		reply = (struct fetch_reply){request.serial, fetch(server, &request, &fd)};
		if (fd_message_send(socket, &reply, sizeof(reply), &fd, fd >= 0))
			return 0;
	}
}
