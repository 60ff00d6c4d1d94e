/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl top: the hottest functions of a window, once or again each second. */
#include <err.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/amount.h"
#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/connection.h"
#include "client/flamegraph/difference.h"
#include "client/output.h"
#include "client/ranking.h"
#include "client/reading.h"
#include "client/selection.h"
#include "client/table.h"
#include "client/terminal.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/profile.h"
#include "common/text.h"

#define DEFAULT_COUNT 20
#define BAR_COLUMNS   10
#define HEAD_ROWS     4 /* of the screen, that are no functions */
#define REDRAW_NS     NS_PER_SECOND
#define SIGNIFICANCE  0.05 /* false discovery rate of a difference */

static const char *const orders[] = {"self", "total", NULL};

static struct top_values {
	uint64_t count; /* 0: not given */
	int order;      /* enum ranking_order */
	int live;
} values;

static struct selection selection;

#define FIELD(name) offsetof(struct top_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("count", 'n', "N", OPTION_NUMBER, FIELD(count),
		       "show so many functions (default 20)", .minimum = 1, .maximum = 100000),
	COMMAND_OPTION("sort", 0, "COLUMN", OPTION_WORD, FIELD(order), "self (default) or total",
		       .words = orders),
	COMMAND_OPTION("live", 0, NULL, OPTION_FLAG, FIELD(live), "redraw each second; q ends it"),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	selection_init(&selection);
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	sets[1] = selection_window_options(&selection);
	sets[2] = selection_options(&selection);
	return 3;
}

/* --- text --------------------------------------------------------------------------------- */

static const struct table_column columns[] = {
	{"SELF", TABLE_RIGHT, 0},  {"\u00b1", TABLE_LEFT, 0}, {"TOTAL", TABLE_RIGHT, 0},
	{"\u00b1", TABLE_LEFT, 0}, {"", TABLE_LEFT, 0},       {"FUNCTION", TABLE_LEFT, 16},
	{"MODULE", TABLE_LEFT, 8},
};

/* A bar of BAR_COLUMNS columns at 100 %, in eighths of a column where the terminal has them. */
static void draw_bar(double share, char bar[BAR_COLUMNS * 4 + 1])
{
	static const char *const eighths[] = {"",       "\u258f", "\u258e", "\u258d",
					      "\u258c", "\u258b", "\u258a", "\u2589"};
	int has_blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	int length = (int)lround(fmin(fmax(share, 0), 100) / 100 * BAR_COLUMNS * 8);

	*bar = 0;
	for (; length >= 8; length -= 8)
		strcat(bar, has_blocks ? "\u2588" : "#");
	if (has_blocks)
		strcat(bar, eighths[length]);
}

static void add_function(struct table *table, const struct ranked_function *function)
{
	char bar[BAR_COLUMNS * 4 + 1];

	draw_bar(values.order == RANKING_BY_SELF ? function->self.share : function->total.share,
		 bar);
	table_add(table, "%.1f%%", function->self.share);
	table_add(table, "%.1f", function->self.margin);
	table_add(table, "%.1f%%", function->total.share);
	table_add(table, "%.1f", function->total.margin);
	table_add(table, "%s", bar);
	table_add(table, "%s", function->name);
	table_add(table, "%s", function->module);
}

/* "20.0 MiB", or, where the whole may be off, "20.0 MiB (10.5 MiB to 35.0 MiB) in ". */
static void print_bytes(const struct profile *profile, double bytes, FILE *file)
{
	_cleanup_free_ char *amount = amount_bytes(bytes);
	_cleanup_free_ char *low = amount_bytes(bytes * profile->scale_low);
	_cleanup_free_ char *high = amount_bytes(bytes * profile->scale_high);

	fprintf(file, "%s ", amount);
	if (profile->scale_low < 1 || profile->scale_high > 1)
		fprintf(file, "(%s to %s) ", low, high);
	fputs("in ", file);
}

/* "12.31 s in ", in the unit that was asked for. */
static void print_weight(const struct profile *profile, double weight, FILE *file)
{
	enum stack_unit unit = selection_levels(&selection).unit;

	if (unit != STACK_UNIT_DEFAULT && unit != STACK_UNIT_SAMPLES)
		fprintf(file, "%.0f %s in ", weight / stack_unit_divisor(unit),
			stack_unit_name(unit));
	else if (profile->unit == PROFILE_NS)
		fprintf(file, "%.2f s in ", weight / (double)NS_PER_SECOND);
	else if (profile->unit == PROFILE_BYTES)
		print_bytes(profile, weight, file);
}

