/** States beside "active": tentative, awaiting approval, replaced; and time to prepare and to clear up. */
import { describe, expect, test } from 'vitest';
import { at } from '../support/dates.ts';
import { keyId } from '../../src/keys.ts';
import { createSearch } from '../../src/sync/report/search.ts';
import { openCampus, person, room } from './campus-world.ts';

type Campus = Awaited<ReturnType<typeof openCampus>>;

const shown = (world: Campus, of: keyof typeof room) =>
  world.events(of).map(({ subject, showAs }) => `${subject} (${showAs})`);
const only = (world: Campus, of: keyof typeof room) => {
  expect(world.events(of)).toHaveLength(1);
  return world.events(of)[0]!;
};

describe('tentative', () => {
  test('is shown as tentative with a word before its title, and as busy without it once it is confirmed', async () => {
    await using world = await openCampus();
    const key = await world.book('plain', 'Seminar', '10:00', '11:00', 'held');
    expect(shown(world, 'plain')).toEqual(['Tentative: Seminar (tentative)']);
    await world.set(key, `status = 'confirmed'`);
    expect(shown(world, 'plain')).toEqual(['Seminar (busy)']);
    await world.set(key, `status = 'held'`);
    expect(shown(world, 'plain')).toEqual(['Tentative: Seminar (tentative)']);
    expect(world.writes()).toEqual(['POST', 'PATCH', 'PATCH']);
  });

  test.for([
    ['Foreløpig:', 'Foreløpig: Seminar'],
    ['none', 'Seminar'],
  ])('TENTATIVE_PREFIX=%s shows %s', async ([prefix, title]) => {
    await using world = await openCampus({ env: { TENTATIVE_PREFIX: prefix } });
    const key = await world.book('plain', 'Seminar', '10:00', '11:00', 'held');
    expect(shown(world, 'plain')).toEqual([`${title} (tentative)`]);
    await world.set(key, `status = 'confirmed'`);
    expect(shown(world, 'plain')).toEqual(['Seminar (busy)']);
  });

  test('the word is taken off again when its title is edited in Outlook, and its times are followed', async () => {
    await using world = await openCampus();
    await world.book('plain', 'Seminar', '10:00', '11:00', 'held');
    const { id } = only(world, 'plain');
    world.tenant.people.retitle(room.plain.upn, id, 'Tentative: Workshop');
    await world.pullAll();
    world.tenant.people.move(room.plain.upn, id, { start: at(3, '12:00'), end: at(3, '13:00') });
    await world.pullAll();
    expect(await world.bookings()).toMatchObject([{ title: 'Workshop', from: '12:00', status: 'held' }]);
    expect(shown(world, 'plain')).toEqual(['Tentative: Workshop (tentative)']);
  });

  test('an event of which the mappings were lost is found again under its word, and not made twice', async () => {
    await using world = await openCampus();
    await world.book('plain', 'Seminar', '10:00', '11:00', 'held');
    await world.db.query('TRUNCATE bridge_mappings CASCADE');
    await world.settled();
    await world.pullAll();
    expect(shown(world, 'plain')).toEqual(['Tentative: Seminar (tentative)']);
    expect(await world.bookings()).toHaveLength(1);
  });

  test.for([
    ['held', 'confirmed', 'Seminar (busy)'],
    ['confirmed', 'held', 'Seminar (tentative)'],
  ] as const)(
    'an event of which the mappings were lost while %s became %s is shown so, also without a word',
    async ([before, after, expected]) => {
      await using world = await openCampus({ env: { TENTATIVE_PREFIX: 'none' } });
      const key = await world.book('plain', 'Seminar', '10:00', '11:00', before);
      await world.db.query(
        `BEGIN; TRUNCATE bridge_mappings CASCADE; UPDATE campus_booking SET status = '${after}' WHERE id = '${key}'; COMMIT`,
      );
      await world.settled();
      await world.pullAll();
      expect(shown(world, 'plain')).toEqual([expected]);
    },
  );

  test('a change whose answer was lost and that is taken back before the next try is taken back in Outlook', async () => {
    await using world = await openCampus({ env: { TENTATIVE_PREFIX: 'none' } });
    const key = await world.book('plain', 'Seminar', '10:00', '11:00', 'held');
    const taken = world.tenant.until(({ method, lost }) => method === 'PATCH' && lost);
    world.tenant.faults.add({ match: { method: 'PATCH' }, times: 1, action: { do: 'dropAnswer' } });
    await world.db.query(`UPDATE campus_booking SET status = 'confirmed' WHERE id = $1`, [key]);
    await taken;
    await world.set(key, `status = 'held'`);
    await world.pullAll();
    expect(shown(world, 'plain')).toEqual(['Seminar (tentative)']);
  });
});

