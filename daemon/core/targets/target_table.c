/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/target_table.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/utf8.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/processes/process_family.h"
#include "daemon/core/processes/process_table.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/targets/enforcement.h"
#include "daemon/core/targets/governor.h"
#include "daemon/core/targets/interrupt_code.h"
#include "daemon/core/targets/watch.h"
#include "daemon/core/workers/broker_client.h"

/* Every so many ticks the broker looks for CPUs that came or went. */
#define CPU_CHECK_TICKS 5

/* A family that grows faster than it can be looked at is followed by its own forks by then. */
#define MAX_LOOKS 8

struct target_table {
	struct sampler *sampler;
	struct broker_client *broker;
	struct cgroup_table *cgroups;
	struct watch *watch;
	struct enforcement *enforcement;
	void (*on_change)(void *context, const struct target *target, enum target_change change);
	void *change_context;
	struct target **targets;
	uint32_t count;
	size_t capacity;
	uint32_t last_number;
	uint32_t generation; /* of memberships */
	uint32_t ticks;
	int has_exits;        /* that nobody has been told of yet */
	int knows_interrupts; /* the kernel programs have been told, or will be */
};

struct target_table *target_table_new(struct sampler *sampler, struct broker_client *broker,
				      struct cgroup_table *cgroups, struct watch *watch)
{
	struct target_table *table = memory_new(sizeof(*table));

	table->sampler = sampler;
	table->broker = broker;
	table->cgroups = cgroups;
	table->watch = watch;
	table->enforcement = enforcement_new(sampler, broker, watch);
	table->generation = 1;
	return table;
}

static void free_target(struct target *target)
{
	free(target->pattern);
	free(target->name);
	free(target);
}

void target_table_free(struct target_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->count; i++)
		free_target(table->targets[i]);
	free(table->targets);
	enforcement_free(table->enforcement);
	free(table);
}

/* Have the kernel programs know what is in the table now. */
static void apply(struct target_table *table)
{
	enforcement_apply(table->enforcement, table->targets, table->count);
}

void target_table_watch(struct target_table *table,
			void (*on_change)(void *context, const struct target *target,
					  enum target_change change),
			void *context)
{
	table->on_change = on_change;
	table->change_context = context;
}

static void tell(struct target_table *table, const struct target *target, enum target_change change)
{
	table->generation++;
	if (table->on_change)
		table->on_change(table->change_context, target, change);
}

uint32_t target_table_count(const struct target_table *table)
{
	return table->count;
}

struct target *target_table_at(struct target_table *table, uint32_t i)
{
	return table->targets[i];
}

struct target *target_table_by_number(struct target_table *table, uint32_t number)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->targets[i]->number == number)
			return table->targets[i];
	return NULL;
}

struct target *target_table_find(struct target_table *table, const struct target_selector *selector)
{
	/* A pid may be there twice, of a process that is gone and of a new one: the newest counts. */
	for (uint32_t i = table->count; i-- > 0;) {
		struct target *target = table->targets[i];

		if (target->kind != selector->kind)
			continue;
		if (target->kind == TARGET_PID ? target->pid == selector->pid
					       : strcmp(target->pattern, selector->pattern) == 0)
			return target;
	}
	return NULL;
}

void target_table_when_applied(struct target_table *table, void (*done)(void *context),
			       void *context)
{
	enforcement_when_done(table->enforcement, done, context);
}

/* ---- Attaching ---- */

static struct target *new_target(struct target_table *table, const struct target_request *request)
{
	struct target *target = memory_new(sizeof(*target));

	target->number = ++table->last_number;
	target->kind = request->selector.kind;
	target->pid = request->selector.pid;
	target->start_time_ns = request->start_time_ns;
	target->attached_ns = clock_boot_ns();
	target->owner_uid = request->owner_uid;
	target->owner_gid = request->owner_gid;
	return target;
}

static void set_options(struct target *target, const struct target_request *request)
{
	target->events = request->events;
	target->asked_hz = request->rate_hz;
	target->rate_hz = request->rate_hz;
	target->budget_percent = request->budget_percent;
	target->follows_children = request->follows_children;
	target->deadline_ns = request->for_ns ? clock_boot_ns() + request->for_ns : 0;
	if (target->state == TARGET_STOPPED)
		target->state = TARGET_RUNNING;
}

static int adopt(struct target_table *table, struct target *target, uint32_t pid,
		 uint64_t start_time_ns)
{
	struct profiled before, profiled = enforcement_profile(table->enforcement, target);

	profiled.start_time_ns = start_time_ns;
	if (pid == target->pid && !sampler_find_process(table->sampler, pid, &before) &&
	    before.target != target->number)
		target->within = before.target;
	return sampler_set_process(table->sampler, pid, &profiled);
}

