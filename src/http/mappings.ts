/** The life of one mapping, in words. */
import { createRoute, z } from '@hono/zod-openapi';
import type { createReports, LogLine } from '../sync/reports.ts';
import { Problem } from './problem.ts';
import { answers, instant, instantOrNull, limit, mappingId, newRoutes } from './schema.ts';

export interface MappingParts {
  readonly reports: Pick<ReturnType<typeof createReports>, 'explain'>;
}

const mapping = z
  .object({
    id: z.number().int(),
    reservation_type: z.string().nullable(),
    reservation_id: z.number().int().nullable(),
    resource_id: z.number().int(),
    outlook_item_id: z.string(),
    outlook_event_id: z.string().nullable(),
    sync_status: z.string(),
    sync_direction: z.string(),
    priority_level: z.number().int(),
    title: z.string().nullable(),
    starts_at: instantOrNull,
    ends_at: instantOrNull,
    attempt: z.number().int(),
    error_message: z.string().nullable(),
    hint: z.string().nullable(),
    due_at: instantOrNull,
    last_sync_at: instantOrNull,
  })
  .openapi('Mapping');

const line = z
  .object({
    at: instant,
    text: z.string(),
    action: z.string(),
    reason: z.string().nullable(),
    latency_ms: z.number().nullable(),
    call_ms: z.number().nullable(),
    outlook_event_id: z.string().nullable(),
    request_id: z.string().nullable().openapi({ description: 'Microsoft asks for it in a support case.' }),
  })
  .openapi('LogLine');

const explainRoute = createRoute({
  method: 'get',
  path: '/mappings/{id}/explain',
  tags: ['Mappings'],
  summary: 'What was done to one mapping, when and why',
  request: { params: z.object({ id: mappingId }), query: z.object({ limit: limit(100) }) },
  responses: answers(
    'The mapping (null: it is gone) and its newest lines, the newest last.',
    z.object({
      success: z.literal(true),
      count: z.number().int(),
      mapping: mapping.nullable(),
      lines: z.array(line),
    }),
    [404],
  ),
});

export function mappingRoutes({ reports }: MappingParts) {
  return newRoutes().openapi(explainRoute, async (c) => {
    const { id } = c.req.valid('param');
    const explained = await reports.explain(id, c.req.valid('query').limit);
    if (explained === null)
      throw new Problem(404, `There is no mapping ${id}.`, 'GET /sync/pending-items names the ids of some.');
    const lines = explained.lines.map((entry) => ({ ...entry, text: sentence(entry) }));
    return c.json({ success: true as const, count: lines.length, mapping: explained.mapping, lines }, 200);
  });
}

const sentences: Readonly<Record<string, string>> = {
  created: 'Its event was created in Outlook',
  adopted: 'An event that was in Outlook already was recognised as its own',
  updated: 'Its event was changed in Outlook',
  deleted: 'Its event was deleted in Outlook',
  shadowed: 'It is not shown: something more important takes its whole time',
  waiting: 'It waits',
  forgotten: 'It has nothing to show',
  delayed: 'It failed and is tried again',
  parked: 'It was set aside until a person or a change of the booking helps',
  kept: 'Its event is kept',
};

function sentence({ action, reason, latency_ms: latencyMs, call_ms: callMs }: LogLine): string {
  const took = latencyMs === null ? '' : `, ${Math.round(latencyMs)} ms after the change`;
  const call = callMs === null || callMs === 0 ? '' : ` (the call took ${Math.round(callMs)} ms)`;
  return `${sentences[action] ?? action}${took}${call}${reason === null ? '' : `: ${reason}`}.`;
}
