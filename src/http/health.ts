/** Liveness and readiness for probes; both need no key. */
import { createRoute, z } from '@hono/zod-openapi';
import { attachCommand, migrateCommand } from '../command-name.ts';
import { databaseFailure, isOutage } from '../database.ts';
import { NotInstalled, Permanent, Retryable } from '../errors.ts';
import type { HealthState } from '../ops/health.ts';
import { instant, newRoutes, json } from './schema.ts';

/** Whether changes of the booking system are captured. */
export interface Capture {
  /** Missing or disabled triggers, one line each. */
  readonly missing: readonly string[];
  /** Triggers of ours without a declaration, one line each. */
  readonly extra: readonly string[];
  /** The DBA's repair statement; null: no repair is needed. */
  readonly repair: string | null;
}

export interface HealthParts {
  readonly health: () => HealthState;
  readonly readCapture: () => Promise<Capture>;
}

/** A database that does not answer within this time counts as unavailable, so that a probe is answered within 2 s. */
const databaseMs = 1_500;

/** The limit of a normal state. */
const startsWithinSeconds = 20;

const tags = ['Health'];

const healthRoute = createRoute({
  method: 'get',
  path: '/health',
  tags,
  summary: 'Whether the process is alive',
  security: [],
  responses: {
    200: {
      description: 'The process is alive.',
      content: json(
        z.object({
          success: z.literal(true),
          status: z.literal('ok'),
          uptime_seconds: z.number().int(),
          started_at: instant,
        }),
      ),
    },
  },
});

const check = z.object({ ok: z.boolean(), problems: z.array(z.string()) });
const readiness = z
  .object({
    success: z.boolean(),
    status: z.enum(['ready', 'not ready']),
    checks: z.object({
      database: check,
      listening: check,
      capture: check.extend({
        extra: z
          .array(z.string())
          .optional()
          .openapi({ description: 'Triggers of the bridge without a declaration.' }),
      }),
    }),
    hint: z
      .string()
      .optional()
      .openapi({ description: 'The remedy, if possible as a statement for the DBA.' }),
  })
  .openapi('Readiness');
type Readiness = z.infer<typeof readiness>;

const readyRoute = createRoute({
  method: 'get',
  path: '/ready',
  tags,
  summary: 'Whether changes of the booking system are picked up at once',
  security: [],
  responses: {
    200: {
      description: 'PostgreSQL answers, its notifications arrive, and the triggers exist.',
      content: json(readiness),
    },
    503: { description: 'The failing checks.', content: json(readiness) },
  },
});

export function healthRoutes({ health, readCapture }: HealthParts) {
  return newRoutes()
    .openapi(healthRoute, (c) => {
      const { uptimeSeconds, startedAt } = health();
      const answer = { success: true as const, status: 'ok' as const, uptime_seconds: uptimeSeconds };
      return c.json({ ...answer, started_at: startedAt }, 200);
    })
    .openapi(readyRoute, async (c) => {
      const answer = readinessOf(health(), await within(databaseMs, readCapture));
      if (answer.success) return c.json(answer, 200);
      return c.json(answer, 503, { 'Retry-After': '1' });
    });
}

/** The state of the capture, or the reason why it could not be read in time. */
async function within(ms: number, read: () => Promise<Capture>): Promise<Capture | Error> {
  const late = Promise.withResolvers<Error>();
  const timer = setTimeout(() => late.resolve(new Retryable(`no answer within ${ms} ms`)), ms);
  const asked = read().catch((error: unknown) => databaseFailure(error, 'read the triggers'));
  return await Promise.race([asked, late.promise]).finally(() => clearTimeout(timer));
}

function readinessOf(health: HealthState, read: Capture | Error): Readiness {
  const { listener } = health;
  const outage = health.outages.booking;
  const away = read instanceof Error && isOutage(read) && !(read instanceof NotInstalled) ? read : null;
  const capture = read instanceof Error ? unreadable(away !== null) : read;
  // prefer an error with a repair over a time-out
  const repair = away instanceof Retryable || away instanceof Permanent ? away.hint : undefined;
  const database =
    away !== null
      ? [repair === undefined ? 'PostgreSQL does not answer' : away.message]
      : outage === null
        ? []
        : [outage.error];
  const listening = listener.heard
    ? []
    : [`notifications do not arrive: ${listener.reason ?? 'no reason known'}`];
  const of = (problems: readonly string[]) => ({ ok: problems.length === 0, problems: [...problems] });
  const checks = {
    database: of(database),
    listening: of(listening),
    capture: { ...of(capture.missing), ...(capture.extra.length > 0 && { extra: [...capture.extra] }) },
  };
  if (Object.values(checks).every(({ ok }) => ok)) return { success: true, status: 'ready', checks };
  const hint =
    away !== null
      ? (repair ?? 'Check DB_HOST, DB_PORT and the server.')
      : // the query that met the missing view does not know that it was detached on purpose
        capture.repair === attachCommand
        ? `Run: ${attachCommand}`
        : (outage?.hint ??
          (capture.repair !== null
            ? `Run: ${capture.repair}`
            : outage === null
              ? unheardHint(health)
              : 'The daemon tries again by itself and nothing is lost; the log of PostgreSQL may tell more.'));
  return { success: false, status: 'not ready', checks, hint };
}

/** No hint about poolers in the first seconds, while the listener is still connecting. */
const unheardHint = ({ listener, uptimeSeconds }: HealthState) =>
  listener.since === null && uptimeSeconds < startsWithinSeconds
    ? 'The daemon is starting: ask again in a moment.'
    : 'LISTEN needs a direct connection: no pooler in between, and no standby.';

const unreadable = (away: boolean): Capture =>
  away
    ? { missing: ['not known while PostgreSQL does not answer'], extra: [], repair: null }
    : {
        missing: ['the tables of the bridge are missing, or not ours to read'],
        extra: [],
        repair: migrateCommand,
      };
