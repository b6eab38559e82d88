/**
 * The sentence at the top: the worst problem and its repair; further problems follow in short. Pure.
 * @import { Known, Mapping, Removal, Room, State } from './shapes.ts'
 */
import { conflictWords } from './conflict-words.js';
import { counted, distance, duration, ended, listed, name, seconds } from './format.js';
import { translated } from './translate.js';
import { say } from './language.js';
import { nameOf, stateOf } from './room-state.js';
import { noRoomHint, notYet, sides, unreachable } from './verdict-sides.js';

/** @type {Record<State, number>} */
const severity = { away: 0, bad: 1, warn: 2, busy: 3, good: 4 };

/** A younger change is not stuck. */
const patienceMs = 10_000;

/**
 * `spoken`: the version for screen readers, without values that change each second; absent: the text.
 * `alerts`: the types of alerts about the same problem.
 * @typedef {{ state: State, text: string, detail: string, spoken?: string, alerts?: readonly string[] }} Finding
 */

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding & { also: Finding[] }}
 */
export function verdict(known, now) {
  const findings = [...unreachable(known, now)];
  // older answers say nothing about the present state
  if (known.trouble === null && known.stats !== null) {
    findings.push(
      ...sides(known),
      ...notYet(known),
      ...needingAttention(known),
      // before the first write nothing is late
      ...(known.stats.start.writes ? [...waiting(known, now), ...starting(known)] : []),
    );
    findings.push(...alerts(known, findings));
  }
  // a stable sort: equally severe findings stay in this order
  const [worst, ...also] = findings.toSorted((a, b) => severity[a.state] - severity[b.state]);
  if (worst !== undefined) return { ...worst, also: also.slice(0, 6) };
  if (known.stats === null || !known.roomsRead)
    return { state: 'away', text: say('reading'), detail: '', also: [] };
  return { ...allEqual(known, now), also: [] };
}

/**
 * @param {Known} known
 * @returns {Finding[]}
 */
function needingAttention({ stats, rooms, removals, conflicts, errors: failed }) {
  /** @type {Finding[]} */
  const found = [];
  const held = rooms.filter((room) => room.health === 'held');
  if (held.length > 0)
    found.push({
      state: 'bad',
      text: `${say('brake.holds', {
        what: counted(sum(held, 'held'), 'removal'),
        rooms: listed(held.map((room) => name(nameOf(room)))),
      })}.`,
      detail: `${heldBecause(held.flatMap((room) => removals.get(room.resource_id) ?? []))} ${say('brake.choose')}`,
      alerts: ['brake'],
    });
  const refused = rooms.filter((room) => room.health === 'refused');
  if (refused.length > 0)
    found.push({
      state: 'bad',
      text: say('refused', {
        rooms: counted(refused.length, 'room'),
        names: listed(refused.map((room) => name(nameOf(room)))),
      }),
      detail: translated(refused[0]?.hint ?? refused[0]?.error ?? ''),
      alerts: ['room-refused'],
    });
  const errors = stats?.statistics.summary['error'] ?? 0;
  if (errors > 0)
    found.push({
      state: 'bad',
      text: say('failed', { reservations: counted(errors, 'reservation') }),
      detail: firstOf(failed.mappings),
      alerts: ['items-in-error'],
    });
  // the list of the API is limited, the counts of the rooms are not
  const open = Math.max(conflicts?.length ?? 0, sum(rooms, 'conflicts'));
  if (open > 0)
    found.push({
      state: 'warn',
      text: say('conflicts.wait', { n: open }),
      alerts: ['conflicts'],
      detail:
        conflicts?.[0] === undefined
          ? ''
          : `${name(conflicts[0].room)}: ${conflictWords(conflicts[0])} ${say('conflicts.choose')}`,
    });
  const imports = stats?.statistics.summary['imported'] ?? 0;
  if (imports > 0)
    found.push({
      state: 'busy',
      text: say('imports.wait', { n: imports }),
      detail: say('imports.wait.hint'),
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
      text: say('resting', {
        n: resting.length,
        names: listed(resting.map((room) => name(nameOf(room)))),
      }),
      detail: [
        ended(translated(resting[0]?.error ?? '')),
        next.length > 0 ? say('resting.retry', { when: distance(next.toSorted()[0] ?? null, now) }) : '',
      ]
        .join(' ')
        .trim(),
      alerts: ['room-failing', 'throttled'],
    });
  const { backfill, queue } = stats;
  if (backfill.done < backfill.total)
    found.push({
      state: 'busy',
      text: say('backfill.running'),
      spoken: say('backfill.running'),
      detail: say('backfill.detail', { done: backfill.done, total: backfill.total }),
    });
  if ((queue.oldest_ms ?? 0) > patienceMs && stats.outages.outlook === null && resting.length === 0)
    found.push({
      state: 'warn',
      text: say('stuck', { n: queue.due + queue.outbox_rows, length: duration(queue.oldest_ms) }),
      spoken: say('stuck.spoken'),
      detail: reasonOf(pending.items),
      alerts: ['stuck'],
    });
  return found;
}