/* A user who may see own processes only does not get those that a child of theirs became. */
static int may_follow(const struct target *target, uint32_t pid)
{
	struct access_process owner;
	struct access_peer peer = {
		.uid = target->owner_uid, .gid = target->owner_gid, .level = ACCESS_LEVEL_OWN};

	if (target->owner_uid == TARGET_PRIVILEGED)
		return 1;
	return !access_process_read((pid_t)pid, &owner) &&
	       access_judge_process(&peer, &owner) == ACCESS_ALLOWED;
}

/* Returns how many descendants were not followed yet. */
static int adopt_descendants(struct target_table *table, struct target *target)
{
	struct process_family family = {0};
	int error = process_family_find(target->pid, &family);
	_cleanup_free_ struct process_info *members = family.members;
	struct profiled before;
	int added = 0;

	for (uint32_t i = 0; !error && i < family.count; i++) {
		if (!sampler_find_process(table->sampler, members[i].pid, &before) &&
		    before.target == target->number)
			continue;
		if (!may_follow(target, members[i].pid))
			continue;
		error = adopt(table, target, members[i].pid, members[i].start_time_ns);
		added++;
	}
	return error ? error : added;
}

static int attach_processes(struct target_table *table, struct target *target)
{
	int result = adopt(table, target, target->pid, target->start_time_ns);

	if (!target->follows_children)
		return result;
	/* Who forked before it was followed itself has a child that only another look finds. */
	for (int looks = 0; result >= 0 && looks < MAX_LOOKS; looks++) {
		result = adopt_descendants(table, target);
		if (result == 0)
			break;
	}
	return result < 0 ? result : 0;
}

/* Have the files of the process read now, so that its first samples find their unwind tables. */
static void announce_modules(struct target_table *table, const struct target *target)
{
	struct broker_request request = {.type = BROKER_ANNOUNCE, .pid = target->pid};

	broker_client_send(table->broker, &request, NULL, NULL);
}

int target_table_attach(struct target_table *table, const struct target_request *request,
			struct target **result, int *is_new)
{
	struct target_selector selector = request->selector;
	_cleanup_free_ char *canonical = NULL;
	uint64_t cgroup_id = 0;

	if (selector.kind == TARGET_CGROUP) {
		int error = cgroup_table_resolve(table->cgroups, selector.pattern, &cgroup_id,
						 &canonical);

		if (error)
			return error;
		selector.pattern = canonical;
	}
	struct target *target = target_table_find(table, &selector);
	if (target && target->kind == TARGET_PID &&
	    (target->start_time_ns != request->start_time_ns || target->state == TARGET_EXITED))
		target = NULL;
	*is_new = !target;
	if (!target) {
		if (table->count == TARGET_MAX)
			return -E2BIG;
		target = new_target(table, request);
		target->pattern = memory_format("%s", selector.pattern ? selector.pattern : "");
		target->name =
			memory_format("%s", selector.kind == TARGET_PID   ? request->name
					    : selector.kind == TARGET_ALL ? "all"
									  : selector.pattern);
		target->cgroup_id = cgroup_id;
		table->targets = memory_grow(table->targets, &table->capacity, table->count + 1,
					     sizeof(struct target *));
		table->targets[table->count++] = target;
	}
	set_options(target, request);
	if (request->events >> EVENT_WAKER & 1 && !table->knows_interrupts) {
		interrupt_code_find(table->broker, table->sampler);
		table->knows_interrupts = 1;
	}
	/* What threads that begin from now on use counts from their beginning. */
	sampler_settings(table->sampler)->opened_ns = clock_boot_ns();
	apply(table);
	if (target->kind == TARGET_PID) {
		int error = attach_processes(table, target);

		if (error) {
			target_table_detach(table, target);
			return error == -ENOENT ? -ESRCH : -E2BIG;
		}
	}
	if (*is_new && target->kind == TARGET_PID)
		announce_modules(table, target);
	watch_look(table->watch);
	tell(table, target, TARGET_ATTACHED);
	*result = target;
	return 0;
}

/* ---- Detaching, pausing ---- */

struct handover {
	struct target_table *table;
	const struct target *from;
	const struct target *to; /* NULL: nobody follows these processes any more */
};

