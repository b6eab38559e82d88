/**
 * Events that no reservation knows yet: imported, given to the reservation they belong to, removed, or flagged for a
 * person. Each is read first, so what is decided is about the event as it stands.
 */
import { Permanent, type Retryable } from '../errors.ts';
import type { OutlookEvent } from '../event.ts';
import { sameItem, type Item } from '../item.ts';
import type { ConflictNote, Due, LeasedRoom, Settled, Window } from './mappings.ts';
import { adoptByMarks, becomeMapping, giveEvent, readKin, takeBack, type Kin } from './kin.ts';
import type { Database } from '../database.ts';
import type { OutlookSide } from './sides.ts';
import { factsOf, keep } from './step.ts';
import type { createWriteBack, WrittenBack } from './write-back.ts';

export type OverlapPolicy = 'flag' | 'import' | 'decline';

export interface NewbornOptions {
  readonly db: Database;
  readonly outlook: OutlookSide;
  readonly writeBack: ReturnType<typeof createWriteBack>;
  readonly window: Window;
  readonly overlap: OverlapPolicy;
  /** manual: an import waits until a person asks for it. */
  readonly importMode: 'auto' | 'manual';
}

/** What came of one event: what to write down (null: it is written down already), and what was written back. */
export interface Came {
  readonly settled: Settled | null;
  readonly written: Extract<WrittenBack, { outcome: 'written' }> | null;
  readonly declined: boolean;
}

const came = (settled: Settled | null, rest: Partial<Came> = {}): Came => ({
  settled,
  written: null,
  declined: false,
  ...rest,
});

