/** One row of the table of decisions, flat, so that a test changes one thing of it by name. */
import type { Shown } from '../../../src/event.ts';
import type { Item, ItemChange } from '../../../src/item.ts';
import type { Sides, Wanted } from '../../../src/sync/decide/decide.ts';
import { agreementOn, never } from '../../../src/sync/store/agreement.ts';

export interface Row {
  /** Null: they never agreed; without fields: it was not answered; with some: those. */
  readonly agreed: ItemChange | null;
  readonly wanted: Item | null;
  /** Edits in Outlook in other rooms led to this. */
  readonly followed?: Item;
  /** The reservation as it is in its other rooms. */
  readonly elsewhere?: Item | null;
  readonly outlookBase: Item | null;
  readonly outlook: Shown | null;
  readonly hasEvent: boolean;
  readonly isOrganizer: boolean;
  readonly intent: 'remove' | 'renew' | null;
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

export function sidesOf(row: Row): Sides {
  const { wanted: item, inWindow, direction, prefer, intent, isOrganizer } = row;
  const cover = row.coverConfirmed ? 'covered' : 'to be covered';
  const place = row.covered ? cover : inWindow ? 'uncovered' : 'outside';
  const wanted: Wanted =
    item === null ? { is: 'nothing', elsewhere: row.elsewhere ?? null } : { is: 'item', item, place };
  const reservation = {
    agreement: row.agreed === null ? never : agreementOn(row.agreed),
    followed: row.followed ?? null,
    wanted,
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
    intent,
    time: row.ended ? 'ended' : 'ahead',
    choice: prefer === null ? null : { side: prefer, by: row.chosen === true ? 'person' : 'policy' },
  };
}
