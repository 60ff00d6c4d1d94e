/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles the unwind rows of every 64-bit ELF file in the folders given (default: /usr/bin and
 * /usr/lib/x86_64-linux-gnu) and prints what that took and how large the tables are; with
 * --compare also what elfutils thinks of each row.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/module_image.h"
#include "daemon/elf/row_blocks.h"
#include "daemon/elf/row_table.h"
#include "daemon/elf/unwind_rows.h"
#include "tests/unwind/unwind_oracle.h"

struct totals {
	uint64_t files;
	uint64_t rows;
	uint64_t pages;
	uint64_t rules;
	uint64_t bytes;
	uint64_t compile_ns; /* CPU */
	uint64_t cut;
	uint64_t compared_rows;
	uint64_t unsupported;
	uint64_t different;
	uint64_t functions_missed;
};

static void compile(int fd, struct totals *totals)
{
	_cleanup_(elf_file_close) struct elf_file file = {.fd = -1};
	_cleanup_(row_table_fini) struct row_table rows = {0};
	_cleanup_(row_blocks_fini) struct row_blocks blocks = {0};
	uint64_t start = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);

	if (elf_file_open(&file, fd) || file.header.e_machine != EM_X86_64 ||
	    !elf_file_find_section(&file, ".eh_frame"))
		return;
	row_table_init(&rows);
	unwind_rows_read(&file, &rows, NULL);
	row_blocks_make(&blocks, &rows);
	totals->compile_ns += clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
	totals->files++;
	totals->rows += rows.row_count;
	totals->pages += rows.page_count;
	totals->rules += rows.rule_count;
	totals->bytes += blocks.cell_count * sizeof(*blocks.cells) +
			 blocks.page_count * sizeof(*blocks.pages) +
			 rows.rule_count * sizeof(*rows.rules);
	totals->cut += rows.is_cut != 0;
}

static void compare(int fd, const char *path, struct totals *totals)
{
	struct unwind_comparison comparison;

	if (unwind_oracle_compare(fd, &comparison))
		return;
	totals->compared_rows += comparison.rows;
	totals->unsupported += comparison.unsupported;
	totals->different += comparison.different;
	totals->functions_missed += comparison.oracle_functions - comparison.functions;
	if (comparison.different || comparison.functions != comparison.oracle_functions)
		printf("%s: %llu rows differ, %llu of %llu functions, %s\n", path,
		       (unsigned long long)comparison.different,
		       (unsigned long long)comparison.functions,
		       (unsigned long long)comparison.oracle_functions,
		       comparison.first_difference);
}

static void print_totals(const struct totals *totals, int with_comparison)
{
	printf("%llu files: %llu rows in %llu pages, %llu rules, %.1f MB, %.2f s CPU, %llu cut\n",
	       (unsigned long long)totals->files, (unsigned long long)totals->rows,
	       (unsigned long long)totals->pages, (unsigned long long)totals->rules,
	       (double)totals->bytes / 1e6, (double)totals->compile_ns / 1e9,
	       (unsigned long long)totals->cut);
	if (with_comparison)
		printf("%llu rows compared: %llu different, %llu unsupported, %llu functions "
		       "missed\n",
		       (unsigned long long)totals->compared_rows,
		       (unsigned long long)totals->different,
		       (unsigned long long)totals->unsupported,
		       (unsigned long long)totals->functions_missed);
}

int main(int argument_count, char **arguments)
{
	static char bin[] = "/usr/bin", lib[] = "/usr/lib/x86_64-linux-gnu";
	static char *const folders[] = {bin, lib, NULL};
	int with_comparison = argument_count > 1 && !strcmp(arguments[1], "--compare");
	char *const *chosen = arguments + 1 + with_comparison;
	struct totals totals = {0};
	FTSENT *entry;

	FTS *tree = fts_open(*chosen ? chosen : folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	while (tree && (entry = fts_read(tree))) {
		_cleanup_close_ int fd = -1;

		if (entry->fts_info != FTS_F ||
		    (fd = open(entry->fts_path, O_RDONLY | O_CLOEXEC)) < 0)
			continue;
		compile(fd, &totals);
		if (with_comparison)
			compare(fd, entry->fts_path, &totals);
	}
	if (tree)
		fts_close(tree);
	print_totals(&totals, with_comparison);
	return totals.different || totals.functions_missed;
}