export function createNewborn(options: NewbornOptions) {
  const { db, outlook, writeBack, window, overlap, importMode } = options;
  const facing = (due: Due) => ({ due, action: { do: 'wait' }, adopted: null }) as const;
  const say = (due: Due, action: Settled['action'], change: Partial<Settled>) =>
    keep(facing(due), action, { bookingSeen: null, news: null, removing: false, ...change });
  const forget = (due: Due, reason: string) => came(say(due, 'forgotten', { status: 'forget', reason }));

  /** Throws Retryable and Permanent as the calls do. */
  return async function take(room: LeasedRoom, due: Due, signal: AbortSignal): Promise<Came> {
    const event = due.eventId === null ? null : await outlook.read(room, due.eventId, signal);
    // cancelled, declined, free, deleted, or not answered yet: it does not occupy the room
    if (event === null || event.item === null) return forget(due, 'it does not occupy the room');
    const { item } = event;
    if (due.conflict?.kind === 'moved') return await moved(room, due, event, item, signal);
    const kin = await readKin(db, room, event.id, event.marks, item, window);
    if (!kin.inWindow) return forget(due, 'it lies outside the days that are kept equal');
    if (event.marks !== null && event.isOrganizer) {
      const marked = await markedAsOurs(room, due, event, item, kin, signal);
      if (marked !== null) return marked;
    }
    if (due.resolution === 'booking') return await sendAway(room, due, event, signal);
    if (kin.pair !== null && !kin.isCopy) {
      await giveEvent(db, room, due, kin.pair, event);
      return came(null);
    }
    const waits = importMode === 'manual' && !due.importAsked && due.resolution === null;
    if (waits && due.conflict === null)
      return came(say(due, 'unchanged', { status: 'imported', outlookSeen: item, ...factsOf(event) }));
    return await importIt(room, due, event, item, signal);
  };

  async function importIt(
    room: LeasedRoom,
    due: Due,
    event: OutlookEvent,
    item: Item,
    signal: AbortSignal,
  ): Promise<Came> {
    const allow = overlap === 'import' || due.resolution === 'outlook';
    const settled = say(due, 'imported', {
      status: 'synced',
      eventId: event.id,
      outlookBase: item,
      outlookSeen: null,
      ...factsOf(event),
    });
    const organizer = event.isOrganizer ? null : event.organizer;
    const written = await writeBack(
      room,
      due,
      { do: 'import', item, organizer, overlap: allow ? 'allow' : 'refuse' },
      settled,
    );
    switch (written.outcome) {
      case 'written':
        return came(null, { written });
      case 'stale':
        return came(
          say(due, 'delayed', { status: 'imported', news: 'look', dueInMs: 0, attempt: due.attempt + 1 }),
        );
      case 'later':
        return came(
          say(due, 'delayed', {
            status: 'imported',
            news: 'look',
            dueInMs: written.inMs,
            attempt: due.attempt + 1,
            error: written.message,
          }),
        );
      case 'taken':
        if (overlap === 'decline' && !event.isOrganizer)
          return await sendAway(room, due, event, signal, `The room is taken: ${written.message}`);
        return came(flagged(due, event, { kind: 'overlap', outlook: item }, written.message));
      case 'refused':
        return came(
          say(due, 'parked', {
            status: 'error',
            outlookSeen: item,
            ...factsOf(event),
            error: written.message,
            hint: 'The booking system refuses it; repair that and POST /booking/process-imports.',
          }),
        );
    }
  }

  function flagged(due: Due, event: OutlookEvent, conflict: ConflictNote, error: string): Settled {
    return say(due, due.conflict?.kind === conflict.kind ? 'unchanged' : 'parked', {
      status: 'conflict',
      outlookSeen: event.item,
      ...factsOf(event),
      conflict,
      error,
      hint: 'Choose what to keep: the dashboard, or POST /conflicts/{id}/resolve.',
    });
  }

  /** It carries the marks of a reservation; null: it is a copy of that reservation's event, and so an event of its own. */
  async function markedAsOurs(
    room: LeasedRoom,
    due: Due,
    event: OutlookEvent,
    item: Item,
    kin: Kin,
    signal: AbortSignal,
  ): Promise<Came | null> {
    const marks = event.marks!;
    // its mapping knows no event: a create whose answer was lost
    if (kin.mapping !== null && kin.mapping.waits) {
      await adoptByMarks(db, room, due, kin.mapping.id);
      return came(null);
    }
    if (kin.mapping !== null && kin.mapping.status !== 'cancelled') return null;
    if (kin.reservation === null) {
      // its reservation is gone: deleted, if it is surely ours and the brake allows it
      if (kin.logged) {
        await becomeMapping(db, room, due, marks, event);
        return came(null);
      }
      if (due.resolution === 'booking') return await sendAway(room, due, event, signal);
      if (due.resolution === 'outlook') return null;
      const said = `It carries the marks of ${marks.type} ${marks.id}, which is not there.`;
      return came(flagged(due, event, { kind: 'orphan', outlook: item }, said));
    }
    if (kin.reservation.active) {
      if (!kin.reservation.here || kin.mapping !== null) return null;
      await becomeMapping(db, room, due, marks, event);
      return came(null);
    }
    // its reservation is cancelled. The event of a mapping that was lost, or a create that arrived late: it goes. What
    // somebody copied from it is an event of its own
    const shown = kin.reservation.item === null ? null : outlook.show(kin.reservation.item);
    if (kin.mapping === null || sameItem(shown, item)) return await sendAway(room, due, event, signal);
    return null;
  }

  /** Takes the event out of the room: ours is deleted, somebody else's meeting declined. */
  async function sendAway(
    room: LeasedRoom,
    due: Due,
    event: OutlookEvent,
    signal: AbortSignal,
    comment = 'The room is not available: the booking system keeps its reservation.',
  ): Promise<Came> {
    if (!event.isOrganizer) {
      await outlook.respond(room, event.id, 'decline', comment, signal);
      return { ...forget(due, 'declined'), declined: true };
    }
    const [answer] = await outlook.write(room, [{ do: 'remove', eventId: event.id }], signal);
    if (answer!.outcome === 'failed') throw answer!.error;
    return forget(due, 'removed from Outlook');
  }

  /** A meeting that the booking system moved away from, and that waits for a person. */
  async function moved(
    room: LeasedRoom,
    due: Due,
    event: OutlookEvent,
    item: Item,
    signal: AbortSignal,
  ): Promise<Came> {
    const mapping = due.conflict?.mapping ?? null;
    const other = mapping === null ? null : await takeBack.read(db, mapping);
    // the reservation is gone from this room, or shows the meeting's time again
    if (other === null || due.resolution === 'booking') return await sendAway(room, due, event, signal);
    const meets = other.booking?.startsAt === item.startsAt && other.booking.endsAt === item.endsAt;
    if (due.resolution !== 'outlook' && !meets)
      return came(
        say(due, 'unchanged', {
          status: 'conflict',
          conflict: { ...due.conflict!, outlook: item },
          outlookSeen: item,
          ...factsOf(event),
          error:
            due.status === 'conflict'
              ? 'The booking system moved this reservation away from its meeting.'
              : null,
          hint: 'Choose what to keep: the dashboard, or POST /conflicts/{id}/resolve.',
        }),
      );
    if (other.eventId !== null) {
      const [answer] = await outlook.write(room, [{ do: 'remove', eventId: other.eventId }], signal);
      if (answer!.outcome === 'failed') throw answer!.error;
    }
    await takeBack.write(db, room, due, other, event);
    return came(null);
  }
}

/** A failure of reading or declining, as it is written down. */
export function newbornFailed(due: Due, error: Retryable | Permanent, waitMs: number): Settled {
  const parked = error instanceof Permanent && error.reach === 'item';
  return keep({ due, action: { do: 'wait' }, adopted: null }, parked ? 'parked' : 'delayed', {
    status: due.status === 'conflict' ? 'conflict' : parked ? 'error' : 'imported',
    bookingSeen: null,
    conflict: due.conflict,
    attempt: due.attempt + 1,
    error: error.message,
    hint: error.hint ?? null,
    dueInMs: parked ? null : waitMs,
  });
}
