/** A request or command that needs a row of a person's open transaction: it ends with an error that says so. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { cli } from '../cli/command-line.ts';
import { startService } from '../support/service.ts';
import { environmentOf } from '../support/settings.ts';
import { openWorld } from './world.ts';

test('an open transaction that has locked a room is named by the API and the command line, and can be committed', async () => {
  await using world = await openWorld({ mapped: [101] });
  const running = await startService({ ...world.config, http: { ...world.config.http, port: 0 } });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => running.end());
  const person = new pg.Client(world.db.url);
  await person.connect();
  opened.defer(() => person.end());
  await person.query('BEGIN');
  await person.query(`UPDATE bridge_resource_mappings SET outlook_item_name = 'New' WHERE resource_id = 101`);
  const pause = async () => await fetch(`${running.url}/rooms/101/pause`, { method: 'POST' });

  const [answer, said] = await Promise.all([
    pause(),
    cli({ ...environmentOf(world.db, world.tenant) }, 'pause', '101'),
  ]);
  expect([answer.status, await answer.json()]).toMatchObject([
    503,
    { success: false, hint: expect.stringContaining('commit it or roll it back') },
  ]);
  expect([said.code, said.err]).toEqual([75, expect.stringContaining('commit it or roll it back')]);

  await person.query('COMMIT');
  expect((await pause()).status).toBe(200);
});
