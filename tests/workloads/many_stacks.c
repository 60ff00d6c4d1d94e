/* SPDX-License-Identifier: Apache-2.0 */
/*
 * many_stacks COUNT: for ever, go through COUNT distinct stacks (at most 100 000). Which of the
 * ten functions stands on each of five levels is the decimal number of the stack.
 */
#include <stdlib.h>

#include "tests/workloads/work.h"

#define LEVELS 5

static void step(unsigned int level, unsigned long number);

#define DEFINE_STEP(digit)                                                          \
	static work_frame void step_##digit(unsigned int level, unsigned long rest) \
	{                                                                           \
		step(level, rest);                                                  \
		work_result++;                                                      \
	}

DEFINE_STEP(0)
DEFINE_STEP(1)
DEFINE_STEP(2)
DEFINE_STEP(3)
DEFINE_STEP(4)
DEFINE_STEP(5)
DEFINE_STEP(6)
DEFINE_STEP(7)
DEFINE_STEP(8)
DEFINE_STEP(9)

static void (*const steps[10])(unsigned int level, unsigned long rest) = {
	step_0, step_1, step_2, step_3, step_4, step_5, step_6, step_7, step_8, step_9,
};

static work_frame void step(unsigned int level, unsigned long number)
{
	if (level == LEVELS)
		work(10);
	else
		steps[number % 10](level + 1, number / 10);
	work_result++;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;

	for (unsigned long number = 0;; number = (number + 1) % (count ? count : 1))
		step(0, number);
	return 0;
}
