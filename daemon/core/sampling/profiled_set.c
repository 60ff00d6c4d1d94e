/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/profiled_set.h"

#include <errno.h>
#include <string.h>

#include "common/hashmap.h"

/*
 * Start times of two sources may differ: /proc tells ticks, and a fork is told of a moment after it
 * happened. No pid is used again so soon.
 */
#define START_TIME_TOLERANCE_NS (2 * START_TIME_TICK_NS)

/* A pid, a cgroup's number or a name, filled up with zeros. */
struct key {
	char bytes[RECORD_NAME_BYTES];
};

struct entry {
	struct key key;
	struct profiled profiled;
};

struct table {
	struct entry *entries;
	size_t capacity;
	uint32_t count;
	uint32_t limit;
	struct hashmap index;
};

struct profiled_set {
	struct sampler_settings settings;
	struct table processes;
	struct table names;
	struct table cgroups;
};

/* ---- Tables ---- */

static struct key key_of_number(uint64_t number)
{
	struct key key = {{0}};

	memcpy(key.bytes, &number, sizeof(number));
	return key;
}

static struct key key_of_name(const char *name)
{
	struct key key;

	memcpy(key.bytes, name, sizeof(key.bytes));
	return key;
}

static uint64_t number_of(const struct key *key)
{
	uint64_t number;

	memcpy(&number, key->bytes, sizeof(number));
	return number;
}

static uint32_t table_find(const struct table *table, struct key key)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&table->index, hash_bytes(&key, sizeof(key)), &cursor);
	     i != HASHMAP_NONE; i = hashmap_next(&table->index, &cursor))
		if (memcmp(&table->entries[i].key, &key, sizeof(key)) == 0)
			return i;
	return HASHMAP_NONE;
}

static const struct profiled *table_get(const struct table *table, struct key key)
{
	uint32_t i = table_find(table, key);

	return i == HASHMAP_NONE ? NULL : &table->entries[i].profiled;
}

static int table_set(struct table *table, struct key key, const struct profiled *profiled)
{
	uint32_t i = table_find(table, key);

	if (i != HASHMAP_NONE) {
		table->entries[i].profiled = *profiled;
		return 0;
	}
	if (table->count == table->limit)
		return -E2BIG;
	table->entries = memory_grow(table->entries, &table->capacity, table->count + 1,
				     sizeof(*table->entries));
	table->entries[table->count] = (struct entry){key, *profiled};
	hashmap_add(&table->index, hash_bytes(&key, sizeof(key)), table->count++);
	return 0;
}

/* The last one takes the place of the one that goes. */
static void table_remove(struct table *table, struct key key)
{
	uint32_t i = table_find(table, key);
	struct entry *last;

	if (i == HASHMAP_NONE)
		return;
	hashmap_remove(&table->index, hash_bytes(&key, sizeof(key)), i);
	last = &table->entries[--table->count];
	if (i == table->count)
		return;
	hashmap_remove(&table->index, hash_bytes(&last->key, sizeof(last->key)), table->count);
	hashmap_add(&table->index, hash_bytes(&last->key, sizeof(last->key)), i);
	table->entries[i] = *last;
}

static void table_clear(struct table *table)
{
	table->count = 0;
	hashmap_clear(&table->index);
}

static void table_fini(struct table *table)
{
	free(table->entries);
	hashmap_fini(&table->index);
}

/* ---- The set ---- */

struct profiled_set *profiled_set_new(void)
{
	struct profiled_set *set = memory_new(sizeof(*set));

	set->processes.limit = PROFILED_MAX_PROCESSES;
	set->names.limit = PROFILED_MAX_NAMES;
	set->cgroups.limit = PROFILED_MAX_CGROUPS;
	return set;
}

void profiled_set_free(struct profiled_set *set)
{
	if (!set)
		return;
	table_fini(&set->processes);
	table_fini(&set->names);
	table_fini(&set->cgroups);
	free(set);
}

struct sampler_settings *profiled_set_settings(struct profiled_set *set)
{
	return &set->settings;
}

