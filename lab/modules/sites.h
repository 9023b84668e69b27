/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * How a call site is written. Each is a function of its own that is never
 * inlined and calls one lock function once, so that a return address tells
 * which one it was. It is handed an object, not a lock: the address of the
 * lock is worked out in the site, as in real code.
 */
#ifndef LIMA_SITES_H
#define LIMA_SITES_H

#include "lima_locks.h"

#define LIMA_SITE(site, returns, object, ...)				\
	returns lima_site_##site(object, struct lima_grip *grip);		\
	noinline returns lima_site_##site(object, struct lima_grip *grip)	\
	__VA_ARGS__

/* A call that always gets the lock. */
#define LIMA_TAKES(site, object, call)					\
	LIMA_SITE(site, int, object, { call; return 0; })			\
	LIMA_TAKE(site)

/* A call that returns true when it got the lock. */
#define LIMA_TRIES(site, object, call)					\
	LIMA_SITE(site, int, object, { return (call) ? 0 : -EBUSY; })	\
	LIMA_TAKE(site)

/* A call that returns zero when it got the lock. */
#define LIMA_ATTEMPTS(site, object, call)					\
	LIMA_SITE(site, int, object, { return (call); })			\
	LIMA_TAKE(site)

/* A call that lets the lock go, or a part of it. */
#define LIMA_DROPS(site, object, call)					\
	LIMA_SITE(site, void, object, { call; })				\
	static void drop_##site(void *subject, struct lima_grip *grip)		\
	{									\
		lima_site_##site(subject, grip);				\
	}

#define LIMA_TAKE(site)								\
	static int take_##site(void *subject, struct lima_grip *grip)		\
	{									\
		return lima_site_##site(subject, grip);				\
	}

/* A row in a table of ways; `prefix` is what the sites of a shape are called. */
#define LIMA_WAY(shape_, prefix, type_, mode_, call, unlock, flags_)	\
	{									\
		.name = #call,						\
		.function = #call,						\
		.shape = shape_,						\
		.type = type_,							\
		.mode = mode_,							\
		.flags = flags_,						\
		.site = "lima_site_" #prefix #call,				\
		.release = #unlock,						\
		.release_site = "lima_site_" #prefix #unlock,			\
		.take = take_##prefix##call,				\
		.drop = drop_##prefix##unlock,					\
	}

#endif
