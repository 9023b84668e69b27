// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the reader-writer spinlocks. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(read_lock, BOX, read_lock(&box->rwlock))
LIMA_TAKES(read_lock_bh, BOX, read_lock_bh(&box->rwlock))
LIMA_TAKES(read_lock_irq, BOX, read_lock_irq(&box->rwlock))
LIMA_TAKES(read_lock_irqsave, BOX, read_lock_irqsave(&box->rwlock, grip->flags))
LIMA_TRIES(read_trylock, BOX, read_trylock(&box->rwlock))
LIMA_DROPS(read_unlock, BOX, read_unlock(&box->rwlock))
LIMA_DROPS(read_unlock_bh, BOX, read_unlock_bh(&box->rwlock))
LIMA_DROPS(read_unlock_irq, BOX, read_unlock_irq(&box->rwlock))
LIMA_DROPS(read_unlock_irqrestore, BOX, read_unlock_irqrestore(&box->rwlock, grip->flags))

LIMA_TAKES(write_lock, BOX, write_lock(&box->rwlock))
LIMA_TAKES(write_lock_bh, BOX, write_lock_bh(&box->rwlock))
LIMA_TAKES(write_lock_irq, BOX, write_lock_irq(&box->rwlock))
LIMA_TAKES(write_lock_irqsave, BOX, write_lock_irqsave(&box->rwlock, grip->flags))
LIMA_TRIES(write_trylock, BOX, write_trylock(&box->rwlock))
LIMA_TRIES(write_trylock_irqsave, BOX, write_trylock_irqsave(&box->rwlock, grip->flags))
LIMA_DROPS(write_unlock, BOX, write_unlock(&box->rwlock))
LIMA_DROPS(write_unlock_bh, BOX, write_unlock_bh(&box->rwlock))
LIMA_DROPS(write_unlock_irq, BOX, write_unlock_irq(&box->rwlock))
LIMA_DROPS(write_unlock_irqrestore, BOX, write_unlock_irqrestore(&box->rwlock, grip->flags))

#define WAY(mode, function, unlock, flags) LIMA_WAY("box", , LIMA_RWLOCK, mode, function, unlock, flags)

static const struct lima_way ways[] = {
	WAY(LIMA_READ, read_lock, read_unlock, 0),
	WAY(LIMA_READ, read_lock_bh, read_unlock_bh, LIMA_BH_OFF),
	WAY(LIMA_READ, read_lock_irq, read_unlock_irq, LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(LIMA_READ, read_lock_irqsave, read_unlock_irqrestore, LIMA_IRQ_OFF),
	WAY(LIMA_READ, read_trylock, read_unlock, LIMA_TRY),
	WAY(LIMA_WRITE, write_lock, write_unlock, 0),
	WAY(LIMA_WRITE, write_lock_bh, write_unlock_bh, LIMA_BH_OFF),
	WAY(LIMA_WRITE, write_lock_irq, write_unlock_irq, LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(LIMA_WRITE, write_lock_irqsave, write_unlock_irqrestore, LIMA_IRQ_OFF),
	WAY(LIMA_WRITE, write_trylock, write_unlock, LIMA_TRY),
	WAY(LIMA_WRITE, write_trylock_irqsave, write_unlock_irqrestore, LIMA_TRY | LIMA_IRQ_OFF),
};

const struct lima_family lima_rwlock_family = { ways, ARRAY_SIZE(ways) };
