/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "daemon/elf/probe_site.h"
#include "tests/fuzz/target.h"

#define NOP_BYTES 5 /* of the nop that must not be probed */

/* The first byte behind a prefix that only names registers. */
static uint8_t opcode_at(const uint8_t *data, size_t size, size_t offset)
{
	while (offset + 1 < size && (data[offset] & 0xf0) == 0x40)
		offset++;
	return data[offset];
}

static int is_cheap(uint8_t opcode)
{
	return (opcode >= 0x50 && opcode <= 0x57) || (opcode >= 0x70 && opcode <= 0x7f) ||
	       opcode == 0x90 || opcode == 0xe8 || opcode == 0xe9 || opcode == 0xeb ||
	       opcode == 0x0f;
}

/* Whatever the code: a site is in it, cheap ones begin as such, and it is never a nop of 5 bytes. */
static void check(const uint8_t *data, size_t size, uint32_t arguments)
{
	static const uint8_t nop[NOP_BYTES] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
	struct probe_site site;
	size_t same = 0;

	if (probe_site_find(data, size, arguments, &site))
		return;
	if (site.offset >= size || site.offset >= PROBE_SITE_BYTES)
		abort();
	if (site.is_emulated && !is_cheap(opcode_at(data, size, site.offset)))
		abort();
	while (same < NOP_BYTES && site.offset + same < size &&
	       data[site.offset + same] == nop[same])
		same++;
	if (same == NOP_BYTES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (uint32_t arguments = 0; arguments <= (PROBE_RDI | PROBE_RSI | PROBE_RDX); arguments++)
		check(data, size, arguments);
	return 0;
}
