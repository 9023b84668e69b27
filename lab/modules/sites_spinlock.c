// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the spinlocks. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(spin_lock, BOX, spin_lock(&box->spinlock))
LIMA_TAKES(spin_lock_bh, BOX, spin_lock_bh(&box->spinlock))
LIMA_TAKES(spin_lock_irq, BOX, spin_lock_irq(&box->spinlock))
LIMA_TAKES(spin_lock_irqsave, BOX, spin_lock_irqsave(&box->spinlock, grip->flags))
LIMA_TRIES(spin_trylock, BOX, spin_trylock(&box->spinlock))
LIMA_TRIES(spin_trylock_bh, BOX, spin_trylock_bh(&box->spinlock))
LIMA_TRIES(spin_trylock_irq, BOX, spin_trylock_irq(&box->spinlock))
LIMA_TRIES(spin_trylock_irqsave, BOX, spin_trylock_irqsave(&box->spinlock, grip->flags))
LIMA_DROPS(spin_unlock, BOX, spin_unlock(&box->spinlock))
LIMA_DROPS(spin_unlock_bh, BOX, spin_unlock_bh(&box->spinlock))
LIMA_DROPS(spin_unlock_irq, BOX, spin_unlock_irq(&box->spinlock))
LIMA_DROPS(spin_unlock_irqrestore, BOX, spin_unlock_irqrestore(&box->spinlock, grip->flags))

#define WAY(function, unlock, flags) \
	LIMA_WAY("box", , LIMA_SPINLOCK, LIMA_EXCLUSIVE, function, unlock, flags)

static const struct lima_way ways[] = {
	WAY(spin_lock, spin_unlock, 0),
	WAY(spin_lock_bh, spin_unlock_bh, LIMA_BH_OFF),
	WAY(spin_lock_irq, spin_unlock_irq, LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(spin_lock_irqsave, spin_unlock_irqrestore, LIMA_IRQ_OFF),
	WAY(spin_trylock, spin_unlock, LIMA_TRY),
	WAY(spin_trylock_bh, spin_unlock_bh, LIMA_TRY | LIMA_BH_OFF),
	WAY(spin_trylock_irq, spin_unlock_irq, LIMA_TRY | LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(spin_trylock_irqsave, spin_unlock_irqrestore, LIMA_TRY | LIMA_IRQ_OFF),
};

const struct lima_family lima_spinlock_family = { ways, ARRAY_SIZE(ways) };
