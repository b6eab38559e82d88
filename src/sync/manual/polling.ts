/** Delta rounds and full scans on request: the daemon's own, run in the foreground. */
import type { Database } from '../../database.ts';
import { queryRows, queryValue } from '../../query.ts';
import { msLeft, until, type BeginCall, type Call } from './call.ts';
import { isReadyWithin, lockRooms } from './requests.ts';
import { failingAs } from '../store/failing.ts';

/** The result for one calendar. */
export interface Polled {
  readonly calendar_id: string;
  readonly resource_id: number;
  readonly room: string;
  /** It has a delta link; without one each poll lists the calendar. */
  readonly has_cursor: boolean;
  /** The round was done within the time of the call. */
  readonly done: boolean;
  readonly imported: number;
  readonly changed: number;
  readonly cancelled: number;
  /** New events that are not imported: they wait for a request or for the room's answer, or are a conflict. */
  readonly found: number;
  /** Reported and not settled. */
  readonly open: number;
  /** The same, and all events without a reservation that are not ignored. */
  readonly waiting: number;
  /** Mappings with an event. */
  readonly known: number;
  readonly error: string | null;
  readonly hint: string | null;
}

export interface PollState {
  readonly calendar_id: string;
  readonly resource_id: number;
  readonly room: string;
  readonly has_cursor: boolean;
  readonly last_poll_at: Date | null;
  readonly next_poll_at: Date | null;
  readonly health: string;
  readonly error: string | null;
}

/** changes: a delta round; compare: a full scan, too. */
type PollKind = 'changes' | 'compare';

export type Polling = ReturnType<typeof createPolling>;

export function createPolling(db: Database, begin: BeginCall) {
  /** Polls every calendar, or one, and returns the results. Rooms without changes from Outlook are only compared. */
  async function poll(kind: PollKind, resourceId: number | null, signal: AbortSignal): Promise<Polled[]> {
    const call = await begin(signal);
    const requested = await queryRows<{ id: number; at: Date }>(db, {
      name: 'ask_to_poll',
      text: `
        UPDATE bridge_room_state s SET pull_due_at = now(), asked_at = now(), retry_at = NULL, updated_at = now(),
          compare_at = CASE WHEN $1 = 'compare' THEN now() ELSE s.compare_at END
        WHERE s.resource_mapping_id IN (${lockRooms(`(r.sync_direction <> 'booking_to_outlook' OR $1 = 'compare')
          AND ($2::integer IS NULL OR r.resource_id = $2)`)})
        RETURNING s.resource_mapping_id AS id, now() AS at`,
      values: [kind, resourceId],
    });
    const since = requested[0]?.at;
    if (since === undefined) return [];
    const ids = requested.map((row) => row.id);
    await call.wake();
    await until(call, () => stillPolling(ids, since, call));
    return await read(ids, since, call);
  }

  const stillPolling = (ids: readonly number[], since: Date, call: Call) =>
    queryValue<boolean>(db, {
      name: 'still_polling',
      text: `
        SELECT EXISTS (
          SELECT FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id AND r.active = 1
          WHERE s.resource_mapping_id = ANY ($1)
            AND ${isReadyWithin('$3')}
            AND (s.pulled_at IS NULL OR s.pulled_at < $2 OR s.compare_at <= clock_timestamp() OR s.baselined_at IS NULL
              OR EXISTS (SELECT FROM bridge_mappings m WHERE m.resource_id = r.resource_id AND m.outlook_news IS NOT NULL
                         AND m.due_at <= clock_timestamp() + $3 * interval '1 millisecond'))) AS open`,
      values: [ids, since, msLeft(call)],
    });

  const read = (ids: readonly number[], since: Date, call: Call) =>
    queryRows<Polled>(db, {
      name: 'read_polled',
      text: `
        SELECT r.outlook_item_id AS calendar_id, r.resource_id, coalesce(r.outlook_item_name, r.outlook_item_id) AS room,
          coalesce(cardinality(s.delta_links), 0) > 0 AS has_cursor,
          coalesce(s.pulled_at >= $2 AND (s.compare_at > clock_timestamp()) IS NOT FALSE, false) AS done, l.imported, l.changed, l.cancelled,
          w.found, w.open, w.waiting, w.known,
          CASE WHEN s.health <> 'ok' THEN s.error_message END AS error, CASE WHEN s.health <> 'ok' THEN s.hint END AS hint
        FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id,
          LATERAL (SELECT count(*) FILTER (WHERE g.action IN ('imported', 'joined')) AS imported,
                          count(*) FILTER (WHERE g.action = 'booking-updated') AS changed,
                          count(*) FILTER (WHERE g.action = 'booking-cancelled') AS cancelled
                   FROM bridge_log g WHERE g.id > $3 AND g.resource_id = r.resource_id) l,
          LATERAL (SELECT count(*) FILTER (WHERE u.is_unmapped AND m.created_at >= $2) AS found,
                          count(*) FILTER (WHERE m.outlook_news IS NOT NULL) AS open,
                          count(*) FILTER (WHERE m.outlook_news IS NOT NULL OR u.is_unmapped) AS waiting,
                          count(*) FILTER (WHERE m.outlook_event_id IS NOT NULL AND m.sync_status <> 'cancelled') AS known
                   FROM bridge_mappings m, LATERAL (SELECT m.reservation_id IS NULL AND m.waits_for IS DISTINCT FROM 'free' AS is_unmapped) u
                   WHERE m.resource_id = r.resource_id) w
        WHERE s.resource_mapping_id = ANY ($1) ORDER BY r.resource_id`,
      values: [ids, since, call.mark],
    });

  /** The polls of each calendar, the last one first. */
  const state = () =>
    queryRows<PollState>(db, {
      name: 'poll_state',
      text: `SELECT r.outlook_item_id AS calendar_id, r.resource_id, coalesce(r.outlook_item_name, r.outlook_item_id) AS room,
          coalesce(cardinality(s.delta_links), 0) > 0 AS has_cursor, s.pulled_at AS last_poll_at,
          least(s.pull_due_at, s.next_poll_at) AS next_poll_at, s.health, s.error_message AS error
        FROM bridge_room_state s JOIN bridge_resource_mappings r ON r.id = s.resource_mapping_id AND r.active = 1
        WHERE r.sync_direction <> 'booking_to_outlook' ORDER BY s.pulled_at DESC NULLS LAST, r.resource_id`,
    });

  return {
    poll: failingAs('ask Outlook for changes', poll),
    state: failingAs('read the polls', state),
  };
}
