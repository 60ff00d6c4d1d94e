/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/processes/process_family.h"
#include "daemon/core/processes/process_info.h"
#include "daemon/core/targets/target_table.h"

#define NO_SLOT UINT32_MAX

/* Children that live for so long are watched themselves; all are rid of their probes before. */
#define ADOPT_NS NS_PER_SECOND

#define MAX_CHILDREN 256 /* that may be waiting to be that old */

struct entry {
	struct heap_process *process;
	struct heap_table *table;
	uint32_t slot;                /* NO_SLOT: it ended */
	int is_waiting;               /* for an earlier watch of the process to end */
	int has_executed, has_exited; /* what is to follow when all records were taken */
	double budget_percent;
	struct heap_missed missed;
	void (*done)(void *context, int error);
	void *context;
};

/* A child of a process that is watched. */
struct child {
	struct heap_subject subject;
	uint32_t watched_pid; /* the nearest forefather that is watched */
	uint64_t watched_start_time_ns;
	uint64_t due_ns;
};

struct heap_table {
	struct heap_sources sources;
	struct heap_calibration calibration;
	struct target_table *targets;
	struct cgroup_table *cgroups;
	struct entry **entries;
	uint32_t count;
	size_t capacity;
	struct entry *leaving[HEAP_MAX_SLOTS]; /* whose probes are being removed; NULL: none */
	uint8_t slot_used[HEAP_MAX_SLOTS];
	uint32_t next_slot; /* to try first */
	struct child children[MAX_CHILDREN];
	uint32_t child_count;
};

struct heap_table *heap_table_new(const struct heap_sources *sources, struct target_table *targets,
				  struct cgroup_table *cgroups)
{
	struct heap_table *table = memory_new(sizeof(*table));

	table->sources = *sources;
	table->sources.calibration = &table->calibration;
	heap_calibration_init(&table->calibration);
	table->targets = targets;
	table->cgroups = cgroups;
	return table;
}

static void release_slot(struct entry *entry)
{
	if (entry->slot == NO_SLOT)
		return;
	entry->table->sources.maps.slots[entry->slot].mode = HEAP_OFF;
	entry->table->slot_used[entry->slot] = 0;
	entry->slot = NO_SLOT;
}

static void free_entry(struct entry *entry)
{
	heap_process_free(entry->process);
	release_slot(entry);
	free(entry);
}

void heap_table_free(struct heap_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->count; i++)
		free_entry(table->entries[i]);
	for (uint32_t i = 0; i < HEAP_MAX_SLOTS; i++)
		if (table->leaving[i])
			free_entry(table->leaving[i]);
	free(table->entries);
	free(table);
}

static void on_started(void *context, int error);

static int is_same_process(const struct entry *entry, uint32_t pid, uint64_t start_time_ns)
{
	const struct heap_identity *identity = heap_process_identity(entry->process);

	return identity->pid == pid &&
	       identity->start_time_ns / START_TIME_TICK_NS == start_time_ns / START_TIME_TICK_NS;
}

/* Whether the probes of an earlier watch are still being removed from a process. */
static int is_being_left(const struct heap_table *table, const struct heap_identity *identity)
{
	for (uint32_t i = 0; i < HEAP_MAX_SLOTS; i++)
		if (table->leaving[i] &&
		    is_same_process(table->leaving[i], identity->pid, identity->start_time_ns))
			return 1;
	return 0;
}

static void begin_entry(struct heap_table *table, struct entry *entry)
{
	entry->is_waiting = is_being_left(table, heap_process_identity(entry->process));
	if (!entry->is_waiting)
		heap_process_begin(entry->process);
}

/* Code can be compared only while nobody else probes it: who waits for that may begin. */
static void on_left(void *context)
{
	struct entry *entry = context;
	struct heap_table *table = entry->table;

	table->leaving[entry->slot] = NULL;
	free_entry(entry);
	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i]->is_waiting)
			begin_entry(table, table->entries[i]);
}

/*
 * Who waits for it hears that it is gone. It keeps its slot until its probes are, unless the program
 * is gone whose code could be compared.
 */
static void remove_entry(struct heap_table *table, uint32_t i, int has_code)
{
	struct entry *entry = table->entries[i];

	on_started(entry, -ESRCH);
	if (has_code && entry->slot != NO_SLOT &&
	    heap_process_leave(entry->process, on_left, entry))
		table->leaving[entry->slot] = entry;
	else
		free_entry(entry);
	memmove(&table->entries[i], &table->entries[i + 1],
		(--table->count - i) * sizeof(struct entry *));
}

