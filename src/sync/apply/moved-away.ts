/** Events that their reservations moved away from, and that wait for a person. */
import type { Queryable } from '../../database.ts';
import { decideMovedUnmapped } from '../decide/unmapped.ts';
import { attach, attachmentBack } from '../match/attach.ts';
import { readDetached } from '../match/candidates.ts';
import { noteRemovals } from '../store/pull-store.ts';
import type { Away } from './away.ts';
import { outcome, type Outcome } from './outcome.ts';
import { movedStill, readLater, type UnmappedEvent } from './settlement/unmapped.ts';
import { cancelledComment } from './write-outlook.ts';

export function createMovedAway(db: Queryable, { sendAway, remove }: Away) {
  /** Null: it is one as any other by now. Throws as the calls do. */
  return async function movedAway(met: UnmappedEvent, signal: AbortSignal): Promise<Outcome | null> {
    const { room, unmapped, event, item } = met;
    const other = await readDetached(db, room, unmapped.conflict!);
    const fate = decideMovedUnmapped(unmapped, item, other.where, other.booking);
    if (fate === 'unmapped') return null;
    if (fate === 'send-away')
      return await sendAway(met, signal, other.where === 'cancelled' ? cancelledComment : undefined);
    if (fate === 'wait') return outcome({ settlements: [movedStill(unmapped, event, item)] });
    const { eventId } = other;
    const detached = { id: other.id!, revision: other.revision, eventId, booking: other.booking! };
    if (eventId !== null) {
      // noted first: should we end here, nobody takes the removal of our own event for a person's
      const noted = await noteRemovals(db, room, [detached]);
      if (!noted.has(detached.id)) return outcome({ settlements: [readLater(unmapped)] });
      await remove(room, eventId, signal);
      detached.revision += 1;
    }
    const attached = await attach(db, room, [attachmentBack(detached, event)]);
    return outcome({ settlements: attached.size > 0 ? [] : [readLater(unmapped)] });
  };
}
