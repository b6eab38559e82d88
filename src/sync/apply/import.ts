/**
 * Events that no reservation knows yet: imported, given to the reservation they belong to, removed, or flagged for a
 * person. Each is read first, so what is decided is about the event as it stands.
 */
import { Permanent, type Retryable } from '../../errors.ts';
import { itemOf, type OutlookEvent } from '../../event.ts';
import { textsBehind, type BookedItem } from '../../appearance.ts';
import type { Item } from '../../item.ts';
import type { Queryable } from '../../database.ts';
import {
  decideUnmapped,
  decideMovedUnmapped,
  type OverlapPolicy,
  type UnmappedAction,
} from '../decide/unmapped.ts';
import { attach, attachmentBack, attachmentOf, attachmentTo } from '../match/attach.ts';
import { readCandidates, readDetached, type Candidates } from '../match/candidates.ts';
import { isOwnCreate } from '../match/idempotency-key.ts';
import { match, meetingKey, vacancyOf, type FreeEvent, type Match } from '../match/match.ts';
import {
  unreadableHint,
  waitHints,
  type ConflictNote,
  type Due,
  type LeasedRoom,
  type Settled,
  type WaitsFor,
  type Window,
} from '../store/mappings.ts';
import { listWindow, noteRemovals, type Mapped } from '../store/pull-store.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { storeVerified } from '../store/observed.ts';
import { isThere, verify } from './read.ts';
import { choose } from './settlement.ts';
import { choiceOf, factsOf, keep } from './step.ts';
import type { createWriteBack, WrittenBack } from './write-booking.ts';

/** What the organiser of a meeting reads. */
export const cancelledComment = 'The reservation of this room was cancelled in the booking system.';

/** Between finding a meeting under another id beside its old event, and asking whether that has gone. */
const twinAgainMs = 5_000;

export type { OverlapPolicy } from '../decide/unmapped.ts';

export interface ImportOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly writeBack: ReturnType<typeof createWriteBack>;
  readonly window: Window;
  readonly installationId: () => string;
  readonly overlap: OverlapPolicy;
  /** manual: an import waits until a person asks for it. */
  readonly importMode: 'auto' | 'manual';
}

/** What came of one event: what to write down (null: it is written down already), and what was written back. */
export interface Imported {
  readonly settled: Settled | null;
  readonly written: Extract<WrittenBack, { outcome: 'written' }> | null;
}

const came = (settled: Settled | null, rest: Partial<Imported> = {}): Imported => ({
  settled,
  written: null,
  ...rest,
});