/**
 * Rooms without a full scan: whether both sides are equal is unknown.
 * @param {Known} known
 * @returns {Finding[]}
 */
function starting({ stats, rooms }) {
  const fresh = rooms.filter((room) => stateOf(room, stats).name === 'new');
  if (fresh.length === 0) return [];
  return [
    {
      state: 'busy',
      text: say('fresh', { n: fresh.length, names: listed(fresh.map((room) => name(nameOf(room)))) }),
      detail: '',
    },
  ];
}

/** @param {readonly Removal[]} removals */
function heldBecause(removals) {
  const sides = new Set(removals.map(({ side }) => side));
  if (sides.size === 2) return say('brake.because.both');
  return say(sides.has('booking') ? 'brake.because.booking' : 'brake.because.outlook');
}

/** @param {readonly (Mapping & { room: string })[]} failed */
function firstOf([first]) {
  if (first === undefined) return say('failed.below');
  return say('failed.first', {
    title: name(first.title ?? String(first.reservation_type)),
    room: name(first.room),
    error: ended(first.error_message === null ? say('noReason') : translated(first.error_message)),
    hint: first.hint === null ? say('failed.hint') : translated(first.hint),
  });
}

/** @param {readonly Mapping[]} items */
function reasonOf(items) {
  const failed = items.find((item) => item.error_message !== null && item.sync_status !== 'error');
  return failed === undefined
    ? say('stuck.which')
    : say('stuck.why', {
        error: translated(failed.error_message ?? ''),
        times: counted(failed.attempt, 'time'),
      });
}

/**
 * Alerts about problems that no other finding of at least the same severity covers.
 * @param {Known} known
 * @param {readonly Finding[]} others
 * @returns {Finding[]}
 */
function alerts({ alerts: open }, others) {
  return (open ?? [])
    .filter((alert) => (alert.acknowledged_at ?? null) === null)
    .map((alert) => ({ type: alert.type, finding: findingOf(alert) }))
    .filter(
      ({ type, finding }) =>
        !others.some(
          ({ alerts: same = [], state }) => same.includes(type) && severity[state] <= severity[finding.state],
        ),
    )
    .map(({ finding }) => finding);
}

/** @param {import('./shapes.ts').Alert} alert @returns {Finding} */
const findingOf = ({ severity: level, message, hint }) => ({
  state: level === 'critical' ? 'bad' : 'warn',
  text: translated(message),
  detail: translated(hint ?? ''),
});

/**
 * @param {Known} known
 * @param {number} now
 * @returns {Finding}
 */
function allEqual({ stats, rooms, lines }, now) {
  const active = rooms.filter((room) => room.active === 1).length;
  if (stats === null || active === 0)
    return {
      state: 'busy',
      text: say(rooms.length === 0 ? 'noRoom' : 'allPaused'),
      detail: rooms.length === 0 ? noRoomHint() : say('allPaused.hint'),
    };
  const last = lines.find((line) => line.latency_ms !== null);
  const parts = [
    counted(active, 'room'),
    counted(stats.statistics.summary['synced'] ?? 0, 'reservation'),
    ...(last === undefined
      ? []
      : [
          say('equal.last', { when: distance(last.at, now) }),
          say('equal.took', { length: seconds(last.latency_ms ?? 0) }),
        ]),
  ];
  const due = stats.queue.due + stats.queue.outbox_rows;
  const text =
    due === 0
      ? say('equal', { parts: parts.join(', ') })
      : say('equal.due', { n: due, parts: parts.join(', ') });
  return { state: 'good', text, detail: '', spoken: say('equal.spoken') };
}

/**
 * @param {readonly Room[]} rooms
 * @param {'held' | 'due' | 'conflicts'} field
 */
const sum = (rooms, field) => rooms.reduce((total, room) => total + room[field], 0);
