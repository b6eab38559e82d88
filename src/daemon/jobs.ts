/** The scheduled jobs. Each is run by one of the daemons. */
import type { Config } from '../config.ts';
import type { Database } from '../database.ts';
import type { Tell } from '../facts.ts';
import type { Alerts } from '../ops/alerts.ts';
import { forgetLog } from '../ops/retention.ts';
import type { Job } from '../ops/schedule.ts';
import { createDaily } from '../sync/report/daily.ts';
import { requestFullScans, sweepRooms } from '../sync/worker/sweep.ts';

/** The missing-event check lists every calendar: the full scans are spread over this time. */
const spreadMs = 600_000;

/** For the rooms. */
export function roomJobs({ schedules }: Config, db: Database, ring: () => void): Job[] {
  return [
    {
      name: 'sweep',
      cron: schedules.sweep,
      run: async () => {
        await sweepRooms(db);
        ring();
      },
    },
    {
      name: 'missing',
      cron: schedules.missing,
      run: async () => void (await requestFullScans(db, spreadMs)),
    },
  ];
}

/** For alerts, logs and reports. */
export function serviceJobs({
  config,
  db,
  alerts,
  reportPlan,
  tell,
}: {
  readonly config: Config;
  readonly db: Database;
  readonly alerts: Pick<Alerts, 'check' | 'store'>;
  readonly reportPlan: Job['run'];
  readonly tell: Tell;
}): readonly Job[] {
  const { schedules, startMode, logRetentionDays } = config;
  const plan: Job = { name: 'plan', cron: schedules.sweep, run: reportPlan };
  return [
    ...(startMode === 'sync' ? [] : [plan]),
    { name: 'alerts', cron: '*/30 * * * * *', run: async () => void (await alerts.check()) },
    { name: 'old-alerts', cron: '43 3 * * *', run: async () => void (await alerts.store.deleteOld(30)) },
    {
      name: 'log-retention',
      cron: '17 3 * * *',
      run: async (signal) => void (await forgetLog(db, logRetentionDays, signal)),
    },
    {
      name: 'report',
      cron: schedules.report,
      run: async () => tell({ fact: 'report', report: { ...(await createDaily(db).read()) } }),
    },
  ];
}
