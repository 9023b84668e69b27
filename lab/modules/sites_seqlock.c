// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sites that take the spinlock of a seqlock: its writers, and readers that keep them out. */
#include "sites.h"

#define BOX struct lima_box *box

LIMA_TAKES(write_seqlock, BOX, write_seqlock(&box->seqlock))
LIMA_TAKES(write_seqlock_bh, BOX, write_seqlock_bh(&box->seqlock))
LIMA_TAKES(write_seqlock_irq, BOX, write_seqlock_irq(&box->seqlock))
LIMA_TAKES(write_seqlock_irqsave, BOX, write_seqlock_irqsave(&box->seqlock, grip->flags))
LIMA_DROPS(write_sequnlock, BOX, write_sequnlock(&box->seqlock))
LIMA_DROPS(write_sequnlock_bh, BOX, write_sequnlock_bh(&box->seqlock))
LIMA_DROPS(write_sequnlock_irq, BOX, write_sequnlock_irq(&box->seqlock))
LIMA_DROPS(write_sequnlock_irqrestore, BOX, write_sequnlock_irqrestore(&box->seqlock, grip->flags))

LIMA_TAKES(read_seqlock_excl, BOX, read_seqlock_excl(&box->seqlock))
LIMA_TAKES(read_seqlock_excl_bh, BOX, read_seqlock_excl_bh(&box->seqlock))
LIMA_TAKES(read_seqlock_excl_irq, BOX, read_seqlock_excl_irq(&box->seqlock))
LIMA_TAKES(read_seqlock_excl_irqsave, BOX, read_seqlock_excl_irqsave(&box->seqlock, grip->flags))
LIMA_DROPS(read_sequnlock_excl, BOX, read_sequnlock_excl(&box->seqlock))
LIMA_DROPS(read_sequnlock_excl_bh, BOX, read_sequnlock_excl_bh(&box->seqlock))
LIMA_DROPS(read_sequnlock_excl_irq, BOX, read_sequnlock_excl_irq(&box->seqlock))
LIMA_DROPS(read_sequnlock_excl_irqrestore, BOX, read_sequnlock_excl_irqrestore(&box->seqlock, grip->flags))

#define WAY(function, unlock, flags) LIMA_WAY("box", , LIMA_SEQLOCK, LIMA_EXCLUSIVE, function, unlock, flags)

static const struct lima_way ways[] = {
	WAY(write_seqlock, write_sequnlock, 0),
	WAY(write_seqlock_bh, write_sequnlock_bh, LIMA_BH_OFF),
	WAY(write_seqlock_irq, write_sequnlock_irq, LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(write_seqlock_irqsave, write_sequnlock_irqrestore, LIMA_IRQ_OFF),
	WAY(read_seqlock_excl, read_sequnlock_excl, 0),
	WAY(read_seqlock_excl_bh, read_sequnlock_excl_bh, LIMA_BH_OFF),
	WAY(read_seqlock_excl_irq, read_sequnlock_excl_irq, LIMA_IRQ_OFF | LIMA_IRQ_ON_AFTER),
	WAY(read_seqlock_excl_irqsave, read_sequnlock_excl_irqrestore, LIMA_IRQ_OFF),
};

const struct lima_family lima_seqlock_family = { ways, ARRAY_SIZE(ways) };
