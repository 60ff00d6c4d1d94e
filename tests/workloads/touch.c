/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Touches memory for the first time at a steady pace: three times as much in touch_much() as in
 * touch_little(); if asked for, whole huge pages in touch_huge(), or a few pages in
 * touch_few(), on a stack behind whose end there is nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#define PAGE_BYTES  4096u
#define HUGE_BYTES  (UINT64_C(2) << 20)
#define ROUND_PAGES 16u
#define STACK_PAGES 16u
#define FEW_PAGES   4u

static char *map(size_t bytes)
{
	char *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	return memory;
}

static void touch(char *memory, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		memory[i * PAGE_BYTES] = 1;
}

__attribute__((noinline)) static void touch_much(char *memory)
{
	touch(memory, 3 * ROUND_PAGES);
}

__attribute__((noinline)) static void touch_little(char *memory)
{
	touch(memory, ROUND_PAGES);
}

/* A huge page, where the kernel has one; else as many small ones. */
__attribute__((noinline)) static void touch_huge(void)
{
	char *memory = map(2 * HUGE_BYTES);
	char *start = (char *)(((uintptr_t)memory + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));

	if (madvise(start, HUGE_BYTES, MADV_HUGEPAGE))
		exit(1);
	touch(start, HUGE_BYTES / PAGE_BYTES);
	munmap(memory, 2 * HUGE_BYTES);
}

static void touch_round(void)
{
	size_t round_bytes = 4 * ROUND_PAGES * PAGE_BYTES;
	char *memory = map(round_bytes);

	touch_much(memory);
	touch_little(memory + 3 * ROUND_PAGES * PAGE_BYTES);
	munmap(memory, round_bytes);
}

/* So few that many of the faults are looked at, and not all. */
__attribute__((noinline)) static void touch_few(void)
{
	char *memory = map(FEW_PAGES * PAGE_BYTES);

	touch(memory, FEW_PAGES);
	munmap(memory, FEW_PAGES * PAGE_BYTES);
}

static void run(void (*round)(void))
{
	struct timespec pause = {.tv_nsec = 10000000};

	puts("ready");
	fflush(stdout);
	for (;;) {
		round();
		nanosleep(&pause, NULL);
	}
}

__attribute__((noinline)) static void run_elsewhere(void)
{
	run(touch_few);
}

/* On a stack of a few frames at the very end of what is mapped. */
static void run_on_short_stack(void)
{
	static ucontext_t here, there;
	char *stack = map((STACK_PAGES + 1) * PAGE_BYTES);

	if (mprotect(stack + STACK_PAGES * PAGE_BYTES, PAGE_BYTES, PROT_NONE) || getcontext(&there))
		exit(1);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = STACK_PAGES * PAGE_BYTES;
	there.uc_link = &here;
	makecontext(&there, run_elsewhere, 0);
	swapcontext(&here, &there);
}

/* touch [huge | short-stack]: runs until it is ended */
int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "short-stack") == 0)
		run_on_short_stack();
	else
		run(argc > 1 && strcmp(argv[1], "huge") == 0 ? touch_huge : touch_round);
	return 1;
}
