/** An event whose create got no answer is edited in Outlook before it is found: that is an edit like any other. */
import { describe, expect, test } from 'vitest';
import { Retryable } from '../../../src/errors.ts';
import type { Item } from '../../../src/item.ts';
import { endsOf, tryAgain, type End } from '../lost-answers.ts';
import { at, conflicts, heard, open, room, titles, type Rooms } from '../two-way-world.ts';

const policies = ['booking', 'outlook', 'newest', 'ask'] as const;

/** The next creates are carried out, and this ends them. */
const ends = endsOf(({ do: kind }) => kind === 'create');

const book = (w: Rooms) => () =>
  w.desk.book(101, { title: 'Choir', from: w.day(3, '18:00'), to: w.day(3, '20:00') });
const retitle = (w: Rooms, title: string) => w.db.query('UPDATE bb_event SET name = $1', [title]);

/** Books, loses the create that way, and a person edits the event. */
async function edited(w: Rooms, end: End, edit: Partial<Item>, booking: () => Promise<unknown> = book(w)) {
  await ends[end](w, booking);
  const [event] = w.outlook.in(room);
  // Exchange itself changes texts in the first second
  w.outlook.alter(event!.id, { createdAt: new Date(Date.parse(event!.createdAt!) - 3_000).toISOString() });
  w.outlook.edit(event!.id, edit);
  return event!;
}

/** The daemon gives the event to its reservation and is killed before the settlement. */
async function foundOnly(w: Rooms): Promise<void> {
  await w.db
    .query(`CREATE FUNCTION killed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'killed'; END $$;
    CREATE TRIGGER killed BEFORE UPDATE ON bridge_mappings FOR EACH ROW WHEN (NEW.sync_status <> 'pending') EXECUTE FUNCTION killed()`);
  await w.notify(101);
  for (const taken of (await w.take()).rooms) await w.drainOne(taken).catch(() => undefined);
  await w.die();
  await w.db.query('DROP TRIGGER killed ON bridge_mappings; DROP FUNCTION killed()');
  expect(await w.db.query('SELECT sync_status, outlook_event_id FROM bridge_mappings')).toEqual([
    { sync_status: 'pending', outlook_event_id: w.outlook.in(room)[0]!.id },
  ]);
}

const edits: Readonly<Record<string, Partial<Item>>> = {
  'another title': { title: 'Quartet' },
  'a text': { description: 'Bring chairs' },
  'another time': { startsAt: at(4, '10:00'), endsAt: at(4, '12:00') },
  'another end': { endsAt: at(3, '21:00') },
  'another time and another title': { title: 'Quartet', startsAt: at(4, '10:00'), endsAt: at(4, '12:00') },
};

/** Once, equal on both sides, and at rest. */
async function expectOnce(w: Rooms, shows: Partial<Item>): Promise<void> {
  const events = w.outlook.in(room);
  expect(events).toMatchObject([{ item: shows }]);
  expect((await w.reserved()).map(({ item }) => item)).toEqual([events[0]!.item]);
  expect(await w.db.query('SELECT sync_status, sent_states FROM bridge_mappings')).toEqual([
    { sync_status: 'synced', sent_states: null },
  ]);
  const writes = w.outlook.writes.length;
  await heard(w);
  expect(w.outlook.writes).toHaveLength(writes);
}

