/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/profile.h"
#include "common/profile_json.h"
#include "tests/fuzz/target.h"

static int count_bytes(void *context, const char *bytes, size_t length)
{
	(void)bytes;
	*(size_t *)context += length;
	return 0;
}

/* What could be read can be written, and what could not has a reason. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	const char *error = NULL;
	size_t written = 0;

	if (profile_json_read((const char *)data, size, &profile, &error)) {
		if (profile || !error)
			abort();
		return 0;
	}
	if (profile_json_write(profile, count_bytes, &written) || !written)
		abort();
	return 0;
}
