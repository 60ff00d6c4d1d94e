/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/sum_table.h"

#include <errno.h>
#include <limits.h>

#include "common/hashmap.h"
#include "daemon/core/history/bucket_ring.h"

struct entry {
	struct sum_stack stack; /* id 0: free */
	struct sum last;
	uint64_t used_ns;
};

/* A sleep that was counted before its waker was known; holds references to all three. */
struct move {
	uint64_t from_ns;
	uint32_t event;
	uint32_t thread;
	uint32_t from_stack;
	uint32_t to_stack;
};

/* A thread that ended, whatever it was called. */
struct ended {
	uint64_t start_time_ns; /* of its process */
	uint32_t tid;
};

struct ended_set {
	struct ended *threads;
	size_t count;
	size_t capacity;
	struct hashmap index;
};

struct sum_table {
	struct bucket_ring *history;
	struct process_table *processes;
	struct stack_table *stacks;
	struct entry *entries;
	uint32_t entry_count; /* free ones included */
	size_t capacity;
	uint32_t used;
	uint32_t first_free; /* no free entry has a smaller number */
	struct hashmap index;
	struct ended_set ended;   /* not long ago */
	struct ended_set leaving; /* longer ago: their entries are dropped next */
	uint64_t ended_since_ns;
	struct move *moves; /* since the last sum_table_settle() */
	size_t move_count;
	size_t move_capacity;
};

/* The rows that the measures of an event go to. */
static const uint32_t row_events[EVENT_COUNT][SUM_MEASURES] = {
	[EVENT_OFFCPU] = {EVENT_OFFCPU, EVENT_RUNQUEUE},
	[EVENT_FAULT] = {EVENT_FAULT, EVENT_FAULT},
};

struct sum_table *sum_table_new(struct bucket_ring *history, struct process_table *processes,
				struct stack_table *stacks)
{
	struct sum_table *table = memory_new(sizeof(*table));

	table->history = history;
	table->processes = processes;
	table->stacks = stacks;
	return table;
}

static void release(const struct sum_table *table, const struct sum_stack *stack)
{
	process_table_release(table->processes, stack->thread);
	for (size_t i = 0; i < SUM_MEASURES; i++)
		stack_table_release(table->stacks, stack->stacks[i]);
}

static void release_move(const struct sum_table *table, const struct move *move)
{
	process_table_release(table->processes, move->thread);
	stack_table_release(table->stacks, move->from_stack);
	stack_table_release(table->stacks, move->to_stack);
}

static void ended_set_fini(struct ended_set *set)
{
	hashmap_fini(&set->index);
	free(set->threads);
}

void sum_table_free(struct sum_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->move_count; i++)
		release_move(table, &table->moves[i]);
	free(table->moves);
	for (uint32_t i = 0; i < table->entry_count; i++)
		if (table->entries[i].stack.id)
			release(table, &table->entries[i].stack);
	hashmap_fini(&table->index);
	ended_set_fini(&table->ended);
	ended_set_fini(&table->leaving);
	free(table->entries);
	free(table);
}

static struct entry *find(const struct sum_table *table, uint64_t id)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&table->index, hash_u64(id), &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&table->index, &cursor))
		if (table->entries[i].stack.id == id)
			return &table->entries[i];
	return NULL;
}

static struct entry *new_entry(struct sum_table *table, uint64_t id)
{
	uint32_t number = table->first_free;

	while (number < table->entry_count && table->entries[number].stack.id)
		number++;
	if (number == table->entry_count) {
		table->entry_count++;
		table->entries = memory_grow(table->entries, &table->capacity, table->entry_count,
					     sizeof(*table->entries));
	}
	table->first_free = number + 1;
	table->used++;
	hashmap_add(&table->index, hash_u64(id), number);
	return &table->entries[number];
}

void sum_table_add(struct sum_table *table, const struct sum_stack *stack, uint64_t now_ns)
{
	struct entry *entry = find(table, stack->id);

	if (entry)
		release(table, &entry->stack);
	else
		entry = new_entry(table, stack->id);
	*entry = (struct entry){.stack = *stack, .used_ns = now_ns};
}

const struct sum_stack *sum_table_find(const struct sum_table *table, uint64_t id)
{
	const struct entry *entry = find(table, id);

	return entry ? &entry->stack : NULL;
}

/* What a part has grown by, in the units of the history. */
static struct bucket_measure grown(const struct sum_part *now, const struct sum_part *last)
{
	double unit = (double)SUM_VARIANCE_UNIT * SUM_VARIANCE_UNIT;

	return (struct bucket_measure){
		.weight = now->weight - last->weight,
		.variance = (double)(now->variance - last->variance) * unit,
		.certain = (double)(now->certain - last->certain),
		.largest = (double)now->largest,
	};
}

