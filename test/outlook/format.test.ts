import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { itemOf } from '../../src/event.ts';
import { Permanent } from '../../src/errors.ts';
import { sameItem, type Item } from '../../src/item.ts';
import { createFormat, idProperty, typeProperty } from '../../src/outlook/format.ts';
import { createZone } from '../../src/outlook/zone.ts';
import { answeredEvent, whatExchangeMakesOf } from './exchange.ts';
import { wrongWith } from './graph-schema.ts';

const oslo = createFormat({ timezone: 'Europe/Oslo' });
const properties = { type: 'event', id: 42 };
const meeting: Item = {
  startsAt: '2026-06-01T08:00:00Z',
  endsAt: '2026-06-01T09:30:00Z',
  allDay: false,
  title: 'Board meeting',
  description: 'Bring the budget.',
  isPrivate: false,
};
const written = (item: Item, format = oslo) => format.toGraph(item, properties, 'key-1');
const timesOf = (startsAt: string, endsAt: string, allDay = false, format = oslo) => {
  const { start, end, isAllDay } = written({ ...meeting, startsAt, endsAt, allDay }, format);
  return [start?.dateTime, end?.dateTime, start?.timeZone, end?.timeZone, isAllDay];
};

const zones = [
  'Europe/Oslo',
  'Europe/London',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/St_Johns',
  'America/Havana',
  'America/Santiago',
  'Asia/Kolkata',
  'Asia/Beirut',
  'Antarctica/Troll',
  'Europe/Kyiv',
  'UTC',
] as const;

/** Instants, many of them within hours of a change of the clocks. */
const changes = [
  '2026-03-29T01:00:00Z',
  '2026-10-25T01:00:00Z',
  '2026-04-04T15:00:00Z',
  '2026-10-03T15:30:00Z',
  '2026-03-08T05:30:00Z',
  '2026-11-01T04:30:00Z',
  '2026-09-06T04:00:00Z',
  '2011-12-30T10:00:00Z',
];
const anyInstant = fc.oneof(
  fc
    .tuple(fc.constantFrom(...changes), fc.integer({ min: -100_000, max: 100_000 }))
    .map(([at, seconds]) => Date.parse(at) + seconds * 1_000),
  fc
    .integer({ min: Date.parse('2000-01-01') / 1_000, max: Date.parse('2037-12-31') / 1_000 })
    .map((s) => s * 1_000),
);
const iso = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.string({ unit: 'grapheme', maxLength: 400 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 300 }).map((c) => String.fromCharCode(...c)),
  fc
    .array(
      fc.constantFrom(
        '<b>',
        '</p>',
        '<!--',
        '&amp;',
        '&nbsp;',
        '\r\n',
        '\n',
        '\r',
        ' ',
        '\u00a0',
        '\u0000',
        '"',
        'é',
        'e\u0301',
        '👩‍👩‍👧',
        '\u202e',
        '\ud800',
        'x',
      ),
      { maxLength: 60 },
    )
    .map((parts) => parts.join('')),
);

interface Case {
  readonly zone: (typeof zones)[number];
  readonly item: Item;
}
const anyCase: fc.Arbitrary<Case> = fc
  .record({
    zone: fc.constantFrom(...zones),
    start: anyInstant,
    seconds: fc.integer({ min: 0, max: 200_000 }),
    days: fc.integer({ min: 1, max: 4 }),
    allDay: fc.boolean(),
    title: anyText,
    description: anyText,
    isPrivate: fc.boolean(),
  })
  .map(({ zone, start, seconds, days, allDay, ...texts }) => {
    const clock = createZone(zone);
    const date = clock.wallAt(start).slice(0, 10);
    const later = new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10);
    const times = allDay
      ? {
          startsAt: iso(clock.instantOf(`${date}T00:00:00`)),
          endsAt: iso(clock.instantOf(`${later}T00:00:00`)),
        }
      : { startsAt: iso(start), endsAt: iso(start + seconds * 1_000) };
    return { zone, item: { ...times, allDay, ...texts } };
  });

