/**
 * A full scan: the whole window of a room in Outlook is listed and compared with its mappings. It is due for a new room, a new window,
 * and after the loss of the cursor, of the mappings, or of the answer to a create. It duplicates and misses nothing.
 */
import type { OutlookEvent } from '../../event.ts';
import type { OutlookSide } from '../outlook-side.ts';
import { answerHints, storeFullScan } from '../store/observed.ts';
import { answerWholeHint, wholeHintOf } from '../store/hints.ts';
import { mappingsOf, rememberedOf, type StoredMapping } from '../store/mappings.ts';
import { readCursor, scanRequestOf } from '../store/rounds.ts';
import { listWindow, type Span } from '../store/span.ts';
import { isFollowed, replaceMailbox, type LeasedRoom } from '../store/work-list.ts';
import type { Allowed } from './claim-check.ts';
import { createdOf } from '../match/attach.ts';
import { compareListing } from './compare.ts';
import type { PullContext } from './observe.ts';
import { pollAfter } from './poll-spacing.ts';
import { reportRefused } from './refused-rows.ts';

/** A room whose holder vanished is polled within this time. */
const abandonedMs = 10_000;

/** Whether the delta rounds continue from their cursor ('kept') or begin anew. */
export type Cursor = 'kept' | 'new';

export interface FullScanned {
  /** The number of rows on both sides. */
  readonly rows: number;
  /** Another scan was requested meanwhile: until it ends, nothing may be created. */
  readonly again: boolean;
}

export async function fullScan(
  context: PullContext,
  room: LeasedRoom,
  cursor: Cursor,
  signal: AbortSignal,
): Promise<FullScanned> {
  const { db, outlook, claims, tell } = context;
  const startedAt = performance.now();
  const reportedAt = new Date();
  let request = await scanRequestOf(db, room);
  const wholeHint = await wholeHintOf(db, room);
  const claim = await claims.check(room, signal);
  const span = await listWindow(db, context.window);
  // before the list: later changes are in the next delta round
  const links = isFollowed(room)
    ? await nextLinks(context, room, span, claim === 'lost' ? 'new' : cursor, signal)
    : null;
  const events: OutlookEvent[] = [];
  for await (const page of outlook.list(room, span.from, span.to, signal)) {
    for (const event of page) outlook.outdate(room, event);
    events.push(...page);
  }
  const remembered = await rememberedOf(db, room, events);
  const eventIds = events.map(({ id }) => id);
  const mappings = await mappingsOf(db, room, span, eventIds);
  const compare = (known: readonly StoredMapping[]) =>
    compareListing(known, { events, window: span, remembered }, isFollowed(room), outlook.show, (found) =>
      // the create of an event on record was answered
      remembered.has(found.event.id) ? null : createdOf(found, room, outlook.show, context.installationId()),
    );
  let found = compare(mappings);
  if (found.showsNothing && (await isNewMailbox(context, room, claim, cursor, signal))) {
    // nothing was deleted: everything is created again
    const objectId = room.mailbox === room.outlookItemId ? null : room.mailbox;
    await replaceMailbox(db, room, objectId, true);
    request = await scanRequestOf(db, room);
    found = compare(await mappingsOf(db, room, span, eventIds));
  }
  const pollMs = nextPollMs(context, room);
  const scanned = { ...found, reportedAt, links, window: span, pollMs, request };
  const { refused, isLast } = await storeFullScan(db, room, scanned);
  if (wholeHint !== null) {
    await answerHints(db, room, { rows: events.map((event) => ({ id: event.id, event })), removed: [] });
    await answerWholeHint(db, room, wholeHint);
  }
  await reportRefused(context, room, refused, `the comparison of ${room.name}`, 'scan');
  await claims.raise(room, claim, signal);
  tell({
    fact: 'room-baselined',
    room: room.name,
    resourceId: room.resourceId,
    events: events.length,
    adopted: found.attachments.length,
    ms: performance.now() - startedAt,
  });
  return { rows: events.length + mappings.length, again: !isLast };
}

/** The links of the next delta rounds. */
async function nextLinks(
  { db, outlook }: PullContext,
  room: LeasedRoom,
  span: Span,
  cursor: Cursor,
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  const known = cursor === 'kept' ? await readCursor(db, room) : null;
  if (known !== null && known.links !== null && known.from === span.from && known.to === span.to)
    return known.links;
  return await firstDeltaRound(outlook, room, span, signal);
}

/**
 * Whether an empty calendar belongs to a new mailbox under the old address. With our claim in it, the calendar was emptied. For
 * a new row in place of a former one only the claim tells.
 */
async function isNewMailbox(
  { db, outlook }: PullContext,
  room: LeasedRoom,
  claim: Allowed,
  cursor: Cursor,
  signal: AbortSignal,
): Promise<boolean> {
  if (claim === 'lost') return true;
  if (claim === 'ours' || cursor === 'kept' || !isFollowed(room)) return false;
  const { links, isFirst } = await readCursor(db, room);
  if (isFirst) return true;
  if (links === null || links.length === 0) return false;
  // a new mailbox does not know the cursor
  for await (const answer of outlook.delta(room, { link: links[0]! }, signal))
    return answer.answer === 'lost' || (answer.answer === 'refused' && answer.error.refusedFor === 'mailbox');
  return false;
}

/**
 * Time until the next poll; null: the room is not polled. Rooms that start together are spread over the interval. The changes reported
 * to the last holder of an abandoned room may not show in a list yet.
 */
function nextPollMs({ pollMs }: PullContext, room: LeasedRoom): number | null {
  if (!isFollowed(room)) return null;
  const pollIn = pollAfter(pollMs);
  return (room.abandoned ? Math.min(pollIn, abandonedMs) : pollIn) * (room.baselined ? 1 : Math.random());
}

/** The narrowest part into which the window is divided when Graph does not answer for wider ones (504). */
const narrowestMs = 14 * 86_400_000;
/** Maximum number of parts. */
const partsMost = 32;

/**
 * Reads a first delta round to its end. Returns the links of the next one, one for each part of the window; null: Graph gives none
 * (endless pages), and each poll needs a full scan.
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
        if (halves === null || parts.length + links.length + 2 > partsMost) return null;
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
