/** Both sides changed the same item: what merges, what the policy says, and what a person decides. */
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import { failed } from '../outlook-in-memory.ts';
import { room, at, open, heard, shown, resolve, titles, isActive, conflicts } from '../two-way-world.ts';
import { until } from '../../support/until.ts';

type Change = NonNullable<Parameters<typeof open>[0]>;

describe('both sides changed different fields', () => {
  test('each side gets what the other changed', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    await w.desk.retitle(reservation, 'Brass band');
    w.outlook.edit(event.id, { endsAt: at(3, '21:00') });
    await heard(w);
    const both = { ...event.item!, title: 'Brass band', endsAt: at(3, '21:00') };
    expect(await w.reserved()).toMatchObject([{ item: both }]);
    expect(w.outlook.in(room)).toMatchObject([{ item: both }]);
    expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
  });

  test('each side gets what the other changed, though the answer to our write of it was lost', async () => {
    await using w = await open();
    const { reservation, event } = await shown(w);
    w.outlook.fail(() => failed(new Retryable('no answer', { ambiguous: true, afterMs: 60_000 })));
    await w.desk.retitle(reservation, 'Brass band');
    await w.settle();
    w.outlook.fail(null);
    w.outlook.edit(event.id, { endsAt: at(3, '21:00') });
    await heard(w);
    const both = { ...event.item!, title: 'Brass band', endsAt: at(3, '21:00') };
    expect(await w.reserved()).toMatchObject([{ item: both }]);
    expect(w.outlook.in(room)).toMatchObject([{ item: both }]);
  });

  test('what a person has to decide stays open, though the answer to our write of it was lost', async () => {
    await using w = await open({ conflict: 'ask' });
    const { reservation, event } = await shown(w);
    w.outlook.fail(() => failed(new Retryable('no answer', { ambiguous: true, afterMs: 60_000 })));
    await w.desk.retitle(reservation, 'Brass band');
    await w.settle();
    w.outlook.fail(null);
    w.outlook.edit(event.id, { title: 'Orchestra' });
    await heard(w);
    w.outlook.edit(event.id, { endsAt: at(3, '21:00') });
    await heard(w);
    expect(await titles(w)).toEqual({ booking: ['Brass band'], outlook: ['Orchestra'] });
    expect(await conflicts(w)).toEqual([{ kind: 'fields', fields: ['title'] }]);
  });
});

describe('both sides changed the same field', () => {
  async function both(conflict: Change['conflict'], outlookFirst = false) {
    const w = await open({ conflict: conflict! });
    const { reservation, event } = await shown(w);
    const ours = () => w.desk.retitle(reservation, 'Brass band');
    const theirs = () => w.outlook.edit(event.id, { title: 'Orchestra' });
    if (outlookFirst) theirs();
    await ours();
    if (!outlookFirst) {
      // the two times are compared in milliseconds
      const [booked] = await w.db.query<{ at: Date }>('SELECT max(changed_at) AS at FROM bridge_changes');
      await until(() => Date.now() > booked!.at.getTime());
      theirs();
    }
    await heard(w);
    return { w, reservation };
  }

  for (const [policy, kept] of [
    ['booking', 'Brass band'],
    ['outlook', 'Orchestra'],
  ] as const)
    test(`${policy} wins where the policy says so`, async () => {
      const { w, reservation } = await both(policy);
      await using _ = w;
      expect(await titles(w)).toEqual({ booking: [kept], outlook: [kept] });
      expect(await w.mapping(reservation)).toMatchObject({ sync_status: 'synced', due_at: null });
    });

  test('the later edit wins where the policy is the newest', async () => {
    const { w } = await both('newest');
    await using _ = w;
    expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
  });

  test('the later edit wins where the policy is the newest, also in the booking system', async () => {
    const { w } = await both('newest', true);
    await using _ = w;
    expect(await titles(w)).toEqual({ booking: ['Brass band'], outlook: ['Brass band'] });
  });

  test('the loser is named in the log', async () => {
    const { w } = await both('outlook');
    await using _ = w;
    expect(await w.db.query(`SELECT reason FROM bridge_log WHERE action = 'booking-updated'`)).toEqual([
      { reason: 'title (both sides changed title: Outlook was followed)' },
    ]);
  });

  for (const keep of ['booking', 'outlook'] as const)
    test(`a person is asked where the policy says so, and keeps ${keep}`, async () => {
      const { w, reservation } = await both('ask');
      await using _ = w;
      expect(await conflicts(w)).toEqual([{ kind: 'fields', fields: ['title'] }]);
      expect(await titles(w)).toEqual({ booking: ['Brass band'], outlook: ['Orchestra'] });
      await resolve(w, keep);
      const kept = keep === 'booking' ? 'Brass band' : 'Orchestra';
      expect(await titles(w)).toEqual({ booking: [kept], outlook: [kept] });
      expect(await w.mapping(reservation)).toMatchObject({
        sync_status: 'synced',
        due_at: null,
        conflict: null,
      });
    });

  test('what a person has not decided yet stays open, and other fields go on', async () => {
    const { w, reservation } = await both('ask');
    await using _ = w;
    await w.desk.describe(reservation, 'Bring chairs');
    await w.settle();
    await heard(w);
    expect(w.outlook.in(room)[0]!.item).toMatchObject({ title: 'Orchestra', description: 'Bring chairs' });
    expect(await conflicts(w)).toEqual([{ kind: 'fields', fields: ['title'] }]);
    await resolve(w, 'outlook');
    expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
  });
});

describe('deleted in Outlook while the booking system changed it', () => {
  async function both(conflict: Change['conflict']) {
    const w = await open({ conflict: conflict! });
    const { reservation, event } = await shown(w);
    await w.desk.retitle(reservation, 'Brass band');
    w.outlook.remove(event.id);
    await heard(w);
    return { w, reservation };
  }

  for (const policy of ['booking', 'newest'] as const)
    test(`it gets a fresh event (policy ${policy})`, async () => {
      const { w } = await both(policy);
      await using _ = w;
      expect(await isActive(w)).toEqual([true]);
      expect(w.outlook.titles(room)).toEqual(['Brass band']);
    });
  test('it is cancelled (policy outlook)', async () => {
    const { w } = await both('outlook');
    await using _ = w;
    expect(await isActive(w)).toEqual([false]);
    expect(w.outlook.in(room)).toEqual([]);
  });
  for (const keep of ['booking', 'outlook'] as const)
    test(`a person is asked (policy ask) and keeps ${keep}`, async () => {
      const { w } = await both('ask');
      await using _ = w;
      expect(await conflicts(w)).toEqual([{ kind: 'deleted', fields: null }]);
      expect(await isActive(w)).toEqual([true]);
      await heard(w);
      expect(await conflicts(w)).toEqual([{ kind: 'deleted', fields: null }]);
      await resolve(w, keep);
      expect(await isActive(w)).toEqual([keep === 'booking']);
      expect(w.outlook.titles(room)).toEqual(keep === 'booking' ? ['Brass band'] : []);
    });
});
