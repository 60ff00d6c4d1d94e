/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/reconcile.h"

enum kind { ON_CPU, WAITING, BLOCKED, KIND_COUNT };

/* The kind of time that an event is, from 1. */
static const struct {
	uint8_t rows;
	uint8_t total;
} kinds[EVENT_COUNT] = {
	[EVENT_CPU] = {.rows = ON_CPU + 1},
	[EVENT_RUNQUEUE] = {.rows = WAITING + 1},
	[EVENT_OFFCPU] = {.rows = BLOCKED + 1},
	[EVENT_TOTAL_CPU] = {.total = ON_CPU + 1},
	[EVENT_TOTAL_RUNQUEUE] = {.total = WAITING + 1},
	[EVENT_TOTAL_OFFCPU] = {.total = BLOCKED + 1},
};

struct account {
	double sampled[KIND_COUNT];
	double certain[KIND_COUNT]; /* of sampled */
	double total[KIND_COUNT];
	int is_looked_at;
};

struct reconcile {
	uint32_t thread_limit;
	struct account accounts[];
};

struct reconcile *reconcile_new(uint32_t thread_limit)
{
	struct reconcile *reconcile =
		memory_new(sizeof(*reconcile) + thread_limit * sizeof(reconcile->accounts[0]));

	reconcile->thread_limit = thread_limit;
	return reconcile;
}

void reconcile_free(struct reconcile *reconcile)
{
	free(reconcile);
}

void reconcile_add(struct reconcile *reconcile, const struct bucket_row *row)
{
	struct account *account = &reconcile->accounts[row->thread];
	uint8_t rows = kinds[row->event].rows, total = kinds[row->event].total;

	if (rows) {
		account->sampled[rows - 1] += (double)row->weight;
		account->certain[rows - 1] += (double)row->certain;
	}
	if (total) {
		account->total[total - 1] += (double)row->weight;
		account->is_looked_at = 1;
	}
}

/*
 * The factors for what is certain and for what was estimated. The estimates give way first; only
 * when there are none, or too little of them, the rest does.
 */
static void find_factors(const struct account *account, uint8_t kind, double *certain,
			 double *estimated)
{
	double sampled = account->sampled[kind], known = account->certain[kind];
	double total = account->total[kind];

	*certain = *estimated = 1;
	if (sampled <= 0)
		return;
	if (sampled - known > 0.001 * sampled && total >= known)
		*estimated = (total - known) / (sampled - known);
	else
		*certain = *estimated = total / sampled;
}

void reconcile_scale(const struct reconcile *reconcile, struct bucket_row *row)
{
	const struct account *account = &reconcile->accounts[row->thread];
	uint8_t kind = kinds[row->event].rows;
	double certain, estimated;

	if (!kind || !account->is_looked_at)
		return;
	find_factors(account, (uint8_t)(kind - 1), &certain, &estimated);
	double known = (double)row->certain * certain;
	double rest = ((double)row->weight - (double)row->certain) * estimated;
	row->weight = (uint64_t)(known + (rest > 0 ? rest : 0) + 0.5);
	row->certain = (float)known;
	row->variance *= estimated * estimated;
	row->largest *= (float)estimated;
}

uint64_t reconcile_missing(const struct reconcile *reconcile, uint32_t thread, uint32_t event)
{
	const struct account *account = &reconcile->accounts[thread];
	uint8_t kind = kinds[event].rows;

	if (!kind || !account->is_looked_at || account->sampled[kind - 1] > 0)
		return 0;
	return (uint64_t)account->total[kind - 1];
}

int reconcile_slept(const struct reconcile *reconcile, uint32_t thread)
{
	const struct account *account = &reconcile->accounts[thread];

	return account->is_looked_at && account->total[ON_CPU] <= 0 &&
	       account->total[WAITING] <= 0 && account->sampled[ON_CPU] <= 0;
}
