// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* From the text of a command to its result. One command runs at a time. */
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "lima_locks.h"

static DEFINE_MUTEX(lima_command_mutex);

/* The newest command. */
static struct lima_crew *crew;
static char why[160];
static bool listing;

static int run(char *text)
{
	struct lima_plan plan;
	int error;

	why[0] = '\0';
	error = lima_plan_parse(&plan, text, why, sizeof(why)) ?: lima_plan_check(&plan, why, sizeof(why));
	if (error)
		return error;
	listing = plan.verb == LIMA_LIST;
	if (listing)
		return 0;
	crew = lima_crew_new(&plan);
	error = crew ? lima_crew_work(crew) : -ENOMEM;
	if (error)
		scnprintf(why, sizeof(why), "there is not enough memory or there are too many threads: error %d", error);
	return error;
}

int lima_command_run(char *text)
{
	int error;

	mutex_lock(&lima_command_mutex);
	lima_command_forget();
	error = run(text);
	mutex_unlock(&lima_command_mutex);
	return error;
}

void lima_command_forget(void)
{
	lima_crew_free(crew);
	crew = NULL;
	listing = false;
}

/* What a person typed comes back in messages. */
static void show_message(struct seq_file *file, const char *text)
{
	for (; *text; text++)
		seq_putc(file, *text == '"' || *text == '\\' || *text < ' ' || *text > '~' ? '?' : *text);
}

int lima_command_show(struct seq_file *file)
{
	mutex_lock(&lima_command_mutex);
	seq_puts(file, "{\"module\":\"lima_locks\",\"version\":1");
	if (why[0]) {
		seq_puts(file, ",\"error\":\"");
		show_message(file, why);
		seq_puts(file, "\"");
	} else if (listing) {
		lima_result_list(file);
	} else if (crew) {
		lima_result_crew(file, crew);
	} else {
		seq_puts(file, ",\"error\":\"no command was run\"");
	}
	seq_puts(file, "}\n");
	mutex_unlock(&lima_command_mutex);
	return 0;
}
