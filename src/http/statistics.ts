/** The shape of the statistics, as the guide prints it. */
import { z } from '@hono/zod-openapi';
import { syncStatuses } from '../sync/report/reports.ts';

const counts = z.record(z.string(), z.number().int());
const everyStatus = Object.fromEntries(syncStatuses.map((status) => [status, z.number().int()])) as Record<
  (typeof syncStatuses)[number],
  z.ZodNumber
>;

export const statisticsSchema = z
  .object({
    total_mappings: z.number().int(),
    summary: z.object(everyStatus).openapi({ description: 'Every status, 0 included.' }),
    by_type: z.record(z.string(), counts),
    by_direction: z.record(z.string(), counts),
  })
  .openapi('Statistics');
