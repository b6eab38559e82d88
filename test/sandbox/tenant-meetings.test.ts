import { expect, test } from 'vitest';
import { event, openTenant, ROOM, type TenantWorld } from './tenant-client.ts';

const ANNA = 'anna@sandbox.example';
const meeting = {
  subject: 'Budget',
  start: '2026-03-02T09:00Z',
  end: '2026-03-02T10:00Z',
  text: 'Secret',
  sensitivity: 'private',
};
const invite = (world: TenantWorld) => world.tenant.people.invite(ANNA, [ROOM], meeting);
const copy = (world: TenantWorld) => world.tenant.eventsIn(ROOM)[0]!;

test('an invitation is tentative and unchanged at first', async () => {
  await using world = await openTenant();
  invite(world);
  expect(copy(world)).toMatchObject({
    subject: 'Budget',
    showAs: 'tentative',
    response: 'notResponded',
    isOrganizer: false,
  });
});

test('seconds later the room accepts and rewrites it', async () => {
  await using world = await openTenant();
  invite(world);
  world.tenant.advance(1_500);
  expect(copy(world)).toMatchObject({
    subject: 'Anna Berg',
    bodyHtml: '',
    sensitivity: 'normal',
    showAs: 'busy',
    response: 'accepted',
  });
});

test('the copy has the same iCalUId and another id', async () => {
  await using world = await openTenant();
  const { id, iCalUId } = invite(world);
  expect([copy(world).iCalUId === iCalUId, copy(world).id === id]).toEqual([true, false]);
});

test('the organizer sees the answer of the room', async () => {
  await using world = await openTenant();
  invite(world);
  world.tenant.advance(1_500);
  expect(world.tenant.eventsIn(ANNA)[0]?.attendees[0]?.response).toBe('accepted');
});

test('a conflicting invitation is declined and goes', async () => {
  await using world = await openTenant();
  await world.create();
  invite(world);
  world.tenant.advance(1_500);
  expect([
    world.tenant.eventsIn(ROOM).length,
    world.tenant.eventsIn(ANNA)[0]?.attendees[0]?.response,
  ]).toEqual([1, 'declined']);
});

test('a declined invitation can stay as free', async () => {
  await using world = await openTenant();
  world.tenant.setAttendant(ROOM, { keepDeclined: true });
  await world.create();
  invite(world);
  world.tenant.advance(1_500);
  expect(world.tenant.eventsIn(ROOM).find((one) => !one.isOrganizer)).toMatchObject({ showAs: 'free' });
});

test('a room without an attendant leaves requests tentative', async () => {
  await using world = await openTenant();
  world.tenant.setAttendant(ROOM, { mode: 'none' });
  invite(world);
  world.tenant.advance(10_000);
  expect(copy(world).showAs).toBe('tentative');
});

test('what is written straight into the room is not rewritten', async () => {
  await using world = await openTenant();
  await world.create();
  world.tenant.advance(10_000);
  expect(copy(world)).toMatchObject({ subject: 'Choir', isOrganizer: true, response: 'organizer' });
});

test('direct writes may overlap', async () => {
  await using world = await openTenant();
  await world.create();
  await world.create({ subject: 'Other' });
  expect(world.tenant.eventsIn(ROOM)).toHaveLength(2);
});

test('a cancelled meeting stays in the room as cancelled', async () => {
  await using world = await openTenant();
  const { id } = invite(world);
  world.tenant.people.cancel(ANNA, id);
  expect(copy(world)).toMatchObject({ isCancelled: true, subject: 'Canceled: Budget', showAs: 'free' });
});

test('a cancelled meeting can go from the room', async () => {
  await using world = await openTenant();
  world.tenant.setAttendant(ROOM, { removeCancelled: true });
  const { id } = invite(world);
  world.tenant.people.cancel(ANNA, id);
  expect(world.tenant.eventsIn(ROOM)).toEqual([]);
});

test('a moved meeting moves in the room under the same id, tentative again', async () => {
  await using world = await openTenant();
  const { id } = invite(world);
  world.tenant.advance(1_500);
  const before = copy(world);
  world.tenant.people.move(ANNA, id, { start: '2026-03-03T09:00Z', end: '2026-03-03T10:00Z' });
  expect([copy(world).id === before.id, copy(world).start.slice(0, 10), copy(world).showAs]).toEqual([
    true,
    '2026-03-03',
    'tentative',
  ]);
});

test('a change in the room alone is overwritten by the next update', async () => {
  await using world = await openTenant();
  const { id } = invite(world);
  await world.ask('PATCH', `/users/${ROOM}/events/${copy(world).id}`, { subject: 'Mine' });
  world.tenant.people.retitle(ANNA, id, 'Budget II');
  expect(copy(world).subject).toBe('Budget II');
});

test('an event without attendees sends no mail', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  await world.ask('PATCH', `/users/${ROOM}/events/${id}`, { subject: 'Other' });
  await world.ask('DELETE', `/users/${ROOM}/events/${id}`);
  expect(world.tenant.mails).toEqual([]);
});

