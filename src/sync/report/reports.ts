/** The sync as a whole: pending items, statistics, queue, latency. Reads only. */
import type { Database } from '../../database.ts';
import { queryPage, queryRow, queryRows, queryValue } from '../../query.ts';
import { failingAs } from '../store/failing.ts';
import { itemsOf } from '../store/readable-items.ts';
import { broughtOver, type Percentiles } from './activity.ts';
import { isOpenConflict, isUnderWay } from '../../waits-for-person.ts';
import { heldByResource, mappingColumns, mappingError } from '../store/mapping-sql.ts';
import type { MappingReport } from './mapping-reports.ts';

export const syncStatuses = [
  'pending',
  'synced',
  'error',
  'conflict',
  'cancelled',
  'imported',
  'shadowed',
] as const;
type SyncStatus = (typeof syncStatuses)[number];
type Counts = Readonly<Record<string, number>>;

export interface Statistics {
  readonly total_mappings: number;
  readonly summary: Readonly<Record<SyncStatus, number>>;
  readonly by_type: Readonly<Record<string, Counts>>;
  readonly by_direction: Readonly<Record<string, Counts>>;
}

export interface LatencyReport extends Percentiles {
  /** Changes by a backfill or a comparison, which are in no other figure. */
  readonly backfilled: number;
}

export interface QueueReport {
  readonly outbox_rows: number;
  readonly due: number;
  /** Changes that could not be folded and are tried again. */
  readonly unfolded: number;
  /** Age of the oldest change that is not in Outlook yet; null: none waits. */
  readonly oldest_ms: number | null;
  /** Active rooms by health: ok, waiting, refused, held. */
  readonly rooms: Readonly<Record<string, number>>;
  readonly backfill: { readonly total: number; readonly done: number };
  /** Conflicts that wait for a person, without removals held by the brake. */
  readonly conflicts: number;
  /** Removals held by the brake. Their mappings have the status `conflict`, too. */
  readonly held: number;
  /** Daemons alive on this database. */
  readonly replicas: number;
  /** Open alerts by severity. */
  readonly alerts: { readonly warning: number; readonly critical: number };
}

