// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the raw spinlocks. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(raw_spin_lock, BOX, raw_spin_lock(&box->raw_spinlock))
LIMA_TAKES(raw_spin_lock_bh, BOX, raw_spin_lock_bh(&box->raw_spinlock))
LIMA_TAKES(raw_spin_lock_irq, BOX, raw_spin_lock_irq(&box->raw_spinlock))
LIMA_TAKES(raw_spin_lock_irqsave, BOX, raw_spin_lock_irqsave(&box->raw_spinlock, grip->flags))
LIMA_TRIES(raw_spin_trylock, BOX, raw_spin_trylock(&box->raw_spinlock))
LIMA_TRIES(raw_spin_trylock_bh, BOX, raw_spin_trylock_bh(&box->raw_spinlock))
LIMA_TRIES(raw_spin_trylock_irq, BOX, raw_spin_trylock_irq(&box->raw_spinlock))
LIMA_TRIES(raw_spin_trylock_irqsave, BOX, raw_spin_trylock_irqsave(&box->raw_spinlock, grip->flags))
LIMA_DROPS(raw_spin_unlock, BOX, raw_spin_unlock(&box->raw_spinlock))
LIMA_DROPS(raw_spin_unlock_bh, BOX, raw_spin_unlock_bh(&box->raw_spinlock))
LIMA_DROPS(raw_spin_unlock_irq, BOX, raw_spin_unlock_irq(&box->raw_spinlock))
LIMA_DROPS(raw_spin_unlock_irqrestore, BOX, raw_spin_unlock_irqrestore(&box->raw_spinlock, grip->flags))

#define WAY(function, unlock, flags) \
	LIMA_WAY("box", , LIMA_RAW_SPINLOCK, LIMA_EXCLUSIVE, function, unlock, flags)

static const struct lima_way ways[] = {
	WAY(raw_spin_lock, raw_spin_unlock, 0),
	WAY(raw_spin_lock_bh, raw_spin_unlock_bh, LIMA_BH_OFF),
	WAY(raw_spin_lock_irq, raw_spin_unlock_irq, LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(raw_spin_lock_irqsave, raw_spin_unlock_irqrestore, LIMA_IRQ_OFF),
	WAY(raw_spin_trylock, raw_spin_unlock, LIMA_TRY),
	WAY(raw_spin_trylock_bh, raw_spin_unlock_bh, LIMA_TRY | LIMA_BH_OFF),
	WAY(raw_spin_trylock_irq, raw_spin_unlock_irq, LIMA_TRY | LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(raw_spin_trylock_irqsave, raw_spin_unlock_irqrestore, LIMA_TRY | LIMA_IRQ_OFF),
};

const struct lima_family lima_raw_spinlock_family = { ways, ARRAY_SIZE(ways) };
