import { expect, test } from 'vitest';
import { event, hours, MARCH, openTenant, ROOM } from './tenant-client.ts';

const PROPERTY = 'String {66f5a359-4659-4830-9070-00047ec6ac6f} Name BookingSystemId';
const EXPAND = encodeURIComponent(`singleValueExtendedProperties($filter=id eq '${PROPERTY}')`);
const marked = (value: string) => ({ singleValueExtendedProperties: [{ id: PROPERTY, value }] });
const filtered = (filter: string) => `$filter=${encodeURIComponent(filter)}`;

test('a created event can be read back', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  expect((await world.ask('GET', `/users/${world.room}/events/${id}`)).body.subject).toBe('Choir');
});

test('a mailbox answers to its address in any letter case', async () => {
  await using world = await openTenant();
  expect((await world.ask('GET', `/users/${ROOM.toUpperCase()}/events`)).status).toBe(200);
});

test('/calendar/events is the same calendar', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  expect((await world.ask('GET', `/users/${world.room}/calendar/events/${id}`)).body.id).toBe(id);
});

test('a patch changes what it names and nothing else', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  const { body } = await world.ask('PATCH', `/users/${world.room}/events/${id}`, { showAs: 'free' });
  expect([body.showAs, body.subject]).toEqual(['free', 'Choir']);
});

test('a deleted event is gone, also for a second deletion', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  const path = `/users/${world.room}/events/${id}`;
  expect([
    (await world.ask('DELETE', path)).status,
    (await world.ask('DELETE', path)).body.error.code,
  ]).toEqual([204, 'ErrorItemNotFound']);
});

test('each write bumps the etag', async () => {
  await using world = await openTenant();
  const before = await world.create();
  const { body } = await world.ask('PATCH', `/users/${world.room}/events/${before.id}`, {});
  expect(body['@odata.etag']).not.toBe(before['@odata.etag']);
});

test('a stale If-Match is refused', async () => {
  await using world = await openTenant();
  const { id, '@odata.etag': etag } = await world.create();
  const path = `/users/${world.room}/events/${id}`;
  await world.ask('PATCH', path, { subject: 'Other' });
  const { status, body } = await world.ask('PATCH', path, { subject: 'Third' }, { 'if-match': etag });
  expect([status, body.error.code]).toEqual([412, 'ErrorIrresolvableConflict']);
});

test('an etag can bump later with nothing edited', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ etagBumpAfterMs: 60_000 });
  const { id, changeKey } = await world.create();
  world.tenant.advance(60_000);
  expect((await world.ask('GET', `/users/${world.room}/events/${id}`)).body.changeKey).not.toBe(changeKey);
});

test.for([
  ['an unknown member', { colour: 'red' }, 'RequestBodyRead'],
  ['a read-only member', { isOrganizer: false }, 'ErrorInvalidPropertySet'],
  ['a number for a subject', { subject: 5 }, 'RequestBodyRead'],
  ['a word for a flag', { isAllDay: 'yes' }, 'RequestBodyRead'],
  ['an unknown enum member', { showAs: 'occupied' }, 'RequestBodyRead'],
  ['no start', { start: undefined }, 'ErrorPropertyValidationFailure'],
  ['an end before the start', hours('2026-03-02', 10, 9), 'ErrorCalendarEndDateIsEarlierThanStartDate'],
  ['an undocumented IANA zone', hours('2026-03-02', 9, 10, 'Europe/Oslo'), 'TimeZoneNotSupportedException'],
  ['a made-up zone', hours('2026-03-02', 9, 10, 'Middle Earth Time'), 'TimeZoneNotSupportedException'],
  [
    'a Z in dateTime',
    { start: { dateTime: '2026-03-02T09:00:00Z', timeZone: 'UTC' } },
    'ErrorPropertyValidationFailure',
  ],
  [
    'an offset in dateTime',
    { start: { dateTime: '2026-03-02T09:00:00+01:00', timeZone: 'UTC' } },
    'ErrorPropertyValidationFailure',
  ],
  [
    '30 February',
    { start: { dateTime: '2026-02-30T09:00:00', timeZone: 'UTC' } },
    'ErrorPropertyValidationFailure',
  ],
  [
    'a start without a zone',
    { start: { dateTime: '2026-03-02T09:00:00' } },
    'ErrorPropertyValidationFailure',
  ],
  ['an all-day event off midnight', { isAllDay: true }, 'ErrorInvalidRequest'],
  [
    'an attendee without an address',
    { attendees: [{ emailAddress: { name: 'Anna' } }] },
    'ErrorPropertyValidationFailure',
  ],
  [
    'a property id without its GUID',
    { singleValueExtendedProperties: [{ id: 'String Name X', value: '1' }] },
    'ErrorInvalidRequest',
  ],
  [
    'a property without a value',
    { singleValueExtendedProperties: [{ id: PROPERTY }] },
    'ErrorInvalidRequest',
  ],
] as const)('%s is refused', async ([, fields, code]) => {
  await using world = await openTenant();
  const { status, body } = await world.ask('POST', `/users/${world.room}/events`, event(fields));
  expect([status, body.error.code]).toEqual([400, code]);
});

