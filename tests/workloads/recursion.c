/* SPDX-License-Identifier: Apache-2.0 */
/* recursion DEPTH: work for ever at the end of a stack of DEPTH frames of descend. */
#include <stdlib.h>

#include "tests/workloads/work.h"

static work_frame void at_the_bottom(void)
{
	for (;;)
		work(1000);
}

static work_frame void descend(unsigned long depth)
{
	if (depth > 1)
		descend(depth - 1);
	else
		at_the_bottom();
	work_result++; /* something left to do: no tail call */
}

int main(int argc, char **argv)
{
	descend(argc > 1 ? strtoul(argv[1], NULL, 10) : 1);
	return 0;
}
