/**
 * The whole window of a room in Outlook, read and compared with its mappings: on the first evening, for a new window, and after a
 * lost mapping table, a lost answer, a lost cursor or the predecessor. Nothing is made twice and nothing is missed then.
 */
import type { Queryable } from '../../database.ts';
import type { OutlookEvent } from '../../event.ts';
import type { Tell } from '../../facts.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { finishBaseline } from '../store/observed.ts';
import {
  listWindow,
  mappingsOf,
  readCursor,
  rememberedOf,
  type RoomMapping,
  type Span,
} from '../store/pull-store.ts';
import { isFollowed, replaceMailbox, type LeasedRoom, type Window } from '../store/work-list.ts';
import type { ClaimCheck, Allowed } from './claim-check.ts';
import { compare, type Scanned } from './compare.ts';
import { pollAfter } from './delta-round.ts';

/** A room whose holder vanished is asked for changes again within this time. */
const abandonedMs = 10_000;

export interface FullScanOptions {
  readonly db: Queryable;
  readonly outlook: OutlookSide;
  readonly claims: ClaimCheck;
  readonly window: Window;
  /** Between two polls of a room. */
  readonly pollMs: number;
  readonly tell: Tell;
  readonly random: () => number;
}

/** Whether the rounds of changes go on where they were, or begin anew. */
type Cursor = 'kept' | 'new';

export type FullScan = ReturnType<typeof createFullScan>;

export function createFullScan({ db, outlook, claims, window, pollMs, tell, random }: FullScanOptions) {
  /** Returns how many rows there were on either side. */
  return async function fullScan(room: LeasedRoom, cursor: Cursor, signal: AbortSignal): Promise<number> {
    const startedAt = performance.now();
    const reportedAt = new Date();
    const standing = await claims.check(room, signal);
    const span = await listWindow(db, window);
    // before the list: whatever changes from here on is in the next round
    const links = isFollowed(room)
      ? await nextRounds(room, span, standing === 'lost' ? 'new' : cursor, signal)
      : null;
    const events: OutlookEvent[] = [];
    for await (const page of outlook.list(room, span.from, span.to, signal)) events.push(...page);
    const remembered = await rememberedOf(db, room, events);
    const mappings = await mappingsOf(db, room.resourceId);
    const scan = (known: readonly RoomMapping[]) =>
      compare(known, { events, window: span, remembered }, isFollowed(room), (item) => outlook.show(item));
    let found = scan(mappings);
    if (await isMadeAnew(room, found, standing, cursor, signal)) {
      // nothing was deleted, and everything is shown again
      const objectId = room.mailbox === room.outlookItemId ? null : room.mailbox;
      await replaceMailbox(db, room, objectId, true);
      found = scan(await mappingsOf(db, room.resourceId));
    }
    const refused = await finishBaseline(db, room, {
      ...found,
      reportedAt,
      links,
      window: span,
      pollMs: nextPollMs(room),
    });
    for (const error of refused) tell({ fact: 'bug', error, where: `the comparison of ${room.name}` });
    await claims.raise(room, standing, signal);
    tell({
      fact: 'room-baselined',
      room: room.name,
      resourceId: room.resourceId,
      events: events.length,
      adopted: found.attachments.length,
      ms: performance.now() - startedAt,
    });
    return events.length + mappings.length;
  };

  /** Where the next rounds of changes begin. */
  async function nextRounds(
    room: LeasedRoom,
    span: Span,
    cursor: Cursor,
    signal: AbortSignal,
  ): Promise<readonly string[] | null> {
    const known = cursor === 'kept' ? await readCursor(db, room) : null;
    if (known !== null && known.links !== null && known.from === span.from) return known.links;
    return await firstDeltaRound(outlook, room, span, signal);
  }

  /**
   * Whether the mailbox was made anew under its address, and is not the one that we knew. That a new row in the place of a former one
   * is of the same mailbox, only a claim tells.
   */
  async function isMadeAnew(
    room: LeasedRoom,
    { showsNothing }: Scanned,
    standing: Allowed,
    cursor: Cursor,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (!showsNothing || standing === 'lost') return showsNothing;
    // a claim that is there still tells that somebody emptied the calendar
    return standing !== 'ours' && cursor === 'new' && isFollowed(room) && (await hasForgotten(room, signal));
  }

  /** Whether the mailbox does not know where its rounds of changes were to go on, or nobody does, because its row is a new one. */
  async function hasForgotten(room: LeasedRoom, signal: AbortSignal): Promise<boolean> {
    const { links, isFirst } = await readCursor(db, room);
    if (isFirst) return true;
    if (links === null || links.length === 0) return false;
    for await (const answer of outlook.delta(room, { link: links[0]! }, signal))
      return (
        answer.answer === 'lost' || (answer.answer === 'refused' && answer.error.refusedFor === 'mailbox')
      );
    return false;
  }

  /**
   * Many rooms start together: their first polls are spread over the whole interval. What the last holder of an abandoned room was
   * told of may not show in a list yet, and nobody else asks for it again. Null: the room is not polled.
   */
  function nextPollMs(room: LeasedRoom): number | null {
    if (!isFollowed(room)) return null;
    const pollIn = pollAfter(pollMs, random);
    return (room.abandoned ? Math.min(pollIn, abandonedMs) : pollIn) * (room.baselined ? 1 : random());
  }
}

/** How narrow a window becomes at most, when Graph gives up on wider ones (504). */
const narrowestMs = 14 * 86_400_000;
/** Rounds beside each other at most. */
const mostRounds = 32;

/**
 * Walks a first round of changes to its end and returns where the next one begins, one link for each part of the window;
 * null: Graph gives none (pages without end), and the calendar must be listed each time.
 */
async function firstDeltaRound(
  outlook: OutlookSide,
  room: LeasedRoom,
  window: Span,
  signal: AbortSignal,
): Promise<string[] | null> {
  const links: string[] = [];
  const parts: Span[] = [window];
  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    let link: string | null = null;
    for await (const answer of outlook.delta(room, part, signal)) {
      if (answer.answer === 'page') link = answer.deltaLink ?? link;
      else if (answer.answer === 'too-wide') {
        const halves = halve(part);
        if (halves === null || parts.length + links.length + 2 > mostRounds) return null;
        parts.unshift(...halves);
        link = '';
      } else return null;
    }
    if (link === null) return null;
    if (link !== '') links.push(link);
  }
  return links;
}

function halve({ from, to }: Span): readonly [Span, Span] | null {
  const [start, end] = [Date.parse(from), Date.parse(to)];
  if (end - start <= narrowestMs) return null;
  const middle = new Date(start + (end - start) / 2).toISOString();
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}
