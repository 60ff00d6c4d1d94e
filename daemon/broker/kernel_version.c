/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/kernel_version.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Fits every version; patches of a release stay below it. */
#define VERSION_NUMBER(major, minor, patch) (((major) << 20) + ((minor) << 10) + (patch))

static const struct {
	unsigned int first, mended;
} unsafe_ranges[] = {
	{VERSION_NUMBER(5, 19, 0), VERSION_NUMBER(6, 1, 36)},
	{VERSION_NUMBER(6, 2, 0), VERSION_NUMBER(6, 3, 10)},
};

int kernel_version_parse(const char *release, const char *version, struct kernel_version *result)
{
	const char *debian = strstr(version, "Debian ");
	const char *texts[] = {debian ? debian + strlen("Debian ") : "", release};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct kernel_version found = {0};

		/* The patch is missing from "6.4-rc3". */
		if (sscanf(texts[i], "%3u.%3u.%3u", &found.major, &found.minor, &found.patch) < 2)
			continue;
		*result = found;
		return 0;
	}
	return -EINVAL;
}

int kernel_version_is_unsafe(const struct kernel_version *version)
{
	unsigned int number = VERSION_NUMBER(version->major, version->minor, version->patch);

	for (size_t i = 0; i < ARRAY_SIZE(unsafe_ranges); i++) {
		if (number >= unsafe_ranges[i].first && number < unsafe_ranges[i].mended)
			return 1;
	}
	return 0;
}
