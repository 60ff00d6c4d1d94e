/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/core.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/protocol.h"
#include "daemon/core/heap/heap_table.h"
#include "daemon/core/history/sum_table.h"
#include "daemon/core/names/jit_maps.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/names/waker_names.h"
#include "daemon/core/pipeline.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/protocol/control_socket.h"
#include "daemon/core/protocol/requests.h"
#include "daemon/core/protocol/self_usage.h"
#include "daemon/core/protocol/sources.h"
#include "daemon/core/sampling/module_sweep.h"
#include "daemon/core/sampling/perf_sampler.h"
#include "daemon/core/targets/calibration.h"
#include "daemon/core/targets/target_table.h"
#include "daemon/core/targets/watch.h"
#include "daemon/core/unwinding/mapping_tables.h"
#include "daemon/core/unwinding/unwind_tables.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/fetch_client.h"
#include "daemon/core/workers/reader_client.h"
#include "daemon/options.h"

/* Everything that the core consists of; what stands below uses what stands above it. */
struct core {
	const struct options *options;
	struct event_base *base;
	struct event *terminated;
	struct event *ticks;
	struct broker_client *broker;
	struct worker_client *reader;
	struct fetch_client *fetch;
	struct sampler *sampler;
	int sampler_fds[BROKER_FD_COUNT]; /* the sampler's */
	struct stack_table *stacks;
	struct process_table *processes;
	struct cgroup_table *cgroups;
	struct bucket_ring *history;
	struct module_table *modules;
	struct unwind_tables *unwind_tables;   /* NULL: the kernel does not walk */
	struct mapping_tables *mapping_tables; /* NULL: not needed */
	struct module_sweep *sweep;            /* NULL: it is not the kernel that numbers modules */
	struct jit_maps *jit_maps;
	struct waker_names *waker_names;
	struct symbolizer *symbolizer;
	struct calibration *calibration;
	struct watch *watch;
	struct target_table *targets;
	struct sum_table *sums;
	struct heap_sources heap_sources;
	struct heap_table *heaps;
	struct cost heap_cost; /* at the last tick */
	struct pipeline pipeline;
	struct self_usage usage;
	struct requests *requests;
	struct control_socket *control;
	uint32_t tick_count;
	int status;
};

static void on_terminated(evutil_socket_t signal, short what, void *context)
{
	struct core *core = context;

	(void)signal;
	(void)what;
	event_base_loopbreak(core->base);
}

static void on_broker_lost(void *context)
{
	struct core *core = context;

	log_error("The broker is gone");
	core->status = 1;
	event_base_loopbreak(core->base);
}

static void add_cost(struct core *core, enum cost_kind kind, uint64_t elapsed_ns,
		     const struct cost *cost)
{
	/* The middle of the time that it is about. */
	struct bucket_totals *totals =
		bucket_ring_totals(core->history, clock_boot_ns() - elapsed_ns / 2);

	if (totals)
		cost_add(&totals->costs[kind], cost);
}

/* What heaps have cost since the last time; they count from the time that they are watched. */
static void add_heap_cost(struct core *core)
{
	struct cost now = {0}, since = {0};

	for (uint32_t i = 0; i < target_table_count(core->targets); i++) {
		const struct target *target = target_table_at(core->targets, i);

		cost_add(&now, &(struct cost){.spent_ns = target->heap_cost_ns,
					      .base_ns = target->heap_base_ns});
	}
	if (now.base_ns > core->heap_cost.base_ns && now.spent_ns >= core->heap_cost.spent_ns) {
		since.base_ns = now.base_ns - core->heap_cost.base_ns;
		since.spent_ns = now.spent_ns - core->heap_cost.spent_ns;
		add_cost(core, COST_HEAP, NS_PER_SECOND, &since);
	}
	core->heap_cost = now;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct core *core = context;
	uint64_t now_ns = clock_boot_ns();

	(void)fd;
	(void)what;
	bucket_ring_evict(core->history, now_ns);
	sampler_settings(core->sampler)->now_s = (uint32_t)(now_ns / NS_PER_SECOND);
	if (core->unwind_tables)
		unwind_tables_tick(core->unwind_tables, now_ns);
	if (core->sweep)
		module_sweep_tick(core->sweep, (uint32_t)(now_ns / NS_PER_SECOND));
	target_table_tick(core->targets, now_ns, bucket_ring_oldest_ns(core->history));
	heap_table_tick(core->heaps, now_ns);
	add_heap_cost(core);
	target_table_govern(core->targets, pipeline_ns_per_record(&core->pipeline));
	if (core->tick_count++ % SELF_USAGE_PERIOD_SEC == 0)
		self_usage_look(&core->usage);
}

static void on_module_image(void *context, const struct module *module)
{
	struct core *core = context;

	if (core->unwind_tables)
		unwind_tables_add(core->unwind_tables, module);
}