describe.each(policies)('with CONFLICT_POLICY %s', (conflict) => {
  describe.each(Object.keys(ends) as End[])('after a create of which %s', (end) => {
    test.each(Object.entries(edits))('a person gives the event %s: it is followed', async (_, edit) => {
      await using w = await open({ conflict });
      await edited(w, end, edit);
      await heard(w);
      await tryAgain(w);
      await expectOnce(w, edit);
    });

    test('a person gives it a text and the clerk another title: both are kept', async () => {
      await using w = await open({ conflict });
      await edited(w, end, { description: 'Bring chairs' });
      await retitle(w, 'Orchestra');
      await heard(w);
      await tryAgain(w);
      await expectOnce(w, { title: 'Orchestra', description: 'Bring chairs' });
    });

    test('a person gives it another time and the clerk another title, and Graph names no event: both are kept', async () => {
      await using w = await open({ conflict });
      w.outlook.hideTaken();
      const time = { startsAt: at(4, '10:00'), endsAt: at(4, '12:00') };
      await edited(w, end, time);
      await retitle(w, 'Orchestra');
      await tryAgain(w);
      await expectOnce(w, { ...time, title: 'Orchestra' });
    });

    test('it is found, and then a person gives it another time: that is followed', async () => {
      await using w = await open({ conflict });
      await ends[end](w, book(w));
      await foundOnly(w);
      const time = { startsAt: at(4, '10:00'), endsAt: at(4, '12:00') };
      w.outlook.edit(w.outlook.in(room)[0]!.id, time);
      await heard(w);
      await expectOnce(w, time);
    });

    test('a person and then the clerk give it another title: the policy decides', async () => {
      await using w = await open({ conflict });
      await edited(w, end, { title: 'Quartet' });
      await retitle(w, 'Orchestra');
      await heard(w);
      await tryAgain(w);
      if (conflict === 'ask')
        expect(await conflicts(w)).toMatchObject([{ kind: 'fields', fields: ['title'] }]);
      else await expectOnce(w, { title: conflict === 'outlook' ? 'Quartet' : 'Orchestra' });
    });

    test('the clerk cancels it: the edit is discarded', async () => {
      await using w = await open({ conflict });
      await edited(w, end, { title: 'Quartet' });
      await w.db.query('UPDATE bb_event SET active = 0');
      await heard(w);
      await tryAgain(w);
      expect(w.outlook.in(room)).toEqual([]);
      expect(await conflicts(w)).toEqual([]);
    });

    test('a person restores the title that the clerk has changed: it is the one that was sent', async () => {
      await using w = await open({ conflict });
      await ends[end](w, book(w));
      await retitle(w, 'Orchestra');
      await heard(w);
      await tryAgain(w);
      await expectOnce(w, { title: 'Orchestra' });
    });
  });
});

test('several creates are lost, each with another title: none of them is an edit', async () => {
  await using w = await open({ conflict: 'outlook' });
  await ends['the answer is lost'](w, book(w));
  for (const title of ['Band', 'Orchestra', 'Quartet'])
    await ends['the answer is lost'](w, async () => {
      await retitle(w, title);
      w.outlook.blindOnce(new Retryable('away', { reach: 'item' }));
      await w.fold();
      await w.db.query('UPDATE bridge_mappings SET due_at = now()');
    });
  await heard(w);
  await tryAgain(w);
  await expectOnce(w, { title: 'Quartet' });
});

describe('what was not recorded by a trigger is stored before it is sent', () => {
  test('a create that the comparison found', async () => {
    await using w = await open();
    await w.db.query(
      'ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_resource DISABLE TRIGGER USER',
    );
    await edited(w, 'the daemon is killed', { title: 'Quartet' }, async () => {
      await book(w)();
      await w.db.query('DELETE FROM bridge_changes');
      await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    });
    expect(await w.db.query('SELECT sent_states FROM bridge_mappings')).toMatchObject([
      { sent_states: [{ title: 'Choir' }] },
    ]);
    await heard(w);
    await expectOnce(w, { title: 'Quartet' });
  });

  test('many creates of one statement', async () => {
    await using w = await open();
    await ends['the daemon is killed'](w, async () => {
      for (let hour = 8; hour < 22; hour += 1)
        await w.desk.book(101, {
          title: `Choir ${hour}`,
          from: w.day(3, `${hour}:00`),
          to: w.day(3, `${hour}:45`),
        });
    });
    const [event] = w.outlook.in(room);
    w.outlook.edit(event!.id, { title: 'Quartet' });
    await heard(w);
    expect(w.outlook.in(room)).toHaveLength(14);
    expect((await titles(w)).booking.toSorted()).toEqual(w.outlook.titles(room).toSorted());
    expect(w.outlook.titles(room)).toContain('Quartet');
  });
});

