/** The search for reservations and events by what either side shows, in all rooms. Reads only. */
import { setImmediate as breathe } from 'node:timers/promises';
import { oneAtATime } from '../../calls.ts';
import type { Database } from '../../database.ts';
import { Retryable } from '../../errors.ts';
import type { Id } from '../../id.ts';
import type { Item } from '../../item.ts';
import { queryRow, queryRows } from '../../query.ts';
import { failingAs } from '../store/failing.ts';
import { linkOf, linksOf } from './booking-links.ts';
import { itemsOf, queryItems, type ItemSource } from '../store/readable-items.ts';
import { joinItem, joinRoom, organizer, outlookShown } from '../store/mapping-sql.ts';
import { createMatches } from './search-matches.ts';
import { understand, type Understood } from './search-query.ts';
import { folded, matchWord, type Folded } from './search-words.ts';

export interface SearchResult {
  /** Null: its room is not synced, or it lies outside the window. */
  readonly mapping_id: number | null;
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
  readonly resource_id: number;
  readonly room: string;
  readonly title: string | null;
  readonly organizer: string | null;
  readonly starts_at: Date | null;
  readonly ends_at: Date | null;
  readonly status: string;
  readonly outlook_event_id: string | null;
  /** Its address in the booking system, if the adapter knows it. */
  readonly url: string | null;
  /** What Outlook showed at the last read; null: nothing. */
  readonly outlook: Item | null;
}

export interface Found {
  readonly timezone: string;
  readonly understood: Understood;
  /** If the results do not quite match the query. */
  readonly remark: string | null;
  /** All matches; the best are listed. */
  readonly total: number;
  readonly results: readonly SearchResult[];
}

interface Candidate extends Omit<SearchResult, 'url'> {
  readonly organizer_name: string | null;
  readonly organizer_email: string | null;
  readonly mailbox: string;
  /** Start and end in the booking system's zone: HH:MM. */
  readonly from_time: string | null;
  readonly to_time: string | null;
}

/** Candidates that are read in full: the nearest to now, or those of a day. */
const mostCandidates = 2_000;
const mostOfADay = 20_000;
const atATime = 1_000;
/** The searches of a daemon run one after the other. */
const mostWaiting = 20;

export function createSearch(db: Database) {
  const findMatches = createMatches(db);
  let waiting = 0;
  const inOrder = oneAtATime();

  /** Throws Invalid for a query without a meaning, Retryable while too many searches wait. */
  async function search(query: string, limit: number): Promise<Found> {
    if (waiting >= mostWaiting) throw new Retryable('Too many searches are under way.', { afterMs: 2_000 });
    waiting += 1;
    try {
      return await inOrder(() => find(query, limit));
    } finally {
      waiting -= 1;
    }
  }

  async function find(query: string, limit: number): Promise<Found> {
    const { timezone, today, types, hasKeys } = await queryRow<{
      timezone: string;
      today: string;
      types: string[];
      hasKeys: boolean;
    }>(db, {
      name: 'search_settings',
      text: settingsText,
    });
    const understood = understand(query, today, types, hasKeys);
    const exact = await byId(understood);
    // an Outlook id is not also a text
    const isId = exact.length > 0 && understood.outlookId !== null;
    let found = isId ? none : await matching(understood, false);
    let remark: string | null = null;
    if (found.best.length === 0 && exact.length === 0 && understood.days?.weekday === true) {
      found = await matching(understood, true);
      if (found.best.length > 0)
        remark = `There is none on ${understood.days.from}; these are on other such weekdays.`;
    }
    const known = new Set(exact.map((one) => one.mapping_id));
    const all = [...exact, ...found.best.filter((one) => !known.has(one.mapping_id))];
    const listed = all.slice(0, limit).map(printed);
    const links = await linksOf(db, listed);
    const results = listed.map((one) => ({ ...one, url: linkOf(links, one) }));
    return { timezone, understood, remark, total: all.length + found.beyond, results };
  }

  async function byId({ reservation, outlookId }: Understood): Promise<Candidate[]> {
    if (reservation === null && outlookId === null) return [];
    const rows = await queryRows<Candidate>(db, {
      text: byIdText,
      values: [reservation?.type ?? null, reservation?.id ?? null, outlookId],
    });
    return rows;
  }

  async function matching(understood: Understood, anyWeek: boolean): Promise<Matching> {
    const { words, days, time } = understood;
    if (words.length === 0 && days === null && time === null) return none;
    const { matches, score } = createScore(words);
    // the items of given days are few, and all are compared
    const found =
      words.length === 0 || (days !== null && !anyWeek)
        ? null
        : await findMatches(words.length, matches, mostCandidates);
    const values = [days?.from ?? null, days?.to ?? null, anyWeek, mostOfADay, found?.ids ?? null];
    const rows = await queryItems<Candidate>(db, values, candidatesText);
    const scored: { row: Candidate; score: number; at: number }[] = [];
    for (const [at, row] of rows.entries()) {
      if (at % atATime === atATime - 1) await breathe();
      const points = time === null || covers(row, time) ? score(row) : 0;
      if (points > 0) scored.push({ row, score: points, at });
    }
    // the rows come nearest first
    const best = scored.toSorted((a, b) => b.score - a.score || a.at - b.at).map(({ row }) => row);
    const beyond = found === null || time !== null || anyWeek ? 0 : found.total - mostCandidates;
    return { best, beyond: Math.max(0, beyond) };
  }

  return { search: failingAs('search', search) };
}

