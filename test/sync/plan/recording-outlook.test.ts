/** What a plan takes Outlook to show after a write of its own. */
import { expect, test } from 'vitest';
import type { BookedItem } from '../../../src/appearance.ts';
import type { OutlookEvent, Write } from '../../../src/event.ts';
import type { Item } from '../../../src/item.ts';
import { createPreparedReads } from '../../../src/sync/plan/prepared-reads.ts';
import { createRecordingOutlook } from '../../../src/sync/plan/recording-outlook.ts';
import { createOutlookInMemory } from '../outlook-in-memory.ts';
import { at } from '../../support/dates.ts';

const signal = new AbortController().signal;
const room = { mailbox: 'hall@example.org' };
const choir: Item = {
  startsAt: at(3, '10:00'),
  endsAt: at(3, '12:00'),
  allDay: false,
  title: 'Choir',
  description: '',
  isPrivate: false,
};
const held: BookedItem = { ...choir, as: { tentative: true } };

/** What the event shows, read again, after it was written so; `before`: without, it is created. */
async function shownAfter(write: (eventId: string) => Write, before?: OutlookEvent['shows']) {
  const outlook = createOutlookInMemory();
  const { id } = outlook.put(room.mailbox, choir, null);
  if (before !== undefined) outlook.alter(id, { shows: before });
  const reads = createPreparedReads(outlook.side);
  await reads.prepare([() => reads.event(room, id)], signal);
  const planned = createRecordingOutlook(reads, new Map());
  const [answer] = await planned.write(room, [write(id)], signal);
  if (answer?.outcome !== 'written' || answer.event === null) throw new Error('it was not written');
  return (await planned.read(room, answer.event.id, signal))?.shows;
}

const change =
  (part: Partial<Extract<Write, { do: 'change' }>>) =>
  (eventId: string): Write => ({ do: 'change', eventId, change: {}, whole: choir, ...part });

const tentative = { is: 'occupied', item: choir, tentative: true } as const;
const busy = { is: 'occupied', item: choir } as const;

test('a create of what is tentative is shown as tentative', async () => {
  const properties = { type: 'event', id: 1 };
  expect(
    await shownAfter(() => ({ do: 'create', item: held, properties, transactionId: 'key' })),
  ).toMatchObject({ is: 'occupied', tentative: true });
});

test('a change of other fields leaves a tentative event tentative', async () => {
  const title = 'Choir practice';
  expect(await shownAfter(change({ change: { title } }), tentative)).toEqual({
    ...tentative,
    item: { ...choir, title },
  });
});

test('a change of showAs shows what the reservation is', async () => {
  expect(await shownAfter(change({ showAs: true }), tentative)).toEqual(busy);
  expect(await shownAfter(change({ showAs: true, whole: held }), busy)).toEqual(tentative);
});
