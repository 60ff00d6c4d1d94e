/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/allocator_reader.h"

#include <errno.h>
#include <string.h>

#include "daemon/elf/elf_file.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/probe_site.h"
#include "daemon/elf/symbol_section.h"

#define RDI         PROBE_RDI
#define RDI_RSI     (PROBE_RDI | PROBE_RSI)
#define RDI_RSI_RDX (PROBE_RDI | PROBE_RSI | PROBE_RDX)

/* Those that every allocator has, by number in the table. */
enum { KNOWN_MALLOC, KNOWN_FREE };

/* Every allocator has the first group; the others are its own. */
static const struct known_function {
	const char *name;
	enum heap_function function;
	uint32_t arguments; /* that the probe reads */
	uint32_t flags;
	int only_cheap; /* it calls another one of these, which will do when a probe is dear */
} known_functions[] = {
	[KNOWN_MALLOC] = {"malloc", HEAP_MALLOC, RDI, 0, 0},
	[KNOWN_FREE] = {"free", HEAP_FREE, RDI, 0, 0},
	{"calloc", HEAP_CALLOC, RDI_RSI, 0, 0},
	{"realloc", HEAP_REALLOC, RDI_RSI, 0, 0},
	{"reallocarray", HEAP_REALLOCARRAY, RDI_RSI_RDX, 0, 1},
	{"posix_memalign", HEAP_POSIX_MEMALIGN, RDI_RSI_RDX, 0, 0},
	{"aligned_alloc", HEAP_ALIGNED_ALLOC, RDI_RSI, 0, 0},
	{"memalign", HEAP_ALIGNED_ALLOC, RDI_RSI, 0, 0},
	{"valloc", HEAP_MALLOC, RDI, 0, 0},
	{"pvalloc", HEAP_PVALLOC, RDI, 0, 0},
	{"cfree", HEAP_FREE, RDI, 0, 0},
	{"free_sized", HEAP_FREE, RDI, 0, 0},
	{"free_aligned_sized", HEAP_FREE, RDI, 0, 0},
	/* jemalloc */
	{"mallocx", HEAP_MALLOC, RDI, 0, 0},
	{"rallocx", HEAP_REALLOC, RDI_RSI, 0, 0},
	{"dallocx", HEAP_FREE, RDI, 0, 0},
	{"sdallocx", HEAP_FREE, RDI, 0, 0},
	/* tcmalloc */
	{"tc_malloc", HEAP_MALLOC, RDI, 0, 0},
	{"tc_free", HEAP_FREE, RDI, 0, 0},
	/* mimalloc */
	{"mi_malloc", HEAP_MALLOC, RDI, 0, 0},
	{"mi_zalloc", HEAP_MALLOC, RDI, 0, 0},
	{"mi_calloc", HEAP_CALLOC, RDI_RSI, 0, 0},
	{"mi_realloc", HEAP_REALLOC, RDI_RSI, 0, 0},
	{"mi_free", HEAP_FREE, RDI, 0, 0},
	/* operator new: bytes; array; with an alignment; without exceptions */
	{"_Znwm", HEAP_NEW, RDI, ALLOCATOR_THROWS, 0},
	{"_Znam", HEAP_NEW, RDI, ALLOCATOR_THROWS, 0},
	{"_ZnwmSt11align_val_t", HEAP_NEW, RDI, ALLOCATOR_THROWS, 0},
	{"_ZnamSt11align_val_t", HEAP_NEW, RDI, ALLOCATOR_THROWS, 0},
	{"_ZnwmRKSt9nothrow_t", HEAP_MALLOC, RDI, 0, 0},
	{"_ZnamRKSt9nothrow_t", HEAP_MALLOC, RDI, 0, 0},
	/* operator delete */
	{"_ZdlPv", HEAP_FREE, RDI, 0, 0},
	{"_ZdaPv", HEAP_FREE, RDI, 0, 0},
	{"_ZdlPvm", HEAP_FREE, RDI, 0, 0},
	{"_ZdaPvm", HEAP_FREE, RDI, 0, 0},
	{"_ZdlPvSt11align_val_t", HEAP_FREE, RDI, 0, 0},
	{"_ZdaPvSt11align_val_t", HEAP_FREE, RDI, 0, 0},
	{"_ZdlPvmSt11align_val_t", HEAP_FREE, RDI, 0, 0},
	{"_ZdaPvmSt11align_val_t", HEAP_FREE, RDI, 0, 0},
	{"_ZdlPvRKSt9nothrow_t", HEAP_FREE, RDI, 0, 0},
	{"_ZdaPvRKSt9nothrow_t", HEAP_FREE, RDI, 0, 0},
};

