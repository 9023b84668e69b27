// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * /sys/kernel/debug/lima_locks: a command is written to `run`, which returns
 * when it is done; `result` tells what was done.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "lima_locks.h"

#define LIMA_MAX_COMMAND 512

static struct dentry *folder;

static ssize_t run_write(struct file *file, const char __user *user, size_t size, loff_t *position)
{
	char *text;
	int error;

	if (size >= LIMA_MAX_COMMAND)
		return -E2BIG;
	text = memdup_user_nul(user, size);
	if (IS_ERR(text))
		return PTR_ERR(text);
	error = lima_command_run(strim(text));
	kfree(text);
	return error ?: size;
}

static const struct file_operations run_operations = {
	.owner = THIS_MODULE,
	.write = run_write,
	.llseek = noop_llseek,
};

static int result_show(struct seq_file *file, void *unused)
{
	return lima_command_show(file);
}
DEFINE_SHOW_ATTRIBUTE(result);

static void forget_all(void)
{
	lima_locks_forget();
	lima_churn_free();
	lima_shapes_free();
	lima_boxes_free();
}

static int __init lima_locks_init(void)
{
	int error = lima_boxes_make() ?: lima_shapes_make() ?: lima_churn_make();

	if (!error) {
		folder = debugfs_create_dir("lima_locks", NULL);
		error = PTR_ERR_OR_ZERO(folder);
	}
	if (error) {
		forget_all();
		return error;
	}
	debugfs_create_file("run", 0200, folder, NULL, &run_operations);
	debugfs_create_file("result", 0400, folder, NULL, &result_fops);
	error = lima_classes_make(folder);
	if (error) {
		debugfs_remove_recursive(folder);
		forget_all();
	}
	return error;
}

static void __exit lima_locks_exit(void)
{
	debugfs_remove_recursive(folder);
	lima_classes_free();
	lima_command_forget();
	forget_all();
}

module_init(lima_locks_init);
module_exit(lima_locks_exit);
MODULE_LICENSE("Dual BSD/GPL");
MODULE_DESCRIPTION("Objects and locks of known truth, to hold LIMA against");
