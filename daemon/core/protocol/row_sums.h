/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of all buckets in a window that a question is about, added up: those of the processes
 * that it selects and its asker may see, of the events that its measure consists of, made to agree
 * with what the scheduler knows where the measure says so.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_ROW_SUMS_H
#define FLAME_DAEMON_CORE_PROTOCOL_ROW_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "common/hashmap.h"
#include "daemon/core/history/bucket_ring.h"

struct question;
struct question_sources;
struct reconcile;

/* What one bucket put into a row. */
struct slice_row {
	uint32_t slice;
	uint32_t row;
	uint64_t weight;
};

/* Zero-initialised holds nothing. */
struct row_sums {
	const struct question_sources *sources; /* borrowed until the end */
	const struct question *question;        /* borrowed for row_sums_collect() */
	/* Each holds a reference to its thread and stack. A weight of 0: folded into another. */
	struct bucket_row *rows;
	uint32_t row_count;
	size_t row_capacity;
	struct hashmap row_index;
	struct reconcile *reconcile; /* NULL: not for this measure */
	uint32_t idle_threads;       /* that are left out */
	int lacks_wakers;            /* they were asked for and not recorded */
	double lost_count;           /* samples of the whole host that were taken and not kept */
	double lost_ns;              /* and the time they stood for */
	/* The same bucket by bucket, if asked for. */
	struct slice_row *slice_rows;
	size_t slice_row_count;
	size_t slice_row_capacity;
};

/* Collect what question asks of the window; totals of its buckets are added to totals. */
void row_sums_collect(struct row_sums *sums, const struct question_sources *sources,
		      const struct question *question, const struct bucket_window *window,
		      struct bucket_totals *totals);

void row_sums_fini(struct row_sums *sums);

#endif