describe('awaiting approval', () => {
  test('what is asked for in the booking system is not shown before it is approved', async () => {
    await using world = await openCampus();
    const key = await world.book('plain', 'Seminar', '10:00', '11:00', 'requested');
    expect(world.events('plain')).toEqual([]);
    await world.set(key, `status = 'confirmed'`);
    expect(shown(world, 'plain')).toEqual(['Seminar (busy)']);
    await world.set(key, `status = 'requested'`);
    expect(world.events('plain')).toEqual([]);
  });

  test('a meeting that is imported and waits is neither declined nor written, however often both sides are compared', async () => {
    await using world = await openCampus();
    await world.invite(['approved'], 'Senate', at(3, '10:00'), at(3, '11:00'));
    expect(await world.bookings()).toMatchObject([{ title: 'Ada', status: 'requested', deleted: false }]);
    for (let round = 0; round < 2; round += 1) {
      await world.db.query(
        'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
      );
      await world.settled();
      await world.pullAll();
    }
    expect(world.writes()).toEqual([]);
    expect(only(world, 'approved').response).toBe('accepted');
    expect(await world.db.query(`SELECT sync_status AS status, hint FROM bridge_mappings`)).toMatchObject(
      [{ status: 'synced', hint: /^It waits for approval/ }].map((row) => ({
        ...row,
        hint: expect.stringMatching(row.hint) as string,
      })),
    );
  });

  test('the meeting stays when it is approved, and hears so when it is rejected', async () => {
    await using world = await openCampus();
    await world.invite(['approved'], 'Senate', at(3, '10:00'), at(3, '11:00'));
    await world.invite(['approved'], 'Party', at(4, '10:00'), at(4, '11:00'));
    const [senate, party] = await world.bookings();
    await world.set(senate!.key, `status = 'confirmed'`);
    await world.set(party!.key, `status = 'rejected'`);
    await world.pullAll();
    expect(world.events('approved').map(({ subject }) => subject)).toEqual(['Ada']);
    expect(world.writes().filter((call) => call.includes('decline'))).toHaveLength(1);
  });

  test('a move and a withdrawal in Outlook are followed while it waits', async () => {
    await using world = await openCampus();
    const meeting = await world.invite(['approved'], 'Senate', at(3, '10:00'), at(3, '11:00'));
    world.tenant.people.move(person, meeting.id, { start: at(3, '12:00'), end: at(3, '13:00') });
    await world.pullAll();
    expect(await world.bookings()).toMatchObject([{ from: '12:00', status: 'requested', deleted: false }]);
    world.tenant.people.cancel(person, meeting.id);
    await world.pullAll();
    expect(await world.bookings()).toMatchObject([{ deleted: true }]);
  });

  test('an event typed into the room calendar waits in the same way, and is followed when it is approved', async () => {
    await using world = await openCampus();
    world.tenant.people.book(room.approved.upn, {
      subject: 'Senate',
      start: at(3, '10:00'),
      end: at(3, '11:00'),
    });
    await world.pullAll();
    const [{ key } = { key: '' }] = await world.bookings();
    await world.set(key, `title = 'Senate, open'`);
    expect(shown(world, 'approved')).toEqual(['Senate (busy)']);
    await world.set(key, `status = 'confirmed'`);
    expect(shown(world, 'approved')).toEqual(['Senate, open (busy)']);
    await world.set(key, `deleted_at = now()`);
    expect(world.events('approved')).toEqual([]);
  });
});

describe('replaced', () => {
  /** Moves a booking as a system does that cancels it and makes another one. */
  /** Returns the key of the new one. */
  async function replace(world: Campus, key: string, from: string, to: string): Promise<string> {
    const [made] = await world.db.query<{ id: string }>(
      `WITH old AS (UPDATE campus_booking SET deleted_at = now() WHERE id = $1 RETURNING *)
       INSERT INTO campus_booking (room_code, during, title, status, moved_from)
       SELECT room_code, tstzrange($2, $3), title, 'confirmed', id FROM old RETURNING id`,
      [key, from, to],
    );
    await world.settled();
    return made!.id;
  }

  test('the event is moved to the reservation that replaces another one, and carries its properties', async () => {
    await using world = await openCampus();
    const key = await world.book('plain', 'Seminar', '10:00', '11:00');
    const { id } = only(world, 'plain');
    const next = await replace(world, key, at(4, '12:00'), at(4, '13:00'));
    const event = only(world, 'plain');
    expect(event).toMatchObject({ id, start: at(4, '12:00'), subject: 'Seminar' });
    expect(Object.values(event.extendedProperties)).toContain(next);
    expect(world.writes()).toEqual(['POST', 'PATCH']);
    // and once more, after which the mappings are lost: it is known by its properties
    await replace(world, next, at(5, '12:00'), at(5, '13:00'));
    await world.db.query('TRUNCATE bridge_mappings CASCADE');
    await world.settled();
    await world.pullAll();
    expect(only(world, 'plain')).toMatchObject({ id, start: at(5, '12:00') });
  });

  test('a meeting is not declined because its booking was replaced at the same time', async () => {
    await using world = await openCampus();
    await world.invite(['plain'], 'Seminar', at(3, '10:00'), at(3, '11:00'));
    const [{ key } = { key: '' }] = await world.bookings();
    const next = await replace(world, key, at(3, '10:00'), at(3, '11:00'));
    await world.pullAll();
    expect(only(world, 'plain')).toMatchObject({ subject: 'Ada', response: 'accepted' });
    expect(world.writes()).toEqual([]);
    await world.set(next, 'deleted_at = now()');
    expect(world.writes().filter((call) => call.includes('decline'))).toHaveLength(1);
  });

  test('what a trigger missed is found by a comparison', async () => {
    await using world = await openCampus();
    const key = await world.book('plain', 'Seminar', '10:00', '11:00');
    const { id } = only(world, 'plain');
    await world.db.query('ALTER TABLE campus_booking DISABLE TRIGGER USER');
    await replace(world, key, at(4, '12:00'), at(4, '13:00'));
    await world.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
    await world.settled();
    expect(only(world, 'plain')).toMatchObject({ id, start: at(4, '12:00') });
  });
});

