/**
 * The sentence on top: what is worst, in one sentence, and what to do; the rest follows in short. Pure.
 * @import { Known, Mapping, Removal, Room, State } from './shapes.ts'
 */
import { conflictWords } from './conflict-words.js';
import { counted, distance, duration, ended, listed, name, number, seconds } from './format.js';
import { nameOf, stateOf } from './room-state.js';
import { notYet, sides, unreachable } from './verdict-sides.js';

/** @type {Record<State, number>} */
const severity = { away: 0, bad: 1, warn: 2, busy: 3, good: 4 };

/** A change that is younger is on its way, not stuck. */
const patienceMs = 10_000;

/**
 * `spoken`: the same for who hears it, without what changes from second to second; absent: the text.
 * @typedef {{ state: State, text: string, detail: string, spoken?: string }} Finding
 */

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding & { also: Finding[] }}
 */
export function verdict(known, now) {
  const findings = [...unreachable(known, now)];
  // what was known before the daemon went away is not said of now
  if (known.trouble === null && known.stats !== null) {
    findings.push(
      ...sides(known),
      ...notYet(known),
      ...waitingForPerson(known),
      // before anything is written nothing is late
      ...(known.stats.start.writes ? [...waiting(known, now), ...starting(known)] : []),
    );
    findings.push(...alerts(known, findings));
  }
  // the worst on top; what is equally bad stays in the order of above
  const [worst, ...also] = findings.toSorted((a, b) => severity[a.state] - severity[b.state]);
  if (worst !== undefined) return { ...worst, also: also.slice(0, 6) };
  if (known.stats === null || !known.roomsRead)
    return { state: 'away', text: 'Looking…', detail: '', also: [] };
  return { ...calm(known, now), also: [] };
}

/**
 * @param {Known} known
 * @returns {Finding[]}
 */
function waitingForPerson({ stats, rooms, removals, conflicts, errors: failed }) {
  /** @type {Finding[]} */
  const found = [];
  const held = rooms.filter((room) => room.health === 'held');
  if (held.length > 0)
    found.push({
      state: 'bad',
      text: `The brake holds ${counted(sum(held, 'held'), 'removal')} in ${listed(held.map((room) => name(nameOf(room))))}.`,
      detail: `${heldBecause(held.flatMap((room) => removals.get(room.resource_id) ?? []))} Release or refuse the list below.`,
    });
  const refused = rooms.filter((room) => room.health === 'refused');
  if (refused.length > 0)
    found.push({
      state: 'bad',
      text: `Outlook refuses ${counted(refused.length, 'room')}: ${listed(refused.map((room) => name(nameOf(room))))}.`,
      detail: refused[0]?.hint ?? refused[0]?.error ?? '',
    });
  const errors = stats?.statistics.summary['error'] ?? 0;
  if (errors > 0)
    found.push({
      state: 'bad',
      text: `${counted(errors, 'reservation')} could not be brought over.`,
      detail: firstOf(failed.mappings),
    });
  // the list has its bound, the rooms know of all
  const open = Math.max(conflicts?.length ?? 0, sum(rooms, 'conflicts'));
  if (open > 0)
    found.push({
      state: 'warn',
      text: `${counted(open, 'conflict waits', 'conflicts wait')} for a person to choose a side.`,
      detail:
        conflicts?.[0] === undefined
          ? ''
          : `${name(conflicts[0].room)}: ${conflictWords(conflicts[0])} Choose below.`,
    });
  const imports = stats?.statistics.summary['imported'] ?? 0;
  if (imports > 0)
    found.push({
      state: 'busy',
      text: `${counted(imports, 'Outlook event waits', 'Outlook events wait')} to become a reservation.`,
      detail: 'With IMPORT_MODE=manual they wait until POST /booking/process-imports asks for them.',
    });
  return found;
}

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding[]}
 */
function waiting({ stats, rooms, pending }, now) {
  /** @type {Finding[]} */
  const found = [];
  if (stats === null) return found;
  const resting = rooms.filter((room) => room.health === 'waiting');
  const next = resting.map((room) => room.throttled_until ?? room.retry_at).filter((at) => at !== null);
  if (resting.length > 0 && stats.outages.outlook === null)
    found.push({
      state: 'warn',
      text: `${counted(resting.length, 'room waits', 'rooms wait')} for Outlook: ${listed(resting.map((room) => name(nameOf(room))))}.`,
      detail: `${ended(resting[0]?.error ?? '')}${next.length > 0 ? ` Tried again ${distance(next.toSorted()[0] ?? null, now)}.` : ''}`,
    });
  const { backfill, queue } = stats;
  if (backfill.done < backfill.total)
    found.push({
      state: 'busy',
      text: 'Bringing over what was booked before.',
      spoken: 'Bringing over what was booked before.',
      detail: `${number(backfill.done)} of ${number(backfill.total)} reservations; new bookings do not wait behind it.`,
    });
  if ((queue.oldest_ms ?? 0) > patienceMs && stats.outages.outlook === null && resting.length === 0)
    found.push({
      state: 'warn',
      text: `${counted(queue.due + queue.outbox_rows, 'change waits', 'changes wait')}, the oldest for ${duration(queue.oldest_ms)}.`,
      spoken: 'Changes wait.',
      detail: reasonOf(pending.items),
    });
  return found;
}

