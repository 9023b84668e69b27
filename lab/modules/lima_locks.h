/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * A kernel module with objects and locks of known truth. What each file is for:
 *
 *   boxes.c     objects with one lock of every type
 *   sites_*.c   their call sites: one function for each lock function
 *   shapes.c    locks that are reached in other ways, and their call sites
 *   locks.c     the table of all locks
 *   ways.c      the ways to take a lock: which site takes it, which lets it go
 *   plan.c      what is to be done, and whether that is safe
 *   crew.c      the threads that do it, and their end
 *   turns.c     taking and letting go, in every context, with the time taken
 *   scenes.c    holders that others wait for or fail at, and that let others let go
 *   churn.c     objects that come and go
 *   clock.c     time: reading it, letting it pass
 *   result.c    what was done, as JSON
 *   command.c   from text to plan to result
 *   classes.c   lockdep's names for locks at given addresses
 *   main.c      the files in debugfs
 */
#ifndef LIMA_LOCKS_H
#define LIMA_LOCKS_H

#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/local_lock.h>
#include <linux/mutex.h>
#include <linux/percpu-rwsem.h>
#include <linux/rtmutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/semaphore.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/ww_mutex.h>

struct dentry;
struct seq_file;

/* --- objects -------------------------------------------------------------- */

#define LIMA_ARRAY_LOCKS 8
#define LIMA_MAX_CPUS 64
#define LIMA_SPIN_BIT 3
#define LIMA_SLEEP_BIT 5

/* One lock of every type. */
struct lima_box {
	u64 number;
	struct mutex mutex;
	struct ww_mutex ww_mutex;
	struct rw_semaphore rwsem;
	struct semaphore semaphore;
	struct rt_mutex rt_mutex;
	struct percpu_rw_semaphore percpu_rwsem;
	spinlock_t spinlock;
	raw_spinlock_t raw_spinlock;
	rwlock_t rwlock;
	seqlock_t seqlock;
	unsigned long spin_bits;
	unsigned long sleep_bits;
};

/*
 * From which context the locks of an object may be taken. Where the context
 * can be interrupted by one that takes the same lock, it has to be kept out.
 */
enum lima_level {
	LIMA_LEVEL_TASK,
	LIMA_LEVEL_SOFTIRQ,
	LIMA_LEVEL_HARDIRQ,
};

enum lima_type {
	LIMA_MUTEX,
	LIMA_WW_MUTEX,
	LIMA_RWSEM,
	LIMA_SEMAPHORE,
	LIMA_RT_MUTEX,
	LIMA_PERCPU_RWSEM,
	LIMA_BIT_LOCK,		/* the last one that sleeps */
	LIMA_SPINLOCK,
	LIMA_RAW_SPINLOCK,
	LIMA_RWLOCK,
	LIMA_SEQLOCK,
	LIMA_BIT_SPINLOCK,
	LIMA_LOCAL_LOCK,
};

/* A lock that commands can name. */
struct lima_lock {
	struct list_head node;
	char name[32];		/* "box.mutex" */
	const char *object;	/* what it protects: "lima_box.mutex" */
	const char *cache;	/* the slab cache of the object, if it is from one */
	enum lima_type type;
	enum lima_level level;
	unsigned int order;	/* the order in which locks nest */
	void *subject;		/* what its sites are handed */
	void *address;		/* of the lock itself */
	const char *shape;	/* by which sites it is reached: "box", "global" ... */
};

extern struct ww_class lima_ww_class;

/* boxes.c and shapes.c: make the objects, and tell the table about their locks. */
int lima_boxes_make(void);
void lima_boxes_free(void);
int lima_shapes_make(void);
void lima_shapes_free(void);
/* A box with locks of classes of their own, which is reached by other ways than the boxes. */
struct lima_box *lima_linked_box_new(void);
void lima_box_free(struct lima_box *box);

__printf(2, 3) int lima_lock_add(const struct lima_lock *like, const char *name, ...);
void lima_locks_forget(void);
/* The lock of this name; in a name with [*] it is the one for this turn, or this CPU. NULL: there is none. */
const struct lima_lock *lima_lock_find(const char *name, unsigned int turn, int cpu);
const struct lima_lock *lima_lock_next(const struct lima_lock *lock);
const char *lima_type_name(enum lima_type type);
const char *lima_level_name(enum lima_level level);

/* --- ways to take a lock -------------------------------------------------- */

/* What has to be kept from taking a lock until it is let go. */
struct lima_grip {
	unsigned long flags;
	unsigned int timeout_us;
	bool downgraded;
	struct ww_acquire_ctx ww;
};

enum lima_mode {
	LIMA_EXCLUSIVE,
	LIMA_READ,
	LIMA_WRITE,
};

