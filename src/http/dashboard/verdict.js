/**
 * The sentence on top: what is worst, in one sentence, and what to do; the rest follows in short. Pure.
 * @import { Known, Mapping, Room, State } from './shapes.ts'
 */
import { counted, distance, duration, hourOfDay, listed, number, seconds } from './format.js';

/** A change that is younger is on its way, not stuck. */
const patienceMs = 10_000;

/** @typedef {{ state: State, text: string, detail: string }} Finding */

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding & { also: Finding[] }}
 */
export function verdict(known, now) {
  const findings = [...unreachable(known, now)];
  // what was known before the daemon went away is not said of now
  if (known.trouble === null && known.stats !== null)
    findings.push(
      ...sides(known),
      ...notYet(known),
      ...waitingForPerson(known),
      // before anything is written nothing is late
      ...(known.stats.start.writes ? waiting(known, now) : []),
      ...alerts(known),
    );
  const [worst, ...also] = findings;
  if (worst !== undefined) return { ...worst, also: also.slice(0, 6) };
  if (known.stats === null) return { state: 'away', text: 'Looking…', detail: '', also: [] };
  return { ...calm(known, now), also: [] };
}

/** @param {Room} room */
export const nameOf = (room) => room.outlook_item_name ?? room.outlook_item_id;

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding[]}
 */
function unreachable({ trouble, heardAt }, now) {
  if (trouble === null) return [];
  const heard = heardAt === 0 ? '' : ` Last heard ${distance(new Date(heardAt).toISOString(), now)}.`;
  if (trouble.kind === 'signed-out')
    return [{ state: 'away', text: 'You are signed out.', detail: 'Sign in to see how it stands.' }];
  if (trouble.kind === 'daemon')
    return [
      {
        state: 'away',
        text: 'The daemon does not answer.',
        detail: `${heard} Bookings go on and their changes wait; this page tries again by itself.`.trim(),
      },
    ];
  return [{ state: 'bad', text: trouble.error, detail: `${trouble.hint}${heard}`.trim() }];
}

/**
 * @param {Known} known
 * @returns {Finding[]}
 */
function sides({ stats, ready }) {
  /** @type {Finding[]} */
  const found = [];
  if (stats === null) return found;
  const { outages, queue, listener } = stats;
  if (outages.booking !== null)
    found.push({
      state: 'bad',
      text: `The booking database is out of reach since ${hourOfDay(outages.booking.since)}.`,
      detail: outages.booking.hint ?? outages.booking.error,
    });
  if (outages.outlook !== null)
    found.push({
      state: 'bad',
      text: `Outlook is out of reach since ${hourOfDay(outages.outlook.since)}.`,
      detail: `${outages.outlook.error}. ${counted(queue.due, 'change waits', 'changes wait')} and will go out when it is back.`,
    });
  const capture = ready?.checks['capture'];
  if (capture !== undefined && !capture.ok && outages.booking === null)
    found.push({
      state: 'bad',
      text: 'Some changes of the booking system are not noticed at once.',
      detail: `${capture.problems.join('; ')}. ${ready?.hint ?? ''}`,
    });
  if (!listener.heard && outages.booking === null)
    found.push({
      state: 'warn',
      text: 'Notifications of the booking database are not heard.',
      detail: `The daemon looks several times a second instead. ${listener.reason ?? ''}`,
    });
  return found;
}

/**
 * START_MODE plan or shadow: nothing is written.
 * @param {Known} known
 * @returns {Finding[]}
 */
function notYet({ stats }) {
  if (stats === null || stats.start.writes) return [];
  const shows = 'GET /plan, or the command plan, shows what would be done.';
  return [
    stats.start.mode === 'shadow'
      ? {
          state: 'busy',
          text: 'Both sides are compared and nothing is ever written (START_MODE=shadow).',
          detail: shows,
        }
      : {
          state: 'busy',
          text: 'Nothing is written yet: the plan waits to be confirmed.',
          detail: `${shows} The command plan --confirm, or POST /plan/confirm, lets it begin.`,
        },
  ];
}

/**
 * @param {Known} known
 * @returns {Finding[]}
 */