static void on_started(void *context, int error)
{
	struct entry *entry = context;
	void (*done)(void *context, int error) = entry->done;

	entry->done = NULL;
	if (done)
		done(entry->context, error);
}

/* Slots are taken in turn, so that late records of the one before do not meet the next. */
static uint32_t take_slot(struct heap_table *table)
{
	for (uint32_t i = 0; i < HEAP_CALIBRATION_SLOT; i++) {
		uint32_t slot = (table->next_slot + i) % HEAP_CALIBRATION_SLOT;

		if (table->slot_used[slot])
			continue;
		table->slot_used[slot] = 1;
		table->next_slot = slot + 1;
		return slot;
	}
	return NO_SLOT;
}

static struct entry *find_entry(const struct heap_table *table, uint32_t pid,
				uint64_t start_time_ns)
{
	for (uint32_t i = table->count; i-- > 0;) {
		if (is_same_process(table->entries[i], pid, start_time_ns))
			return table->entries[i];
	}
	return NULL;
}

static int is_watched(const struct entry *entry)
{
	enum heap_tier tier = heap_process_tier(entry->process);

	return tier != HEAP_TIER_ENDED && tier != HEAP_TIER_FAILED;
}

static void forget_entry(struct heap_table *table, const struct entry *entry, int has_code)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i] == entry) {
			remove_entry(table, i, has_code);
			return;
		}
}

static uint64_t read_cgroup(struct heap_table *table, uint32_t pid)
{
	char path[PROCESS_INFO_PATH_BYTES];
	_cleanup_free_ char *canonical = NULL;
	uint64_t id;

	if (process_info_read_cgroup(pid, path, sizeof(path)) ||
	    cgroup_table_resolve(table->cgroups, path, &id, &canonical))
		return 0;
	return id;
}

static int identify(struct heap_table *table, const struct heap_subject *subject,
		    struct heap_identity *identity)
{
	const struct target *target = target_table_by_number(table->targets, subject->target);
	struct access_process owner;
	struct process_info info;

	if (!target || process_info_read(subject->pid, &info) ||
	    access_process_read((pid_t)subject->pid, &owner) ||
	    info.start_time_ns / START_TIME_TICK_NS != subject->start_time_ns / START_TIME_TICK_NS)
		return -ESRCH;
	*identity = (struct heap_identity){
		.start_time_ns = subject->start_time_ns,
		.cgroup_id = read_cgroup(table, subject->pid),
		.pid = subject->pid,
		.parent_pid = info.parent_pid,
		.target = subject->target,
	};
	memcpy(identity->name, info.name, strnlen(info.name, RECORD_NAME_BYTES - 1));
	access_process_owner(&owner, &identity->owner_uid, &identity->owner_gid);
	/* A user's target that gained rights by exec is the user's no more. */
	if (target->owner_uid != TARGET_PRIVILEGED && target->owner_uid != identity->owner_uid)
		return -EPERM;
	return 0;
}

static struct entry *new_entry(struct heap_table *table, const struct heap_request *request,
			       void (*done)(void *context, int error), void *context)
{
	struct entry *entry = memory_new(sizeof(*entry));

	*entry = (struct entry){.table = table,
				.slot = request->slot,
				.budget_percent = request->budget_percent,
				.done = done,
				.context = context};
	entry->process = heap_process_new(&table->sources, request, on_started, entry);
	table->entries = memory_grow(table->entries, &table->capacity, table->count + 1,
				     sizeof(struct entry *));
	table->entries[table->count++] = entry;
	begin_entry(table, entry);
	return entry;
}

int heap_table_add(struct heap_table *table, const struct heap_subject *subject,
		   void (*done)(void *context, int error), void *context)
{
	struct entry *entry = find_entry(table, subject->pid, subject->start_time_ns);
	struct heap_request request = {.budget_percent = subject->budget_percent};
	int error = identify(table, subject, &request.identity);

	if (error)
		return error;
	/* Attached again as it is: nothing to do; else it begins anew. */
	if (entry && is_watched(entry) && entry->budget_percent == subject->budget_percent &&
	    heap_process_identity(entry->process)->target == subject->target) {
		done(context, 0);
		return 0;
	}
	if (entry)
		forget_entry(table, entry, 1);
	request.slot = take_slot(table);
	if (request.slot == NO_SLOT)
		return -E2BIG;
	new_entry(table, &request, done, context);
	return 0;
}