/**
 * Rooms that were never compared: of them nobody knows whether both sides are equal.
 * @param {Known} known
 * @returns {Finding[]}
 */
function starting({ stats, rooms }) {
  const fresh = rooms.filter((room) => stateOf(room, stats).name === 'new');
  if (fresh.length === 0) return [];
  return [
    {
      state: 'busy',
      text: `${counted(fresh.length, 'room is', 'rooms are')} compared with Outlook for the first time: ${listed(fresh.map((room) => name(nameOf(room))))}.`,
      detail: '',
    },
  ];
}

/** @param {readonly Removal[]} removals */
function heldBecause(removals) {
  const sides = new Set(removals.map(({ side }) => side));
  if (sides.size === 2) return 'On both sides many are gone at once.';
  return sides.has('booking')
    ? 'Their events are gone from Outlook, many at once.'
    : 'Their reservations are gone from the booking system, many at once.';
}

/** @param {readonly (Mapping & { room: string })[]} failed */
function firstOf([first]) {
  if (first === undefined) return 'Each has its reason and its repair below.';
  return `${name(first.title ?? String(first.reservation_type))} in ${name(first.room)}: ${ended(first.error_message ?? 'no reason is known')} ${first.hint ?? 'Try again below, or change the booking.'}`;
}

/** @param {readonly Mapping[]} items */
function reasonOf(items) {
  const failed = items.find((item) => item.error_message !== null && item.sync_status !== 'error');
  return failed === undefined
    ? 'The queue below says which.'
    : `${failed.error_message}; tried again by itself, so far ${counted(failed.attempt, 'time')}.`;
}

/** Of an alert of this type, the words of the finding that says the same. @type {Record<string, RegExp>} */
const saidAs = {
  brake: /brake holds/,
  'booking-outage': /^The booking database is out of reach/,
  'outlook-outage': /^Outlook is out of reach/,
  'credential-refused': /^Outlook is out of reach/,
  'room-refused': /^Outlook refuses/,
  'room-failing': /waits? for Outlook/,
  throttled: /waits? for Outlook/,
  'items-in-error': /could not be brought over/,
  'listen-silent': /^Notifications of the booking database/,
  'capture-broken': /^Some changes of the booking system/,
  conflicts: /conflicts? waits?/,
  stuck: /^[\d\s.,]+changes? waits?, the oldest/,
};

/**
 * An alert says what the rest of the page may not know. What the page says already, and as gravely, is not said twice.
 * @param {Known} known
 * @param {readonly Finding[]} said
 * @returns {Finding[]}
 */
function alerts({ alerts: open }, said) {
  return (open ?? [])
    .filter((alert) => (alert.acknowledged_at ?? null) === null)
    .map((alert) => ({ type: alert.type, finding: findingOf(alert) }))
    .filter(
      ({ type, finding }) =>
        !said.some(
          ({ text, state }) =>
            (saidAs[type]?.test(text) ?? false) && severity[state] <= severity[finding.state],
        ),
    )
    .map(({ finding }) => finding);
}

/** @param {import('./shapes.ts').Alert} alert @returns {Finding} */
const findingOf = ({ severity: grave, message, hint }) => ({
  state: grave === 'critical' ? 'bad' : 'warn',
  text: message,
  detail: hint ?? '',
});

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding}
 */
function calm({ stats, rooms, lines }, now) {
  const active = rooms.filter((room) => room.active === 1).length;
  if (stats === null || active === 0)
    return {
      state: 'busy',
      text: rooms.length === 0 ? 'No room is mapped yet.' : 'All rooms are paused.',
      detail:
        rooms.length === 0
          ? "The command mappings match proposes pairs by name. Or: INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active) VALUES (123, 'room@example.org', 'Conference Room A', 1); – a row is enough, the rest follows by itself."
          : 'Resume one: choose it in the list.',
    };
  const last = lines.find((line) => line.latency_ms !== null);
  const parts = [
    counted(active, 'room'),
    counted(stats.statistics.summary['synced'] ?? 0, 'reservation'),
    ...(last === undefined
      ? []
      : [`last change ${distance(last.at, now)}`, `${seconds(last.latency_ms ?? 0)} on the way`]),
  ];
  const due = stats.queue.due + stats.queue.outbox_rows;
  const text =
    due === 0
      ? `Everything is equal: ${parts.join(', ')}.`
      : `${counted(due, 'change is', 'changes are')} on the way: ${parts.join(', ')}.`;
  return { state: 'good', text, detail: '', spoken: 'Everything is equal.' };
}

/**
 * @param {readonly Room[]} rooms
 * @param {'held' | 'due' | 'conflicts'} field
 */
const sum = (rooms, field) => rooms.reduce((total, room) => total + room[field], 0);
