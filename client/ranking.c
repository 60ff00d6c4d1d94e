/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ranking.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/hashmap.h"
#include "common/memory.h"
#include "common/profile.h"

#define INTERVAL_95 1.96 /* standard deviations */

/* Functions are found through the frames: several frames (of other lines) may be one function. */
struct builder {
	const struct profile *profile;
	struct ranked_function *functions;
	size_t count;
	size_t capacity;
	uint32_t *function_of_frame;
	uint32_t *last_row; /* by function: the row, + 1, in which it was counted last */
};

/* Strings of a profile are stored once, so equal text has equal addresses. */
static uint32_t find_function(struct builder *builder, struct hashmap *index,
			      const struct profile_frame *frame)
{
	const char *name = profile_text(builder->profile, frame->name);
	const char *module = profile_text(builder->profile, frame->module);
	uint32_t hash = hash_u64((uint64_t)frame->name << 32 | frame->module);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(index, &cursor))
		if (builder->functions[i].name == name && builder->functions[i].module == module)
			return i;
	builder->functions = memory_grow(builder->functions, &builder->capacity, builder->count + 1,
					 sizeof(*builder->functions));
	builder->functions[builder->count] = (struct ranked_function){
		.name = name,
		.module = module,
		.kind = frame->kind,
	};
	hashmap_add(index, hash, (uint32_t)builder->count);
	return (uint32_t)builder->count++;
}

static void find_functions(struct builder *builder)
{
	const struct profile *profile = builder->profile;
	struct hashmap index = {0};

	builder->function_of_frame =
		memory_resize(NULL, profile->frame_count, sizeof(*builder->function_of_frame));
	for (uint32_t i = 0; i < profile->frame_count; i++)
		builder->function_of_frame[i] = find_function(builder, &index, &profile->frames[i]);
	hashmap_fini(&index);
	builder->last_row = memory_new(builder->count * sizeof(*builder->last_row));
}

static void add(struct ranked_sum *sum, const struct profile_row *row)
{
	sum->weight += row->weight;
	sum->variance += row->variance;
}

static void add_row(struct builder *builder, uint32_t number)
{
	const struct profile *profile = builder->profile;
	const struct profile_row *row = &profile->rows[number];

	for (uint32_t node = row->node; node != PROFILE_NO_NODE;
	     node = profile->nodes[node].parent) {
		uint32_t function = builder->function_of_frame[profile->nodes[node].frame];

		if (node == row->node)
			add(&builder->functions[function].self, row);
		if (builder->last_row[function] == number + 1)
			continue;
		builder->last_row[function] = number + 1;
		add(&builder->functions[function].total, row);
	}
}

/* The share p = A / T of a part in a whole of which it is itself a part, to first order. */
static void take_share(struct ranked_sum *sum, double weight, double variance)
{
	double part = sum->weight / weight;
	double rest = fmax(0, variance - sum->variance);

	sum->share = 100 * part;
	sum->margin = 100 * INTERVAL_95 / weight *
		      sqrt((1 - part) * (1 - part) * sum->variance + part * part * rest);
}

static int compare_sums(const struct ranked_sum *left, const struct ranked_sum *right)
{
	return left->weight > right->weight ? -1 : left->weight < right->weight;
}

static int compare_names(const struct ranked_function *left, const struct ranked_function *right)
{
	int order = strcmp(left->name, right->name);

	return order ? order : strcmp(left->module, right->module);
}

static int compare_by_self(const void *left, const void *right)
{
	const struct ranked_function *a = left, *b = right;
	int order = compare_sums(&a->self, &b->self);

	if (!order)
		order = compare_sums(&a->total, &b->total);
	return order ? order : compare_names(a, b);
}

static int compare_by_total(const void *left, const void *right)
{
	const struct ranked_function *a = left, *b = right;
	int order = compare_sums(&a->total, &b->total);

	if (!order)
		order = compare_sums(&a->self, &b->self);
	return order ? order : compare_names(a, b);
}

void ranking_init(struct ranking *ranking, const struct profile *profile, enum ranking_order order)
{
	struct builder builder = {.profile = profile};
	double variance = 0;

	*ranking = (struct ranking){0};
	find_functions(&builder);
	for (uint32_t i = 0; i < profile->row_count; i++) {
		ranking->weight += profile->rows[i].weight;
		ranking->samples += profile->rows[i].count;
		variance += profile->rows[i].variance;
		add_row(&builder, i);
	}
	free(builder.function_of_frame);
	free(builder.last_row);
	ranking->functions = builder.functions;
	ranking->count = builder.count;
	for (size_t i = 0; i < ranking->count && ranking->weight > 0; i++) {
		take_share(&ranking->functions[i].self, ranking->weight, variance);
		take_share(&ranking->functions[i].total, ranking->weight, variance);
	}
	if (ranking->count > 1)
		qsort(ranking->functions, ranking->count, sizeof(*ranking->functions),
		      order == RANKING_BY_SELF ? compare_by_self : compare_by_total);
}

void ranking_fini(struct ranking *ranking)
{
	free(ranking->functions);
	*ranking = (struct ranking){0};
}
