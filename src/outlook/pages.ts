/** Graph's lists, page by page, bounded even if Graph's paging does not end. */
import { createHash } from 'node:crypto';
import { Retryable } from '../errors.ts';
import { membersOf, textOf } from './format.ts';
import { unreadable, type Call, type GraphHttp } from './http.ts';

const dayMs = 86_400_000;

/** Far more than a room has in any window. */
const mostPages = 1_000;

/** The rows of each page. Throws Retryable for pages that repeat or do not end, and what the calls throw. */
export async function* pagesOf(
  http: GraphHttp,
  first: Call,
  signal: AbortSignal,
): AsyncGenerator<readonly unknown[]> {
  const seen = new Set<string>();
  let path: string | null = first.path;
  for (let page = 0; path !== null; page += 1) {
    const answer = await http.get({ ...first, path }, signal);
    const { value, '@odata.nextLink': nextLink } = membersOf(answer.body);
    if (!Array.isArray(value)) throw unreadable(first.what, answer, false);
    const digest = pageDigest(value);
    if (page >= mostPages || seen.has(path) || (digest !== null && seen.has(digest)))
      throw new Retryable(`${first.what}: the pages do not end`, {
        reach: first.mailbox === null ? 'item' : 'room',
        hint: 'Graph repeats its pages (a known fault). Shorten SYNC_FUTURE_DAYS if it stays so.',
      });
    seen.add(path);
    if (digest !== null) seen.add(digest);
    yield value;
    const link = textOf(nextLink);
    path = link === null ? null : http.pathOf(link);
  }
}

/** The identity of a page: its rows' ids and versions. Null for an empty page, which may repeat. */
export function pageDigest(rows: readonly unknown[]): string | null {
  if (rows.length === 0) return null;
  const hash = createHash('sha1');
  for (const row of rows) {
    const { id, '@odata.etag': etag, '@removed': removed } = membersOf(row);
    hash.update(`${String(id)} ${String(etag)} ${removed === undefined ? '' : 'removed'}\n`);
  }
  return hash.digest('base64');
}

/** All-day events are matched as UTC midnights whatever the zone (seen live, 2026-10): a day more on each side. */
export function widerWindow(from: string, to: string): string {
  const at = (instant: string, ms: number) => new Date(Date.parse(instant) + ms).toISOString().slice(0, 19);
  return `startDateTime=${at(from, -dayMs)}Z&endDateTime=${at(to, dayMs)}Z`;
}