/* What the whole is: "cpu of all: 12.31 s in 1218 samples, 3 lost; window of 30.0 s". */
static void print_whole(const struct profile *profile, const struct ranking *ranking, FILE *file)
{
	double seconds =
		(double)(profile->covered.to_ns - profile->covered.from_ns) / (double)NS_PER_SECOND;
	_cleanup_free_ char *target = text_copy_printable(profile_text(profile, profile->target));
	_cleanup_free_ char *event = text_copy_printable(profile_text(profile, profile->event));
	_cleanup_free_ char *samples = amount_count(ranking->samples, "sample");

	if (*event)
		fprintf(file, "%s of %s: ", event, *target ? target : "all");
	print_weight(profile, ranking->weight, file);
	fputs(samples, file);
	if (profile_lost(profile) > 0)
		fprintf(file, ", %.0f lost", profile_lost(profile));
	if (seconds > 0)
		fprintf(file, "; window of %.1f s", seconds);
	fputs("\n\n", file);
}

static void check_unit(const struct profile *profile, enum stack_unit unit)
{
	if (!stack_unit_fits(profile, unit))
		errx(EXIT_FAILED, "these samples cannot be counted in this unit");
}

static void print_text(const struct profile *profile, const struct ranking *ranking, size_t count,
		       size_t width, FILE *file)
{
	struct table table;

	print_whole(profile, ranking, file);
	table_init(&table, columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < ranking->count && i < count; i++)
		add_function(&table, &ranking->functions[i]);
	table_print(&table, width, file);
	table_fini(&table);
}

/* --- JSON --------------------------------------------------------------------------------- */

static json_t *sum_to_json(const struct ranked_sum *sum)
{
	return json_pack("{s:f, s:f, s:[ff], s:f, s:f}", "percent", sum->share, "margin",
			 sum->margin, "interval", sum->low, sum->high, "weight", sum->sum.weight,
			 "variance", sum->sum.variance);
}

static void print_json(const struct client *client, const struct profile *profile,
		       const struct ranking *ranking, size_t count)
{
	json_t *functions = json_array();

	for (size_t i = 0; i < ranking->count && i < count; i++) {
		const struct ranked_function *function = &ranking->functions[i];
		_cleanup_free_ char *name = text_copy_utf8(function->name, strlen(function->name));
		_cleanup_free_ char *module =
			text_copy_utf8(function->module, strlen(function->module));

		json_array_append_new(functions,
				      json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", name, "module",
						module, "kind",
						frame_kind_name((enum frame_kind)function->kind),
						"self", sum_to_json(&function->self), "total",
						sum_to_json(&function->total)));
	}
	client_print_json(client, json_pack("{s:f, s:f, s:f, s:o}", "samples", ranking->samples,
					    "weight", ranking->weight, "lost",
					    profile_lost(profile), "functions", functions));
}

/* The most significant changes of functions. Owned (json_decref). */
static json_t *changes_to_json(const struct stack_list *list, uint32_t count)
{
	_cleanup_(difference_fini) struct difference difference;
	_cleanup_free_ uint32_t *order = NULL;
	json_t *changes = json_array();

	difference_init_functions(&difference, list, SIGNIFICANCE);
	count = difference_rank(&difference, count, &order);
	for (uint32_t i = 0; i < count; i++) {
		const struct change *change = &difference.changes[order[i]];
		const char *text = stack_list_name(list, order[i]);
		_cleanup_free_ char *name = text_copy_utf8(text, strlen(text));

		json_array_append_new(
			changes,
			json_pack("{s:s, s:f, s:f, s:[ff], s:f, s:f}", "name", name, "before",
				  100 * change->before, "after", 100 * change->after, "interval",
				  100 * change->low, 100 * change->high, "self_before",
				  100 * change->own_before, "self_after", 100 * change->own_after));
	}
	_cleanup_free_ char *method = difference_method(&difference);
	return json_pack("{s:o, s:s}", "changes", changes, "method", method);
}

/* --- once and again ----------------------------------------------------------------------- */

