/**
 * The causes of alerts in the database: read in one round trip, then turned into words (reason-words.ts). An alert is over when its
 * cause is no longer found here.
 */
import type { Queryable } from '../database.ts';
import { queryRow } from '../query.ts';
import { isHeld, isOpenConflict, isUnderWay } from '../waits-for-person.ts';
import type { Alert } from './alert-types.ts';
import { alertsOf, type Read, type ReasonOptions } from './reason-words.ts';

const lateMinutes = 10;
/** A mailbox with this number of failures in a row raises an alert. */
const failingAttempts = 6;
const throttledAttempts = 3;
/** A lost subscription is created again at once; this number of failed attempts raises an alert. */
const subscribingAttempts = 3;

export interface Reasons {
  /** The current alerts, at most one per type and resource. */
  readonly alerts: readonly Alert[];
  /** Open alerts that stay as they are, by id. */
  readonly kept: readonly number[];
}

export async function readReasons(db: Queryable, options: ReasonOptions): Promise<Reasons> {
  const { read, kept } = await queryRow<{ read: Read; kept: readonly number[] }>(db, {
    name: 'alert_reasons',
    text: reasonsText,
    values: [lateMinutes, failingAttempts, throttledAttempts, subscribingAttempts],
  });
  return { alerts: alertsOf(read, options), kept };
}