static void hand_over(void *context, uint32_t pid, const struct profiled *profiled)
{
	struct handover *handover = context;

	if (profiled->target != handover->from->number)
		return;
	if (!handover->to) {
		sampler_remove_process(handover->table->sampler, pid);
		return;
	}
	struct profiled updated = enforcement_profile(handover->table->enforcement, handover->to);
	updated.start_time_ns = profiled->start_time_ns;
	updated.flags |= profiled->flags & PROFILED_EXITED;
	if (sampler_set_process(handover->table->sampler, pid, &updated))
		log_debug("A process left while it was handed over: pid=%u", pid);
}

void target_table_detach(struct target_table *table, struct target *target)
{
	uint32_t i = 0;

	/* What it caused up to now is still its own. */
	watch_look(table->watch);
	while (table->targets[i] != target)
		i++;
	memmove(&table->targets[i], &table->targets[i + 1],
		(--table->count - i) * sizeof(struct target *));
	/* Samples that are on their way may be handled before everybody is told. */
	table->generation++;
	for (i = 0; i < table->count; i++)
		if (table->targets[i]->within == target->number)
			table->targets[i]->within = target->within;
	struct handover handover = {table, target, target_table_by_number(table, target->within)};
	sampler_each_process(table->sampler, hand_over, &handover);
	if (target->kind == TARGET_CGROUP)
		sampler_remove_cgroup(table->sampler, target->cgroup_id);
	apply(table);
	tell(table, target, TARGET_DETACHED);
	free_target(target);
}

void target_table_pause(struct target_table *table, struct target *target, int is_paused)
{
	if (target->state == TARGET_EXITED || is_paused == (target->state == TARGET_STOPPED))
		return;
	target->state = is_paused ? TARGET_STOPPED : TARGET_RUNNING;
	apply(table);
	tell(table, target, is_paused ? TARGET_CHANGED_STOPPED : TARGET_CHANGED_STARTED);
}

/* ---- Belonging ---- */

/* Is number target, or was it attached to a process that target followed already? */
static int is_within(struct target_table *table, uint32_t number, const struct target *target)
{
	for (uint32_t depth = 0; number && depth <= table->count; depth++) {
		if (number == target->number)
			return 1;
		const struct target *inner = target_table_by_number(table, number);
		number = inner ? inner->within : 0;
	}
	return 0;
}

static int selects(struct target_table *table, const struct target *target,
		   const struct process *process)
{
	const char *path;

	/* Who attached it as somebody with rights over own processes alone gets no others. */
	if (target->owner_uid != TARGET_PRIVILEGED &&
	    (target->owner_uid != process->owner_uid || target->owner_gid != process->owner_gid))
		return 0;
	if (is_within(table, process->target, target))
		return 1;
	switch (target->kind) {
	case TARGET_ALL:
		return 1;
	case TARGET_PID:
		return process->pid == target->pid &&
		       process->start_time_ns / START_TIME_TICK_NS ==
			       target->start_time_ns / START_TIME_TICK_NS;
	case TARGET_NAME:
		return fnmatch(target->pattern, process->name, 0) == 0;
	case TARGET_CGROUP:
		path = cgroup_table_path(table->cgroups, process->cgroup_id);
		return path && cgroup_path_is_under(path, target->pattern);
	}
	return 0;
}

void target_table_select(struct target_table *table, struct process *process)
{
	if (process->membership == table->generation)
		return;
	process->membership = table->generation;
	process->target_count = 0;
	for (uint32_t i = 0; i < table->count; i++) {
		if (!selects(table, table->targets[i], process))
			continue;
		process->targets = memory_resize(process->targets, process->target_count + 1,
						 sizeof(*process->targets));
		process->targets[process->target_count++] = table->targets[i]->number;
	}
}

uint32_t target_table_judge(struct target_table *table, const struct record_sample *sample)
{
	const struct target *best = NULL;
	char name[RECORD_NAME_BYTES + 1] = "";

	memcpy(name, sample->process_name, RECORD_NAME_BYTES);
	for (uint32_t i = 0; i < table->count; i++) {
		const struct target *target = table->targets[i];

		if (target->kind == TARGET_NAME && target->state == TARGET_RUNNING &&
		    fnmatch(target->pattern, name, 0) == 0 &&
		    (!best || target->rate_hz > best->rate_hz))
			best = target;
	}
	struct profiled verdict = best ? enforcement_profile(table->enforcement, best)
				       : (struct profiled){.flags = PROFILED_NOT};
	sampler_set_name(table->sampler, sample->process_name, &verdict);
	if (best && best->follows_children) {
		struct profiled followed = verdict;

		followed.start_time_ns = sample->start_time_ns;
		if (sampler_set_process(table->sampler, sample->pid, &followed))
			log_warn("Too many processes are followed already: pid=%u", sample->pid);
	}
	return verdict.keep;
}

