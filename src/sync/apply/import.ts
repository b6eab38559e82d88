/**
 * Unmapped events: imported, given to their reservation, taken out, or flagged for a person. Each is read first, so the decision
 * is about the current event.
 */
import { backOffMs } from '../../back-off.ts';
import { concernsRows } from '../../database.ts';
import { isExpected, messageOf, Retryable } from '../../errors.ts';
import { itemOf, type OutlookEvent } from '../../event.ts';
import { textsBehind, type BookedItem } from '../../appearance.ts';
import { decideUnmapped, type OverlapPolicy, type UnmappedAction } from '../decide/decide-unmapped.ts';
import { attach, attachmentOf, attachmentTo, createdOf, type Attachment } from '../match/attach.ts';
import { readCandidates, type Candidates } from '../match/candidates.ts';
import { inTurns } from '../together.ts';
import { unreadableHint } from '../store/readable-items.ts';
import { isFollowed, type LeasedRoom } from '../store/work-list.ts';
import type { Settlement } from '../store/settle.ts';
import type { Unmapped } from '../store/work-item.ts';
import { choiceOf } from './decision.ts';
import { findMapping, type FoundMapping, type UnmappedContext, unrecordedCreateOf } from './find-mapping.ts';
import { itemResults, summed, type ItemResults } from './item-results.ts';
import { imported } from './settlement/booked.ts';
import {
  dropped,
  flagged,
  flaggedAsTaken,
  importFailed,
  notUnderstood,
  readLater,
  refused,
  refusedByFailure,
  stillOpen,
  waiting,
  waitingForTwin,
  type UnmappedEvent,
} from './settlement/unmapped.ts';
import { mayWriteIn, readAgain, resultsOfDetached, takeBack, takeOut } from './take-out.ts';
import type { createWriteBooking } from './write-booking.ts';

/** Sent to the organiser: our errors and other reservations do not concern that person. */
const takenComment = 'The room is taken at this time.';

/** After a meeting was found under another id beside its old event: until that event is read again. */
const twinAgainMs = 5_000;

/** So often a meeting is read again before a person is asked about its reservation at another time: for a few seconds. */
const followTries = 4;

export interface ImportOptions extends UnmappedContext {
  readonly writeBooking: ReturnType<typeof createWriteBooking>;
  readonly installationId: () => string;
  readonly overlap: OverlapPolicy;
  /** manual: an import waits for a request. */
  readonly importMode: 'auto' | 'manual';
}

export function createImport(options: ImportOptions) {
  /** Events at overlapping times are imported one after the other. */
  return async function importAll(
    room: LeasedRoom,
    items: readonly Unmapped[],
    signal: AbortSignal,
  ): Promise<ItemResults> {
    const results = await inTurns(
      items,
      ({ outlookSeen }) => outlookSeen,
      async (unmapped) => {
        try {
          return { ...(await readAndImport(options, room, unmapped, signal)), answered: true };
        } catch (error) {
          // a row of the booking view fails: only the events that need it wait
          const failure = concernsRows(error)
            ? new Retryable(messageOf(error), { reach: 'item', hint: unreadableHint, cause: error })
            : error;
          if (!isExpected(failure)) throw failure;
          return itemResults({ settlements: [importFailed(unmapped, failure)], failures: [failure] });
        }
      },
    );
    return summed(results);
  };
}

/** Throws Retryable and Permanent as the calls do. */
async function readAndImport(
  options: ImportOptions,
  room: LeasedRoom,
  unmapped: Unmapped,
  signal: AbortSignal,
): Promise<ItemResults> {
  const { outlook } = options;
  const event =
    outlook.recent?.(room, unmapped.eventId) ?? (await outlook.read(room, unmapped.eventId, signal));
  if (event !== null && staysOpen(unmapped, event.shows)) return settle(stillOpen(unmapped, event));
  if (event?.shows.is === 'unreadable') return settle(notUnderstood(unmapped, event, event.shows.why));
  const item = event === null ? null : itemOf(event.shows);
  if (event === null || item === null)
    return settle(dropped(unmapped, 'forgotten', 'it does not occupy the room'));
  const read = { room, unmapped: { ...unmapped, resolution: choiceOf(unmapped, event) }, event, item };
  const ofDetached =
    unmapped.conflict?.kind === 'moved' ? await resultsOfDetached(options, read, signal) : null;
  return ofDetached ?? (await decideAndCarryOut(options, read, signal));
}

/** A person's choice stays open while the room was not given back. An event that is shown as free takes no time. */
const staysOpen = ({ conflict }: Unmapped, shows: OutlookEvent['shows']): boolean =>
  conflict !== null &&
  (shows.is === 'undecided' ||
    shows.is === 'unreadable' ||
    (shows.is === 'free' && conflict.kind === 'moved'));

async function decideAndCarryOut(
  options: ImportOptions,
  read: UnmappedEvent,
  signal: AbortSignal,
): Promise<ItemResults> {
  const { db, outlook, window } = options;
  const { room, unmapped, event, item } = read;
  const candidates = await readCandidates(db, room, event, item, window);
  const { inWindow, mappings, properties, revives, isCancelledDate, ownInstead, returned } = candidates;
  const ownCreate = unrecordedCreateOf(room, event, properties, options.installationId());
  const isOwnCreate = ownCreate !== null;
  const remembered = isOwnCreate ? { ...event, remembered: event.properties! } : event;
  const { found, hasTwin } = await findMapping(options, room, remembered, mappings, signal);
  const mapping = found?.mapping.id ?? null;
  const action = decideUnmapped(
    {
      event,
      item,
      due: unmapped,
      inWindow,
      mapping,
      properties,
      revives,
      isCancelledDate,
      hasTwin,
      isOwnCreate,
      returned,
    },
    {
      ...policyIn(room, options),
      followed: isFollowed(room),
      mayWrite: mayWriteIn(room),
      show: outlook.show,
    },
  );
  if (action.do === 'import' && ownInstead !== null && !event.isOrganizer)
    return ownInstead.meets && mayWriteIn(room)
      ? await giveMeetingBack(options, read, ownInstead, signal)
      : settle(atAnotherTime(read, ownInstead));
  const known = { found, named: properties.reservation?.item ?? null, ownCreate };
  return await carryOut(options, read, action, known, signal);
}

