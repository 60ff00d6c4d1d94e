/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/interrupt_code.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "daemon/core/names/kallsyms.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/workers/broker_client.h"

/* What begins a range and what ends it; without an end it is one function. */
static const struct {
	const char *start;
	const char *end;
} places[INTERRUPT_RANGES] = {
	{"__irqentry_text_start", "__irqentry_text_end"},
	{"__softirqentry_text_start", "__softirqentry_text_end"},
	/* Since 6.10 what does the work is a function of its own; before, it is in the range above. */
	{"handle_softirqs", NULL},
};

void interrupt_code_read(const struct kallsyms *symbols, struct code_range ranges[INTERRUPT_RANGES])
{
	for (size_t i = 0; i < INTERRUPT_RANGES; i++) {
		uint64_t start, end, unused;
		int error = kallsyms_locate(symbols, places[i].start, &start, &end);

		if (!error && places[i].end)
			error = kallsyms_locate(symbols, places[i].end, &end, &unused);
		ranges[i] = error ? (struct code_range){0} : (struct code_range){start, end};
	}
}

static void on_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct sampler *sampler = context;
	struct kallsyms *symbols = NULL;
	struct code_range ranges[INTERRUPT_RANGES];

	if (error == -ECANCELED)
		return;
	if (!error && fd_count == 1)
		error = kallsyms_read(fds[0], &symbols);
	else if (!error)
		error = -EPROTO;
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (error) {
		log_warn_errno(error, "The kernel's interrupt code cannot be located");
		return;
	}
	interrupt_code_read(symbols, ranges);
	kallsyms_free(symbols);
	memcpy(sampler_settings(sampler)->interrupts, ranges, sizeof(ranges));
}

void interrupt_code_find(struct broker_client *broker, struct sampler *sampler)
{
	struct broker_request request = {.type = BROKER_OPEN_KALLSYMS};

	broker_client_send(broker, &request, on_opened, sampler);
}
