/** What is asked for on the command line stands in the audit trail, with the account that asked. */
import { userInfo } from 'node:os';
import { expect, test } from 'vitest';
import { openOffice } from './command-line.ts';

const who = `${userInfo().username} (command line)`;

test.each([
  [['pause', '101'], 'pause 101', 101],
  [['resume', '101'], 'resume 101', 101],
  [['resync', '--all'], 'resync --all', null],
  [['mappings', 'set', '101', 'privacy=full'], 'mappings set 101 privacy=full', 101],
  [['mappings', 'remove', '101'], 'mappings remove 101', 101],
  [
    ['undo', '--since', '2031-05-04', '--apply'],
    'undo --since 2031-05-04 --what cancelled,deleted,imported --apply',
    null,
  ],
  [['plan', '--confirm'], 'plan --confirm', null],
] as const)('%j is written down', async (words, reason, resource) => {
  await using office = await openOffice();
  await office.map(101);
  const said = await office.run(...words);
  expect(said.code, said.err).toBe(0);
  expect(
    await office.db.query(`SELECT who, reason, resource_id FROM bridge_log WHERE action = 'asked'`),
  ).toEqual([{ who, reason, resource_id: resource }]);
});

test('what only reads is not', async () => {
  await using office = await openOffice();
  await office.map(101);
  for (const words of [['mappings', 'list'], ['conflicts'], ['undo', '--since', '2031-05-04'], ['report']])
    await office.run(...words);
  expect(await office.db.query(`SELECT FROM bridge_log WHERE action = 'asked'`)).toEqual([]);
});
