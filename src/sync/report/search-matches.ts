/**
 * The mappings that contain all words of a query, however many there are: each different text is compared once, here, and the
 * database finds the rows with the matching texts.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { cachedFor } from '../../calls.ts';
import type { Queryable } from '../../database.ts';
import { queryRows } from '../../query.ts';
import { joinRoom } from '../store/mapping-sql.ts';
import { queryItems, type ItemSource } from '../store/readable-items.ts';

/** How well each word matches a text; 0: nowhere. */
type Match = (text: string) => readonly number[];

/** Reading all names looks up each mapped reservation, and they change seldom: a new one is found after so long. */
const namesMs = 30_000;
/** Due mappings may have other texts by now, and are candidates in any case. */
const openMost = 500;
/** Comparisons before timers and requests get their turn. */
const atATime = 1_000;

interface Place {
  readonly resource: number | null;
  readonly type: string | null;
}
interface Row extends Place {
  readonly kind: 'text' | 'place';
  readonly text: string;
}

export interface Matches {
  readonly ids: readonly number[];
  /** All of them; the nearest to now are in `ids`. */
  readonly total: number;
}

export function createMatches(db: Queryable) {
  const readNames = cachedFor(namesMs, async () => {
    const rows = await queryItems<{ text: string }>(db, [], namesText);
    return rows.map(({ text }) => text);
  });

  /** The mappings with every word, the nearest to now first, at most `most`. */
  return async function find(words: number, match: Match, most: number): Promise<Matches> {
    const [rows, people] = await Promise.all([
      queryRows<Row>(db, { name: 'search_texts', text: textsText }),
      readNames(),
    ]);
    const textsOf = (kind: 'text' | 'place') => rows.filter((row) => row.kind === kind);
    const masks = await masksOf(words, match, [
      ...people,
      ...textsOf('text').map(({ text }) => text),
      ...textsOf('place').flatMap((place) => [place.text, wordsOf(place)]),
    ]);
    const maskOf = (text: string) => masks.get(text) ?? 0;
    const fitting = (texts: readonly string[]) =>
      // both sides may have the same text
      [...new Set(texts)].map((text) => ({ text, mask: maskOf(text) })).filter(({ mask }) => mask !== 0);
    const places = textsOf('place').map((place) => ({
      resource: place.resource,
      type: place.type,
      mask: maskOf(place.text) | maskOf(wordsOf(place)),
    }));
    const known = fitting(people);
    const texts = fitting(textsOf('text').map(({ text }) => text));
    const every = 2 ** words - 1;
    const hasNames = known.length > 0;
    // a word in no text is in no row
    const all = [...texts, ...places, ...known].reduce((some, { mask }) => some | mask, 0);
    const values = [
      JSON.stringify(all === every ? texts : []),
      JSON.stringify(all === every ? places : []),
      every,
      most,
      openMost,
      ...(hasNames ? [JSON.stringify(known)] : []),
    ];
    const found = await queryItems<{ id: number; total: number }>(db, values, (items) =>
      matchesText(hasNames, items),
    );
    return { ids: found.map(({ id }) => id), total: found[0]?.total ?? 0 };
  };
}

const wordsOf = ({ resource, type }: Place) => `room rom resource ${resource} ${type ?? ''}`;

/** The words in each text as bits; texts with none are left out. */
async function masksOf(
  words: number,
  match: Match,
  texts: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const masks = new Map<string, number>();
  const most = Math.max(1, Math.floor(atATime / words));
  let compared = 0;
  for (const text of new Set(texts)) {
    if (compared > 0 && compared % most === 0) await breathe();
    compared += 1;
    const mask = match(text).reduce((all, points, at) => (points > 0 ? all | (1 << at) : all), 0);
    if (mask !== 0) masks.set(text, mask);
  }
  return masks;
}

const outlookText = `coalesce(nullif(m.conflict -> 'outlook', 'null'), m.outlook_seen, m.outlook_base) ->> 'title'`;
const bookingText = `coalesce(m.booking_seen, m.booking_base) ->> 'title'`;
const distanceText = `greatest(m.starts_at - now(), now() - m.ends_at, interval '0')`;

