import { expect, test } from 'vitest';
import { keyId } from '../../../src/keys.ts';
import { addDays, isDate } from '../../../src/sync/report/search-dates.ts';
import { understand } from '../../../src/sync/report/search-query.ts';
import { folded, matchWord } from '../../../src/sync/report/search-words.ts';

// a Wednesday
const today = '2026-05-13';
const types = ['event', 'booking', 'allocation'];
const uuid = '0b0e7b3c-54de-4b2f-9df1-6c1f3c2a1d00';
const read = (query: string) => understand(query, today, types);
const dayOf = (query: string) => {
  const { days, words } = read(query);
  return [days?.from ?? null, days?.to ?? null, words.join(' ')];
};

test.each([
  ['Korprøve on Thursday', '2026-05-14', 'korprove'],
  ['korprøve på torsdag', '2026-05-14', 'korprove'],
  ['Korprøve torsdag', '2026-05-14', 'korprove'],
  ['choir wednesday', '2026-05-13', 'choir'],
  ['choir next wednesday', '2026-05-20', 'choir'],
  ['choir last wednesday', '2026-05-06', 'choir'],
  ['choir on thursdya', '2026-05-14', 'choir'],
  ['choir on thu', '2026-05-14', 'choir'],
  ['lørdag', '2026-05-16', ''],
  ['today', '2026-05-13', ''],
  ['i morgen', '2026-05-14', ''],
  ['Møte i går', '2026-05-12', 'mote'],
  ['2026-12-03', '2026-12-03', ''],
  ['17.5.2026 tog', '2026-05-17', 'tog'],
  ['tog 17.5.', '2026-05-17', 'tog'],
  ['tog 17/5', '2026-05-17', 'tog'],
  ['17. mai', '2026-05-17', ''],
  ['May 17th, 2027', '2027-05-17', ''],
  ['on Monday 3 August', '2026-08-03', ''],
  ['3 January', '2027-01-03', ''],
  ['30. april', '2026-04-30', ''],
])('%s is %s, and %s is searched for', (query, date, words) => {
  expect(dayOf(query)).toEqual([date, date, words]);
});

test.each([
  ['this week', '2026-05-11', '2026-05-17'],
  ['neste uke', '2026-05-18', '2026-05-24'],
  ['budsjett uke 21', '2026-05-18', '2026-05-24'],
  ['in June', '2026-06-01', '2026-06-30'],
  ['i februar 2028', '2028-02-01', '2028-02-29'],
])('%s is from %s to %s', (query, from, to) => {
  expect(dayOf(query).slice(0, 2)).toEqual([from, to]);
});

test.each(['Møte i Mandal', 'Gave for Tor', 'Sal 3', 'May', 'Sun', 'Rom 1.50', 'Man og mus'])(
  '%s has no date in it',
  (query) => {
    expect(read(query).days).toBeNull();
  },
);

test.each(['2026-02-31', '31.4.2026', 'choir 2026-13-01'])('%s is refused: there is no such day', (query) => {
  expect(() => read(query)).toThrow(/^q: '.*' is no date/);
});

test.each(['', '   ', '?!', '/'])('"%s" is refused: there is nothing to search for', (query) => {
  expect(() => read(query)).toThrow('nothing to search for');
});

test.each([
  ['event/123', { type: 'event', id: 123 }],
  ['Event 123', { type: 'event', id: 123 }],
  ['allocation #7', { type: 'allocation', id: 7 }],
  ['#123', { type: null, id: 123 }],
  ['123', { type: null, id: 123 }],
  ['room 101', null],
  ['3/12', null],
])('%s is the reservation %o', (query, reservation) => {
  expect(read(query).reservation).toEqual(reservation);
});

test.each([
  [uuid.toUpperCase(), uuid],
  [`booking/${uuid.toUpperCase()}`, uuid],
  ['booking/A-101', 'A-101'],
])('%s is the reservation with the key %s', (query, key) => {
  expect(understand(query, today, ['booking'], true).reservation).toEqual({
    type: 'booking',
    id: keyId('booking', key),
  });
});

test('an id of Outlook is found in the address of its event, escaped or not', () => {
  const id = `AAMkAGI2${'Ab9_-'.repeat(20)}AAA=`;
  for (const query of [
    id,
    `https://outlook.office365.com/owa/?itemid=${encodeURIComponent(id)}&exvsurl=1&path=/calendar/item`,
    `https://outlook.office.com/calendar/item/${encodeURIComponent(id)}`,
  ])
    expect(read(query)).toMatchObject({ outlookId: id, words: [] });
});

test.each([
  ['korprove', 'Korprøve'],
  ['KORPRØVE', 'Korprøve'],
  ['korpröve', 'Korprøve'],
  ['arsmote', 'Årsmøte'],
  ['fløyen', 'Møterom Fløyen'],
  ['korpørve', 'Korprøve'],
  ['budsjet', 'Budsjett'],
  ['bugdet', 'Budget review'],
  ['rehersal', 'Choir rehearsal'],
  ['budsjt', 'Budsjettmøte'],
  ['møte', 'Budsjettmøte'],
  ['会議', '予算会議室'],
])('%s matches %s', (word, text) => {
  expect(matchWord(folded(word).words[0]!, folded(text))).toBeGreaterThan(0);
});

test.each([
  ['101', 'Room 102'],
  ['kor', 'Bok'],
  ['budsjett', 'Korprøve'],
  ['tor', 'Per Olsen'],
])('%s does not match %s', (word, text) => {
  expect(matchWord(folded(word).words[0]!, folded(text))).toBe(0);
});

test('every day of four years is a date, and reads as itself', () => {
  for (let date = '2026-01-01'; date < '2030-01-01'; date = addDays(date, 1)) {
    expect(isDate(date)).toBe(true);
    expect(read(date).days?.from).toBe(date);
  }
});
