/* Code as a kernel has it: inlined helpers, container_of, static variables, bit fields, clones. */
typedef unsigned long size;
typedef struct { unsigned int raw; } lock_t;
struct list { struct list *next, *prev; };
struct item {
	long key;
	unsigned int low : 3, high : 7;
	lock_t lock;
	struct list link;
	union { int a; char *b; } u;
};
typedef struct { int first; struct item *second; } pair_t;
struct opaque;
#define container_of(p, t, m) ((t *)((char *)(p) - __builtin_offsetof(t, m)))

lock_t global_lock;
static struct item items[4];
struct opaque *hidden;
void (*callback)(struct item *item, int value);
extern void take(lock_t *lock);
extern int use(void *what);

static inline struct item *owner(struct list *list)
{
	struct item *item = container_of(list, struct item, link);
	use(item);
	return item;
}

static inline long next_key(struct list *list)
{
	struct item *next = owner(list->next);
	take(&next->lock);
	return next->key;
}

static __attribute__((noinline)) int part(struct item *item, int unused, size count)
{
	static lock_t once;
	static int calls;
	take(&once);
	calls++;
	for (size i = 0; i < count; i++)
		take(&item[i].lock);
	return use(item);
}

__attribute__((used, noinline)) long walk(struct list *head, pair_t *pair)
{
	long sum = 0;
	for (struct list *list = head->next; list != head; list = list->next)
		sum += next_key(list);
	take(&global_lock);
	if (pair->first)
		sum += part(pair->second, 7, 3);
	return sum + part(items, 7, 4) + (hidden != 0);
}

__attribute__((used)) void take(lock_t *lock) { __atomic_store_n(&lock->raw, 1, __ATOMIC_SEQ_CST); }
__attribute__((used, noinline)) int use(void *what) { __asm__ volatile("" : : "r"(what) : "memory"); return what != 0; }
void _start(void)
{
	struct list head = { &head, &head };
	pair_t pair = { 1, items };
	walk(&head, &pair);
	if (callback)
		callback(items, 1);
}
