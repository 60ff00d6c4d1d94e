/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flamed with another core: walks the stacks of processes and their children for some seconds, with
 * the real kernel programs, tables and late walks, and prints what they are worth as one line of
 * JSON, after the word "attached". Told by the environment, because flamed's own main() reads the command line:
 *
 *     STACKS_PIDS=1234,1240 STACKS_HZ=999 STACKS_SECONDS=5 stack_figures --socket /tmp/unused
 */
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/record.h"
#include "bpf/unwind_table.h"
#include "bpf/unwind_x86_64.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/hashmap.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/core.h"
#include "daemon/core/counters.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/unwinding/late_walk.h"
#include "daemon/core/unwinding/unwind_tables.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/fetch_client.h"
#include "daemon/core/workers/reader_client.h"
#include "daemon/options.h"

#define UNWIND_BYTES    (UINT64_C(64) << 20)
#define AFTERWARDS_S    4 /* for late walks and separate debug files */
#define LARGEST_MODULES (MODULE_LAST_FILE + 1)

/* How often an address was in a stack. */
struct place {
	uint64_t address;
	uint64_t seen;
	uint64_t as_caller; /* of those, where a call has to stand there */
	uint64_t as_root;
	uint64_t as_end[WALK_END_COUNT]; /* where the walk stopped instead of at the root */
};

struct figures {
	struct event_base *base;
	struct broker_client *broker;
	struct worker_client *reader;
	struct fetch_client *fetch;
	struct sampler *sampler;
	struct module_table *modules;
	struct unwind_tables *tables;
	struct late_walks *late_walks;
	struct counters counters;

	uint32_t pid;
	uint64_t attached_ns;
	int is_announced;   /* the files known at the start are all known */
	uint64_t tables_ns; /* when the last of the files known at the start had its tables */
	uint32_t awaited;   /* of those, how many have none yet */
	uint8_t is_awaited[LARGEST_MODULES];
	int is_over; /* samples count no more */

	uint64_t samples, ends[WALK_END_COUNT], frames, *costs_ns;
	size_t cost_count, cost_capacity;
	struct place *places;
	size_t place_count, place_capacity;
	struct hashmap index;
};

static uint64_t setting(const char *name, uint64_t missing)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : missing;
}

/* ---- Samples ---- */

static struct place *place_of(struct figures *figures, uint64_t address)
{
	uint32_t hash = hash_u64(address);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&figures->index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&figures->index, &cursor))
		if (figures->places[i].address == address)
			return &figures->places[i];
	figures->places = memory_grow(figures->places, &figures->place_capacity,
				      figures->place_count + 1, sizeof(*figures->places));
	hashmap_add(&figures->index, hash, (uint32_t)figures->place_count);
	figures->places[figures->place_count] = (struct place){.address = address};
	return &figures->places[figures->place_count++];
}

/* Whether the frame was entered by a signal, so that its caller did not call. */
static int is_signal_frame(const struct figures *figures, uint64_t address)
{
	const struct module *module = module_table_find(figures->modules, frame_module(address));
	const struct unwind_rule *rule =
		module && module_has_image(module)
			? module_image_find_rule(&module->image, frame_offset(address))
			: NULL;

	return rule && unwind_cfa_kind(rule) == UNWIND_CFA_SIGNAL;
}

static void on_whole_sample(void *context, const struct record_sample *sample)
{
	const __u64 *frames = sample->frames + sample->kernel_count;
	struct figures *figures = context;

	figures->samples++;
	figures->ends[sample->walk_end < WALK_END_COUNT ? sample->walk_end : 0]++;
	figures->costs_ns = memory_grow(figures->costs_ns, &figures->cost_capacity,
					figures->cost_count + 1, sizeof(*figures->costs_ns));
	figures->costs_ns[figures->cost_count++] = sample->cost_ns;
	for (uint32_t i = 0; i < sample->user_count; i++) {
		struct place *place = place_of(figures, frames[i]);

		figures->frames++;
		place->seen++;
		place->as_caller += i && !is_signal_frame(figures, frames[i - 1]);
		if (i + 1U < sample->user_count || sample->walk_end >= WALK_END_COUNT)
			continue;
		if (sample->walk_end == WALK_ROOT)
			place->as_root++;
		else
			place->as_end[sample->walk_end]++;
	}
}

