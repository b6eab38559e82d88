import type { Mail, TenantCore } from './core.ts';
import type { EventContent, StoredEvent } from './event-model.ts';
import { WHOLE } from './ids.ts';
import type { Mailbox } from './mailbox.ts';
import { changeInstance, deleteInstance, instanceAt, instancesBetween, overlaps } from './series.ts';
import { DAY_MS } from './zones.ts';

/** Maximum number of stored mails; the oldest are dropped. */
const MOST_MAILS = 10_000;
/** Microsoft: Set-CalendarProcessing, BookingWindowInDays, the default. */
const BOOKING_WINDOW_DAYS = 180;

function send(core: TenantCore, mail: Omit<Mail, 'at'>): void {
  if (mail.to.length === 0) return;
  core.mails.push({ at: core.clock.now(), ...mail });
  if (core.mails.length > MOST_MAILS) core.mails.shift();
}

const addressesOf = (event: StoredEvent) => event.attendees.map(({ address }) => address);

/** Attendees present means mail, always (Microsoft: user-post-events). Attendees of this tenant get a copy. */
export function inviteAttendees(core: TenantCore, organizer: Mailbox, event: StoredEvent): void {
  send(core, { kind: 'invitation', from: organizer.upn, to: addressesOf(event), subject: event.subject });
  for (const attendee of attendeesHere(core, event)) deliverRequest(core, attendee, event);
}

/** Sends the organizer's new version to all attendees, and a cancellation to those no longer invited. */
export function updateMeeting(
  core: TenantCore,
  organizer: Mailbox,
  before: StoredEvent,
  event: StoredEvent,
): void {
  if (before.attendees.length === 0 && event.attendees.length === 0) return;
  const still = new Set(addressesOf(event).map((address) => address.toLowerCase()));
  const dropped = before.attendees.filter(({ address }) => !still.has(address.toLowerCase()));
  send(core, { kind: 'update', from: organizer.upn, to: addressesOf(event), subject: event.subject });
  cancelCopies(core, organizer, { ...before, attendees: dropped });
  for (const attendee of attendeesHere(core, event)) {
    const copy = copyIn(attendee, event);
    deliverRequest(core, attendee, event, copy);
  }
}

/** Sends one instance again: its copies are undecided until they are answered again. */
export function updateInstance(
  core: TenantCore,
  organizer: Mailbox,
  master: StoredEvent,
  instance: StoredEvent,
): void {
  const { upn } = organizer;
  send(core, { kind: 'update', from: upn, to: addressesOf(master), subject: instance.subject });
  for (const { attendee, series, copy } of copiesOfInstance(core, master, instance)) {
    const { store, kind, attendant } = attendee;
    const { subject, bodyHtml, start, end, isAllDay, location, locations, sensitivity } = instance;
    const sent = { subject, bodyHtml, start, end, isAllDay, location, locations, sensitivity };
    changeInstance(store, series, copy, { ...sent, response: 'notResponded', showAs: 'tentative' });
    if (kind !== 'room' || attendant.mode === 'none') continue;
    core.clock.after(attendant.afterMs, () => attend(core, attendee, series.stem, instance.slot));
  }
}

/** Cancels one instance. */
export function cancelInstance(
  core: TenantCore,
  organizer: Mailbox,
  master: StoredEvent,
  instance: StoredEvent,
): void {
  const { upn } = organizer;
  send(core, { kind: 'cancellation', from: upn, to: addressesOf(master), subject: instance.subject });
  for (const { attendee, series, copy } of copiesOfInstance(core, master, instance)) {
    const { kind, attendant, store } = attendee;
    if (kind === 'room' && attendant.removeCancelled) deleteInstance(store, series, copy);
    else changeInstance(store, series, copy, cancelled(copy));
  }
}

/** The copies of one instance at the attendees, with the copy of their series. */
const copiesOfInstance = (core: TenantCore, master: StoredEvent, { slot }: StoredEvent) =>
  attendeesHere(core, master).flatMap((attendee) => {
    const series = copyIn(attendee, master);
    const copy = series && instanceAt(series, slot);
    return copy ? [{ attendee, series, copy }] : [];
  });

const cancelled = ({ subject }: StoredEvent) => ({
  isCancelled: true,
  subject: `Canceled: ${subject}`,
  showAs: 'free',
});

export function cancelMeeting(core: TenantCore, organizer: Mailbox, event: StoredEvent): void {
  cancelCopies(core, organizer, event);
}

