/** The rooms: state, lag, health, backfill, recurring work. Reads only. */
import type { Database, Queryable } from '../../database.ts';
import { queryRows } from '../../query.ts';
import { roomSettingColumns, type RoomSettings } from '../../room-settings.ts';
import { failingAs } from '../store/failing.ts';
import { isOpenConflict, isUnderWay } from '../../waits-for-person.ts';
import { heldByResource } from '../store/mapping-sql.ts';

export interface RoomReport extends RoomSettings {
  readonly id: number;
  readonly resource_id: number;
  readonly outlook_item_id: string;
  readonly outlook_item_name: string | null;
  readonly active: number;
  readonly sync_direction: string;
  /** ok, waiting (rests after a failure), refused (a person must act), held (by the brake or a foreign claim, until a person decides), off. */
  readonly health: string;
  readonly error: string | null;
  readonly hint: string | null;
  /** A daemon has its lease. */
  readonly working: boolean;
  readonly due: number;
  /** Age of the oldest change that is not in Outlook yet; 0: none. */
  readonly lag_ms: number;
  readonly due_at: Date | null;
  readonly retry_at: Date | null;
  readonly throttled_until: Date | null;
  readonly baselined_at: Date | null;
  readonly reconciled_at: Date | null;
  /** The last sync of one of its mappings. */
  readonly last_sync_at: Date | null;
  /** The next delta round. */
  readonly pull_due_at: Date | null;
  /** Null: no subscription. */
  readonly subscription_expires_at: Date | null;
  readonly backfill: { readonly total: number; readonly done: number };
  /** Removals that wait for a person. */
  readonly held: number;
  /** The foreign claim that holds the room. */
  readonly claimed_by: string | null;
  /** Mappings in error, and conflicts that wait for a person. */
  readonly failed: number;
  readonly conflicts: number;
}

const listMost = 5_000;

export function createRoomReports(db: Database) {
  /** All rooms, or the one of a resource: the active one if there is one, else the newest. */
  const list = (resourceId: number | null = null) =>
    queryRows<RoomReport>(db, {
      name: 'rooms',
      text: roomsText,
      values: [resourceId, listMost],
    });

  const find = async (resourceId: number): Promise<RoomReport | null> => (await list(resourceId))[0] ?? null;

  return { list: failingAs('list the rooms', list), find: failingAs('read a room', find) };
}

const roomsText = `
  WITH due AS (
    SELECT resource_id, count(*) AS n, count(*) FILTER (WHERE lane = 1) AS backfill,
      min(changed_at) FILTER (WHERE lane = 0) AS oldest
    FROM bridge_mappings m WHERE ${isUnderWay} AND ($1::integer IS NULL OR resource_id = $1) GROUP BY resource_id
  ), held AS (${heldByResource}
  ), open AS (
    SELECT resource_id, count(*) FILTER (WHERE sync_status = 'error') AS failed,
      count(*) FILTER (WHERE ${isOpenConflict}) AS conflicts
    FROM bridge_mappings m
    WHERE sync_status IN ('error', 'conflict') AND ($1::integer IS NULL OR resource_id = $1) GROUP BY resource_id
  ), synced AS (
    SELECT resource_id, max(last_sync_at) AS at FROM bridge_mappings
    WHERE $1::integer IS NULL OR resource_id = $1 GROUP BY resource_id
  ), subscribed AS (
    SELECT resource_mapping_id, max(expires_at) AS expires_at FROM bridge_subscriptions GROUP BY resource_mapping_id
  )
  SELECT r.id, r.resource_id, r.outlook_item_id, r.outlook_item_name, r.active, r.sync_direction, ${roomSettingColumns},
    CASE WHEN r.active <> 1 THEN 'off' WHEN held.n > 0 THEN 'held' ELSE coalesce(s.health, 'ok') END AS health,
    s.error_message AS error, s.hint, s.lease_owner IS NOT NULL AS working, coalesce(due.n, 0) AS due,
    coalesce(round(extract(epoch FROM clock_timestamp() - due.oldest) * 1000)::bigint, 0) AS lag_ms,
    s.push_due_at AS due_at, s.retry_at, s.throttled_until, s.baselined_at, s.reconciled_at,
    synced.at AS last_sync_at, least(s.pull_due_at, s.next_poll_at) AS pull_due_at, subscribed.expires_at AS subscription_expires_at,
    jsonb_build_object('total', greatest(s.backfill_total, due.backfill, 0),
      'done', greatest(s.backfill_total, due.backfill, 0) - coalesce(due.backfill, 0)) AS backfill,
    coalesce(held.n, 0) AS held, s.claim_found AS claimed_by, coalesce(open.failed, 0) AS failed, coalesce(open.conflicts, 0) AS conflicts
  FROM bridge_resource_mappings r LEFT JOIN bridge_room_state s ON s.resource_mapping_id = r.id
  LEFT JOIN due ON due.resource_id = r.resource_id AND r.active = 1
  LEFT JOIN held ON held.resource_id = r.resource_id AND r.active = 1
  LEFT JOIN open ON open.resource_id = r.resource_id AND r.active = 1
  LEFT JOIN synced ON synced.resource_id = r.resource_id
  LEFT JOIN subscribed ON subscribed.resource_mapping_id = r.id
  WHERE $1::integer IS NULL OR r.resource_id = $1
  ORDER BY r.active DESC, r.outlook_item_name, r.resource_id, r.id DESC LIMIT $2`;

export interface RoomClock {
  readonly name: 'poll' | 'subscription-renewal';
  /** The last run in any room, and the next one. */
  readonly last_run_at: Date | null;
  readonly next_run_at: Date;
  /** The number of rooms. */
  readonly rooms: number;
}

/** The recurring work of rooms: polls, and renewals of subscriptions. */
export const roomClocks = (db: Queryable) =>
  queryRows<RoomClock>(db, {
    name: 'room_clocks',
    text: `
      SELECT * FROM (
        SELECT 'poll' AS name, max(s.pulled_at) AS last_run_at, min(s.next_poll_at) AS next_run_at, count(*)::integer AS rooms
        FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id AND r.active = 1
        WHERE s.next_poll_at IS NOT NULL
        UNION ALL
        SELECT 'subscription-renewal', max(coalesce(b.renewed_at, b.created_at)), min(b.due_at), count(*)::integer
        FROM bridge_subscriptions b WHERE b.ended_at IS NULL AND b.off_at IS NULL AND b.subscription_id IS NOT NULL
      ) clocks WHERE next_run_at IS NOT NULL ORDER BY name`,
  });