// Kept alerts: a brake that is reported but not yet in the mappings, or decided with removals still running; a bug of the last
// 24 hours.
const reasonsText = `
  WITH room AS (
    SELECT r.id, r.resource_id, coalesce(r.outlook_item_name, r.outlook_item_id) AS name, r.sync_direction, r.updated_at,
      s.health, s.error_message, s.hint, s.attempt, s.throttled_until, s.pull_due_at
    FROM bridge_resource_mappings r JOIN bridge_room_state s ON s.resource_mapping_id = r.id WHERE r.active = 1
  ), removal AS (
    SELECT d.resource_id, count(*) FILTER (WHERE ${isHeld}) AS held
    FROM bridge_removals d JOIN bridge_mappings m ON m.id = d.mapping_id
    WHERE d.released_at IS NULL AND d.applied_at IS NULL AND NOT coalesce(${isOpenConflict}, false) GROUP BY d.resource_id
  ), late AS (
    SELECT count(*) AS n, min(least(m.changed_at, m.noticed_at)) AS oldest, array_agg(DISTINCT room.name) AS rooms
    FROM bridge_mappings m JOIN room ON room.resource_id = m.resource_id
    WHERE ${isUnderWay} AND least(m.changed_at, m.noticed_at) < now() - $1 * interval '1 minute'
      AND room.health NOT IN ('refused', 'waiting', 'held')
  ), parked AS (
    SELECT m.error_message, m.updated_at, room.name FROM bridge_mappings m JOIN room ON room.resource_id = m.resource_id
    WHERE m.sync_status = 'error'
  ), open AS (
    SELECT m.updated_at, m.error_message, room.name
    FROM bridge_mappings m JOIN room ON room.resource_id = m.resource_id
    WHERE ${isOpenConflict}
  ), touched AS (
    SELECT DISTINCT ON (mapping_id) mapping_id, action FROM (
      SELECT id, mapping_id, action FROM bridge_log
      WHERE at > now() - interval '15 minutes' AND mapping_id IS NOT NULL AND action <> 'asked' ORDER BY id DESC LIMIT 20000) newest
    ORDER BY mapping_id, id DESC
  )
  SELECT jsonb_build_object(
    'hold', bridge_hold(),
    'outlookIsOut', EXISTS (SELECT FROM bridge_alerts WHERE closed_at IS NULL AND type IN ('outlook-outage', 'credential-refused')),
    'rooms', (SELECT coalesce(jsonb_agg(jsonb_build_object('type', t.type, 'resourceId', resource_id, 'room', name,
        'error', error_message, 'hint', hint, 'attempt', attempt,
        'until', to_char(throttled_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')) ORDER BY name), '[]')
      FROM room CROSS JOIN LATERAL (SELECT CASE WHEN health = 'refused' THEN 'room-refused' WHEN health = 'held' THEN 'room-held'
        WHEN health = 'waiting' AND throttled_until IS NOT NULL AND attempt >= $3 THEN 'throttled'
        WHEN health = 'waiting' AND throttled_until IS NULL AND attempt >= $2 THEN 'room-failing' END AS type) t
      WHERE t.type IS NOT NULL),
    'held', (SELECT coalesce(jsonb_agg(jsonb_build_object('resourceId', resource_id, 'room', name, 'removals', held) ORDER BY name), '[]')
      FROM removal JOIN room USING (resource_id) WHERE held > 0),
    'items', (SELECT jsonb_build_object('n', count(*), 'rooms', array_agg(DISTINCT name),
      'why', (array_agg(error_message ORDER BY updated_at DESC))[1]) FROM parked),
    'rightless', (SELECT jsonb_build_object('n', count(*), 'rooms', array_agg(DISTINCT room.name),
      'why', (array_agg(m.error_message ORDER BY m.updated_at DESC))[1])
      FROM bridge_mappings m JOIN room ON room.resource_id = m.resource_id
      WHERE m.due_at IS NOT NULL AND m.error_message LIKE '%SQLSTATE 42501)'),
    'conflicts', (SELECT jsonb_build_object('n', count(*), 'rooms', array_agg(DISTINCT name),
      'why', (array_agg(error_message ORDER BY updated_at DESC))[1]) FROM open),
    'late', (SELECT jsonb_build_object('n', n, 'oldestMinutes', extract(epoch FROM now() - oldest) / 60, 'rooms', rooms) FROM late),
    'unfolded', (SELECT jsonb_build_object('n', count(*), 'why', (array_agg(error_message ORDER BY created_at DESC))[1],
        'isLocked', coalesce(bool_and(code IN ('55P03', '40P01')), false),
        'reservations', array_agg(coalesce(reservation_type || '/' || coalesce(reservation_key, reservation_id::text), 'an emptied table') ORDER BY created_at DESC))
      FROM bridge_unfolded WHERE code NOT IN ('55P03', '40P01') OR created_at < now() - interval '10 seconds'),
    'outboxMinutes', (SELECT extract(epoch FROM now() - min(changed_at)) / 60 FROM bridge_changes),
    'pullsLate', (SELECT jsonb_agg(name ORDER BY name) FROM room
      WHERE pull_due_at < now() - $1 * interval '1 minute' AND health = 'ok'),
    -- what waits for a person's choice has not failed, and a missing right has an alert of its own
    'errors', (SELECT jsonb_build_object(
        'open', (SELECT severity FROM bridge_alerts WHERE type = 'error-rate' AND closed_at IS NULL), 'items', count(*), 'failed', count(*) FILTER (WHERE action IN ('parked', 'delayed')
        AND NOT EXISTS (SELECT FROM bridge_mappings m WHERE m.id = mapping_id
          AND (m.sync_status = 'conflict' OR m.due_at IS NOT NULL AND m.error_message LIKE '%SQLSTATE 42501)'))))
      FROM touched),
    'unsubscribed', (SELECT jsonb_agg(name ORDER BY name) FROM room
      LEFT JOIN bridge_subscriptions b ON b.resource_mapping_id = room.id AND b.ended_at IS NULL
      WHERE health NOT IN ('refused', 'held') AND b.off_at IS NULL AND CASE
        WHEN b.id IS NULL THEN sync_direction <> 'booking_to_outlook' AND updated_at < now() - interval '10 minutes'
        ELSE (b.subscription_id IS NULL OR b.expires_at <= now()) AND (b.attempt >= $4 OR b.expires_at < now() - interval '5 minutes') END),
    'unsubscribedWhy', (SELECT coalesce(error_message || ' ', '') || coalesce(hint, '') FROM bridge_subscriptions
      WHERE ended_at IS NULL AND attempt >= $4 AND error_message IS NOT NULL ORDER BY tried_at DESC LIMIT 1)
    ) AS read,
    (SELECT coalesce(jsonb_agg(id), '[]') FROM bridge_alerts a
      WHERE closed_at IS NULL AND (type = 'bug' AND seen_at > now() - interval '24 hours'
        OR type = 'brake' AND EXISTS (SELECT FROM removal WHERE removal.resource_id = a.resource_id AND held = 0))) AS kept`;
