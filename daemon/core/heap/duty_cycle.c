/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/duty_cycle.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/core/heap/code_check.h"
#include "daemon/core/heap/dilation.h"
#include "daemon/core/heap/heap_governor.h"
#include "daemon/core/heap/heap_ledger.h"
#include "daemon/core/heap/heap_sources.h"
#include "daemon/core/heap/spread.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/processes/process_table.h"
#include "daemon/core/workers/prober_client.h"

#define SAMPLES_AIM    400 /* of a window */
#define MAX_SAMPLES    16384
#define FIRST_INTERVAL 4096 /* bytes */
#define MAX_INTERVAL   (UINT64_C(1) << 31)
#define MEMORY         0.8 /* share of the past that counts at the next window; as in dilation.c */
#define SETTLE_NS      (150 * NS_PER_MS) /* until records have arrived */

struct duty_sample {
	uint32_t thread;
	uint32_t stack;
	uint64_t size;
	uint64_t interval;
};

enum duty_state { BEFORE_WINDOW, IN_WINDOW, AFTER_WINDOW };

struct duty_cycle {
	struct duty_setup setup;
	void (*on_lost)(void *context);
	void *context;
	struct event *timer;
	enum duty_state state;
	uint64_t period_began_ns;
	uint64_t period_cpu_ns; /* the clock, when the period began */
	uint64_t window_at_ns;
	uint64_t window_ns;
	uint64_t period_ns;
	struct heap_usage usage; /* when the window was opened */
	/* Sums of the windows and of their periods, the past fading. Units: ns of CPU time. */
	struct dilation dilation;
	struct dilation_window window; /* of this period */
	double open_ns;                /* how long it was open */
	double bytes;                  /* that it saw */
	struct spread pace;            /* of bytes a ns, from window to window */
	double total_ns;               /* in the periods, without what the probes took */
	double needed_ns;   /* what it would have cost to record everything in the windows */
	double followed_ns; /* and to see what C++ operators returned */
	struct duty_sample *samples;
	uint32_t sample_count;
	size_t sample_capacity;
};

static void set_timer(struct duty_cycle *duty, uint64_t at_ns)
{
	uint64_t now_ns = clock_boot_ns();
	uint64_t left_ns = at_ns > now_ns ? at_ns - now_ns : 0;
	struct timeval delay = {.tv_sec = (time_t)(left_ns / NS_PER_SECOND),
				.tv_usec = (suseconds_t)(left_ns % NS_PER_SECOND / 1000)};

	evtimer_add(duty->timer, &delay);
}

static void begin_period(struct duty_cycle *duty)
{
	uint64_t slack_ns = duty->period_ns - duty->window_ns;

	duty->period_began_ns = clock_boot_ns();
	duty->period_cpu_ns = clock_read_ns(duty->setup.cpu_clock);
	duty->window_at_ns = duty->period_began_ns +
			     (uint64_t)((double)slack_ns * (double)random() / (double)RAND_MAX);
	duty->state = BEFORE_WINDOW;
	set_timer(duty, duty->window_at_ns);
}

static void drop_samples(struct duty_cycle *duty)
{
	for (uint32_t i = 0; i < duty->sample_count; i++) {
		process_table_release(duty->setup.sources->processes, duty->samples[i].thread);
		stack_table_release(duty->setup.sources->stacks, duty->samples[i].stack);
	}
	duty->sample_count = 0;
}

/* Put the samples into the history, each standing for scale as much. Returns their bytes. */
static double flush(struct duty_cycle *duty, double scale, uint64_t from_ns, uint64_t to_ns)
{
	const struct heap_sources *sources = duty->setup.sources;
	double bytes = 0;

	for (uint32_t i = 0; i < duty->sample_count; i++) {
		const struct duty_sample *sample = &duty->samples[i];
		double size = (double)sample->size;
		double share =
			size < (double)sample->interval ? size / (double)sample->interval : 1;
		double weight = size > 0 ? size / share * scale : 0;
		double count = (share > 0 ? 1 / share : 1) * scale;
		struct bucket_measure measure = {
			.count = count < UINT32_MAX ? (uint32_t)(count + 0.5) : UINT32_MAX,
			.weight = (uint64_t)weight,
			.variance = weight * weight * (1 - share / scale),
			.largest = weight,
		};

		bucket_ring_spread(sources->history, from_ns, to_ns, EVENT_HEAP, sample->thread,
				   sample->stack, &measure);
		bytes += weight;
	}
	duty->sample_count = 0;
	return bytes;
}