static void on_module_settled(void *context, const struct module *module)
{
	struct core *core = context;

	if (core->unwind_tables && module->state == MODULE_UNREADABLE)
		unwind_tables_add_bare(core->unwind_tables, module->number);
	if (core->symbolizer)
		symbolizer_on_module_settled(core->symbolizer);
}

static uint64_t on_look(void *context)
{
	struct core *core = context;

	return pipeline_look(&core->pipeline);
}

static void on_watch_cost(void *context, const struct pacing_usage *usage)
{
	struct core *core = context;
	struct cost cost = pacing_cost(usage);

	add_cost(core, COST_WATCH, usage->elapsed_ns, &cost);
	charges_settle(&core->pipeline.charges, core->targets, usage);
}

static void on_process_gone(void *context, const struct process *process)
{
	struct core *core = context;

	jit_maps_remove(core->jit_maps, process->jit_module);
}

/*
 * Begin to listen to the kernel programs, and give them the tables that they walk by. Errors: those
 * of the things that are opened.
 */
static int start_programs(struct core *core, const struct broker_hello *hello)
{
	struct sampler_receiver receiver = pipeline_receiver(&core->pipeline);
	int error = sampler_open(core->base, core->sampler_fds, hello->cpu_count, &receiver,
				 &core->sampler);

	if (error)
		return error;
	if (!hello->mapping_lookup)
		core->mapping_tables = mapping_tables_new(
			core->sampler_fds[BROKER_FD_MAPPING_TABLES], core->broker, core->modules);
	error = unwind_tables_open(core->sampler_fds, core->options->unwind_memory_bytes,
				   core->broker, core->modules, &core->unwind_tables);
	return error ? error
		     : heap_maps_open(&core->heap_sources.maps, core->sampler_fds,
				      hello->cpu_count);
}

/* Begin to sample without them. */
static void start_perf(struct core *core, const struct broker_hello *hello)
{
	struct sampler_receiver receiver = pipeline_receiver(&core->pipeline);
	struct perf_sampler_setup setup = {
		.base = core->base,
		.broker = core->broker,
		.cgroups = core->cgroups,
		.modules = core->modules,
		.hello = hello,
	};

	core->sampler = sampler_open_perf(&setup, &receiver);
}

/* Errors: those of start_programs(). */
static int build(struct core *core, int broker_fd, const struct broker_hello *hello)
{
	const struct options *options = core->options;
	int error = 0;

	core->broker = broker_client_new(core->base, broker_fd, on_broker_lost, core);
	core->reader = worker_client_new(core->base, core->broker, &reader_client_kind);
	core->fetch = fetch_client_new(core->base, core->broker, &core->pipeline.counters,
				       options->debuginfod_urls);
	core->stacks = stack_table_new();
	core->processes = process_table_new();
	core->cgroups = cgroup_table_new();
	core->history =
		bucket_ring_new(options->bucket_ns, options->retention_ns, options->memory_bytes,
				core->stacks, core->processes, clock_boot_ns());
	core->modules = module_table_new(core->broker, core->reader, core->fetch);
	module_table_watch(core->modules, on_module_image, on_module_settled, core);
	if (hello->walk == BROKER_WALK_TABLES)
		error = start_programs(core, hello);
	else
		start_perf(core, hello);
	if (error)
		return error;
	core->jit_maps = jit_maps_new(core->broker, core->reader, core->modules);
	process_table_watch(core->processes, on_process_gone, core);
	core->waker_names = waker_names_new();
	core->symbolizer = symbolizer_new(core->base, core->modules, core->jit_maps,
					  core->waker_names, core->broker, core->reader);
	if (core->unwind_tables && !core->mapping_tables)
		core->sweep = module_sweep_new(&(struct module_sweep_sources){
			.sampler = core->sampler,
			.modules = core->modules,
			.tables = core->unwind_tables,
			.symbolizer = core->symbolizer,
			.stacks = core->stacks,
		});
	core->calibration = calibration_new(core->base, core->broker);
	core->watch = watch_new(core->base, core->broker, core->sampler, core->calibration,
				options->bucket_ns, on_look, on_watch_cost, core);
	core->targets = target_table_new(core->sampler, core->broker, core->cgroups, core->watch);
	core->sums = sum_table_new(core->history, core->processes, core->stacks);
	core->heap_sources.base = core->base;
	core->heap_sources.broker = core->broker;
	core->heap_sources.reader = core->reader;
	core->heap_sources.history = core->history;
	core->heap_sources.stacks = core->stacks;
	core->heap_sources.processes = core->processes;
	core->heap_sources.counters = &core->pipeline.counters;
	core->heaps = heap_table_new(&core->heap_sources, core->targets, core->cgroups);
	core->pipeline.heaps = core->heaps;
	core->pipeline.sampler = core->sampler;
	core->pipeline.stacks = core->stacks;
	core->pipeline.processes = core->processes;
	core->pipeline.history = core->history;
	pipeline_set_modules(&core->pipeline, core->modules);
	core->pipeline.mapping_tables = core->mapping_tables;
	core->pipeline.jit_maps = core->jit_maps;
	core->pipeline.cgroups = core->cgroups;
	core->pipeline.targets = core->targets;
	core->pipeline.sums = core->sums;
	core->pipeline.waker_names = core->waker_names;
	core->usage.broker_pid = (uint32_t)getppid();
	return 0;
}

