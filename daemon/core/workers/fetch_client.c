/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/fetch_client.h"

#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "daemon/broker/broker_message.h"
#include "daemon/core/counters.h"
#include "daemon/core/workers/worker_client.h"
#include "daemon/fetch/fetch_message.h"

_Static_assert(sizeof(struct fetch_request) <= WORKER_REQUEST_BYTES, "a request fits");
_Static_assert(sizeof(struct fetch_reply) == sizeof(struct worker_reply), "replies are alike");

static const struct worker_kind fetcher_kind = {
	.name = "fetcher",
	.start_request = BROKER_START_FETCHER,
	.serial_offset = offsetof(struct fetch_request, serial),
	.timeout_ms = FETCH_TIMEOUT_MS,
	.idle_ms = FETCH_CLIENT_IDLE_MS,
	.retry_ms = 10000,
};

struct fetch_client {
	struct worker_client *fetcher;
	struct counters *counters;
	const char *urls;
	int is_failing; /* a failure was logged, and nothing has succeeded since */
};

/* Who asked, while the fetcher is at work. */
struct fetch {
	struct fetch_client *client;
	fetch_done *done;
	void *context;
};

/* Failures come in crowds: the first is a line of the log, the others are counted. */
static void count_failure(struct fetch_client *client, int error)
{
	client->counters->values[COUNTER_FETCHES_FAILED]++;
	if (!client->is_failing)
		log_warn_errno(error, "A debug file could not be fetched; more failures are only "
				      "counted until a fetch succeeds");
	client->is_failing = 1;
}

static void on_fetched(void *context, int error, int fd)
{
	struct fetch *fetch = context;

	if (error == -ENOENT)
		fetch->client->counters->values[COUNTER_FETCHES_MISSING]++;
	else if (error && error != -ECANCELED)
		count_failure(fetch->client, error);
	fetch->done(fetch->context, error, fd);
	free(fetch);
}

struct fetch_client *fetch_client_new(struct event_base *base, struct broker_client *broker,
				      struct counters *counters, const char *urls)
{
	struct fetch_client *client = memory_new(sizeof(*client));

	client->fetcher = worker_client_new(base, broker, &fetcher_kind);
	client->counters = counters;
	client->urls = urls;
	return client;
}

void fetch_client_free(struct fetch_client *client)
{
	if (!client)
		return;
	worker_client_free(client->fetcher);
	free(client);
}

int fetch_client_send(struct fetch_client *client, const uint8_t *build_id, size_t length,
		      fetch_done *done, void *context)
{
	if (!client->urls)
		return -EOPNOTSUPP;
	if (length == 0 || length > FETCH_BUILD_ID_MAX)
		return -EINVAL;
	if (worker_client_waiting(client->fetcher) >= FETCH_CLIENT_MAX_JOBS)
		return -EBUSY;
	struct fetch_request request = {.build_id_length = (uint32_t)length};
	struct fetch *fetch = memory_new(sizeof(*fetch));
	memcpy(request.build_id, build_id, length);
	*fetch = (struct fetch){client, done, context};
	client->counters->values[COUNTER_FETCHES_ASKED]++;
	worker_client_send(client->fetcher, &request, sizeof(request), NULL, 0, on_fetched, fetch);
	return 0;
}

void fetch_client_judge(struct fetch_client *client, int belongs)
{
	if (!belongs) {
		count_failure(client, -EBADMSG);
		return;
	}
	client->counters->values[COUNTER_FETCHES_FOUND]++;
	client->is_failing = 0;
}

/* "https://name:password@host/" without what stands between the slashes and the @. */
static json_t *server_without_user(const char *url, size_t length)
{
	const char *end = url + length;
	const char *host = memmem(url, length, "://", 3);
	const char *at = NULL;

	host = host ? host + 3 : url;
	for (const char *c = host; c < end && *c != '/'; c++)
		at = *c == '@' ? c : at;
	_cleanup_free_ char *text =
		memory_format("%.*s%.*s", (int)(host - url), url, (int)(end - (at ? at + 1 : host)),
			      at ? at + 1 : host);
	json_t *server = json_string(text);
	return server ? server : json_string("?"); /* no UTF-8 */
}

json_t *fetch_client_servers(const struct fetch_client *client)
{
	const char *at = client->urls ? client->urls : "";
	json_t *servers = json_array();

	for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		json_array_append_new(servers, server_without_user(at, length));
		at += length;
	}
	return servers;
}
