/** What `adapter check` finds of an adapter, and adapters with a mistake in them. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { checkAdapter } from '../../src/cli/adapter-check.ts';
import { folderOfAdapter } from '../support/adapters.ts';
import type { TestDatabase } from '../support/database.ts';
import { bookingConfig } from '../support/settings.ts';

const never = new AbortController().signal;

interface Found {
  readonly state: string;
  readonly check: string;
  readonly message: string;
  readonly repair: string;
}

export async function found(db: TestDatabase, adapter: string): Promise<Found[]> {
  const findings: Found[] = [];
  await checkAdapter(
    bookingConfig(db, adapter),
    (state, check, message, repair) => findings.push({ state, check, message, repair: repair ?? '' }),
    never,
  );
  return findings;
}

/** A copy of an adapter in which `change` was made in one file, a new one if there is none. */
export function spoilt(file: string, change: (text: string) => string, adapter = 'mrbs'): string {
  const folder = mkdtempSync(join(tmpdir(), 'adapter-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  cpSync(folderOfAdapter(adapter), folder, { recursive: true });
  const text = existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : '';
  const other = change(text);
  assert.notEqual(other, text, 'the text to be changed is there');
  writeFileSync(join(folder, file), other);
  return folder;
}

/** A bookings table of MRBS with an entry in each of two rooms, tomorrow at ten. */
export const book = (db: TestDatabase) =>
  db.query(
    `INSERT INTO mrbs_entry (room_id, start_time, end_time, name, create_by, modified_by)
     SELECT room, extract(epoch FROM s.at), extract(epoch FROM s.at + interval '1 hour'), 'Choir', 'kari', 'kari'
     FROM unnest(ARRAY[11, 12]) AS room,
       (SELECT (date_trunc('day', now() AT TIME ZONE 'Europe/Oslo') + interval '1 day 10 hours') AT TIME ZONE 'Europe/Oslo' AS at) s`,
  );
