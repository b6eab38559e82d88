/** The daily report. Reads only. */
import type { Database } from '../../database.ts';
import { queryValue } from '../../query.ts';
import { createActivity, type LatencyCurve } from './activity.ts';
import { failingAs } from '../store/failing.ts';
import { createReports, type LatencyReport, type Statistics } from './reports.ts';

export interface DailyReport {
  readonly hours: number;
  readonly mappings: Statistics['summary'];
  /** Log lines by action. */
  readonly actions: Readonly<Record<string, number>>;
  readonly booking_to_outlook: LatencyReport;
  readonly outlook_to_booking: LatencyReport;
  readonly rooms: Readonly<Record<string, number>>;
  readonly due: number;
  readonly oldest_ms: number | null;
  readonly open_alerts: number;
}

const hours = 24;

export function createDaily(db: Database) {
  const reports = createReports(db);
  const activity = createActivity(db);

  const actions = () =>
    queryValue<Record<string, number>>(db, {
      name: 'daily_actions',
      text: `SELECT coalesce(jsonb_object_agg(action, n), '{}') AS actions FROM (
        SELECT action, count(*) AS n FROM bridge_log WHERE at > now() - $1 * interval '1 hour' GROUP BY action) a`,
      values: [hours],
    });

  const openAlerts = () =>
    queryValue<number>(db, {
      name: 'daily_alerts',
      text: 'SELECT count(*) AS n FROM bridge_alerts WHERE closed_at IS NULL',
    });

  /** The last 24 hours, and the current state. */
  async function read(): Promise<DailyReport> {
    const [statistics, queue, speed, done, alerts] = await Promise.all([
      reports.statistics(),
      reports.queue(),
      activity.latency(hours),
      actions(),
      openAlerts(),
    ]);
    const of = ({ histogram: _histogram, curve: _curve, ...report }: LatencyCurve): LatencyReport => report;
    return {
      hours,
      mappings: statistics.summary,
      actions: done,
      booking_to_outlook: of(speed.directions.booking_to_outlook),
      outlook_to_booking: of(speed.directions.outlook_to_booking),
      rooms: queue.rooms,
      due: queue.due,
      oldest_ms: queue.oldest_ms,
      open_alerts: alerts,
    };
  }

  return { read: failingAs('read the report of the day', read) };
}
