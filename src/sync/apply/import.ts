/**
 * Events that no reservation knows yet: imported, given to the reservation they belong to, removed, or flagged for a
 * person. Each is read first, so what is decided is about the event as it stands.
 */
import { backOffMs } from '../../back-off.ts';
import { Permanent, Retryable } from '../../errors.ts';
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
import { inTurns } from '../in-turns.ts';
import type { LeasedRoom, Window } from '../store/work-list.ts';
import { listWindow, noteRemovals, type RoomMapping } from '../store/pull-store.ts';
import type { Settlement } from '../store/settle.ts';
import type { Unmapped } from '../store/work-item.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { storeVerified } from '../store/observed.ts';
import { isThere, verify } from './read.ts';
import { choiceOf } from './decision.ts';
import { outcome, summed, type Outcome } from './outcome.ts';
import {
  dropped,
  flagged,
  importFailed,
  movedStill,
  notUnderstood,
  openStill,
  readLater,
  refused,
  waiting,
  waitingForTwin,
} from './settlement/unmapped.ts';
import { imported } from './settlement/booked.ts';
import type { createWriteBack } from './write-booking.ts';
import { cancelledComment } from './write-outlook.ts';

/** Goes to the organiser, whom neither our errors nor the reservations of others concern. */
const takenComment = 'The room is taken at this time.';

/** Between finding a meeting under another id beside its old event, and asking whether that has gone. */
const twinAgainMs = 5_000;

export interface ImportOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly writeBack: ReturnType<typeof createWriteBack>;
  readonly window: Window;
  readonly installationId: () => string;
  readonly overlap: OverlapPolicy;
  /** manual: an import waits until a person asks for it. */
  readonly importMode: 'auto' | 'manual';
  readonly random?: () => number;
}

