/** Queries of a plan besides those of a sync. */
import type { Queryable } from '../../database.ts';
import type { Item } from '../../item.ts';
import { queryColumn, queryRow, queryRows } from '../../query.ts';
import { itemState } from '../store/mapping-sql.ts';
import { bookedState } from '../store/mappings.ts';
import { itemsOf } from '../store/readable-items.ts';
import { fold, type LeasedRoom, type Window } from '../store/work-list.ts';
import { waitHints, type WaitsFor } from '../store/waits.ts';
import type { ConflictNote } from '../store/work-item.ts';
import { planned, type Planned } from './plan-words.ts';

/** The active rooms, or one of them, to be compared with both sides. */
export async function roomsToPlan(db: Queryable, resourceId: number | null): Promise<LeasedRoom[]> {
  const rows = await queryRows<LeasedRoom>(db, {
    name: 'rooms_to_plan',
    text: `${rooms} WHERE r.active = 1 AND ($1::integer IS NULL OR r.resource_id = $1) ORDER BY r.resource_id`,
    values: [resourceId],
  });
  return rows.map(toBeCompared);
}

const rooms = `
  SELECT r.id, r.resource_id AS "resourceId", coalesce(r.outlook_object_id, r.outlook_item_id) AS mailbox,
    r.outlook_item_id AS "outlookItemId", coalesce(r.outlook_item_name, r.outlook_item_id) AS name, r.sync_direction AS direction,
    bridge_own_settings(r) AS own,
    s.baselined_at IS NOT NULL AS baselined, s.lease_epoch AS epoch,
    EXISTS (SELECT FROM bridge_mappings n WHERE n.resource_id = r.resource_id AND n.outlook_news IN ('missing', 'gone')) AS missing
  FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id`;

const toBeCompared = (room: LeasedRoom): LeasedRoom => ({
  ...room,
  baselined: false,
  reconciled: false,
  abandoned: false,
  pulls: false,
  hints: [],
  attempt: 0,
  due: [],
});

/** The room in this transaction; `again`: a full scan was made in it. */
export async function roomNow(db: Queryable, room: LeasedRoom, again: boolean): Promise<LeasedRoom> {
  const now = await queryRow<LeasedRoom>(db, {
    name: 'room_now',
    text: `${rooms} WHERE r.id = $1`,
    values: [room.id],
  });
  return { ...toBeCompared(now), baselined: again && now.baselined };
}

/** Outbox rows folded at a time, and the limit of repetitions. */
const foldMost = 1_000;
const mostFolds = 1_000;

/** Whether a daemon is alive, which folds the outbox, and whether the outbox has rows. */
export const readOutbox = (db: Queryable) =>
  queryRow<{ folds: boolean; waits: boolean }>(db, {
    name: 'read_outbox',
    text: `SELECT EXISTS (SELECT FROM bridge_replicas WHERE beat_at > clock_timestamp() - interval '5 seconds') AS folds,
      EXISTS (SELECT FROM bridge_changes) AS waits`,
  });

/** Folds the whole outbox. */
export async function foldAll(db: Queryable, window: Window): Promise<void> {
  for (let folds = 0; folds < mostFolds; folds += 1) if ((await fold(db, window, foldMost)) === 0) return;
}

/**
 * Makes all waiting items due, and discards requests for delta rounds, which a full scan replaces. Returns the newest line of the
 * log, and the installation.
 */
export const beginRun = (db: Queryable, all: readonly LeasedRoom[]) =>
  queryRow<{ logged: number; installation: string }>(db, {
    name: 'begin_plan',
    text: `
      WITH due AS (UPDATE bridge_mappings SET due_at = now() WHERE resource_id = ANY ($1) AND due_at > now()),
        asked AS (UPDATE bridge_room_state SET pull_due_at = NULL, hinted_at = NULL, sure_at = NULL WHERE resource_mapping_id = ANY ($2))
      SELECT coalesce(max(id), 0) AS logged, (SELECT value FROM bridge_settings WHERE name = 'installation_id') AS installation
      FROM bridge_log`,
    values: [all.map(({ resourceId }) => resourceId), all.map(({ id }) => id)],
  });

