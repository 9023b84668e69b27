// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Taking a lock and letting it go, in every context, with the time it took. */
#include "lima_locks.h"

/* An instruction that does nothing, for who counts instructions (lab/counter.c). */
#ifdef CONFIG_X86_64
#define LIMA_MARK(letter) asm volatile(".byte 0x66, 0x0f, 0x1f, 0x84, 0x00, 'L', 'I', 'M', %c0" : : "i"(letter))
#else
#define LIMA_MARK(letter) barrier()
#endif

int lima_row_take(struct lima_row *row, struct lima_grip *grip)
{
	u64 waited;
	int error;

	row->tries++;
	row->began_ns = lima_now();
	error = row->way->take(row->lock->subject, grip);
	row->taken_ns = lima_now();
	waited = row->taken_ns - row->began_ns;
	if (error) {
		row->failures++;
		lima_span_add(&row->failed_wait, waited);
	} else {
		row->acquisitions++;
		lima_span_add(&row->wait, waited);
	}
	return error;
}

/* The writer's hold ends, and the reader's begins. */
static void downgrade(struct lima_row *row, struct lima_grip *grip)
{
	lima_span_add(&row->hold, lima_now() - row->taken_ns);
	row->way->downgrade(row->lock->subject, grip);
	row->taken_ns = lima_now();
	grip->downgraded = true;
}

void lima_row_drop(struct lima_row *row, struct lima_grip *grip)
{
	/* What lets go is for a reader. */
	if (row->way->downgrade && !grip->downgraded)
		downgrade(row, grip);
	row->dropped_ns = lima_now();
	row->way->drop(row->lock->subject, grip);
	lima_span_add(row->way->downgrade ? &row->read_hold : &row->hold, row->dropped_ns - row->taken_ns);
	grip->downgraded = false;
}

void lima_row_hold(const struct lima_row *row, enum lima_hold hold, unsigned int us)
{
	bool can_sleep = row->way->flags & LIMA_SLEEPS && row->context == LIMA_TASK;

	if (!us)
		return;
	if (can_sleep && hold != LIMA_HOLD_BUSY)
		lima_sleep_us(us);
	else
		lima_spin_us(us);
}

static void inner_turn(struct lima_worker *worker)
{
	struct lima_row *row = &worker->rows[1];
	struct lima_grip grip = {};

	if (lima_row_take(row, &grip))
		return;
	/* What it is inside of may forbid sleeping. */
	lima_row_hold(row, LIMA_HOLD_BUSY, worker->crew->plan.inner_hold_us);
	lima_row_drop(row, &grip);
}

/* Lets a turn be taken in an interrupt on this CPU. It may not be over when this returns: see `turned`. */
static void interrupt(struct lima_worker *worker, enum lima_context context, void (*turn)(struct lima_worker *worker))
{
	worker->turn = turn;
	reinit_completion(&worker->turned);
	if (context == LIMA_HARDIRQ) {
		irq_work_queue(&worker->irq_work);
		return;
	}
	local_bh_disable();
	tasklet_schedule(&worker->tasklet);
	local_bh_enable();
}

static void irq_work_turn(struct irq_work *work)
{
	struct lima_worker *worker = container_of(work, struct lima_worker, irq_work);

	worker->turn(worker);
	complete(&worker->turned);
}

static void tasklet_turn(struct tasklet_struct *tasklet)
{
	struct lima_worker *worker = container_of(tasklet, struct lima_worker, tasklet);

	worker->turn(worker);
	complete(&worker->turned);
}

static void outer_turn(struct lima_worker *worker)
{
	const struct lima_plan *plan = &worker->crew->plan;
	struct lima_row *row = &worker->rows[0];
	bool has_inner = worker->row_count > 1;
	bool interrupted = has_inner && worker->rows[1].context != row->context;
	struct lima_grip grip = { .timeout_us = plan->timeout_us };

	if (lima_row_take(row, &grip))
		return;
	if (interrupted)
		interrupt(worker, worker->rows[1].context, inner_turn);
	else if (has_inner)
		inner_turn(worker);
	lima_row_hold(row, plan->hold, plan->hold_us);
	if (row->way->downgrade) {
		downgrade(row, &grip);
		lima_row_hold(row, plan->hold, plan->hold_us);
	}
	lima_row_drop(row, &grip);
	if (interrupted)
		wait_for_completion(&worker->turned);
}

void lima_turn(struct lima_worker *worker)
{
	unsigned long flags;

	switch (worker->rows[0].context) {
	case LIMA_TASK:
		outer_turn(worker);
		break;
	case LIMA_IRQS_OFF:
		local_irq_save(flags);
		outer_turn(worker);
		local_irq_restore(flags);
		break;
	case LIMA_BH_OFF_CONTEXT:
		local_bh_disable();
		outer_turn(worker);
		local_bh_enable();
		break;
	case LIMA_SOFTIRQ:
	case LIMA_HARDIRQ:
		interrupt(worker, worker->rows[0].context, outer_turn);
		wait_for_completion(&worker->turned);
		break;
	}
}

void lima_play_take(struct lima_worker *worker)
{
	const struct lima_plan *plan = &worker->crew->plan;
	unsigned int i;

	if (plan->as_caller)
		LIMA_MARK('B');
	for (i = 0; i < plan->count && !lima_late(worker->crew); i++) {
		lima_turn(worker);
		if (plan->gap_us)
			lima_sleep_us(plan->gap_us);
		cond_resched();
	}
	if (plan->as_caller)
		LIMA_MARK('E');
}

void lima_turns_prepare(struct lima_worker *worker)
{
	worker->irq_work = IRQ_WORK_INIT_HARD(irq_work_turn);
	tasklet_setup(&worker->tasklet, tasklet_turn);
	init_completion(&worker->turned);
}

/* An interrupt says that its turn is over a little before it is. */
void lima_turns_end(struct lima_worker *worker)
{
	irq_work_sync(&worker->irq_work);
	tasklet_kill(&worker->tasklet);
}