export function createImport(options: ImportOptions) {
  const { db, outlook, writeBack, window, overlap, importMode, random = Math.random } = options;
  const came = (settlement: Settlement): Outcome => outcome({ settlements: [settlement] });
  /** Once its event was given to a mapping, nothing is left to write down. */
  const handedOver = (unmapped: Unmapped, attached: ReadonlySet<number>): Outcome =>
    attached.size > 0 ? outcome({}) : came(readLater(unmapped));

  /** Those that lie on the same time one after the other. */
  return async function importAll(
    room: LeasedRoom,
    items: readonly Unmapped[],
    signal: AbortSignal,
  ): Promise<Outcome> {
    const all = await inTurns(
      items,
      ({ outlookSeen }) => outlookSeen,
      async (unmapped) => {
        try {
          return { ...(await take(room, unmapped, signal)), answered: true };
        } catch (error) {
          if (!(error instanceof Retryable || error instanceof Permanent)) throw error;
          return outcome({
            settlements: [importFailed(unmapped, error, waitAfter(error, unmapped))],
            failures: [error],
          });
        }
      },
    );
    return summed(all);
  };

  function waitAfter(error: Retryable | Permanent, { attempt }: Unmapped): number {
    if (!(error instanceof Retryable) || error.reach !== 'item') return 0;
    return error.afterMs ?? backOffMs(attempt, random());
  }

  /** Throws Retryable and Permanent as the calls do. */
  async function take(room: LeasedRoom, unmapped: Unmapped, signal: AbortSignal): Promise<Outcome> {
    const event = await outlook.read(room, unmapped.eventId, signal);
    if (event !== null && staysOpen(unmapped, event.shows)) return came(openStill(unmapped, event));
    if (event?.shows.is === 'unreadable') return came(notUnderstood(unmapped, event, event.shows.why));
    const item = event === null ? null : itemOf(event.shows);
    if (event === null || item === null)
      return came(dropped(unmapped, 'forgotten', 'it does not occupy the room'));
    const due = { ...unmapped, resolution: choiceOf(unmapped, event) };
    const movedOn = due.conflict?.kind === 'moved' ? await moved(room, due, event, item, signal) : null;
    if (movedOn !== null) return movedOn;
    const { inWindow, mappings, properties, revives } = await readCandidates(db, room, event, item, window);
    const own = isOwn(room, event, properties);
    const known = own ? { ...event, remembered: event.properties! } : event;
    const { found, hasTwin } = await matched(room, known, mappings, signal);
    const mapping = found?.vacancy.mapping ?? null;
    const policy = {
      overlap: room.own?.overlap_policy ?? overlap,
      importMode: room.own?.import_mode ?? importMode,
      takes: room.direction !== 'booking_to_outlook',
    };
    const fate = decideUnmapped(
      { event, item, due, inWindow, mapping, properties, revives, hasTwin, isOwnCreate: own },
      { ...policy, show: (shown) => outlook.show(shown) },
    );
    switch (fate.do) {
      case 'forget':
        return came(dropped(due, 'forgotten', fate.reason));
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
        return came(waitingForTwin(due, event, twinAgainMs));
      case 'import':
        return await importIt(room, due, event, item, properties.reservation?.item ?? null, fate, signal);
    }
  }

  function isOwn(
    { resourceId }: LeasedRoom,
    event: OutlookEvent,
    { mapping, logged }: Candidates['properties'],
  ): boolean {
    if (event.properties === null || mapping === null || mapping.lost || logged) return false;
    const create = { reservation: event.properties, resourceId, ...mapping };
    return isOwnCreate(event, create, options.installationId());
  }

  /** The mapping this event belongs to. One that knows another event of the same meeting is read first: is that gone? */
  async function matched(
    room: LeasedRoom,
    event: OutlookEvent & Pick<FreeEvent, 'remembered'>,
    mappings: Candidates['mappings'],
    signal: AbortSignal,
  ): Promise<{ readonly found: Match<OutlookEvent> | null; readonly hasTwin: boolean }> {
    const matchIn = (those: readonly RoomMapping[]) => {
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
    due: Unmapped,
    event: OutlookEvent,
    item: Item,
    /** The reservation that its properties name: it was restored, or copied from that one's event. */
    named: BookedItem | null,
    { overlap: onTaken, revives = null }: Extract<UnmappedAction, { do: 'import' }>,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const organizer = event.isOrganizer ? null : event.organizer;
    const texts = named === null ? {} : textsBehind(item, named, outlook.show(named));
    const write = {
      do: 'import',
      item: { ...item, ...texts },
      organizer,
      overlap: onTaken,
      revives,
    } as const;
    const written = await writeBack(room, due, write, imported(due, event, item));
    switch (written.outcome) {
      case 'written':
        return outcome({ done: [{ item: due, written }] });
      case 'stale':
        return came(readLater(due));
      case 'later':
        return came(readLater(due, written.inMs, written.message));
      case 'taken':
        if ((room.own?.overlap_policy ?? overlap) === 'decline' && !event.isOrganizer)
          return await sendAway(room, due, event, signal, takenComment);
        return came(flagged(due, event, { kind: 'overlap', outlook: item }, written.message));
      case 'refused':
        return came(refused(due, event, written.message));
    }
  }

  /** Takes the event out of the room: ours is deleted, somebody else's meeting declined. */
  async function sendAway(
    room: LeasedRoom,
    due: Unmapped,
    event: OutlookEvent,
    signal: AbortSignal,
    comment = 'The room is not available: the booking system keeps its reservation.',
  ): Promise<Outcome> {
    if (!event.isOrganizer) {
      await outlook.respond(room, event.id, 'decline', comment, signal);
      return came(dropped(due, 'declined', comment));
    }
    await remove(room, event.id, signal);
    return came(dropped(due, 'deleted', 'it makes way for what the booking system has'));
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
    due: Unmapped,
    event: OutlookEvent,
    item: Item,
    signal: AbortSignal,
  ): Promise<Outcome | null> {
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
    if (fate === 'wait') return came(movedStill(due, event, item));
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
    if (!noted.has(detached.id)) return came(readLater(due));
    await remove(room, detached.eventId, signal);
    return await back(detached.revision + 1);
  }
}

/** Nobody gave the room back, so what a person has to choose in is not over. An event that is shown as free takes no time. */
const staysOpen = ({ conflict }: Unmapped, shows: OutlookEvent['shows']): boolean =>
  conflict !== null &&
  (shows.is === 'undecided' ||
    shows.is === 'unreadable' ||
    (shows.is === 'free' && conflict.kind === 'moved'));