function waitingForPerson({ stats, rooms, conflicts, errors: failed }) {
  /** @type {Finding[]} */
  const found = [];
  const held = rooms.filter((room) => room.health === 'held');
  if (held.length > 0)
    found.push({
      state: 'bad',
      text: `The brake holds ${counted(sum(held, 'held'), 'removal')} in ${listed(held.map(nameOf))}.`,
      detail: 'Their reservations are gone from the booking system. Release or refuse the list below.',
    });
  const refused = rooms.filter((room) => room.health === 'refused');
  if (refused.length > 0)
    found.push({
      state: 'bad',
      text: `Outlook refuses ${counted(refused.length, 'room')}: ${listed(refused.map(nameOf))}.`,
      detail: refused[0]?.hint ?? refused[0]?.error ?? '',
    });
  const errors = stats?.statistics.summary['error'] ?? 0;
  if (errors > 0)
    found.push({
      state: 'bad',
      text: `${counted(errors, 'reservation')} could not be brought over.`,
      detail: firstOf(failed.mappings),
    });
  if (conflicts !== null && conflicts.length > 0)
    found.push({
      state: 'warn',
      text: `${counted(conflicts.length, 'conflict waits', 'conflicts wait')} for a person to choose a side.`,
      detail: `${conflicts[0]?.room ?? ''}: ${conflicts[0]?.message ?? 'both sides are shown below.'}`,
    });
  const imports = stats?.statistics.summary['imported'] ?? 0;
  if (imports > 0)
    found.push({
      state: 'busy',
      text: `${counted(imports, 'Outlook event waits', 'Outlook events wait')} to become a reservation.`,
      detail: '',
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
      text: `${counted(resting.length, 'room waits', 'rooms wait')} for Outlook: ${listed(resting.map(nameOf))}.`,
      detail: `${resting[0]?.error ?? ''}${next.length > 0 ? `; tried again ${distance(next.toSorted()[0] ?? null, now)}` : ''}`,
    });
  const { backfill, queue } = stats;
  if (backfill.done < backfill.total)
    found.push({
      state: 'busy',
      text: 'Bringing over what was booked before.',
      detail: `${number(backfill.done)} of ${number(backfill.total)} reservations; new bookings do not wait behind it.`,
    });
  if ((queue.oldest_ms ?? 0) > patienceMs && stats.outages.outlook === null && resting.length === 0)
    found.push({
      state: 'warn',
      text: `${counted(queue.due + queue.outbox_rows, 'change waits', 'changes wait')}, the oldest for ${duration(queue.oldest_ms)}.`,
      detail: reasonOf(pending.items),
    });
  return found;
}

/** @param {readonly (Mapping & { room: string })[]} failed */
function firstOf([first]) {
  if (first === undefined) return 'Each has its reason and its repair below.';
  return `${first.title ?? first.reservation_type} in ${first.room}: ${first.error_message ?? 'no reason is known'}. ${first.hint ?? ''}`
    .replace(/\.{2,}/g, '.')
    .trim();
}

/** @param {readonly Mapping[]} items */
function reasonOf(items) {
  const failed = items.find((item) => item.error_message !== null && item.sync_status !== 'error');
  return failed === undefined
    ? 'The queue below says which.'
    : `${failed.error_message}; tried again by itself, so far ${counted(failed.attempt, 'time')}.`;
}

/**
 * An alert says what the rest of the page may not know; what it does know is not said twice.
 * @param {Known} known
 * @returns {Finding[]}
 */
function alerts({ alerts: open }) {
  const said = /brake|outage|error|refus|stuck|throttl|listen|conflict/;
  return (open ?? [])
    .filter((alert) => !said.test(alert.type) && (alert.acknowledged_at ?? null) === null)
    .map((alert) => ({
      state: alert.severity === 'critical' ? 'bad' : 'warn',
      text: alert.message,
      detail: alert.hint ?? '',
    }));
}

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
          ? "INSERT INTO bridge_resource_mappings (resource_id, outlook_item_id, outlook_item_name, active) VALUES (123, 'room@example.org', 'Conference Room A', 1);"
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
  return { state: 'good', text, detail: '' };
}

/**
 * @param {readonly Room[]} rooms
 * @param {'held' | 'due'} field
 */
const sum = (rooms, field) => rooms.reduce((total, room) => total + room[field], 0);