static void on_sample(void *context, const struct record_sample *sample)
{
	struct figures *figures = context;

	if (!late_walks_add_sample(figures->late_walks, sample))
		on_whole_sample(figures, sample);
}

static void on_stack(void *context, const struct record_stack *stack)
{
	struct figures *figures = context;

	late_walks_add_stack(figures->late_walks, stack);
}

static void on_process(void *context, const struct record_process *record)
{
	(void)context;
	(void)record;
}

static void on_malformed(void *context)
{
	(void)context;
	log_error("A record makes no sense");
}

static void on_drained(void *context)
{
	struct figures *figures = context;

	late_walks_continue(figures->late_walks, clock_boot_ns());
}

/* ---- Modules ---- */

static void on_module(void *context, const struct record_module *record)
{
	struct figures *figures = context;

	if (!figures->is_announced && record->pid == figures->pid &&
	    !figures->is_awaited[record->module]) {
		figures->is_awaited[record->module] = 1;
		figures->awaited++;
	}
	module_table_add(figures->modules, record);
}

static void stop_awaiting(struct figures *figures, uint32_t number)
{
	if (!figures->is_awaited[number])
		return;
	figures->is_awaited[number] = 0;
	if (--figures->awaited == 0)
		figures->tables_ns = clock_boot_ns();
}

static void on_image(void *context, const struct module *module)
{
	struct figures *figures = context;

	unwind_tables_add(figures->tables, module);
	stop_awaiting(figures, module->number);
}

static void on_settled(void *context, const struct module *module)
{
	struct figures *figures = context;

	if (module->state == MODULE_UNREADABLE)
		unwind_tables_add_bare(figures->tables, module->number);
	stop_awaiting(figures, module->number);
}

/* ---- The report ---- */

static const char *const end_names[WALK_END_COUNT] = {
	[WALK_NO_USER] = "no_user",
	[WALK_ROOT] = "root",
	[WALK_TRUNCATED] = "truncated",
	[WALK_NO_RULE] = "no_rule",
	[WALK_NO_TABLE] = "no_table",
	[WALK_UNSUPPORTED] = "unsupported",
	[WALK_UNREADABLE] = "unreadable",
	[WALK_UNMAPPED] = "unmapped",
	[WALK_NO_MEMORY] = "no_memory",
	[WALK_EXEC] = "exec",
	[WALK_FRAME_POINTER] = "frame_pointer",
};

/* Whether what stands before the end of the frame's instruction is a call. */
static int is_in_call(const struct module *module, uint64_t offset)
{
	uint8_t code[CALL_MAX_BYTES];

	if (offset + 1 < sizeof(code) || pread(module->fd, code, sizeof(code),
					       (off_t)(offset + 1 - sizeof(code))) != sizeof(code))
		return 0;
	return unwind_is_behind_call(code);
}

static int defines_names(const struct module *module)
{
	for (uint64_t i = 0; i < module->image.header->symbols.count; i++)
		if (*module_image_name(&module->image, &module->image.symbols[i]))
			return 1;
	return 0;
}

static const char *name_of(const struct module *module, uint64_t offset)
{
	const struct module_symbol *symbol = module_image_find(&module->image, offset);

	return symbol ? module_image_name(&module->image, symbol) : "";
}

static int compare_numbers(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return a < b ? -1 : a > b;
}

static void add_count(json_t *object, const char *name, uint64_t count)
{
	json_int_t before = json_integer_value(json_object_get(object, name));

	json_object_set_new(object, name, json_integer(before + (json_int_t)count));
}

/* Count what happened at a place, by its name. */
static void add_place(json_t *object, const char *what, const struct module *module,
		      uint64_t offset, uint64_t count)
{
	const char *name = name_of(module, offset);
	char text[256];

	if (*name)
		snprintf(text, sizeof(text), "%s%s%.99s:%.99s", what, *what ? " " : "",
			 module->name, name);
	else
		snprintf(text, sizeof(text), "%s%s%.99s+0x%llx", what, *what ? " " : "",
			 module->name, (unsigned long long)offset);
	add_count(object, text, count);
}

