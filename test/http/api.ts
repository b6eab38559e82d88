/** The API over real HTTP, on a real database, with a daemon at work behind it when it is woken. */
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import { readCapture, rememberTriggers } from '../../src/booking/capture.ts';
import type { ApiKey } from '../../src/config.ts';
import type { Database } from '../../src/database.ts';
import type { Fact } from '../../src/facts.ts';
import { createLog } from '../../src/log.ts';
import { createApp, type Parts } from '../../src/http/app.ts';
import { descriptionOf } from '../../src/http/description.ts';
import type { LiveOptions } from '../../src/http/live.ts';
import { serveApp } from '../../src/http/serve.ts';
import { createAlerts } from '../../src/ops/alerts.ts';
import { createHealth } from '../../src/ops/health.ts';
import { createMetrics } from '../../src/ops/metrics.ts';
import { listSchedules } from '../../src/ops/schedule.ts';
import { createActivity } from '../../src/sync/report/activity.ts';
import { createCancellationReports } from '../../src/sync/report/cancellation-reports.ts';
import { createAudit } from '../../src/sync/manual/audit.ts';
import { createCalls } from '../../src/sync/manual/call.ts';
import { createCancellations } from '../../src/sync/manual/cancellations.ts';
import { createHeldRemovals } from '../../src/sync/manual/held-removals.ts';
import { createConflicts } from '../../src/sync/manual/conflicts.ts';
import { createUndo } from '../../src/sync/manual/undo.ts';
import { createImports } from '../../src/sync/manual/imports.ts';
import { createPlanner } from '../../src/sync/plan/plan.ts';
import { createPolling } from '../../src/sync/manual/polling.ts';
import { createKeys, createReservationTypes } from '../../src/sync/report/keys.ts';
import { createManual } from '../../src/sync/manual/manual.ts';
import { createMappingReports } from '../../src/sync/report/mapping-reports.ts';
import { createNotifications } from '../../src/sync/webhooks/notifications.ts';
import { createStart } from '../../src/sync/worker/start-mode.ts';
import { createReports } from '../../src/sync/report/reports.ts';
import { takeOver } from '../../src/sync/store/claims.ts';
import { createRoomCalendar } from '../../src/sync/report/room-calendar.ts';
import { createRoomReports, roomClocks } from '../../src/sync/report/room-reports.ts';
import { createSearch } from '../../src/sync/report/search.ts';
import { createSubscriptionRequests } from '../../src/sync/webhooks/subscription-requests.ts';
import { createRoomList, createRoomSwitch } from '../../src/sync/manual/room-list.ts';
import { openRooms, window } from '../sync/bench-of-rooms.ts';

export interface ApiOptions {
  readonly apiKey?: string;
  /** Further keys. */
  readonly keys?: readonly ApiKey[];
  /** Whether a daemon comes when it rings. */
  readonly worked?: boolean;
  readonly waitMs?: number;
  /** Instead of the database of the rooms. */
  readonly db?: Database;
  readonly change?: Partial<Parts>;
  readonly live?: Partial<LiveOptions>;
  readonly importMode?: 'auto' | 'manual';
}

