/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steady [PERCENT [simple]]: a service that does the same all the time, at random: requests of about
 * 0.3 ms of CPU time each, of kinds that come with fixed probabilities, each kind in steps of
 * random length. It works for PERCENT of the time (100) and sleeps for the rest.
 *
 * One kind, "planted", takes 10 % of the CPU; SIGUSR1 makes it 13 %, SIGUSR2 10 % again. With
 * "simple" there is one other kind, without steps.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>

#include "tests/workloads/work.h"

#define REQUEST_UNITS 200  /* on average */
#define TURN_SECONDS  0.02 /* of work between two sleeps */
#define KINDS         4
#define STEPS         5

static volatile sig_atomic_t planted_percent = 10;
static int is_simple;

/* How often a kind comes, and how much of a request a step takes. */
static const double kind_shares[KINDS] = {0.48, 0.28, 0.16, 0.08};
static const double step_shares[STEPS] = {0.4, 0.25, 0.18, 0.11, 0.06};

/* Units until something happens that happens at random, with this mean. */
static uint64_t random_units(double mean)
{
	return (uint64_t)(-log(1 - drand48()) * mean);
}

static work_frame void parse(uint64_t units)
{
	work(units);
}

static work_frame void find(uint64_t units)
{
	work(units);
}

static work_frame void update(uint64_t units)
{
	work(units);
}

static work_frame void encode(uint64_t units)
{
	work(units);
}

static work_frame void log_line(uint64_t units)
{
	work(units);
}

static void (*const steps[STEPS])(uint64_t units) = {parse, find, update, encode, log_line};

static inline __attribute__((always_inline)) void run_steps(void)
{
	for (int i = 0; i < STEPS; i++)
		steps[i](random_units(REQUEST_UNITS * step_shares[i]));
}

static work_frame void read_page(void)
{
	run_steps();
	work_result++; /* something left to do: no tail call */
}

static work_frame void write_page(void)
{
	run_steps();
	work_result += 2;
}

static work_frame void search(void)
{
	run_steps();
	work_result += 3;
}

static work_frame void check_health(void)
{
	run_steps();
	work_result += 4;
}

static work_frame void planted(void)
{
	work(random_units(REQUEST_UNITS));
}

static work_frame void others(void)
{
	work(random_units(REQUEST_UNITS));
}

static void (*const kinds[KINDS])(void) = {read_page, write_page, search, check_health};

static work_frame void serve(void)
{
	double choice = drand48();

	if (choice < planted_percent / 100.0) {
		planted();
		return;
	}
	if (is_simple) {
		others();
		return;
	}
	choice = drand48();
	for (int i = 0; i < KINDS; i++) {
		if (choice < kind_shares[i] || i == KINDS - 1) {
			kinds[i]();
			return;
		}
		choice -= kind_shares[i];
	}
}

static void change_plan(int signal)
{
	planted_percent = signal == SIGUSR1 ? 13 : 10;
}

int main(int argc, char **argv)
{
	double share = argc > 1 ? strtod(argv[1], NULL) / 100 : 1;
	struct timespec rest = {.tv_nsec = (long)(TURN_SECONDS * 1e9 * (1 / share - 1))};

	is_simple = argc > 2;
	signal(SIGUSR1, change_plan);
	signal(SIGUSR2, change_plan);
	for (;;) {
		double end = work_seconds(CLOCK_THREAD_CPUTIME_ID) + TURN_SECONDS;

		while (work_seconds(CLOCK_THREAD_CPUTIME_ID) < end)
			serve();
		if (share < 1)
			nanosleep(&rest, NULL);
	}
	return 0;
}