/** The errors of changes that Outlook refused, by event, if the reservation has not changed since. */
export async function readRefusals(
  db: Queryable,
  all: readonly LeasedRoom[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await queryRows<{ event: string; error: string }>(db, {
    name: 'read_refusals',
    text: `SELECT m.outlook_event_id AS event, m.error_message AS error
      FROM bridge_mappings m, LATERAL (SELECT bridge_style(m.resource_id) AS style OFFSET 0) own
      WHERE m.resource_id = ANY ($1) AND m.sync_status = 'conflict' AND m.conflict ->> 'kind' = 'rejected' AND m.resolution IS NULL
        AND m.outlook_event_id IS NOT NULL AND m.error_message IS NOT NULL AND m.booking_seen IS NOT DISTINCT FROM (
          SELECT ${bookedState('own.style')} FROM ${itemsOf('i', 'm.reservation_type', 'm.reservation_id', 'm.resource_id')} WHERE i.active)`,
    values: [all.map(({ resourceId }) => resourceId)],
  });
  return new Map(rows.map(({ event, error }) => [event, error]));
}

/** Events that a full scan will probably read by their ids; `listed` has the others. */
export const eventsToRead = (
  db: Queryable,
  { resourceId }: LeasedRoom,
  listed: readonly string[],
  window: Window,
) =>
  queryColumn<string>(db, {
    name: 'events_to_read',
    text: `SELECT outlook_event_id AS id FROM bridge_mappings, bridge_window($3, $4) w
      WHERE resource_id = $1 AND outlook_event_id IS NOT NULL AND NOT outlook_event_id = ANY ($2) AND sync_status <> 'cancelled'
        AND (due_at IS NOT NULL OR sync_status = 'conflict' OR ends_at > w.opens AND starts_at < w.closes)`,
    values: [resourceId, listed, window.pastDays, window.futureDays],
  });

interface Row {
  readonly id: number;
  readonly room: number;
  readonly type: string | null;
  readonly reservation: number | null;
  readonly event: string | null;
  readonly status: string;
  readonly error: string | null;
  readonly waitsFor: WaitsFor | null;
  readonly conflict: ConflictNote | null;
  readonly adopted: boolean;
  readonly rests: boolean;
  readonly item: Item | null;
}

/** After a run, from the log and the mappings: events that were found, and items that wait. */
export async function restingAfter(
  db: Queryable,
  all: readonly LeasedRoom[],
  logged: number,
  held: ReadonlySet<number>,
): Promise<{ readonly room: number; readonly mapping: number; readonly planned: Planned }[]> {
  const rows = await queryRows<Row>(db, {
    name: 'resting_after_plan',
    text: `
      SELECT m.id, r.id AS room, m.reservation_type AS type, m.reservation_id AS reservation, m.outlook_event_id AS event,
        m.sync_status AS status, m.error_message AS error, m.waits_for AS "waitsFor", m.conflict, f.adopted, f.rests,
        coalesce((SELECT ${itemState}
            FROM ${itemsOf('i', 'm.reservation_type', 'm.reservation_id', 'm.resource_id')} WHERE i.unreadable IS NULL),
          m.outlook_seen, m.outlook_base) AS item
      FROM bridge_mappings m JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id,
        LATERAL (SELECT EXISTS (SELECT FROM bridge_log l WHERE l.id > $2 AND l.mapping_id = m.id AND l.action = 'adopted') AS adopted,
          m.sync_status IN ('conflict', 'error') OR m.waits_for IS NOT NULL OR m.due_at IS NOT NULL AS rests) f
      WHERE r.id = ANY ($1) AND (f.adopted OR f.rests) ORDER BY m.id`,
    values: [all.map(({ id }) => id), logged],
  });
  return rows.flatMap((row) => {
    const { id: mapping, room } = row;
    return [
      ...(row.adopted
        ? [{ room, mapping, planned: ofRow(row, 'adopt', 'its event is in Outlook already') }]
        : []),
      ...(row.rests && !held.has(mapping) ? [{ room, mapping, planned: resting(row) }] : []),
    ];
  });
}

function resting(row: Row): Planned {
  const { status, conflict, waitsFor, error } = row;
  if (status !== 'conflict')
    return ofRow(
      row,
      'waiting',
      waitsFor === null ? (error ?? 'it is tried again later') : waitHints[waitsFor],
    );
  const undecided =
    conflict?.kind === 'moved' ? 'the meeting stays until a person has chosen' : 'a person has to choose';
  return ofRow(row, 'conflict', error ?? undecided, conflict?.fields);
}

function ofRow(row: Row, kind: Planned['action'], why: string, fields: readonly string[] = []): Planned {
  const { type, reservation: id, event: eventId, item } = row;
  return planned(kind, why, {
    item,
    reservation: type === null || id === null ? null : { type, id },
    eventId,
    fields,
  });
}

/** By room: the reservations in the window that both sides show alike, without `touched` mappings. */
export async function countEqual(
  db: Queryable,
  all: readonly LeasedRoom[],
  touched: readonly number[],
  window: Window,
): Promise<ReadonlyMap<number, number>> {
  const rows = await queryRows<{ room: number; equal: number }>(db, {
    name: 'count_equal',
    text: `SELECT r.id AS room, count(*) AS equal FROM bridge_mappings m JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id,
        bridge_window($3, $4) w
      WHERE r.id = ANY ($1) AND m.sync_status = 'synced' AND m.present AND m.ends_at > w.opens AND m.starts_at < w.closes
        AND NOT m.id = ANY ($2)
      GROUP BY r.id`,
    values: [all.map(({ id }) => id), touched, window.pastDays, window.futureDays],
  });
  return new Map(rows.map(({ room, equal }) => [room, equal]));
}

/** The active rooms of these reservations, former ones included. */
export async function roomsOf(db: Queryable, written: readonly string[]): Promise<number[]> {
  if (written.length === 0) return [];
  const rows = await queryRows<{ id: number }>(db, {
    name: 'rooms_of',
    text: `
      WITH written AS (SELECT split_part(key, '/', 1) AS type, split_part(key, '/', 2)::bigint AS id FROM unnest($1::text[]) AS key),
        resources AS (
          SELECT m.resource_id FROM written k JOIN bridge_mappings m ON m.reservation_type = k.type AND m.reservation_id = k.id
          UNION
          SELECT i.resource_id FROM written k, LATERAL (SELECT v.resource_id FROM bridge_items v
            WHERE v.reservation_type = k.type AND v.reservation_id = k.id OFFSET 0) i)
      SELECT r.id FROM resources JOIN bridge_resource_mappings r USING (resource_id) WHERE r.active = 1`,
    values: [written],
  });
  return rows.map(({ id }) => id);
}
