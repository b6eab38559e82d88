/** Hints name the command as the process that prints them was started. */
import { expect, test } from 'vitest';
import { namesOf } from '../../src/command-name.ts';

const folder = '/srv/bridge';
const script = `${folder}/src/main.ts`;

test.each([
  ['node src/main.ts', script, null, 'node src/main.ts doctor', 'node src/main.ts migrate --attach'],
  [
    'node …/src/main.ts from elsewhere',
    '/opt/b/src/main.ts',
    null,
    'node /opt/b/src/main.ts doctor',
    'node /opt/b/src/main.ts migrate --attach',
  ],
  [
    'npx node src/main.ts',
    script,
    'npx',
    'npx node src/main.ts doctor',
    'npx node src/main.ts migrate --attach',
  ],
  ['npm start', script, 'start', 'npx node src/main.ts doctor', 'npm run migrate -- --attach'],
  ['npm run migrate', script, 'migrate', 'npx node src/main.ts doctor', 'npm run migrate -- --attach'],
  [
    'the image',
    '/usr/local/bin/outlook-booking-sync',
    null,
    'outlook-booking-sync doctor',
    'outlook-booking-sync migrate --attach',
  ],
  [
    'npx outlook-booking-sync',
    `${folder}/node_modules/.bin/outlook-booking-sync`,
    'npx',
    'outlook-booking-sync doctor',
    'outlook-booking-sync migrate --attach',
  ],
])('started by %s', (_how, argv1, npmScript, doctor, attach) => {
  const names = namesOf(argv1, npmScript, folder);
  expect([`${names.command} doctor`, `${names.migrateWith} --attach`]).toEqual([doctor, attach]);
});
