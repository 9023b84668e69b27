/* Threads that rename files in one folder, through functions of known names: made at compile time, inlined, and at run time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8

typedef long rename_fn(const char *from, const char *to);

/* push %rbp; mov %rsp,%rbp; mov $82,%eax; syscall; pop %rbp; ret: 82 is rename. */
static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xb8, 82, 0, 0, 0, 0x0f, 0x05, 0x5d, 0xc3};

static rename_fn *made;

static inline __attribute__((always_inline)) long moved(const char *from, const char *to)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_rename), "D"(from), "S"(to) : "rcx", "r11", "memory");
	return result;
}

__attribute__((noinline)) void rename_compiled(const char *a, const char *b, time_t end)
{
	while (time(NULL) < end) {
		moved(a, b);
		moved(b, a);
	}
}

__attribute__((noinline)) void rename_made(const char *a, const char *b, time_t end)
{
	while (time(NULL) < end) {
		made(a, b);
		made(b, a);
	}
}

struct job {
	int number;
	time_t end;
};

__attribute__((noinline)) void *worker(void *argument)
{
	struct job *job = argument;
	char a[32], b[32];

	snprintf(a, sizeof(a), "a%d", job->number);
	snprintf(b, sizeof(b), "b%d", job->number);
	close(open(a, O_CREAT | O_WRONLY, 0600));
	if (job->number % 2)
		rename_compiled(a, b, job->end);
	else
		rename_made(a, b, job->end);
	unlink(a);
	return NULL;
}

/* As runtimes that make code tell perf of it. */
static void make_code(const char *folder)
{
	char path[256];
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *map;

	memcpy(page, code, sizeof(code));
	made = (rename_fn *)page;
	snprintf(path, sizeof(path), "%s/perf-%d.map", folder, getpid());
	map = fopen(path, "w");
	fprintf(map, "%lx %zx LazyCompile:*rename /app/a b.js:3\n", (unsigned long)page, sizeof(code));
	fclose(map);
}

int main(int count, char **arguments)
{
	pthread_t threads[THREADS];
	struct job jobs[THREADS];
	time_t end = time(NULL) + (count > 1 ? atoi(arguments[1]) : 1);

	make_code("/tmp");
	for (int n = 0; n < THREADS; n++) {
		jobs[n] = (struct job){n, end};
		pthread_create(&threads[n], NULL, worker, &jobs[n]);
	}
	for (int n = 0; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	return 0;
}
