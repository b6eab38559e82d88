import type { StoredEvent } from './event-model.ts';
import { viewBareOccurrence, viewEvent } from './event-view.ts';
import type { Switches } from './faults.ts';
import { WHOLE } from './ids.ts';
import { idOf, type Mailbox } from './mailbox.ts';
import type { Preferences } from './preferences.ts';
import { instancesBetween, originalStartAt, overlaps } from './series.ts';

/** One changed item of a round: a single event or a whole series. */
export interface Unit {
  readonly stem: string;
  /** All that happened is that occurrences were taken out. */
  readonly onlyDeletedOccurrences: boolean;
}

interface Window {
  readonly from: number;
  readonly to: number;
}

/**
 * The rows of a changed item, in its state of now. Gone items and items outside the window are the
 * same: `@removed` (Microsoft: event-delta; msgraph docs#6599). A deleted occurrence has no row at all.
 */
export function deltaRows(
  mailbox: Mailbox,
  unit: Unit,
  window: Window,
  prefer: Preferences,
  switches: Switches,
): object[] {
  const event = mailbox.store.byStem(unit.stem);
  if (!event) {
    const gone = mailbox.store.deletedByStem(unit.stem);
    return gone ? namesOf(gone, window).map((one) => removedRow(one, prefer)) : [];
  }
  if (switches.deltaLies === 'removed') return namesOf(event, window).map((one) => removedRow(one, prefer));
  if (!event.inCalendar) return [removedRow(event, prefer)];
  if (!event.series)
    return [overlaps(event, window.from, window.to) ? fullRow(event, prefer) : removedRow(event, prefer)];
  if (unit.onlyDeletedOccurrences && switches.deltaSilentOccurrences) return [];
  return seriesRows(event, window, prefer, switches);
}

/** The master in full, with the times of its first occurrence; occurrences bare; exceptions in full. */
function seriesRows(
  master: StoredEvent,
  { from, to }: Window,
  prefer: Preferences,
  switches: Switches,
): object[] {
  const instances = instancesBetween(master, from, to);
  const rows: object[] = instances.map((instance) =>
    instance.type === 'occurrence'
      ? viewBareOccurrence(instance, prefer)
      : fullRow(instance, prefer, originalStartAt(master, instance.slot)),
  );
  for (const exception of master.series?.exceptions.values() ?? []) {
    if (!overlaps(exception, from, to)) rows.push(removedRow(exception, prefer));
  }
  if (instances.length === 0) return [removedRow(master, prefer), ...rows];
  return switches.deltaOmitsMasters ? rows : [fullRow(master, prefer), ...rows];
}

/** An item and, for a series, its instances in the window. */
const namesOf = (event: StoredEvent, { from, to }: Window) => [event, ...instancesBetween(event, from, to)];

const fullRow = (event: StoredEvent, prefer: Preferences, originalAt?: number) => ({
  '@odata.type': '#microsoft.graph.event',
  ...viewEvent(event, prefer, { originalStartAt: originalAt }),
});

const removedRow = (event: StoredEvent, prefer: Preferences) => ({
  '@odata.type': '#microsoft.graph.event',
  id: idOf(event, prefer.immutable, event.slot || WHOLE),
  '@removed': { reason: 'deleted' },
});
