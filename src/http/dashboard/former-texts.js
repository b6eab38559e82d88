/**
 * Former wordings of texts that are stored: errors and hints of reservations, reasons in the log. Rows written by an older version
 * keep them, and the page translates them too. A text that is reworded in en.json is added here.
 * @type {Partial<Record<import('./language.js').Key, readonly string[]>>}
 */
export const formerTexts = {
  'server.alert.bookingRefuses': ["The booking system's database answers but refuses access: {error}"],
  'server.alert.listen.hint': [
    'LISTEN needs a direct connection to the primary: no PgBouncer in transaction pooling, no standby.',
  ],
  'server.hint.confirm': [
    'Look at the plan (GET /plan, or the command plan), then confirm it: plan --confirm, or POST /plan/confirm.',
  ],
  'server.hint.login': [
    'PostgreSQL refuses our login: check DB_USER, DB_PASS (or DATABASE_URL) and pg_hba.conf.',
  ],
  'server.hint.network': ['Check the way to GRAPH_BASE_URL and GRAPH_AUTHORITY: DNS, firewall, HTTPS_PROXY.'],
  'server.hint.onceTaken': ['Outlook can be followed once the booking system takes it.'],
  'server.hint.repair': ['The booking system refuses it; repair that and POST /booking/process-imports.'],
  'server.hint.right': ['Grant the right to our role; `migrate` and `doctor` print the statement.'],
  'server.hint.settle': ['Try again, or change the booking; if it stays so, report it.'],
  'server.message.ended': ['It has ended, and somebody moved its event into the future.'],
  'server.message.heldBooking': [
    'Its event is gone from Outlook, and so are many others: the reservation is kept until a person has looked.',
  ],
  'server.message.heldOutlook': [
    'The rows of this reservation are gone, and so are many others: its event is kept until a person has looked.',
  ],
  'server.message.noTime': ['There was no time left for it.'],
  'server.message.refusesUs': ['Outlook says that the event is not there, and its calendar shows it'],
  'server.message.taken': ['The time is taken in room {room}: {what}.'],
  'server.reason.again': ['its event is there again'],
  'server.reason.makesWay': [
    'it gives way to the booking system’s reservation',
    'it makes way for what the booking system has',
  ],
  'server.reason.meeting': ['its meeting is there again, under another id'],
  'server.reason.otherKey': [
    'its idempotency key was used for another reservation’s event',
    'its idempotency key was used for what another reservation has',
  ],
  'server.reason.place': ['an event of the same time and title is there'],
  'server.why.covered': ['something more important takes its whole time'],
  'server.why.different': ['its event shows something else'],
  'server.why.movedAway': ['the booking system moved it away from the meeting of somebody else'],
  'server.why.uncovered': ['nothing covers it any more'],
};
