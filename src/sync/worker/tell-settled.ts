/** Tells what was written down of mappings. */
import type { Fact, PullAction, Tell } from '../../facts.ts';
import type { Done } from '../apply/outcome.ts';
import type { LeasedRoom } from '../store/work-list.ts';
import type { Settlement } from '../store/settle.ts';
import { isMapped, type WorkItem } from '../store/work-item.ts';

export function createTellSettled(tell: Tell) {
  const about = (room: LeasedRoom, row: WorkItem) => ({
    room: room.name,
    resourceId: room.resourceId,
    mappingId: row.id,
    reservationType: isMapped(row) ? row.reservation.type : null,
    reservationId: isMapped(row) ? row.reservation.id : null,
  });

  function result(room: LeasedRoom, row: WorkItem, settled: Settlement, latencyMs: number | null): void {
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

  function done(room: LeasedRoom, { item, written }: Done): void {
    const { action, latencyMs, reservationType, reservationId } = written;
    const fact: Fact = {
      ...about(room, item),
      reservationType,
      reservationId,
      fact: 'pulled',
      action,
      latencyMs,
    };
    tell(fact);
    if (item.status === 'conflict') tell({ ...about(room, item), fact: 'conflict-over' });
  }

  return { result, done };
}

const isPull = (action: Settlement['action']): action is PullAction =>
  ['imported', 'joined', 'booking-updated', 'booking-cancelled', 'declined'].includes(action);