void heap_table_sync(struct heap_table *table)
{
	for (uint32_t i = table->count; i-- > 0;) {
		struct entry *entry = table->entries[i];
		const struct target *target = target_table_by_number(
			table->targets, heap_process_identity(entry->process)->target);

		if (!target || !(target->events & 1U << EVENT_HEAP)) {
			remove_entry(table, i, 1);
			continue;
		}
		if (heap_process_tier(entry->process) == HEAP_TIER_FAILED)
			release_slot(entry);
		if (is_watched(entry))
			heap_process_pause(entry->process, target->state == TARGET_STOPPED);
	}
}

struct heap_process *heap_table_by_slot(struct heap_table *table, uint32_t slot)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->entries[i]->slot == slot && slot != NO_SLOT)
			return table->entries[i]->process;
	return NULL;
}

/* ---- What happens to processes ---- */

static const struct child *find_child(const struct heap_table *table, uint32_t pid)
{
	for (uint32_t i = 0; i < table->child_count; i++)
		if (table->children[i].subject.pid == pid)
			return &table->children[i];
	return NULL;
}

static void miss_child(struct heap_table *table, const struct child *child, uint64_t time_ns)
{
	struct entry *entry = find_entry(table, child->watched_pid, child->watched_start_time_ns);

	if (!entry)
		return;
	if (!entry->missed.count++)
		entry->missed.first_ns = time_ns;
	entry->missed.last_ns = time_ns;
}

/* A child, that is to be watched as like is: its parent, or a child of the same family. */
static void await_child(struct heap_table *table, const struct record_process *record,
			struct child like)
{
	if (record->header.type == RECORD_CHILD)
		return;
	like.subject.pid = record->pid;
	like.subject.start_time_ns = record->start_time_ns;
	like.due_ns = record->time_ns + ADOPT_NS;
	if (table->child_count < MAX_CHILDREN)
		table->children[table->child_count++] = like;
	else
		miss_child(table, &like, record->time_ns); /* a storm: none will live long */
}

static void on_forked(struct heap_table *table, const struct record_process *record)
{
	struct entry *parent = find_entry(table, record->parent_pid, record->parent_start_time_ns);
	/* Who becomes a daemon forks twice at once. */
	const struct child *waiting = parent ? NULL : find_child(table, record->parent_pid);

	if (waiting) {
		await_child(table, record, *waiting);
		return;
	}
	if (!parent || !is_watched(parent))
		return;
	heap_process_forked(parent->process);
	await_child(table, record,
		    (struct child){
			    .subject = {.target = heap_process_identity(parent->process)->target,
					.budget_percent = parent->budget_percent},
			    .watched_pid = record->parent_pid,
			    .watched_start_time_ns = record->parent_start_time_ns,
		    });
}

static void drop_child(struct heap_table *table, uint32_t pid, uint64_t time_ns)
{
	for (uint32_t i = table->child_count; i-- > 0;)
		if (table->children[i].subject.pid == pid) {
			miss_child(table, &table->children[i], time_ns);
			table->children[i] = table->children[--table->child_count];
		}
}

/* Errors of watching a child: it may have no allocator, or be gone. Nobody waits. */
static void on_adopted(void *context, int error)
{
	(void)context;
	(void)error;
}

static int watch_again(struct heap_table *table, const struct heap_subject *subject,
		       void (*done)(void *context, int error), void *context)
{
	int error = heap_table_add(table, subject, done, context);

	if (!error)
		return 0;
	if (error != -ESRCH)
		log_info_errno(error, "A process is not watched: pid=%u", subject->pid);
	done(context, error);
	return error;
}

uint32_t heap_table_add_family(struct heap_table *table, const struct heap_subject *subject)
{
	struct process_family family = {0};
	int error = process_family_find(subject->pid, &family);
	_cleanup_free_ struct process_info *members = family.members;
	uint32_t refused = 0;

	for (uint32_t i = 0; !error && i < family.count; i++) {
		struct heap_subject member = *subject;
		const struct entry *entry =
			find_entry(table, members[i].pid, members[i].start_time_ns);

		/* What was attached for itself stays that. */
		if (entry && is_watched(entry) &&
		    heap_process_identity(entry->process)->target != subject->target)
			continue;
		member.pid = members[i].pid;
		member.start_time_ns = members[i].start_time_ns;
		refused += watch_again(table, &member, on_adopted, NULL) == -E2BIG;
	}
	return refused;
}

