/** What was sent without an answer is known afterwards: Outlook showing it is no edit of a person (database/functions/28_sent.sql). */
import { describe, expect, test } from 'vitest';
import type { Item } from '../../../src/item.ts';
import { endsOf, tryAgain, type End } from '../lost-answers.ts';
import { at, heard, open, room, shown, titles, type Rooms } from '../two-way-world.ts';

const policies = ['booking', 'outlook', 'newest', 'ask'] as const;

/** The next changes are carried out, and this ends them. */
const ends = endsOf(({ do: kind }) => kind !== 'remove');

const clerk = {
  retitles: (w: Rooms, title: string) => () => w.db.query('UPDATE bb_event SET name = $1', [title]),
  moves: (w: Rooms, from: string, to: string) => async () => {
    await w.db.query('UPDATE bb_event SET from_ = $1, to_ = $2', [w.day(3, from), w.day(3, to)]);
    await w.db.query('UPDATE bb_event_date SET from_ = $1, to_ = $2', [w.day(3, from), w.day(3, to)]);
  },
};

/** What a person in Outlook sees. */
const inOutlook = (w: Rooms): Item => w.outlook.in(room)[0]!.item!;
const sent = async (w: Rooms) =>
  (await w.db.query<{ sent: readonly Item[] | null }>('SELECT sent_states AS sent FROM bridge_mappings'))[0]!
    .sent;

describe.each(policies)('with CONFLICT_POLICY %s', (conflict) => {
  describe.each(Object.keys(ends) as End[])('after a change, of which %s', (end) => {
    test.each([
      ['another title', 'Orchestra'],
      ['the former title', 'Choir'],
      ['the same title', 'Band'],
    ])('the clerk gives it %s: that is the last word', async (_, title) => {
      await using w = await open({ conflict });
      const { reservation } = await shown(w);
      await ends[end](w, clerk.retitles(w, 'Band'));
      expect(w.outlook.titles(room)).toEqual(['Band']);
      await clerk.retitles(w, title)();
      await heard(w);
      await tryAgain(w);
      expect(await titles(w)).toEqual({ booking: [title], outlook: [title] });
      expect(await w.mapping(reservation)).toMatchObject({
        sync_status: 'synced',
        sent_states: null,
      });
    });

    test('the clerk moves it back: it is there again', async () => {
      await using w = await open({ conflict });
      await shown(w);
      const before = inOutlook(w);
      await ends[end](w, clerk.moves(w, '15:00', '17:00'));
      expect(inOutlook(w).startsAt).toBe(at(3, '15:00'));
      await clerk.moves(w, '18:00', '20:00')();
      await heard(w);
      await tryAgain(w);
      expect(inOutlook(w)).toEqual(before);
      expect((await w.reserved())[0]!.item).toEqual(before);
    });

    test('a person edits another field in Outlook, and the clerk the title: both are kept', async () => {
      await using w = await open({ conflict });
      const { event } = await shown(w);
      await ends[end](w, clerk.retitles(w, 'Band'));
      w.outlook.edit(event.id, { description: 'Bring chairs' });
      await clerk.retitles(w, 'Orchestra')();
      await heard(w);
      await tryAgain(w);
      expect(inOutlook(w)).toMatchObject({ title: 'Orchestra', description: 'Bring chairs' });
      expect((await w.reserved())[0]!.item).toEqual(inOutlook(w));
    });
  });

  test('several answers are lost, one after the other, and the clerk restores the first title', async () => {
    await using w = await open({ conflict });
    await shown(w);
    for (const title of ['Band', 'Orchestra', 'Quartet']) {
      await ends['the answer is lost'](w, clerk.retitles(w, title));
      expect(w.outlook.titles(room)).toEqual([title]);
    }
    // a later answer came first
    w.outlook.edit(w.outlook.in(room)[0]!.id, { title: 'Orchestra' });
    await clerk.retitles(w, 'Choir')();
    await heard(w);
    await tryAgain(w);
    expect(await titles(w)).toEqual({ booking: ['Choir'], outlook: ['Choir'] });
  });

  test('a daemon is killed, and then the next one', async () => {
    await using w = await open({ conflict });
    await shown(w);
    await ends['the daemon is killed'](w, clerk.retitles(w, 'Band'));
    await ends['the daemon is killed'](w, clerk.retitles(w, 'Orchestra'));
    await clerk.retitles(w, 'Choir')();
    await heard(w);
    await tryAgain(w);
    expect(await titles(w)).toEqual({ booking: ['Choir'], outlook: ['Choir'] });
  });

  test('the create of an event is lost, and the clerk gives it another title', async () => {
    await using w = await open({ conflict });
    for (const end of Object.keys(ends) as End[]) {
      await ends[end](w, () =>
        w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') }),
      );
      await clerk.retitles(w, 'Band')();
      await heard(w);
      await tryAgain(w);
      const { booking, outlook } = await titles(w);
      expect(new Set([...booking, ...outlook])).toEqual(new Set(['Band']));
      expect(outlook).toHaveLength(booking.length);
    }
  });
});

