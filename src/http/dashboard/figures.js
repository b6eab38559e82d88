/**
 * Six figures, the bar of a backfill, and the line at the foot of the page.
 * @import { Direction, Known, State } from './shapes.ts'
 */
import { byId, fill, h, setText } from './dom.js';
import { counted, duration, isElsewhere, number } from './format.js';
import { say } from './language.js';
import { stateOf } from './room-state.js';

/** @typedef {{ label: string, value: string, sub: string, state?: State }} Figure */

/** @param {Known} known */
export function showFigures(known) {
  if (known.stats === null) return;
  const figures = [
    rooms(known),
    equal(known),
    waiting(known),
    attention(known),
    speed(known, 'booking_to_outlook'),
    speed(known, 'outlook_to_booking'),
  ];
  const place = byId('figures', HTMLDListElement);
  if (place.childElementCount === 0)
    fill(place, ...figures.map(() => h('div', {}, h('dt'), h('dd', {}, h('span'), h('small')))));
  figures.forEach(({ label, value, sub, state }, at) => {
    const cell = place.children[at];
    if (!(cell instanceof HTMLElement)) return;
    if (state === undefined) delete cell.dataset['state'];
    else cell.dataset['state'] = state;
    for (const [selector, text] of Object.entries({ dt: label, 'dd span': value, small: sub })) {
      const part = cell.querySelector(selector);
      if (part !== null) setText(part, text);
    }
  });
  showBackfill(known);
  const { replicas, uptime_seconds: seconds, timezone: zone } = known.stats;
  const elsewhere = byId('zone', HTMLParagraphElement);
  elsewhere.hidden = !isElsewhere(zone, Date.now());
  setText(elsewhere, say('zone.elsewhere', { zone, browser: browserZone() }));
  setText(
    byId('foot-text', HTMLSpanElement),
    [
      say('foot.daemons', { daemons: counted(replicas, 'daemon') }),
      say('foot.up', { length: duration(seconds * 1_000) }),
      say('zone.used', { zone }),
    ].join(' · '),
  );
}

/** @param {Known} known @returns {Figure} */
function rooms({ rooms: all, stats }) {
  const active = all.filter((room) => room.active === 1);
  const alike = active.filter((room) => stateOf(room, stats).name === 'ok').length;
  const paused = all.length - active.length;
  return {
    label: say('rooms.title'),
    value: number(active.length),
    sub: say('figure.equal', { n: alike }) + (paused > 0 ? `, ${say('figure.paused', { n: paused })}` : ''),
  };
}

/** @param {Known} known @returns {Figure} */
function equal({ stats }) {
  const { synced = 0, shadowed = 0, cancelled = 0 } = stats?.statistics.summary ?? {};
  return {
    label: say('figure.reservations'),
    value: number(synced),
    sub: say('figure.covered', { shadowed, cancelled }),
  };
}

/** @param {Known} known @returns {Figure} */
function waiting({ stats }) {
  const { due = 0, outbox_rows: outbox = 0, oldest_ms: oldest = null } = stats?.queue ?? {};
  const all = due + outbox;
  return {
    label: say('figure.waiting'),
    value: number(all),
    sub:
      all === 0
        ? say('nothing')
        : stats?.start.writes === false
          ? say('figure.noted')
          : oldest === null
            ? say('figure.before')
            : say('figure.oldest', { length: duration(oldest) }),
  };
}

/** @param {Known} known @returns {Figure} */
function attention({ stats, rooms: all }) {
  const failed = stats?.statistics.summary['error'] ?? 0;
  const sum = (/** @type {'conflicts' | 'held'} */ field) =>
    all.reduce((count, room) => count + room[field], 0);
  const [conflicts, held] = [sum('conflicts'), sum('held')];
  const refused = all.filter(({ active, health }) => active === 1 && health === 'refused').length;
  const parts = [
    failed > 0 && say('figure.failed', { n: failed }),
    refused > 0 && say('figure.refused', { n: refused }),
    conflicts > 0 && counted(conflicts, 'conflict'),
    held > 0 && say('figure.held', { n: held }),
  ].filter((part) => part !== false);
  const total = failed + refused + conflicts + held;
  return {
    label: say('figure.attention'),
    value: number(total),
    sub: total === 0 ? say('none') : parts.join(', '),
    ...(total === 0 ? {} : { state: failed + refused + held > 0 ? 'bad' : 'warn' }),
  };
}

/**
 * Median of the last hour, or of the last day if the last hour has no change.
 * @param {Known} known
 * @param {Direction} direction
 * @returns {Figure}
 */
function speed({ hour, latency }, direction) {
  const lately = hour?.directions[direction];
  const [curve, when] =
    (lately?.count ?? 0) > 0
      ? [lately, say('figure.lastHour')]
      : [latency?.directions[direction], say('figure.lastDay')];
  const none = (curve?.count ?? 0) === 0;
  return {
    label: say(`figure.median.${direction}`),
    value: none ? '–' : duration(curve?.p50_ms ?? null),
    sub: none
      ? nothing(curve?.backfilled ?? 0)
      : say('figure.p95', { p95: duration(curve?.p95_ms ?? null), when }) + beside(curve?.backfilled ?? 0),
  };
}

const browserZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** @param {number} backfilled */
const nothing = (backfilled) =>
  backfilled === 0 ? say('figure.noChange') : say('figure.onlyBackfill', { n: backfilled });

/** @param {number} backfilled */
const beside = (backfilled) => (backfilled === 0 ? '' : `; ${say('figure.backfill', { n: backfilled })}`);

/** @param {Known} known */
function showBackfill({ stats, trouble }) {
  const { done, total } = stats?.backfill ?? { done: 0, total: 0 };
  const running = done < total;
  byId('backfill', HTMLDivElement).hidden = !running || trouble !== null || stats?.start.writes !== true;
  byId('backfill-bar', HTMLProgressElement).value = running ? done / total : 1;
  setText(
    byId('backfill-text', HTMLSpanElement),
    `${say('of', { done, total })} · ${Math.floor((done / Math.max(1, total)) * 100)} %`,
  );
}
