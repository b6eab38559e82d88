/** Imports from Outlook: lists, counts and imports on request. The daemon imports automatically unless IMPORT_MODE is manual. */
import type { Database, Queryable } from '../../database.ts';
import type { Id } from '../../id.ts';
import { queryColumn, queryRow, queryRows, queryValue } from '../../query.ts';
import { isReadyWithin, lockRooms, underFoldLock } from './requests.ts';
import { msLeft, until, type BeginCall, type Call } from './call.ts';
import { failingAs } from '../store/failing.ts';

/** An event of a room calendar with its import. Times are local times of the booking zone, 'YYYY-MM-DD HH:MM:SS'. */
export interface ImportRow {
  readonly id: number;
  readonly resource_id: number;
  readonly outlook_item_id: string;
  readonly outlook_event_id: string;
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
  readonly sync_status: string;
  readonly title: string | null;
  readonly start_time: string | null;
  readonly end_time: string | null;
  readonly error_message: string | null;
  readonly hint: string | null;
  readonly noticed_at: Date | null;
  /** The next try. */
  readonly due_at: Date | null;
  readonly imported_at: Date | null;
}

export interface ImportChoice {
  readonly limit: number;
  readonly resourceId: number | null;
  /** Only events that overlap these dates (ISO dates of the booking zone, the second one included). */
  readonly from: string | null;
  readonly to: string | null;
}

export const everything: ImportChoice = { limit: 1_000, resourceId: null, from: null, to: null };

export interface ImportStatistics {
  readonly total_imports: number;
  readonly pending_imports: number;
  readonly conflicts: number;
  readonly errors: number;
  readonly first_reservation_id: Id | null;
  readonly last_reservation_id: Id | null;
  readonly first_processed_at: Date | null;
  readonly last_processed_at: Date | null;
}

const wall = (at: string) =>
  `to_char(${at} AT TIME ZONE coalesce((SELECT value FROM bridge_settings WHERE name = 'timezone'), 'UTC'), 'YYYY-MM-DD HH24:MI:SS')`;
const startsAt = `coalesce((m.outlook_seen ->> 'startsAt')::timestamptz, m.starts_at)`;
const endsAt = `coalesce((m.outlook_seen ->> 'endsAt')::timestamptz, m.ends_at)`;

const columns = `m.id, m.resource_id, m.outlook_item_id, m.outlook_event_id, m.reservation_type, m.reservation_id, m.sync_status,
  coalesce(m.booking_seen, m.outlook_seen, m.outlook_base) ->> 'title' AS title,
  ${wall(startsAt)} AS start_time, ${wall(endsAt)} AS end_time, m.error_message, m.hint, m.noticed_at, m.due_at`;

const chosen = `($2::integer IS NULL OR m.resource_id = $2)
  AND ($3::date IS NULL OR ${endsAt} > $3::date::timestamp AT TIME ZONE w.zone)
  AND ($4::date IS NULL OR ${startsAt} < ($4::date + 1)::timestamp AT TIME ZONE w.zone)`;
const zone = `(SELECT coalesce((SELECT value FROM bridge_settings WHERE name = 'timezone'), 'UTC') AS zone) w`;
const valuesOf = ({ limit, resourceId, from, to }: ImportChoice) => [limit, resourceId, from, to];

/** An event without a reservation: waiting, flagged or refused. */
const waits = `m.reservation_id IS NULL AND m.outlook_event_id IS NOT NULL`;

