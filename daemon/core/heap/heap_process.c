/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a process: its allocator is searched -> the broker starts a prober -> the prober is
 * told the sites -> full -> (budget exceeded) partial or duty -> (it would fit again) full. Whatever is
 * under way when the process is freed is cancelled or ignored.
 */
#include "daemon/core/heap/heap_process.h"

#include <errno.h>
#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/core/heap/code_check.h"
#include "daemon/core/heap/duty_cycle.h"
#include "daemon/core/heap/heap_calibration.h"
#include "daemon/core/heap/heap_meter.h"
#include "daemon/core/heap/heap_sites.h"
#include "daemon/core/heap/prober_arrival.h"
#include "daemon/core/processes/process_table.h"
#include "daemon/core/workers/prober_client.h"

/* Children that were forked shortly after each other are rid of their probes together. */
#define SWEEP_MS 100

/* How long it must have looked as if more could be recorded before it is tried again. */
#define RETRY_NS (60 * NS_PER_SECOND)

/* Why budgets are exceeded. */
#define TOO_MUCH "it allocates too often for its budget"
#define TOO_DEAR "to see what its C++ operators return would cost more than the budget"

struct heap_process {
	const struct heap_sources *sources;
	struct heap_request request;
	enum heap_tier tier;
	int is_starting;                        /* that tier is asked for, and not known to be */
	int is_torn;                            /* records are missing from before it is */
	int has_followed;                       /* operators that the full tier alone sees return */
	void (*done)(void *context, int error); /* NULL: called already */
	void *context;
	void (*left)(void *context); /* NULL: it is wanted */
	void *left_context;
	struct prober_arrival *arrival; /* NULL: it is over */
	struct prober_client *prober;
	struct event *sweep_timer;
	struct duty_cycle *duty;
	struct live_heap *live;
	struct heap_evidence evidence;
	struct heap_tier_log log;
	struct heap_meter meter;
	enum heap_tier fitting; /* what could be afforded since fits_since_ns */
	uint64_t fits_since_ns; /* 0: no more than there is */
};

static struct heap_slot *slot_of(const struct heap_process *process)
{
	return &process->sources->maps.slots[process->request.slot];
}

static void tell(struct heap_process *process, int error)
{
	void (*done)(void *context, int error) = process->done;

	process->done = NULL;
	if (done)
		done(process->context, error);
}

static void change_tier(struct heap_process *process, enum heap_tier tier, const char *reason)
{
	heap_tier_log_add(&process->log, clock_boot_ns(), tier, reason);
	process->tier = tier;
	log_info("The heap of a process is watched differently: pid=%u tier=%s reason=%s",
		 process->request.identity.pid, heap_tier_name(tier), reason);
}

static void miss(struct heap_process *process, const char *reason)
{
	heap_evidence_miss(&process->evidence, clock_boot_ns(), reason);
}

static void drop_prober(struct heap_process *process)
{
	duty_cycle_free(steal_ptr(&process->duty));
	heap_calibration_forget(process->sources->calibration, process->prober);
	prober_client_free(steal_ptr(&process->prober));
}

static void fail(struct heap_process *process, int error, const char *reason)
{
	if (process->left) {
		process->left(process->left_context);
		return;
	}
	drop_prober(process);
	miss(process, reason);
	change_tier(process, HEAP_TIER_FAILED, reason);
	tell(process, error);
}

static void on_prober_lost(void *context)
{
	struct heap_process *process = context;

	fail(process, -ESRCH, "the probes could not be kept in place");
}

/* ---- Tiers ---- */

/* Is each allocation recorded? */
static int records_all(const struct heap_process *process)
{
	return process->tier == HEAP_TIER_FULL || process->tier == HEAP_TIER_PARTIAL;
}

static void ask(struct heap_process *process, enum prober_request_type type, uint64_t value,
		prober_done *done)
{
	struct prober_request request = {.type = type, .value = value};
	int error = prober_client_send(process->prober, &request, -1, done, process);

	if (error)
		fail(process, error, "the prober does not answer");
}

static void on_stopped(void *context, int error, const struct prober_reply *reply)
{
	const struct heap_process *process = context;

	if (!error)
		code_check_note(process->sources->counters, process->request.identity.pid, reply);
	if (process->left)
		process->left(process->left_context);
}

static void go_duty(struct heap_process *process, const char *reason)
{
	miss(process, reason);
	change_tier(process, HEAP_TIER_DUTY, reason);
	process->fits_since_ns = 0;
	ask(process, PROBER_STOP, 0, on_stopped);
	if (!process->prober)
		return;
	struct duty_setup setup = {
		.sources = process->sources,
		.prober = process->prober,
		.slot = slot_of(process),
		.slot_number = process->request.slot,
		.pid = process->request.identity.pid,
		.cpu_clock = process->meter.cpu_clock,
		.budget_percent = process->request.budget_percent,
		.costs = &process->meter.costs,
		.sums = &process->meter.ledger.sums,
	};
	process->duty = duty_cycle_new(&setup, on_prober_lost, process);
}

