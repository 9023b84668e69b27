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

/* What is used of QEMU's plugin interface, version 3 (qemu-plugin.h, which Debian does not ship): QEMU 9.1 and later. */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(uint64_t id, struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t size);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t size);
void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score, unsigned int cpu);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(struct qemu_plugin_insn *insn, enum qemu_plugin_op op,
							 qemu_plugin_u64 to, uint64_t n);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*run)(unsigned int cpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 3;

/* The marks: nopw LABEL(%rax,%rax,1), as lima_locks.h has them. */
static const unsigned char mark[] = { 0x66, 0x0f, 0x1f, 0x84, 0x00, 'L', 'I', 'M' };
#define BEGINS 'B'
#define ENDS 'E'

/* By address: where its runs are counted. Never full in practice; what finds no place is counted together, in the last. */
#define PLACES (1U << 20)
static struct place {
	uint64_t address, before;
} table[PLACES + 1];

/* Instructions run since the start. QEMU has one of these for each processor, and makes room for more; there is one. */
struct runs {
	uint64_t user, kernel;
	/* By place; only with addresses. */
	uint64_t at[];
};
static struct qemu_plugin_scoreboard *score;
/* The same when the stretch began. */
static uint64_t user_before, kernel_before;
static unsigned int stretches;
static FILE *out;
static bool addresses;

static uint32_t place_of(uint64_t address)
{
	uint32_t at = (address * 0x9e3779b97f4a7c15) >> 44;

	for (unsigned int i = 0; i < 1024; i++) {
		struct place *place = &table[(at + i) % PLACES];

		if (!place->address)
			place->address = address;
		if (place->address == address)
			return place - table;
	}
	return PLACES;
}

static void begins(unsigned int cpu, void *data)
{
	const struct runs *runs = qemu_plugin_scoreboard_find(score, cpu);

	for (uint32_t i = 0; addresses && i <= PLACES; i++)
		table[i].before = runs->at[i];
	user_before = runs->user;
	kernel_before = runs->kernel;
}

static void ends(unsigned int cpu, void *data)
{
	const struct runs *runs = qemu_plugin_scoreboard_find(score, cpu);

	fprintf(out, "%u %" PRIu64 " %" PRIu64 "\n", ++stretches, runs->user - user_before, runs->kernel - kernel_before);
	for (uint32_t i = 0; addresses && i < PLACES; i++)
		if (runs->at[i] != table[i].before)
			fprintf(out, "\t%" PRIx64 " %" PRIu64 "\n", table[i].address, runs->at[i] - table[i].before);
	fflush(out);
}

static void count(struct qemu_plugin_insn *insn, size_t where)
{
	qemu_plugin_u64 to = { score, where };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, to, 1);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t address = qemu_plugin_insn_vaddr(insn);
		bool in_kernel = address >> 63;
		unsigned char code[sizeof(mark) + 1];

		if (qemu_plugin_insn_size(insn) == sizeof(code) &&
		    qemu_plugin_insn_data(insn, code, sizeof(code)) == sizeof(code) && !memcmp(code, mark, sizeof(mark))) {
			if (code[sizeof(mark)] == BEGINS)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, begins, QEMU_PLUGIN_CB_NO_REGS, NULL);
			if (code[sizeof(mark)] == ENDS)
				qemu_plugin_register_vcpu_insn_exec_cb(insn, ends, QEMU_PLUGIN_CB_NO_REGS, NULL);
		}
		count(insn, in_kernel ? offsetof(struct runs, kernel) : offsetof(struct runs, user));
		if (addresses && in_kernel)
			count(insn, offsetof(struct runs, at) + place_of(address) * sizeof(uint64_t));
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
	score = qemu_plugin_scoreboard_new(sizeof(struct runs) + (addresses ? (PLACES + 1) * sizeof(uint64_t) : 0));
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