export function createImports(db: Database, begin: BeginCall) {
  /** Events without a reservation, the soonest first. */
  const pending = (choice: ImportChoice) =>
    queryRows<ImportRow>(db, {
      name: 'pending_imports',
      text: `SELECT ${columns}, NULL AS imported_at FROM bridge_mappings m, ${zone}
        WHERE ${waits} AND ${chosen} ORDER BY ${startsAt}, m.id LIMIT $1`,
      values: valuesOf(choice),
    });

  /** Imported events, the latest import first. */
  const processed = (choice: ImportChoice) =>
    queryRows<ImportRow>(db, {
      name: 'processed_imports',
      text: `SELECT ${columns}, l.at AS imported_at FROM bridge_mappings m, ${zone},
          LATERAL (SELECT max(l.at) AS at FROM bridge_log l
                   WHERE l.mapping_id = m.id AND l.action IN ('imported', 'joined')) l
        WHERE m.reservation_id IS NOT NULL AND m.sync_direction = 'outlook_to_booking' AND ${chosen}
        ORDER BY l.at DESC NULLS LAST, m.id DESC LIMIT $1`,
      values: valuesOf(choice),
    });

  const statistics = () =>
    queryRow<ImportStatistics>(db, {
      name: 'import_statistics',
      text: `
        SELECT count(*) FILTER (WHERE reservation_id IS NOT NULL) AS total_imports,
          count(*) FILTER (WHERE reservation_id IS NULL AND sync_status IN ('imported', 'pending')) AS pending_imports,
          count(*) FILTER (WHERE reservation_id IS NULL AND sync_status = 'conflict') AS conflicts,
          count(*) FILTER (WHERE reservation_id IS NULL AND sync_status = 'error') AS errors,
          min(reservation_id) AS first_reservation_id, max(reservation_id) AS last_reservation_id,
          (SELECT min(at) FROM bridge_log WHERE action = 'imported') AS first_processed_at,
          (SELECT max(at) FROM bridge_log WHERE action = 'imported') AS last_processed_at
        FROM bridge_mappings WHERE sync_direction = 'outlook_to_booking'`,
    });

  /** Imports waiting and refused events, not flagged ones, and returns their results. */
  async function process(choice: ImportChoice, signal: AbortSignal): Promise<ImportRow[]> {
    const call = await begin(signal);
    const ids = await underFoldLock(db, (client) => requestImports(client, choice));
    if (ids.length === 0) return [];
    await call.wake();
    await until(call, () => stillWaiting(db, ids, call));
    return await readImports(db, ids);
  }

  return {
    pending: failingAs('list the pending imports', pending),
    processed: failingAs('list the imports', processed),
    statistics: failingAs('count imports', statistics),
    process: failingAs('import events', process),
  };
}

export type Imports = ReturnType<typeof createImports>;

const requestImports = (client: Queryable, choice: ImportChoice) =>
  queryColumn<number>(client, {
    name: 'ask_for_imports',
    text: `
      WITH asked AS (
        SELECT m.id, m.resource_id FROM bridge_mappings m
        JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
          AND r.sync_direction <> 'booking_to_outlook', ${zone}
        WHERE ${waits} AND m.sync_status IN ('imported', 'error', 'pending') AND ${chosen}
        ORDER BY ${startsAt}, m.id LIMIT $1
      ), rooms AS (
        UPDATE bridge_room_state s SET push_due_at = now(), push_lane = 0, asked_at = now(), retry_at = NULL
        WHERE s.resource_mapping_id IN (${lockRooms('r.resource_id IN (SELECT resource_id FROM asked)')})
      )
      UPDATE bridge_mappings m SET import_asked_at = now(), due_at = now(), lane = 0, attempt = 0, sync_status = 'imported',
        outlook_news = 'look', noticed_at = coalesce(m.noticed_at, now()), revision = m.revision + 1
      FROM asked WHERE m.id = asked.id RETURNING m.id`,
    values: valuesOf(choice),
  });

const stillWaiting = (db: Queryable, ids: readonly number[], call: Call) =>
  queryValue<boolean>(db, {
    name: 'imports_open',
    text: `SELECT EXISTS (SELECT FROM bridge_mappings m
        JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
        JOIN bridge_room_state s ON s.resource_mapping_id = r.id
        WHERE m.id = ANY ($1) AND m.reservation_id IS NULL
          AND m.due_at <= clock_timestamp() + $2 * interval '1 millisecond'
          AND ${isReadyWithin('$2')}) AS open`,
    values: [ids, msLeft(call)],
  });

const readImports = (db: Queryable, ids: readonly number[]) =>
  queryRows<ImportRow>(db, {
    name: 'read_imports',
    text: `SELECT ${columns}, NULL AS imported_at FROM bridge_mappings m WHERE m.id = ANY ($1) ORDER BY ${startsAt}, m.id`,
    values: [ids],
  });
