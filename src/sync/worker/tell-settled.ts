/** Tells what was written down of mappings. */
import type { Fact, PullAction, Tell } from '../../facts.ts';
import type { Done } from '../apply/apply.ts';
import type { Due, LeasedRoom, Settled } from '../store/mappings.ts';

export function createTellSettled(tell: Tell) {
  const about = (room: LeasedRoom, row: Due) => ({
    room: room.name,
    resourceId: room.resourceId,
    mappingId: row.id,
    reservationType: row.reservationType,
    reservationId: row.reservationId,
  });

  function result(room: LeasedRoom, row: Due, settled: Settled, latencyMs: number | null): void {
    const whose = about(room, row);
    const { action, error, hint, dueInMs } = settled;
    if (settled.status === 'conflict' && action !== 'unchanged' && settled.conflict !== null)
      tell({ ...whose, fact: 'conflict', kind: settled.conflict.kind, error: error ?? '', hint });
    else if (action === 'parked') tell({ ...whose, fact: 'item-parked', error: error ?? '', hint });
    else if (action === 'delayed')
      tell({ ...whose, fact: 'item-delayed', error: error ?? '', inMs: dueInMs ?? 0 });
    else if (isPull(action)) tell({ ...whose, fact: 'pulled', action, latencyMs });
    else tell({ ...whose, fact: 'pushed', action, latencyMs, callMs: settled.callMs ?? 0 });
    if (row.status === 'conflict' && settled.status !== 'conflict') tell({ ...whose, fact: 'conflict-over' });
  }

  function done(room: LeasedRoom, { due, written }: Done): void {
    const { action, latencyMs, reservationType, reservationId } = written;
    const fact: Fact = {
      ...about(room, due),
      reservationType,
      reservationId,
      fact: 'pulled',
      action,
      latencyMs,
    };
    tell(fact);
    if (due.status === 'conflict') tell({ ...about(room, due), fact: 'conflict-over' });
  }

  return { result, done };
}

const isPull = (action: Settled['action']): action is PullAction =>
  ['imported', 'joined', 'booking-updated', 'booking-cancelled', 'declined'].includes(action);