#define LIMA_TRY (1U << 0)		/* does not wait */
#define LIMA_SLEEPS (1U << 1)		/* may sleep, and its holder too */
#define LIMA_IRQ_OFF (1U << 2)		/* interrupts are off while it is held */
#define LIMA_IRQ_ON_AFTER (1U << 3)	/* and are on afterwards, whatever they were */
#define LIMA_BH_OFF (1U << 4)		/* softirqs are off while it is held */
#define LIMA_INTERRUPTIBLE (1U << 5)	/* a signal ends the wait */
#define LIMA_KILLABLE (1U << 6)		/* a fatal signal ends the wait */
#define LIMA_TIMED (1U << 7)		/* time ends the wait */
#define LIMA_OTHER_RELEASES (1U << 8)	/* another task may let it go */
#define LIMA_DOWNGRADES (1U << 9)	/* a writer becomes a reader */
#define LIMA_ANYWHERE (1U << 10)	/* may be called from interrupts though its kin sleep */

/* One lock function, called at one site. */
struct lima_way {
	const char *name;	/* "mutex_lock_interruptible" */
	const char *function;	/* the lock function; most ways are named after it */
	const char *shape;
	enum lima_type type;
	enum lima_mode mode;
	unsigned int flags;
	const char *site;	/* the function that calls it */
	const char *release;	/* the lock function that lets it go */
	const char *release_site;
	int (*take)(void *subject, struct lima_grip *grip);	/* 0: taken */
	void (*drop)(void *subject, struct lima_grip *grip);
	/* LIMA_DOWNGRADES: */
	const char *downgrade_site;
	void (*downgrade)(void *subject, struct lima_grip *grip);
	/* of churned objects: */
	const char *init_site;
	int (*init)(void *subject, struct lima_grip *grip);
};

/* A family of ways, one for each kind of lock. */
struct lima_family {
	const struct lima_way *ways;
	unsigned int count;
};

extern const struct lima_family lima_bits_family;
extern const struct lima_family lima_mutex_family;
extern const struct lima_family lima_percpu_rwsem_family;
extern const struct lima_family lima_raw_spinlock_family;
extern const struct lima_family lima_rtmutex_family;
extern const struct lima_family lima_rwlock_family;
extern const struct lima_family lima_rwsem_family;
extern const struct lima_family lima_semaphore_family;
extern const struct lima_family lima_seqlock_family;
extern const struct lima_family lima_shapes_family;
extern const struct lima_family lima_spinlock_family;
extern const struct lima_family lima_ww_mutex_family;

const struct lima_way *lima_way_find(const struct lima_lock *lock, const char *name);
/* All ways, one after the other. */
const struct lima_way *lima_way_at(unsigned int number);
bool lima_way_fits(const struct lima_way *way, const struct lima_lock *lock);
const char *lima_mode_name(enum lima_mode mode);

/* --- plans ---------------------------------------------------------------- */

enum lima_context {
	LIMA_TASK,
	LIMA_IRQS_OFF,
	LIMA_BH_OFF_CONTEXT,
	LIMA_SOFTIRQ,
	LIMA_HARDIRQ,
};

enum lima_hold {
	LIMA_HOLD_BEST,		/* sleeping where the lock permits it */
	LIMA_HOLD_BUSY,
	LIMA_HOLD_SLEEP,
};

enum lima_verb {
	LIMA_TAKE,
	LIMA_FAIL,
	LIMA_BLOCK,
	LIMA_HANDOVER,
	LIMA_CHURN,
	LIMA_LIST,
};

#define LIMA_MAX_THREADS 64
#define LIMA_MAX_COUNT 1000000
#define LIMA_MAX_TAKES 1000
#define LIMA_MAX_HOLD_US 1000000
#define LIMA_MAX_BUSY_US 20000		/* where nothing else can run on the CPU */
#define LIMA_MAX_PLANNED_US (20 * USEC_PER_SEC)
#define LIMA_DEADLINE_NS (30 * NSEC_PER_SEC)
#define LIMA_SPINNER_DEADLINE_NS NSEC_PER_SEC	/* for a holder that spins until all others are done */
#define LIMA_MAX_ROUNDS 64		/* that are told one by one */
#define LIMA_MAX_ROWS 3

struct lima_plan {
	enum lima_verb verb;
	char lock_name[32];
	char way_name[40];
	char inner_lock_name[32];
	char inner_way_name[40];
	char holder_way_name[40];
	unsigned int threads;
	unsigned int count;
	unsigned int hold_us;
	unsigned int inner_hold_us;
	unsigned int then_hold_us;
	unsigned int gap_us;
	unsigned int delay_us;
	unsigned int timeout_us;
	unsigned int signal_after_us;
	unsigned int takes;
	enum lima_hold hold;
	enum lima_context context;
	enum lima_context inner_context;
	bool as_caller;
	bool bound;
};

/* Fills a plan from text; an error is told in `why`. */
int lima_plan_parse(struct lima_plan *plan, char *text, char *why, size_t size);
/* 0: it can be done safely. Puts in what is taken as read. */
int lima_plan_check(struct lima_plan *plan, char *why, size_t size);
const char *lima_context_name(enum lima_context context);