const policyIn = ({ own }: LeasedRoom, { overlap, importMode }: ImportOptions) => ({
  overlap: own?.overlap_policy ?? overlap,
  importMode: own?.import_mode ?? importMode,
});

/**
 * It has an event of its own, which is left alone in a room that only takes changes from Outlook: a person decides.
 * The reservation at another time follows the meeting soon if another room has not read its new time yet. Otherwise a person decides, as if the
 * reservation had been moved away from the meeting.
 */
function atAnotherTime(
  { unmapped, event, item }: UnmappedEvent,
  { mapping, reservation, meets }: NonNullable<Candidates['ownInstead']>,
): Settlement {
  const message = meets
    ? 'The reservation of this meeting has another event in this room.'
    : 'The reservation of this meeting is in this room at another time.';
  return !meets && unmapped.attempt < followTries
    ? readLater(unmapped, backOffMs(unmapped.attempt, Math.random()), message)
    : flagged(unmapped, event, { kind: 'moved', mapping, reservation, outlook: item }, message);
}

/** The meeting replaces our event, as if its reservation had been moved away from it and back. */
async function giveMeetingBack(
  options: ImportOptions,
  read: UnmappedEvent,
  { mapping, reservation }: NonNullable<Candidates['ownInstead']>,
  signal: AbortSignal,
): Promise<ItemResults> {
  const conflict = { kind: 'moved', mapping, reservation, outlook: read.item } as const;
  const detached = { ...read, unmapped: { ...read.unmapped, conflict } };
  return (await resultsOfDetached(options, detached, signal)) ?? settle(readLater(read.unmapped));
}

interface KnownOfEvent extends Pick<FoundMapping, 'found'> {
  /** The reservation that its properties name: it was restored, or copied from that one's event. */
  readonly named: BookedItem | null;
  /** See `unrecordedCreateOf`. */
  readonly ownCreate: number | null;
}

async function carryOut(
  options: ImportOptions,
  read: UnmappedEvent,
  action: UnmappedAction,
  { found, named, ownCreate }: KnownOfEvent,
  signal: AbortSignal,
): Promise<ItemResults> {
  const { unmapped, event } = read;
  switch (action.do) {
    case 'forget':
      return settle(dropped(unmapped, 'forgotten', action.reason));
    case 'attach':
      return await attached(
        options,
        read,
        attachmentOf(found!, {
          created:
            isFollowed(read.room) && ownCreate !== null
              ? createdOf(found!, read.room, options.outlook.show, options.installationId())
              : null,
        }),
      );
    case 'attach-to':
      return await attached(options, read, attachmentTo(action.reservation, event));
    case 'take-out':
      return await takeOut(options, read, signal, {
        ...(action.isOwnCreate === true ? { ownCreate } : {}),
        // taken out without a person's choice
        isCancelled: unmapped.resolution === null && action.unlessEdited !== true,
      });
    case 'flag':
      return settle(flagged(unmapped, event, action.conflict, action.message));
    case 'wait':
      return settle(waiting(unmapped, event, action.for));
    case 'wait-for-twin':
      return settle(waitingForTwin(unmapped, event, twinAgainMs));
    case 'take-back':
      return await takeBack(options, read, action.returned, signal);
    case 'look-again':
      return settle(readAgain(unmapped));
    case 'import':
      return await importEvent(options, read, named, action, signal);
  }
}

/** An event that was given to a mapping needs no settlement. */
async function attached(
  { db }: ImportOptions,
  { room, unmapped }: UnmappedEvent,
  attachment: Attachment,
): Promise<ItemResults> {
  const ids = await attach(db, room, [attachment]);
  return ids.size > 0 ? itemResults({}) : settle(readLater(unmapped));
}

async function importEvent(
  options: ImportOptions,
  read: UnmappedEvent,
  named: BookedItem | null,
  { overlap, revives = null }: Extract<UnmappedAction, { do: 'import' }>,
  signal: AbortSignal,
): Promise<ItemResults> {
  const { outlook, writeBooking } = options;
  const { room, unmapped, event, item } = read;
  const organizer = event.isOrganizer ? null : event.organizer;
  const texts = named === null ? {} : textsBehind(item, named, outlook.show(named));
  const write = { do: 'import', item: { ...item, ...texts }, organizer, overlap, revives } as const;
  const written = await writeBooking(room, unmapped, write, imported(unmapped, event, item));
  switch (written.outcome) {
    case 'written':
      return itemResults({ done: [{ item: unmapped, written }] });
    case 'stale':
      return settle(readLater(unmapped));
    case 'later':
      return settle(readLater(unmapped, written.inMs, written.message));
    case 'taken':
      if (policyIn(room, options).overlap === 'decline' && !event.isOrganizer)
        return await takeOut(options, read, signal, { comment: takenComment });
      return settle(flaggedAsTaken(unmapped, event, item, written.message));
    case 'refused':
      return settle(
        written.isRule ? refused(read, written.message) : refusedByFailure(read, written.message),
      );
  }
}

const settle = (settlement: Settlement): ItemResults => itemResults({ settlements: [settlement] });
