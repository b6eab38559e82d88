/** Overview. */
import { createRoute, z } from '@hono/zod-openapi';
import type { HealthState } from '../ops/health.ts';
import type { createReports } from '../sync/report/reports.ts';
import type { Start } from '../sync/worker/start-mode.ts';
import { readStart, startSchema } from './plan.ts';
import { answers, instant, instantOrNull, newRoutes } from './schema.ts';
import { latencySchema, queueSchema, statisticsSchema } from './statistics.ts';

export interface StatsParts {
  readonly reports: Pick<ReturnType<typeof createReports>, 'statistics' | 'queue' | 'latency'>;
  readonly health: () => HealthState;
  readonly start: Pick<Start, 'read'>;
  /** The booking system's time zone. */
  readonly timezone: string;
}

const outage = z
  .object({
    since: instant,
    error: z.string(),
    hint: z.string().nullable(),
    refused: z.boolean().openapi({ description: 'It answers, but a right is missing.' }),
  })
  .nullable();

const statsRoute = createRoute({
  method: 'get',
  path: '/stats',
  tags: ['Health'],
  summary: 'Overview',
  responses: answers(
    'Mappings, latency of the last hour, queue, rooms, backfill, listener, outages, daemons.',
    z.object({
      success: z.literal(true),
      statistics: statisticsSchema,
      latency: latencySchema,
      queue: queueSchema.extend({
        conflicts: z
          .number()
          .int()
          .openapi({ description: 'Open conflicts, without removals held by the brake.' }),
        held: z.number().int().openapi({ description: 'Removals held by the brake.' }),
      }),
      rooms: z.record(z.string(), z.number().int()),
      backfill: z.object({ total: z.number().int(), done: z.number().int() }),
      listener: z.object({ heard: z.boolean(), reason: z.string().nullable(), since: instantOrNull }),
      outages: z.object({ outlook: outage, booking: outage }),
      missed_captures: z.number().int(),
      replicas: z.number().int(),
      alerts: z
        .object({ warning: z.number().int(), critical: z.number().int() })
        .openapi({ description: 'Open alerts.' }),
      start: startSchema,
      replica: z.string().nullable(),
      timezone: z.string().openapi({ description: 'The booking system’s time zone.' }),
      started_at: instant,
      uptime_seconds: z.number().int(),
    }),
  ),
});

export function statsRoutes({ reports, health, start, timezone }: StatsParts) {
  return newRoutes().openapi(statsRoute, async (c) => {
    const [statistics, latency, state, begins] = await Promise.all([
      reports.statistics(),
      reports.latency(),
      reports.queue(),
      readStart(start),
    ]);
    const { rooms, backfill, replicas, alerts, ...queue } = state;
    const { listener, outages, missedCaptures, replica, startedAt, uptimeSeconds } = health();
    return c.json(
      {
        success: true as const,
        statistics,
        latency,
        queue,
        rooms,
        backfill,
        replicas,
        alerts,
        listener,
        outages,
        missed_captures: missedCaptures,
        start: begins,
        replica,
        timezone,
        started_at: startedAt,
        uptime_seconds: uptimeSeconds,
      },
      200,
    );
  });
}