function cancelCopies(core: TenantCore, organizer: Mailbox, event: StoredEvent): void {
  send(core, { kind: 'cancellation', from: organizer.upn, to: addressesOf(event), subject: event.subject });
  for (const attendee of attendeesHere(core, event)) {
    const copy = copyIn(attendee, event);
    if (!copy) continue;
    if (attendee.kind === 'room' && attendee.attendant.removeCancelled) attendee.store.remove(copy);
    else attendee.store.change(copy, cancelled(copy));
  }
}

/** accept, decline and tentativelyAccept: the copy is changed or removed, and the organizer may be notified. */
export function respond(
  core: TenantCore,
  mailbox: Mailbox,
  copy: StoredEvent,
  response: 'accepted' | 'declined' | 'tentativelyAccepted',
  sendResponse: boolean,
): void {
  // Declining moves the item to Deleted Items (seen live, 2026-10).
  if (response === 'declined') mailbox.store.remove(copy);
  else mailbox.store.change(copy, { response, showAs: response === 'accepted' ? 'busy' : 'tentative' });
  if (sendResponse) tellOrganizer(core, mailbox, copy, response);
}

function tellOrganizer(core: TenantCore, mailbox: Mailbox, copy: StoredEvent, response: string): void {
  send(core, {
    kind: 'response',
    from: mailbox.upn,
    to: [copy.organizer.address],
    subject: `${response}: ${copy.subject}`,
  });
  const organizer = core.directory.find(copy.organizer.address);
  const original = organizer && copyIn(organizer, copy);
  if (!original) return;
  const upn = mailbox.upn.toLowerCase();
  organizer.store.change(original, {
    attendees: original.attendees.map((one) =>
      one.address.toLowerCase() === upn ? { ...one, response } : one,
    ),
  });
}

const attendeesHere = (core: TenantCore, event: StoredEvent) =>
  event.attendees.flatMap(({ address }) => core.directory.find(address) ?? []);

/** The same meeting in another mailbox: iCalUId is the same there, the id is not. */
const copyIn = (mailbox: Mailbox, event: StoredEvent) => mailbox.store.withMeeting(event.iCalUId);

/** A request arrives: tentative at first (AddNewRequestsTentatively), an answer some seconds later. */
function deliverRequest(
  core: TenantCore,
  mailbox: Mailbox,
  meeting: StoredEvent,
  earlier?: StoredEvent,
): void {
  const content: EventContent = {
    ...meeting,
    transactionId: null,
    extended: new Map(),
    isOrganizer: false,
    response: 'notResponded',
    showAs: 'tentative',
    isReminderOn: mailbox.kind === 'person',
    inCalendar: true,
  };
  const { store } = mailbox;
  const arrived = earlier ? store.restore(earlier, content, meeting.edition) : store.insert(content);
  const { attendant } = mailbox;
  if (mailbox.kind !== 'room' || attendant.mode === 'none') return;
  core.clock.after(attendant.afterMs, () => attend(core, mailbox, arrived.stem, WHOLE));
}

/** The booking attendant decides, and rewrites accepted meetings (Microsoft: Set-CalendarProcessing). */
function attend(core: TenantCore, mailbox: Mailbox, stem: string, slot: string): void {
  const { attendant, store } = mailbox;
  const item = store.byStem(stem);
  const request = item && slot !== WHOLE ? instanceAt(item, slot) : item;
  if (!item || !request || request.isCancelled || request.response !== 'notResponded') return;
  const change = (to: Parameters<typeof changeInstance>[3]) =>
    slot === WHOLE ? store.change(item, to) : changeInstance(store, item, request, to);
  if (!attendant.allowConflicts && isTaken(core, mailbox, request)) {
    if (attendant.keepDeclined) change({ response: 'declined', showAs: 'free' });
    else if (slot === WHOLE) store.remove(item);
    else deleteInstance(store, item, request);
    return tellOrganizer(core, mailbox, request, 'declined');
  }
  change({
    response: 'accepted',
    showAs: 'busy',
    // DeleteSubject and AddOrganizerToSubject, DeleteComments, RemovePrivateProperty: all on by default.
    subject: request.organizer.name,
    bodyHtml: '',
    sensitivity: 'normal',
  });
  tellOrganizer(core, mailbox, request, 'accepted');
}

function isTaken(core: TenantCore, mailbox: Mailbox, request: StoredEvent): boolean {
  const horizon = core.clock.now() + BOOKING_WINDOW_DAYS * DAY_MS;
  const wanted = request.series ? instancesBetween(request, request.startAt, horizon) : [request];
  return mailbox.store.inOrder().some((other) => {
    if (other.stem === request.stem || other.showAs === 'free' || other.isCancelled || !other.inCalendar)
      return false;
    return wanted.some(({ startAt, endAt }) =>
      other.series ? instancesBetween(other, startAt, endAt).length > 0 : overlaps(other, startAt, endAt),
    );
  });
}
