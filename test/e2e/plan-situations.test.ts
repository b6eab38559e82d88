/**
 * What Exchange, people and databases really do, one situation at a time: the plan says what the daemon then does, line by line,
 * through real HTTP on the simulated tenant.
 */
import { expect, test } from 'vitest';
import { at, date } from '../support/dates.ts';
import { linesOf } from '../sync/plan/plan-world.ts';
import { kari, openPlanned, upn, type World } from './planned.ts';
import { rooms } from './world.ts';

const other = rooms[102]!.upn;
const to = (days: number, hour = 10) => ({ start: at(days, `${hour}:00`), end: at(days, `${hour + 2}:00`) });

/** What was so when both sides agreed last, and what has happened since. `expected`: that it is what it is meant to be. */
interface Situation {
  readonly before?: (w: World) => unknown;
  readonly since: (w: World) => unknown;
  readonly expected: RegExp | null;
}

/** A reservation of several rooms is cancelled in the first of them or in the last, as they come. */
const anyRoom = (lines: readonly string[]) => [
  ...new Set(lines.map((line) => line.replace(/^\d+ (?=cancel-booking)/, ''))),
];

const kept = new WeakMap<World, { readonly id: string }>();
const keep = (w: World, meeting: { readonly id: string }) => void kept.set(w, meeting);
const mine = (w: World) => kept.get(w)!.id;

