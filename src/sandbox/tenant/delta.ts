import type { GraphAnswer, GraphRequest, TenantCore } from './core.ts';
import { deltaRows, type Unit } from './delta-rows.ts';
import { refuseKind, type Switches } from './faults.ts';
import { GraphError, badRequest } from './graph-error.ts';
import { eventsBetween, LONGEST_PAGE, readWindow } from './listing.ts';
import type { Mailbox } from './mailbox.ts';
import { checkOptions } from './query.ts';

/** The state of a delta token. The client has only its number and a nonce. */
interface Cursor {
  readonly generation: number;
  readonly nonce: string;
  readonly kind: 'skip' | 'delta';
  readonly from: number;
  readonly to: number;
  /** The history this round covers: the next one begins after it. */
  readonly upTo: number;
  /** The rest of this round; empty for a deltaLink. */
  readonly pending: readonly Unit[];
  /** All of this round, for pages without end. */
  readonly all: readonly Unit[];
}

/** Tokens of one mailbox, the oldest dropped as new ones are made (msgraph docs#2350, docs#2877). */
interface Ring {
  newest: number;
  readonly live: Map<number, Cursor>;
}

const rings = new WeakMap<Mailbox, Ring>();

/** Neither default nor maximum page size of delta is documented. */
const USUAL_PAGE = 50;
const REPLAYED = 3;

const UNSUPPORTED = ['$select', '$filter', '$orderby', '$search', '$top', '$skip', '$count'];

/**
 * GET /users/{id}/calendarView/delta. A round begins with a window (everything in it) or a deltaLink
 * (the changes since then) and ends with a deltaLink; in between are nextLinks.
 */
export function calendarDelta(core: TenantCore, mailbox: Mailbox, request: GraphRequest): GraphAnswer {
  refuseUnsupported(request.query);
  const switches = core.faults.switchesFor(mailbox.id);
  refuseKind(switches, 'delta');
  const [skip, delta] = [request.query.get('$skiptoken'), request.query.get('$deltatoken')];
  const token = skip ?? delta;
  if (token === null) {
    checkOptions(request.query, ['startDateTime', 'endDateTime']);
    const { from, to } = readWindow(request.query);
    const units = firstUnits(core, mailbox, from, to, switches);
    const upTo = visibleVersion(core, mailbox, switches);
    const start = { kind: 'skip' as const, from, to, upTo, pending: units, all: units };
    if (switches.deltaEmptyFirstPage)
      return answer(core, mailbox, request, [], issue(core, mailbox, start, switches));
    return servePage(core, mailbox, request, start, switches);
  }
  if (request.query.size > 1) throw badRequest('A token carries window and options; nothing goes with it.');
  const cursor = findCursor(core, mailbox, token, skip === null ? 'delta' : 'skip');
  if (cursor.kind === 'skip') return servePage(core, mailbox, request, cursor, switches);
  if (cursor.upTo < mailbox.store.forgotten) throw tokenLost(core, mailbox, cursor.generation);
  const upTo = Math.max(cursor.upTo, visibleVersion(core, mailbox, switches));
  const units = switches.deltaLies === 'empty' ? [] : changedUnits(mailbox, cursor, upTo, switches);
  const round = {
    ...cursor,
    upTo: switches.deltaLies === 'empty' ? cursor.upTo : upTo,
    pending: units,
    all: units,
  };
  if (switches.deltaEmptyFirstPage && units.length > 0) {
    return answer(core, mailbox, request, [], issue(core, mailbox, { ...round, kind: 'skip' }, switches));
  }
  return servePage(core, mailbox, request, round, switches);
}

type Round = Omit<Cursor, 'generation' | 'nonce'>;

function servePage(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  round: Round,
  switches: Switches,
): GraphAnswer {
  const size = Math.min(request.prefer.maxPageSize ?? USUAL_PAGE, LONGEST_PAGE);
  const rows: object[] = [];
  let used = 0;
  // A series is never split across pages (msgraph docs PR#4501), so a page may run over its size.
  while (used < round.pending.length && rows.length < size) {
    const unit = round.pending[used++]!;
    rows.push(...deltaRows(mailbox, unit, round, request.prefer, switches));
  }
  const last = rows.at(-1);
  if (switches.deltaRepeats && last) rows.push(last);
  const pending = round.pending.slice(used);
  const endless = switches.deltaEndless && pending.length === 0;
  const more = endless || pending.length > 0;
  const next: Round = {
    ...round,
    kind: more ? 'skip' : 'delta',
    pending: endless ? round.all : pending,
    all: more ? round.all : [],
  };
  return answer(core, mailbox, request, rows, issue(core, mailbox, next, switches));
}

function answer(
  core: TenantCore,
  mailbox: Mailbox,
  request: GraphRequest,
  rows: object[],
  cursor: Cursor,
): GraphAnswer {
  const option = cursor.kind === 'skip' ? '$skiptoken' : '$deltatoken';
  const { deltaLinkOrigin } = core.faults.switchesFor(mailbox.id);
  const base =
    deltaLinkOrigin === null || cursor.kind === 'skip'
      ? core.graphBaseUrl
      : deltaLinkOrigin + new URL(core.graphBaseUrl).pathname;
  const link = `${base}/users/${mailbox.id}/calendarView/delta?${option}=${tokenOf(mailbox, cursor)}`;
  return {
    status: 200,
    headers: { 'Preference-Applied': ['odata.track-changes', ...request.prefer.applied].join(', ') },
    body: {
      '@odata.context': `${core.graphBaseUrl}/$metadata#Collection(event)`,
      ...(cursor.kind === 'skip' ? { '@odata.nextLink': link } : { '@odata.deltaLink': link }),
      value: rows,
    },
  };
}

