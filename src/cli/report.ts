/** `report`: the current statistics, as in the daemon's daily log line. */
import { createReports, syncStatuses } from '../sync/report/reports.ts';
import { counted, paint, say, sayJson, table } from './terminal.ts';
import { withDatabase } from './with-database.ts';

export async function report(options: { json?: boolean }): Promise<number> {
  const { statistics, queue, latency } = await withDatabase('report', async (db) => {
    const reports = createReports(db);
    return {
      statistics: await reports.statistics(),
      queue: await reports.queue(),
      latency: await reports.latency(),
    };
  });
  if (options.json === true) {
    sayJson({ success: true, statistics, queue, latency });
    return 0;
  }
  const { summary } = statistics;
  say(
    paint(
      'bold',
      statistics.total_mappings === 1
        ? '1 mapping of a reservation in a room'
        : `${statistics.total_mappings} mappings of reservations in rooms`,
    ),
  );
  say(
    table(
      ['TYPE', ...syncStatuses.map((status) => status.toUpperCase())],
      [
        ...Object.entries(statistics.by_type).map(([type, counts]) => [
          type,
          ...syncStatuses.map((status) => counts[status] ?? 0),
        ]),
        ['all', ...syncStatuses.map((status) => summary[status])],
      ],
    ),
  );
  const states = Object.entries(queue.rooms).map(([state, count]) => `${count} ${state}`);
  say(`\nrooms     ${states.join(', ')}`);
  // both have the status conflict
  const toDecide = [
    queue.conflicts > 0 && `${counted(queue.conflicts, 'conflict')} (list: conflicts)`,
    queue.held > 0 && `${counted(queue.held, 'removal')} held by the brake (list: brake)`,
  ].filter((part) => part !== false);
  if (toDecide.length > 0) say(`to decide ${toDecide.join(', ')}`);
  say(
    `waiting   ${queue.due} to be synced, ${counted(queue.outbox_rows, 'change')} to be read${queue.oldest_ms === null ? '' : `, the oldest for ${Math.round(queue.oldest_ms / 1_000)} s`}` +
      (queue.unfolded === 0
        ? ''
        : `; ${counted(queue.unfolded, 'change')} cannot be followed (list: doctor)`),
  );
  const { backfill } = queue;
  if (backfill.done < backfill.total) say(`backfill  ${backfill.done} of ${backfill.total}`);
  say(`daemons   ${queue.replicas}`);
  const ms = (value: number | null) => (value === null ? '-' : `${Math.round(value)} ms`);
  say(
    `last hour ${counted(latency.count, 'change')}; p50 ${ms(latency.p50_ms)}, p95 ${ms(latency.p95_ms)}, p99 ${ms(latency.p99_ms)}` +
      (latency.backfilled === 0 ? '' : `; and ${latency.backfilled} of a backfill`),
  );
  return 0;
}