const situations: Readonly<Record<string, Situation>> = {
  'a meeting that its organiser moved, not answered again': {
    before: (w) => keep(w, w.invited(3)),
    since: (w) => {
      w.tenant.setAttendant(upn, { mode: 'none' });
      w.tenant.people.move(kari, mine(w), to(5));
    },
    expected: /waiting event/,
  },
  'a meeting whose text its organiser changed, not answered again': {
    before: (w) => keep(w, w.invited(3)),
    since: (w) => {
      w.tenant.setAttendant(upn, { mode: 'none' });
      w.tenant.people.retitle(kari, mine(w), 'Workshop');
    },
    expected: /waiting event/,
  },
  'a meeting without an answer': {
    since: (w) => {
      w.tenant.setAttendant(upn, { mode: 'none' });
      w.invited(3);
    },
    expected: /waiting AA/,
  },
  'an event that a person made last all day, and so free': {
    before: (w) => w.clerk(3),
    since: (w) =>
      w.tenant.people.edit(upn, w.event('Choir').id, {
        isAllDay: true,
        showAs: 'free',
        start: { dateTime: `${date(3)}T00:00:00`, timeZone: 'UTC' },
        end: { dateTime: `${date(4)}T00:00:00`, timeZone: 'UTC' },
      }),
    expected: /change-booking/,
  },
  'a meeting that its organiser shows as free': {
    before: (w) => w.invited(3),
    since: (w) => w.tenant.people.edit(upn, w.events(101)[0]!.id, { showAs: 'free' }),
    expected: /conflict event/,
  },
  'an event that is deleted, and another one in its place': {
    before: (w) => w.typed(3),
    since: (w) => {
      w.tenant.people.remove(upn, w.event('Board').id);
      w.typed(3, 'Yoga');
    },
    expected: /cancel-booking[^]*import/,
  },
  'a copy of an event of ours on another day, while its reservation comes back without one': {
    before: async (w) => {
      const one = await w.clerk(3);
      await w.sync();
      w.tenant.people.retitle(upn, w.tenant.people.copy(upn, w.event('Choir').id, to(6)).id, 'Theirs');
      await w.desk.cancel(one);
      await w.sync();
      await w.desk.reenable(one);
    },
    since: () => undefined,
    expected: null,
  },
  'a series that is deleted as a whole': {
    before: (w) => {
      w.series(12);
      w.typed(3);
    },
    since: (w) => w.tenant.people.remove(upn, w.event('Rehearsal').id),
    expected: /cancel-booking/,
  },
  'a series that is made shorter': {
    before: (w) => w.series(20),
    since: (w) =>
      w.tenant.people.edit(upn, w.event('Rehearsal').id, {
        recurrence: {
          pattern: { type: 'daily', interval: 1 },
          range: { type: 'numbered', numberOfOccurrences: 5, startDate: at(10, '17:00').slice(0, 10) },
        },
      }),
    expected: /cancel-booking/,
  },
  'a series whose pattern is moved': {
    before: (w) => w.series(4, 7),
    since: (w) => w.tenant.people.move(upn, w.event('Rehearsal').id, to(11, 17)),
    expected: /adopt/,
  },
  'dates of a series that are deleted one by one': {
    before: (w) => w.series(20),
    since: (w) => {
      for (let on = 11; on < 25; on += 1)
        w.tenant.people.deleteOccurrence(upn, w.event('Rehearsal').id, date(on));
    },
    expected: /held/,
  },
  'an event on top of an allocation that is deleted in Outlook': {
    before: async (w) => {
      await w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 1 });
      await w.clerk(3);
    },
    since: (w) => w.tenant.people.remove(upn, w.event('Choir').id),
    expected: /create allocation/,
  },
  'an allocation beneath an event that Outlook refuses': {
    before: (w) => {
      w.tenant.faults.add({
        match: { method: 'POST', path: '/events$' },
        times: 1,
        action: { do: 'refuse', status: 400, code: 'ErrorInvalidRequest', message: 'No.' },
      });
      return w.clerk(3, 'Refused');
    },
    since: (w) => w.desk.allocate(101, { from: w.day(3, '10:00'), to: w.day(3, '12:00'), of: 1 }),
    expected: /create allocation/,
  },
  'delta refused for days': {
    before: (w) => w.typed(3),
    since: async (w) => {
      w.tenant.faults.set({ refuses: { delta: 'quotaExceeded' } });
      w.typed(4, 'Yoga');
      await w.clerk(5);
    },
    expected: /create[^]*import/,
  },
  'a deletion that is refused because the event is gone': {
    before: (w) => keep(w, w.typed(3)),
    since: async (w) => {
      w.tenant.people.remove(upn, w.event('Board').id);
      w.tenant.faults.set({ refuses: { delete: 'cannotDelete' } });
      await w.db.query(`UPDATE bb_event SET active = 0 WHERE name = 'Board'`);
    },
    expected: null,
  },
  'a row that cannot be read among others': {
    before: (w) => w.typed(3),
    since: (w) => {
      w.tenant.people.spoil(upn, w.event('Board').id, { end: null });
      w.typed(4, 'Yoga');
      w.tenant.people.spoil(upn, w.typed(5, 'Odd').id, { end: null });
    },
    expected: /import/,
  },
  'texts that no database stores': {
    since: (w) => {
      w.tenant.people.spoil(upn, w.typed(3).id, { subject: 'Zero \u0000 and half \ud83d' });
      w.tenant.people.spoil(upn, w.typed(4, 'Yoga').id, {
        organizer: { emailAddress: { name: 'O\u0000la \udc00', address: 'ola@bergen.example' } },
      });
    },
    expected: /import[^]*import/,
  },
  'a mailbox that was made anew under its address': {
    before: async (w) => {
      await w.clerk(3);
      w.typed(4);
    },
    since: (w) => w.tenant.renewMailbox(upn),
    expected: /create[^]*create/,
  },
  'a calendar that is empty all at once': {
    before: (w) => [3, 4, 5, 6].map((on) => w.typed(on, `Board ${on}`)),
    since: (w) => {
      for (const { id } of w.events(101)) w.tenant.people.remove(upn, id);
      w.tenant.forgetDeltaTokens(upn);
    },
    expected: /held/,
  },
  'a second resource on one mailbox': {
    before: (w) => w.typed(3),
    since: async (w) => {
      await w.db.query(
        `INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, active)
         SELECT 103, outlook_object_id, 1 FROM bridge_resource_mappings WHERE resource_id = 101`,
      );
      w.typed(4, 'Yoga');
    },
    expected: /import/,
  },
  'a new description beside the join block of an online meeting': {
    before: (w) =>
      w.tenant.people.book(upn, { subject: 'Remote', ...to(3), text: 'Agenda', isOnlineMeeting: true }),
    since: (w) => w.db.query(`UPDATE bb_event SET description = 'Bring notes' WHERE name = 'Remote'`),
    expected: /change event/,
  },
  'a date of a series that a clerk moved past its neighbour, refused before': {
    before: async (w) => {
      w.series(4);
      await w.sync();
      await w.db.query(
        `UPDATE bb_event SET from_ = from_ + interval '2 days 3 hours', to_ = to_ + interval '2 days 3 hours'
         WHERE id = (SELECT id FROM bb_event ORDER BY from_ LIMIT 1)`,
      );
      await w.db.query(
        `UPDATE bb_event_date d SET from_ = e.from_, to_ = e.to_ FROM bb_event e WHERE e.id = d.event_id`,
      );
    },
    since: () => undefined,
    expected: /conflict/,
  },
  'a meeting whose reservation a clerk moved, and then cancelled': {
    before: async (w) => {
      w.invited(3);
      await w.sync();
      const [one] = await w.db.query<{ id: number }>('SELECT id FROM bb_event');
      await w.desk.move({ type: 'event', id: one!.id }, w.day(5, '10:00'), w.day(5, '12:00'));
    },
    since: (w) => w.db.query('UPDATE bb_event SET active = 0'),
    expected: /decline/,
  },
  'a booking that the triggers did not see': {
    since: async (w) => {
      await w.db
        .query(`ALTER TABLE bb_event DISABLE TRIGGER USER; ALTER TABLE bb_event_date DISABLE TRIGGER USER;
        ALTER TABLE bb_event_resource DISABLE TRIGGER USER`);
      await w.clerk(3);
    },
    expected: /create/,
  },
  'a stored link of changes that names another host': {
    before: (w) => w.typed(3),
    since: async (w) => {
      await w.db.query(
        `UPDATE bridge_room_state SET delta_links = ARRAY(SELECT regexp_replace(link, '//[^/]+/', '//elsewhere.example/') FROM unnest(delta_links) link)`,
      );
      w.tenant.people.remove(upn, w.event('Board').id);
      w.typed(4, 'Yoga');
    },
    expected: /cancel-booking[^]*import/,
  },
  'a meeting in two rooms that its organiser calls off in both': {
    before: (w) => {
      keep(w, w.tenant.people.invite(kari, [upn, other], { subject: 'Fair', ...to(3) }));
      w.tenant.advance(10_000);
    },
    since: (w) => w.tenant.people.cancel(kari, mine(w)),
    expected: /cancel-booking/,
  },
};

test.each(Object.entries(situations))(
  '%s: the plan says what the daemon does',
  { timeout: 120_000 },
  async (_, { before, since, expected }) => {
    await using w = await openPlanned();
    await w.sync();
    await before?.(w);
    await w.sync();
    await since(w);
    const plan = await w.plan();
    const lines = linesOf(plan);
    expect(anyRoom(await w.done())).toEqual(anyRoom(lines));
    if (expected !== null) expect(lines.join('\n')).toMatch(expected);
  },
);
