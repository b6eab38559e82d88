/** An import is undone: the event from Outlook stays as it is, and nothing of ours remains beside it. */
import { expect, test } from 'vitest';
import { createUndo } from '../../../src/sync/manual/undo.ts';
import {
  both,
  conflicts,
  heard,
  invited,
  isActive,
  open,
  other,
  room,
  type Rooms,
} from '../two-way-world.ts';

const undoImports = (w: Rooms) =>
  createUndo(w.db.pool).apply({ since: new Date(0), resourceId: null, what: ['imported'] }, 'a test');

test('an event that we created for its reservation in another room is deleted', async () => {
  await using w = await open({}, both);
  const { event, reservation } = await invited(w);
  await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [
    reservation.id,
  ]);
  await w.settle();
  expect(w.outlook.titles(other)).toEqual(['Dinner']);
  expect(await undoImports(w)).toMatchObject([{ step: 'take-back', refused: null }]);
  await heard(w, 101, 102);
  expect(await isActive(w)).toEqual([false]);
  expect(w.outlook.in(room)).toMatchObject([{ id: event.id }]);
  expect(w.outlook.titles(other)).toEqual([]);
  expect(w.outlook.answers).toEqual([]);
});

test('one whose reservation was moved away from its meeting is refused, and the meeting is not declined', async () => {
  await using w = await open();
  const { event, reservation } = await invited(w);
  await w.desk.move(reservation, w.day(5, '10:00'), w.day(5, '11:00'));
  await heard(w);
  expect(await undoImports(w)).toMatchObject([
    { refused: expect.stringMatching(/^it changed since: created/) },
  ]);
  await w.db.query('UPDATE bridge_room_state SET reconciled_at = NULL, push_due_at = now()');
  await heard(w);
  expect(await isActive(w)).toEqual([true]);
  expect(w.outlook.in(room)).toMatchObject([{ id: event.id }, { isOrganizer: true }]);
  expect(w.outlook.answers).toEqual([]);
  expect(await conflicts(w)).toMatchObject([{ kind: 'moved' }]);
});

test('a meeting that replaced the event of ours in another room is kept, too', async () => {
  await using w = await open({}, both);
  const { event, reservation } = await invited(w);
  await w.db.query('INSERT INTO bb_event_resource (event_id, resource_id) VALUES ($1, 102)', [
    reservation.id,
  ]);
  await w.settle();
  const second = w.outlook.invite(other, event.item!, { iCalUId: event.iCalUId });
  await heard(w, 102);
  expect(w.outlook.in(other)).toMatchObject([{ id: second.id }]);
  expect(await undoImports(w)).toMatchObject([{ step: 'take-back', refused: null }]);
  await heard(w, 101, 102);
  expect(await isActive(w)).toEqual([false]);
  expect(w.outlook.answers).toEqual([]);
  expect(w.outlook.in(other)).toMatchObject([{ id: second.id }]);
});
