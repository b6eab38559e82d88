import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { asMembers, emptyFields, readFields, type Members } from './event-fields.ts';
import type { StoredEvent } from './event-model.ts';
import { etagOf, viewEvent } from './event-view.ts';
import { readExtendedProperties } from './extended-properties.ts';
import { refuseKind, type Switches } from './faults.ts';
import { GraphError, badRequest, itemNotFound, malformedId } from './graph-error.ts';
import { WHOLE, readId, readSlot } from './ids.ts';
import { idOf, isNamedBy, type Mailbox } from './mailbox.ts';
import { withOnlineMeeting } from './online-meeting.ts';
import { cancelInstance, cancelMeeting, inviteAttendees, updateInstance, updateMeeting } from './meetings.ts';
import { shiftRecurrence, slotDays } from './recurrence.ts';
import { checkOptions, readShowing } from './query.ts';
import { changeInstance, deleteInstance, instanceAt, originalStartAt } from './series.ts';
import { DAY_MS } from './zones.ts';

/** An event found by id: the item itself and, for an instance of a series, its master. */
export interface Found {
  readonly event: StoredEvent;
  readonly master: StoredEvent | undefined;
}

/** Throws 400 for text that is no id, 404 for an id of nothing that is there. */
export function findEvent(mailbox: Mailbox, text: string): Found {
  const id = readId(text);
  if (!id) throw malformedId();
  const item = mailbox.store.byStem(id.stem);
  if (!item || !isNamedBy(item, id)) throw itemNotFound();
  if (id.slot === WHOLE) return { event: item, master: undefined };
  const slot = readSlot(id.slot, item.edition);
  const event = slot === undefined ? undefined : instanceAt(item, slot);
  if (!event) throw itemNotFound();
  return { event, master: item };
}

/** POST /users/{id}/events */
export function createEvent(core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  checkOptions(request.query, []);
  refuseKind(core.faults.switchesFor(mailbox.id), 'create');
  const body = asMembers(request.body);
  const event = alreadyCreated(core, mailbox, request, body) ?? addEvent(core, mailbox, body);
  return {
    status: 201,
    headers: {
      Location: `${core.graphBaseUrl}/users/${mailbox.id}/events/${idOf(event, request.prefer.immutable)}`,
    },
    body: answerOf(core, mailbox, event, request),
  };
}

/** Writes a new event as the mailbox' own. Simulated users use it too, so that both obey the same rules. */
export function addEvent(core: TenantCore, mailbox: Mailbox, body: Members): StoredEvent {
  const fields = withOnlineMeeting(core, mailbox, null, readFields(body, emptyFields));
  const extended =
    body.singleValueExtendedProperties === undefined
      ? new Map()
      : readExtendedProperties(body.singleValueExtendedProperties, new Map());
  const { transactionId = null } = body;
  if (transactionId !== null && typeof transactionId !== 'string')
    throw badRequest('transactionId is a string.');
  const event = mailbox.store.insert({
    ...fields,
    transactionId,
    extended,
    isOrganizer: true,
    organizer: { name: mailbox.name, address: mailbox.upn },
    isCancelled: false,
    response: 'organizer',
    iCalUId: `040000008200E00074C5B7101A82E008${core.random.guid().replaceAll('-', '').toUpperCase()}`,
    originalStartZone: fields.start.zone,
    originalEndZone: fields.end.zone,
    inCalendar: true,
    odd: {},
  });
  if (transactionId !== null) mailbox.store.remember(transactionId, event.stem, fingerprint(body));
  inviteAttendees(core, mailbox, event);
  return event;
}

/**
 * The event an earlier POST with this transactionId made. The same body again gets the same event; any
 * other is refused (seen live, 2026-10). How long ids are remembered is not documented; here they
 * outlive the event unless switched off.
 */
function alreadyCreated(core: TenantCore, mailbox: Mailbox, request: GraphRequest, body: Members) {
  const { transactionId } = body;
  const earlier =
    typeof transactionId === 'string' ? mailbox.store.transactions.get(transactionId) : undefined;
  if (!earlier) return undefined;
  const switches = core.faults.switchesFor(mailbox.id);
  const event = mailbox.store.byStem(earlier.stem);
  if (!event && !switches.rememberDeletedTransactions) return undefined;
  if (event && earlier.fingerprint === fingerprint(body)) return event;
  const gone = event ?? mailbox.store.deletedByStem(earlier.stem);
  const existingId = gone && switches.tellExistingEventId ? idOf(gone, request.prefer.immutable) : undefined;
  throw new GraphError(
    switches.duplicateTransactionStatus,
    'ErrorDuplicateTransactionId',
    'Your request cannot be completed. The TransactionId specified in the request has already been used to ' +
      'create a different event.',
    existingId ? { extra: { '@event.existingEventId': existingId } } : {},
  );
}

