import { describe, expect, test } from 'vitest';
import { itemOf } from '../../src/event.ts';
import { Conflict, Permanent, Retryable } from '../../src/errors.ts';
import { changedFields, type Item } from '../../src/item.ts';
import type { WriteAnswer } from '../../src/event.ts';
import { idProperty, typeProperty } from '../../src/outlook/format.ts';
import { answeredEvent } from './exchange.ts';
import { wrongWith } from './graph-schema.ts';
import {
  always,
  anItem,
  create,
  hall,
  library,
  openTold,
  openWorld,
  refusal,
  type Told,
  type World,
} from './world.ts';

const anna = 'anna@sandbox.example';
const december = ['2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'] as const;

const eventOf = (written: WriteAnswer | undefined) => {
  if (written?.outcome !== 'written' || written.event === null) throw new Error(JSON.stringify(written));
  return written.event;
};
/** Writes one event and gives it as answered. */
const made = async (world: World, id: number, change: Partial<Item> = {}) =>
  eventOf((await world.outlook.write(hall, [create(id, change)], always))[0]);
/** A change from one item to another. */
const change = (eventId: string, before: Item, now: Item) =>
  ({ do: 'change', eventId, change: changedFields(before, now), whole: now }) as const;

describe('a create', () => {
  test('makes an event that says whose it is, and answers it as it stands in Outlook', async () => {
    await using world = await openWorld();
    const event = await made(world, 7, { title: ' Yoga \n now ' });
    expect(event).toMatchObject({
      shows: { is: 'occupied', item: anItem({ title: 'Yoga now' }) },
      properties: { type: 'event', id: 7 },
      isOrganizer: true,
      type: 'singleInstance',
    });
    const [stored] = world.tenant.eventsIn(hall.mailbox);
    expect(stored).toMatchObject({
      id: event.id,
      showAs: 'busy',
      isReminderOn: false,
      attendees: [],
      transactionId: 'key-7',
      extendedProperties: { [typeProperty]: 'event', [idProperty]: '7' },
    });
    expect(world.tenant.mails).toEqual([]);
  });

  test('repeated after its answer was lost gives the same event', async () => {
    await using world = await openWorld();
    world.tenant.faults.add({ match: { method: 'POST' }, times: 1, action: { do: 'dropAnswer' } });
    const [lost] = await world.outlook.write(hall, [create(1)], always);
    expect(lost).toMatchObject({ outcome: 'failed', error: { name: 'Retryable', ambiguous: true } });
    const again = await made(world, 1);
    expect(world.tenant.eventsIn(hall.mailbox).map(({ id }) => id)).toEqual([again.id]);
  });

  test.each([400, 409] as const)('with the key of another create names that event (%i)', async (status) => {
    await using world = await openWorld();
    world.tenant.faults.set({ duplicateTransactionStatus: status });
    const first = await made(world, 1);
    const [second] = await world.outlook.write(hall, [create(1, { title: 'Pilates' })], always);
    expect(second).toMatchObject({ outcome: 'taken', existingId: first.id });
    world.tenant.faults.set({ tellExistingEventId: false });
    expect(await world.outlook.write(hall, [create(1, { title: 'Tai chi' })], always)).toMatchObject([
      { outcome: 'taken', existingId: null },
    ]);
  });

  test('of a whole day is one in Outlook, across the change of the clocks', async () => {
    await using world = await openWorld();
    const day = { startsAt: '2026-10-24T22:00:00Z', endsAt: '2026-10-25T23:00:00Z', allDay: true };
    expect(itemOf((await made(world, 1, day)).shows)).toEqual(anItem(day));
    expect(world.tenant.eventsIn(hall.mailbox)[0]).toMatchObject({
      isAllDay: true,
      start: '2026-10-25T00:00:00.0000000Z',
      end: '2026-10-26T00:00:00.0000000Z',
    });
  });

  test('in a zone whose rules Exchange has not got yet ends up at the right time all the same', async () => {
    let patched: unknown;
    await using told = await openTold(({ method, body }): Told => {
      if (method === 'PATCH') patched = JSON.parse(body);
      const hours = method === 'PATCH' ? [10, 11] : [9, 10];
      const [start, end] = hours.map((h) => ({
        dateTime: `2026-12-01T${String(h).padStart(2, '0')}:00:00.0000000`,
        timeZone: 'UTC',
      }));
      return { status: method === 'PATCH' ? 200 : 201, body: answeredEvent({ start, end }) };
    });
    const [written] = await told.outlook.write(hall, [create(1)], always);
    expect(eventOf(written)).toMatchObject({
      shows: { item: { startsAt: '2026-12-01T10:00:00Z' } },
      properties: { id: 1 },
    });
    expect(patched).toMatchObject({ start: { dateTime: '2026-12-01T10:00:00', timeZone: 'UTC' } });
    expect(told.asked.length).toBe(2);
  });

  test.each([
    ['was made before', 5_000, 5_000],
    ['was changed since', 0, 1_500],
  ])(
    'which gets the event of an earlier one, that %s, does not correct its time',
    async (_, agoMs, editedAfterMs) => {
      const createdAt = Date.now() - agoMs;
      await using told = await openTold((): Told => ({
        status: 201,
        body: answeredEvent({
          createdDateTime: new Date(createdAt).toISOString(),
          lastModifiedDateTime: new Date(createdAt + editedAfterMs).toISOString(),
          start: { dateTime: '2026-12-01T09:00:00.0000000', timeZone: 'UTC' },
          end: { dateTime: '2026-12-01T10:00:00.0000000', timeZone: 'UTC' },
        }),
      }));
      const [written] = await told.outlook.write(hall, [create(1)], always);
      expect(eventOf(written)).toMatchObject({ shows: { item: { startsAt: '2026-12-01T09:00:00Z' } } });
      expect(told.asked.length).toBe(1);
    },
  );

  test.each([
    ['its end', ['10:00', '12:00']],
    ['its start', ['09:00', '11:00']],
    ['both, by different times', ['09:00', '12:00']],
    ['both, by no quarters of an hour', ['09:10', '10:10']],
  ])(
    'which gets the event of an earlier one, of which a person moved %s at once, does not correct its time',
    async (_, hours) => {
      const [start, end] = hours.map((hour) => ({
        dateTime: `2026-12-01T${hour}:00.0000000`,
        timeZone: 'UTC',
      }));
      await using told = await openTold((): Told => ({ status: 201, body: answeredEvent({ start, end }) }));
      const [written] = await told.outlook.write(hall, [create(1)], always);
      expect(eventOf(written)).toMatchObject({ shows: { item: { startsAt: `2026-12-01T${hours[0]}:00Z` } } });
      expect(told.asked.length).toBe(1);
    },
  );

  test('whose time could not be corrected may have been executed', async () => {
    await using told = await openTold(({ method }): Told => {
      if (method === 'PATCH') return { status: 429, headers: { 'retry-after': '5' } };
      const [start, end] = ['09', '10'].map((hour) => ({
        dateTime: `2026-12-01T${hour}:00:00.0000000`,
        timeZone: 'UTC',
      }));
      return { status: 201, body: answeredEvent({ start, end }) };
    });
    expect(await told.outlook.write(hall, [create(1)], always)).toMatchObject([
      { outcome: 'failed', error: { name: 'Retryable', ambiguous: true, reach: 'room', afterMs: 5_000 } },
    ]);
  });
});

