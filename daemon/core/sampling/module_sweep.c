/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/module_sweep.h"

#include <string.h>

#include "common/frame.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/unwinding/unwind_tables.h"

struct module_sweep {
	struct module_sweep_sources from;
	uint32_t swept_s;
	uint32_t leaving;                   /* modules on their way out */
	uint32_t left_s[MODULE_FIRST_JIT];  /* since when a module is, 0: it is not */
	uint8_t is_named[MODULE_FIRST_JIT]; /* by a stack */
};

struct module_sweep *module_sweep_new(const struct module_sweep_sources *sources)
{
	struct module_sweep *sweep = memory_new(sizeof(*sweep));

	sweep->from = *sources;
	return sweep;
}

void module_sweep_free(struct module_sweep *sweep)
{
	free(sweep);
}

static void name_module(void *context, uint64_t address)
{
	struct module_sweep *sweep = context;

	if (frame_module(address) < MODULE_FIRST_JIT)
		sweep->is_named[frame_module(address)] = 1;
}

/* Whether nothing is under way for a module, and no walk has come to it for long. */
static int is_idle(const struct module_sweep *sweep, const struct module *module, uint32_t now_s)
{
	uint32_t used_s = unwind_tables_used_s(sweep->from.tables, module->number);

	return (module->state == MODULE_READY || module->state == MODULE_UNREADABLE) &&
	       !sweep->is_named[module->number] && now_s - used_s >= MODULE_SWEEP_IDLE_S;
}

static void let_go(struct module_sweep *sweep, struct module *module, uint32_t now_s)
{
	sampler_forget_module(sweep->from.sampler, &module->key);
	sweep->left_s[module->number] = now_s;
	sweep->leaving++;
}

static void remove_module(struct module_sweep *sweep, struct module *module)
{
	uint32_t number = module->number;

	log_debug("A module is forgotten: number=%u path=%s", number, module->path);
	unwind_tables_remove(sweep->from.tables, number);
	module_table_remove(sweep->from.modules, module);
	sampler_free_module(sweep->from.sampler, number);
	sweep->left_s[number] = 0;
	sweep->leaving--;
}

/* Have those leave whose time has come, and let go of others while there are more than needed. */
static void sweep_all(struct module_sweep *sweep, uint32_t now_s, uint32_t spare)
{
	/* What is known of addresses is known by the numbers that are about to be given again. */
	int can_leave = sweep->leaving && !symbolizer_forget_addresses(sweep->from.symbolizer);

	for (uint32_t i = MODULE_FIRST_FILE; i < MODULE_FIRST_JIT; i++) {
		struct module *module = module_table_find(sweep->from.modules, i);

		if (!module || !is_idle(sweep, module, now_s))
			continue;
		if (!sweep->left_s[i]) {
			if (!spare)
				continue;
			spare--;
			let_go(sweep, module, now_s);
		} else if (can_leave && now_s - sweep->left_s[i] >= MODULE_SWEEP_PERIOD_S) {
			remove_module(sweep, module);
		}
	}
}

void module_sweep_tick(struct module_sweep *sweep, uint32_t now_s)
{
	uint32_t unreadable, count;

	if (now_s - sweep->swept_s < MODULE_SWEEP_PERIOD_S)
		return;
	sweep->swept_s = now_s;
	count = module_table_count(sweep->from.modules, &unreadable) - sweep->leaving;
	if (count <= MODULE_SWEEP_KEEP && !sweep->leaving)
		return;
	memset(sweep->is_named, 0, sizeof(sweep->is_named));
	stack_table_visit(sweep->from.stacks, name_module, sweep);
	sweep_all(sweep, now_s, count > MODULE_SWEEP_KEEP ? count - MODULE_SWEEP_KEEP : 0);
}