/* What the windows stand for, if own_ns of them was the process's own. */
static double scale_of(const struct duty_cycle *duty, double own_ns)
{
	return own_ns > 0 && duty->total_ns > own_ns ? duty->total_ns / own_ns : 1;
}

static struct dilation_own own_of(const struct duty_cycle *duty)
{
	const struct heap_costs *costs = duty->setup.costs;

	return dilation_own(&duty->dilation, costs->least_ns, costs->error);
}

/* What is usual is known when the period is over. */
static void learn_window(struct duty_cycle *duty, uint64_t now_ns)
{
	struct dilation_window *window = &duty->window;
	double wall_ns = (double)(now_ns - duty->period_began_ns) - duty->open_ns;
	double cpu_ns = (double)(clock_read_ns(duty->setup.cpu_clock) - duty->period_cpu_ns) -
			window->cpu_ns;

	if (wall_ns > 0 && cpu_ns > 0)
		window->usual_ns = cpu_ns / wall_ns * duty->open_ns;
	dilation_add(&duty->dilation, window);
	if (duty->open_ns > 0)
		spread_add(&duty->pace, duty->bytes / duty->open_ns);
}

static void end_period(struct duty_cycle *duty)
{
	uint64_t now_ns = clock_boot_ns();
	struct dilation_own own;
	double bytes;

	learn_window(duty, now_ns);
	own = own_of(duty);
	duty->total_ns += (double)(clock_read_ns(duty->setup.cpu_clock) - duty->period_cpu_ns);
	bytes = flush(duty, scale_of(duty, own.best), duty->period_began_ns, now_ns);
	if (bytes > 0) {
		double one = bytes / scale_of(duty, own.best);

		duty->setup.sums->estimated += bytes;
		duty->setup.sums->variance += bytes * bytes * spread_relative_variance(&duty->pace);
		duty->setup.sums->low += one * scale_of(duty, own.high);
		duty->setup.sums->high += one * scale_of(duty, own.low);
	}
	begin_period(duty);
}

/* Learn from the window how long the next one, and how far apart the samples, should be. */
static void adapt(struct duty_cycle *duty, const struct heap_usage *usage, double cost_ns,
		  double window_cpu_ns)
{
	struct heap_slot *slot = duty->setup.slot;
	uint64_t wall_ns = clock_boot_ns() - duty->period_began_ns;
	struct heap_spending period = {
		.cpu_ns = (double)(clock_read_ns(duty->setup.cpu_clock) - duty->period_cpu_ns),
		.wall_ns = (double)(wall_ns ? wall_ns : 1),
	};
	uint64_t interval = usage->bytes / SAMPLES_AIM;

	slot->interval_bytes = interval < 1 ? 1 : interval > MAX_INTERVAL ? MAX_INTERVAL : interval;
	duty->window_ns = heap_governor_window_ns(duty->setup.budget_percent, &period, cost_ns,
						  window_cpu_ns, &duty->period_ns);
}

