/* SPDX-License-Identifier: Apache-2.0 */
#include "client/ranking.h"

#include <stdlib.h>
#include <string.h>

#include "client/formats/profile_stacks.h"
#include "common/cleanup.h"
#include "common/hashmap.h"
#include "common/memory.h"
#include "common/profile.h"

/* Functions are found through the frames: several frames (of other lines) may be one function. */
struct builder {
	const struct profile *profile;
	struct ranked_function *functions;
	size_t count;
	size_t capacity;
	uint32_t *function_of_frame;
	uint32_t *last_row;          /* by function: the row, + 1, in which it was counted last */
	uint32_t *process_functions; /* by process; NULL: no such level */
	uint32_t *thread_functions;  /* by thread */
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
}

/* "name/number" as a function of its own. */
static uint32_t add_level(struct builder *builder, struct intern *names, const char *name,
			  uint32_t number)
{
	_cleanup_free_ char *text = memory_format("%s/%u", name, number);

	builder->functions = memory_grow(builder->functions, &builder->capacity, builder->count + 1,
					 sizeof(*builder->functions));
	builder->functions[builder->count] = (struct ranked_function){
		.name = intern_text(names, intern_add(names, text, strlen(text))),
		.module = "",
		.kind = FRAME_PROCESS,
	};
	return (uint32_t)builder->count++;
}

static void find_levels(struct builder *builder, struct intern *names,
			const struct stack_levels *levels)
{
	const struct profile *profile = builder->profile;

	if (levels->by_process) {
		builder->process_functions = memory_new((profile->process_count + 1) *
							sizeof(*builder->process_functions));
		for (uint32_t i = 0; i < profile->process_count; i++)
			builder->process_functions[i] = add_level(
				builder, names, profile_text(profile, profile->processes[i].name),
				profile->processes[i].pid);
	}
	if (levels->by_thread) {
		builder->thread_functions = memory_new((profile->thread_count + 1) *
						       sizeof(*builder->thread_functions));
		for (uint32_t i = 0; i < profile->thread_count; i++)
			builder->thread_functions[i] = add_level(
				builder, names, profile_text(profile, profile->threads[i].name),
				profile->threads[i].tid);
	}
}

static void add(struct ranked_sum *sum, const struct profile_row *row)
{
	const struct interval_sum add = {row->weight, row->certain, row->variance, row->largest};

	interval_sum_add(&sum->sum, &add);
}

static void add_row_levels(struct builder *builder, const struct profile_row *row)
{
	if (row->thread == PROFILE_NO_THREAD)
		return;
	if (builder->process_functions) {
		uint32_t process = builder->profile->threads[row->thread].process;

		add(&builder->functions[builder->process_functions[process]].total, row);
	}
	if (builder->thread_functions)
		add(&builder->functions[builder->thread_functions[row->thread]].total, row);
}

static void add_row(struct builder *builder, uint32_t number)
{
	const struct profile *profile = builder->profile;
	const struct profile_row *row = &profile->rows[number];

	add_row_levels(builder, row);
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

static void take_share(struct ranked_sum *sum, const struct interval_sum *whole)
{
	struct interval interval = interval_of_share(&sum->sum, whole);

	sum->share = 100 * sum->sum.weight / whole->weight;
	sum->low = 100 * interval.low;
	sum->high = 100 * interval.high;
	sum->margin = (sum->high - sum->low) / 2;
}

static int compare_sums(const struct ranked_sum *left, const struct ranked_sum *right)
{
	double a = left->sum.weight, b = right->sum.weight;

	return (a < b) - (a > b);
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

void ranking_init(struct ranking *ranking, const struct profile *profile, enum ranking_order order,
		  const struct stack_levels *levels)
{
	struct builder builder = {.profile = profile};
	struct ranked_sum whole = {0};

	*ranking = (struct ranking){0};
	intern_init(&ranking->levels);
	find_functions(&builder);
	find_levels(&builder, &ranking->levels, levels);
	builder.last_row = memory_new((builder.count + 1) * sizeof(*builder.last_row));
	for (uint32_t i = 0; i < profile->row_count; i++) {
		ranking->samples += profile->rows[i].count;
		add(&whole, &profile->rows[i]);
		add_row(&builder, i);
	}
	free(builder.function_of_frame);
	free(builder.last_row);
	free(builder.process_functions);
	free(builder.thread_functions);
	ranking->functions = builder.functions;
	ranking->count = builder.count;
	ranking->weight = whole.sum.weight;
	for (size_t i = 0; i < ranking->count && ranking->weight > 0; i++) {
		take_share(&ranking->functions[i].self, &whole.sum);
		take_share(&ranking->functions[i].total, &whole.sum);
	}
	if (ranking->count > 1)
		qsort(ranking->functions, ranking->count, sizeof(*ranking->functions),
		      order == RANKING_BY_SELF ? compare_by_self : compare_by_total);
}

void ranking_fini(struct ranking *ranking)
{
	free(ranking->functions);
	intern_fini(&ranking->levels);
	*ranking = (struct ranking){0};
}
