// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* The threads of a command. None of them outlives it. */
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "lima_locks.h"

void lima_meet(struct lima_crew *crew)
{
	struct lima_meeting *meeting = &crew->meeting;
	unsigned int number;

	spin_lock(&meeting->queue.lock);
	number = meeting->number;
	if (++meeting->here == meeting->parties) {
		meeting->here = 0;
		WRITE_ONCE(meeting->number, number + 1);
		wake_up_all_locked(&meeting->queue);
		spin_unlock(&meeting->queue.lock);
		return;
	}
	spin_unlock(&meeting->queue.lock);
	wait_event(meeting->queue, READ_ONCE(meeting->number) != number);
}

bool lima_late(struct lima_crew *crew)
{
	if (lima_now() < crew->deadline_ns)
		return false;
	WRITE_ONCE(crew->stopped, true);
	return true;
}

static void work(struct lima_worker *worker)
{
	worker->tid = task_pid_nr(current);
	lima_meet(worker->crew);
	worker->play(worker);
}

static int thread(void *data)
{
	struct lima_worker *worker = data;

	work(worker);
	complete(&worker->done);
	return 0;
}

/* The online CPU of this number, counted round and round. */
static int cpu_of(unsigned int number)
{
	int cpu = cpumask_first(cpu_online_mask);
	unsigned int i;

	for (i = number % num_online_cpus(); i; i--)
		cpu = cpumask_next(cpu, cpu_online_mask);
	return cpu < nr_cpu_ids ? cpu : cpumask_first(cpu_online_mask);
}

static void add_row(struct lima_worker *worker, const char *lock, const char *way, enum lima_context context)
{
	struct lima_row *row = &worker->rows[worker->row_count++];

	row->lock = lima_lock_find(lock, worker->number, worker->cpu);
	row->way = lima_way_find(row->lock, way);
	row->context = context;
}

static void cast(struct lima_worker *worker, const char *role, void (*play)(struct lima_worker *worker))
{
	worker->role = role;
	worker->play = play;
}

/* Who does what. The holder is the first worker. */
static void worker_cast(struct lima_worker *worker)
{
	const struct lima_plan *plan = &worker->crew->plan;
	bool first = !worker->number;

	switch (plan->verb) {
	case LIMA_FAIL:
		cast(worker, first ? "holder" : "failer", first ? lima_play_fail_holder : lima_play_fail);
		break;
	case LIMA_BLOCK:
		cast(worker, first ? "holder" : "waiter", first ? lima_play_block_holder : lima_play_block);
		break;
	case LIMA_HANDOVER:
		cast(worker, first ? "taker" : "releaser",
		     first ? lima_play_handover_taker : lima_play_handover_releaser);
		break;
	case LIMA_CHURN:
		cast(worker, "churner", lima_play_churn);
		lima_churn_rows(worker);
		return;
	default:
		cast(worker, "taker", lima_play_take);
	}
	if (first && (plan->verb == LIMA_FAIL || plan->verb == LIMA_BLOCK)) {
		add_row(worker, plan->lock_name, plan->holder_way_name, LIMA_TASK);
		return;
	}
	add_row(worker, plan->lock_name, plan->way_name, plan->context);
	if (plan->inner_lock_name[0])
		add_row(worker, plan->inner_lock_name, plan->inner_way_name,
			plan->inner_context == LIMA_TASK ? plan->context : plan->inner_context);
}

/* A holder may spin: it gets a CPU of its own, if there are two. */
static int worker_cpu(const struct lima_plan *plan, unsigned int number)
{
	bool holder = plan->verb == LIMA_FAIL || plan->verb == LIMA_BLOCK;

	if (!plan->bound || plan->as_caller)
		return -1;
	if (holder && number && num_online_cpus() > 1)
		return cpu_of(1 + (number - 1) % (num_online_cpus() - 1));
	return cpu_of(number);
}

static void worker_init(struct lima_worker *worker, struct lima_crew *crew, unsigned int number)
{
	worker->crew = crew;
	worker->number = number;
	worker->cpu = worker_cpu(&crew->plan, number);
	worker_cast(worker);
	init_completion(&worker->done);
	lima_turns_prepare(worker);
}

static unsigned int workers_of(const struct lima_plan *plan)
{
	switch (plan->verb) {
	case LIMA_FAIL:
	case LIMA_BLOCK:
		return plan->threads + 1;
	case LIMA_HANDOVER:
		return 2;
	default:
		return plan->threads;
	}
}

struct lima_crew *lima_crew_new(const struct lima_plan *plan)
{
	struct lima_crew *crew = kzalloc(sizeof(*crew), GFP_KERNEL);
	unsigned int i;

	if (!crew)
		return NULL;
	crew->plan = *plan;
	crew->count = workers_of(plan);
	crew->workers = kvcalloc(crew->count, sizeof(*crew->workers), GFP_KERNEL);
	if (!crew->workers) {
		kfree(crew);
		return NULL;
	}
	init_waitqueue_head(&crew->meeting.queue);
	crew->meeting.parties = crew->count;
	init_completion(&crew->held);
	init_completion(&crew->over);
	atomic_set(&crew->failing, crew->count - 1);
	for (i = 0; i < crew->count; i++)
		worker_init(&crew->workers[i], crew, i);
	return crew;
}

/* All are there before the first one starts: a crew that is short of one would wait for it. */
static int create(struct lima_crew *crew)
{
	struct lima_worker *worker;
	struct task_struct *task;
	unsigned int i;

	for (i = 0; i < crew->count; i++) {
		worker = &crew->workers[i];
		task = kthread_create(thread, worker, "lima_locks/%u", i);
		if (IS_ERR(task)) {
			while (i--)
				kthread_stop(crew->workers[i].task);
			return PTR_ERR(task);
		}
		if (worker->cpu >= 0)
			kthread_bind(task, worker->cpu);
		worker->task = task;
	}
	return 0;
}

static void join(struct lima_crew *crew)
{
	unsigned int i;

	for (i = 0; i < crew->count; i++)
		wake_up_process(get_task_struct(crew->workers[i].task));
	for (i = 0; i < crew->count; i++) {
		wait_for_completion(&crew->workers[i].done);
		/* Returns when the thread has left the code of this module. */
		kthread_stop(crew->workers[i].task);
		put_task_struct(crew->workers[i].task);
	}
}

int lima_crew_work(struct lima_crew *crew)
{
	unsigned int i;
	int error;

	crew->began_ns = lima_now();
	crew->deadline_ns = crew->began_ns + LIMA_DEADLINE_NS;
	if (crew->plan.as_caller) {
		work(&crew->workers[0]);
	} else {
		error = create(crew);
		if (error)
			return error;
		join(crew);
	}
	for (i = 0; i < crew->count; i++)
		lima_turns_end(&crew->workers[i]);
	crew->ended_ns = lima_now();
	return 0;
}

void lima_crew_free(struct lima_crew *crew)
{
	if (!crew)
		return;
	kvfree(crew->workers);
	kfree(crew);
}