/* ---- What happens to processes ---- */

struct census {
	struct target_table *table;
	uint32_t *members; /* by index of the target */
};

static void count_member(void *context, uint32_t pid, const struct profiled *profiled)
{
	struct census *census = context;

	(void)pid;
	/* It stays in the set until its parent has asked for its exit status. */
	if (profiled->flags & PROFILED_EXITED)
		return;
	for (uint32_t i = 0; i < census->table->count; i++)
		if (is_within(census->table, profiled->target, census->table->targets[i]))
			census->members[i]++;
}

/* Targets by pid of which no process is left have exited. */
static void notice_exits(struct target_table *table, uint64_t now_ns)
{
	_cleanup_free_ uint32_t *members = memory_new((table->count + 1) * sizeof(*members));
	struct census census = {table, members};
	uint32_t exits = 0;

	sampler_each_process(table->sampler, count_member, &census);
	for (uint32_t i = 0; i < table->count; i++) {
		struct target *target = table->targets[i];

		if (target->kind != TARGET_PID || target->state == TARGET_EXITED || members[i])
			continue;
		target->state = TARGET_EXITED;
		target->exited_ns = now_ns;
		exits++;
		tell(table, target, TARGET_CHANGED_EXITED);
	}
	if (exits)
		apply(table);
}

/* It runs another program: that is what it is called in lists from now on. */
static void rename_target(struct target *target, const char name[RECORD_NAME_BYTES])
{
	char clean[PROCESS_NAME_BYTES];

	utf8_clean(clean, sizeof(clean), name, strnlen(name, RECORD_NAME_BYTES));
	free(target->name);
	target->name = memory_format("%s", clean);
}

void target_table_on_process(struct target_table *table, const struct record_process *record)
{
	struct target *target = target_table_by_number(table, record->target);

	if (!target)
		return;
	/* A user's target that gained rights by exec is the user's no more. */
	if (record->header.type == RECORD_EXEC && target->owner_uid != TARGET_PRIVILEGED &&
	    (record->owner_uid != target->owner_uid || record->owner_gid != target->owner_gid)) {
		log_info("A followed process changed its owner and is left: pid=%u target=%u",
			 record->pid, target->number);
		sampler_remove_process(table->sampler, record->pid);
	}
	if (record->header.type == RECORD_EXIT && record->pid == target->pid)
		table->has_exits = 1;
	if (record->header.type == RECORD_EXEC && target->kind == TARGET_PID &&
	    record->pid == target->pid)
		rename_target(target, record->process_name);
}

void target_table_settle(struct target_table *table)
{
	if (!table->has_exits)
		return;
	table->has_exits = 0;
	notice_exits(table, clock_boot_ns());
}

static int is_due(const struct target *target, uint64_t now_ns, uint64_t oldest_ns)
{
	if (target->deadline_ns && now_ns >= target->deadline_ns)
		return 1;
	return target->state == TARGET_EXITED && target->exited_ns < oldest_ns;
}

void target_table_tick(struct target_table *table, uint64_t now_ns, uint64_t oldest_ns)
{
	int has_pids = 0;

	for (uint32_t i = table->count; i-- > 0;) {
		if (is_due(table->targets[i], now_ns, oldest_ns))
			target_table_detach(table, table->targets[i]);
		else
			has_pids |= table->targets[i]->kind == TARGET_PID;
	}
	if (has_pids)
		notice_exits(table, now_ns);
	if (target_table_rate_hz(table) && ++table->ticks % CPU_CHECK_TICKS == 0)
		enforcement_renew_rate(table->enforcement);
}

void target_table_govern(struct target_table *table, double core_ns_per_sample)
{
	int changed = 0;

	for (uint32_t i = 0; i < table->count; i++) {
		struct target *target = table->targets[i];
		uint32_t rate_hz;

		if (target->state != TARGET_RUNNING || target->budget_percent <= 0)
			continue;
		rate_hz = governor_choose_rate(target, core_ns_per_sample);
		if (rate_hz == target->rate_hz)
			continue;
		log_debug("The governor moves a rate: target=%u from_hz=%u to_hz=%u",
			  target->number, target->rate_hz, rate_hz);
		target->rate_hz = rate_hz;
		changed = 1;
	}
	if (changed)
		apply(table);
}

uint32_t target_table_rate_hz(const struct target_table *table)
{
	return enforcement_rate_hz(table->enforcement);
}