static void on_tripped(struct heap_process *process);

static void on_recording(void *context, int error, const struct prober_reply *reply)
{
	struct heap_process *process = context;
	int is_torn = process->is_torn;

	(void)reply;
	if (error) {
		fail(process, error, "the allocator cannot be probed");
		return;
	}
	process->is_starting = process->is_torn = 0;
	if (is_torn)
		on_tripped(process);
	tell(process, 0);
}

/* Record each allocation; with the full tier, see what C++ operators return. */
static void record_all(struct heap_process *process, enum heap_tier tier, const char *reason)
{
	duty_cycle_free(steal_ptr(&process->duty));
	heap_meter_set_fuse(&process->meter);
	heap_meter_begin(&process->meter, clock_boot_ns());
	heap_evidence_see(&process->evidence, clock_boot_ns(), tier == HEAP_TIER_FULL);
	if (tier == HEAP_TIER_PARTIAL)
		live_heap_forget_marked(process->live);
	process->fits_since_ns = 0;
	process->is_starting = 1;
	change_tier(process, tier, reason);
	ask(process, PROBER_FULL, tier == HEAP_TIER_FULL, on_recording);
}

static void begin_list(struct heap_process *process)
{
	live_heap_clear(process->live);
	heap_evidence_begin(&process->evidence, clock_boot_ns());
}

static void begin_recording(struct heap_process *process, enum heap_tier tier, const char *reason)
{
	begin_list(process);
	record_all(process, tier, reason);
}

/* Whether it is what C++ operators return that costs too much. */
static int is_too_dear(const struct heap_process *process, const struct heap_spending *last)
{
	return process->tier == HEAP_TIER_FULL && process->has_followed &&
	       heap_governor_fits_without(process->request.budget_percent, last);
}

/*
 * The fuse has blown: what came since then was not recorded. One that blew before the last change of
 * tier has been replaced already.
 */
static void on_tripped(struct heap_process *process)
{
	struct heap_spending last;

	if (process->is_starting) {
		process->is_torn = 1;
		return;
	}
	if (!slot_of(process)->is_tripped) {
		begin_list(process);
		heap_evidence_see(&process->evidence, clock_boot_ns(),
				  process->tier == HEAP_TIER_FULL);
		return;
	}
	last = heap_meter_look(&process->meter, clock_boot_ns(), 0);
	if (is_too_dear(process, &last))
		begin_recording(process, HEAP_TIER_PARTIAL, TOO_DEAR);
	else
		go_duty(process, TOO_MUCH);
}

/* ---- Starting ---- */

static void on_file_added(void *context, int error, const struct prober_reply *reply)
{
	struct heap_process *process = context;

	(void)reply;
	if (error)
		fail(process, error, "the allocator cannot be probed");
}

static int add_file(struct heap_process *process, const struct allocator_file *file)
{
	struct prober_request request;

	heap_sites_add(slot_of(process), file, &request);
	process->has_followed |= (heap_sites_flags(file) & HEAP_SITES_FOLLOWED) != 0;
	process->evidence.has_unseen |= (heap_sites_flags(file) & HEAP_SITES_UNSEEN) != 0;
	for (size_t i = 0; i < file->count; i++)
		log_debug("An allocator is probed: pid=%u function=%s site=%+d emulated=%d",
			  process->request.identity.pid, file->functions[i].name,
			  (int)(file->functions[i].site - file->functions[i].entry),
			  !!(file->functions[i].flags & ALLOCATOR_EMULATED));
	return prober_client_send(process->prober, &request, file->fd, on_file_added, process);
}

static void on_arrived(void *context, const struct prober_arrived *arrived)
{
	struct heap_process *process = context;
	int error = 0;

	process->arrival = NULL;
	if (arrived->error) {
		fail(process, arrived->error, arrived->reason);
		return;
	}
	process->prober =
		prober_client_new(process->sources->base, arrived->fd, on_prober_lost, process);
	heap_sites_init(slot_of(process));
	for (size_t i = 0; !error && i < arrived->file_count; i++)
		error = add_file(process, &arrived->files[i]);
	if (error)
		fail(process, error, "the prober does not answer");
	else
		begin_recording(process, HEAP_TIER_FULL, "attached");
}

static void on_swept(void *context, int error, const struct prober_reply *reply)
{
	const struct heap_process *process = context;

	(void)reply;
	if (error)
		log_warn_errno(error, "Children keep the probes that they inherited: pid=%u",
			       process->request.identity.pid);
}

