/** `mappings`: the list of rooms as people keep it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { cli, openOffice } from './command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'bridge-csv-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const file = (text: string) => {
  const path = join(folder, `rooms-${(files += 1)}.csv`);
  writeFileSync(path, text);
  return path;
};

type Office = Awaited<ReturnType<typeof openOffice>>;
const mapped = (office: Office) =>
  office.db.query(
    `SELECT resource_id AS resource, outlook_item_id AS mailbox, outlook_item_name AS name, active
     FROM bridge_resource_mappings ORDER BY 1, 2`,
  );

test('a room is added, listed, and removed again', async () => {
  await using office = await openOffice();
  expect((await cli(office.env, 'mappings', 'list')).out).toContain('No room is mapped yet');
  const added = await cli(office.env, 'mappings', 'add', '101', 'a@bergen.example', '--name', 'Sal A');
  expect(added.out).toContain('Added: resource 101 is a@bergen.example.');
  expect(await mapped(office)).toEqual([
    { resource: 101, mailbox: 'a@bergen.example', name: 'Sal A', active: 1 },
  ]);
  expect((await office.run('mappings', 'list')).out).toMatch(/101 +Sal A +a@bergen\.example +ok +both/);
  const list = await office.run('mappings', 'list', '--json');
  expect(list.json()).toMatchObject({ success: true, count: 1, rooms: [{ resource_id: 101, health: 'ok' }] });
  expect((await cli(office.env, 'mappings', 'remove', '101')).code).toBe(0);
  expect(await mapped(office)).toEqual([]);
  expect((await office.run('mappings', 'remove', '101')).code).toBe(64);
});

test('adding the same again changes nothing, also in other letters', async () => {
  await using office = await openOffice();
  await office.run('mappings', 'add', '101', 'a@bergen.example');
  const again = await office.run('mappings', 'add', '101', 'A@bergen.example', '--json');
  expect(again.json()).toMatchObject({ success: true, done: 'unchanged' });
  expect(await mapped(office)).toHaveLength(1);
});

test.each([
  [['101', 'no mailbox'], 'is not a mailbox', 64],
  [['x', 'a@bergen.example'], "RESOURCE is 'x'", 64],
  [['99999', 'a@bergen.example'], 'no resource 99999', 64],
  [['101', 'a@bergen.example', '--direction', 'up'], "'up' is not a direction", 64],
  [['102', 'formannskapssalen@bergen.example'], 'is already mapped', 1],
])('adding %s is refused with the repair', async (args, problem, code) => {
  await using office = await openOffice();
  await office.map(101);
  const said = await office.run('mappings', 'add', ...args);
  expect(said.err).toContain(problem);
  expect(said.err.trim().split('\n').length).toBeGreaterThan(1);
  expect(said.code).toBe(code);
  expect(await mapped(office)).toHaveLength(1);
});

test('a spreadsheet of Excel is imported: byte order mark, semicolons, quotes, other column names', async () => {
  await using office = await openOffice();
  const csv = file(
    '\ufeffResource;Mailbox;Name;Active\r\n101;a@bergen.example;"Sal ""A""; stor";1\r\n\r\n102;b@bergen.example;;0\r\n',
  );
  const said = await cli(office.env, 'mappings', 'import', csv);
  expect(said.out).toContain('2 added, 0 changed, 0 unchanged');
  expect(await mapped(office)).toEqual([
    { resource: 101, mailbox: 'a@bergen.example', name: 'Sal "A"; stor', active: 1 },
    { resource: 102, mailbox: 'b@bergen.example', name: null, active: 0 },
  ]);
  expect((await office.run('mappings', 'import', csv, '--json')).json()).toMatchObject({ unchanged: 2 });
});

test('a dry run says what it would do and writes nothing', async () => {
  await using office = await openOffice();
  const csv = file('resource_id,outlook_item_id\n101,a@bergen.example\n');
  const said = await office.run('mappings', 'import', csv, '--dry-run', '--json');
  expect(said.json()).toMatchObject({ dry_run: true, added: 1 });
  expect(await mapped(office)).toEqual([]);
});

test('all lines that are wrong are named, and none is written', async () => {
  await using office = await openOffice();
  const csv = file(
    'resource_id,outlook_item_id,active\n101,a@bergen.example,1\nx,b@bergen.example,1\n103,nobody,1\n101,c@bergen.example,maybe\n104,a@bergen.example,1\n',
  );
  const said = await office.run('mappings', 'import', csv);
  expect(said.code).toBe(64);
  for (const line of [3, 4, 5]) expect(said.err).toContain(`line ${line}:`);
  expect(said.err).toContain('line 6: mailbox a@bergen.example is already in line 2');
  expect(await mapped(office)).toEqual([]);
});

test('one line that meets a pair of before takes back the others', async () => {
  await using office = await openOffice();
  await office.map(102);
  const csv = file('resource_id,outlook_item_id\n101,a@bergen.example\n102,b@bergen.example\n');
  const said = await office.run('mappings', 'import', csv);
  expect(said.code).toBe(1);
  expect(said.err).toContain('Resource 102');
  expect(await mapped(office)).toHaveLength(1);
});

test.each([
  ['no such column', 'a,b\n1,2\n', 'has no column resource_id and no outlook_item_id; it has a, b'],
  ['nothing but names', 'resource_id,outlook_item_id\n', 'has 0 rooms'],
])('a file with %s', async (_what, text, problem) => {
  await using office = await openOffice();
  const said = await office.run('mappings', 'import', file(text));
  expect(said.code).toBe(64);
  expect(said.err).toContain(problem);
});

test('pairs are proposed by name, as a table, as CSV, as SQL; nothing is written', async () => {
  await using office = await openOffice();
  expect((await cli(office.env, 'mappings', 'match')).out).toMatch(/103 +Møterom Fløyen +Rådhuset/);
  expect((await office.run('mappings', 'match', '--csv')).out).toContain(
    '101,formannskapssalen@bergen.example,Formannskapssalen,1',
  );
  const { out } = await office.run('mappings', 'match', '--sql');
  expect(await mapped(office)).toEqual([]);
  await office.db.query(out);
  expect(await mapped(office)).toHaveLength(3);
});

test('pairs are proposed with the key of a resource, where it has one', async () => {
  await using office = await openOffice();
  await office.db.query(`INSERT INTO bridge_key (kind, id, key) VALUES ('', 103, 'room-floyen')`);
  expect((await office.run('mappings', 'match')).out).toMatch(/room-floyen +Møterom Fløyen +Rådhuset/);
  expect((await office.run('mappings', 'match', '--json')).json()).toMatchObject({
    matches: expect.arrayContaining([
      expect.objectContaining({ resource_id: 103, resource_key: 'room-floyen' }),
    ]),
  });
});

test('--apply maps what is sure, and what it printed as CSV can be imported', async () => {
  await using office = await openOffice();
  office.tenant.addRoom({ upn: 'hall-a@bergen.example', name: 'Hall A' });
  const csv = (await office.run('mappings', 'match', '--csv')).out;
  const said = await office.run('mappings', 'match', '--apply', '--json');
  expect(said.json()).toMatchObject({ success: true, applied: 4 });
  expect(await mapped(office)).toHaveLength(4);
  const again = await office.run('mappings', 'import', file(csv), '--json');
  expect(again.json()).toMatchObject({ added: 0, unchanged: 4 });
  expect((await office.run('mappings', 'match', '--json')).json()).toMatchObject({ count: 0 });
});

test('where the directory refuses, a list exported from Exchange serves', async () => {
  await using office = await openOffice();
  office.tenant.faults.set({ mayReadPlaces: false });
  const refused = await office.run('mappings', 'match');
  expect(refused.code).toBe(1);
  expect(refused.err).toContain('Get-EXOMailbox');
  const list = file('"DisplayName","PrimarySmtpAddress"\r\n"Bystyresalen","bystyre@bergen.example"\r\n');
  expect((await office.run('mappings', 'match', '--rooms', list, '--csv')).out).toContain(
    '102,bystyre@bergen.example,Bystyresalen,1',
  );
});

test('a room is given settings of its own, they are listed, and taken away one by one', async () => {
  await using office = await openOffice();
  await office.run('mappings', 'add', '101', 'a@bergen.example');
  const template = 'title_template={title} ({organizer})';
  const set = await cli(
    office.env,
    'mappings',
    'set',
    '101',
    'privacy=busy-only',
    'import_mode=manual',
    template,
  );
  expect(set.out).toContain(
    `Resource 101: import_mode=manual, privacy=busy-only, ${template}; other settings`,
  );
  const list = await office.run('mappings', 'list', '--json');
  expect(list.json()).toMatchObject({
    rooms: [{ privacy: 'busy-only', import_mode: 'manual', conflict_policy: null }],
  });
  const back = await office.run(
    'mappings',
    'set',
    '101',
    'privacy=',
    'import_mode=',
    'title_template=',
    '--json',
  );
  expect(back.json()).toMatchObject({ settings: { privacy: null, import_mode: null, title_template: null } });
});

test.each([
  [['101', 'privacy=secret'], "privacy 'secret' is not one of neutral, busy-only, full"],
  [['101', 'colour=red'], "'colour=red' is not a setting of a room"],
  [['101', 'privacy'], "'privacy' is not a setting of a room"],
  [
    ['101', 'title_template={title} {who}'],
    'has the unknown placeholder {who}; write for example {title} ({organizer})',
  ],
  [['101', 'title_template={title'], 'has an unbalanced brace'],
  [['101', 'title_template={title}{title}'], 'has {title} more than once'],
  [['101', `title_template=${'x'.repeat(201)}`], 'is longer than 200 characters'],
  [['999', 'privacy=full'], 'Resource 999 is not mapped to a room'],
])('mappings set %j is refused with what to do, and nothing is set', async (words, said) => {
  await using office = await openOffice();
  await office.run('mappings', 'add', '101', 'a@bergen.example');
  const wrong = await office.run('mappings', 'set', ...words);
  expect(wrong.code).toBe(64);
  expect(wrong.out + wrong.err).toContain(said);
  const list = await office.run('mappings', 'list', '--json');
  expect(list.json()).toMatchObject({ rooms: [{ privacy: null, title_template: null }] });
});
