// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Counts the instructions that a guest runs, as a plugin of QEMU's emulator.
 *
 * Between two marks, which are instructions that do nothing, all instructions
 * are counted: those of user space and those of the kernel, whatever runs them.
 * For each such stretch a line goes to the file `out`: its number, both counts.
 * With `addresses=on` a line for each address of the kernel follows, indented:
 * how often the instruction there was run.
 *
 * QEMU runs it single-threaded, on one processor.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* What is used of QEMU's plugin interface, version 1 (qemu-plugin.h, which Debian 12 does not ship). */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(uint64_t id, struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *to,
						uint64_t n);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*run)(unsigned int cpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

/* The marks: nopw LABEL(%rax,%rax,1), as lima_locks.h has them. */
static const unsigned char mark[] = { 0x66, 0x0f, 0x1f, 0x84, 0x00, 'L', 'I', 'M' };
#define BEGINS 'B'
#define ENDS 'E'

/* Instructions run since the start. */
static uint64_t user, kernel;
/* The same when the stretch began. */
static uint64_t user_before, kernel_before;
static unsigned int stretches;
static FILE *out;

/* By address: how often it was run, and how often it had been when the stretch began. Never full in practice; what finds no
 * place is counted together. */
#define PLACES (1U << 23)
static struct place {
	uint64_t address, runs, before;
} table[PLACES], elsewhere;
static bool addresses;

static uint64_t *runs_of(uint64_t address)
{
	uint32_t at = (address * 0x9e3779b97f4a7c15) >> 41;

	for (unsigned int i = 0; i < 1024; i++) {
		struct place *place = &table[(at + i) % PLACES];

		if (!place->address)
			place->address = address;
		if (place->address == address)
			return &place->runs;
	}
	return &elsewhere.runs;
}

static void begins(unsigned int cpu, void *data)
{
	for (struct place *place = table; addresses && place < table + PLACES; place++)
		place->before = place->runs;
	user_before = user;
	kernel_before = kernel;
}

static void ends(unsigned int cpu, void *data)
{
	fprintf(out, "%u %" PRIu64 " %" PRIu64 "\n", ++stretches, user - user_before, kernel - kernel_before);
	for (struct place *place = table; addresses && place < table + PLACES; place++)
		if (place->runs != place->before)
			fprintf(out, "\t%" PRIx64 " %" PRIu64 "\n", place->address, place->runs - place->before);
	fflush(out);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		const unsigned char *code = qemu_plugin_insn_data(insn);
		bool in_kernel = address >> 63;

		if (qemu_plugin_insn_size(insn) == sizeof(mark) + 1 && !memcmp(code, mark, sizeof(mark))) {
			if (code[sizeof(mark)] == BEGINS)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, begins, QEMU_PLUGIN_CB_NO_REGS, NULL);
			if (code[sizeof(mark)] == ENDS)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, ends, QEMU_PLUGIN_CB_NO_REGS, NULL);
		}
		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, in_kernel ? &kernel : &user, 1);
		if (addresses && in_kernel)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, runs_of(address), 1);
	}
}

/* Called by QEMU. The arguments: out=FILE, addresses=on. */
__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
		if (!strcmp(argv[i], "addresses=on"))
			addresses = true;
	}
	if (!out) {
		fprintf(stderr, "the plugin that counts instructions needs a file to write to: out=FILE\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
