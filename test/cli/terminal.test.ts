/** Titles and names are other people's: whatever they hold, a terminal shows it and does not obey it. */
import { expect, test } from 'vitest';
import { createDesk } from '../../src/sandbox/desk.ts';
import { openOffice } from './command-line.ts';

// clear the screen, colours, a title for the window, an 8-bit sequence, a line that pretends to be ours, text turned round
const hostile =
  'Board\u001b[2J\u001b[31m\u001b]0;owned\u0007\u009b1A\r\nsettings complete\u2028\u202egnp'.replace(
    '\u0000',
    '\u0001',
  );
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

test('explain, mappings list, plan, pause and doctor show control characters of names and titles, on one line', async () => {
  await using office = await openOffice();
  await office.map(101);
  await office.db.query(
    `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id) VALUES (102, 'nowhere@bergen.example')`,
  );
  await office.db.query('UPDATE bridge_resource_mappings SET outlook_item_name = $1', [hostile]);
  const day = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
  const { id } = await createDesk(office.db.pool).book(101, {
    title: hostile,
    from: `${day} 10:00`,
    to: `${day} 11:00`,
  });
  const event = `event/${id}`;
  for (const args of [
    ['explain', event],
    ['explain', event, '--json'],
    ['mappings', 'list'],
    ['mappings', 'list', '--json'],
    ['plan'],
    ['doctor'],
    ['pause', '101'],
    ['explain', event],
  ]) {
    const said = await office.run(...args);
    expect(said.out, args.join(' ')).toContain('Board');
    expect(said.out, args.join(' ')).not.toMatch(obeyed);
    expect(said.out, args.join(' ')).not.toMatch(/^\s*settings complete/m);
  }
});