test.for(['W. Europe Standard Time', 'Europe/Berlin', 'UTC', 'Pacific Standard Time'])(
  'the zone %s is taken',
  async (zone) => {
    await using world = await openTenant();
    expect(
      (await world.ask('POST', `/users/${world.room}/events`, event(hours('2026-03-02', 9, 10, zone))))
        .status,
    ).toBe(201);
  },
);

test('times are answered in UTC with seven digits', async () => {
  await using world = await openTenant();
  const { start } = await world.create(hours('2026-07-02', 9, 10, 'W. Europe Standard Time'));
  expect(start).toEqual({ dateTime: '2026-07-02T07:00:00.0000000', timeZone: 'UTC' });
});

test('times are answered in the zone a Prefer header asks for', async () => {
  await using world = await openTenant();
  const prefer = 'IdType="ImmutableId", outlook.timezone="Pacific Standard Time"';
  const { start } = await world.create(hours('2026-07-02', 17, 18), { prefer });
  expect(start).toEqual({ dateTime: '2026-07-02T10:00:00.0000000', timeZone: 'Pacific Standard Time' });
});

test('an unknown zone in a Prefer header is refused', async () => {
  await using world = await openTenant();
  const { body } = await world.ask('GET', `/users/${world.room}/events`, undefined, {
    prefer: 'outlook.timezone="Nowhere"',
  });
  expect(body.error.code).toBe('TimeZoneNotSupportedException');
});

test('the second pass of a repeated hour can only be written in UTC', async () => {
  await using world = await openTenant();
  const { start } = await world.create({
    start: { dateTime: '2026-10-25T02:30:00', timeZone: 'W. Europe Standard Time' },
    end: { dateTime: '2026-10-25T04:00:00', timeZone: 'W. Europe Standard Time' },
  });
  expect(start.dateTime).toBe('2026-10-25T00:30:00.0000000');
});

test('an all-day event floats: midnight in any zone that is asked for', async () => {
  await using world = await openTenant();
  const zone = 'W. Europe Standard Time';
  const days = {
    isAllDay: true,
    start: { dateTime: '2026-03-02T00:00:00', timeZone: zone },
    end: { dateTime: '2026-03-03T00:00:00', timeZone: zone },
  };
  const { start } = await world.create(days, { prefer: 'outlook.timezone="Tokyo Standard Time"' });
  expect(start).toEqual({ dateTime: '2026-03-02T00:00:00.0000000', timeZone: 'Tokyo Standard Time' });
});

test('a subject is trimmed to one line of 255 characters', async () => {
  await using world = await openTenant();
  const { subject } = await world.create({ subject: `  a\r\nb\u0000${'x'.repeat(300)}` });
  expect(subject).toBe(`a b${'x'.repeat(252)}`);
});

test('a body comes back in an HTML shell', async () => {
  await using world = await openTenant();
  const { body } = await world.create({ body: { contentType: 'html', content: '<p>Hi</p>' } });
  expect(body.content).toMatch(/^<html><head>\r\n<meta [^]*<body>\r\n<p>Hi<\/p>\r\n<\/body><\/html>\r\n$/);
});

test('a body as text has CRLF, a last line break and says that the preference was applied', async () => {
  await using world = await openTenant();
  const { id } = await world.create({ body: { contentType: 'text', content: 'a & b\nc <d>' } });
  const { headers, body } = await world.ask('GET', `/users/${world.room}/events/${id}`, undefined, {
    prefer: 'outlook.body-content-type="text"',
  });
  expect([body.body.content, headers.get('preference-applied')]).toEqual([
    'a & b\r\nc <d>\r\n',
    'outlook.body-content-type="text"',
  ]);
});

test('ids differ without the Prefer header', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  const { body } = await world.ask('GET', `/users/${world.room}/events/${id}`, undefined, { prefer: 'x=1' });
  expect(body.id).not.toBe(id);
});

