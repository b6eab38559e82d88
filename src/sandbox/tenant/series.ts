import { GraphError } from './graph-error.ts';
import { WHOLE } from './ids.ts';
import type { EventFields, Series, StoredEvent } from './event-model.ts';
import { timesOf, type MailboxStore } from './mailbox.ts';
import { dayOfSlot, slotOf } from './recurrence.ts';
import { DAY_MS } from './zones.ts';

/** Whether an event occupies part of [from, to). One without length does when it begins there. */
export const overlaps = ({ startAt, endAt }: StoredEvent, from: number, to: number) =>
  startAt < to && (endAt > from || (endAt === startAt && startAt >= from));

/** The instances of a series that overlap [from, to), by start, as calendarView and /instances show them. */
export function instancesBetween(master: StoredEvent, from: number, to: number): StoredEvent[] {
  const { series } = master;
  if (!series) return [];
  const found = [...series.exceptions.values()].filter((exception) => overlaps(exception, from, to));
  const lengthMs = Math.max(0, master.endAt - master.startAt);
  // Two days wider than the window, because slots are local days.
  const first = Math.floor((from - lengthMs) / DAY_MS) - 2;
  const days = series.slots.upTo(Math.floor(to / DAY_MS) + 2);
  for (let index = firstAtOrAfter(days, first); index < days.length; index++) {
    const day = days[index]!;
    if (day * DAY_MS > to + 2 * DAY_MS) break;
    const slot = slotOf(day);
    if (series.cancelled.has(slot) || series.exceptions.has(slot)) continue;
    const occurrence = occurrenceOn(master, day);
    if (overlaps(occurrence, from, to)) found.push(occurrence);
  }
  return found.sort((a, b) => a.startAt - b.startAt);
}

/** The instance an id's slot names; undefined when the pattern has no such day or it was taken out. */
export function instanceAt(master: StoredEvent, slot: string): StoredEvent | undefined {
  const { series } = master;
  if (!series || slot === WHOLE || series.cancelled.has(slot)) return undefined;
  const exception = series.exceptions.get(slot);
  if (exception) return exception;
  const day = dayOfSlot(slot);
  const days = series.slots.upTo(day);
  return days[firstAtOrAfter(days, day)] === day ? occurrenceOn(master, day) : undefined;
}

/** When the pattern wanted the instance to begin. */
export const originalStartAt = (master: StoredEvent, slot: string) =>
  occurrenceOn(master, dayOfSlot(slot)).startAt;

/** Turns one instance into an exception with those fields, or changes the exception it is. */
export function changeInstance(
  store: MailboxStore,
  master: StoredEvent,
  instance: StoredEvent,
  to: Partial<EventFields & Pick<StoredEvent, 'odd' | 'response' | 'isCancelled'>>,
): StoredEvent {
  const merged = { ...instance, ...to };
  const moved: StoredEvent = { ...merged, ...timesOf(merged), type: 'exception' };
  if (to.start || to.end) refuseCrossing(master, moved);
  const place = (exception: StoredEvent): Partial<StoredEvent> => ({
    series: {
      ...seriesOf(master),
      exceptions: new Map(seriesOf(master).exceptions).set(instance.slot, exception),
    },
  });
  const next = store.change(master, place(moved));
  const stamped = { ...moved, changeKey: next.changeKey, modifiedAt: next.modifiedAt };
  (next.series?.exceptions as Map<string, StoredEvent>).set(instance.slot, stamped);
  return stamped;
}

/** Takes one instance out of the series. */
export function deleteInstance(store: MailboxStore, master: StoredEvent, instance: StoredEvent): void {
  const series = seriesOf(master);
  const exceptions = new Map(series.exceptions);
  exceptions.delete(instance.slot);
  const cancelled = new Set(series.cancelled).add(instance.slot);
  store.change(master, { series: { ...series, exceptions, cancelled } }, true);
}

function seriesOf(master: StoredEvent): Series {
  if (!master.series) throw new Error(`event ${master.stem} is no series master`);
  return master.series;
}

function occurrenceOn(master: StoredEvent, day: number): StoredEvent {
  const by = day * DAY_MS - Math.floor(master.start.local / DAY_MS) * DAY_MS;
  const start = { local: master.start.local + by, zone: master.start.zone };
  const end = { local: master.end.local + by, zone: master.end.zone };
  const times = timesOf({ start, end, isAllDay: master.isAllDay });
  const slot = slotOf(day);
  return { ...master, ...times, start, end, slot, type: 'occurrence', recurrence: null, series: null };
}

/** An instance may not move onto or over the day of its neighbour (Microsoft: event-update). */
function refuseCrossing(master: StoredEvent, moved: StoredEvent): void {
  const day = dayOfSlot(moved.slot);
  const movedDay = Math.floor(moved.start.local / DAY_MS);
  if (movedDay === day) return;
  const days = seriesOf(master).slots.upTo(day + 400);
  const at = firstAtOrAfter(days, day);
  const [before, after] = [days[at - 1] ?? -Infinity, days[at + 1] ?? Infinity];
  if (movedDay > before && movedDay < after) return;
  throw new GraphError(
    400,
    'ErrorOccurrenceCrossingBoundary',
    'Modified occurrence is crossing or overlapping adjacent occurrence.',
  );
}

function firstAtOrAfter(days: readonly number[], day: number): number {
  let [low, high] = [0, days.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (days[middle]! < day) low = middle + 1;
    else high = middle;
  }
  return low;
}