/* --- what was done -------------------------------------------------------- */

struct lima_span {
	u64 count;
	u64 sum_ns;
	u64 min_ns;
	u64 max_ns;
};

static inline void lima_span_add(struct lima_span *span, u64 ns)
{
	if (!span->count || ns < span->min_ns)
		span->min_ns = ns;
	if (ns > span->max_ns)
		span->max_ns = ns;
	span->count++;
	span->sum_ns += ns;
}

/* What one thread did with one lock, or one kind of lock, in one way. */
struct lima_row {
	const struct lima_lock *lock;
	const struct lima_way *way;
	enum lima_context context;
	u64 inits;			/* of churned objects only */
	u64 tries;
	u64 acquisitions;
	u64 failures;
	struct lima_span wait;		/* of acquisitions: from the call until it returned */
	struct lima_span failed_wait;	/* the same of failures */
	struct lima_span hold;		/* from the return of the call until the call that lets it go */
	struct lima_span read_hold;	/* after a downgrade */
	u64 began_ns;			/* of the newest one */
	u64 taken_ns;
	u64 dropped_ns;
};

/* One turn as one thread saw it. */
struct lima_round {
	u64 began_ns;
	u64 taken_ns;
	u64 dropped_ns;
};

/* A place where all parties wait for each other. */
struct lima_meeting {
	wait_queue_head_t queue;
	unsigned int parties;
	unsigned int here;
	unsigned int number;
};

/* --- who does it ---------------------------------------------------------- */

struct lima_worker;

/* The threads of one command. */
struct lima_crew {
	struct lima_plan plan;
	struct lima_worker *workers;
	unsigned int count;
	struct lima_meeting meeting;
	struct completion held;	/* the holder has the lock */
	struct completion over;	/* the last one who was to fail has ended */
	atomic_t failing;	/* who have not ended yet */
	struct lima_grip grip;	/* of a lock that one takes and another lets go */
	bool ending;		/* there is no further round: written by the holder alone */
	u64 began_ns;
	u64 ended_ns;
	u64 deadline_ns;
	bool stopped;		/* the deadline came before the end */
};

struct lima_worker {
	struct lima_crew *crew;
	const char *role;
	void (*play)(struct lima_worker *worker);
	struct task_struct *task;
	struct completion done;
	pid_t tid;
	int cpu;		/* -1: any */
	unsigned int number;
	struct lima_row rows[LIMA_MAX_ROWS];	/* the first is the outer lock, the second the inner one */
	unsigned int row_count;
	struct lima_round rounds[LIMA_MAX_ROUNDS];
	unsigned int round_count;
	u64 objects[LIMA_MAX_ROUNDS];	/* addresses of churned objects */
	unsigned int object_count;
	struct hrtimer alarm;
	/* for turns in interrupts */
	struct irq_work irq_work;
	struct tasklet_struct tasklet;
	struct completion turned;
	void (*turn)(struct lima_worker *worker);
};

struct lima_crew *lima_crew_new(const struct lima_plan *plan);
/* Lets all threads work, and returns when all of them have ended. */
int lima_crew_work(struct lima_crew *crew);
void lima_crew_free(struct lima_crew *crew);
void lima_meet(struct lima_crew *crew);
bool lima_late(struct lima_crew *crew);

/* Takes a lock and writes down how that went; 0: taken. */
int lima_row_take(struct lima_row *row, struct lima_grip *grip);
void lima_row_drop(struct lima_row *row, struct lima_grip *grip);
void lima_row_hold(const struct lima_row *row, enum lima_hold hold, unsigned int us);
/* A turn with the worker's locks in the context that the plan wants. */
void lima_turn(struct lima_worker *worker);
void lima_turns_prepare(struct lima_worker *worker);
void lima_turns_end(struct lima_worker *worker);

/* The parts that a worker may play. */
void lima_play_take(struct lima_worker *worker);
void lima_play_fail_holder(struct lima_worker *worker);
void lima_play_fail(struct lima_worker *worker);
void lima_play_block_holder(struct lima_worker *worker);
void lima_play_block(struct lima_worker *worker);
void lima_play_handover_taker(struct lima_worker *worker);
void lima_play_handover_releaser(struct lima_worker *worker);
void lima_play_churn(struct lima_worker *worker);

int lima_churn_make(void);
void lima_churn_free(void);
void lima_churn_rows(struct lima_worker *worker);

/* --- time ----------------------------------------------------------------- */

u64 lima_now(void);
void lima_spin_us(unsigned int us);
void lima_sleep_us(unsigned int us);

/* --- commands ------------------------------------------------------------- */

int lima_classes_make(struct dentry *folder);
void lima_classes_free(void);

int lima_command_run(char *text);
int lima_command_show(struct seq_file *file);
void lima_command_forget(void);

void lima_result_list(struct seq_file *file);
void lima_result_crew(struct seq_file *file, const struct lima_crew *crew);

#endif
