/** Lists of rooms in the encodings that spreadsheets write. */
import { mkdtempDisposableSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCsv } from '../../src/cli/csv.ts';

const text = 'resource_id;name\r\n101;Møterom Fløyen – 1\r\n';

test.each([
  ['UTF-8', Buffer.from(text)],
  ['UTF-8 with its mark', Buffer.from(`\ufeff${text}`)],
  ['UTF-16 with its mark', Buffer.from(`\ufeff${text}`, 'utf16le')],
  // 0x96 is the dash of Windows-1252; in Latin-1 it is a control
  ['Windows-1252', Buffer.from(text.replace('–', '\u0096'), 'latin1')],
])('a list in %s keeps its letters', (_encoding, bytes) => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'rooms-'));
  const file = join(folder.path, 'rooms.csv');
  writeFileSync(file, bytes);
  const [row] = readCsv(file, { resource_id: [], name: [] }, ['resource_id']);
  expect(row!.cell('resource_id')).toBe('101');
  expect(row!.cell('name')).toBe('Møterom Fløyen – 1');
});

test.each([
  [
    'a byte that is no letter of Windows-1252',
    Buffer.from('resource_id,name\n101,M\u00f8terom \u0081\n', 'latin1'),
  ],
  ['the sign for what another program could not read', Buffer.from('resource_id,name\n101,M\ufffdterom\n')],
  ['an escape character', Buffer.from('resource_id,name\n101,Hall \u001b[31mA\n')],
])('a list with %s is refused, with its line and column', (_what, bytes) => {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'rooms-'));
  const file = join(folder.path, 'rooms.csv');
  writeFileSync(file, bytes);
  expect(() => readCsv(file, { resource_id: [], name: [] }, ['resource_id'])).toThrow(/line 2, column name/);
});
