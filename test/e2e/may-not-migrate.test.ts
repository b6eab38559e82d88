/** A daemon whose role may not install anything works with what is there, and says what a DBA is to do. */
import { expect, test } from 'vitest';
import { migrate } from '../../src/cli/migrate.ts';
import { bridgeGrants, openRole } from '../support/roles.ts';
import { startService } from '../support/service.ts';
import { keepRunning } from '../../src/daemon/keep-running.ts';
import { Permanent } from '../../src/errors.ts';
import { createLog } from '../../src/log.ts';
import { openWorld } from './world.ts';

const everythingOfOurs = [
  'GRANT ALL ON ALL TABLES IN SCHEMA public TO role',
  'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO role',
  'GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO role',
  'REVOKE CREATE ON SCHEMA public FROM PUBLIC, role',
];

test('it starts, and /ready gives the DBA’s statement once functions are of another version', async () => {
  await using world = await openWorld({ mapped: [101] });
  await using role = await openRole(world.db, [...bridgeGrants, ...everythingOfOurs]);
  const config = { ...world.config, database: role.config };
  await world.db.query(`UPDATE bridge_settings SET value = 'another ' || value WHERE name = 'functions'`);
  await using service = await startService(
    config,
    async (signal) => (await migrate(config, () => undefined, signal)).wake,
  );
  await service.heard();
  expect(await service.call('GET', '/ready')).toMatchObject({
    status: 503,
    body: {
      checks: { capture: { problems: ['the functions in the database are of another version'] } },
      hint: expect.stringContaining(`GRANT USAGE, CREATE ON SCHEMA public TO ${role.name};`),
    },
  });
});

test('repeated attempts log a refused migration once per reason', async () => {
  await using world = await openWorld({ mapped: [101] });
  await world.db.query('ALTER TABLE bridge_settings RENAME TO away');
  const lines: string[] = [];
  const stop = new AbortController();
  let attempts = 0;
  const running = keepRunning({
    config: world.config,
    log: createLog('error', { write: (line) => void lines.push(line) }),
    tell: () => undefined,
    prepare: () => {
      attempts += 1;
      if (attempts === 4) stop.abort(new Error('the test is over'));
      throw new Permanent('a right is missing', {
        reach: 'side',
        hint: attempts < 3 ? 'GRANT a' : 'GRANT b',
      });
    },
    jobs: () => [],
    onBuilt: () => undefined,
  });
  await running.run(stop.signal);
  expect(attempts).toBe(4);
  expect(lines.map((line) => (JSON.parse(line) as { hint: string }).hint)).toEqual(['GRANT a', 'GRANT b']);
});