static int show_profile(const struct client *client, const struct profile *profile)
{
	size_t count = values.count ? values.count : DEFAULT_COUNT;
	struct stack_levels levels = selection_levels(&selection);
	struct ranking ranking;

	check_unit(profile, levels.unit);
	ranking_init(&ranking, profile, (enum ranking_order)values.order, &levels);
	if (client->json)
		print_json(client, profile, &ranking, count);
	else
		print_text(profile, &ranking, count, terminal_columns(), stdout);
	ranking_fini(&ranking);
	return selection_judge_quality(&selection, profile);
}

/* A file of two values, such as the picture of a difference: what changed, in words. */
static int show_changes(const struct client *client, struct stack_list *list)
{
	uint32_t count = values.count ? (uint32_t)values.count : DEFAULT_COUNT;

	stack_list_merge_equal(list);
	if (client->json)
		client_print_json(client, changes_to_json(list, count));
	else if (difference_print(list, SIGNIFICANCE, count, stdout))
		err(EXIT_FAILED, "standard output");
	return EXIT_DONE;
}

static int show_file(const struct client *client, const char *path)
{
	struct input_settings settings = {.levels = selection_levels(&selection)};
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(stack_list_fini) struct stack_list list;

	selection_check_file(client, &selection);
	stack_list_init(&list);
	reading_add(path, &settings, STACK_BEFORE, &list);
	reading_check(&list);
	if (list.has_two)
		return show_changes(client, &list);
	profile = list.origins[STACK_BEFORE] ? steal_ptr(&list.origins[STACK_BEFORE])
					     : profile_stacks_collect(&list, STACK_BEFORE);
	return show_profile(client, profile);
}

static int show_once(struct client *client, int operand_count, char **operands)
{
	if (operand_count == 1 && reading_is_file(operands[0]))
		return show_file(client, operands[0]);
	_cleanup_(profile_freep) struct profile *profile =
		selection_fetch(client, &selection, operand_count, operands, NULL, NULL);
	return show_profile(client, profile);
}

/* The next screen: the functions, or why there are none. Owned (free). */
static char *make_screen(struct client *client, int operand_count, char **operands)
{
	_cleanup_free_ char *reason = NULL;
	_cleanup_(profile_freep) struct profile *profile =
		selection_try(client, &selection, operand_count, operands, NULL, NULL, &reason);
	size_t room = terminal_rows() > HEAD_ROWS ? terminal_rows() - HEAD_ROWS : 1;
	size_t count = values.count && values.count < room ? values.count : room;
	struct ranking ranking;
	char *screen = NULL;
	size_t length = 0;
	FILE *file = output_memory(&screen, &length);
	if (profile) {
		struct stack_levels levels = selection_levels(&selection);

		check_unit(profile, levels.unit);
		ranking_init(&ranking, profile, (enum ranking_order)values.order, &levels);
		print_text(profile, &ranking, count, terminal_columns(), file);
		ranking_fini(&ranking);
	} else {
		fprintf(file, "%s\n", reason);
	}
	fclose(file);
	return screen;
}

static int show_live(struct client *client, int operand_count, char **operands)
{
	int is_terminal = terminal_columns() > 0;

	client_connect(client);
	terminal_enter_screen();
	do {
		_cleanup_free_ char *screen = make_screen(client, operand_count, operands);

		if (is_terminal)
			terminal_redraw(screen);
		else if (printf("%s\n", screen) < 0 || fflush(stdout) == EOF)
			break;
	} while (!terminal_wait(REDRAW_NS));
	terminal_leave_screen();
	return EXIT_DONE;
}

static int run(struct client *client, int operand_count, char **operands)
{
	setlocale(LC_CTYPE, "");
	if (!values.live)
		return show_once(client, operand_count, operands);
	if (client->json || client->host_count > 1)
		command_misused(client->command, "--live shows one host, and no JSON");
	return show_live(client, operand_count, operands);
}

const struct command top_command = {
	.name = "top",
	.operands = "[TARGET... | FILE]",
	.summary = "Show the hottest functions, with 95 % margins; of a difference what changed",
	.examples = "  flamectl top --last 30s -n 10\n"
		    "  flamectl top 1234 --live --last 5s\n"
		    "  flamectl top comm:postgres --sort total --no-kernel\n"
		    "  flamectl top diff.svg\n",
	.list_options = list_options,
	.run = run,
};