test('a default id dies when the event moves to another folder, the immutable one does not', async () => {
  await using world = await openTenant();
  const { id, defaultId } = world.tenant.people.book(ROOM, {
    subject: 'A',
    start: '2026-03-02T09:00Z',
    end: '2026-03-02T10:00Z',
  });
  world.tenant.people.moveToFolder(ROOM, id, 'other');
  const read = async (one: string) => (await world.ask('GET', `/users/${world.room}/events/${one}`)).status;
  expect([await read(id), await read(defaultId)]).toEqual([200, 404]);
});

test('ids are case-sensitive', async () => {
  await using world = await openTenant();
  const [one, other] = [await world.create(), await world.create({ subject: 'Other' })];
  expect([one.id.toLowerCase() === other.id.toLowerCase(), one.id === other.id]).toEqual([true, false]);
});

test('a malformed id is not the same as an unknown one', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  await world.ask('DELETE', `/users/${world.room}/events/${id}`);
  const code = async (one: string) =>
    (await world.ask('GET', `/users/${world.room}/events/${one}`)).body.error.code;
  expect([await code('42'), await code(id)]).toEqual(['ErrorInvalidIdMalformed', 'ErrorItemNotFound']);
});

test('the same transactionId with the same body is the same event', async () => {
  await using world = await openTenant();
  const [one, other] = [
    await world.create({ transactionId: 't' }),
    await world.create({ transactionId: 't' }),
  ];
  expect(other.id).toBe(one.id);
});

test('the same transactionId with another body is refused and names the event', async () => {
  await using world = await openTenant();
  const { id } = await world.create({ transactionId: 't' });
  const { error } = await world.create({ transactionId: 't', subject: 'Other' });
  expect([error.code, error['@event.existingEventId']]).toEqual(['ErrorDuplicateTransactionId', id]);
});

test('a transactionId is remembered after the event is gone', async () => {
  await using world = await openTenant();
  const { id } = await world.create({ transactionId: 't' });
  world.tenant.people.remove(ROOM, id);
  expect((await world.create({ transactionId: 't' })).error.code).toBe('ErrorDuplicateTransactionId');
});

test('memory of a deleted transactionId can be switched off', async () => {
  await using world = await openTenant();
  world.tenant.faults.set({ rememberDeletedTransactions: false });
  const { id } = await world.create({ transactionId: 't' });
  world.tenant.people.remove(ROOM, id);
  expect((await world.create({ transactionId: 't' })).subject).toBe('Choir');
});

test('a transactionId cannot be patched', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  expect((await world.ask('PATCH', `/users/${world.room}/events/${id}`, { transactionId: 't' })).status).toBe(
    400,
  );
});

test('extended properties are not echoed', async () => {
  await using world = await openTenant();
  expect(await world.create(marked('12'))).not.toHaveProperty('singleValueExtendedProperties');
});

test('extended properties come when expanded by id', async () => {
  await using world = await openTenant();
  const { id } = await world.create(marked('12'));
  const { body } = await world.ask('GET', `/users/${world.room}/events/${id}?$expand=${EXPAND}`);
  expect(body.singleValueExtendedProperties).toEqual([{ id: PROPERTY, value: '12' }]);
});

test('a patch adds a property and keeps the others', async () => {
  await using world = await openTenant();
  const { id } = await world.create(marked('12'));
  const other = { id: PROPERTY.replace('Id', 'Type'), value: 'event' };
  await world.ask('PATCH', `/users/${world.room}/events/${id}`, { singleValueExtendedProperties: [other] });
  expect(Object.values(world.tenant.eventsIn(ROOM)[0]!.extendedProperties)).toEqual(['12', 'event']);
});

test('a time that the clocks skip moves on by the gap', async () => {
  await using world = await openTenant();
  const { start } = await world.create({
    start: { dateTime: '2026-03-29T02:30:00', timeZone: 'W. Europe Standard Time' },
    end: { dateTime: '2026-03-29T04:00:00', timeZone: 'W. Europe Standard Time' },
  });
  expect(start.dateTime).toBe('2026-03-29T01:30:00.0000000');
});

test('the same seed makes the same ids', async () => {
  await using one = await openTenant({ seed: 7 });
  await using other = await openTenant({ seed: 7 });
  expect(one.tenant.clientId).toBe(other.tenant.clientId);
});