/* Add what is known of the frames in files: false callers, named ones, and who the roots are. */
static void add_frames(const struct figures *figures, json_t *report)
{
	json_t *roots = json_object(), *unnamed = json_object(), *wrong = json_object();
	json_t *stopped = json_object();

	for (size_t i = 0; i < figures->place_count; i++) {
		const struct place *place = &figures->places[i];
		const struct module *module =
			module_table_find(figures->modules, frame_module(place->address));
		uint64_t offset = frame_offset(place->address);
		const char *name;

		if (!module || !module_has_image(module))
			continue;
		name = name_of(module, offset);
		for (int end = 0; end < WALK_END_COUNT; end++)
			if (place->as_end[end])
				add_place(stopped, end_names[end], module, offset,
					  place->as_end[end]);
		if (place->as_root)
			add_place(roots, "", module, offset, place->as_root);
		/* Nobody calls what a handler returns to, nor the end that a runtime puts under its own */
		/* threads' stacks. */
		if (module->fd >= 0 && !is_signal_frame(figures, place->address + 1)) {
			int has_rule = module_image_find_rule(&module->image, offset) != NULL;
			uint64_t as_caller = place->as_caller - (has_rule ? 0 : place->as_root);

			add_count(report, "callers", as_caller);
			add_count(report, "false_callers",
				  is_in_call(module, offset) ? 0 : as_caller);
			if (as_caller && !is_in_call(module, offset))
				add_place(wrong, "", module, offset, as_caller);
		}
		if (!defines_names(module))
			continue;
		int has_table = (module->image.header->flags &
				 (MODULE_HAS_SYMTAB | MODULE_HAS_MINI_SYMTAB)) != 0;
		add_count(report, has_table ? "with_table" : "exporting", place->seen);
		add_count(report, has_table ? "named_with_table" : "named_exporting",
			  *name ? place->seen : 0);
		if (!*name)
			add_count(unnamed, module->name, place->seen);
	}
	json_object_set_new(report, "roots", roots);
	json_object_set_new(report, "stopped", stopped);
	json_object_set_new(report, "unnamed", unnamed);
	json_object_set_new(report, "false", wrong);
}

static void add_costs(const struct figures *figures, json_t *report)
{
	double sum = 0;

	if (!figures->cost_count)
		return;
	qsort(figures->costs_ns, figures->cost_count, sizeof(*figures->costs_ns), compare_numbers);
	for (size_t i = 0; i < figures->cost_count; i++)
		sum += (double)figures->costs_ns[i];
	json_object_set_new(report, "cost_mean_us",
			    json_real(sum / 1000 / (double)figures->cost_count));
	json_object_set_new(report, "cost_median_us",
			    json_real((double)figures->costs_ns[figures->cost_count / 2] / 1000));
}