// Each reservation by its id, because the view has all that the booking system ever had.
const namesText = (items: ItemSource) => `
  SELECT DISTINCT n.text FROM bridge_mappings m
  CROSS JOIN LATERAL (SELECT i.organizer_name, i.organizer_email FROM ${items.of('m')} i LIMIT 1) i
  CROSS JOIN LATERAL (VALUES (i.organizer_name), (i.organizer_email)) n (text) WHERE n.text <> ''`;

// Titles of both sides, organisers, and places, in one scan.
const textsText = `
  SELECT CASE WHEN g.at = 7 THEN 'place' ELSE 'text' END AS kind,
    CASE g.at WHEN 7 THEN concat_ws(' ', r.outlook_item_name, split_part(coalesce(g.mailbox, r.outlook_item_id), '@', 1))
      ELSE coalesce(g.booking, g.outlook, g.organizer) END AS text,
    g.resource_id AS resource, g.type
  FROM (
    SELECT ${bookingText} AS booking, ${outlookText} AS outlook, m.outlook_organizer AS organizer, m.resource_id, m.reservation_type AS type,
      max(m.outlook_item_id) AS mailbox, grouping(${bookingText}, ${outlookText}, m.outlook_organizer) AS at
    FROM bridge_mappings m
    GROUP BY GROUPING SETS ((${bookingText}), (${outlookText}), (m.outlook_organizer), (m.resource_id, m.reservation_type))) g
  ${joinRoom('g')} AND g.at = 7
  WHERE g.at = 7 OR coalesce(g.booking, g.outlook, g.organizer) <> ''`;

// `person` reads the whole view at once: one lookup for each of 100,000 mappings takes longer, also among 300,000 older reservations.
const matchesText = (hasNames: boolean, items: ItemSource) => `
  WITH t AS MATERIALIZED (SELECT * FROM jsonb_to_recordset($1) AS t (text text, mask integer)),
  place AS MATERIALIZED (SELECT * FROM jsonb_to_recordset($2) AS p (resource integer, type text, mask integer)),
  ${
    hasNames
      ? `n AS MATERIALIZED (SELECT * FROM jsonb_to_recordset($6) AS n (text text, mask integer)),
  person AS MATERIALIZED (
    SELECT i.reservation_type, i.reservation_id, i.resource_id, coalesce(a.mask, 0) | coalesce(b.mask, 0) AS mask
    FROM ${items.all} i LEFT JOIN n a ON a.text = i.organizer_name LEFT JOIN n b ON b.text = i.organizer_email
    WHERE a.mask IS NOT NULL OR b.mask IS NOT NULL),`
      : ''
  }
  found AS MATERIALIZED (
    SELECT m.id, ${distanceText} AS distance
    FROM bridge_mappings m
    LEFT JOIN t b ON b.text = ${bookingText}
    LEFT JOIN t o ON o.text = ${outlookText}
    LEFT JOIN t w ON w.text = m.outlook_organizer
    LEFT JOIN place ON place.resource = m.resource_id AND place.type IS NOT DISTINCT FROM m.reservation_type
    ${hasNames ? 'LEFT JOIN person USING (reservation_type, reservation_id, resource_id)' : ''}
    WHERE coalesce(b.mask, 0) | coalesce(o.mask, 0) | coalesce(w.mask, 0) | coalesce(place.mask, 0)
      ${hasNames ? '| coalesce(person.mask, 0)' : ''} = $3::integer),
  -- due mappings may have another title by now
  due AS (SELECT m.id, ${distanceText} AS distance FROM bridge_mappings m WHERE m.due_at IS NOT NULL ORDER BY 2 LIMIT $5)
  SELECT id, (SELECT count(*) FROM found)::integer AS total FROM (
    SELECT id, distance FROM found UNION SELECT id, distance FROM due) one
  ORDER BY distance NULLS LAST, id LIMIT $4`;