_Static_assert(ARRAY_SIZE(known_functions) <= HEAP_MAX_FUNCTIONS, "they fit into a slot");

/* What was found of each, by number in the table. */
struct found_function {
	uint64_t vaddr; /* 0: not there */
	uint64_t size;
};

static const struct known_function *find_known(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(known_functions); i++)
		if (strlen(known_functions[i].name) == length &&
		    !memcmp(known_functions[i].name, name, length))
			return &known_functions[i];
	return NULL;
}

static void find_in_section(const struct elf_file *file, uint32_t type,
			    struct found_function *found)
{
	struct symbol_section section = {0};
	struct symbol_name name;
	GElf_Sym symbol;

	if (symbol_section_open(&section, file, elf_file_find_type(file, type)))
		return;
	for (size_t i = 1; !symbol_section_get(&section, i, &symbol); i++) {
		const struct known_function *known;

		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
		    !symbol.st_value || symbol_section_name(&section, i, &symbol, &name))
			continue;
		known = find_known(name.text, name.length);
		if (!known || found[known - known_functions].vaddr)
			continue;
		found[known - known_functions] =
			(struct found_function){symbol.st_value, symbol.st_size};
	}
}

/* Several names may stand for one function. */
static int is_there(const struct allocator_function *functions, int count, uint64_t entry)
{
	for (int i = 0; i < count; i++)
		if (functions[i].entry == entry)
			return 1;
	return 0;
}

/* Fill in one function. Errors: -ENOENT it cannot, or need not, be probed. */
static int place_function(const struct elf_file *file, const struct known_function *known,
			  const struct found_function *found, struct allocator_function *function)
{
	uint8_t code[PROBE_SITE_BYTES + PROBE_SITE_MARGIN];
	struct probe_site site;
	uint64_t offset, left;
	int error = elf_file_locate(file, found->vaddr, &offset, &left);

	if (error)
		return error;
	left = left < sizeof(code) ? left : sizeof(code);
	/* What is behind the function's end is another one's. */
	if (found->size && found->size < left)
		left = found->size;
	error = elf_file_read(file, offset, code, left);
	if (!error)
		error = probe_site_find(code, left, known->arguments, &site);
	if (error)
		return error;
	if (known->only_cheap && !site.is_emulated)
		return -ENOENT;
	*function = (struct allocator_function){
		.entry = offset,
		.size = found->size,
		.site = offset + site.offset,
		.function = known->function,
		.flags = known->flags | (site.is_emulated ? (uint32_t)ALLOCATOR_EMULATED : 0),
	};
	memcpy(function->name, known->name, strlen(known->name) + 1);
	return 0;
}

int allocator_find(const struct elf_file *file, struct allocator_function *functions)
{
	struct found_function found[ARRAY_SIZE(known_functions)] = {0};
	int count = 0;

	if (file->header.e_machine != EM_X86_64)
		return -ENOTSUP;
	find_in_section(file, SHT_DYNSYM, found);
	find_in_section(file, SHT_SYMTAB, found);
	/* C++ operators alone do not make an allocator: they call one. */
	if (!found[KNOWN_MALLOC].vaddr || !found[KNOWN_FREE].vaddr)
		return -ENOENT;
	for (size_t i = 0; i < ARRAY_SIZE(known_functions); i++) {
		struct allocator_function function;
		uint64_t offset, left;

		if (!found[i].vaddr || elf_file_locate(file, found[i].vaddr, &offset, &left) ||
		    is_there(functions, count, offset) ||
		    place_function(file, &known_functions[i], &found[i], &function))
			continue;
		functions[count++] = function;
	}
	return count ? count : -ENOENT;
}

int allocator_reader_read(int fd, int *answer)
{
	_cleanup_(elf_file_close) struct elf_file file = {0};
	struct allocator_function functions[HEAP_MAX_FUNCTIONS] = {0};
	int error = elf_file_open(&file, fd);
	int count;

	if (error)
		return error;
	count = allocator_find(&file, functions);
	if (count < 0)
		return count;
	return image_write_pieces(
		&(struct image_piece){functions, (size_t)count * sizeof(*functions)}, 1, answer);
}
