/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "daemon/elf/demangle.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[DEMANGLE_MAX_OUTPUT];
	size_t length = demangle_name(name, (const char *)data, size);

	if (length >= sizeof(name) || strlen(name) != length || !utf8_is_clean(name, length))
		abort();
	return 0;
}
