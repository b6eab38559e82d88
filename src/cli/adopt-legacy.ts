/**
 * The data of a predecessor. Its tables are recognised by their columns, because their names differ between versions. Rooms are
 * taken over unchanged; each event is first read in Outlook, which also gives its immutable id (the predecessor stored ids
 * that change when an event is moved).
 */
import type pg from 'pg';
import type { Config } from '../config.ts';
import { onConnection, type Database, type Queryable } from '../database.ts';
import { Permanent } from '../errors.ts';
import { occupying } from '../event.ts';
import type { Id } from '../id.ts';
import { createOutlook } from '../outlook/events.ts';
import { underLease } from '../sync/worker/lease.ts';
import { openBar } from './terminal.ts';

interface LegacyPair {
  readonly resourceId: number;
  readonly mailbox: string;
  readonly name: string | null;
  readonly active: boolean;
}

interface LegacyEvent {
  readonly type: string;
  readonly reservationId: Id;
  readonly resourceId: number;
  readonly eventId: string;
  readonly imported: boolean;
}

export interface Legacy {
  readonly pairs: readonly LegacyPair[];
  readonly events: readonly LegacyEvent[];
  /** The tables that the rows came from. */
  readonly sources: readonly string[];
}

/** One version of a predecessor's table: its columns and the query for its rows. */
interface Form {
  readonly columns: readonly string[];
  /** Columns that exclude this form. */
  readonly without: readonly string[];
  /** Returns the query. `from`: the quoted table name; `has`: whether the table has a column. */
  readonly select: (from: string, has: (column: string) => boolean) => string;
}

const pairForms: readonly Form[] = [
  {
    columns: ['resource_id', 'outlook_item_id'],
    without: ['reservation_id'],
    select: (from, has) => `
      SELECT resource_id::text AS resource, outlook_item_id::text AS mailbox,
        ${has('outlook_item_name') ? 'outlook_item_name::text' : 'NULL'} AS name,
        ${has('active') ? "coalesce(active::text, '1') IN ('1', 't', 'true')" : 'true'} AS active FROM ${from}`,
  },
  {
    columns: ['bridge_from', 'bridge_to', 'source_calendar_id', 'target_calendar_id'],
    without: [],
    select: (from, has) => `
      SELECT CASE WHEN bridge_to = 'outlook' THEN source_calendar_id ELSE target_calendar_id END AS resource,
        CASE WHEN bridge_to = 'outlook' THEN target_calendar_id ELSE source_calendar_id END AS mailbox,
        ${has('target_calendar_name') ? "CASE WHEN bridge_to = 'outlook' THEN target_calendar_name ELSE source_calendar_name END" : 'NULL'} AS name,
        ${has('is_active') ? 'coalesce(is_active, true)' : 'true'} AS active
      FROM ${from} WHERE 'outlook' IN (bridge_from, bridge_to)`,
  },
];

const eventForm: Form = {
  columns: ['reservation_type', 'reservation_id', 'resource_id', 'outlook_event_id'],
  without: [],
  select: (from, has) => `
    SELECT reservation_type::text AS type, reservation_id::bigint AS "reservationId", resource_id::integer AS "resourceId",
      outlook_event_id::text AS "eventId",
      ${has('sync_direction') ? "coalesce(sync_direction::text IN ('from_outlook', 'outlook_to_booking'), false)" : 'false'} AS imported
    FROM ${from} WHERE reservation_type IS NOT NULL AND reservation_id IS NOT NULL AND outlook_event_id IS NOT NULL
      ${has('sync_status') ? "AND coalesce(sync_status::text, '') <> 'cancelled'" : ''}`,
};

const mostRows = 1_000_000;

/**
 * Reads the predecessor's tables in schema public, except the names in `ours`. Rooms without a numeric resource and duplicates
 * are skipped.
 */
export async function readLegacy(client: Queryable, ours: readonly string[]): Promise<Legacy> {
  const { rows: tables } = await client.query<{ name: string; columns: string[] }>(
    `SELECT c.oid::regclass::text AS name, array_agg(a.attname::text) AS columns
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND has_table_privilege(c.oid, 'SELECT')
       AND c.relname <> ALL ($1)
     GROUP BY c.oid ORDER BY 1`,
    [ours],
  );
  const sources: string[] = [];
  const read = async <Row extends pg.QueryResultRow>(form: Form): Promise<Row[]> => {
    const found: Row[] = [];
    for (const { name, columns } of tables) {
      const has = (column: string) => columns.includes(column);
      if (!form.columns.every(has) || form.without.some(has)) continue;
      const { rows } = await client.query<Row>(`${form.select(name, has)} LIMIT ${mostRows}`);
      if (rows.length > 0) sources.push(name);
      found.push(...rows);
    }
    return found;
  };
  const raw: { resource: string; mailbox: string | null; name: string | null; active: boolean }[] = [];
  for (const form of pairForms) raw.push(...(await read<(typeof raw)[number]>(form)));
  const events = await read<LegacyEvent & pg.QueryResultRow>(eventForm);
  const seen = new Set<string>();
  const pairs = raw.flatMap(({ resource, mailbox, name, active }) => {
    const key = `${resource} ${mailbox?.toLowerCase()}`;
    if (!/^\d{1,9}$/.test(resource) || mailbox === null || mailbox === '' || seen.has(key)) return [];
    seen.add(key);
    return [{ resourceId: Number(resource), mailbox, name, active }];
  });
  return { pairs, events, sources };
}

export interface TakenOver {
  readonly rooms: number;
  readonly events: number;
  /** Events that no longer exist in Outlook or whose reservation no longer exists. */
  readonly gone: number;
  /** Skipped rooms with the reason, one text each. */
  readonly skipped: readonly string[];
  /** Rooms that need attention, with the reason; the next run continues with them. */
  readonly refused: readonly string[];
}

