// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * Locks that are not members of a box at hand: variables, elements of an
 * array, one for each CPU, behind a pointer, around a member, a bit of a page.
 * The address is worked out in the site.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/version.h>

#include "sites.h"

/* --- variables ------------------------------------------------------------ */

DEFINE_MUTEX(lima_global_mutex);
DECLARE_RWSEM(lima_global_rwsem);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0) /* 48380368dec1: the number of permits became an argument */
DEFINE_SEMAPHORE(lima_global_semaphore, 1);
#else
DEFINE_SEMAPHORE(lima_global_semaphore);
#endif
DEFINE_RT_MUTEX(lima_global_rt_mutex);
DEFINE_STATIC_PERCPU_RWSEM(lima_global_percpu_rwsem);
DEFINE_SPINLOCK(lima_global_spinlock);
DEFINE_RAW_SPINLOCK(lima_global_raw_spinlock);
DEFINE_RWLOCK(lima_global_rwlock);
DEFINE_SEQLOCK(lima_global_seqlock);

#define NOTHING void *nothing

LIMA_TAKES(global_mutex_lock, NOTHING, mutex_lock(&lima_global_mutex))
LIMA_DROPS(global_mutex_unlock, NOTHING, mutex_unlock(&lima_global_mutex))
LIMA_TAKES(global_down_read, NOTHING, down_read(&lima_global_rwsem))
LIMA_DROPS(global_up_read, NOTHING, up_read(&lima_global_rwsem))
LIMA_TAKES(global_down_write, NOTHING, down_write(&lima_global_rwsem))
LIMA_DROPS(global_up_write, NOTHING, up_write(&lima_global_rwsem))
LIMA_TAKES(global_down, NOTHING, down(&lima_global_semaphore))
LIMA_DROPS(global_up, NOTHING, up(&lima_global_semaphore))
LIMA_TAKES(global_rt_mutex_lock, NOTHING, rt_mutex_lock(&lima_global_rt_mutex))
LIMA_DROPS(global_rt_mutex_unlock, NOTHING, rt_mutex_unlock(&lima_global_rt_mutex))
LIMA_TAKES(global_percpu_down_write, NOTHING, percpu_down_write(&lima_global_percpu_rwsem))
LIMA_DROPS(global_percpu_up_write, NOTHING, percpu_up_write(&lima_global_percpu_rwsem))
LIMA_TAKES(global_spin_lock, NOTHING, spin_lock(&lima_global_spinlock))
LIMA_DROPS(global_spin_unlock, NOTHING, spin_unlock(&lima_global_spinlock))
LIMA_TAKES(global_raw_spin_lock, NOTHING, raw_spin_lock(&lima_global_raw_spinlock))
LIMA_DROPS(global_raw_spin_unlock, NOTHING, raw_spin_unlock(&lima_global_raw_spinlock))
LIMA_TAKES(global_read_lock, NOTHING, read_lock(&lima_global_rwlock))
LIMA_DROPS(global_read_unlock, NOTHING, read_unlock(&lima_global_rwlock))
LIMA_TAKES(global_write_lock, NOTHING, write_lock(&lima_global_rwlock))
LIMA_DROPS(global_write_unlock, NOTHING, write_unlock(&lima_global_rwlock))
LIMA_TAKES(global_write_seqlock, NOTHING, write_seqlock(&lima_global_seqlock))
LIMA_DROPS(global_write_sequnlock, NOTHING, write_sequnlock(&lima_global_seqlock))

/* --- elements of an array, and one for each CPU --------------------------- */

struct lima_cpu {
	u64 number;
	spinlock_t spinlock;
	local_lock_t local_lock;
};

spinlock_t lima_array[LIMA_ARRAY_LOCKS];
DEFINE_PER_CPU(struct lima_cpu, lima_cpus);

static unsigned int numbers[LIMA_MAX_CPUS];

#define NUMBER unsigned int *number

