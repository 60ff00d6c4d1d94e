/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/leave_sites.h"

#include <Zydis/Zydis.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define MAX_PENDING 4096 /* jumps that were met and not followed yet */
#define LINK_BYTES  16   /* of an entry of the linkage tables */

/* What is known of a byte. */
enum mark { UNKNOWN, BEGINS, CONTINUES };

/* A function that was read. */
struct piece {
	struct code_extent extent;
	uint8_t *bytes;
	uint8_t *marks; /* enum mark, one a byte */
};

struct walk {
	const struct code_source *source;
	ZydisDecoder decoder;
	struct piece pieces[LEAVE_SITES_FUNCTIONS];
	size_t piece_count;
	size_t byte_count;
	uint64_t pending[MAX_PENDING];
	size_t pending_count;
	struct leave_sites found;
};

static void walk_free(struct walk *walk)
{
	for (size_t i = 0; i < walk->piece_count; i++) {
		free(walk->pieces[i].bytes);
		free(walk->pieces[i].marks);
	}
	free(walk);
}

DEFINE_CLEANUP(walk_free, struct walk)

/* What becomes of the path behind an instruction: 0, an error, or one of these. */
enum { PATH_GOES_ON, PATH_ENDS };

static int is_in(const struct code_extent *extent, uint64_t vaddr)
{
	return vaddr >= extent->vaddr && vaddr - extent->vaddr < extent->size;
}

static int is_known(const struct code_source *source, uint64_t vaddr)
{
	for (size_t i = 0; i < source->known_count; i++)
		if (source->known[i] == vaddr)
			return 1;
	return 0;
}

static int read_piece(struct walk *walk, uint64_t vaddr, struct piece **found)
{
	struct piece *piece = &walk->pieces[walk->piece_count];
	struct code_extent extent;
	int error;

	if (walk->piece_count == LEAVE_SITES_FUNCTIONS)
		return -E2BIG;
	error = walk->source->find(walk->source->context, vaddr, &extent);
	if (error)
		return error;
	if (!is_in(&extent, vaddr) || extent.vaddr + extent.size < extent.vaddr)
		return -EBADMSG;
	if (extent.size > LEAVE_SITES_BYTES - walk->byte_count)
		return -E2BIG;
	walk->byte_count += extent.size;
	walk->piece_count++;
	*piece = (struct piece){extent, memory_new(extent.size), memory_new(extent.size)};
	*found = piece;
	return walk->source->read(walk->source->context, &extent, piece->bytes);
}

static int find_piece(struct walk *walk, uint64_t vaddr, struct piece **found)
{
	for (size_t i = 0; i < walk->piece_count; i++) {
		if (is_in(&walk->pieces[i].extent, vaddr)) {
			*found = &walk->pieces[i];
			return 0;
		}
	}
	return read_piece(walk, vaddr, found);
}

static int add_pending(struct walk *walk, uint64_t vaddr)
{
	if (walk->pending_count == MAX_PENDING)
		return -E2BIG;
	walk->pending[walk->pending_count++] = vaddr;
	return 0;
}

/* Keep what is found in order, each once. */
static int add_site(struct leave_sites *sites, uint64_t vaddr)
{
	size_t i = sites->count;

	while (i && sites->vaddrs[i - 1] > vaddr)
		i--;
	if (i && sites->vaddrs[i - 1] == vaddr)
		return 0;
	if (sites->count == LEAVE_SITES_MAX)
		return -E2BIG;
	memmove(sites->vaddrs + i + 1, sites->vaddrs + i,
		(sites->count - i) * sizeof(sites->vaddrs[0]));
	sites->vaddrs[i] = vaddr;
	sites->count++;
	return 0;
}

/* Where a jump or call goes: to a fixed place, or through a pointer of the linkage tables. */
static int find_target(const struct code_source *source, uint64_t vaddr,
		       const ZydisDecodedInstruction *instruction,
		       const ZydisDecodedOperand *operand, uint64_t *target)
{
	uint64_t next = vaddr + instruction->length;

	if (instruction->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return -EOPNOTSUPP;
	if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand->imm.is_relative) {
		*target = next + (uint64_t)operand->imm.value.s;
		return 0;
	}
	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.base != ZYDIS_REGISTER_RIP ||
	    operand->mem.index != ZYDIS_REGISTER_NONE)
		return -EOPNOTSUPP;
	return source->resolve(source->context, next + (uint64_t)operand->mem.disp.value, target);
}

static int follow_jump(struct walk *walk, uint64_t vaddr,
		       const ZydisDecodedInstruction *instruction,
		       const ZydisDecodedOperand *operand)
{
	const struct code_source *source = walk->source;
	uint64_t target;
	int error = find_target(source, vaddr, instruction, operand, &target);

	if (error)
		return error;
	return is_known(source, target) ? 0 : add_pending(walk, target);
}