describe('a change', () => {
  test('that only ends an all-day event is corrected in a zone whose rules Exchange has not got yet', async () => {
    const days = { startsAt: '2026-11-30T23:00:00Z', endsAt: '2026-12-01T23:00:00Z' };
    let patches = 0;
    await using told = await openTold((): Told => {
      const hour = (patches += 1) === 1 ? '22' : '23';
      const [start, end] = ['2026-11-30', '2026-12-01'].map((date) => ({
        dateTime: `${date}T${hour}:00:00.0000000`,
        timeZone: 'UTC',
      }));
      return { status: 200, body: answeredEvent({ start, end }) };
    });
    const [written] = await told.outlook.write(
      hall,
      [change('a', anItem({ ...days, allDay: true }), anItem(days))],
      always,
    );
    expect(eventOf(written)).toMatchObject({ shows: { item: days } });
    expect(patches).toBe(2);
  });

  test('writes what changed and leaves an edit made in Outlook meanwhile alone', async () => {
    await using world = await openWorld();
    const { id } = await made(world, 1);
    world.tenant.people.edit(hall.mailbox, id, { body: { contentType: 'text', content: 'Mats are there.' } });
    const [written] = await world.outlook.write(
      hall,
      [change(id, anItem(), anItem({ title: 'Pilates' }))],
      always,
    );
    expect(itemOf(eventOf(written).shows)).toMatchObject({
      title: 'Pilates',
      description: 'Mats are there.',
    });
    expect(world.tenant.journal.at(-1)?.body).toEqual({ subject: 'Pilates' });
  });

  test('of an event that is gone says so, also when its id is no id', async () => {
    await using world = await openWorld();
    const { id } = await made(world, 1);
    world.tenant.people.remove(hall.mailbox, id);
    const to = anItem({ title: 'Pilates' });
    const written = await world.outlook.write(
      hall,
      [change(id, anItem(), to), change('nonsense', anItem(), to)],
      always,
    );
    expect(written.map(({ outcome }) => outcome)).toEqual(['gone', 'gone']);
  });

  test('in a mailbox that does not answer is no statement about the event', async () => {
    await using world = await openWorld();
    const { id } = await made(world, 1);
    for (const as of ['noMailbox', 'accessDenied'] as const) {
      const fault = world.tenant.faults.add({ action: { do: 'refuse', as } });
      const [written] = await world.outlook.write(
        hall,
        [change(id, anItem(), anItem({ title: 'x' }))],
        always,
      );
      expect(written).toMatchObject({ outcome: 'failed', error: { name: 'Permanent', reach: 'room' } });
      world.tenant.faults.remove(fault);
    }
  });

  for (const as of ['noMailbox', 'accessDenied', 'serviceUnavailable', 'quotaExceeded'] as const)
    test(`that is refused (${as}) in a mailbox that lets itself be read concerns that event alone`, async () => {
      await using world = await openWorld();
      const changes = await Promise.all([1, 2, 3].map(async (n) => (await made(world, n)).id));
      world.tenant.faults.set({ refuses: { change: as } });
      const before = world.tenant.journal.length;
      const written = await world.outlook.write(
        hall,
        changes.map((id) => change(id, anItem(), anItem({ title: 'x' }))),
        always,
      );
      expect(written.map((one) => one.outcome === 'failed' && (one.error as Permanent).reach)).toEqual([
        'item',
        'item',
        'item',
      ]);
      const reads = world.tenant.journal.slice(before).filter(({ method }) => method === 'GET');
      expect(reads.length).toBeLessThanOrEqual(1);
    });

  test('that met another one is to be decided again', async () => {
    await using world = await openWorld();
    const { id } = await made(world, 1);
    world.tenant.faults.add({
      match: { method: 'PATCH' },
      times: 1,
      action: { do: 'refuse', as: 'irresolvableConflict' },
    });
    const [written] = await world.outlook.write(hall, [change(id, anItem(), anItem({ title: 'x' }))], always);
    expect(written?.outcome === 'failed' && written.error).toBeInstanceOf(Conflict);
  });
});

