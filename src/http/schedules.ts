/** What runs by the clock. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Schedule } from '../ops/schedule.ts';
import { answers, instant, instantOrNull, newRoutes } from './schema.ts';

export interface ScheduleParts {
  readonly schedules: () => Promise<readonly Schedule[]>;
}

export const scheduleSchema = z
  .object({
    name: z.string(),
    cron: z.string(),
    last_run_at: instantOrNull,
    last_result: z.string().nullable().openapi({ description: 'ok, running, or failed and why.' }),
    last_ms: z.number().nullable(),
    next_run_at: instant,
    late_ms: z.number().openapi({ description: 'By how much the next run is overdue.' }),
  })
  .openapi('Schedule');

const listRoute = createRoute({
  method: 'get',
  path: '/schedules',
  tags: ['Health'],
  summary: 'What runs by the clock, once across all daemons: last and next run',
  responses: answers(
    "Times are the database server's; expressions are read on the wall clock of BOOKING_TIMEZONE.",
    z.object({
      success: z.literal(true),
      count: z.number().int(),
      schedules: z.array(scheduleSchema),
    }),
  ),
});

export function scheduleRoutes({ schedules }: ScheduleParts) {
  return newRoutes().openapi(listRoute, async (c) => {
    const all = [...(await schedules())];
    return c.json({ success: true as const, count: all.length, schedules: all }, 200);
  });
}
