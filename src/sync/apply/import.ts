/**
 * Events that no reservation knows yet: imported, given to the reservation they belong to, removed, or flagged for a
 * person. Each is read first, so what is decided is about the event as it stands.
 */
import { backOffMs } from '../../back-off.ts';
import { Permanent, Retryable } from '../../errors.ts';
import { itemOf, type OutlookEvent } from '../../event.ts';
import { textsBehind, type BookedItem } from '../../appearance.ts';
import type { Queryable } from '../../database.ts';
import { decideUnmapped, type OverlapPolicy, type UnmappedAction } from '../decide/decide-unmapped.ts';
import { attach, attachmentOf, attachmentTo, type Attachment } from '../match/attach.ts';
import { readCandidates } from '../match/candidates.ts';
import { inTurns } from '../together.ts';
import { isFollowed, type LeasedRoom, type Window } from '../store/work-list.ts';
import type { Settlement } from '../store/settle.ts';
import type { Unmapped } from '../store/work-item.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { createAway } from './away.ts';
import { choiceOf } from './decision.ts';
import { createFindMapping, isOurCreate, type FoundMapping } from './find-mapping.ts';
import { outcome, summed, type Outcome } from './outcome.ts';
import { imported } from './settlement/booked.ts';
import {
  dropped,
  flagged,
  importFailed,
  notUnderstood,
  openStill,
  readLater,
  refused,
  waiting,
  waitingForTwin,
  type UnmappedEvent,
} from './settlement/unmapped.ts';
import type { createWriteBack } from './write-booking.ts';

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
  const { db, outlook, writeBack, window, random = Math.random } = options;
  const away = createAway(options);
  const findMapping = createFindMapping(options);
  const policyIn = (room: LeasedRoom) => ({
    overlap: room.own?.overlap_policy ?? options.overlap,
    importMode: room.own?.import_mode ?? options.importMode,
    followed: isFollowed(room),
  });

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
    const met = { room, unmapped: { ...unmapped, resolution: choiceOf(unmapped, event) }, event, item };
    const moved = unmapped.conflict?.kind === 'moved' ? await away.movedAway(met, signal) : null;
    return moved ?? (await takeUnmapped(met, signal));
  }

  async function takeUnmapped(met: UnmappedEvent, signal: AbortSignal): Promise<Outcome> {
    const { room, unmapped, event, item } = met;
    const candidates = await readCandidates(db, room, event, item, window);
    const { inWindow, mappings, properties, revives } = candidates;
    const isOurs = isOurCreate(room, event, properties, options.installationId());
    const remembered = isOurs ? { ...event, remembered: event.properties! } : event;
    const { found, hasTwin } = await findMapping(room, remembered, mappings, signal);
    const mapping = found?.mapping.id ?? null;
    const fate = decideUnmapped(
      { event, item, due: unmapped, inWindow, mapping, properties, revives, hasTwin, isOwnCreate: isOurs },
      { ...policyIn(room), show: (shown) => outlook.show(shown) },
    );
    return await carryOut(met, fate, found, properties.reservation?.item ?? null, signal);
  }

  /** `named`: the reservation that the event's properties name: it was restored, or copied from that one's event. */
  async function carryOut(
    met: UnmappedEvent,
    fate: UnmappedAction,
    found: FoundMapping['found'],
    named: BookedItem | null,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { unmapped, event } = met;
    switch (fate.do) {
      case 'forget':
        return came(dropped(unmapped, 'forgotten', fate.reason));
      case 'attach':
        return await handedOver(met, attachmentOf(found!));
      case 'attach-to':
        return await handedOver(met, attachmentTo(fate.reservation, event));
      case 'take-out':
        return await away.sendAway(met, signal);
      case 'flag':
        return came(flagged(unmapped, event, fate.conflict, fate.message));
      case 'wait':
        return came(waiting(unmapped, event, fate.for));
      case 'wait-for-twin':
        return came(waitingForTwin(unmapped, event, twinAgainMs));
      case 'import':
        return await importIt(met, named, fate, signal);
    }
  }

  /** Once its event was given to a mapping, nothing is left to write down. */
  async function handedOver({ room, unmapped }: UnmappedEvent, attachment: Attachment): Promise<Outcome> {
    const attached = await attach(db, room, [attachment]);
    return attached.size > 0 ? outcome({}) : came(readLater(unmapped));
  }

  async function importIt(
    met: UnmappedEvent,
    named: BookedItem | null,
    { overlap, revives = null }: Extract<UnmappedAction, { do: 'import' }>,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { room, unmapped, event, item } = met;
    const organizer = event.isOrganizer ? null : event.organizer;
    const texts = named === null ? {} : textsBehind(item, named, outlook.show(named));
    const write = { do: 'import', item: { ...item, ...texts }, organizer, overlap, revives } as const;
    const written = await writeBack(room, unmapped, write, imported(unmapped, event, item));
    switch (written.outcome) {
      case 'written':
        return outcome({ done: [{ item: unmapped, written }] });
      case 'stale':
        return came(readLater(unmapped));
      case 'later':
        return came(readLater(unmapped, written.inMs, written.message));
      case 'taken':
        if (policyIn(room).overlap === 'decline' && !event.isOrganizer)
          return await away.sendAway(met, signal, takenComment);
        return came(flagged(unmapped, event, { kind: 'overlap', outlook: item }, written.message));
      case 'refused':
        return came(refused(unmapped, event, written.message));
    }
  }
}

const came = (settlement: Settlement): Outcome => outcome({ settlements: [settlement] });

/** Nobody gave the room back, so what a person has to choose in is not over. An event that is shown as free takes no time. */
const staysOpen = ({ conflict }: Unmapped, shows: OutlookEvent['shows']): boolean =>
  conflict !== null &&
  (shows.is === 'undecided' ||
    shows.is === 'unreadable' ||
    (shows.is === 'free' && conflict.kind === 'moved'));
