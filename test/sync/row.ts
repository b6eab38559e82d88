/** One row of the table of decisions, flat, so that a test changes one thing of it by name. */
import type { Shown } from '../../src/event.ts';
import { itemFields, type Item, type ItemChange } from '../../src/item.ts';
import type { Agreement, Sides } from '../../src/sync/decide/decide.ts';

export interface Row {
  /** Null: they never agreed; without fields: it was not answered; with some: those. */
  readonly agreed: ItemChange | null;
  readonly wanted: Item | null;
  readonly outlookBase: Item | null;
  readonly outlook: Shown | null;
  readonly hasEvent: boolean;
  readonly isOrganizer: boolean;
  readonly removing: boolean;
  readonly inWindow: boolean;
  readonly ended: boolean;
  readonly covered: boolean;
  readonly coverConfirmed: boolean;
  readonly cancelled: boolean;
  readonly direction: Sides['direction'];
  readonly prefer: 'booking' | 'outlook' | null;
  /** A person said so. */
  readonly chosen?: boolean;
}

function agreementOf(agreed: ItemChange | null): Agreement {
  if (agreed === null) return { is: 'never' };
  if (Object.keys(agreed).length === 0) return { is: 'unanswered' };
  const isWhole = itemFields.every((field) => agreed[field] !== undefined);
  return isWhole ? { is: 'agreed', on: agreed as Item } : { is: 'partly', on: agreed };
}

export function sidesOf(row: Row): Sides {
  const { wanted, inWindow, direction, prefer, removing, isOrganizer } = row;
  const reservation = {
    agreement: agreementOf(row.agreed),
    wanted,
    inWindow,
    cover: !row.covered ? 'none' : row.coverConfirmed ? 'shown' : 'expected',
    direction,
  } as const;
  if (!row.hasEvent || row.cancelled)
    return { ...reservation, mapping: row.cancelled ? 'cancelled' : 'without-event' };
  return {
    ...reservation,
    mapping: 'with-event',
    base: row.outlookBase,
    shows: row.outlook,
    isOrganizer,
    removing,
    time: row.ended ? 'ended' : 'ahead',
    choice: prefer === null ? null : { side: prefer, by: row.chosen === true ? 'person' : 'policy' },
  };
}