test('a removed event is gone, and removing it again says so', async () => {
  await using world = await openWorld();
  const { id } = await made(world, 1);
  const remove = () => world.outlook.write(hall, [{ do: 'remove', eventId: id }], always);
  expect(await remove()).toMatchObject([{ outcome: 'written', event: null }]);
  expect(await remove()).toMatchObject([{ outcome: 'gone' }]);
  expect(world.tenant.eventsIn(hall.mailbox)).toEqual([]);
});

test('an item without real times fails alone', async () => {
  await using world = await openWorld();
  const written = await world.outlook.write(
    hall,
    [create(1), create(2, { startsAt: 'soon' }), create(3)],
    always,
  );
  expect(written.map(({ outcome }) => outcome)).toEqual(['written', 'failed', 'written']);
  expect(written[1]).toMatchObject({ error: { name: 'Permanent', reach: 'item' } });
});

describe('reading', () => {
  test('an event gives it with its properties; one that is not there, nothing', async () => {
    await using world = await openWorld();
    const event = await made(world, 1);
    expect(await world.outlook.read(hall, event.id, always)).toEqual(event);
    world.tenant.people.remove(hall.mailbox, event.id);
    expect(await world.outlook.read(hall, event.id, always)).toBeNull();
    expect(await world.outlook.read(hall, 'nonsense', always)).toBeNull();
  });

  test('an event in a mailbox that is none is no statement about the event', async () => {
    await using world = await openWorld();
    const { id } = await made(world, 1);
    world.tenant.faults.add({ action: { do: 'refuse', as: 'noMailbox' } });
    await expect(world.outlook.read(hall, id, always)).rejects.toBeInstanceOf(Permanent);
  });

  test('by properties finds every copy of ours, and nothing that is nearly ours', async () => {
    await using world = await openWorld();
    const event = await made(world, 17);
    await world.outlook.write(
      hall,
      [create(171), { ...create(18), properties: { type: 'booking', id: 17 } }],
      always,
    );
    const copy = world.tenant.people.copy(hall.mailbox, event.id, {
      start: '2026-12-08T10:00:00Z',
      end: '2026-12-08T11:00:00Z',
    });
    const found = await world.outlook.find(hall, { type: 'event', id: 17 }, always);
    expect(found.map(({ id }) => id).sort()).toEqual([event.id, copy.id].sort());
    expect(await world.outlook.find(library, { type: 'event', id: 17 }, always)).toEqual([]);
  });
});

