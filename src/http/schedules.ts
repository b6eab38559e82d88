/** The schedules. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Schedule } from '../ops/schedule.ts';
import type { RoomClock } from '../sync/report/room-reports.ts';
import { answers, instant, instantOrNull, newRoutes } from './schema.ts';

export interface ScheduleParts {
  readonly schedules: () => Promise<readonly Schedule[]>;
  readonly roomClocks: () => Promise<readonly RoomClock[]>;
}

export const scheduleSchema = z
  .object({
    name: z.string(),
    cron: z.string(),
    last_run_at: instantOrNull,
    last_result: z.string().nullable().openapi({ description: 'ok, running, or failed with the reason.' }),
    last_ms: z.number().nullable(),
    next_run_at: instant,
    late_ms: z.number().openapi({ description: 'The delay of the next run.' }),
  })
  .openapi('Schedule');

const listRoute = createRoute({
  method: 'get',
  path: '/schedules',
  tags: ['Health'],
  summary: 'Scheduled jobs, run once across all daemons: last and next run',
  responses: answers(
    "Times are the database server's; cron expressions are in BOOKING_TIMEZONE.",
    z.object({
      success: z.literal(true),
      count: z.number().int(),
      schedules: z.array(scheduleSchema),
      rooms: z
        .array(
          z.object({
            name: z.enum(['poll', 'subscription-renewal']),
            last_run_at: instantOrNull,
            next_run_at: instant,
            rooms: z.number().int(),
          }),
        )
        .openapi({
          description: 'Jobs with separate times per room: the last and the next run.',
        }),
    }),
  ),
});

export function scheduleRoutes({ schedules, roomClocks }: ScheduleParts) {
  return newRoutes().openapi(listRoute, async (c) => {
    const [all, rooms] = [[...(await schedules())], [...(await roomClocks())]];
    return c.json({ success: true as const, count: all.length, schedules: all, rooms }, 200);
  });
}