static void print_report(const struct figures *figures)
{
	uint64_t kernel[KERNEL_COUNTER_COUNT];
	json_t *report = json_object(), *ends = json_object();

	sampler_read_counters(figures->sampler, kernel);
	for (int i = 0; i < WALK_END_COUNT; i++)
		if (figures->ends[i])
			add_count(ends, end_names[i], figures->ends[i]);
	add_count(report, "samples", figures->samples);
	add_count(report, "lost", kernel[KERNEL_COUNTER_LOST_RING]);
	add_count(report, "frames", figures->frames);
	add_count(report, "finished_late", late_walks_finished(figures->late_walks));
	json_object_set_new(report, "ends", ends);
	json_object_set_new(
		report, "tables_ms",
		figures->tables_ns ? json_real((double)(figures->tables_ns - figures->attached_ns) /
					       (double)NS_PER_MS)
				   : json_null());
	add_costs(figures, report);
	add_frames(figures, report);
	json_dumpf(report, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(report);
}

/* ---- The order of things ---- */

static void after(struct figures *figures, uint64_t seconds, event_callback_fn callback)
{
	const struct timeval delay = {.tv_sec = (time_t)seconds};

	event_base_once(figures->base, -1, EV_TIMEOUT, callback, figures, &delay);
}

static void set_rate(struct figures *figures, uint64_t rate_hz)
{
	struct broker_request request = {.type = BROKER_SET_RATE, .value = rate_hz};

	broker_client_send(figures->broker, &request, NULL, NULL);
}

static void on_end(evutil_socket_t fd, short what, void *context)
{
	struct figures *figures = context;

	(void)fd;
	(void)what;
	sampler_drain(figures->sampler);
	print_report(figures);
	event_base_loopbreak(figures->base);
}

static void on_time_is_up(evutil_socket_t fd, short what, void *context)
{
	struct figures *figures = context;

	(void)fd;
	(void)what;
	set_rate(figures, 0);
	after(figures, AFTERWARDS_S, on_end);
}

static void on_announced(void *context, int error, const int *fds, size_t fd_count)
{
	struct figures *figures = context;

	(void)fds;
	(void)fd_count;
	if (error)
		log_error_errno(error, "The files of the process cannot be told");
	sampler_drain(figures->sampler);
	figures->is_announced = 1;
	puts("attached");
	fflush(stdout);
}

/* Children that are there already have to be named; those that come are followed. */
static void follow(struct figures *figures)
{
	struct profiled profiled = {.keep = UINT32_MAX, .target = 1, .flags = PROFILED_FOLLOW};
	const char *at = getenv("STACKS_PIDS");
	char *end;

	for (; at && *at; at = *end ? end + 1 : end) {
		uint32_t pid = (uint32_t)strtoul(at, &end, 10);

		if (end == at || sampler_set_process(figures->sampler, pid, &profiled))
			break;
	}
	if (!at || *at)
		log_error("The processes cannot be profiled");
}

static void attach(struct figures *figures)
{
	struct broker_request announce = {.type = BROKER_ANNOUNCE, .pid = figures->pid};
	uint64_t rate_hz = setting("STACKS_HZ", 99);

	sampler_settings(figures->sampler)->interval_ns = NS_PER_SECOND / rate_hz;
	sampler_settings(figures->sampler)->kernel_stacks = 1;
	follow(figures);
	figures->attached_ns = clock_boot_ns();
	broker_client_send(figures->broker, &announce, on_announced, figures);
	set_rate(figures, rate_hz);
	sampler_set_active(figures->sampler, 1);
	after(figures, setting("STACKS_SECONDS", 5), on_time_is_up);
}

static void on_broker_lost(void *context)
{
	struct figures *figures = context;

	event_base_loopbreak(figures->base);
}

static int build(struct figures *figures, int broker_fd)
{
	const struct sampler_receiver receiver = {
		.context = figures,
		.on_sample = on_sample,
		.on_module = on_module,
		.on_stack = on_stack,
		.on_process = on_process,
		.on_malformed = on_malformed,
		.on_drained = on_drained,
	};
	int fds[BROKER_FD_COUNT];
	struct broker_hello hello;
	int error = broker_client_receive_hello(broker_fd, &hello, fds);

	if (!error)
		error = sampler_open(figures->base, fds, hello.cpu_count, &receiver,
				     &figures->sampler);
	if (error)
		return error;
	figures->broker = broker_client_new(figures->base, broker_fd, on_broker_lost, figures);
	figures->reader = worker_client_new(figures->base, figures->broker, &reader_client_kind);
	figures->fetch = fetch_client_new(figures->base, figures->broker, &figures->counters, NULL);
	figures->modules = module_table_new(figures->broker, figures->reader, figures->fetch);
	error = unwind_tables_open(fds, UNWIND_BYTES, figures->broker, figures->modules,
				   &figures->tables);
	if (error)
		return error;
	module_table_watch(figures->modules, on_image, on_settled, figures);
	figures->late_walks = late_walks_new(figures->modules, on_whole_sample, figures);
	return 0;
}

/* In place of the daemon's: everything else is flamed's own. What it holds ends with it. */
int core_main(int broker_fd, int listen_fd, const struct options *options)
{
	static struct figures figures;
	int error;

	(void)listen_fd;
	(void)options;
	figures.base = event_base_new();
	figures.pid = (uint32_t)setting("STACKS_PIDS", 0);
	error = build(&figures, broker_fd);
	if (error) {
		log_error_errno(error, "The sampler cannot be started");
		return 1;
	}
	attach(&figures);
	event_base_dispatch(figures.base);
	return 0;
}
