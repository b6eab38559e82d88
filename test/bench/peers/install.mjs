/** Puts the tables of both job queues into a database: `node install.mjs <name> <url>`. */
const [, , name, connectionString] = process.argv;
if (name === 'graphile-worker') {
  const { Logger, runMigrations } = await import('graphile-worker');
  await runMigrations({ connectionString, logger: new Logger(() => () => undefined) });
} else {
  const { PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString, useListenNotify: true });
  await boss.start();
  await boss.createQueue('change', { notify: true });
  await boss.stop({ graceful: false });
}