static gid_t find_group(const char *name)
{
	const struct group *group = getgrnam(name);

	return group ? group->gr_gid : ACCESS_NO_GROUP;
}

static void serve(struct core *core, int listen_fd, const struct broker_hello *hello)
{
	struct sources sources = {
		.question = {.history = core->history,
			     .stacks = core->stacks,
			     .processes = core->processes,
			     .targets = core->targets,
			     .cgroups = core->cgroups,
			     .symbolizer = core->symbolizer},
		.watch = core->watch,
		.calibration = core->calibration,
		.pipeline = &core->pipeline,
		.heaps = core->heaps,
		.modules = core->modules,
		.reader = core->reader,
		.fetch = core->fetch,
		.options = core->options,
		.usage = &core->usage,
		.started_ns = clock_boot_ns(),
		.cpu_count = hello->cpu_count,
		.hardware_cycles = hello->hardware_cycles != 0,
		.mapping_lookup = hello->mapping_lookup != 0,
		.lacks_kernel = hello->lacks_kernel != 0,
		.walk = (enum broker_walk)hello->walk,
		.walk_reason = (enum broker_walk_reason)hello->walk_reason,
		.walk_error = hello->walk_error,
	};
	core->requests = requests_new(&sources);
	struct control_socket_settings settings = {
		.base = core->base,
		.methods = requests_methods(core->requests),
		.all_group = find_group(core->options->group),
	};
	core->control = control_socket_new(&settings, listen_fd);
}

static void attach_everything(struct core *core)
{
	struct target_request everything = {
		.selector = {.kind = TARGET_ALL, .pattern = ""},
		.events = 1 << EVENT_CPU,
		.rate_hz = TARGET_RATE_DEFAULT,
		.budget_percent = core->options->budget_percent,
		.follows_children = 1,
		.owner_uid = TARGET_PRIVILEGED,
		.owner_gid = TARGET_PRIVILEGED,
	};
	struct target *target;
	int is_new;
	int error = target_table_attach(core->targets, &everything, &target, &is_new);

	if (error)
		log_error_errno(error, "The host could not be attached");
}

static void run(struct core *core)
{
	struct broker_request ready = {.type = BROKER_READY};
	struct timeval second = {.tv_sec = 1};

	core->terminated = evsignal_new(core->base, SIGTERM, on_terminated, core);
	core->ticks = event_new(core->base, -1, EV_PERSIST, on_tick, core);
	event_add(core->terminated, NULL);
	event_add(core->ticks, &second);
	on_tick(-1, 0, core);
	if (core->options->attach_all)
		attach_everything(core);
	broker_client_send(core->broker, &ready, NULL, NULL);
	event_base_dispatch(core->base);
}

/* The clients of broker, reader and fetcher go first: they cancel what others wait for. */
static void tear_down(struct core *core)
{
	control_socket_free(core->control);
	fetch_client_free(core->fetch);
	worker_client_free(core->reader);
	broker_client_free(core->broker);
	requests_free(core->requests);
	sum_table_free(core->sums);
	heap_table_free(core->heaps);
	heap_maps_close(&core->heap_sources.maps);
	target_table_free(core->targets);
	watch_free(core->watch);
	calibration_free(core->calibration);
	symbolizer_free(core->symbolizer);
	waker_names_free(core->waker_names);
	bucket_ring_free(core->history);
	jit_maps_free(core->jit_maps);
	pipeline_fini(&core->pipeline);
	mapping_tables_free(core->mapping_tables);
	module_sweep_free(core->sweep);
	unwind_tables_close(core->unwind_tables);
	module_table_free(core->modules);
	cgroup_table_free(core->cgroups);
	process_table_free(core->processes);
	stack_table_free(core->stacks);
	sampler_close(core->sampler);
	if (core->terminated)
		event_free(core->terminated);
	if (core->ticks)
		event_free(core->ticks);
	event_base_free(core->base);
}

int core_main(int broker_fd, int listen_fd, const struct options *options)
{
	struct core core = {.options = options, .base = event_base_new()};
	struct broker_hello hello;

	if (!core.base) {
		log_error("No event loop");
		return 1;
	}
	int error = broker_client_receive_hello(broker_fd, &hello, core.sampler_fds);
	if (error) {
		/* The broker has said already why it gave up. */
		if (error != -EPIPE)
			log_error_errno(error, "The sampler cannot be started");
		return 1;
	}
	error = build(&core, broker_fd, &hello);
	if (error) {
		log_error_errno(error, "The sampler cannot be started");
		return 1;
	}
	serve(&core, listen_fd, &hello);
	run(&core);
	tear_down(&core);
	return core.status;
}