describe('a list of a calendar', () => {
  const idsOf = async (world: World, from: string, to: string) =>
    (await Array.fromAsync(world.outlook.list(hall, from, to, always))).flat();

  test('has every event of the window with its properties, however many pages it takes', async () => {
    await using world = await openWorld({}, { batchSize: 20 });
    const writes = Array.from({ length: 450 }, (_, n) =>
      create(n + 1, {
        startsAt: `2026-12-0${1 + (n % 9)}T10:00:00Z`,
        endsAt: `2026-12-0${1 + (n % 9)}T11:00:00Z`,
      }),
    );
    await world.outlook.write(hall, writes, always);
    world.tenant.people.book(hall.mailbox, {
      subject: 'Foreign',
      start: '2026-12-24T10:00:00Z',
      end: '2026-12-24T11:00:00Z',
    });
    const events = await idsOf(world, ...december);
    expect(new Set(events.map(({ properties }) => properties?.id)).size).toBe(451);
    expect(itemOf(events.find(({ properties }) => properties === null)!.shows)?.title).toBe('Foreign');
  });

  test('is read in halves where Graph gives up on so large a window, and shows each event once', async () => {
    await using world = await openWorld();
    for (const day of ['02', '16', '17', '30'])
      world.tenant.people.book(hall.mailbox, {
        subject: day,
        start: `2026-12-${day}T10:00:00Z`,
        end: `2026-12-${day}T11:00:00Z`,
      });
    // it lies on the seam of the two halves
    world.tenant.people.book(hall.mailbox, {
      subject: 'camp',
      start: '2026-12-10T10:00:00Z',
      end: '2026-12-22T11:00:00Z',
    });
    world.tenant.faults.add({
      match: { path: '/calendarView\\?' },
      times: 1,
      action: { do: 'refuse', as: 'gatewayTimeout' },
    });
    const events = await idsOf(world, ...december);
    expect(events.map(({ shows }) => itemOf(shows)?.title).sort()).toEqual(['02', '16', '17', '30', 'camp']);
  });

  test('ends where the window ends, also for whole days, which float', async () => {
    await using world = await openWorld();
    const day = (id: number, date: string, next: string) =>
      create(id, { startsAt: `${date}T23:00:00Z`, endsAt: `${next}T23:00:00Z`, allDay: true });
    await world.outlook.write(
      hall,
      [
        create(1, { startsAt: '2026-11-30T22:00:00Z', endsAt: '2026-11-30T23:00:00Z' }),
        create(2, { startsAt: '2026-11-30T22:30:00Z', endsAt: '2026-11-30T23:30:00Z' }),
        day(3, '2026-11-29', '2026-11-30'),
        day(4, '2026-11-30', '2026-12-01'),
      ],
      always,
    );
    await world.outlook.write(
      hall,
      [day(5, '2026-12-30', '2026-12-31'), day(6, '2026-12-31', '2027-01-01')],
      always,
    );
    // the local month, not that of UTC
    const events = await idsOf(world, '2026-11-30T23:00:00Z', '2026-12-31T23:00:00Z');
    expect(events.map(({ properties }) => properties?.id).sort()).toEqual([2, 4, 5]);
  });

  test.each([
    [
      'Europe/Oslo',
      '2026-11-30T23:00:00Z',
      '2026-12-01T23:00:00Z',
      '2026-11-30T23:00:00Z',
      '2026-11-30T23:30:00Z',
    ],
    [
      'America/St_Johns',
      '2026-12-01T03:30:00Z',
      '2026-12-02T03:30:00Z',
      '2026-12-02T00:30:00Z',
      '2026-12-02T01:00:00Z',
    ],
  ])('has the whole day of %s that UTC calls another', async (timezone, startsAt, endsAt, from, to) => {
    await using world = await openWorld({}, { timezone });
    await made(world, 1, { startsAt, endsAt, allDay: true });
    expect((await idsOf(world, from, to)).map(({ properties }) => properties?.id)).toEqual([1]);
  });

  test('shows occurrences of a series one by one, and cancelled meetings without an item', async () => {
    await using world = await openWorld();
    world.tenant.people.bookSeries(hall.mailbox, {
      subject: 'Choir',
      start: '2026-12-01T18:00:00Z',
      end: '2026-12-01T20:00:00Z',
      pattern: { type: 'weekly', interval: 1, daysOfWeek: ['tuesday'] },
      range: { type: 'numbered', numberOfOccurrences: 4 },
    });
    const events = await idsOf(world, ...december);
    expect(events.map(({ type, shows }) => [type, itemOf(shows)?.startsAt.slice(0, 10)])).toEqual(
      [1, 8, 15, 22].map((d) => ['occurrence', `2026-12-${String(d).padStart(2, '0')}`]),
    );
    const master = events[0]!.seriesMasterId!;
    const again = await world.outlook.series(hall, master, ...december, always);
    expect(again?.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
    world.tenant.people.remove(hall.mailbox, master);
    expect(await world.outlook.series(hall, master, ...december, always)).toBeNull();
  });

  test('still has the properties where Graph refuses to expand them in a calendar view', async () => {
    await using world = await openWorld();
    await world.outlook.write(hall, [create(1), create(2)], always);
    world.tenant.people.book(hall.mailbox, {
      subject: 'Foreign',
      start: '2026-12-24T10:00:00Z',
      end: '2026-12-24T11:00:00Z',
    });
    world.tenant.faults.add({
      match: { path: 'calendarView.*expand' },
      action: { do: 'refuse', as: 'internalError' },
    });
    const events = await idsOf(world, ...december);
    expect(events.map(({ properties }) => properties?.id ?? null).sort()).toEqual([1, 2, null]);
  });

  test.each([
    ['a link that comes again', () => 'same'],
    ['ever new links to the same rows', (number: number) => `${number}`],
  ])('without an end is broken off: %s', async (_, next) => {
    await using told: Awaited<ReturnType<typeof openTold>> = await openTold((_asked, number) => ({
      status: 200,
      body: {
        value: [answeredEvent({ id: next(number) === 'same' ? `event-${number}` : 'event' })],
        '@odata.nextLink': `${told.graph.baseUrl}/users/x/calendarView?$skip=${next(number)}`,
      },
    }));
    const listing = Array.fromAsync(told.outlook.list(hall, ...december, always));
    await expect(listing).rejects.toMatchObject({ name: 'Retryable', reach: 'room' });
    expect(told.asked.length).toBeLessThan(5);
  });
});

describe('an invitation', () => {
  const invite = async (world: World) => {
    world.tenant.setAttendant(hall.mailbox, { mode: 'none' });
    world.tenant.people.invite(anna, [hall.mailbox], {
      subject: 'Review',
      start: '2026-12-03T10:00:00Z',
      end: '2026-12-03T11:00:00Z',
    });
    const [event] = (await Array.fromAsync(world.outlook.list(hall, ...december, always))).flat();
    return event!;
  };

  test('waits for an answer, does not occupy the room until then, and says who sent it', async () => {
    await using world = await openWorld();
    expect(await invite(world)).toMatchObject({
      shows: { is: 'undecided' },
      isOrganizer: false,
      organizer: { email: anna },
    });
  });

  test('is declined with a word to the organiser, and leaves the calendar', async () => {
    await using world = await openWorld();
    const { id } = await invite(world);
    expect(await world.outlook.respond(hall, id, 'decline', 'The hall is taken.', always)).toBe('answered');
    expect(world.tenant.mails.at(-1)).toMatchObject({ to: [anna] });
    expect(wrongWith('POST', '/users/x/events/y/decline', world.tenant.journal.at(-1)?.body)).toEqual([]);
    expect(await world.outlook.respond(hall, id, 'decline', '', always)).toBe('gone');
  });

  test('is accepted', async () => {
    await using world = await openWorld();
    const { id } = await invite(world);
    expect(await world.outlook.respond(hall, id, 'accept', '', always)).toBe('answered');
    expect((await world.outlook.read(hall, id, always))?.shows.is).toBe('occupied');
  });

  test('of one’s own cannot be answered', async () => {
    await using world = await openWorld();
    const { id } = await made(world, 1);
    await expect(world.outlook.respond(hall, id, 'decline', '', always)).rejects.toBeInstanceOf(Permanent);
  });
});

describe('the directory', () => {
  test('knows the object id of a mailbox, and an object id already is one', async () => {
    await using world = await openWorld();
    const id = await world.outlook.resolveMailbox(hall.mailbox, always);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await world.outlook.resolveMailbox(id!, always)).toBe(id);
    expect(world.tenant.journal.filter(({ path }) => path.startsWith('/users/')).length).toBe(1);
    await expect(world.outlook.resolveMailbox('nobody@sandbox.example', always)).rejects.toMatchObject({
      name: 'Permanent',
      reach: 'room',
    });
  });

  test('that refuses leaves the address as it is', async () => {
    await using world = await openWorld();
    world.tenant.faults.set({ mayReadUsers: false });
    expect(await world.outlook.resolveMailbox(hall.mailbox, always)).toBeNull();
  });

  test('lists rooms and room lists; one that refuses is empty, with a hint', async () => {
    await using world = await openWorld();
    const { places, hint } = await world.outlook.rooms(always);
    expect(places.map(({ email, name }) => [email, name])).toEqual([
      [hall.mailbox, 'Hall'],
      [library.mailbox, 'Library'],
    ]);
    expect(hint).toBeNull();
    expect((await world.outlook.roomLists(always)).places.length).toBe(1);
    world.tenant.faults.set({ mayReadPlaces: false });
    expect(await world.outlook.rooms(always)).toEqual({
      places: [],
      hint: expect.stringContaining('Place.Read.All') as unknown,
    });
    world.tenant.faults.add({ action: { do: 'refuse', as: 'serviceUnavailable' } });
    await expect(world.outlook.rooms(always)).rejects.toBeInstanceOf(Retryable);
  });
});

