/** Cancellations: their list, statistics, and those still to be processed. Reads only. */
import type { Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import { findRow, queryPage, queryValue } from '../../query.ts';
import { itemsOf, unreadableText } from '../store/readable-items.ts';
import { findDiffering } from '../manual/cancellation-store.ts';
import { failingAs } from '../store/failing.ts';
import type { Window } from '../store/work-list.ts';

/** A reservation that is cancelled in one room, and the state of its event. */
export interface CancelledReservation {
  readonly mapping_id: number;
  readonly reservation_type: string;
  readonly reservation_id: Id;
  readonly resource_id: number;
  readonly outlook_item_id: string;
  readonly outlook_event_id: string | null;
  readonly sync_status: string;
  readonly sync_direction: string;
  /**
   * processed: its event is deleted. pending, error, held (by the brake): its event still exists. kept: a person kept its event.
   * active: it is not cancelled.
   */
  readonly processing_status: string;
  readonly title: string | null;
  readonly starts_at: Date | null;
  readonly ends_at: Date | null;
  readonly error_message: string | null;
  readonly hint: string | null;
  readonly updated_at: Date;
}

export interface CancellationStatistics {
  readonly total: number;
  readonly processed: number;
  readonly pending: number;
  readonly errors: number;
  readonly held: number;
  /** The processed ones by the side of the cancellation. */
  readonly booking_to_outlook: number;
  readonly outlook_to_booking: number;
  readonly by_type: Readonly<Record<string, number>>;
  /** Error → count. */
  readonly error_types: Readonly<Record<string, number>>;
  readonly first_processed_at: Date | null;
  readonly last_processed_at: Date | null;
}

export interface DetectionStatistics {
  /** Cancelled in the booking system, with events still in Outlook. */
  readonly cancelled: number;
  /** Active again, with mappings still cancelled. */
  readonly reenabled: number;
  readonly by_type: Readonly<Record<string, { readonly cancelled: number; readonly reenabled: number }>>;
}

export interface ReservationStatus {
  readonly exists: boolean;
  /** Null: no row in the booking system any more, or it cannot be read. */
  readonly active: boolean | null;
  /** Why its row cannot be read; null: it can, or there is none. */
  readonly unreadable: string | null;
  readonly title: string | null;
  readonly mappings: readonly CancelledReservation[];
}

const mappingsOfOneMost = 1_000;

export function createCancellationReports(db: Database, window: Window) {
  /** The newest first, and their number. */
  async function list(
    limit: number,
    direction: string | null,
  ): Promise<{ total: number; reservations: CancelledReservation[] }> {
    const { total, rows: reservations } = await queryPage<CancelledReservation>(db, {
      name: 'cancelled_reservations',
      text: `${listText} AND ($2::text IS NULL OR m.sync_direction = $2) ORDER BY m.updated_at DESC, m.id DESC LIMIT $1`,
      values: [limit, direction],
    });
    return { total, reservations };
  }

  const statistics = () =>
    queryValue<CancellationStatistics>(db, {
      name: 'cancellation_statistics',
      text: statisticsText,
    });

  /** The result of `detect` now, counted up to its limit. */
  async function detection(): Promise<DetectionStatistics> {
    const differing = await findDiffering(db, window);
    const count = (found: typeof differing) => ({
      cancelled: found.filter((one) => !one.active).length,
      reenabled: found.filter((one) => one.active).length,
    });
    const byType = Map.groupBy(differing, (one) => one.type ?? 'unknown');
    return {
      ...count(differing),
      by_type: Object.fromEntries([...byType].map(([type, found]) => [type, count(found)])),
    };
  }

  /** The current state of one reservation with its mappings, cancelled or not. Null: unknown. */
  async function check(type: string, id: Id): Promise<ReservationStatus | null> {
    const [item, { rows: mappings }] = await Promise.all([
      findRow<Pick<ReservationStatus, 'active' | 'unreadable' | 'title'>>(db, {
        name: 'check_reservation',
        text: `SELECT CASE WHEN bool_or(i.active) OR NOT bool_or(i.unreadable IS NOT NULL) THEN bool_or(i.active) END AS active,
            min(${unreadableText('i')}) AS unreadable, min(i.title) AS title
          FROM ${itemsOf('i', '$1', '$2::bigint', 'NULL')} HAVING count(*) > 0`,
        values: [type, id],
      }),
      queryPage<CancelledReservation>(db, {
        name: 'check_mappings',
        text: `${columnsText} FROM bridge_mappings m WHERE m.reservation_type = $1 AND m.reservation_id = $2
          ORDER BY m.resource_id LIMIT $3`,
        values: [type, id, mappingsOfOneMost],
      }),
    ]);
    if (item === null && mappings.length === 0) return null;
    return {
      exists: item !== null,
      active: item?.active ?? null,
      unreadable: item?.active === null ? item.unreadable : null,
      title: item?.title ?? mappings[0]?.title ?? null,
      mappings,
    };
  }

  return {
    list: failingAs('list the cancelled reservations', list),
    statistics: failingAs('count the cancellations', statistics),
    detection: failingAs('count the differences', detection),
    check: failingAs('check a reservation', check),
  };
}

export type CancellationReports = ReturnType<typeof createCancellationReports>;

// The next drain deletes a mapping without a reservation that was never shown, so one that is not present was shown once.
const processingText = `
  CASE WHEN m.sync_status = 'cancelled' AND NOT m.present AND m.event_intent = 'keep' THEN 'kept'
       WHEN m.sync_status = 'cancelled' AND NOT m.present THEN 'processed'
       WHEN m.sync_status = 'conflict' AND m.conflict ->> 'kind' = 'rejected' THEN 'error'
       WHEN m.sync_status = 'conflict' THEN 'held'
       WHEN m.sync_status = 'error' THEN 'error'
       WHEN m.present AND m.sync_status <> 'cancelled' THEN 'active' ELSE 'pending' END`;

const columnsText = `
  SELECT m.id AS mapping_id, m.reservation_type, m.reservation_id, m.resource_id, m.outlook_item_id, m.outlook_event_id,
    m.sync_status, m.sync_direction, ${processingText} AS processing_status,
    coalesce(m.booking_seen, m.booking_base, m.outlook_base) ->> 'title' AS title, m.starts_at, m.ends_at,
    m.error_message, m.hint, m.updated_at, count(*) OVER () AS total`;

// a synced mapping always has a reservation: the index on other statuses finds all
const cancelledText = `
  FROM bridge_mappings m
  WHERE m.sync_status <> 'synced' AND m.reservation_id IS NOT NULL AND (m.sync_status = 'cancelled' OR NOT m.present)`;

const listText = `${columnsText} ${cancelledText}`;

const statisticsText = `
  WITH m AS (
    SELECT m.reservation_type AS type, ${processingText} AS status, m.error_message, done.at, done.from_outlook
    ${cancelledText.replace(
      'WHERE',
      `
      LEFT JOIN LATERAL (
        SELECT max(l.at) AS at, bool_or(l.action = 'booking-cancelled') AS from_outlook
        FROM bridge_log l WHERE l.mapping_id = m.id AND l.action IN ('deleted', 'declined', 'booking-cancelled')) done ON true
      WHERE`,
    )})
  SELECT jsonb_build_object(
    'total', count(*),
    'processed', count(*) FILTER (WHERE status = 'processed'),
    'pending', count(*) FILTER (WHERE status = 'pending'),
    'errors', count(*) FILTER (WHERE status = 'error'),
    'held', count(*) FILTER (WHERE status = 'held'),
    'booking_to_outlook', count(*) FILTER (WHERE status = 'processed' AND from_outlook IS NOT TRUE),
    'outlook_to_booking', count(*) FILTER (WHERE status = 'processed' AND from_outlook),
    'by_type', (SELECT coalesce(jsonb_object_agg(type, n), '{}') FROM (SELECT type, count(*) AS n FROM m GROUP BY type) t),
    'error_types', (SELECT coalesce(jsonb_object_agg(error_message, n), '{}') FROM (
      SELECT left(error_message, 200) AS error_message, count(*) AS n FROM m
      WHERE status IN ('error', 'held') AND error_message IS NOT NULL GROUP BY 1 ORDER BY 2 DESC LIMIT 20) e),
    'first_processed_at', min(at) FILTER (WHERE status = 'processed'),
    'last_processed_at', max(at) FILTER (WHERE status = 'processed')) AS statistics
  FROM m`;