describe('it is no edit', () => {
  test('in a room that only shows the bookings', async () => {
    await using w = await open();
    await w.db.query(`UPDATE bridge_resource_mappings SET sync_direction = 'booking_to_outlook'`);
    await w.settle();
    await edited(w, 'the daemon is killed', { title: 'Quartet' });
    await w.settle();
    await expectOnce(w, { title: 'Choir' });
  });

  test('if the event is a copy', async () => {
    await using w = await open();
    await ends['the answer is lost'](w, book(w));
    const [event] = w.outlook.in(room);
    w.outlook.alter(event!.id, { transactionId: null });
    w.outlook.edit(event!.id, { title: 'Quartet' });
    await tryAgain(w);
    expect((await w.reserved())[0]!.item.title).toBe('Choir');
  });

  test('if Exchange has shortened the text in the moment of the creation', async () => {
    await using w = await open();
    await ends['the answer is lost'](w, () =>
      w.desk.book(101, { title: 'Choir of the cathedral', from: w.day(3, '18:00'), to: w.day(3, '20:00') }),
    );
    const [event] = w.outlook.in(room);
    w.outlook.alter(event!.id, { lastModifiedAt: event!.createdAt });
    w.outlook.edit(event!.id, { title: 'Choir of' });
    await tryAgain(w);
    expect((await w.reserved())[0]!.item.title).toBe('Choir of the cathedral');
  });
});

/** The transaction that recorded the create is lost with the session of its daemon, which remembers the create. */
async function lostWithItsSession(w: Rooms, meanwhile: (id: number) => Promise<unknown>): Promise<void> {
  await ends['the daemon is killed'](w, book(w));
  const [mapping] = await w.db.query<{ id: number; state: object; reservation: number; room: number }>(
    `SELECT m.id, m.reservation_id AS reservation, m.sent_states -> 0 AS state, r.id AS room
     FROM bridge_mappings m JOIN bridge_resource_mappings r USING (resource_id)`,
  );
  const { id, state, reservation, room: roomId } = mapping!;
  await w.db.query('DELETE FROM bridge_mappings');
  await w.db.query('UPDATE bridge_room_state SET lease_owner = NULL');
  await meanwhile(reservation);
  const sent = [
    { id, eventId: null, state, reservation: { type: 'event', id: reservation }, resourceId: 101 },
  ];
  await w.db.query('SELECT bridge_doubt_rooms($1, gen_random_uuid(), $2)', [[roomId], JSON.stringify(sent)]);
  await heard(w);
  await tryAgain(w);
}

describe('the record of the create is lost with the session of its daemon, which stores it again', () => {
  test('the clerk gives it another title: that is the last word', async () => {
    await using w = await open({ conflict: 'outlook' });
    await lostWithItsSession(w, () => retitle(w, 'Orchestra'));
    await expectOnce(w, { title: 'Orchestra' });
  });

  test('the reservation is deleted: so is the event', async () => {
    await using w = await open();
    await lostWithItsSession(w, (id) => w.desk.erase({ type: 'event', id }));
    expect(w.outlook.in(room)).toEqual([]);
    expect(await conflicts(w)).toEqual([]);
  });

  test('the reservation is moved, renamed and cancelled: the event is deleted', async () => {
    await using w = await open();
    await lostWithItsSession(w, async (id) => {
      await retitle(w, 'Orchestra');
      await w.desk.move({ type: 'event', id }, w.day(5, '18:00'), w.day(5, '20:00'));
      await w.desk.cancel({ type: 'event', id });
    });
    expect(w.outlook.in(room)).toEqual([]);
    expect(await conflicts(w)).toEqual([]);
  });
});