LIMA_TAKES(array_spin_lock, NUMBER, spin_lock(&lima_array[*number]))
LIMA_DROPS(array_spin_unlock, NUMBER, spin_unlock(&lima_array[*number]))
LIMA_TAKES(cpu_spin_lock, NUMBER, spin_lock(&per_cpu(lima_cpus, *number).spinlock))
LIMA_DROPS(cpu_spin_unlock, NUMBER, spin_unlock(&per_cpu(lima_cpus, *number).spinlock))
/* On this CPU, as it is always. Without PREEMPT_RT and lockdep it is nothing but preempt_disable. */
LIMA_TAKES(cpu_local_lock, NUMBER, local_lock(&lima_cpus.local_lock))
LIMA_DROPS(cpu_local_unlock, NUMBER, local_unlock(&lima_cpus.local_lock))

/* --- behind a pointer ----------------------------------------------------- */

struct lima_link {
	u64 number;
	struct lima_box *box;
	spinlock_t *spinlock;	/* that of the box */
};

static struct lima_link *the_link;

#define LINK struct lima_link *link

LIMA_TAKES(link_mutex_lock, LINK, mutex_lock(&link->box->mutex))
LIMA_DROPS(link_mutex_unlock, LINK, mutex_unlock(&link->box->mutex))
LIMA_TAKES(link_spin_lock, LINK, spin_lock(link->spinlock))
LIMA_DROPS(link_spin_unlock, LINK, spin_unlock(link->spinlock))

/* --- around a member ------------------------------------------------------ */

struct lima_part {
	u64 number;
};

struct lima_whole {
	u64 number;
	struct mutex mutex;
	spinlock_t spinlock;
	struct lima_part part;
};

static struct lima_whole *the_whole;

#define PART struct lima_part *part
#define WHOLE container_of(part, struct lima_whole, part)

LIMA_TAKES(part_mutex_lock, PART, mutex_lock(&WHOLE->mutex))
LIMA_DROPS(part_mutex_unlock, PART, mutex_unlock(&WHOLE->mutex))
LIMA_TAKES(part_spin_lock, PART, spin_lock(&WHOLE->spinlock))
LIMA_DROPS(part_spin_unlock, PART, spin_unlock(&WHOLE->spinlock))

/* --- a page --------------------------------------------------------------- */

static struct folio *the_folio;

#define FOLIO struct folio *folio

/* What is inlined takes a free page, __folio_lock waits. */
LIMA_TAKES(folio_lock, FOLIO, folio_lock(folio))
LIMA_ATTEMPTS(folio_lock_killable, FOLIO, folio_lock_killable(folio))
LIMA_DROPS(folio_unlock, FOLIO, folio_unlock(folio))

/* -------------------------------------------------------------------------- */

#define GLOBAL(type, mode, function, unlock, flags) LIMA_WAY("global", global_, type, mode, function, unlock, flags)

