/** What runs by the clock. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Schedule } from '../ops/schedule.ts';
import type { RoomClock } from '../sync/report/room-clocks.ts';
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
          description: 'What each room does at times of its own: the last that was, the next that comes.',
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
