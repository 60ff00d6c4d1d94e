/* SPDX-License-Identifier: Apache-2.0 */
/* A picture that somebody mailed, and the small files of --cp and --nameattr. */
#include <stdlib.h>

#include "client/flamegraph/name_attributes.h"
#include "client/flamegraph/palette_map.h"
#include "client/formats/embedded.h"
#include "common/profile.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(name_attributes_fini) struct name_attributes attributes;
	_cleanup_(palette_map_fini) struct palette_map map;
	struct profile *profile = NULL;
	const char *error = NULL;

	if (embedded_read((const char *)data, size, EMBEDDED_PROFILE, &profile, &error) == 0)
		profile_free(profile);
	else if (!error)
		abort();
	palette_map_init(&map);
	palette_map_parse(&map, (const char *)data, size);
	name_attributes_init(&attributes);
	if (name_attributes_parse(&attributes, (const char *)data, size) > 0)
		abort();
	return 0;
}