describe('time to prepare and to clear up', () => {
  test('is shown as a part of the event, and taken off again when Outlook moves it', async () => {
    await using world = await openCampus();
    await world.book('prepared', 'Experiment', '10:00', '11:00');
    const event = only(world, 'prepared');
    expect(event).toMatchObject({ start: at(3, '09:45'), end: at(3, '11:30') });
    world.tenant.people.move(room.prepared.upn, event.id, { start: at(3, '12:45'), end: at(3, '15:30') });
    await world.pullAll();
    expect(await world.bookings()).toMatchObject([{ from: '13:00', to: '15:00' }]);
    expect(only(world, 'prepared')).toMatchObject({ start: at(3, '12:45'), end: at(3, '15:30') });
    const written = world.writes().length;
    await world.db.query(
      'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
    );
    await world.settled();
    expect(world.writes().length).toBe(written);
  });

  test('only its end is moved: its start stays', async () => {
    await using world = await openCampus();
    await world.book('prepared', 'Experiment', '10:00', '11:00');
    const { id } = only(world, 'prepared');
    world.tenant.people.move(room.prepared.upn, id, { start: at(3, '09:45'), end: at(3, '12:30') });
    await world.pullAll();
    expect(await world.bookings()).toMatchObject([{ from: '10:00', to: '12:00' }]);
  });

  test('a change of it shows on the events that are there', async () => {
    await using world = await openCampus();
    await world.book('prepared', 'Experiment', '10:00', '11:00');
    await world.db.query(`UPDATE campus_room SET setup = '60 minutes', teardown = '0'`);
    await world.settled();
    expect(only(world, 'prepared')).toMatchObject({ start: at(3, '09:00'), end: at(3, '11:00') });
  });

  test('a meeting that was imported there has its own times on both sides, and is followed by them', async () => {
    await using world = await openCampus();
    const meeting = await world.invite(['prepared'], 'Experiment', at(3, '10:00'), at(3, '11:00'));
    expect(await world.bookings()).toMatchObject([{ from: '10:00', to: '11:00' }]);
    world.tenant.people.move(person, meeting.id, { start: at(3, '12:00'), end: at(3, '13:00') });
    await world.pullAll();
    expect(await world.bookings()).toMatchObject([{ from: '12:00', to: '13:00' }]);
    expect(world.writes()).toEqual([]);
  });

  test('what lasts whole days has none', async () => {
    await using world = await openCampus();
    await world.book('prepared', 'Fair', '00:00', '23:59');
    await world.db.query(`UPDATE campus_booking SET during = tstzrange($1, $2)`, [
      at(3, '00:00'),
      at(5, '00:00'),
    ]);
    await world.settled();
    expect(only(world, 'prepared')).toMatchObject({ isAllDay: true });
  });
});

test('the import is given the iCalUId of its meeting, so that the system can name it', async () => {
  await using world = await openCampus();
  const meeting = await world.invite(['plain'], 'Seminar', at(3, '10:00'), at(3, '11:00'));
  expect(await world.db.query('SELECT meeting FROM campus_booking')).toEqual([{ meeting: meeting.iCalUId }]);
});

test('a reservation is found with its address in the booking system', async () => {
  await using world = await openCampus();
  const key = await world.book('plain', 'Seminar', '10:00', '11:00', 'held');
  const { results } = await createSearch(world.db.pool).search('Seminar', 5);
  expect(results).toMatchObject([
    {
      reservation_id: keyId('booking', key),
      url: expect.stringMatching(/^https:\/\/rooms\.campus\.example\/bookings\/[0-9a-f-]{36}$/) as string,
    },
  ]);
});