test('the date of a series: the later change of the clerk is shown', async () => {
  await using w = await open({ conflict: 'outlook' });
  const { event } = await shown(w);
  w.outlook.alter(event.id, { type: 'exception', seriesMasterId: 'master', originalStart: at(3, '18:00') });
  await heard(w);
  await ends['the daemon is killed'](w, clerk.retitles(w, 'Band'));
  await clerk.retitles(w, 'Choir')();
  await heard(w);
  expect(await titles(w)).toEqual({ booking: ['Choir'], outlook: ['Choir'] });
});

test('Outlook rewrites what is sent: it is compared in the form in which Outlook shows it', async () => {
  await using w = await open({ conflict: 'outlook' });
  await shown(w);
  const tidy = (item: Item) => ({ ...item, title: item.title.trim().slice(0, 9) });
  w.outlook.shows(tidy);
  w.outlook.rewrites((item) => ({ ...item, title: `${tidy(item).title}  ` }));
  await ends['the daemon is killed'](w, clerk.retitles(w, ' A band of brothers'));
  await clerk.retitles(w, 'Choir')();
  await heard(w);
  expect((await w.reserved())[0]!.item.title).toBe('Choir');
  expect(w.outlook.titles(room)).toEqual(['Choir  ']);
});

test('in a room that only shows the bookings, a restored title is shown', async () => {
  await using w = await open();
  await shown(w);
  await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
  await w.settle();
  await ends['the daemon is killed'](w, clerk.retitles(w, 'Band'));
  await clerk.retitles(w, 'Choir')();
  await w.settle();
  expect(await titles(w)).toEqual({ booking: ['Choir'], outlook: ['Choir'] });
});

test('a reservation that was moved into the future and back again has ended', async () => {
  await using w = await open({ conflict: 'outlook' });
  const booked = await w.desk.book(101, { title: 'Choir', from: w.day(-3, '18:00'), to: w.day(-3, '20:00') });
  await w.settle();
  await ends['the daemon is killed'](w, () => w.desk.move(booked, w.day(3, '18:00'), w.day(3, '20:00')));
  await w.desk.move(booked, w.day(-3, '18:00'), w.day(-3, '20:00'));
  await heard(w);
  expect(inOutlook(w).startsAt).toBe(at(-3, '18:00'));
  expect((await w.mapping(booked))!['sync_status']).toBe('synced');
});

test.each(Object.keys(ends) as End[])(
  'an edit in Outlook after a change, of which %s, is still one',
  async (end) => {
    await using w = await open({ conflict: 'outlook' });
    const { event } = await shown(w);
    await ends[end](w, clerk.retitles(w, 'Band'));
    w.outlook.edit(event.id, { title: 'Orchestra' });
    await clerk.retitles(w, 'Quartet')();
    await heard(w);
    await tryAgain(w);
    expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
    // ... and the next one, to the title that was sent then
    w.outlook.edit(event.id, { title: 'Band' });
    await heard(w);
    expect(await titles(w)).toEqual({ booking: ['Band'], outlook: ['Band'] });
  },
);

test('a change that no trigger recorded is stored before it is sent', async () => {
  await using w = await open({ conflict: 'outlook' });
  await shown(w);
  await w.db.query('ALTER TABLE bb_event DISABLE TRIGGER USER');
  await clerk.retitles(w, 'Band')();
  await w.db.query('ALTER TABLE bb_event ENABLE TRIGGER USER');
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await ends['the daemon is killed'](w, async () => undefined);
  expect(await sent(w)).toMatchObject([{ title: 'Band' }]);
  await clerk.retitles(w, 'Choir')();
  await heard(w);
  expect(await titles(w)).toEqual({ booking: ['Choir'], outlook: ['Choir'] });
});

test('a change that was folded during another one is sent next, and is stored already', async () => {
  await using w = await open({ conflict: 'outlook' });
  await shown(w);
  w.outlook.meanwhile(async () => {
    await clerk.retitles(w, 'Orchestra')();
    await w.fold();
  });
  await clerk.retitles(w, 'Band')();
  for (const taken of (await w.take()).rooms) await w.drainOne(taken, true);
  expect(w.outlook.titles(room)).toEqual(['Band']);
  expect(await sent(w)).toMatchObject([{ title: 'Orchestra' }]);
  await w.settle();
  expect(await titles(w)).toEqual({ booking: ['Orchestra'], outlook: ['Orchestra'] });
  expect(await sent(w)).toBeNull();
});

test('many changes of one statement are stored before they are sent', async () => {
  await using w = await open({ conflict: 'outlook' });
  for (let hour = 8; hour < 22; hour += 1)
    await w.desk.book(101, { title: 'Choir', from: w.day(3, `${hour}:00`), to: w.day(3, `${hour}:45`) });
  await w.settle();
  await ends['the daemon is killed'](w, clerk.retitles(w, 'Band'));
  expect(w.outlook.titles(room)).toContain('Band');
  await clerk.retitles(w, 'Choir')();
  await heard(w);
  expect(new Set(w.outlook.titles(room))).toEqual(new Set(['Choir']));
  expect(new Set((await titles(w)).booking)).toEqual(new Set(['Choir']));
});