int profiled_set_is_open(const struct profiled_set *set)
{
	return set->settings.all.keep || set->settings.match_names || set->settings.match_cgroups;
}

int profiled_set_find_process(const struct profiled_set *set, uint32_t pid,
			      struct profiled *profiled)
{
	const struct profiled *found = table_get(&set->processes, key_of_number(pid));

	if (!found)
		return -ENOENT;
	*profiled = *found;
	return 0;
}

int profiled_set_follows(const struct profiled_set *set, uint32_t pid, struct profiled *profiled)
{
	return !profiled_set_find_process(set, pid, profiled) && !(profiled->flags & PROFILED_NOT);
}

int profiled_set_add_process(struct profiled_set *set, uint32_t pid,
			     const struct profiled *profiled)
{
	return table_set(&set->processes, key_of_number(pid), profiled);
}

void profiled_set_remove_process(struct profiled_set *set, uint32_t pid)
{
	table_remove(&set->processes, key_of_number(pid));
}

void profiled_set_each_process(const struct profiled_set *set,
			       void (*visit)(void *context, uint32_t pid,
					     const struct profiled *profiled),
			       void *context)
{
	/* From the end, so that who takes the place of one that goes was visited already. */
	for (uint32_t i = set->processes.count; i-- > 0;) {
		const struct entry entry = set->processes.entries[i];

		visit(context, (uint32_t)number_of(&entry.key), &entry.profiled);
	}
}

void profiled_set_add_name(struct profiled_set *set, const char *name,
			   const struct profiled *profiled)
{
	if (!table_set(&set->names, key_of_name(name), profiled))
		return;
	table_clear(&set->names);
	/* There is room now. */
	if (table_set(&set->names, key_of_name(name), profiled))
		abort();
}

void profiled_set_clear_names(struct profiled_set *set)
{
	table_clear(&set->names);
}

int profiled_set_add_cgroup(struct profiled_set *set, uint64_t id, const struct profiled *profiled)
{
	return table_set(&set->cgroups, key_of_number(id), profiled);
}

void profiled_set_remove_cgroup(struct profiled_set *set, uint64_t id)
{
	table_remove(&set->cgroups, key_of_number(id));
}

/* ---- Verdicts ---- */

/* Whether the entry is about the process that started then, not an earlier one of the same pid. */
static int is_about(const struct profiled *entry, uint64_t start_time_ns)
{
	uint64_t difference = entry->start_time_ns > start_time_ns
				      ? entry->start_time_ns - start_time_ns
				      : start_time_ns - entry->start_time_ns;

	return !entry->start_time_ns || difference < START_TIME_TOLERANCE_NS;
}

static void add(struct profiled_verdict *verdict, const struct profiled *entry)
{
	if (!entry || entry->keep <= verdict->keep)
		return;
	verdict->keep = entry->keep;
	verdict->target = entry->target;
}

static void add_name(const struct profiled_set *set, const char *name,
		     struct profiled_verdict *verdict)
{
	const struct profiled *entry = table_get(&set->names, key_of_name(name));

	if (!entry)
		verdict->is_pending = !verdict->keep;
	else if (!(entry->flags & PROFILED_NOT))
		add(verdict, entry);
}

struct profiled_verdict profiled_set_judge(const struct profiled_set *set,
					   const struct profiled_subject *subject)
{
	struct profiled_verdict verdict = {0};
	const struct profiled *entry;

	if (set->settings.all.keep)
		add(&verdict, &set->settings.all);
	/* It runs no program: it is part of the whole host, and of nothing else. */
	if (subject->is_kernel_thread)
		return verdict;
	entry = table_get(&set->processes, key_of_number(subject->pid));
	if (entry && is_about(entry, subject->start_time_ns)) {
		if (entry->flags & PROFILED_NOT)
			return (struct profiled_verdict){0};
		add(&verdict, entry);
	}
	if (set->settings.match_cgroups)
		for (size_t i = 0; i < subject->cgroup_count; i++)
			add(&verdict, table_get(&set->cgroups, key_of_number(subject->cgroups[i])));
	if (set->settings.match_names)
		add_name(set, subject->name, &verdict);
	return verdict;
}