test('an event with attendees mails them at every step', async () => {
  await using world = await openTenant();
  const attendees = [{ emailAddress: { address: 'guest@elsewhere.example' } }];
  const { id } = await world.create({ attendees });
  await world.ask('PATCH', `/users/${ROOM}/events/${id}`, { subject: 'Other' });
  await world.ask('DELETE', `/users/${ROOM}/events/${id}`);
  expect(world.tenant.mails.map(({ kind }) => kind)).toEqual(['invitation', 'update', 'cancellation']);
});

test('deleting the copy of a meeting sends no mail', async () => {
  await using world = await openTenant();
  invite(world);
  await world.ask('DELETE', `/users/${ROOM}/events/${copy(world).id}`);
  expect(world.tenant.mails.map(({ kind }) => kind)).toEqual(['invitation']);
});

test('declining tells the organizer and takes the copy away', async () => {
  await using world = await openTenant();
  invite(world);
  const { status } = await world.ask('POST', `/users/${ROOM}/events/${copy(world).id}/decline`, {
    comment: 'No',
    sendResponse: true,
  });
  expect([status, world.tenant.eventsIn(ROOM).length, world.tenant.mails.at(-1)?.kind]).toEqual([
    202,
    0,
    'response',
  ]);
});

test('declining in silence sends no mail', async () => {
  await using world = await openTenant();
  invite(world);
  await world.ask('POST', `/users/${ROOM}/events/${copy(world).id}/decline`, { sendResponse: false });
  expect(world.tenant.mails).toHaveLength(1);
});

test('an own event cannot be declined', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  const { body } = await world.ask('POST', `/users/${ROOM}/events/${id}/decline`, {});
  expect(body.error.code).toBe('ErrorInvalidRequest');
});

test('only the organizer cancels', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  invite(world);
  const foreign = world.tenant.eventsIn(ROOM).find((one) => !one.isOrganizer)!;
  const cancel = async (one: string) =>
    (await world.ask('POST', `/users/${ROOM}/events/${one}/cancel`, { comment: 'x' })).status;
  expect([await cancel(id), await cancel(foreign.id)]).toEqual([202, 400]);
});

test('an unknown parameter of an action is refused', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  expect((await world.ask('POST', `/users/${ROOM}/events/${id}/cancel`, { reason: 'x' })).status).toBe(400);
});

test('a meeting with several rooms is one meeting in each', async () => {
  await using world = await openTenant();
  const attic = 'attic@sandbox.example';
  world.tenant.addRoom({ upn: attic, name: 'Attic' });
  world.tenant.people.invite(ANNA, [ROOM, attic], meeting);
  expect(world.tenant.eventsIn(attic)[0]?.iCalUId).toBe(copy(world).iCalUId);
});

test('attendees over HTTP get their copies too', async () => {
  await using world = await openTenant();
  await world.ask(
    'POST',
    `/users/${ANNA}/events`,
    event({ attendees: [{ type: 'resource', emailAddress: { address: ROOM } }] }),
  );
  expect(copy(world).organizer.address).toBe(ANNA);
});

const weekly = {
  ...meeting,
  pattern: { type: 'daily', interval: 7 },
  range: { type: 'numbered', numberOfOccurrences: 3 },
};
const shownIn = (world: TenantWorld) =>
  world.tenant
    .calendarOf(ROOM, '2026-03-01T00:00Z', '2026-04-01T00:00Z')
    .map(({ start, showAs, response }) => [start.slice(8, 13), showAs, response].join(' '));

test('one instance that the organizer moves is undecided until the room answers it again', async () => {
  await using world = await openTenant();
  const { id } = world.tenant.people.invite(ANNA, [ROOM], weekly);
  world.tenant.advance(1_500);
  world.tenant.people.moveOccurrence(ANNA, id, '2026-03-09', {
    start: '2026-03-10T12:00Z',
    end: '2026-03-10T13:00Z',
  });
  const moved = (state: string) => ['02T09 busy accepted', `10T12 ${state}`, '16T09 busy accepted'];
  expect(shownIn(world)).toEqual(moved('tentative notResponded'));
  world.tenant.advance(1_500);
  expect(shownIn(world)).toEqual(moved('busy accepted'));
});

test('one instance that the organizer deletes is called off in the room', async () => {
  await using world = await openTenant();
  const { id } = world.tenant.people.invite(ANNA, [ROOM], weekly);
  world.tenant.advance(1_500);
  world.tenant.people.deleteOccurrence(ANNA, id, '2026-03-09');
  expect(shownIn(world)).toEqual(['02T09 busy accepted', '09T09 free accepted', '16T09 busy accepted']);
});

test('a mailbox made anew has another object id, no items, and refuses the ids of the old one', async () => {
  await using world = await openTenant();
  const { id } = await world.create();
  const renewed = world.tenant.renewMailbox(ROOM);
  const ask = (room: string) => world.ask('GET', `/users/${room}/events/${id}`);
  const codes = [await ask(world.room), await ask(renewed)].map(({ body }) => body.error.code as string);
  world.tenant.faults.set({ foreignIdStatus: 400 });
  codes.push((await ask(renewed)).body.error.code as string);
  expect(codes).toEqual(['ErrorInvalidUser', 'ErrorItemNotFound', 'ErrorInvalidMailboxItemId']);
  expect(world.tenant.eventsIn(ROOM)).toEqual([]);
});