describe('what is written and read back', () => {
  test('is what we meant Outlook to show, for any text, in any zone, around every change of the clocks', () => {
    fc.assert(
      fc.property(anyCase, fc.boolean(), ({ zone, item }, asHtml) => {
        const format = createFormat({ timezone: zone });
        const event = format.toEvent(whatExchangeMakesOf(written(item, format), asHtml));
        expect(
          sameItem(itemOf(event.shows), format.show(item)),
          JSON.stringify([event.shows, format.show(item)]),
        ).toBe(true);
      }),
      { numRuns: 1_500 },
    );
  });

  test('shown twice is shown once', () => {
    fc.assert(
      fc.property(anyCase, ({ zone, item }) => {
        const format = createFormat({ timezone: zone });
        expect(format.show(format.show(item))).toEqual(format.show(item));
      }),
      { numRuns: 1_000 },
    );
  });

  test('read back and written again changes nothing', () => {
    fc.assert(
      fc.property(anyCase, ({ zone, item }) => {
        const format = createFormat({ timezone: zone });
        const read = itemOf(format.toEvent(whatExchangeMakesOf(written(item, format), false)).shows);
        expect(sameItem(format.show(read!), read)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test('a field changed by PATCH and read back is the whole item as it should be', () => {
    fc.assert(
      fc.property(
        anyCase,
        anyCase,
        fc.subarray(['title', 'description', 'isPrivate', 'times'] as const),
        ({ zone, item }, { item: other }, fields) => {
          const format = createFormat({ timezone: zone });
          const times = ['startsAt', 'endsAt', 'allDay'] as const;
          const names = fields.flatMap((field) => (field === 'times' ? times : [field]));
          const change = Object.fromEntries(names.map((name) => [name, other[name]]));
          const whole = { ...item, ...change };
          const event = { ...written(item, format), ...format.toPatch(change, whole) };
          expect(
            sameItem(itemOf(format.toEvent(whatExchangeMakesOf(event, false)).shows), format.show(whole)),
          ).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('every body is one that Microsoft describes, with no member it does not know', () => {
    fc.assert(
      fc.property(anyCase, ({ zone, item }) => {
        const format = createFormat({ timezone: zone });
        const body = JSON.parse(JSON.stringify(written(item, format))) as Record<string, unknown>;
        expect(wrongWith('POST', '/users/room/events', body)).toEqual([]);
        expect(wrongWith('PATCH', '/users/room/events/id', format.toPatch(item, item))).toEqual([]);
        expect(wrongWith('POST', '/users/room/events', { ...body, colour: 'red' })).not.toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a written event', () => {
  test('is busy, has no reminder and no attendees, and says whose it is', () => {
    expect(written(meeting)).toEqual({
      subject: 'Board meeting',
      body: { contentType: 'text', content: 'Bring the budget.' },
      start: { dateTime: '2026-06-01T10:00:00', timeZone: 'W. Europe Standard Time' },
      end: { dateTime: '2026-06-01T11:30:00', timeZone: 'W. Europe Standard Time' },
      isAllDay: false,
      sensitivity: 'normal',
      showAs: 'busy',
      isReminderOn: false,
      responseRequested: false,
      transactionId: 'key-1',
      singleValueExtendedProperties: [
        { id: typeProperty, value: 'event' },
        { id: idProperty, value: '42' },
      ],
    });
  });

  test('of a private item shows neither title nor description', () => {
    expect(written({ ...meeting, isPrivate: true })).toMatchObject({
      subject: 'Private',
      body: { content: '' },
      sensitivity: 'private',
    });
  });

  test.each([
    [
      'summer',
      '2026-06-01T08:00:00Z',
      '2026-06-01T09:00:00Z',
      '2026-06-01T10:00:00',
      '2026-06-01T11:00:00',
      'W. Europe Standard Time',
    ],
    [
      'winter',
      '2026-01-15T08:00:00Z',
      '2026-01-15T09:00:00Z',
      '2026-01-15T09:00:00',
      '2026-01-15T10:00:00',
      'W. Europe Standard Time',
    ],
    [
      'across the change of spring',
      '2026-03-29T00:30:00Z',
      '2026-03-29T01:30:00Z',
      '2026-03-29T01:30:00',
      '2026-03-29T03:30:00',
      'W. Europe Standard Time',
    ],
    [
      'across the change of autumn',
      '2026-10-24T23:30:00Z',
      '2026-10-25T02:30:00Z',
      '2026-10-25T01:30:00',
      '2026-10-25T03:30:00',
      'W. Europe Standard Time',
    ],
    [
      'into the repeated hour',
      '2026-10-24T23:30:00Z',
      '2026-10-25T00:30:00Z',
      '2026-10-24T23:30:00',
      '2026-10-25T00:30:00',
      'UTC',
    ],
    [
      'out of the repeated hour',
      '2026-10-25T01:30:00Z',
      '2026-10-25T03:00:00Z',
      '2026-10-25T01:30:00',
      '2026-10-25T03:00:00',
      'UTC',
    ],
    [
      'up to the repeated hour',
      '2026-10-24T22:00:00Z',
      '2026-10-25T00:00:00Z',
      '2026-10-24T22:00:00',
      '2026-10-25T00:00:00',
      'UTC',
    ],
    [
      'from its end on',
      '2026-10-25T02:00:00Z',
      '2026-10-25T03:00:00Z',
      '2026-10-25T03:00:00',
      '2026-10-25T04:00:00',
      'W. Europe Standard Time',
    ],
  ])(
    'has the wall clock of its zone, and UTC where that is ambiguous: %s',
    (_, from, to, start, end, zone) => {
      expect(timesOf(from, to)).toEqual([start, end, zone, zone, false]);
    },
  );

  test.each([
    ['Australia/Lord_Howe', '2026-06-01T00:00:00Z', '2026-06-01T10:30:00', 'Lord Howe Standard Time'],
    ['Pacific/Apia', '2026-06-01T00:00:00Z', '2026-06-01T13:00:00', 'Samoa Standard Time'],
    ['America/St_Johns', '2026-06-01T00:00:00Z', '2026-05-31T21:30:00', 'Newfoundland Standard Time'],
    ['Europe/Kyiv', '2026-06-01T00:00:00Z', '2026-06-01T03:00:00', 'FLE Standard Time'],
    ['Antarctica/Troll', '2026-06-01T00:00:00Z', '2026-06-01T00:00:00', 'UTC'],
  ])('in %s names the zone as Windows does, or is in UTC', (timezone, from, start, zone) => {
    const format = createFormat({ timezone });
    expect(timesOf(from, '2026-06-01T01:00:00Z', false, format).toSpliced(1, 1)).toEqual([
      start,
      zone,
      zone,
      false,
    ]);
  });

  test.each([
    [
      'across the change of spring',
      '2026-03-28T23:00:00Z',
      '2026-03-29T22:00:00Z',
      '2026-03-29',
      '2026-03-30',
    ],
    [
      'across the change of autumn',
      '2026-10-24T22:00:00Z',
      '2026-10-25T23:00:00Z',
      '2026-10-25',
      '2026-10-26',
    ],
    ['over three days', '2026-04-30T22:00:00Z', '2026-05-03T22:00:00Z', '2026-05-01', '2026-05-04'],
  ])('of a whole day goes from midnight to midnight of the dates: %s', (_, from, to, first, end) => {
    const zone = 'W. Europe Standard Time';
    expect(timesOf(from, to, true)).toEqual([`${first}T00:00:00`, `${end}T00:00:00`, zone, zone, true]);
  });

  test('that is not from midnight to midnight is no whole day, whatever it says', () => {
    expect(timesOf('2026-06-01T08:00:00Z', '2026-06-01T09:00:00Z', true)[4]).toBe(false);
    expect(timesOf('2026-05-31T22:00:00Z', '2026-05-31T22:00:00Z', true)[4]).toBe(false);
  });

  test('has whole seconds and no offset, however its times were written', () => {
    const at = { startsAt: '2026-06-01T10:00:00.987+02:00', endsAt: '2026-06-01T09:30:00.1Z' };
    expect(timesOf(at.startsAt, at.endsAt).slice(0, 2)).toEqual([
      '2026-06-01T10:00:00',
      '2026-06-01T11:30:00',
    ]);
    expect(oslo.show({ ...meeting, ...at }).startsAt).toBe('2026-06-01T08:00:00Z');
  });

  test('of an item without real times is refused, with what to do about it', () => {
    expect(() => written({ ...meeting, endsAt: 'soon' })).toThrow(Permanent);
  });
});

describe('a change', () => {
  const patch = (change: Partial<Item>, whole: Partial<Item> = {}) =>
    oslo.toPatch(change, { ...meeting, ...change, ...whole });

  test('carries nothing but what changed', () => {
    expect(patch({ title: 'New' })).toEqual({ subject: 'New' });
    expect(patch({ description: 'New' })).toEqual({ body: { contentType: 'text', content: 'New' } });
    expect(Object.keys(patch({ endsAt: '2026-06-01T10:00:00Z' }))).toEqual(['start', 'end', 'isAllDay']);
    expect(patch({})).toEqual({});
  });

  test('of privacy carries subject, text and the flag together', () => {
    expect(patch({ isPrivate: true })).toEqual({
      subject: 'Private',
      body: { contentType: 'text', content: '' },
      sensitivity: 'private',
    });
    expect(patch({ isPrivate: false })).toEqual({
      subject: 'Board meeting',
      body: { contentType: 'text', content: 'Bring the budget.' },
      sensitivity: 'normal',
    });
  });

  test('of the title of a private item shows nothing of it', () => {
    expect(patch({ title: 'Secret' }, { isPrivate: true })).toEqual({ subject: 'Private' });
  });
});

describe('a read event', () => {
  const read = (members: object) => oslo.toEvent(answeredEvent(members));

  const invited = (response: string, showAs: string) => ({
    isOrganizer: false,
    showAs,
    responseStatus: { response },
  });

  const at = (date: string) => ({
    start: { dateTime: `${date}T10:00:00.0000000`, timeZone: 'UTC' },
    end: { dateTime: `${date}T11:00:00.0000000`, timeZone: 'UTC' },
  });

  test.each([
    ['cancelled', 'released', { isCancelled: true }],
    ['cancelled and without times', 'released', { isCancelled: true, end: null }],
    ['declined', 'released', invited('declined', 'busy')],
    ['shown as free', 'free', { showAs: 'free' }],
    ['a meeting that is shown as free', 'free', invited('accepted', 'free')],
    ['an invitation without an answer', 'undecided', invited('notResponded', 'tentative')],
    ['an invitation without an answer that is shown as busy', 'undecided', invited('notResponded', 'busy')],
    ['an invitation that waits for a delegate', 'undecided', invited('tentativelyAccepted', 'tentative')],
    ['one that is shown as free while it waits', 'undecided', invited('tentativelyAccepted', 'free')],
    ['an invitation without a word on its answer', 'undecided', invited('none', 'tentative')],
    ['booked as tentative in the room calendar itself', 'occupied', { showAs: 'tentative' }],
    ['accepted, and tentative for its organiser', 'occupied', invited('accepted', 'tentative')],
    ['out of office', 'occupied', { showAs: 'oof' }],
    ['without an end', 'unreadable', { end: null }],
    ['dated before there was a calendar to sync', 'unreadable', at('1601-01-01')],
    ['dated beyond all planning', 'unreadable', at('2101-01-01')],
    [
      'in a zone that is not known',
      'unreadable',
      { start: { dateTime: '2026-03-01T10:00:00', timeZone: 'Mars' } },
    ],
    ['named by a number', 'unreadable', { subject: 42 }],
    ['named by an object', 'unreadable', { subject: { text: 'Choir' } }],
    ['all day by a word', 'unreadable', { isAllDay: 'yes' }],
    ['as private as a number', 'unreadable', { sensitivity: 3 }],
    ['described by a list', 'unreadable', { body: ['Bring the budget.'] }],
    ['described by a number', 'unreadable', { body: { contentType: 'text', content: 7 } }],
    ['cancelled by a word', 'unreadable', { isCancelled: 'no' }],
    ['answered by a word', 'unreadable', { responseStatus: 'declined' }],
    ['shown as a number', 'unreadable', { showAs: 1 }],
    ['organised by a word', 'unreadable', { isOrganizer: 'yes' }],
    ['one meeting with a number', 'unreadable', { iCalUId: 12 }],
    ['without a word', 'occupied', { subject: null, body: null, sensitivity: null, isCancelled: null }],
  ])('that is %s is %s', (_, is, members) => {
    expect(read(members).shows.is).toBe(is);
  });

  test('of a whole day has the midnights of its own date, whatever zone the answer names', () => {
    const day = (timeZone: string) =>
      read({
        isAllDay: true,
        start: { dateTime: '2026-03-29T00:00:00.0000000', timeZone },
        end: { dateTime: '2026-03-30T00:00:00.0000000', timeZone },
      }).shows;
    expect(day('UTC')).toMatchObject({
      item: { startsAt: '2026-03-28T23:00:00Z', endsAt: '2026-03-29T22:00:00Z', allDay: true },
    });
    expect(day('Pacific Standard Time')).toEqual(day('UTC'));
  });

  test('in another zone than the one asked for still has the right time', () => {
    const start = { dateTime: '2026-06-01T10:00:00.0000000', timeZone: 'W. Europe Standard Time' };
    const end = { dateTime: '2026-06-01T11:00:00.0000000', timeZone: 'Europe/Berlin' };
    expect(itemOf(read({ start, end }).shows)).toMatchObject({
      startsAt: '2026-06-01T08:00:00Z',
      endsAt: '2026-06-01T09:00:00Z',
    });
  });

  test('whose body came as HTML has its words', () => {
    const html =
      '<html><head><style>p{}</style></head><body><p>One &amp; <b>two</b></p><script>three()</script></body></html>';
    expect(itemOf(read({ body: { contentType: 'html', content: html } }).shows)?.description).toBe(
      'One & two',
    );
  });

  test.each([
    ['both', [typeProperty, 'booking'], [idProperty, '17'], { type: 'booking', id: 17 }],
    ['an id that is no number', [typeProperty, 'booking'], [idProperty, '17a'], null],
    ['an id with a sign', [typeProperty, 'booking'], [idProperty, '-17'], null],
    ['an id of nothing', [typeProperty, 'booking'], [idProperty, '0'], null],
    [
      'an id that a number would round',
      [typeProperty, 'booking'],
      [idProperty, '9007199254740993'],
      { type: 'booking', id: '9007199254740993' },
    ],
    ['an id beyond a bigint', [typeProperty, 'booking'], [idProperty, '9223372036854775808'], null],
    ['only the type', [typeProperty, 'booking'], ['String {0} Name Other', '17'], null],
    [
      'names in another case',
      [typeProperty.toUpperCase(), 'booking'],
      [idProperty.toLowerCase(), '17'],
      { type: 'booking', id: 17 },
    ],
  ])('with properties: %s', (_, type, id, expected) => {
    const properties = [type, id].map(([name, value]) => ({ id: name, value }));
    expect(read({ singleValueExtendedProperties: properties }).properties).toEqual(expected);
  });

  test('needs an id, and times to be understood; anything else may be missing or unknown', () => {
    const { id, start, end } = answeredEvent({});
    expect(oslo.toEvent({ id, start, end, somethingNew: [1] }).shows).toMatchObject({
      item: { title: '', description: '' },
    });
    expect(() => oslo.toEvent({ start, end })).toThrow(Permanent);
    expect(oslo.toEvent({ id, start }).shows.is).toBe('unreadable');
    expect(() => oslo.toEvent(null)).toThrow(Permanent);
  });
});
