import { expect, test } from 'vitest';
import { readMoment } from '../../src/sync/manual/undo.ts';
import { cli, openOffice } from './command-line.ts';

test.each(['04.05.2026', '5', '2026-02-30', '2026-05-04 12:00', '2026-05-04T12:00', 'May 4 2026', ''])(
  'undo --since %s is no moment, and not some other one',
  async (since) => {
    expect(readMoment(since)).toBeNull();
  },
);

test('undo says the moment that it understood, in the zone of the booking system', async () => {
  await using office = await openOffice();
  const refused = await office.run('undo', '--since', '04.05.2026');
  expect([refused.code, refused.err]).toEqual([64, expect.stringContaining("'04.05.2026' is not a time")]);
  const said = await office.run('undo', '--since', '2026-05-04T12:00:00Z');
  expect(said.out).toContain('Since 2026-05-04 14:00 (Europe/Oslo)');
  expect((await office.run('undo', '--since', '2026-05-04', '--json')).json()).toMatchObject({
    since: '2026-05-04T00:00:00.000Z',
  });
});

test('undo --apply writes nothing while nothing may be written', async () => {
  await using office = await openOffice();
  const apply = (START_MODE: string) =>
    cli({ ...office.env, START_MODE }, 'undo', '--since', '2026-05-04', '--apply');
  expect(await apply('shadow')).toMatchObject({
    code: 1,
    err: expect.stringContaining('START_MODE is shadow'),
  });
  expect(await apply('plan')).toMatchObject({ code: 1, err: expect.stringContaining('plan is confirmed') });
  const audit = await office.db.query(
    `SELECT FROM bridge_log WHERE reason LIKE 'undo%' OR detail::text LIKE '%undo%'`,
  );
  expect(audit).toEqual([]);
  await office.db.query(
    `UPDATE bridge_settings SET value = jsonb_set(value::jsonb, '{oid}', '1')::text WHERE name = 'database'`,
  );
  expect(await apply('sync')).toMatchObject({ code: 1, err: expect.stringContaining('Nothing is written') });
});
