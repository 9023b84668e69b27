// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* What was done, as JSON. All names are ours and need no escaping. */
#include <linux/seq_file.h>

#include "lima_locks.h"

static void show_span(struct seq_file *file, const char *name, const struct lima_span *span)
{
	seq_printf(file, ",\"%s\":{\"count\":%llu,\"sum_ns\":%llu,\"min_ns\":%llu,\"max_ns\":%llu}", name, span->count,
		   span->sum_ns, span->min_ns, span->max_ns);
}

static void show_lock(struct seq_file *file, const struct lima_lock *lock)
{
	seq_printf(file, "\"lock\":\"%s\"", lock->name);
	if (lock->address)
		seq_printf(file, ",\"address\":\"0x%lx\"", (unsigned long)lock->address);
	seq_printf(file, ",\"type\":\"%s\",\"object\":\"%s\"", lima_type_name(lock->type), lock->object);
}

static void show_row(struct seq_file *file, const struct lima_row *row)
{
	seq_putc(file, '{');
	show_lock(file, row->lock);
	seq_printf(file, ",\"by\":\"%s\",\"function\":\"%s\",\"mode\":\"%s\",\"context\":\"%s\",\"site\":\"%s\"", row->way->name,
		   row->way->function, lima_mode_name(row->way->mode), lima_context_name(row->context), row->way->site);
	seq_printf(file, ",\"release\":\"%s\",\"release_site\":\"%s\"", row->way->release, row->way->release_site);
	if (row->inits)
		seq_printf(file, ",\"inits\":%llu,\"init_site\":\"%s\"", row->inits, row->way->init_site);
	seq_printf(file, ",\"tries\":%llu,\"acquisitions\":%llu,\"failures\":%llu", row->tries, row->acquisitions,
		   row->failures);
	show_span(file, "wait", &row->wait);
	show_span(file, "failed_wait", &row->failed_wait);
	show_span(file, "hold", &row->hold);
	if (row->way->downgrade) {
		seq_printf(file, ",\"downgrade_site\":\"%s\"", row->way->downgrade_site);
		show_span(file, "read_hold", &row->read_hold);
	}
	seq_putc(file, '}');
}

static void show_rounds(struct seq_file *file, const struct lima_worker *worker)
{
	const struct lima_round *round = worker->rounds;
	unsigned int i;

	seq_puts(file, ",\"rounds\":[");
	for (i = 0; i < worker->round_count; i++, round++)
		seq_printf(file, "%s{\"began_ns\":%llu,\"taken_ns\":%llu,\"dropped_ns\":%llu}", i ? "," : "",
			   round->began_ns, round->taken_ns, round->dropped_ns);
	seq_putc(file, ']');
}

static void show_objects(struct seq_file *file, const struct lima_worker *worker)
{
	unsigned int i;

	seq_puts(file, ",\"objects\":[");
	for (i = 0; i < worker->object_count; i++)
		seq_printf(file, "%s\"0x%llx\"", i ? "," : "", worker->objects[i]);
	seq_putc(file, ']');
}

static void show_worker(struct seq_file *file, const struct lima_worker *worker)
{
	unsigned int i;

	seq_printf(file, "{\"tid\":%d,\"role\":\"%s\",\"cpu\":%d,\"takes\":[", worker->tid, worker->role, worker->cpu);
	for (i = 0; i < worker->row_count; i++) {
		if (i)
			seq_puts(file, ",\n");
		show_row(file, &worker->rows[i]);
	}
	seq_putc(file, ']');
	if (worker->round_count)
		show_rounds(file, worker);
	if (worker->object_count)
		show_objects(file, worker);
	seq_putc(file, '}');
}

void lima_result_crew(struct seq_file *file, const struct lima_crew *crew)
{
	unsigned int i;

	seq_printf(file, ",\"began_ns\":%llu,\"ended_ns\":%llu,\"complete\":%s,\"threads\":[\n", crew->began_ns,
		   crew->ended_ns, crew->stopped ? "false" : "true");
	for (i = 0; i < crew->count; i++) {
		if (i)
			seq_puts(file, ",\n");
		show_worker(file, &crew->workers[i]);
	}
	seq_puts(file, "]");
}

static void show_ways(struct seq_file *file, const struct lima_lock *lock)
{
	const struct lima_way *way;
	bool first = true;
	unsigned int i;

	for (i = 0; (way = lima_way_at(i)); i++) {
		if (!lima_way_fits(way, lock))
			continue;
		seq_printf(file, "%s{\"by\":\"%s\",\"mode\":\"%s\",\"site\":\"%s\",\"release\":\"%s\",\"release_site\":\"%s\"}",
			   first ? "" : ",", way->name, lima_mode_name(way->mode), way->site, way->release,
			   way->release_site);
		first = false;
	}
}

void lima_result_list(struct seq_file *file)
{
	const struct lima_lock *lock;

	seq_puts(file, ",\"locks\":[");
	for (lock = lima_lock_next(NULL); lock; lock = lima_lock_next(lock)) {
		seq_puts(file, lock == lima_lock_next(NULL) ? "\n{" : ",\n{");
		show_lock(file, lock);
		seq_printf(file, ",\"level\":\"%s\"", lima_level_name(lock->level));
		if (lock->cache)
			seq_printf(file, ",\"cache\":\"%s\"", lock->cache);
		seq_puts(file, ",\"ways\":[");
		show_ways(file, lock);
		seq_puts(file, "]}");
	}
	seq_puts(file, "]");
}