static void on_sweep_due(evutil_socket_t fd, short what, void *context)
{
	struct heap_process *process = context;

	(void)fd;
	(void)what;
	if (process->prober && records_all(process))
		ask(process, PROBER_SWEEP, 0, on_swept);
}

struct heap_process *heap_process_new(const struct heap_sources *sources,
				      const struct heap_request *request,
				      void (*done)(void *context, int error), void *context)
{
	struct heap_process *process = memory_new(sizeof(*process));

	process->sources = sources;
	process->request = *request;
	process->done = done;
	process->context = context;
	heap_meter_init(&process->meter, sources, request->slot, request->budget_percent,
			request->identity.pid);
	process->live = live_heap_new(sources->stacks);
	process->sweep_timer = evtimer_new(sources->base, on_sweep_due, process);
	return process;
}

void heap_process_begin(struct heap_process *process)
{
	const struct heap_identity *identity = &process->request.identity;

	process->arrival =
		prober_arrival_start(process->sources, identity->pid, identity->start_time_ns,
				     process->request.slot, on_arrived, process);
}

void heap_process_free(struct heap_process *process)
{
	if (!process)
		return;
	process->done = NULL;
	prober_arrival_cancel(process->arrival);
	drop_prober(process);
	live_heap_free(process->live);
	event_free(process->sweep_timer);
	free(process);
}

int heap_process_leave(struct heap_process *process, void (*left)(void *context), void *context)
{
	struct prober_request request = {.type = PROBER_STOP};

	if (!process->prober)
		return 0;
	process->done = NULL;
	duty_cycle_free(steal_ptr(&process->duty));
	evtimer_del(process->sweep_timer);
	slot_of(process)->mode = HEAP_OFF;
	if (prober_client_send(process->prober, &request, -1, on_stopped, process))
		return 0;
	process->left = left;
	process->left_context = context;
	return 1;
}

/* ---- Records ---- */

/* What is listed is listed completely: with the partial tier nothing of C++ operators is. */
static void keep_block(struct heap_process *process, const struct record_heap *record,
		       uint32_t stack, uint64_t size)
{
	int is_operators = record->function == HEAP_NEW;

	if (!records_all(process) || (is_operators && process->tier == HEAP_TIER_PARTIAL))
		return;
	if (live_heap_allocated(process->live, record->tid, record->address, size, stack,
				record->time_ns) < 0)
		miss(process, "it holds more blocks, or from more places, than can be listed");
	else if (is_operators)
		live_heap_mark(process->live, record->address);
}

static void on_allocated(struct heap_process *process, const struct record_heap *record,
			 uint32_t thread, uint32_t stack, uint64_t size)
{
	uint64_t time_ns = record->time_ns;
	struct bucket_measure measure = {.count = 1, .weight = size, .certain = (double)size};

	if (record->interval_bytes) {
		if (process->duty)
			duty_cycle_add(process->duty, thread, stack, size, record->interval_bytes);
		return;
	}
	process->meter.ledger.sums.estimated += (double)size;
	process->meter.ledger.sums.low += (double)size;
	process->meter.ledger.sums.high += (double)size;
	process_table_keep(process->sources->processes, thread);
	stack_table_keep(process->sources->stacks, stack);
	bucket_ring_spread(process->sources->history, time_ns, time_ns + 1, EVENT_HEAP, thread,
			   stack, &measure);
	if (record->address)
		keep_block(process, record, stack, size);
}

void heap_process_on_record(struct heap_process *process, const struct record_heap *record,
			    uint32_t thread, uint32_t stack, uint64_t size)
{
	switch ((enum heap_record_type)record->header.type) {
	case RECORD_HEAP_ALLOCATED:
		on_allocated(process, record, thread, stack, size);
		break;
	case RECORD_HEAP_FREED:
		live_heap_freed(process->live, record->address);
		break;
	case RECORD_HEAP_MOVING:
		live_heap_moving(process->live, record->tid, record->address);
		break;
	case RECORD_HEAP_STAYED:
		live_heap_stayed(process->live, record->tid);
		break;
	case RECORD_HEAP_TRIPPED:
		if (records_all(process))
			on_tripped(process);
		break;
	}
}

/* ---- Time ---- */

/* What half of the budget would be enough for; HEAP_TIER_DUTY: no more than there is. */
static enum heap_tier affordable(const struct heap_process *process,
				 const struct heap_spending *last)
{
	double percent = process->request.budget_percent * HEAP_GOVERNOR_RETRY;

	if (process->tier == HEAP_TIER_PARTIAL)
		return heap_governor_fits_with(percent, last) ? HEAP_TIER_FULL : HEAP_TIER_DUTY;
	if (!process->duty || !duty_cycle_fits(process->duty, 0))
		return HEAP_TIER_DUTY;
	return duty_cycle_fits(process->duty, 1) ? HEAP_TIER_FULL : HEAP_TIER_PARTIAL;
}