const fingerprint = (body: Members) => JSON.stringify(body, sortedMembers);

const sortedMembers = (_: string, value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** GET /users/{id}/events/{id} */
export function readEvent(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  id: string,
): GraphAnswer {
  checkOptions(request.query, ['$select', '$expand']);
  const { event } = findEvent(mailbox, id);
  return { status: 200, body: answerOf(core, mailbox, event, request) };
}

/** PATCH /users/{id}/events/{id} */
export function updateEvent(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  id: string,
): GraphAnswer {
  checkOptions(request.query, []);
  const found = findEvent(mailbox, id);
  checkMatch(request, found.event);
  const body = asMembers(request.body);
  if (body.transactionId !== undefined) {
    throw new GraphError(
      400,
      'ErrorInvalidPropertySet',
      "Set action is invalid for property 'transactionId'.",
    );
  }
  refuseKind(core.faults.switchesFor(mailbox.id), 'change');
  const event = editEvent(core, mailbox, found, body);
  return { status: 200, body: answerOf(core, mailbox, event, request) };
}

/** Applies a PATCH body. Simulated users use it too. */
export function editEvent(
  core: TenantCore,
  mailbox: Mailbox,
  { event, master }: Found,
  body: Members,
): StoredEvent {
  const fields = withOnlineMeeting(core, mailbox, event, readFields(body, event));
  const properties = body.singleValueExtendedProperties;
  const extended =
    properties === undefined ? event.extended : readExtendedProperties(properties, event.extended);
  const edited = { ...fields, extended };
  if (master) {
    if (body.recurrence != null) throw badRequest('An instance of a series has no recurrence of its own.');
    const instance = changeInstance(mailbox.store, master, event, edited);
    if (master.isOrganizer && master.attendees.length > 0) updateInstance(core, mailbox, master, instance);
    return instance;
  }
  const next = mailbox.store.change(event, {
    ...edited,
    ...reseries(event, edited, body, core.faults.switchesFor(mailbox.id)),
  });
  if (event.isOrganizer) updateMeeting(core, mailbox, event, next);
  return next;
}

/** A new pattern, or a new time of the master, makes the series anew and drops its exceptions. */
function reseries(
  before: StoredEvent,
  fields: ReturnType<typeof readFields>,
  body: Members,
  { renameInstances }: Switches,
): Partial<StoredEvent> {
  if (!fields.recurrence) return { series: null };
  if (
    before.series &&
    body.recurrence === undefined &&
    !body.start &&
    !body.end &&
    body.isAllDay === undefined
  ) {
    return {};
  }
  const startDay = Math.floor(fields.start.local / DAY_MS);
  const recurrence =
    startDay === fields.recurrence.startDay
      ? fields.recurrence
      : shiftRecurrence(fields.recurrence, startDay);
  return {
    recurrence,
    series: { slots: slotDays(recurrence), exceptions: new Map(), cancelled: new Set() },
    edition: before.edition + (renameInstances ? 1 : 0),
  };
}

/** DELETE /users/{id}/events/{id} */
export function deleteEvent(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  id: string,
): GraphAnswer {
  checkOptions(request.query, []);
  refuseKind(core.faults.switchesFor(mailbox.id), 'delete');
  const found = findEvent(mailbox, id);
  checkMatch(request, found.event);
  removeEvent(core, mailbox, found);
  return { status: 204 };
}

/** The organizer's deletion mails the attendees, which cannot be switched off (msgraph docs#7339). */
export function removeEvent(core: TenantCore, mailbox: Mailbox, { event, master }: Found): void {
  if (master) {
    deleteInstance(mailbox.store, master, event);
    if (master.isOrganizer && master.attendees.length > 0) cancelInstance(core, mailbox, master, event);
    return;
  }
  mailbox.store.remove(event);
  if (event.isOrganizer) cancelMeeting(core, mailbox, event);
}

/** No page says whether events honour If-Match; clients in the field send it and handle the 412. */
function checkMatch(request: GraphRequest, event: StoredEvent): void {
  const wanted = request.headers['if-match'];
  if (wanted === undefined || wanted === '*' || wanted === etagOf(event)) return;
  throw new GraphError(
    412,
    'ErrorIrresolvableConflict',
    'The send or update operation could not be performed because the change key passed in the request does not ' +
      'match the current change key for the item.',
  );
}

function answerOf(core: TenantCore, mailbox: Mailbox, event: StoredEvent, request: GraphRequest) {
  const showing = readShowing(request.query);
  const master = event.slot === WHOLE ? undefined : mailbox.store.byStem(event.stem);
  const originalAt = master && originalStartAt(master, event.slot);
  return {
    '@odata.context': `${core.graphBaseUrl}/$metadata#users('${encodeURIComponent(mailbox.id)}')/events/$entity`,
    ...viewEvent(event, request.prefer, { ...showing, originalStartAt: originalAt }),
  };
}