int sum_table_apply(struct sum_table *table, uint64_t id, const struct sum *sum, uint64_t from_ns,
		    uint64_t to_ns, uint32_t *thread)
{
	struct entry *entry = find(table, id);

	if (!entry)
		return -ENOENT;
	uint64_t events = sum->count - entry->last.count;

	*thread = entry->stack.thread;
	if (events == 0)
		return 0;
	for (size_t i = 0; i < SUM_MEASURES; i++) {
		struct bucket_measure measure = grown(&sum->parts[i], &entry->last.parts[i]);

		if (measure.weight == 0)
			continue;
		measure.count = (uint32_t)events;
		process_table_keep(table->processes, entry->stack.thread);
		stack_table_keep(table->stacks, entry->stack.stacks[i]);
		bucket_ring_spread(table->history, from_ns, to_ns,
				   row_events[entry->stack.event][i], entry->stack.thread,
				   entry->stack.stacks[i], &measure);
	}
	entry->last = *sum;
	entry->used_ns = to_ns;
	return events < INT_MAX ? (int)events : INT_MAX;
}

void sum_table_move(struct sum_table *table, uint64_t id, uint64_t to_id, uint64_t from_ns)
{
	const struct entry *from = find(table, id), *to = find(table, to_id);

	if (!from || !to)
		return;
	struct move move = {
		.from_ns = from_ns,
		.event = row_events[from->stack.event][SUM_BLOCKED],
		.thread = from->stack.thread,
		.from_stack = from->stack.stacks[SUM_BLOCKED],
		.to_stack = to->stack.stacks[SUM_BLOCKED],
	};

	process_table_keep(table->processes, move.thread);
	stack_table_keep(table->stacks, move.from_stack);
	stack_table_keep(table->stacks, move.to_stack);
	table->moves = memory_grow(table->moves, &table->move_capacity, table->move_count + 1,
				   sizeof(*table->moves));
	table->moves[table->move_count++] = move;
}

void sum_table_settle(struct sum_table *table, uint64_t now_ns)
{
	for (size_t i = 0; i < table->move_count; i++) {
		const struct move *move = &table->moves[i];

		bucket_ring_move(table->history, move->from_ns, now_ns, move->event, move->thread,
				 move->from_stack, move->to_stack);
		release_move(table, move);
	}
	table->move_count = 0;
}

/* ---- What goes ---- */

static struct ended identify(const struct sum_table *table, uint32_t thread)
{
	const struct process_thread *known = process_table_thread(table->processes, thread);

	return (struct ended){
		.start_time_ns =
			process_table_process(table->processes, known->process)->start_time_ns,
		.tid = known->tid,
	};
}

static uint32_t hash_ended(const struct ended *ended)
{
	return hash_u64(ended->start_time_ns ^ (uint64_t)ended->tid << 40);
}

static int has_ended(const struct ended_set *set, const struct ended *thread)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&set->index, hash_ended(thread), &cursor);
	     i != HASHMAP_NONE; i = hashmap_next(&set->index, &cursor))
		if (set->threads[i].tid == thread->tid &&
		    set->threads[i].start_time_ns == thread->start_time_ns)
			return 1;
	return 0;
}

void sum_table_end(struct sum_table *table, uint32_t thread)
{
	struct ended_set *set = &table->ended;
	struct ended ended = identify(table, thread);

	set->threads =
		memory_grow(set->threads, &set->capacity, set->count + 1, sizeof(*set->threads));
	hashmap_add(&set->index, hash_ended(&ended), (uint32_t)set->count);
	set->threads[set->count++] = ended;
}

static void drop(struct sum_table *table, uint32_t number,
		 void (*on_dropped)(void *context, uint64_t id), void *context)
{
	struct entry *entry = &table->entries[number];
	uint64_t id = entry->stack.id;

	hashmap_remove(&table->index, hash_u64(id), number);
	release(table, &entry->stack);
	entry->stack.id = 0;
	table->used--;
	if (number < table->first_free)
		table->first_free = number;
	on_dropped(context, id);
}

static int is_leaving(const struct sum_table *table, const struct entry *entry)
{
	struct ended thread = identify(table, entry->stack.thread);

	return has_ended(&table->leaving, &thread);
}

/* Who ended since the last time may still be busy with that. */
static void age_ended(struct sum_table *table, uint64_t now_ns)
{
	struct ended_set old = table->leaving;

	old.count = 0;
	hashmap_clear(&old.index);
	table->leaving = table->ended;
	table->ended = old;
	table->ended_since_ns = now_ns;
}

void sum_table_evict(struct sum_table *table, uint64_t now_ns,
		     void (*on_dropped)(void *context, uint64_t id), void *context)
{
	uint64_t idle_ns = now_ns > SUM_TABLE_IDLE_NS ? now_ns - SUM_TABLE_IDLE_NS : 0;
	int is_due = now_ns - table->ended_since_ns >= SUM_TABLE_ENDED_NS;

	for (uint32_t i = 0; i < table->entry_count; i++) {
		const struct entry *entry = &table->entries[i];

		if (entry->stack.id &&
		    (entry->used_ns < idle_ns ||
		     (is_due && table->leaving.count && is_leaving(table, entry))))
			drop(table, i, on_dropped, context);
	}
	if (is_due)
		age_ended(table, now_ns);
}

uint32_t sum_table_count(const struct sum_table *table)
{
	return table->used;
}

void sum_table_ids(const struct sum_table *table, uint64_t *ids)
{
	for (uint32_t i = 0; i < table->entry_count; i++)
		if (table->entries[i].stack.id)
			*ids++ = table->entries[i].stack.id;
}