/* Another program, with another heap, perhaps of another allocator. */
static void watch_program(struct heap_table *table, struct entry *entry)
{
	const struct heap_identity *identity = heap_process_identity(entry->process);
	const struct heap_subject subject = {
		.target = identity->target,
		.pid = identity->pid,
		.start_time_ns = identity->start_time_ns,
		.budget_percent = entry->budget_percent,
	};
	/* Who waits for the probes to be in waits on. */
	void (*done)(void *context, int error) = entry->done ? entry->done : on_adopted;
	void *context = entry->context;

	entry->done = NULL;
	forget_entry(table, entry, 0);
	watch_again(table, &subject, done, context);
}

static void end_entry(struct heap_table *table, struct entry *entry)
{
	entry->has_exited = entry->has_executed = 0;
	heap_process_end(entry->process);
	release_slot(entry);
	if (table->count > HEAP_TABLE_MAX_ENDED + HEAP_MAX_SLOTS)
		remove_entry(table, 0, 1);
}

static void on_executed(struct heap_table *table, const struct record_process *record)
{
	struct entry *entry = find_entry(table, record->pid, record->start_time_ns);

	if (entry && is_watched(entry))
		entry->has_executed = 1;
}

static void on_exited(struct heap_table *table, const struct record_process *record)
{
	struct entry *entry = find_entry(table, record->pid, record->start_time_ns);

	drop_child(table, record->pid, record->time_ns);
	if (entry)
		entry->has_exited = 1;
}

void heap_table_on_drained(struct heap_table *table)
{
	for (uint32_t i = table->count; i-- > 0;) {
		if (i >= table->count)
			continue; /* more than one went */
		if (table->entries[i]->has_exited)
			end_entry(table, table->entries[i]);
		else if (table->entries[i]->has_executed)
			watch_program(table, table->entries[i]);
	}
}

void heap_table_on_process(struct heap_table *table, const struct record_process *record)
{
	switch (record->header.type) {
	case RECORD_FORK:
	case RECORD_CHILD:
		on_forked(table, record);
		break;
	case RECORD_EXEC:
		on_executed(table, record);
		break;
	case RECORD_EXIT:
		on_exited(table, record);
		break;
	default:
		break;
	}
}

static void adopt_children(struct heap_table *table, uint64_t now_ns)
{
	for (uint32_t i = table->child_count; i-- > 0;) {
		struct child child = table->children[i];
		const struct target *target =
			target_table_by_number(table->targets, child.subject.target);

		if (child.due_ns > now_ns)
			continue;
		table->children[i] = table->children[--table->child_count];
		if (target && target->follows_children)
			watch_again(table, &child.subject, on_adopted, NULL);
	}
}

static void credit_target(struct heap_table *table, const struct heap_process *process)
{
	struct target *target =
		target_table_by_number(table->targets, heap_process_identity(process)->target);
	const struct heap_sums *sums = &heap_process_ledger(process)->sums;

	if (!target)
		return;
	target->heap_cost_ns += (uint64_t)sums->cost_ns;
	target->heap_base_ns += (uint64_t)sums->base_ns;
}

void heap_table_tick(struct heap_table *table, uint64_t now_ns)
{
	heap_table_sync(table);
	adopt_children(table, now_ns);
	for (uint32_t i = 0; i < target_table_count(table->targets); i++) {
		struct target *target = target_table_at(table->targets, i);

		target->heap_cost_ns = target->heap_base_ns = 0;
	}
	for (uint32_t i = 0; i < table->count; i++) {
		heap_process_tick(table->entries[i]->process, now_ns);
		credit_target(table, table->entries[i]->process);
	}
}

const struct heap_calibration *heap_table_calibration(const struct heap_table *table)
{
	return &table->calibration;
}

uint32_t heap_table_count(const struct heap_table *table)
{
	return table->count;
}

struct heap_process *heap_table_at(const struct heap_table *table, uint32_t i)
{
	return table->entries[i]->process;
}

struct heap_process *heap_table_find(const struct heap_table *table, uint32_t pid,
				     uint64_t start_time_ns)
{
	struct entry *entry = find_entry(table, pid, start_time_ns);

	return entry ? entry->process : NULL;
}

struct heap_missed heap_table_missed(const struct heap_table *table, uint32_t pid,
				     uint64_t start_time_ns)
{
	const struct entry *entry = find_entry(table, pid, start_time_ns);

	return entry ? entry->missed : (struct heap_missed){0};
}

int heap_table_is_active(const struct heap_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (is_watched(table->entries[i]))
			return 1;
	return 0;
}
