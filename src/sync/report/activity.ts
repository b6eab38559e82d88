/** The log of all rooms, and latencies from it. Reads only. */
import type { Database } from '../../database.ts';
import type { Id } from '../../id.ts';
import { queryRows } from '../../query.ts';
import { failingAs } from '../store/failing.ts';
import type { LogLine } from './mapping-reports.ts';
import { joinRoom, mappingTitle } from '../store/mapping-sql.ts';

export type Direction = 'booking_to_outlook' | 'outlook_to_booking';

/** Actions in Outlook; every other line with a latency is a change from Outlook. */
const doneInOutlook: readonly string[] = [
  'created',
  'adopted',
  'updated',
  'deleted',
  'shadowed',
  'waiting',
  'forgotten',
  'delayed',
  'parked',
  'kept',
  'declined',
  'asked',
];

export interface ActivityLine extends LogLine {
  readonly id: number;
  readonly direction: Direction;
  readonly mapping_id: number | null;
  readonly resource_id: number | null;
  /** The room's name, else its mailbox. */
  readonly room: string | null;
  readonly reservation_type: string | null;
  readonly reservation_id: Id | null;
  readonly title: string | null;
}

export interface Percentiles {
  readonly count: number;
  /** Null: no changes. */
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
  readonly p99_ms: number | null;
}

export interface LatencyCurve extends Percentiles {
  /** Changes by a backfill or a comparison, which are in no other figure. */
  readonly backfilled: number;
  /** Changes of at most `le_ms` and longer than the bound before; null: longer than all bounds. */
  readonly histogram: readonly { readonly le_ms: number | null; readonly count: number }[];
  /** Equal steps, the newest last. */
  readonly curve: readonly (Percentiles & { readonly at: Date })[];
}

export interface LatencyHistory {
  readonly from: Date;
  readonly to: Date;
  readonly step_seconds: number;
  readonly directions: Readonly<Record<Direction, LatencyCurve>>;
}

/** Milliseconds. */
const bounds = [10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000];
const steps = 96;

export function createActivity(db: Database) {
  /**
   * The newest lines first, of one room or all; `asked`: only requests through the API; `before`: only lines older than the one with
   * this id.
   */
  const newest = (limit: number, resourceId: number | null, asked = false, before: number | null = null) =>
    queryRows<ActivityLine>(db, {
      name: asked ? 'newest_asked' : 'newest_lines',
      text: newestText(asked ? `action = 'asked'` : 'true'),
      values: [limit, resourceId, doneInOutlook, before],
    });

  /** From a change on one side to its acceptance by the other, over the last `hours`. */
  async function latency(hours: number): Promise<LatencyHistory> {
    const seconds = (hours * 3_600) / steps;
    const rows = await queryRows<Group>(db, {
      name: 'latency_history',
      text: latencyText,
      values: [seconds, steps, doneInOutlook, bounds],
    });
    const beside = await queryRows<{ direction: Direction; count: number }>(db, {
      name: 'backfilled',
      text: backfilledText,
      values: [seconds, steps, doneInOutlook, broughtOver],
    });
    const { newest: last } = rows[0]!;
    const dateOf = (step: number) => new Date(step * seconds * 1_000);
    const of = (direction: Direction): LatencyCurve => {
      const groups = rows.filter((row) => row.direction === direction);
      const total = groups.find((row) => row.bucket === null && row.step === null);
      return {
        ...percentilesOf(total),
        backfilled: beside.find((row) => row.direction === direction)?.count ?? 0,
        histogram: [...bounds, null].map((le_ms, bucket) => ({
          le_ms,
          count: groups.find((row) => row.bucket === bucket)?.count ?? 0,
        })),
        curve: Array.from({ length: steps }, (_, index) => {
          const step = last - steps + 1 + index;
          return { at: dateOf(step), ...percentilesOf(groups.find((row) => row.step === step)) };
        }),
      };
    };
    return {
      from: dateOf(last - steps + 1),
      to: dateOf(last + 1),
      step_seconds: seconds,
      directions: {
        booking_to_outlook: of('booking_to_outlook'),
        outlook_to_booking: of('outlook_to_booking'),
      },
    };
  }

  return {
    newest: failingAs('list the activity', newest),
    latency: failingAs('read the latencies', latency),
  };
}

/** One direction as a whole, one bucket of its histogram, or one step of its curve. */
interface Group {
  readonly newest: number;
  /** Null: the row of an empty result. */
  readonly direction: Direction | null;
  readonly bucket: number | null;
  readonly step: number | null;
  readonly count: number;
  readonly p: readonly number[] | null;
}

const tenth = (ms: number | undefined) => (ms === undefined ? null : Math.round(ms * 10) / 10);

const percentilesOf = (group: Group | undefined): Percentiles => ({
  count: group?.count ?? 0,
  p50_ms: tenth(group?.p?.[0]),
  p95_ms: tenth(group?.p?.[1]),
  p99_ms: tenth(group?.p?.[2]),
});

const directionText = `CASE WHEN l.action = ANY ($3) THEN 'booking_to_outlook' ELSE 'outlook_to_booking' END AS direction`;

const newestText = (which: string) => `
  SELECT l.id, l.at, ${directionText}, l.action, l.reason, l.who, l.latency_ms, l.call_ms, l.mapping_id, l.resource_id,
    coalesce(r.outlook_item_name, r.outlook_item_id, l.outlook_item_id) AS room, l.reservation_type, l.reservation_id,
    ${mappingTitle} AS title, l.outlook_event_id, l.request_id
  FROM (SELECT * FROM bridge_log WHERE ${which} AND ($2::integer IS NULL OR resource_id = $2)
    AND ($4::bigint IS NULL OR id < $4) ORDER BY id DESC LIMIT $1) l
  LEFT JOIN bridge_mappings m ON m.id = l.mapping_id ${joinRoom('l')}
  ORDER BY l.id DESC`;

/** Actions that change a side. */
export const broughtOver: readonly string[] = [
  'created',
  'updated',
  'deleted',
  'declined',
  'imported',
  'joined',
  'booking-updated',
  'booking-cancelled',
];

const backfilledText = `
  SELECT ${directionText}, count(*)::integer AS count FROM bridge_log l
  WHERE l.at >= to_timestamp((floor(extract(epoch FROM now()) / $1::float8) - $2::integer + 1) * $1::float8)
    AND l.latency_ms IS NULL AND l.action = ANY ($4) GROUP BY 1`;

// One scan: a direction as a whole, its histogram, its curve. The outer row exists without any.
const latencyText = `
  WITH newest AS (SELECT floor(extract(epoch FROM now()) / $1::float8)::bigint AS step), l AS (
    SELECT l.latency_ms, ${directionText}, floor(extract(epoch FROM l.at) / $1::float8)::bigint AS step,
      -- a bound belongs to its own bucket, as in Prometheus
      (SELECT count(*) FROM unnest($4::float8[]) AS bound WHERE bound < l.latency_ms)::integer AS bucket
    FROM bridge_log l, newest
    WHERE l.at >= to_timestamp((newest.step - $2::integer + 1) * $1::float8) AND l.latency_ms IS NOT NULL)
  SELECT newest.step AS newest, g.* FROM newest LEFT JOIN (
    SELECT direction, bucket, step, count(*) AS count, percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY latency_ms) AS p
    FROM l GROUP BY GROUPING SETS ((direction), (direction, bucket), (direction, step))) g ON true`;
