/**
 * Changes of a room's calendar since a point in time: rounds of calendarView/delta (Microsoft: event-delta). A token
 * belongs to one fixed window; a round ends with the link at which the next one begins.
 */
import { Permanent, Retryable } from '../errors.ts';
import type { DeltaAnswer, DeltaRow, Mailbox, OutlookEvent } from '../event.ts';
import { codeOf, type Answer } from './failure.ts';
import { membersOf, textOf, type Format } from './format.ts';
import { encode, preferEvents, unreadable, type Call, type GraphHttp } from './http.ts';
import { pageDigest, widerWindow } from './pages.ts';
import { cut } from './text.ts';

/** A first round over a window (ISO instants), or the next round at the link of an earlier page. */
export type DeltaStart = { readonly from: string; readonly to: string } | { readonly link: string };

/** Graph does not document the default nor the maximum; 200 is used in the field (docs-contrib#7943). */
const preferDelta = `${preferEvents}, odata.maxpagesize=200`;
const mostPages = 500;
const mostEmptyPages = 20;
/** Rows, and so pages, may repeat within a round, but not without limit. */
const mostRepeats = 3;

export function createDelta(http: GraphHttp, format: Format) {
  /**
   * The pages of one round, the last with a `deltaLink`; or, as its end, one of the other answers. Throws only
   * errors beyond delta itself: no answer, a refused token, throttling. A link to another host counts as lost, because following it
   * would send our token there.
   */
  return async function* delta(
    room: Mailbox,
    start: DeltaStart,
    signal: AbortSignal,
  ): AsyncGenerator<DeltaAnswer> {
    const seen = new Set<string>();
    let empty = 0;
    let repeats = 0;
    let path: string | null = null;
    if (!('link' in start)) path = firstPath(room, start);
    else if ((path = follow(start.link)) === null) return yield foreignLink(start.link);
    for (let page = 0; path !== null; page += 1) {
      if (page >= mostPages) return yield endless(`${page} pages`);
      const call: Call = {
        what: 'read the changes of a calendar',
        mailbox: room.mailbox,
        method: 'GET',
        path,
        prefer: preferDelta,
        lane: 'bulk',
      };
      const answer = await answerOf(call, signal);
      if (answer instanceof Error) return yield { answer: 'refused', error: answer };
      if (answer.status !== 200) {
        const error = http.refused(answer, call);
        if (isLost(answer)) return yield { answer: 'lost', reason: error.message };
        if (answer.status === 504) return yield { answer: 'too-wide', error };
        if (answer.status !== 429 && isOfDelta(error)) return yield { answer: 'refused', error };
        throw error;
      }
      const read = readPage(answer, format);
      if (read === null) return yield { answer: 'refused', error: unreadable(call.what, answer, false) };
      const { value } = membersOf(answer.body);
      const digest = pageDigest(Array.isArray(value) ? value : []);
      empty = digest === null ? empty + 1 : 0;
      if (digest !== null && seen.has(digest)) repeats += 1;
      if (read.nextLink !== null && (seen.has(read.nextLink) || repeats > mostRepeats))
        return yield endless(`page ${page + 1} came before`);
      if (empty > mostEmptyPages && read.nextLink !== null) return yield endless(`${empty} empty pages`);
      if (digest !== null) seen.add(digest);
      if (read.nextLink !== null) seen.add(read.nextLink);
      const link = read.deltaLink ?? read.nextLink!;
      const next = follow(link);
      yield next === null ? { ...read, nextLink: null, deltaLink: null } : read;
      if (next === null) return yield foreignLink(link);
      path = read.nextLink === null ? null : next;
    }
  };

  function follow(link: string): string | null {
    try {
      return http.pathOf(link);
    } catch {
      return null;
    }
  }

  /** The answer, or the error of delta alone: it may hang while plain reads work. */
  async function answerOf(call: Call, signal: AbortSignal): Promise<Answer | Retryable | Permanent> {
    try {
      return await http.send(call, signal);
    } catch (error) {
      if (error instanceof Retryable && error.reach !== 'side' && isOfDelta(error)) return error;
      throw error;
    }
  }
}

/** Whether an error may concern delta alone: not throttling and not a refused token. */
const isOfDelta = (error: Error): error is Retryable | Permanent =>
  error instanceof Permanent ||
  (error instanceof Retryable && error.afterMs === undefined && error.refusedFor !== 'token');

const foreignLink = (link: string): DeltaAnswer => ({
  answer: 'lost',
  reason: `a link of Graph leads to '${URL.canParse(link) ? new URL(link).origin : cut(link, 100)}' and is not followed`,
});

const endless = (what: string): DeltaAnswer => ({
  answer: 'endless',
  reason: `Graph repeats its pages of changes: ${what}`,
});

const firstPath = (room: Mailbox, { from, to }: { from: string; to: string }) =>
  `/users/${encode(room.mailbox)}/calendarView/delta?${widerWindow(from, to)}`;

/** Codes seen and documented, in any case; a mangled token was seen as a plain 400 (Microsoft: delta-query-overview). */
const lostCodes = new Set(['syncstatenotfound', 'syncstateinvalid', 'resyncrequired', 'fullsyncrequired']);

function isLost(answer: Answer): boolean {
  if (answer.status === 410) return true;
  if (answer.status < 400 || answer.status >= 500) return false;
  const { message } = membersOf(membersOf(answer.body).error);
  return lostCodes.has(codeOf(answer)) || /badly formed token/i.test(textOf(message) ?? '');
}

/** Null: it is not a page. */
function readPage(answer: Answer, format: Format): (DeltaAnswer & { answer: 'page' }) | null {
  const body = membersOf(answer.body);
  const [nextLink, deltaLink] = [textOf(body['@odata.nextLink']), textOf(body['@odata.deltaLink'])];
  if (!Array.isArray(body.value) || (nextLink === null && deltaLink === null)) return null;
  const rows: DeltaRow[] = [];
  const removed: string[] = [];
  for (const row of body.value) {
    const id = textOf(membersOf(row).id);
    if (id === null) continue;
    if (membersOf(row)['@removed'] === undefined) rows.push(readRow(id, row, format));
    else removed.push(id);
  }
  return { answer: 'page', rows, removed, nextLink: deltaLink === null ? nextLink : null, deltaLink };
}

function readRow(id: string, value: unknown, format: Format): DeltaRow {
  const row = membersOf(value);
  const event = isPartial(row) ? null : tryEvent(row, format);
  const { type } = row;
  const known = type === 'occurrence' || type === 'exception' || type === 'seriesMaster';
  return { id, type: known ? type : 'singleInstance', seriesMasterId: textOf(row.seriesMasterId), event };
}

/** Without subject, isCancelled and showAs: rows of occurrences (msgraph docs#7632). */
const isPartial = (row: Readonly<Record<string, unknown>>) =>
  row.subject === undefined && row.isCancelled === undefined && row.showAs === undefined;

function tryEvent(row: unknown, format: Format): OutlookEvent | null {
  try {
    return format.toEvent(row);
  } catch (error) {
    // one malformed row must not stop a room for ever: the event is read by its id
    if (error instanceof Retryable) throw error;
    return null;
  }
}
