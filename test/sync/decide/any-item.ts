/** Items for property tests: few values, so that sides often meet, and only times that make sense on their own. */
import fc from 'fast-check';
import type { Item } from '../../../src/item.ts';

/** Local midnights of winter in Oslo. */
const midnights = ['2026-11-30T23:00:00Z', '2026-12-01T23:00:00Z', '2026-12-02T23:00:00Z'];
const hours = ['08', '10', '12', '14'].map((hour) => `2026-12-01T${hour}:00:00Z`);

const span = (moments: readonly string[], allDay: boolean) =>
  fc
    .uniqueArray(fc.constantFrom(...moments), { minLength: 2, maxLength: 2 })
    .map((two) => [...two].sort())
    .map(([startsAt, endsAt]) => ({ startsAt: startsAt!, endsAt: endsAt!, allDay }));

export const anyItem: fc.Arbitrary<Item> = fc
  .tuple(
    fc.oneof({ arbitrary: span(hours, false), weight: 3 }, span(midnights, true)),
    fc.constantFrom('Choir', 'Brass band', 'Orchestra'),
    fc.constantFrom('', 'Bring chairs'),
    fc.boolean(),
  )
  .map(([times, title, description, isPrivate]) => ({ ...times, title, description, isPrivate }));

/** Whether it ends after it starts, and a whole day lies between midnights. */
export const isTime = ({ startsAt, endsAt, allDay }: Item): boolean =>
  startsAt < endsAt && (!allDay || [startsAt, endsAt].every((at) => midnights.includes(at)));