/**
 * Takes over rooms and events. A room is activated only when all its events are mapped, so that none is created twice. Throws
 * Graph's error if it concerns all rooms or may be temporary; the next run then continues.
 */
export async function takeOver(
  db: Database,
  { graph, timezone }: Config,
  { pairs, events }: Legacy,
  signal: AbortSignal,
): Promise<TakenOver> {
  await using outlook = createOutlook({ graph, timezone });
  const eventsOf = Map.groupBy(events, ({ resourceId }) => resourceId);
  const skipped: string[] = [];
  const refused: string[] = [];
  let [rooms, known, gone, done] = [0, 0, 0, 0];
  using bar = openBar('Events');
  await onConnection(db, async (client) => {
    for (const pair of pairs) {
      signal.throwIfAborted();
      const room = await addRoom(client, pair);
      if (typeof room === 'string') {
        skipped.push(room);
        continue;
      }
      const worked = await underLease(client, room.id, signal, async () => {
        for (const event of eventsOf.get(pair.resourceId) ?? []) {
          bar.at((done += 1), events.length, pair.name ?? pair.mailbox);
          const found = await outlook.read({ mailbox: pair.mailbox }, event.eventId, signal);
          if (
            found === null ||
            occupying(found.shows) === null ||
            !(await addEvent(client, room, event, found))
          )
            gone += 1;
          else known += 1;
        }
        if (pair.active) await activate(client, room.id);
        return true;
      }).catch((error: unknown) => {
        // a room that refuses access does not block the others
        if (!(error instanceof Permanent) || error.reach === 'side') throw error;
        refused.push(`${pair.mailbox} (resource ${pair.resourceId}) stays paused: ${error.message}`);
        return true;
      });
      if (worked === null) refused.push(`${pair.mailbox}: a daemon is working on it`);
      rooms += 1;
    }
  });
  return { rooms, events: known, gone, skipped, refused };
}

interface AddedRoom {
  readonly id: number;
  readonly resourceId: number;
  readonly mailbox: string;
}

/** Adds the room, paused. Returns it, or the reason why it is skipped. */
async function addRoom(client: Queryable, pair: LegacyPair): Promise<AddedRoom | string> {
  const { resourceId, mailbox, name } = pair;
  // `fresh`: left paused by an earlier run, so never changed since it was added and never compared by a daemon
  const { rows } = await client.query<{ id: number; same: boolean; active: number; fresh: boolean }>(
    `SELECT r.id, r.active, r.resource_id = $1 AND lower(r.outlook_item_id) = lower($2) AS same,
       r.updated_at = r.created_at AND s.reconciled_at IS NULL AS fresh
     FROM bridge_resource_mappings r LEFT JOIN bridge_room_state s ON s.resource_mapping_id = r.id
     WHERE r.resource_id = $1 OR lower(r.outlook_item_id) = lower($2) ORDER BY 3 DESC, r.active DESC LIMIT 1`,
    [resourceId, mailbox],
  );
  const [there] = rows;
  const label = `${mailbox} (resource ${resourceId})`;
  if (there?.same === true)
    return there.active === 1
      ? `${label} is already mapped`
      : there.fresh
        ? { id: there.id, resourceId, mailbox }
        : `${label} is paused`;
  if (there !== undefined && there.active === 1 && pair.active)
    return `${label}: the resource or the mailbox is mapped to another one`;
  const added = await client.query<{ id: number }>(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active)
     VALUES ($1, $2, $3, 0) RETURNING id`,
    [resourceId, mailbox, name],
  );
  return { id: added.rows[0]!.id, resourceId, mailbox };
}

const activate = (client: Queryable, id: number) =>
  client.query(
    `UPDATE bridge_resource_mappings r SET active = 1, updated_at = now() WHERE id = $1
       AND NOT EXISTS (SELECT FROM bridge_resource_mappings o WHERE o.active = 1
                       AND (o.resource_id = r.resource_id OR lower(o.outlook_item_id) = lower(r.outlook_item_id)))`,
    [id],
  );

type Found = NonNullable<Awaited<ReturnType<ReturnType<typeof createOutlook>['read']>>>;

/** Maps an event to its reservation. Returns false if the reservation no longer exists or the event is already mapped. */
async function addEvent(
  client: Queryable,
  room: AddedRoom,
  event: LegacyEvent,
  found: Found,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `WITH added AS (
       INSERT INTO bridge_mappings (reservation_type, reservation_id, resource_id, outlook_item_id, outlook_event_id,
         sync_direction, priority_level, present, starts_at, ends_at, outlook_base, is_organizer, ical_uid, original_start,
         series_master_id, due_at, lane)
       SELECT i.reservation_type, i.reservation_id, i.resource_id, $4, $5, $6, i.priority_level, i.active, i.starts_at, i.ends_at,
         $7, $8, nullif($9, ''), $10, $11, now(), 1
       FROM bridge_items i WHERE i.reservation_type = $1 AND i.reservation_id = $2 AND i.resource_id = $3 LIMIT 1
       ON CONFLICT DO NOTHING RETURNING *
     )
     INSERT INTO bridge_log (mapping_id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, action, reason)
     SELECT id, resource_id, reservation_type, reservation_id, outlook_item_id, outlook_event_id, 'adopted', 'the predecessor knew it'
     FROM added`,
    [
      event.type,
      event.reservationId,
      room.resourceId,
      room.mailbox,
      found.id,
      event.imported ? 'outlook_to_booking' : 'booking_to_outlook',
      JSON.stringify(occupying(found.shows)),
      found.isOrganizer,
      found.iCalUId,
      found.originalStart,
      found.seriesMasterId,
    ],
  );
  return rowCount === 1;
}
