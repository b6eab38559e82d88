/** A worker of pg-boss that posts the subject of each job. By environment: DATABASE_URL, ORIGIN. */
import { PgBoss } from 'pg-boss';
import { post } from '../post.ts';

const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, useListenNotify: true });
boss.on('error', () => undefined); // the bench sees what is not done
await boss.start();
await boss.createQueue('change', { notify: true });
await boss.work('change', { batchSize: 100, pollingIntervalSeconds: 0.5 }, async (jobs) => {
  if (process.env.ORIGIN) await Promise.all(jobs.map(({ data }) => post(process.env.ORIGIN, data.subject)));
});
process.once('disconnect', () => void boss.stop({ graceful: false }).finally(() => process.exit(0)));
process.send({ listening: true });