/** Everything in the window. A first round reports no earlier deletions. */
function firstUnits(
  core: TenantCore,
  mailbox: Mailbox,
  from: number,
  to: number,
  switches: Switches,
): Unit[] {
  if (switches.deltaLies === 'empty') return [];
  const youngest = core.clock.now() - switches.deltaLagMs;
  const stems = new Set<string>();
  for (const event of eventsBetween(mailbox, from, to)) {
    if (switches.deltaLagMs === 0 || event.createdAt <= youngest) stems.add(event.stem);
  }
  return [...stems].map((stem) => ({ stem, onlyDeletedOccurrences: false }));
}

/** The items changed since the token according to the history, each once, in the order of its last change. */
function changedUnits(mailbox: Mailbox, cursor: Cursor, upTo: number, switches: Switches): Unit[] {
  const { history } = mailbox.store;
  const units = new Map<string, Unit>();
  let index = history.length;
  while (index > 0 && history[index - 1]!.version > cursor.upTo) index--;
  for (; index < history.length && history[index]!.version <= upTo; index++) {
    const { stem, occurrenceDeleted } = history[index]!;
    const only = occurrenceDeleted && (units.get(stem)?.onlyDeletedOccurrences ?? true);
    units.delete(stem);
    units.set(stem, { stem, onlyDeletedOccurrences: only });
  }
  if (switches.deltaRepeats) {
    for (const { stem } of eventsBetween(mailbox, cursor.from, cursor.to).slice(0, REPLAYED)) {
      if (!units.has(stem)) units.set(stem, { stem, onlyDeletedOccurrences: false });
    }
  }
  return [...units.values()];
}

/** The newest version old enough to show: changes may turn up late (Microsoft: delta-query-overview). */
function visibleVersion(core: TenantCore, mailbox: Mailbox, { deltaLagMs }: Switches): number {
  const { history, version } = mailbox.store;
  if (deltaLagMs === 0) return version;
  const youngest = core.clock.now() - deltaLagMs;
  let index = history.length;
  while (index > 0 && history[index - 1]!.at > youngest) index--;
  return history[index - 1]?.version ?? 0;
}

function issue(core: TenantCore, mailbox: Mailbox, round: Round, switches: Switches): Cursor {
  let ring = rings.get(mailbox);
  if (!ring) rings.set(mailbox, (ring = { newest: 140, live: new Map() }));
  const cursor: Cursor = { ...round, generation: ++ring.newest, nonce: core.random.letters(24) };
  ring.live.set(cursor.generation, cursor);
  for (const generation of ring.live.keys()) {
    if (ring.live.size <= switches.deltaGenerations) break;
    ring.live.delete(generation);
  }
  return cursor;
}

/** Forgets every delta token of a mailbox, as Exchange does without notice. */
export function forgetTokens(mailbox: Mailbox): void {
  rings.get(mailbox)?.live.clear();
}

const tokenOf = (mailbox: Mailbox, { kind, generation, nonce }: Cursor) =>
  `R0usmc${kind === 'skip' ? 'S' : 'D'}${mailbox.key}.${generation}.${nonce}`;

function findCursor(core: TenantCore, mailbox: Mailbox, token: string, kind: Cursor['kind']): Cursor {
  const [, sort, key, generation, nonce] =
    /^R0usmc([SD])([\w-]{12})\.(\d{1,9})\.([\w-]{24})$/.exec(token) ?? [];
  if (sort === undefined || (sort === 'S') !== (kind === 'skip') || key !== mailbox.key) {
    throw badRequest('Badly formed token.');
  }
  const cursor = rings.get(mailbox)?.live.get(Number(generation));
  if (cursor?.nonce === nonce) return cursor!;
  throw tokenLost(core, mailbox, Number(generation));
}

function tokenLost(core: TenantCore, mailbox: Mailbox, generation: number): GraphError {
  const ring = rings.get(mailbox);
  const known = [...(ring?.live.keys() ?? [])].reverse().map((one) => `[${one}]`);
  return new GraphError(
    410,
    'SyncStateNotFound',
    `The sync state generation is not found; generation=${generation};[highest=${ring?.newest ?? 0}]${known.join('')}.`,
    { headers: { Location: `${core.graphBaseUrl}/users/${mailbox.id}/calendarView/delta?$deltatoken=` } },
  );
}

function refuseUnsupported(query: URLSearchParams): void {
  if (query.has('$expand')) {
    // Seen so, 500 and all (msgraph docs#2270, docs#1993).
    throw new GraphError(500, 'InternalServerError', 'Value cannot be null.\r\nParameter name: type');
  }
  const unsupported = UNSUPPORTED.filter((name) => query.has(name));
  if (unsupported.length === 0) return;
  throw new GraphError(
    400,
    'ErrorInvalidUrlQuery',
    `The following parameters are not supported with change tracking over the 'CalendarView' resource: '${unsupported.join(', ')}'.`,
  );
}
