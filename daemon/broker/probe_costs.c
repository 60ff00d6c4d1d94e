/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/probe_costs.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "daemon/broker/descriptors.h"
#include "daemon/broker/prober_setup.h"
#include "daemon/broker/uprobe_link.h"

#define BATCHES      15 /* of which the middle one counts */
#define CALLS        100
#define DEAR_CALLS   10
#define WARM_CALLS   20
#define INTERVAL     (UINT64_C(1) << 31) /* bytes: hardly anything is sampled */
#define OBJECT_BYTES 100
#define APART_MS     2000

/* Functions like the beginnings of malloc: an instruction that the kernel emulates, one that not. */
__asm__(".pushsection .text\n"
	".type probe_costs_pair, @function\n"
	"probe_costs_pair: push %rbx; pop %rbx; xor %eax, %eax; ret\n"
	".type probe_costs_entry, @function\n"
	"probe_costs_entry: push %rbx; pop %rbx; xor %eax, %eax; ret\n"
	".type probe_costs_free, @function\n"
	"probe_costs_free: push %rbx; pop %rbx; xor %eax, %eax; ret\n"
	".type probe_costs_dear, @function\n"
	"probe_costs_dear: mov %rdi, %rax; ret\n"
	".popsection\n");

typedef uintptr_t subject(uintptr_t argument);

extern subject probe_costs_pair, probe_costs_entry, probe_costs_free, probe_costs_dear;

/* What is attached where. */
static const struct probe {
	subject *function;
	enum heap_program program;
	enum heap_function as;
} probes[] = {
	{probe_costs_pair, HEAP_PROGRAM_RETURN, HEAP_MALLOC},
	{probe_costs_pair, HEAP_PROGRAM_ENTER, HEAP_MALLOC},
	{probe_costs_entry, HEAP_PROGRAM_WINDOW, HEAP_MALLOC},
	{probe_costs_free, HEAP_PROGRAM_FREE, HEAP_FREE},
	{probe_costs_dear, HEAP_PROGRAM_FREE, HEAP_FREE},
};

/* Where in the file that it was loaded from an address of this program is. */
struct place {
	uintptr_t address;
	uint64_t offset; /* 0: not found */
};

static int look_at_object(struct dl_phdr_info *object, size_t size, void *context)
{
	struct place *place = context;

	(void)size;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD && place->address >= start &&
		    place->address - start < segment->p_filesz)
			place->offset = place->address - start + segment->p_offset;
	}
	return 1; /* the program itself comes first */
}

static int attach(const struct prober_setup *setup, int executable, const struct probe *probe)
{
	struct place place = {.address = (uintptr_t)probe->function};
	struct uprobe_link link = {.count = 0}; /* ends with the process */
	struct uprobe_places places = {
		.program = setup->programs[probe->program],
		.file = executable,
		.pid = getpid(),
		.is_return = probe->program == HEAP_PROGRAM_RETURN,
		.count = 1,
		.cookies = {heap_cookie(HEAP_CALIBRATION_SLOT, probe->as)},
	};

	dl_iterate_phdr(look_at_object, &place);
	if (!place.offset)
		return -ENOENT;
	places.offsets[0] = place.offset;
	return uprobe_link_open(&link, &places, setup->is_multi);
}

static int compare_doubles(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

/* The time of a call. Units: ns. */
static double time_of(subject *function, int calls)
{
	subject *volatile called = function;
	double times[BATCHES];

	for (int i = 0; i < WARM_CALLS; i++)
		called(1);
	for (int i = 0; i < BATCHES; i++) {
		uint64_t began_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);

		for (int j = 0; j < calls; j++)
			called(1);
		times[i] =
			(double)(clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns) / (double)calls;
	}
	qsort(times, BATCHES, sizeof(times[0]), compare_doubles);
	return times[BATCHES / 2];
}

static uintptr_t allocate_and_free(uintptr_t argument)
{
	void *volatile block = malloc(OBJECT_BYTES);

	free(block);
	return argument;
}

static int measure(const struct prober_setup *setup, struct heap_slot *slot, int executable,
		   struct prober_costs *costs)
{
	double native_ns = time_of(probe_costs_pair, CALLS);
	int error = 0;

	costs->native_ns = time_of(allocate_and_free, CALLS);
	*slot = (struct heap_slot){.mode = HEAP_OFF, .interval_bytes = INTERVAL};
	for (size_t i = 0; !error && i < ARRAY_SIZE(probes); i++)
		error = attach(setup, executable, &probes[i]);
	if (error)
		return error;
	slot->mode = HEAP_FULL;
	costs->pair_ns = time_of(probe_costs_pair, CALLS) - native_ns;
	costs->free_ns = time_of(probe_costs_free, CALLS) - native_ns;
	costs->dear_ns = time_of(probe_costs_dear, DEAR_CALLS) - native_ns - costs->free_ns;
	slot->mode = HEAP_WINDOW;
	costs->entry_ns = time_of(probe_costs_entry, CALLS) - native_ns;
	slot->mode = HEAP_OFF;
	if (costs->dear_ns < 0)
		costs->dear_ns = 0;
	return costs->entry_ns > 0 && costs->pair_ns > 0 && costs->free_ns > 0 ? 0 : -ERANGE;
}

/* The child has the links of its parent, too, and would keep what the parent removes. */
static void close_others(const struct prober_setup *setup, int executable, int result)
{
	int needed[HEAP_PROGRAM_COUNT + 2] = {executable, result};

	memcpy(needed + 2, setup->programs, sizeof(setup->programs));
	descriptors_close_others(needed, ARRAY_SIZE(needed));
}

/* Not before that may the parent go on. */
static int wait_until_apart(int result)
{
	struct pollfd word = {.fd = result, .events = POLLIN};
	char byte;

	return poll(&word, 1, APART_MS) != 1 || read(result, &byte, 1) != 1;
}

int probe_costs_begin(const struct prober_setup *setup, struct heap_slot *slots, int executable)
{
	_cleanup_close_ int mine = -1, theirs = -1;
	struct prober_costs costs = {.is_known = 1};
	pid_t parent = getpid(), child;
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	mine = pair[0];
	theirs = pair[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (child)
		return wait_until_apart(mine) ? -EIO : steal_fd(&mine);
	close_others(setup, executable, theirs);
	if (write(theirs, "", 1) != 1)
		_exit(1);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent ||
	    measure(setup, &slots[HEAP_CALIBRATION_SLOT], executable, &costs))
		_exit(1);
	_exit(write(theirs, &costs, sizeof(costs)) != sizeof(costs));
}