static const struct lima_way ways[] = {
	GLOBAL(LIMA_MUTEX, LIMA_EXCLUSIVE, mutex_lock, mutex_unlock, LIMA_SLEEPS),
	GLOBAL(LIMA_RWSEM, LIMA_READ, down_read, up_read, LIMA_SLEEPS),
	GLOBAL(LIMA_RWSEM, LIMA_WRITE, down_write, up_write, LIMA_SLEEPS),
	GLOBAL(LIMA_SEMAPHORE, LIMA_EXCLUSIVE, down, up, LIMA_SLEEPS | LIMA_OTHER_RELEASES),
	GLOBAL(LIMA_RT_MUTEX, LIMA_EXCLUSIVE, rt_mutex_lock, rt_mutex_unlock, LIMA_SLEEPS),
	GLOBAL(LIMA_PERCPU_RWSEM, LIMA_WRITE, percpu_down_write, percpu_up_write, LIMA_SLEEPS),
	GLOBAL(LIMA_SPINLOCK, LIMA_EXCLUSIVE, spin_lock, spin_unlock, 0),
	GLOBAL(LIMA_RAW_SPINLOCK, LIMA_EXCLUSIVE, raw_spin_lock, raw_spin_unlock, 0),
	GLOBAL(LIMA_RWLOCK, LIMA_READ, read_lock, read_unlock, 0),
	GLOBAL(LIMA_RWLOCK, LIMA_WRITE, write_lock, write_unlock, 0),
	GLOBAL(LIMA_SEQLOCK, LIMA_EXCLUSIVE, write_seqlock, write_sequnlock, 0),
	LIMA_WAY("array", array_, LIMA_SPINLOCK, LIMA_EXCLUSIVE, spin_lock, spin_unlock, 0),
	LIMA_WAY("cpu", cpu_, LIMA_SPINLOCK, LIMA_EXCLUSIVE, spin_lock, spin_unlock, 0),
	LIMA_WAY("cpu", cpu_, LIMA_LOCAL_LOCK, LIMA_EXCLUSIVE, local_lock, local_unlock, 0),
	LIMA_WAY("link", link_, LIMA_MUTEX, LIMA_EXCLUSIVE, mutex_lock, mutex_unlock, LIMA_SLEEPS),
	LIMA_WAY("link", link_, LIMA_SPINLOCK, LIMA_EXCLUSIVE, spin_lock, spin_unlock, 0),
	LIMA_WAY("part", part_, LIMA_MUTEX, LIMA_EXCLUSIVE, mutex_lock, mutex_unlock, LIMA_SLEEPS),
	LIMA_WAY("part", part_, LIMA_SPINLOCK, LIMA_EXCLUSIVE, spin_lock, spin_unlock, 0),
	LIMA_WAY("page", , LIMA_BIT_LOCK, LIMA_EXCLUSIVE, folio_lock, folio_unlock, LIMA_SLEEPS | LIMA_OTHER_RELEASES),
	LIMA_WAY("page", , LIMA_BIT_LOCK, LIMA_EXCLUSIVE, folio_lock_killable, folio_unlock,
		 LIMA_SLEEPS | LIMA_KILLABLE | LIMA_OTHER_RELEASES),
};

const struct lima_family lima_shapes_family = { ways, ARRAY_SIZE(ways) };

static struct lima_lock lock_of(const char *shape, enum lima_type type, const char *object, void *subject, void *address)
{
	return (struct lima_lock){
		.object = object,
		.type = type,
		.level = LIMA_LEVEL_TASK,
		.subject = subject,
		.address = address,
		.shape = shape,
	};
}

static int add_globals(void)
{
	static const struct {
		const char *name;
		const char *object;
		enum lima_type type;
		void *address;
	} globals[] = {
		{ "mutex", "lima_global_mutex", LIMA_MUTEX, &lima_global_mutex },
		{ "rwsem", "lima_global_rwsem", LIMA_RWSEM, &lima_global_rwsem },
		{ "semaphore", "lima_global_semaphore", LIMA_SEMAPHORE, &lima_global_semaphore },
		{ "rt_mutex", "lima_global_rt_mutex", LIMA_RT_MUTEX, &lima_global_rt_mutex },
		{ "percpu_rwsem", "lima_global_percpu_rwsem", LIMA_PERCPU_RWSEM, &lima_global_percpu_rwsem },
		{ "spinlock", "lima_global_spinlock", LIMA_SPINLOCK, &lima_global_spinlock },
		{ "raw_spinlock", "lima_global_raw_spinlock", LIMA_RAW_SPINLOCK, &lima_global_raw_spinlock },
		{ "rwlock", "lima_global_rwlock", LIMA_RWLOCK, &lima_global_rwlock },
		{ "seqlock", "lima_global_seqlock", LIMA_SEQLOCK, &lima_global_seqlock.lock },
	};
	struct lima_lock lock;
	int error = 0;
	int i;

	for (i = 0; !error && i < ARRAY_SIZE(globals); i++) {
		lock = lock_of("global", globals[i].type, globals[i].object, NULL, globals[i].address);
		error = lima_lock_add(&lock, "global.%s", globals[i].name);
	}
	return error;
}