/* Whether what is at vaddr is, or only jumps to, a function that is known. */
static int is_way_to_known(const struct walk *walk, uint64_t vaddr)
{
	const struct code_source *source = walk->source;
	const struct code_extent extent = {vaddr, LINK_BYTES};
	ZydisDecodedInstruction instruction = {0};
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t bytes[LINK_BYTES];
	size_t at = 0;

	if (is_known(source, vaddr))
		return 1;
	if (source->read(source->context, &extent, bytes))
		return 0;
	do {
		at += instruction.length;
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&walk->decoder, bytes + at,
							 sizeof(bytes) - at, &instruction,
							 operands)))
			return 0;
	} while (instruction.mnemonic == ZYDIS_MNEMONIC_ENDBR64);
	return instruction.meta.category == ZYDIS_CATEGORY_UNCOND_BR &&
	       !find_target(source, vaddr + at, &instruction, &operands[0], &vaddr) &&
	       is_known(source, vaddr);
}

static int calls_known(const struct walk *walk, uint64_t vaddr,
		       const ZydisDecodedInstruction *instruction,
		       const ZydisDecodedOperand *operand)
{
	uint64_t target;

	return walk->source->known_count &&
	       !find_target(walk->source, vaddr, instruction, operand, &target) &&
	       is_way_to_known(walk, target);
}

/* What compilers put where nothing goes on. */
static int is_trap(const ZydisDecodedInstruction *instruction)
{
	return instruction->mnemonic == ZYDIS_MNEMONIC_UD2 ||
	       instruction->mnemonic == ZYDIS_MNEMONIC_INT3 ||
	       instruction->mnemonic == ZYDIS_MNEMONIC_HLT;
}

/* Kernels refuse some prefixes, whatever they are in front of. */
static int may_be_probed(const ZydisDecodedInstruction *instruction)
{
	static const uint8_t refused[] = {0x26, 0x2e, 0x36, 0x3e, 0xf0};

	for (size_t i = 0; i < instruction->raw.prefix_count; i++)
		if (memchr(refused, instruction->raw.prefixes[i].value, sizeof(refused)))
			return 0;
	return 1;
}

/* Note what the instruction at vaddr does. Returns whether the path ends there, or an error. */
static int look_at(struct walk *walk, uint64_t vaddr, const ZydisDecodedInstruction *instruction,
		   const ZydisDecodedOperand *operands)
{
	int error;

	switch ((int)instruction->meta.category) {
	case ZYDIS_CATEGORY_RET:
		/* One that returns to another segment, or from an interrupt, is none of ours. */
		if (instruction->mnemonic != ZYDIS_MNEMONIC_RET ||
		    instruction->meta.branch_type != ZYDIS_BRANCH_TYPE_NEAR)
			return -EOPNOTSUPP;
		error = may_be_probed(instruction) ? add_site(&walk->found, vaddr) : -EOPNOTSUPP;
		return error ? error : PATH_ENDS;
	case ZYDIS_CATEGORY_UNCOND_BR:
		error = follow_jump(walk, vaddr, instruction, &operands[0]);
		return error ? error : PATH_ENDS;
	case ZYDIS_CATEGORY_COND_BR:
		return follow_jump(walk, vaddr, instruction, &operands[0]);
	case ZYDIS_CATEGORY_CALL:
		return calls_known(walk, vaddr, instruction, &operands[0]) ? PATH_ENDS
									   : PATH_GOES_ON;
	default:
		return is_trap(instruction) ? PATH_ENDS : PATH_GOES_ON;
	}
}

/* Note where an instruction lies. Errors: -EBADMSG another one lies there already. */
static int mark(const struct piece *piece, size_t at, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (piece->marks[at + i] != UNKNOWN)
			return -EBADMSG;
	memset(piece->marks + at, CONTINUES, length);
	piece->marks[at] = BEGINS;
	return 0;
}

/* Follow the path from vaddr on until it ends or meets one that was followed. */
static int follow_path(struct walk *walk, uint64_t vaddr)
{
	ZydisDecodedInstruction instruction = {0};
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	struct piece *piece;
	int result = find_piece(walk, vaddr, &piece);
	size_t at;

	if (result)
		return result;
	for (at = (size_t)(vaddr - piece->extent.vaddr); at < piece->extent.size;
	     at += instruction.length) {
		if (piece->marks[at] == BEGINS)
			return 0;
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&walk->decoder, piece->bytes + at,
							 piece->extent.size - at, &instruction,
							 operands)))
			return -EBADMSG;
		result = mark(piece, at, instruction.length);
		if (!result)
			result = look_at(walk, piece->extent.vaddr + at, &instruction, operands);
		if (result != PATH_GOES_ON)
			return result < 0 ? result : 0;
	}
	/* Only what calls a function that does not return may be the last in its function. */
	return instruction.meta.category == ZYDIS_CATEGORY_CALL ? 0 : -EBADMSG;
}

int leave_sites_add(struct leave_sites *sites, const struct code_source *source, uint64_t entry)
{
	_cleanup_(walk_freep) struct walk *walk = memory_new(sizeof(*walk));
	struct leave_sites all = *sites;
	int error;

	walk->source = source;
	if (!ZYAN_SUCCESS(ZydisDecoderInit(&walk->decoder, ZYDIS_MACHINE_MODE_LONG_64,
					   ZYDIS_STACK_WIDTH_64)))
		return -ENOTSUP;
	error = add_pending(walk, entry);
	while (!error && walk->pending_count)
		error = follow_path(walk, walk->pending[--walk->pending_count]);
	for (size_t i = 0; !error && i < walk->found.count; i++)
		error = add_site(&all, walk->found.vaddrs[i]);
	if (!error)
		*sites = all;
	return error;
}
