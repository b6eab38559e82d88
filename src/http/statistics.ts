/** The schemas of statistics, latencies and the queue, in the guide's form. */
import { z } from '@hono/zod-openapi';
import { syncStatuses } from '../sync/report/reports.ts';

const counts = z.record(z.string(), z.number().int());
const everyStatus = Object.fromEntries(syncStatuses.map((status) => [status, z.number().int()])) as Record<
  (typeof syncStatuses)[number],
  z.ZodNumber
>;

const ms = z.number().nullable();

export const latencySchema = z
  .object({
    count: z.number().int(),
    backfilled: z.number().int().openapi({
      description: 'Items of a backfill; they are not included in any other figure.',
    }),
    p50_ms: ms,
    p95_ms: ms,
    p99_ms: ms,
  })
  .openapi('Latency');

export const queueSchema = z.object({
  outbox_rows: z.number().int(),
  due: z.number().int(),
  unfolded: z.number().int().openapi({ description: 'Changes that could not be folded; doctor lists them.' }),
  oldest_ms: ms,
});

export const statisticsSchema = z
  .object({
    total_mappings: z.number().int(),
    summary: z.object(everyStatus).openapi({ description: 'Every status, 0 included.' }),
    by_type: z.record(z.string(), counts),
    by_direction: z.record(z.string(), counts),
  })
  .openapi('Statistics');
