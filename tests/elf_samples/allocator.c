/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Code of an allocator, to be read and never run: operators that return here and there, through the
 * linkage table, by what else is probed, and in a way that nobody can follow.
 */
__asm__(".text\n"
	".macro begin name\n"
	".globl \\name\n"
	".type \\name, @function\n"
	"\\name: .cfi_startproc\n"
	".endm\n"
	".macro end name\n"
	".cfi_endproc\n"
	".size \\name, . - \\name\n"
	".endm\n"

	"begin malloc\n"
	"	push %rbx; pop %rbx; ret\n"
	"end malloc\n"
	"begin free\n"
	"	push %rbx; pop %rbx; ret\n"
	"end free\n"
	"begin slow_path\n"
	"	push %rbx; call malloc@plt; pop %rbx\n"
	"	ret\n"
	"end slow_path\n"

	/* new: a short way, and one through the linkage table */
	"begin _Znwm\n"
	"	cmp $100, %rdi; ja 1f; mov %rdi, %rax\n"
	"	ret\n"
	"1:	jmp slow_path@plt\n"
	"	.byte 0x06, 0xc3\n"
	"end _Znwm\n"
	/* new[] is new */
	"begin _Znam\n"
	"	jmp _Znwm\n"
	"end _Znam\n"
	/* calls malloc in any case */
	"begin _ZnwmSt11align_val_t\n"
	"	push %rbx; call malloc@plt; test %rax, %rax; je 2f; pop %rbx; ret\n"
	"2:	ud2\n"
	"end _ZnwmSt11align_val_t\n"
	/* cannot be followed */
	"begin _ZnamSt11align_val_t\n"
	"	cmp $100, %rdi; ja 3f; ret\n"
	"3:	jmp *%rax\n"
	"end _ZnamSt11align_val_t\n");