const covers = ({ from_time: from, to_time: to }: Candidate, time: string): boolean =>
  from !== null && to !== null && (from === time || (from < time && (time < to || to <= from)));

/** `beyond`: the number of matches that were not read. */
interface Matching {
  readonly best: readonly Candidate[];
  readonly beyond: number;
}
const none: Matching = { best: [], beyond: 0 };

/**
 * `matches`: how well each word matches one text. `score`: how well a candidate matches all words; 0: not all of them match.
 * Cancelled items come after equal ones.
 */
function createScore(words: readonly string[]) {
  const joined = words.join('');
  const texts = new Map<string, readonly number[]>();
  /** Cached: many rows have the same title. */
  function matches(text: string): readonly number[] {
    const known = texts.get(text);
    if (known !== undefined) return known;
    const read = folded(text);
    const points = words.map((word) => matchWord(word, read));
    const whole = phrase(read);
    const best = points.map((one) => Math.max(one, whole));
    texts.set(text, best);
    return best;
  }
  // `kor prøve` finds `Korprøve`, and a phrase comes before its words in other places
  const phrase = (text: Folded) =>
    joined.length < 4 ? 0 : text.joined === joined ? 1.1 : text.joined.includes(joined) ? 0.95 : 0;

  function score(row: Candidate): number {
    const fields = [
      [row.title, 1],
      [row.outlook?.title, 1],
      [row.organizer_name, 0.95],
      [row.organizer_email, 0.9],
      [`${row.room} ${row.mailbox.split('@')[0]}`, 0.9],
      [`room rom resource ${row.resource_id} ${row.reservation_type ?? ''}`, 0.8],
    ] as const;
    const best = words.map(() => 0);
    for (const [text, weight] of fields)
      if (typeof text === 'string' && text !== '')
        for (const [at, points] of matches(text).entries()) best[at] = Math.max(best[at]!, points * weight);
    if (best.includes(0)) return 0;
    const mean = words.length === 0 ? 1 : best.reduce((sum, one) => sum + one, 0) / words.length;
    return Math.round(mean * 100) / 100 - (row.status === 'cancelled' ? 0.3 : 0);
  }
  return { matches, score };
}

const printed = ({
  organizer_name: _name,
  organizer_email: _email,
  mailbox: _mailbox,
  from_time: _from,
  to_time: _to,
  ...result
}: Candidate): Omit<SearchResult, 'url'> => result;

const settingsText = `
  SELECT zone AS timezone, (now() AT TIME ZONE zone)::date::text AS today,
    coalesce((SELECT string_to_array(replace(value, ' ', ''), ',') FROM bridge_settings WHERE name = 'reservation_types'), '{}') AS types,
    bridge_view_has('{reservation_key}') AS "hasKeys"
  FROM (SELECT coalesce((SELECT value FROM bridge_settings WHERE name = 'timezone'), 'UTC') AS zone) settings`;

const zoneText = `(SELECT value FROM bridge_settings WHERE name = 'timezone')`;

