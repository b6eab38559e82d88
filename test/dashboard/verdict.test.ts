/** The sentence on top of the page names the worst there is. */
import { expect, test } from 'vitest';
// @ts-expect-error -- the page's JavaScript is checked by a tsconfig of its own
import { verdict } from '../../src/http/dashboard/verdict.js';
import type { Known } from '../../src/http/dashboard/shapes.ts';

const room = {
  id: 1,
  resource_id: 101,
  active: 1,
  health: 'ok',
  outlook_item_name: 'A',
  held: 0,
  due: 0,
  conflicts: 0,
  backfill: { done: 1, total: 1 },
  baselined_at: new Date().toISOString(),
};

const alert = (
  type: string,
  severity: 'warning' | 'critical',
  message: string,
  acknowledged: string | null = null,
) => ({
  id: 1,
  type,
  severity,
  message,
  hint: 'Repair it.',
  resource_id: null,
  created_at: new Date().toISOString(),
  acknowledged_at: acknowledged,
});

const sentence = (change: {
  alerts?: readonly object[];
  conflicts?: number;
  rooms?: readonly object[];
  booking?: object;
}) => {
  const known = {
    trouble: null,
    roomsRead: true,
    rooms: change.rooms ?? [{ ...room, conflicts: change.conflicts ?? 0 }],
    removals: new Map(),
    conflicts: [],
    errors: { total: 0, mappings: [] },
    pending: { items: [] },
    lines: [],
    alerts: change.alerts ?? [],
    ready: { checks: {} },
    stats: {
      start: { mode: 'sync', writes: true },
      outages: { booking: change.booking ?? null, outlook: null },
      listener: { heard: true, reason: null },
      queue: { due: 0, outbox_rows: 0, oldest_ms: null },
      backfill: { done: 1, total: 1 },
      statistics: { summary: { synced: 5, error: 0, imported: 0 } },
    },
  };
  const { text, state, also } = verdict(known as unknown as Known, Date.now());
  return { text, state, also: (also as { text: string }[]).map((finding) => finding.text) };
};

test('a critical alert stands above a conflict, which is only a warning', () => {
  expect(
    sentence({ conflicts: 2, alerts: [alert('right-missing', 'critical', 'A right is missing.')] }),
  ).toEqual({
    state: 'bad',
    text: 'A right is missing.',
    also: [expect.stringMatching(/^2 conflicts need/)],
  });
});

test.each([
  'stuck',
  'error-rate',
  'throttled',
  'room-failing',
  'subscriptions-lost',
  'bug',
  'capture-broken',
])('with an open alert of the type %s it never says that everything is equal', (type) => {
  expect(sentence({ alerts: [alert(type, 'critical', 'Something is wrong.')] })).toMatchObject({
    state: 'bad',
    text: 'Something is wrong.',
  });
});

test('what the page says itself is not said again by its alert', () => {
  const held = { ...room, health: 'held', held: 3 };
  expect(
    sentence({ rooms: [held], alerts: [alert('brake', 'critical', '3 removals are held.')] }).also,
  ).toEqual([]);
  expect(
    sentence({ conflicts: 2, alerts: [alert('conflicts', 'warning', '2 conflicts are open.')] }).also,
  ).toEqual([]);
});

test('an alert that was acknowledged is no news', () => {
  const known = alert('bug', 'critical', 'A bug.', new Date().toISOString());
  expect(sentence({ alerts: [known] })).toMatchObject({ state: 'good' });
});

test('a database that answers and refuses is not said to be out of reach, and its alert is not said twice', () => {
  const outage = {
    since: new Date().toISOString(),
    error: 'permission denied',
    hint: 'Grant it.',
    refused: true,
  };
  const said = sentence({
    booking: outage,
    alerts: [alert('booking-outage', 'critical', 'The database answers but cannot be used.')],
  });
  expect(said).toMatchObject({ state: 'bad', also: [] });
  expect(said.text).toMatch(/^The booking database has answered but could not be used since \d\d:\d\d\.$/);
  expect(sentence({ booking: { ...outage, refused: false } }).text).toMatch(/unreachable/);
});