/* Has more been affordable for long enough? Then it is the least of what was. */
static int may_do_more(struct heap_process *process, const struct heap_spending *last,
		       uint64_t now_ns)
{
	enum heap_tier tier = affordable(process, last);

	if (tier == HEAP_TIER_DUTY) {
		process->fits_since_ns = 0;
		return 0;
	}
	if (!process->fits_since_ns) {
		process->fits_since_ns = now_ns;
		process->fitting = tier;
	}
	if (tier == HEAP_TIER_PARTIAL)
		process->fitting = tier;
	return now_ns - process->fits_since_ns >= RETRY_NS;
}

/* Do less when the budget is exceeded, or the list is torn. */
static void judge_recording(struct heap_process *process, const struct heap_spending *last,
			    uint64_t now_ns)
{
	uint64_t since_ns = process->log.changes[process->log.count - 1].time_ns;

	if (heap_meter_is_over(&process->meter, last, since_ns, now_ns)) {
		if (is_too_dear(process, last))
			record_all(process, HEAP_TIER_PARTIAL, TOO_DEAR);
		else
			go_duty(process, TOO_MUCH);
	} else if (process->evidence.incomplete_ns) {
		go_duty(process, process->evidence.reason);
	}
}

void heap_process_tick(struct heap_process *process, uint64_t now_ns)
{
	int is_duty = process->tier == HEAP_TIER_DUTY;

	if ((!records_all(process) && !is_duty) || process->is_starting)
		return;
	uint64_t lost = process->meter.usage.lost;
	struct heap_spending spending = heap_meter_look(&process->meter, now_ns, is_duty);

	if (process->meter.usage.lost > lost)
		miss(process, "its records came faster than they could be taken");
	heap_calibration_ask(process->sources->calibration, process->prober, is_duty);
	heap_meter_set_fuse(&process->meter);
	if (!is_duty) {
		live_heap_look(process->live);
		judge_recording(process, &spending, now_ns);
	}
	if (process->tier == HEAP_TIER_FULL || process->is_starting ||
	    !may_do_more(process, &spending, now_ns))
		return;
	if (is_duty)
		begin_recording(process, process->fitting, "it allocates less now");
	else
		record_all(process, HEAP_TIER_FULL, "it allocates less now");
}

void heap_process_pause(struct heap_process *process, int is_paused)
{
	if (is_paused == (process->tier == HEAP_TIER_STOPPED) || !process->prober || process->done)
		return;
	if (!is_paused) {
		begin_recording(process, HEAP_TIER_FULL, "resumed");
		return;
	}
	duty_cycle_free(steal_ptr(&process->duty));
	miss(process, "it was stopped");
	change_tier(process, HEAP_TIER_STOPPED, "asked for");
	ask(process, PROBER_STOP, 0, on_stopped);
}

void heap_process_forked(struct heap_process *process)
{
	struct timeval delay = {.tv_usec = SWEEP_MS * 1000};

	if (!evtimer_pending(process->sweep_timer, NULL))
		evtimer_add(process->sweep_timer, &delay);
}

void heap_process_end(struct heap_process *process)
{
	if (process->tier == HEAP_TIER_ENDED)
		return;
	prober_arrival_cancel(steal_ptr(&process->arrival));
	drop_prober(process);
	evtimer_del(process->sweep_timer);
	change_tier(process, HEAP_TIER_ENDED, "the process ended");
	tell(process, -ESRCH);
}

/* ---- What is told ---- */

const struct heap_identity *heap_process_identity(const struct heap_process *process)
{
	return &process->request.identity;
}

int heap_process_is_known(const struct heap_process *process)
{
	const struct heap_change *changes;
	uint32_t count = heap_process_changes(process, &changes);

	while (count > 0 && (changes[count - 1].tier == HEAP_TIER_ENDED ||
			     changes[count - 1].tier == HEAP_TIER_STOPPED))
		count--;
	return !count || changes[count - 1].tier != HEAP_TIER_DUTY;
}

enum heap_tier heap_process_tier(const struct heap_process *process)
{
	return process->tier == HEAP_TIER_FULL && process->is_starting ? HEAP_TIER_STARTING
								       : process->tier;
}

const struct live_heap *heap_process_live(const struct heap_process *process)
{
	return process->live;
}

const struct heap_evidence *heap_process_evidence(const struct heap_process *process)
{
	return &process->evidence;
}

uint32_t heap_process_changes(const struct heap_process *process,
			      const struct heap_change **changes)
{
	*changes = process->log.changes;
	return process->log.count;
}

const struct heap_ledger *heap_process_ledger(const struct heap_process *process)
{
	return &process->meter.ledger;
}

double heap_process_budget_percent(const struct heap_process *process)
{
	return process->request.budget_percent;
}

uint64_t heap_process_lost(const struct heap_process *process)
{
	return process->meter.usage.lost;
}
