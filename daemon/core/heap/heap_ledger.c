/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_ledger.h"

void heap_ledger_note(struct heap_ledger *ledger, uint64_t time_ns)
{
	ledger->points[ledger->next] = (struct heap_point){time_ns, ledger->sums};
	ledger->next = (ledger->next + 1) % HEAP_LEDGER_POINTS;
	if (ledger->count < HEAP_LEDGER_POINTS)
		ledger->count++;
}

static const struct heap_point *point(const struct heap_ledger *ledger, uint32_t i)
{
	uint32_t first = ledger->next + HEAP_LEDGER_POINTS - ledger->count;

	return &ledger->points[(first + i) % HEAP_LEDGER_POINTS];
}

/* The sums at a time: those of the last point before, else of the first that is kept. */
static struct heap_sums sums_at(const struct heap_ledger *ledger, uint64_t time_ns)
{
	uint32_t low = 0, high = ledger->count;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (point(ledger, middle)->time_ns <= time_ns)
			low = middle;
		else
			high = middle;
	}
	return point(ledger, low)->sums;
}

struct heap_sums heap_ledger_between(const struct heap_ledger *ledger, uint64_t from_ns,
				     uint64_t to_ns)
{
	if (!ledger->count)
		return (struct heap_sums){0};
	/* What came since the last point belongs to a window that goes on. */
	struct heap_sums to = to_ns > point(ledger, ledger->count - 1)->time_ns
				      ? ledger->sums
				      : sums_at(ledger, to_ns);
	struct heap_sums from = sums_at(ledger, from_ns);

	return (struct heap_sums){
		.cost_ns = to.cost_ns - from.cost_ns,
		.base_ns = to.base_ns - from.base_ns,
		.estimated = to.estimated - from.estimated,
		.low = to.low - from.low,
		.high = to.high - from.high,
		.variance = to.variance - from.variance,
	};
}
