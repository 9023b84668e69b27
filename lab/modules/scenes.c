// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Scenes with a holder: others fail at its lock, wait for it, or let it go. */
#include <linux/sched/signal.h>

#include "lima_locks.h"

static void note_round(struct lima_worker *worker, u64 began_ns, u64 taken_ns, u64 dropped_ns)
{
	if (worker->round_count < LIMA_MAX_ROUNDS)
		worker->rounds[worker->round_count++] = (struct lima_round){ began_ns, taken_ns, dropped_ns };
}

static void note_row(struct lima_worker *worker, const struct lima_row *row)
{
	note_round(worker, row->began_ns, row->taken_ns, row->dropped_ns);
}

/* --- fail: the holder keeps the lock until all others have failed ---------- */

void lima_play_fail_holder(struct lima_worker *worker)
{
	struct lima_crew *crew = worker->crew;
	struct lima_row *row = &worker->rows[0];
	struct lima_grip grip = {};
	bool spins = !(row->way->flags & LIMA_SLEEPS);

	if (spins)
		crew->deadline_ns = lima_now() + LIMA_SPINNER_DEADLINE_NS;
	/* With trylocks it may fail, but there is nobody else. */
	if (!lima_row_take(row, &grip)) {
		complete_all(&crew->held);
		if (!spins)
			wait_for_completion(&crew->over);
		while (atomic_read(&crew->failing) && !lima_late(crew))
			cpu_relax();
		lima_row_drop(row, &grip);
		note_row(worker, row);
	} else {
		complete_all(&crew->held);
	}
	wait_for_completion(&crew->over);
}

static int signal_of(const struct lima_way *way)
{
	if (way->flags & LIMA_INTERRUPTIBLE)
		return SIGINT;
	return way->flags & LIMA_KILLABLE ? SIGKILL : 0;
}

static enum hrtimer_restart ring(struct hrtimer *alarm)
{
	struct lima_worker *worker = container_of(alarm, struct lima_worker, alarm);

	send_sig(signal_of(worker->rows[0].way), worker->task, 1);
	return HRTIMER_NORESTART;
}

/* The signal is there before the wait begins, or comes while it lasts. */
static void turn_with_signal(struct lima_worker *worker, int signal)
{
	unsigned int us = worker->crew->plan.signal_after_us;

	if (us)
		hrtimer_start(&worker->alarm, ns_to_ktime((u64)us * NSEC_PER_USEC), HRTIMER_MODE_REL);
	else
		send_sig(signal, current, 1);
	lima_turn(worker);
	hrtimer_cancel(&worker->alarm);
	flush_signals(current);
}

void lima_play_fail(struct lima_worker *worker)
{
	struct lima_crew *crew = worker->crew;
	int signal = signal_of(worker->rows[0].way);
	unsigned int i;

	hrtimer_init(&worker->alarm, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	worker->alarm.function = ring;
	if (signal)
		allow_signal(signal);
	wait_for_completion(&crew->held);
	for (i = 0; i < crew->plan.count && !lima_late(crew); i++) {
		if (signal)
			turn_with_signal(worker, signal);
		else
			lima_turn(worker);
		cond_resched();
	}
	if (atomic_dec_and_test(&crew->failing))
		complete_all(&crew->over);
}

/* --- block: others come while the holder has the lock ---------------------- */

/* All decide at the same place whether there is another round. */
static bool next_round(struct lima_worker *worker, unsigned int round)
{
	struct lima_crew *crew = worker->crew;

	if (!worker->number) {
		crew->ending = round == crew->plan.count || lima_late(crew);
		reinit_completion(&crew->held);
	}
	lima_meet(crew);
	return !crew->ending;
}

void lima_play_block_holder(struct lima_worker *worker)
{
	struct lima_crew *crew = worker->crew;
	struct lima_row *row = &worker->rows[0];
	struct lima_grip grip = {};
	unsigned int round;

	for (round = 0; next_round(worker, round); round++) {
		if (!lima_row_take(row, &grip)) {
			complete_all(&crew->held);
			lima_row_hold(row, crew->plan.hold, crew->plan.hold_us);
			lima_row_drop(row, &grip);
			note_row(worker, row);
		} else {
			complete_all(&crew->held);
		}
		lima_meet(crew);
	}
}

void lima_play_block(struct lima_worker *worker)
{
	struct lima_crew *crew = worker->crew;
	struct lima_row *row = &worker->rows[0];
	struct lima_grip grip = { .timeout_us = crew->plan.timeout_us };
	unsigned int round;

	for (round = 0; next_round(worker, round); round++) {
		wait_for_completion(&crew->held);
		if (crew->plan.delay_us)
			lima_sleep_us(crew->plan.delay_us);
		if (!lima_row_take(row, &grip)) {
			lima_row_hold(row, crew->plan.hold, crew->plan.then_hold_us);
			lima_row_drop(row, &grip);
			note_row(worker, row);
		} else {
			note_round(worker, row->began_ns, 0, 0);
		}
		lima_meet(crew);
	}
}

/* --- handover: one takes the lock, another lets it go ---------------------- */

void lima_play_handover_taker(struct lima_worker *worker)
{
	struct lima_crew *crew = worker->crew;
	struct lima_row *row = &worker->rows[0];
	unsigned int round;

	for (round = 0; next_round(worker, round); round++) {
		crew->grip = (struct lima_grip){ .timeout_us = crew->plan.timeout_us };
		crew->ending = lima_row_take(row, &crew->grip);
		lima_meet(crew);
		if (crew->ending)
			return;
		lima_meet(crew);
		note_row(worker, row);
	}
}

/* What it lets go is written down where it was taken. */
void lima_play_handover_releaser(struct lima_worker *worker)
{
	struct lima_crew *crew = worker->crew;
	struct lima_row *row = &crew->workers[0].rows[0];
	unsigned int round;

	for (round = 0; next_round(worker, round); round++) {
		lima_meet(crew);
		if (crew->ending)
			return;
		lima_row_hold(row, crew->plan.hold, crew->plan.hold_us);
		lima_row_drop(row, &crew->grip);
		lima_meet(crew);
	}
}
