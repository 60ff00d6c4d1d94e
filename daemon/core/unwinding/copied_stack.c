/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/copied_stack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/frame.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/unwinding/mapping_list.h"

/* What a step works on. */
struct step {
	const struct copied_stack *stack;
	const struct module_table *modules;
	struct unwind_frame *frame;
	uint32_t depth; /* frames so far, this one included */
};

/* The copy is all the memory there is. */
int unwind_read(void *memory, __u64 address, __u64 *values, __u32 count)
{
	const struct copied_stack *stack = memory;
	uint64_t distance = address - stack->address;
	uint64_t bytes = count * sizeof(*values);

	if (distance >= stack->size || stack->size - distance < bytes)
		return -1;
	memcpy(values, stack->bytes + distance, bytes);
	return 0;
}

/* As unwind_read() takes it, which only reads. */
static void *memory_of(const struct step *step)
{
	return (void *)(uintptr_t)step->stack;
}

static const struct mapping *find_mapping(const struct copied_stack *stack, uint64_t pc)
{
	return mapping_list_find(stack->mappings, stack->mapping_count, pc);
}

/* Whether the code before pc ends with a call, as its file says. */
static int is_behind_call(const struct step *step, uint64_t pc)
{
	const struct mapping *mapping = find_mapping(step->stack, pc - 1);
	const struct module *module =
		mapping ? module_table_find(step->modules, mapping->module) : NULL;
	uint8_t code[CALL_MAX_BYTES];
	uint64_t offset;

	if (!module || module->fd < 0)
		return 0;
	offset = pc - mapping->start + mapping->offset;
	return offset >= sizeof(code) &&
	       pread(module->fd, code, sizeof(code), (off_t)(offset - sizeof(code))) ==
		       (ssize_t)sizeof(code) &&
	       unwind_is_behind_call(code);
}

/* As unwind_step_gap() in bpf/unwind.bpf.h: a leaf where nothing has been pushed yet. */
static int step_gap(const struct step *step)
{
	struct unwind_frame *frame = step->frame;
	__u64 pc;

	if (unwind_read(memory_of(step), frame->sp, &pc, 1) || !is_behind_call(step, pc))
		return 0;
	frame->pc = pc;
	frame->sp += UNWIND_WORD;
	frame->is_exact = 0;
	frame->is_leaf = 0;
	return 1;
}

/* As unwind_step_without() there: code without a rule. */
static int step_without(const struct step *step, int is_file)
{
	int end;

	if (is_file && step->frame->is_leaf && step_gap(step))
		return UNWIND_GOES_ON;
	end = unwind_step_pointer(memory_of(step), step->frame);
	if (end == WALK_ROOT && !is_file && step->depth <= 2)
		return WALK_FRAME_POINTER;
	return end == WALK_FRAME_POINTER && is_file ? WALK_NO_RULE : end;
}

/* One step by the rules of the module; -EAGAIN when they are not there yet. */
static int step_on(const struct step *step, const struct mapping *mapping, uint64_t offset)
{
	const struct module *module = module_table_find(step->modules, mapping->module);
	const struct unwind_rule *rule = NULL;

	if (mapping->module != MODULE_NONE) {
		if (!module || (!module_has_image(module) && module_is_pending(module)))
			return -EAGAIN;
		if (module_has_image(module))
			rule = module_image_find_rule(&module->image, offset);
	}
	return rule ? unwind_step_rule(memory_of(step), step->frame, rule)
		    : step_without(step, mapping->module != MODULE_NONE);
}

void copied_walk_start(struct copied_walk *walk, const uint64_t registers[SAVED_COUNT])
{
	*walk = (struct copied_walk){
		.frame = {.pc = registers[SAVED_RIP],
			  .sp = registers[SAVED_RSP],
			  .fp = registers[SAVED_RBP],
			  .is_exact = 1,
			  .is_leaf = 1,
			  .keeps_rbx = 1},
	};
	UNWIND_COPY_REGISTERS(walk->frame.registers, registers);
}

static int append_frame(struct record_sample *sample, uint64_t address)
{
	if (sample->user_count >= RECORD_USER_FRAMES)
		return -E2BIG;
	sample->frames[sample->kernel_count + sample->user_count++] = address;
	return 0;
}

int copied_walk_go_on(struct copied_walk *walk, const struct copied_stack *stack,
		      const struct module_table *modules, struct record_sample *sample)
{
	struct step step = {.stack = stack, .modules = modules, .frame = &walk->frame};

	for (;;) {
		uint64_t pc = unwind_lookup_pc(&walk->frame);
		const struct mapping *mapping = find_mapping(stack, pc);
		uint64_t offset;
		int end;

		if (!mapping) {
			/* The leaf is where it is, a caller that is nowhere is none. */
			if (walk->frame.is_leaf && !walk->is_placed && !sample->user_count &&
			    append_frame(sample, pc & FRAME_OFFSET_MASK))
				return WALK_TRUNCATED;
			return WALK_UNMAPPED;
		}
		offset = pc - mapping->start + mapping->offset;
		if (!walk->is_placed && append_frame(sample, frame_pack(mapping->module, offset)))
			return WALK_TRUNCATED;
		walk->is_placed = 1;
		step.depth = sample->user_count;
		end = step_on(&step, mapping, offset);
		if (end != UNWIND_GOES_ON)
			return end;
		walk->is_placed = 0;
	}
}