test('a copy carries the extended properties', async () => {
  await using world = await openTenant();
  const { id } = await world.create(marked('12'));
  expect(world.tenant.people.copy(ROOM, id).extendedProperties).toEqual({ [PROPERTY]: '12' });
});

test.for([
  ['an equal value, letter case aside', `ep/id eq '${PROPERTY}' and ep/value eq 'ABC'`, 1],
  ['part of the value', `ep/id eq '${PROPERTY}' and contains(ep/value, 'b')`, 1],
  ['the beginning of the value', `ep/id eq '${PROPERTY}' and startswith(ep/value, 'ab')`, 1],
  ['another value', `ep/id eq '${PROPERTY}' and ep/value eq 'abcd'`, 0],
  [
    'the name in another letter case',
    `ep/id eq '${PROPERTY.replace('Booking', 'booking')}' and ep/value eq 'abc'`,
    0,
  ],
] as const)('events are found by %s of a property', async ([, expression, found]) => {
  await using world = await openTenant();
  await world.create(marked('abc'));
  const query = filtered(`singleValueExtendedProperties/Any(ep: ${expression})`);
  expect((await world.ask('GET', `/users/${world.room}/events?${query}`)).body.value).toHaveLength(found);
});

test.for([
  ['an unknown option', '$frob=1'],
  ['an unknown member in $select', '$select=colour'],
  ['a filter that is no expression', filtered('subject is nice')],
  ['$expand without a filter', '$expand=singleValueExtendedProperties'],
  ['a negative $top', '$top=-1'],
  ['an option given twice', '$top=1&$top=2'],
])('%s is refused', async ([, query]) => {
  await using world = await openTenant();
  expect((await world.ask('GET', `/users/${world.room}/events?${query}`)).status).toBe(400);
});

test.for([
  ['POST', '/singleValueExtendedProperties', 405],
  ['PUT', '', 405],
  ['GET', '/colours', 400],
] as const)('%s …/events/{id}%s is no operation', async ([method, path, status]) => {
  await using world = await openTenant();
  const { id } = await world.create();
  const body = method === 'GET' ? undefined : {};
  expect((await world.ask(method, `/users/${world.room}/events/${id}${path}`, body)).status).toBe(status);
});

test('an unknown mailbox is 404', async () => {
  await using world = await openTenant();
  expect((await world.ask('GET', '/users/nobody@sandbox.example/events')).body.error.code).toBe(
    'ErrorInvalidUser',
  );
});

test('a list pages by ten and its links lead through all of it', async () => {
  await using world = await openTenant();
  for (let day = 10; day < 33; day++) {
    const start = new Date(Date.UTC(2026, 1, 20 + day, 9)).toISOString();
    world.tenant.people.book(ROOM, { subject: `${day}`, start, end: start });
  }
  const sizes: number[] = [];
  for (let link = `/users/${world.room}/calendarView?${MARCH}`; link;) {
    const { body } = await world.ask('GET', link);
    sizes.push(body.value.length);
    link = body['@odata.nextLink'];
  }
  expect(sizes).toEqual([10, 10, 3]);
});

test('a view shows what overlaps its window', async () => {
  await using world = await openTenant();
  await world.create(hours('2026-03-02', 9, 12));
  const view = (from: string, to: string) =>
    world.ask(
      'GET',
      `/users/${world.room}/calendarView?startDateTime=2026-03-02T${from}&endDateTime=2026-03-02T${to}`,
    );
  const found = [await view('08:00', '09:00'), await view('11:00', '13:00'), await view('12:00Z', '13:00Z')];
  expect(found.map(({ body }) => body.value.length)).toEqual([0, 1, 0]);
});

test.for([
  ['without a window', '', 'ErrorInvalidParameter'],
  [
    'of more than 1825 days',
    'startDateTime=2020-01-01T00:00:00Z&endDateTime=2026-01-01T00:00:00Z',
    'ErrorInvalidRequest',
  ],
])('a view %s is refused', async ([, query, code]) => {
  await using world = await openTenant();
  expect((await world.ask('GET', `/users/${world.room}/calendarView?${query}`)).body.error.code).toBe(code);
});

test('a body that is no JSON is refused', async () => {
  await using world = await openTenant();
  expect((await world.ask('POST', `/users/${world.room}/events`, '{"subject"')).status).toBe(400);
});

test('a body above 4 MB is refused', async () => {
  await using world = await openTenant();
  const body = { contentType: 'text', content: 'x'.repeat(5_000_000) };
  expect((await world.ask('POST', `/users/${world.room}/events`, event({ body }))).status).toBe(413);
});
