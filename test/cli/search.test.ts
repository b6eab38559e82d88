import { expect, test } from 'vitest';
import { createDesk } from '../../src/sandbox/desk.ts';
import { openOffice } from './command-line.ts';
import { day } from '../support/dates.ts';

test('a reservation is found as people type it, for people and for scripts', async () => {
  await using office = await openOffice();
  await office.map(101);
  const { id } = await createDesk(office.db.pool).book(101, {
    title: 'Korprøve',
    from: day(2, '18:00'),
    to: day(2, '20:00'),
  });
  await office.db.query('SELECT bridge_fold(7, 365, 500)');
  const said = await office.run('search', 'korprove', day(2, '').trim());
  expect(said.code).toBe(0);
  expect(said.out).toContain(`event/${id}`);
  expect(said.out).toContain(`${day(2, '18:00')}  ${day(2, '20:00')}  Formannskapssalen  pending  Korprøve`);
  expect(said.out).toContain(`explain event/${id}`);
  expect((await office.run('search', `event/${id}`, '--json')).json()).toMatchObject({
    success: true,
    count: 1,
    results: [{ reservation_id: id, room: 'Formannskapssalen' }],
  });
  expect((await office.run('search', 'zoologi')).out).toContain('Nothing found');
});

test.each([
  [['2026-02-31'], 'is no date'],
  [['?'], 'nothing to search for'],
  [['choir', '--limit', 'many'], '--limit'],
])('search %s is an error that says what is wrong', async (words, problem) => {
  await using office = await openOffice();
  const said = await office.run('search', ...words);
  expect(said.code).toBe(64);
  expect(said.err).toContain(problem);
});