export function createImport(options: ImportOptions) {
  const { db, outlook, writeBack, window, overlap, importMode } = options;
  const facing = (due: Due) => ({ due, action: { do: 'wait' }, adopted: null }) as const;
  const say = (due: Due, action: Settled['action'], change: Partial<Settled>) =>
    keep(facing(due), action, { bookingSeen: null, news: null, removing: false, waitsFor: null, ...change });
  const drop = (due: Due, action: 'forgotten' | 'declined' | 'deleted', reason: string) =>
    came(say(due, action, { status: 'forget', reason }));
  const forget = (due: Due, reason: string) => drop(due, 'forgotten', reason);
  /** What it was decided by has changed meanwhile: it is looked at again. */
  const later = (due: Due) =>
    say(due, 'delayed', {
      status: due.status === 'conflict' ? 'conflict' : 'imported',
      news: 'look',
      dueInMs: 0,
      attempt: due.attempt + 1,
      conflict: due.conflict,
    });
  const handedOver = (due: Due, attached: ReadonlySet<number>) => came(attached.size > 0 ? null : later(due));

  /** Throws Retryable and Permanent as the calls do. */
  return async function take(room: LeasedRoom, row: Due, signal: AbortSignal): Promise<Imported> {
    const event = row.eventId === null ? null : await outlook.read(room, row.eventId, signal);
    if (event !== null && staysOpen(row, event.shows)) return came(openStill(row, event));
    if (event?.shows.is === 'unreadable') return came(unreadable(row, event, event.shows.why));
    const item = event === null ? null : itemOf(event.shows);
    if (event === null || item === null) return forget(row, 'it does not occupy the room');
    const due = { ...row, resolution: choiceOf(row, event) };
    const movedOn = due.conflict?.kind === 'moved' ? await moved(room, due, event, item, signal) : null;
    if (movedOn !== null) return movedOn;
    const { inWindow, mappings, properties, revives } = await readCandidates(db, room, event, item, window);
    const own = isOwn(room, event, properties);
    const known = own ? { ...event, remembered: event.marks! } : event;
    const { found, hasTwin } = await matched(room, known, mappings, signal);
    const mapping = found?.vacancy.mapping ?? null;
    const policy = {
      overlap: room.own?.overlap_policy ?? overlap,
      importMode: room.own?.import_mode ?? importMode,
    };
    const fate = decideUnmapped(
      { event, item, due, inWindow, mapping, properties, revives, hasTwin, isOwnCreate: own },
      { ...policy, show: (shown) => outlook.show(shown) },
    );
    switch (fate.do) {
      case 'forget':
        return forget(due, fate.reason);
      case 'attach':
        return handedOver(due, await attach(db, room, [attachmentOf(found!)]));
      case 'attach-to':
        return handedOver(due, await attach(db, room, [attachmentTo(fate.reservation, event)]));
      case 'send-away':
        return await sendAway(room, due, event, signal);
      case 'flag':
        return came(flagged(due, event, fate.conflict, fate.said));
      case 'wait':
        return came(waiting(due, event, fate.for));
      case 'wait-for-twin':
        return came({ ...waitingForTwin(due, event), dueInMs: twinAgainMs });
      case 'import':
        return await importIt(room, due, event, item, properties.reservation?.item ?? null, fate, signal);
    }
  };

  function isOwn(
    { resourceId }: LeasedRoom,
    event: OutlookEvent,
    { mapping, logged }: Candidates['properties'],
  ): boolean {
    if (event.marks === null || mapping === null || mapping.lost || logged) return false;
    const create = { reservation: event.marks, resourceId, ...mapping };
    return isOwnCreate(event, create, options.installationId());
  }

  /** The mapping this event belongs to. One that knows another event of the same meeting is read first: is that gone? */
  async function matched(
    room: LeasedRoom,
    event: OutlookEvent & Pick<FreeEvent, 'remembered'>,
    mappings: Candidates['mappings'],
    signal: AbortSignal,
  ): Promise<{ readonly found: Match<OutlookEvent> | null; readonly hasTwin: boolean }> {
    const matchIn = (those: readonly Mapped[]) => {
      const vacancies = those.map((one) => vacancyOf(one, outlook.show)).filter((one) => one !== null);
      return match(vacancies, [event])[0] ?? null;
    };
    const meeting = meetingKey(event);
    const twin = mappings.find(
      (one) =>
        one.eventId !== null &&
        one.news !== 'gone' &&
        one.news !== 'vacated' &&
        one.status !== 'cancelled' &&
        meeting !== null &&
        meetingKey(one) === meeting,
    );
    if (twin === undefined) return { found: matchIn(mappings), hasTwin: false };
    const asked = { id: twin.id, revision: twin.revision, eventId: twin.eventId! };
    const read = await verify([asked], room, { outlook, span: () => listWindow(db, window) }, signal);
    const isGone = read[0]!.news === 'gone';
    if (isGone) await storeVerified(db, room, read);
    const found = matchIn(
      isGone ? mappings.map((one) => (one === twin ? { ...one, news: 'gone' } : one)) : mappings,
    );
    return { found, hasTwin: !isGone };
  }

  async function importIt(
    room: LeasedRoom,
    due: Due,
    event: OutlookEvent,
    item: Item,
    /** The reservation that its properties name: it was restored, or copied from that one's event. */
    named: BookedItem | null,
    { overlap: onTaken, revives = null }: Extract<UnmappedAction, { do: 'import' }>,
    signal: AbortSignal,
  ): Promise<Imported> {
    const settled = say(due, 'imported', {
      status: 'synced',
      eventId: event.id,
      outlookBase: item,
      outlookSeen: null,
      ...factsOf(event),
    });
    const organizer = event.isOrganizer ? null : event.organizer;
    const texts = named === null ? {} : textsBehind(item, named, outlook.show(named));
    const write = {
      do: 'import',
      item: { ...item, ...texts },
      organizer,
      overlap: onTaken,
      revives,
    } as const;
    const written = await writeBack(room, due, write, settled);
    switch (written.outcome) {
      case 'written':
        return came(null, { written });
      case 'stale':
        return came(later(due));
      case 'later':
        return came({ ...later(due), dueInMs: written.inMs, error: written.message });
      case 'taken':
        if ((room.own?.overlap_policy ?? overlap) === 'decline' && !event.isOrganizer)
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

  function waiting(due: Due, event: OutlookEvent, waitsFor: WaitsFor): Settled {
    return say(due, 'unchanged', {
      status: 'imported',
      waitsFor,
      hint: waitHints[waitsFor],
      outlookSeen: itemOf(event.shows),
      ...factsOf(event),
    });
  }

  function waitingForTwin(due: Due, event: OutlookEvent): Settled {
    return say(due, 'unchanged', {
      status: 'imported',
      news: 'look',
      attempt: due.attempt + 1,
      outlookSeen: itemOf(event.shows),
      ...factsOf(event),
    });
  }

  function openStill(due: Due, event: OutlookEvent): Settled {
    return say(due, 'unchanged', {
      status: 'conflict',
      conflict: due.conflict,
      outlookSeen: due.outlookSeen,
      ...factsOf(event),
      error: due.error,
      hint: choose,
    });
  }

  /** It is there, and nobody can tell what it is: a person looks at it in Outlook. */
  function unreadable(due: Due, event: OutlookEvent, why: string): Settled {
    return say(due, due.status === 'error' ? 'unchanged' : 'parked', {
      status: 'error',
      ...factsOf(event),
      error: why,
      hint: unreadableHint,
    });
  }

  function flagged(due: Due, event: OutlookEvent, conflict: ConflictNote, error: string): Settled {
    return say(due, due.conflict?.kind === conflict.kind ? 'unchanged' : 'parked', {
      status: 'conflict',
      outlookSeen: itemOf(event.shows),
      ...factsOf(event),
      conflict,
      error,
      hint: choose,
    });
  }

  /** Takes the event out of the room: ours is deleted, somebody else's meeting declined. */
  async function sendAway(
    room: LeasedRoom,
    due: Due,
    event: OutlookEvent,
    signal: AbortSignal,
    comment = 'The room is not available: the booking system keeps its reservation.',
  ): Promise<Imported> {
    if (!event.isOrganizer) {
      await outlook.respond(room, event.id, 'decline', comment, signal);
      return drop(due, 'declined', comment);
    }
    await remove(room, event.id, signal);
    return drop(due, 'deleted', 'it makes way for what the booking system has');
  }

  async function remove(room: LeasedRoom, eventId: string, signal: AbortSignal): Promise<void> {
    const [answer] = await outlook.write(room, [{ do: 'remove', eventId }], signal);
    if (answer!.outcome !== 'failed') return;
    const { error } = answer!;
    const isRefused = error instanceof Permanent && error.reach === 'item';
    // what is not there is removed, whatever refuses it
    if (!isRefused || (await isThere(eventId, room, { outlook, span: () => listWindow(db, window) }, signal)))
      throw error;
  }

  /** An event that its reservation moved away from, and that waits for a person; null: it is one as any other. */
  async function moved(
    room: LeasedRoom,
    due: Due,
    event: OutlookEvent,
    item: Item,
    signal: AbortSignal,
  ): Promise<Imported | null> {
    const other = await readDetached(db, room, due.conflict!);
    const fate = decideMovedUnmapped(due, item, other.where, other.booking);
    if (fate === 'unmapped') return null;
    if (fate === 'send-away')
      return await sendAway(
        room,
        due,
        event,
        signal,
        other.where === 'cancelled' ? cancelledComment : undefined,
      );
    if (fate === 'wait')
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
          hint: choose,
        }),
      );
    const detached = {
      id: other.id!,
      revision: other.revision,
      eventId: other.eventId,
      booking: other.booking!,
    };
    const back = async (revision: number) =>
      handedOver(due, await attach(db, room, [attachmentBack({ ...detached, revision }, event)]));
    if (detached.eventId === null) return await back(detached.revision);
    // noted first: should we end here, nobody takes the removal of our own event for a person's
    const noted = await noteRemovals(db, room, [detached]);
    if (!noted.has(detached.id)) return came(later(due));
    await remove(room, detached.eventId, signal);
    return await back(detached.revision + 1);
  }
}

/** Nobody gave the room back, so what a person has to choose in is not over. An event that is shown as free takes no time. */
const staysOpen = ({ conflict }: Due, shows: OutlookEvent['shows']): boolean =>
  conflict !== null &&
  (shows.is === 'undecided' ||
    shows.is === 'unreadable' ||
    (shows.is === 'free' && conflict.kind === 'moved'));

/** A failure of reading or declining, as it is written down. */
export function importFailed(due: Due, error: Retryable | Permanent, waitMs: number): Settled {
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