const resultText = `
  m.mapping_id, m.reservation_type, m.reservation_id, m.resource_id, coalesce(r.outlook_item_name, r.outlook_item_id, m.mailbox, 'resource ' || m.resource_id) AS room,
  coalesce(i.title, m.booking_title, m.outlook ->> 'title') AS title, ${organizer} AS organizer,
  coalesce(nullif(i.organizer_name, ''), m.outlook_organizer) AS organizer_name, i.organizer_email, coalesce(i.starts_at, m.starts_at) AS starts_at, coalesce(i.ends_at, m.ends_at) AS ends_at,
  m.status, m.outlook_event_id, m.outlook, coalesce(m.mailbox, r.outlook_item_id, '') AS mailbox,
  to_char(coalesce(i.starts_at, m.starts_at) AT TIME ZONE ${zoneText}, 'HH24:MI') AS from_time,
  to_char(coalesce(i.ends_at, m.ends_at) AT TIME ZONE ${zoneText}, 'HH24:MI') AS to_time`;

const mappingText = `
  m.id AS mapping_id, m.reservation_type, m.reservation_id, m.resource_id, m.outlook_item_id AS mailbox,
  coalesce(m.booking_seen, m.booking_base) ->> 'title' AS booking_title, m.starts_at, m.ends_at, m.sync_status AS status,
  m.outlook_event_id, m.outlook_organizer, ${outlookShown} AS outlook`;

/** The distance from now; 0 for an item that takes place now. */
const distanceText = `greatest(m.starts_at - now(), now() - m.ends_at, interval '0')`;

const candidatesText = (items: ItemSource) => `
  WITH asked AS MATERIALIZED (
    SELECT $1::date::timestamp AT TIME ZONE ${zoneText} AS opens, ($2::date + 1)::timestamp AT TIME ZONE ${zoneText} AS closes)
  SELECT ${resultText}
  FROM (
    SELECT ${mappingText} FROM bridge_mappings m, asked
    WHERE ($5::bigint[] IS NULL OR m.id = ANY ($5)) AND CASE
      WHEN $1::date IS NULL THEN true
      WHEN $3::boolean THEN extract(isodow FROM m.starts_at AT TIME ZONE ${zoneText}) = extract(isodow FROM $1::date)
      ELSE m.starts_at < asked.closes AND greatest(m.ends_at, m.starts_at + interval '1 second') > asked.opens
        OR (m.outlook_seen ->> 'startsAt')::timestamptz < asked.closes AND (m.outlook_seen ->> 'endsAt')::timestamptz > asked.opens END
    ORDER BY ${distanceText} NULLS LAST, m.starts_at, m.id LIMIT $4) m
  LEFT JOIN LATERAL (SELECT * FROM ${items.of('m')} i LIMIT 1) i ON true ${joinRoom('m')}
  ORDER BY ${distanceText} NULLS LAST, m.starts_at, m.mapping_id`;

/** Includes reservations without a mapping, so that the reason for that can be found. */
const byIdText = `
  SELECT ${resultText}
  FROM (
    SELECT ${mappingText} FROM bridge_mappings m
    WHERE m.reservation_id = $2::bigint AND ($1::text IS NULL OR m.reservation_type = $1)
      OR m.outlook_event_id = $3::text OR m.ical_uid = $3::text OR m.series_master_id = $3::text
      OR m.id IN (SELECT l.mapping_id FROM bridge_log l WHERE l.outlook_event_id = $3::text LIMIT 100)
    UNION ALL
    SELECT NULL, i.reservation_type, i.reservation_id, i.resource_id, NULL, i.title, i.starts_at, i.ends_at,
      CASE WHEN i.unreadable IS NOT NULL THEN 'error' WHEN i.active THEN 'unmapped' ELSE 'cancelled' END, NULL, NULL, NULL
    FROM (SELECT DISTINCT v.reservation_type, v.resource_id FROM bridge_items v
      WHERE v.reservation_id = $2::bigint AND ($1::text IS NULL OR v.reservation_type = $1)) v
    CROSS JOIN LATERAL ${itemsOf('i', 'v.reservation_type', '$2::bigint', 'v.resource_id')}
    WHERE NOT EXISTS (SELECT FROM bridge_mappings m WHERE m.reservation_type = i.reservation_type
        AND m.reservation_id = i.reservation_id AND m.resource_id = i.resource_id)
    LIMIT 500) m
  ${joinItem} ${joinRoom('m')}
  ORDER BY m.mapping_id IS NULL, m.status = 'cancelled', ${distanceText} NULLS LAST, m.mapping_id`;