static int add_array(void)
{
	struct lima_lock lock;
	int error = 0;
	unsigned int i;

	for (i = 0; !error && i < LIMA_ARRAY_LOCKS; i++) {
		spin_lock_init(&lima_array[i]);
		lock = lock_of("array", LIMA_SPINLOCK, "lima_array", &numbers[i], &lima_array[i]);
		error = lima_lock_add(&lock, "array[%u]", i);
	}
	return error;
}

static int add_cpus(void)
{
	struct lima_lock lock;
	struct lima_cpu *this;
	int error = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		if (cpu >= LIMA_MAX_CPUS || error)
			break;
		this = per_cpu_ptr(&lima_cpus, cpu);
		spin_lock_init(&this->spinlock);
		local_lock_init(&this->local_lock);
		lock = lock_of("cpu", LIMA_SPINLOCK, "lima_cpus.spinlock", &numbers[cpu], &this->spinlock);
		error = lima_lock_add(&lock, "cpu[%d].spinlock", cpu);
		if (error)
			break;
		lock = lock_of("cpu", LIMA_LOCAL_LOCK, "lima_cpus.local_lock", &numbers[cpu], &this->local_lock);
		error = lima_lock_add(&lock, "cpu[%d].local_lock", cpu);
	}
	return error;
}

static int add_link(void)
{
	struct lima_lock lock;
	int error;

	the_link = kzalloc(sizeof(*the_link), GFP_KERNEL);
	if (!the_link)
		return -ENOMEM;
	the_link->box = lima_linked_box_new();
	if (!the_link->box)
		return -ENOMEM;
	the_link->spinlock = &the_link->box->spinlock;
	lock = lock_of("link", LIMA_MUTEX, "lima_box.mutex", the_link, &the_link->box->mutex);
	lock.cache = "lima_box";
	error = lima_lock_add(&lock, "link.mutex");
	if (error)
		return error;
	lock = lock_of("link", LIMA_SPINLOCK, "lima_box.spinlock", the_link, the_link->spinlock);
	lock.cache = "lima_box";
	return lima_lock_add(&lock, "link.spinlock");
}

static int add_whole(void)
{
	struct lima_lock lock;
	int error;

	the_whole = kzalloc(sizeof(*the_whole), GFP_KERNEL);
	if (!the_whole)
		return -ENOMEM;
	mutex_init(&the_whole->mutex);
	spin_lock_init(&the_whole->spinlock);
	lock = lock_of("part", LIMA_MUTEX, "lima_whole.mutex", &the_whole->part, &the_whole->mutex);
	error = lima_lock_add(&lock, "part.mutex");
	if (error)
		return error;
	lock = lock_of("part", LIMA_SPINLOCK, "lima_whole.spinlock", &the_whole->part, &the_whole->spinlock);
	return lima_lock_add(&lock, "part.spinlock");
}

static int add_page(void)
{
	struct lima_lock lock;

	the_folio = folio_alloc(GFP_KERNEL, 0);
	if (!the_folio)
		return -ENOMEM;
	lock = lock_of("page", LIMA_BIT_LOCK, "folio.flags.PG_locked", the_folio, the_folio);
	return lima_lock_add(&lock, "page");
}

int lima_shapes_make(void)
{
	unsigned int i;

	for (i = 0; i < LIMA_MAX_CPUS; i++)
		numbers[i] = i;
	return add_globals() ?: add_array() ?: add_cpus() ?: add_link() ?: add_whole() ?: add_page();
}

void lima_shapes_free(void)
{
	if (the_link)
		lima_box_free(the_link->box);
	kfree(the_link);
	kfree(the_whole);
	if (the_folio)
		folio_put(the_folio);
}
