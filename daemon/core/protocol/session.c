/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/session.h"

#include <string.h>

#include <event2/buffer.h>

#include "common/log.h"

static int append_json(const char *text, size_t length, void *output)
{
	return evbuffer_add(output, text, length);
}

void session_send(struct session *session, json_t *envelope)
{
	if (!envelope) { /* a programming error: text that is not UTF-8 */
		log_error("a line of the protocol could not be made");
		return;
	}
	json_dump_callback(envelope, append_json, session->output,
			   JSON_COMPACT | JSON_REAL_PRECISION(15));
	evbuffer_add(session->output, "\n", 1);
	json_decref(envelope);
}

void session_add_request(struct session *session, struct request *request)
{
	session->requests[session->request_count++] = request;
}

void session_remove_request(struct session *session, const struct request *request)
{
	struct request **requests = session->requests;

	for (size_t i = 0; i < session->request_count; i++) {
		if (requests[i] != request)
			continue;
		session->request_count--;
		memmove(&requests[i], &requests[i + 1],
			(session->request_count - i) * sizeof(requests[0]));
		break;
	}
	/* There may be lines that waited for room, or nothing left to stay for. */
	session->wake(session->context);
}

void session_drop(struct session *session)
{
	if (!session->is_dropped)
		log_info("a client does not keep up and is disconnected: uid=%u pid=%d",
			 (unsigned int)session->peer.uid, (int)session->peer.pid);
	session->is_dropped = 1;
	session->wake(session->context);
}