test('one mailbox never has more than four calls in flight, and a slow one does not slow another', async () => {
  await using world = await openWorld();
  await made(world, 1);
  world.tenant.faults.set({ latencyMs: 20 });
  world.tenant.faults.set({ latencyMs: 400 }, library.mailbox);
  let slowEnded = false;
  const slow = Promise.all(
    Array.from({ length: 6 }, () => world.outlook.find(library, { type: 'event', id: 1 }, always)),
  ).then(() => {
    slowEnded = true;
  });
  await Promise.all(
    Array.from({ length: 12 }, () => world.outlook.find(hall, { type: 'event', id: 1 }, always)),
  );
  expect(slowEnded).toBe(false);
  await slow;
  expect(world.tenant.violations).toEqual([]);
  expect(Math.max(...world.tenant.journal.map(({ inFlight }) => inFlight))).toBe(4);
});

test('what cannot be sent is refused before it is sent', async () => {
  await using told = await openTold(() => refusal(413, 'TooLarge'));
  const properties = { type: 'x'.repeat(4_100_000), id: 1 };
  expect(await told.outlook.write(hall, [{ ...create(1), properties }], always)).toMatchObject([
    { outcome: 'failed', error: { name: 'Permanent' } },
  ]);
  expect(told.asked).toEqual([]);
});
