/** What /ready and the alerts report of the triggers. */
import { expect, test } from 'vitest';
import { readCaptureState } from '../../src/booking/capture-state.ts';
import { rememberTriggers } from '../../src/booking/capture.ts';
import { NewerDatabase } from '../../src/booking/versions.ts';
import { Permanent } from '../../src/errors.ts';
import { openTestDatabase } from '../support/database.ts';

async function openInstalled() {
  const db = await openTestDatabase({ schema: 'bridge' });
  await rememberTriggers(db.pool);
  return db;
}

const none = () => [];
const failing = () => ['the triggers on bb_event fail: division by zero'];
const refused = new Permanent('The role lacks privileges.', { hint: 'GRANT CREATE' });
const otherFunctions = `UPDATE bridge_settings SET value = 'other' WHERE name = 'functions'`;

test('triggers that fail in the trial are reported, unless some are missing anyway', async () => {
  await using db = await openInstalled();
  expect(await readCaptureState(db.pool, failing, null)).toEqual({
    missing: failing(),
    extra: [],
    repair: null,
  });
  await db.query('ALTER TABLE bb_event DISABLE TRIGGER bridge_update');
  expect(await readCaptureState(db.pool, failing, null)).toMatchObject({
    missing: ['the trigger bridge_update on bb_event is disabled'],
  });
});

test('functions of another version count only if migrate was refused, and the repair is then the one for the DBA', async () => {
  await using db = await openInstalled();
  const whole = { missing: [], extra: [], repair: null };
  expect(await readCaptureState(db.pool, none, refused)).toEqual(whole);
  await db.query(otherFunctions);
  expect(await readCaptureState(db.pool, none, null)).toEqual(whole);
  expect(await readCaptureState(db.pool, none, new NewerDatabase('It is newer.'))).toEqual(whole);
  expect(await readCaptureState(db.pool, none, refused)).toEqual({
    missing: ['the functions in the database are of another version'],
    extra: [],
    repair: 'GRANT CREATE',
  });
});