/** A key as the settings name it. */
export const keyOf = (key: string, name: string | null = null): ApiKey => ({
  name,
  key,
  readOnly: name?.startsWith('READ_') === true,
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; `{}` when it is no JSON. */
  readonly body: Record<string, unknown>;
}

const noPlaces = { places: [], hint: 'This is a test.' };

export type Api = Awaited<ReturnType<typeof openApi>>;

/** `call` also checks every answer against the schema that /openapi.json promises for it. */
export async function openApi(options: ApiOptions = {}) {
  await using opened = new AsyncDisposableStack();
  const rooms = opened.use(
    await openRooms(
      { 101: 'formannskapssalen@bergen.example', 102: 'bystyresalen@bergen.example' },
      options.importMode === undefined ? {} : { importMode: options.importMode },
    ),
  );
  await rememberTriggers(rooms.db.pool);
  const db = options.db ?? rooms.db.pool;
  const facts: Fact[] = [];
  const health = createHealth();
  const watchers = new Set<(fact: Fact) => void>();
  const watch = (watcher: (fact: Fact) => void) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  };
  const tell = (fact: Fact) => {
    facts.push(fact);
    health.observe(fact);
    alerts.observe(fact);
    for (const watcher of watchers) watcher(fact);
  };
  let rings = 0;
  let working: Promise<unknown> = Promise.resolve();
  const ring = () => {
    rings += 1;
    if (options.worked !== false) working = working.then(() => rooms.settle());
  };
  const begin = createCalls({ db, window, waitMs: options.waitMs ?? 20_000, ring });
  const manual = createManual({ db, window, begin });
  const reports = createReports(db);
  const stopping = new AbortController();
  const alerts = opened.use(
    createAlerts({
      db: rooms.db.pool,
      webhook: { post: () => undefined },
      tell: (fact) => void facts.push(fact),
      holder: 'test',
      webhooks: false,
      sends: true,
      readCapture: () => readCapture(db),
      credentialEnds: () => null,
    }),
  );
  const app = createApp({
    keys: [...(options.apiKey === undefined ? [] : [keyOf(options.apiKey)]), ...(options.keys ?? [])],
    userHeader: null,
    audit: createAudit(db),
    tell,
    log: createLog('silent'),
    timezone: 'Europe/Oslo',
    health: health.state,
    readCapture: () => readCapture(db),
    manual,
    reports,
    rooms: createRoomReports(db),
    held: createHeldRemovals(db, begin),
    roomSwitch: createRoomSwitch(db),
    claims: { takeOver: (resource) => takeOver(db, resource) },
    mappings: createMappingReports(db),
    search: createSearch(db),
    roomCalendar: createRoomCalendar(db),
    activity: createActivity(db),
    live: { watch, stopping: stopping.signal, ...options.live },
    cancellations: createCancellations({ db, begin, window }),
    cancellationReports: createCancellationReports(db, window),
    reservationTypes: createReservationTypes(db),
    bookingKeys: createKeys(db),
    imports: createImports(db, begin),
    polling: createPolling(db, begin),
    pollSeconds: 60,
    webhooks: false,
    undo: createUndo(db),
    conflicts: createConflicts(db, begin),
    roomList: createRoomList(db),
    directory: { rooms: async () => noPlaces, roomLists: async () => noPlaces },
    alerts,
    schedules: () => listSchedules(db),
    roomClocks: () => roomClocks(db),
    metrics: createMetrics({ health: health.state, queue: reports.queue, waitMs: 500 }),
    notifications: createNotifications({ db, tell, waitMs: 500, readEveryMs: 5 }),
    subscriptions: createSubscriptionRequests({ db, waitMs: options.waitMs ?? 20_000 }),
    webhookBaseUrl: 'https://sync.example.org',
    start: createStart({ db, mode: 'sync' }),
    autoSync: true,
    planner: createPlanner({
      db,
      outlook: () => rooms.outlook.side,
      window,
      policy: { conflict: 'booking', overlap: 'flag', importMode: options.importMode ?? 'auto' },
      brake: { max: 10, share: 0.2 },
      roomsAtATime: 2,
    }),
    stopping: stopping.signal,
    ...options.change,
  });
  opened.defer(async () => void (await working));
  const served = opened.use(await serveApp(app, { host: '127.0.0.1', port: 0 }));
  opened.defer(() => stopping.abort());
  const promise = promiseOf(app);

  async function call(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await fetch(served.url + path, { method, ...init });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true;
    const body = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
    if (isJson) await promise(method, path, answer.status, body);
    return { status: answer.status, headers: answer.headers, text, body };
  }

  const owned = opened.move();
  return {
    ...rooms,
    app,
    served,
    facts,
    tell,
    manual,
    stopping,
    call,
    /** A request whose headers fetch would not send. */
    raw: (path: string, headers: Record<string, string>) => rawRequest(served.port, path, headers),
    rings: () => rings,
    /** The rows of bb_event and what hangs on it are gone from one moment to the next. */
    loseEvents: () => rooms.db.query('TRUNCATE bb_event CASCADE'),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Checks an answer against the schema that the description gives for it. */
function promiseOf(app: ReturnType<typeof createApp>) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const checks = new Map<string, ValidateFunction>();
  let document: OpenApi | null = null;
  return async (method: string, path: string, status: number, body: unknown) => {
    document ??= await describedBy(app);
    const paths = document.paths;
    const known = Object.keys(paths).find((template) =>
      new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`).test(path.split('?')[0]!),
    );
    const responses = paths[known ?? '']?.[method.toLowerCase()]?.responses;
    if (responses === undefined && [401, 403, 404, 405, 413].includes(status)) return; // no operation of ours
    const described = responses?.[status] ?? (status >= 400 ? responses?.['default'] : undefined);
    const schema = described?.content?.['application/json']?.schema;
    expect(schema, `${method} ${path} answered ${status}, which is not described`).toBeDefined();
    const key = `${method} ${known} ${status}`;
    const check = checks.get(key) ?? ajv.compile({ ...schema, components: document.components });
    checks.set(key, check);
    expect(check(body), `${key}: ${ajv.errorsText(check.errors)} in ${JSON.stringify(body)}`).toBe(true);
  };
}

export interface OpenApi {
  readonly paths: Record<
    string,
    Record<
      string,
      {
        readonly operationId: string;
        readonly tags: readonly string[];
        responses: Record<string, { content?: Record<string, { schema: object }> }>;
      }
    >
  >;
  readonly tags: readonly { readonly name: string }[];
  readonly components: object;
}

export async function describedBy(app: ReturnType<typeof createApp>): Promise<OpenApi> {
  return JSON.parse(JSON.stringify(descriptionOf(app))) as OpenApi;
}

async function rawRequest(port: number, path: string, headers: Record<string, string>) {
  const asked = request({
    host: '127.0.0.1',
    port,
    path,
    headers,
    setHost: headers['host'] === undefined,
  }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const text = (await answer.toArray()).map(String).join('');
  return {
    status: answer.statusCode!,
    headers: answer.headers,
    body: JSON.parse(text) as Record<string, unknown>,
  };
}