export function createReports(db: Database) {
  /** The mappings that `syncPending` would take: pending and in error, in active rooms. */
  async function pending(
    limit: number,
    resourceId: number | null,
  ): Promise<{ total: number; items: MappingReport[] }> {
    const { total, rows: items } = await queryPage<MappingReport>(db, {
      name: 'pending_items',
      text: `
        SELECT ${mappingColumns}, ${mappingError}, coalesce(m.booking_seen ->> 'title', i.title) AS title, m.total
        FROM (
          SELECT m.*, count(*) OVER () AS total
          FROM bridge_mappings m JOIN bridge_resource_mappings r ON r.resource_id = m.resource_id AND r.active = 1
          WHERE (m.sync_status IN ('pending', 'error') OR m.sync_status = 'cancelled' AND m.present AND m.due_at IS NOT NULL)
            AND ($2::integer IS NULL OR m.resource_id = $2)
          ORDER BY m.priority_level, m.starts_at, m.id LIMIT $1) m
        -- only new reservations have not been read yet; without OFFSET 0 the others would be read, too
        LEFT JOIN LATERAL (
          SELECT * FROM ${itemsOf('i', 'm.reservation_type', 'm.reservation_id', 'm.resource_id')}
          WHERE m.booking_seen IS NULL OFFSET 0) i ON true
        ORDER BY m.priority_level, m.starts_at, m.id`,
      values: [limit, resourceId],
    });
    return { total, items };
  }

  /** Mappings by status, type and direction. */
  async function statistics(): Promise<Statistics> {
    const rows = await queryRows<{ type: string; direction: string; status: SyncStatus; count: number }>(db, {
      name: 'mapping_statistics',
      text: `
        SELECT coalesce(reservation_type, 'unknown') AS type, sync_direction AS direction, sync_status AS status, count(*)
        FROM bridge_mappings m
        -- a conflict ends when its room is removed
        WHERE sync_status <> 'conflict'
          OR EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.resource_id = m.resource_id AND r.active = 1)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    });
    const by = (key: (row: (typeof rows)[number]) => string) =>
      Object.fromEntries([...Map.groupBy(rows, key)].map(([name, group]) => [name, countEach(group)]));
    return {
      total_mappings: rows.reduce((sum, row) => sum + row.count, 0),
      summary: { ...noneOfEach(), ...countEach(rows) },
      by_type: by((row) => row.type),
      by_direction: by((row) => row.direction),
    };
  }

  const queue = () => queryValue<QueueReport>(db, { name: 'queue', text: queueText });

  /** From a change on one side to its acceptance by the other, over the last hour. */
  const latency = () =>
    queryRow<LatencyReport>(db, {
      name: 'latency',
      text: `
        SELECT n AS count, backfilled, round(p[1]::numeric, 1)::float8 AS p50_ms, round(p[2]::numeric, 1)::float8 AS p95_ms,
          round(p[3]::numeric, 1)::float8 AS p99_ms
        FROM (SELECT count(latency_ms) AS n, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS p,
                count(*) FILTER (WHERE latency_ms IS NULL AND action = ANY ($1)) AS backfilled
              FROM bridge_log WHERE at > now() - interval '1 hour') l`,
      values: [broughtOver],
    });

  return {
    pending: failingAs('list the pending items', pending),
    statistics: failingAs('count the mappings', statistics),
    queue: failingAs('read the queue', queue),
    latency: failingAs('read the latency', latency),
  };
}

const noneOfEach = () =>
  Object.fromEntries(syncStatuses.map((status) => [status, 0])) as Record<SyncStatus, number>;

function countEach(rows: readonly { status: SyncStatus; count: number }[]): Counts {
  const counts: Record<string, number> = {};
  for (const { status, count } of rows) counts[status] = (counts[status] ?? 0) + count;
  return counts;
}

// A room with a removal that waits for a person is held, whatever else its condition is.
const queueText = `
  WITH room AS (
    SELECT r.resource_id, s.health, s.backfill_total FROM bridge_resource_mappings r
    JOIN bridge_room_state s ON s.resource_mapping_id = r.id WHERE r.active = 1
  ), due AS (
    SELECT m.resource_id, count(*) AS n, count(*) FILTER (WHERE lane = 1) AS backfill,
      min(changed_at) FILTER (WHERE lane = 0) AS oldest
    FROM bridge_mappings m WHERE ${isUnderWay} AND m.resource_id IN (SELECT resource_id FROM room)
    GROUP BY m.resource_id
  ), held AS (${heldByResource}
  ), rooms AS (
    SELECT CASE WHEN held.resource_id IS NOT NULL THEN 'held' ELSE room.health END AS health,
      greatest(room.backfill_total, due.backfill, 0) AS total, coalesce(due.backfill, 0) AS waiting
    FROM room LEFT JOIN due USING (resource_id) LEFT JOIN held USING (resource_id)
  ), outbox AS (
    SELECT count(*) AS n, min(changed_at) AS oldest FROM bridge_changes
  )
  SELECT jsonb_build_object(
    'outbox_rows', (SELECT n FROM outbox),
    'due', (SELECT coalesce(sum(n), 0) FROM due),
    'unfolded', (SELECT count(*) FROM bridge_unfolded),
    'oldest_ms', (SELECT round(extract(epoch FROM clock_timestamp() - least(min(due.oldest), (SELECT oldest FROM outbox))) * 1000)
                  FROM due),
    'rooms', '{"ok": 0, "waiting": 0, "refused": 0, "held": 0}'::jsonb
      || (SELECT coalesce(jsonb_object_agg(health, n), '{}') FROM (SELECT health, count(*) AS n FROM rooms GROUP BY 1) h),
    'backfill', (SELECT jsonb_build_object('total', coalesce(sum(total), 0), 'done', coalesce(sum(total - waiting), 0)) FROM rooms),
    'alerts', (SELECT jsonb_build_object('warning', count(*) FILTER (WHERE severity = 'warning'),
               'critical', count(*) FILTER (WHERE severity = 'critical')) FROM bridge_alerts WHERE closed_at IS NULL),
    'conflicts', (SELECT count(*) FROM bridge_mappings m WHERE ${isOpenConflict}
      AND EXISTS (SELECT FROM bridge_resource_mappings r WHERE r.resource_id = m.resource_id AND r.active = 1)),
    'held', (SELECT coalesce(sum(held.n), 0) FROM held JOIN room USING (resource_id)),
    'replicas', (SELECT count(*) FROM bridge_replicas WHERE beat_at > clock_timestamp() - interval '5 seconds')) AS queue`;
