// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * The names of lockdep's classes by the addresses of locks. To `classes` lines
 * `TYPE ADDRESS` are written; it tells `ADDRESS NAME` for each whose memory still
 * looks like a lock of a class. Locks come and go: the memory may be another's by now.
 */
#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "lima_locks.h"

#ifdef CONFIG_LOCKDEP

#define ROOM (2 << 20)
#define MOST_AT_A_TIME (64 << 10)

static DEFINE_MUTEX(classes_mutex);
static char *answers;
static size_t answered;

static const struct {
	const char *type;
	size_t offset;
} places[] = {
	{ "mutex", offsetof(struct mutex, dep_map) },
	{ "rwsem", offsetof(struct rw_semaphore, dep_map) },
	{ "spinlock", offsetof(raw_spinlock_t, dep_map) },
	{ "rwlock", offsetof(rwlock_t, dep_map) },
	{ "rtmutex", offsetof(struct rt_mutex, dep_map) },
	{ "percpu_rwsem", offsetof(struct percpu_rw_semaphore, dep_map) },
};

/* Reading what cannot be an address at all is a fault that the kernel tells of. */
static bool is_kernel(const void *address)
{
	return (unsigned long)address >= PAGE_OFFSET;
}

static void answer(char *line)
{
	char *type = strsep(&line, " ");
	struct lockdep_map map;
	unsigned long address;
	char name[64];
	size_t i, length;

	if (!line || kstrtoul(line, 0, &address))
		return;
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		if (strcmp(places[i].type, type))
			continue;
		if (!is_kernel((void *)address) ||
		    copy_from_kernel_nofault(&map, (void *)(address + places[i].offset), sizeof(map)) || !map.key ||
		    !is_kernel(map.name) || copy_from_kernel_nofault(name, map.name, sizeof(name)))
			return;
		length = strnlen(name, sizeof(name));
		for (i = 0; i < length; i++)
			if (!isascii(name[i]) || !isprint(name[i]))
				return;
		answered += scnprintf(answers + answered, ROOM - answered, "0x%lx %.*s\n", address, (int)length, name);
		return;
	}
}

/* Takes whole lines; what is left comes again. */
static ssize_t classes_write(struct file *file, const char __user *user, size_t size, loff_t *position)
{
	char *text, *rest, *line, *last;
	ssize_t done = -EINVAL;

	size = min_t(size_t, size, MOST_AT_A_TIME);
	text = memdup_user_nul(user, size);
	if (IS_ERR(text))
		return PTR_ERR(text);
	last = strrchr(text, '\n');
	if (last) {
		*last = 0;
		rest = text;
		mutex_lock(&classes_mutex);
		if (!*position)
			answered = 0;
		while ((line = strsep(&rest, "\n")))
			answer(line);
		mutex_unlock(&classes_mutex);
		done = last + 1 - text;
		*position += done;
	}
	kfree(text);
	return done;
}

static ssize_t classes_read(struct file *file, char __user *user, size_t size, loff_t *position)
{
	ssize_t done;

	mutex_lock(&classes_mutex);
	done = simple_read_from_buffer(user, size, position, answers, answered);
	mutex_unlock(&classes_mutex);
	return done;
}

static const struct file_operations classes_operations = {
	.owner = THIS_MODULE,
	.write = classes_write,
	.read = classes_read,
	.llseek = default_llseek,
};

int lima_classes_make(struct dentry *folder)
{
	answers = vmalloc(ROOM);
	if (!answers)
		return -ENOMEM;
	debugfs_create_file("classes", 0600, folder, NULL, &classes_operations);
	return 0;
}

void lima_classes_free(void)
{
	vfree(answers);
}

#else

/* A kernel without lockdep knows no classes. */
int lima_classes_make(struct dentry *folder)
{
	return 0;
}

void lima_classes_free(void)
{
}

#endif
