/** What one room shows and does differently from the others: privacy, the template of its titles, its policies. */
import { describe, expect, test } from 'vitest';
import { isWrite } from '../support/writes.ts';
import { at } from '../support/dates.ts';
import { openWorld, rooms, type WorldOptions } from './world.ts';

const upn = rooms[101]!.upn;

async function openRoom(options: WorldOptions = {}) {
  const world = await openWorld({ mapped: [101], ...options });
  const daemon = await world.start();
  await world.settled();
  const { db, tenant } = world;
  return {
    ...world,
    pullAll: () => world.pullAll(daemon),
    set: async (what: string) => {
      await db.query(`UPDATE bridge_resource_mappings SET ${what} WHERE resource_id = 101`);
      await world.settled();
    },
    book: async (title: string, hour = '10', isPublic = true) => {
      const [from, to] = [world.day(3, `${hour}:00`), world.day(3, `${hour}:30`)];
      const reservation = await world.desk.book(101, {
        title,
        from,
        to,
        isPublic,
        description: `Om ${title}`,
      });
      await world.settled();
      return reservation;
    },
    name: async ({ id }: { id: number }) =>
      (await db.query<{ name: string }>('SELECT name FROM bb_event WHERE id = $1', [id]))[0]!.name,
    names: async () =>
      (await db.query<{ name: string }>('SELECT name FROM bb_event ORDER BY id')).map(({ name }) => name),
    event: () => world.events(101)[0]!,
    writes: () =>
      tenant.journal
        .filter((call) => isWrite(call) && call.path.includes('/events'))
        .map(({ method }) => method),
    retitle: async (subject: string) => {
      tenant.people.retitle(upn, world.events(101)[0]!.id, subject);
      await world.pullAll(daemon);
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

describe('privacy', () => {
  test.for([
    { privacy: 'neutral', shown: ['Kor/Om Kor/normal', 'Private//private'] },
    { privacy: 'busy-only', shown: ['Booked//normal', 'Booked//private'] },
    { privacy: 'full', shown: ['Kor/Om Kor/normal', 'Legetime/Om Legetime/private'] },
  ])('$privacy: of an open and a private reservation $shown is shown', async ({ privacy, shown }) => {
    await using world = await openRoom();
    await world.set(`privacy = '${privacy}'`);
    await world.book('Kor');
    await world.book('Legetime', '12', false);
    const events = world.events(101).toSorted((a, b) => (a.start < b.start ? -1 : 1));
    const text = (html: string) => html.replace(/<[^>]*>/g, '').trim();
    expect(events.map((e) => `${e.subject}/${text(e.bodyHtml)}/${e.sensitivity}`)).toEqual(shown);
  });

  test('a change of it shows at once on the events that are there, and none is made twice', async () => {
    await using world = await openRoom();
    await world.book('Kor');
    await world.book('Legetime', '12', false);
    const ids = world.events(101).map(({ id }) => id);
    const titles = [];
    for (const privacy of ["'busy-only'", "'full'", 'NULL']) {
      await world.set(`privacy = ${privacy}`);
      titles.push(world.titles(101).toSorted());
    }
    expect(titles).toEqual([
      ['Booked', 'Booked'],
      ['Kor', 'Legetime'],
      ['Kor', 'Private'],
    ]);
    expect(world.events(101).map(({ id }) => id)).toEqual(ids);
    expect(world.writes().filter((method) => method !== 'PATCH')).toEqual(['POST', 'POST']);
  });

  test('in a room of times alone a title typed in Outlook reaches no reservation, and goes again', async () => {
    await using world = await openRoom();
    await world.set(`privacy = 'busy-only'`);
    const kor = await world.book('Kor');
    await world.retitle('Styremøte');
    await world.settled();
    expect(await world.name(kor)).toBe('Kor');
    expect(world.titles(101)).toEqual(['Booked']);
  });

  test('a move is followed there', async () => {
    await using world = await openRoom();
    await world.set(`privacy = 'busy-only'`);
    await world.book('Kor');
    world.tenant.people.move(upn, world.event().id, { start: at(4, '14:00'), end: at(4, '15:00') });
    await world.pullAll();
    const [row] = await world.db.query<{ from: string; name: string }>(
      `SELECT to_char(from_, 'YYYY-MM-DD HH24:MI') AS from, name FROM bb_event`,
    );
    expect(row).toEqual({ from: world.day(4, '14:00'), name: 'Kor' });
  });

  test('PRIVACY is that of every room that has none of its own', async () => {
    await using world = await openRoom({ env: { PRIVACY: 'full' }, mapped: [101, 102] });
    await world.set(`privacy = 'neutral'`);
    for (const room of [101, 102])
      await world.desk.book(room, {
        title: 'Legetime',
        from: world.day(2, '10:00'),
        to: world.day(2, '11:00'),
        isPublic: false,
      });
    await world.settled();
    expect([world.titles(101), world.titles(102)]).toEqual([['Private'], ['Legetime']]);
  });
});

describe('the template of titles', () => {
  test.for([
    ['{title} ({organizer})', 'Kor (Kari Nordmann)'],
    ['{room}: {title}', 'Formannskapssalen: Kor'],
    ['[{type}] {title} – {organizer}', '[event] Kor – Kari Nordmann'],
    ['Opptatt', 'Opptatt'],
    ['  {organizer}  ', 'Kari Nordmann'],
  ])('%s shows %s', async ([template, shown]) => {
    await using world = await openRoom();
    await world.db.query('UPDATE bridge_resource_mappings SET title_template = $1', [template]);
    await world.book('Kor');
    expect(world.titles(101)).toEqual([shown]);
  });

  test.for([
    ['{title} ({organizer})', 'Kor'],
    ['{title} – {organizer}', 'Kor'],
    ['{organizer}: {title}', 'Kor'],
    ['{title} [{organizer}] i {room}', 'Kor i Formannskapssalen'],
  ])('without an organiser %s shows %s', async ([template, shown]) => {
    await using world = await openRoom();
    await world.db.query('UPDATE bridge_resource_mappings SET title_template = $1', [template]);
    const kor = await world.book('Kor');
    await world.db.query(
      `UPDATE bb_event SET contact_name = '', organizer = '', contact_email = '' WHERE id = $1`,
      [kor.id],
    );
    await world.settled();
    expect(world.titles(101)).toEqual([shown]);
  });

  test('a new one shows at once, once, and never in the booking system', async () => {
    await using world = await openRoom({ env: { TITLE_TEMPLATE: 'Rom: {title}' } });
    const kor = await world.book('Kor');
    expect(world.titles(101)).toEqual(['Rom: Kor']);
    for (const template of ['{title} ({organizer})', '{title} [{type}]']) {
      await world.set(`title_template = '${template}'`);
      await world.pullAll();
    }
    expect(world.titles(101)).toEqual(['Kor [event]']);
    expect(await world.name(kor)).toBe('Kor');
    const written = world.writes().length;
    await world.db.query(
      'UPDATE bridge_room_state SET reconciled_at = NULL, baselined_at = NULL, push_due_at = now()',
    );
    await world.settled();
    expect(world.writes().length).toBe(written);
  });

  test('a title edited in Outlook is written back without what stands around it', async () => {
    await using world = await openRoom();
    await world.set(`title_template = '{title} ({organizer})'`);
    const kor = await world.book('Kor');
    await world.retitle('Julekonsert (Kari Nordmann)');
    expect(await world.name(kor)).toBe('Julekonsert');
    expect(world.titles(101)).toEqual(['Julekonsert (Kari Nordmann)']);
  });

  test.for(['Julekonsert', 'Kor (Ola Nordmann)', '(Kari Nordmann)', 'Avlyst! Kor (Kari Nordmann) kl. 12'])(
    'one from which it cannot be separated, %s, is not, and Outlook shows the reservation again',
    async (edited) => {
      await using world = await openRoom();
      await world.set(`title_template = '{title} ({organizer})'`);
      const kor = await world.book('Kor');
      await world.retitle(edited);
      await world.settled();
      expect(await world.name(kor)).toBe('Kor');
      expect(world.titles(101)).toEqual(['Kor (Kari Nordmann)']);
      expect(
        await world.db.query(`SELECT FROM bridge_log WHERE reason LIKE '%not possible here: title%'`),
      ).toHaveLength(1);
    },
  );

  test('an event made in Outlook is imported and edited under the title that was typed', async () => {
    await using world = await openRoom();
    await world.set(`title_template = '{title} ({organizer})'`);
    world.tenant.people.book(upn, { subject: 'Bunad', start: at(3, '10:00'), end: at(3, '11:00') });
    await world.pullAll();
    await world.retitle('Bunad og sølv');
    expect(await world.names()).toEqual(['Bunad og sølv']);
    expect(world.titles(101)).toEqual(['Bunad og sølv']);
  });

  test('a copy of an event of ours is imported without it', async () => {
    await using world = await openRoom();
    await world.set(`title_template = '{title} ({organizer})'`);
    await world.book('Kor');
    world.tenant.people.copy(upn, world.event().id, { start: at(5, '10:00'), end: at(5, '11:00') });
    await world.pullAll();
    expect(await world.names()).toEqual(['Kor', 'Kor']);
  });

  test('a copy of an event that hides its texts has those of its reservation', async () => {
    await using world = await openRoom();
    await world.set(`privacy = 'busy-only'`);
    await world.book('Kor');
    world.tenant.people.copy(upn, world.event().id, { start: at(5, '10:00'), end: at(5, '11:00') });
    await world.pullAll();
    expect(await world.names()).toEqual(['Kor', 'Kor']);
  });

  test('a long title is cut, what stands around it is not, and nothing comes of that', async () => {
    await using world = await openRoom();
    await world.set(`title_template = '{title} ({organizer})'`);
    const long = 'x'.repeat(240);
    const kor = await world.book(long);
    const [shown] = world.titles(101);
    expect(shown).toHaveLength(255);
    expect(shown!.endsWith('x (Kari Nordmann)')).toBe(true);
    await world.pullAll();
    expect(await world.name(kor)).toBe(long);
  });
});

describe('policies', () => {
  test('IMPORT_MODE of one room: an event waits there, and is imported when the setting goes', async () => {
    await using world = await openRoom();
    await world.set(`import_mode = 'manual'`);
    world.tenant.people.book(upn, { subject: 'Bunad', start: at(3, '10:00'), end: at(3, '11:00') });
    await world.pullAll();
    expect(await world.names()).toEqual([]);
    await world.set('import_mode = NULL');
    expect(await world.names()).toEqual(['Bunad']);
  });

  test('OVERLAP_POLICY of one room: an event that was flagged is imported once the room allows it', async () => {
    await using world = await openRoom();
    await world.book('Kor');
    world.tenant.people.book(upn, { subject: 'Bunad', start: at(3, '10:00'), end: at(3, '11:00') });
    await world.pullAll();
    expect(await world.names()).toEqual(['Kor']);
    await world.set(`overlap_policy = 'import'`);
    expect(await world.names()).toEqual(['Kor', 'Bunad']);
  });

  test.for([
    { policy: "'outlook'", title: 'Outlook' },
    { policy: "'booking'", title: 'Booking' },
    { policy: 'NULL', title: 'Outlook' },
  ])('CONFLICT_POLICY of one room, $policy: $title wins', async ({ policy, title }) => {
    await using world = await openRoom({ env: { CONFLICT_POLICY: 'outlook' } });
    const kor = await world.book('Kor');
    await world.set(`conflict_policy = ${policy}, active = 0`);
    world.tenant.people.retitle(upn, world.event().id, 'Outlook');
    await world.desk.retitle(kor, 'Booking');
    await world.set('active = 1');
    await world.pullAll();
    expect([await world.name(kor), ...world.titles(101)]).toEqual([title, title]);
  });

  test('a conflict that waits for a person is decided when its room is given a policy', async () => {
    await using world = await openRoom({ env: { CONFLICT_POLICY: 'ask' } });
    const kor = await world.book('Kor');
    await world.set('active = 0');
    world.tenant.people.retitle(upn, world.event().id, 'Outlook');
    await world.desk.retitle(kor, 'Booking');
    await world.set('active = 1');
    await world.pullAll();
    expect(await world.db.query(`SELECT FROM bridge_mappings WHERE sync_status = 'conflict'`)).toHaveLength(
      1,
    );
    await world.set(`conflict_policy = 'outlook'`);
    expect([await world.name(kor), ...world.titles(101)]).toEqual(['Outlook', 'Outlook']);
  });

  test.for([
    `conflict_policy = 'sometimes'`,
    `overlap_policy = 'allow'`,
    `import_mode = 'never'`,
    `privacy = 'secret'`,
    `title_template = '{title} {colour}'`,
    `title_template = '{title'`,
    `title_template = '{title} {title}'`,
    `title_template = ' '`,
  ])('PostgreSQL refuses %s', async (wrong) => {
    await using world = await openWorld({ mapped: [101] });
    await expect(world.db.query(`UPDATE bridge_resource_mappings SET ${wrong}`)).rejects.toMatchObject({
      code: '23514',
    });
  });
});
