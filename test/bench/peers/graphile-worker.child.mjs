/** A worker of graphile-worker that posts the subject of each job. By environment: DATABASE_URL, ORIGIN. */
import { Logger, run } from 'graphile-worker';
import { post } from '../post.ts';

const runner = await run({
  connectionString: process.env.DATABASE_URL,
  concurrency: 32,
  maxPoolSize: 10,
  logger: new Logger(() => () => undefined),
  noHandleSignals: true,
  taskList: {
    change: async ({ subject }) => {
      if (process.env.ORIGIN) await post(process.env.ORIGIN, subject);
    },
  },
});
process.once('disconnect', () => void runner.stop().finally(() => process.exit(0)));
process.send({ listening: true });
