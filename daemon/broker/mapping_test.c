/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/mapping_test.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/frame.h"
#include "daemon/broker/programs.h"

/* The mapping of an address of this process, as /proc tells it. */
static int find_own_mapping(uint64_t address, struct mapping *mapping)
{
	_cleanup_fclose_ FILE *maps = fopen("/proc/self/maps", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	if (!maps)
		return -errno;
	while (getline(&line, &size, maps) > 0) {
		uint64_t start, end, offset;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &start, &end, &offset) !=
		    3)
			return -EBADMSG;
		if (address < start || address >= end)
			continue;
		*mapping = (struct mapping){.start = start, .end = end, .offset = offset};
		return 0;
	}
	return -ENOENT;
}

static int check(const struct programs *programs, uint64_t address, int is_vdso)
{
	struct mapping found, wanted = {0};
	int error = find_own_mapping(address, &wanted);

	if (!error)
		error = programs_find_mapping(programs, address, &found);
	if (error)
		return error;
	if (found.start != wanted.start || found.end != wanted.end || found.offset != wanted.offset)
		return -EBADMSG;
	if (is_vdso)
		return found.module == MODULE_VDSO ? 0 : -EBADMSG;
	return found.module >= MODULE_FIRST_FILE && found.module <= MODULE_LAST_FILE ? 0 : -EBADMSG;
}

int mapping_test_run(const struct programs *programs)
{
	uint64_t vdso = getauxval(AT_SYSINFO_EHDR);
	int error = check(programs, (uint64_t)(uintptr_t)mapping_test_run, 0);

	if (!error)
		error = check(programs, (uint64_t)(uintptr_t)getauxval, 0);
	if (!error && vdso)
		error = check(programs, vdso, 1);
	return error;
}