static void on_window_over(void *context, int error, const struct prober_reply *reply)
{
	struct duty_cycle *duty = context;
	const struct heap_costs *costs = duty->setup.costs;
	struct heap_usage usage;
	double cost_ns, window_cpu_ns = (double)reply->window_cpu_ns;
	uint64_t end_ns;

	if (error) {
		duty->on_lost(duty->context);
		return;
	}
	code_check_note(duty->setup.sources->counters, duty->setup.pid, reply);
	heap_maps_read_usage(&duty->setup.sources->maps, duty->setup.slot_number, &usage);
	usage.hits -= duty->usage.hits;
	usage.sampled -= duty->usage.sampled;
	usage.dear -= duty->usage.dear;
	usage.bytes -= duty->usage.bytes;
	usage.followed -= duty->usage.followed;
	usage.frees = 0;
	cost_ns = heap_governor_cost_ns(costs, &usage, 1);
	duty->open_ns = (double)reply->window_ns;
	duty->bytes = (double)usage.bytes;
	duty->window = (struct dilation_window){
		.cpu_ns = window_cpu_ns,
		.cost_ns = cost_ns,
		.hits = (double)usage.hits,
	};
	duty->total_ns = duty->total_ns * MEMORY - cost_ns;
	/* As many frees as allocations. */
	duty->needed_ns = duty->needed_ns * MEMORY +
			  (double)usage.hits * (costs->pair_ns + costs->walk_ns + costs->free_ns);
	duty->followed_ns = duty->followed_ns * MEMORY + (double)usage.followed * costs->dear_ns;
	adapt(duty, &usage, cost_ns, window_cpu_ns);
	duty->state = AFTER_WINDOW;
	/* What the window saw is still on its way. */
	end_ns = clock_boot_ns() + SETTLE_NS;
	if (end_ns < duty->period_began_ns + duty->period_ns)
		end_ns = duty->period_began_ns + duty->period_ns;
	set_timer(duty, end_ns);
}

static void open_window(struct duty_cycle *duty)
{
	struct prober_request request = {.type = PROBER_WINDOW, .value = duty->window_ns};

	heap_maps_read_usage(&duty->setup.sources->maps, duty->setup.slot_number, &duty->usage);
	duty->state = IN_WINDOW;
	if (prober_client_send(duty->setup.prober, &request, -1, on_window_over, duty))
		duty->on_lost(duty->context);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct duty_cycle *duty = context;

	(void)fd;
	(void)what;
	if (duty->state == BEFORE_WINDOW)
		open_window(duty);
	else
		end_period(duty);
}

struct duty_cycle *duty_cycle_new(const struct duty_setup *setup, void (*on_lost)(void *context),
				  void *context)
{
	struct duty_cycle *duty = memory_new(sizeof(*duty));

	duty->setup = *setup;
	duty->on_lost = on_lost;
	duty->context = context;
	duty->timer = evtimer_new(setup->sources->base, on_timer, duty);
	duty->window_ns = HEAP_GOVERNOR_MIN_WINDOW_NS;
	duty->period_ns = HEAP_GOVERNOR_PERIOD_NS;
	setup->slot->interval_bytes = FIRST_INTERVAL;
	begin_period(duty);
	return duty;
}

void duty_cycle_free(struct duty_cycle *duty)
{
	if (!duty)
		return;
	prober_client_forget(duty->setup.prober, duty);
	drop_samples(duty);
	event_free(duty->timer);
	free(duty->samples);
	free(duty);
}

void duty_cycle_add(struct duty_cycle *duty, uint32_t thread, uint32_t stack, uint64_t size,
		    uint64_t interval)
{
	if (duty->sample_count == MAX_SAMPLES)
		return;
	process_table_keep(duty->setup.sources->processes, thread);
	stack_table_keep(duty->setup.sources->stacks, stack);
	duty->samples = memory_grow(duty->samples, &duty->sample_capacity, duty->sample_count + 1,
				    sizeof(*duty->samples));
	duty->samples[duty->sample_count++] = (struct duty_sample){thread, stack, size, interval};
}

int duty_cycle_fits(const struct duty_cycle *duty, int is_followed)
{
	struct dilation_own own = own_of(duty);
	double share = duty->setup.budget_percent / 100;
	double needed_ns = duty->needed_ns + (is_followed ? duty->followed_ns : 0);

	return own.best > 0 && needed_ns < HEAP_GOVERNOR_RETRY * share * own.best;
}
