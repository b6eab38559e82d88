/** Why nothing happens to an item: what its event has to show, or what a person has to do, before it is followed. Pure. */
import type { OutlookEvent, Shown } from '../../event.ts';
import type { Item } from '../../item.ts';

/**
 * What an item waits for, which no retry can bring about. answer: the room has not answered the invitation, or not since its last
 * change; free: an unmapped event is shown as free; import: its import has to be requested.
 */
export type WaitsFor = 'answer' | 'free' | 'import';

/** The hints of items that wait. */
export const waitHints: Readonly<Record<WaitsFor, string>> = {
  answer: 'The room has not answered this invitation: it is followed once the room, or its delegate, does.',
  free: 'It is shown as free in Outlook: show it as busy there, or set FREE_EVENTS, to have it imported.',
  import: 'IMPORT_MODE is manual: POST /booking/process-imports imports it.',
};

/** The hint of an event that cannot be read. */
export const unreadableEventHint = 'Open the event in Outlook, correct its times and save it.';

/** The hint of a meeting from Outlook whose reservation waits for approval. */
export const awaitingHint =
  'It waits for approval in the booking system: until then its meeting is neither declined nor written.';

/** The fields of an item that waits; null: it does not wait. */
export const waitFields = (waitsFor: WaitsFor | null) => ({
  waitsFor,
  hint: waitsFor === null ? null : waitHints[waitsFor],
});

/** What an event waits for by what it shows; null: nothing. */
export const waitOf = (shows: Shown): Exclude<WaitsFor, 'import'> | null =>
  shows.is === 'undecided' ? 'answer' : shows.is === 'free' ? 'free' : null;

/** What an unmapped event waits for without being read; a free one may be ours, which only its extended properties show. */
export function waitUnread(
  { shows, properties, isOrganizer }: Pick<OutlookEvent, 'shows' | 'properties' | 'isOrganizer'>,
  propertiesRead: boolean,
): WaitsFor | null {
  const wait = waitOf(shows);
  const mayBeOurs = !propertiesRead || (properties !== null && isOrganizer);
  return wait === 'free' && mayBeOurs ? null : wait;
}

/** Whether the event still shows what its item waits to change. */
export const stillWaits = (
  { waitsFor, status }: { readonly waitsFor: WaitsFor | null; readonly status: string },
  shows: Shown,
): boolean =>
  (waitsFor === 'import' ? shows.is === 'occupied' : waitsFor !== null && waitOf(shows) === waitsFor) ||
  (status === 'error' && shows.is === 'unreadable');

/** What the event of an item showed when it began to wait. */
export function shownWaiting(waitsFor: WaitsFor | null, item: Item): Exclude<Shown, { is: 'absent' }> {
  if (waitsFor === 'answer') return { is: 'undecided', item };
  return waitsFor === 'free' ? { is: 'free', item } : { is: 'occupied', item };
}
