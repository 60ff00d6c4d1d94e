/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocates by every kind of C++ operator, each in a function of its own, and keeps a part of it. Waits
 * for a line, works until the next one comes, and tells in one line for each function what it
 * allocated and what it still holds, in bytes.
 *
 *	operators ROUNDS_A_SECOND [no-throw]
 *	operators dangers SECONDS	at once, in children for half of the time, then in threads
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#define NOINLINE __attribute__((noinline))

static const std::size_t huge = std::size_t(1) << 62;

struct told {
	unsigned long allocated;
	unsigned long held;
};

static thread_local void *volatile sink;
static thread_local struct told plain, array, aligned, nothrow, large, thrower, leaker, handled;
static thread_local unsigned long caught;

/* Each function allocates several sizes and frees all but one block in 16. */
template <typename Allocate, typename Free>
static inline __attribute__((always_inline)) void
work(struct told *told, unsigned long round, std::size_t size, Allocate allocate, Free release)
{
	void *block = allocate(size);

	sink = block;
	told->allocated += size;
	if (round % 16 == 0)
		told->held += size;
	else
		release(block);
}

NOINLINE static void use_new(unsigned long round)
{
	work(
		&plain, round, 100 + round % 50,
		[](std::size_t size) { return ::operator new(size); },
		[](void *block) { ::operator delete(block); });
}

NOINLINE static void use_array(unsigned long round)
{
	work(
		&array, round, 200 + round % 50,
		[](std::size_t size) { return ::operator new[](size); },
		[](void *block) { ::operator delete[](block); });
}

NOINLINE static void use_aligned(unsigned long round)
{
	/* Small alignments and large ones go different ways; the C++ library rounds sizes up to them. */
	std::align_val_t alignment{round % 4 ? 128ul : 16384ul};

	work(
		&aligned, round, std::size_t(alignment) * (1 + round % 3),
		[=](std::size_t size) { return ::operator new(size, alignment); },
		[=](void *block) { ::operator delete(block, alignment); });
}

NOINLINE static void use_nothrow(unsigned long round)
{
	work(
		&nothrow, round, 300 + round % 50,
		[](std::size_t size) { return ::operator new(size, std::nothrow); },
		[](void *block) { ::operator delete(block, std::nothrow); });
}

/* What no cache of small blocks gives. */
NOINLINE static void use_large(unsigned long round)
{
	work(
		&large, round, 300000 + round,
		[](std::size_t size) { return ::operator new(size); },
		[](void *block) { ::operator delete(block); });
}

NOINLINE static void leak(unsigned long round)
{
	leaker.allocated += 1000 + round % 7;
	leaker.held += 1000 + round % 7;
	sink = ::operator new(1000 + round % 7);
}

/* An exception, and allocations from the same place, and from deeper and higher ones, behind it. */
NOINLINE static void *try_new(std::size_t size)
{
	try {
		return ::operator new(size);
	} catch (const std::bad_alloc &) {
		caught++;
		return nullptr;
	}
}

NOINLINE static void use_throw(unsigned long round)
{
	if (try_new(huge))
		std::exit(3);
	work(
		&thrower, round, 400 + round % 50, [](std::size_t size) { return try_new(size); },
		[](void *block) { ::operator delete(block); });
	work(
		&thrower, round, 500, [](std::size_t size) { return std::malloc(size); },
		[](void *block) { std::free(block); });
}

/* The operator calls this when there is no room, and then tries again. */
static void make_room()
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
}

NOINLINE static void use_handler()
{
	const std::size_t size = 64 << 20;
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = 1;
	setrlimit(RLIMIT_AS, &limit);
	std::set_new_handler(make_room);
	sink = ::operator new(size);
	std::set_new_handler(nullptr);
	handled.allocated += size;
	handled.held += size;
}

static bool is_line_there()
{
	struct pollfd input = {0, POLLIN, 0};

	return poll(&input, 1, 0) == 1;
}

static void read_line()
{
	char byte;

	while (read(0, &byte, 1) == 1 && byte != '\n')
		;
}

static void do_round(unsigned long round, bool throws)
{
	use_new(round);
	use_array(round);
	use_aligned(round);
	use_nothrow(round);
	use_large(round);
	if (throws)
		use_throw(round);
}

/* Rounds until the time is over; those that keep something are left out. */
static void run_until(std::time_t end)
{
	for (unsigned long round = 1; std::time(nullptr) < end; round++)
		do_round(round % 16 ? round : 1, true);
}

/* A child has to find its allocator, and its exceptions, as they should be. */
static bool fork_child()
{
	pid_t child = fork();
	int status;

	if (!child) {
		for (unsigned long round = 1; round < 10; round++)
			do_round(round, true);
		_exit(caught < 9);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* Not both at once: what threads hold when a child is forked may stay locked in it for ever. */
static int be_dangerous(int seconds)
{
	std::time_t half = std::time(nullptr) + seconds / 2, end = half + seconds / 2;
	std::vector<std::thread> threads;

	for (unsigned long round = 1; std::time(nullptr) < half; round++) {
		do_round(round % 16 ? round : 1, true);
		if (!fork_child())
			return 4;
	}
	for (int i = 0; i < 8; i++)
		threads.emplace_back(run_until, end);
	for (std::thread &thread : threads)
		thread.join();
	return 0;
}

int main(int count, char **arguments)
{
	if (count == 3 && !std::strcmp(arguments[1], "dangers"))
		return be_dangerous(std::atoi(arguments[2]));

	useconds_t pause = 1000000 / (count > 1 ? std::atoi(arguments[1]) : 50);
	bool throws = count < 3;

	read_line();
	if (throws)
		use_handler();
	for (unsigned long round = 1; !is_line_there(); round++) {
		do_round(round, throws);
		leak(round);
		usleep(pause);
	}
	read_line();
	std::printf("use_new %lu %lu use_array %lu %lu use_aligned %lu %lu use_nothrow %lu %lu "
		    "use_large %lu %lu leak %lu %lu use_throw %lu %lu use_handler %lu %lu "
		    "caught %lu 0\n",
		    plain.allocated, plain.held, array.allocated, array.held, aligned.allocated,
		    aligned.held, nothrow.allocated, nothrow.held, large.allocated, large.held,
		    leaker.allocated, leaker.held, thrower.allocated, thrower.held,
		    handled.allocated, handled.held, caught);
	std::fflush(stdout);
	read_line();
	return 0;
}
