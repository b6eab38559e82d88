/** Search for reservations and events. */
import { createRoute, z } from '@hono/zod-openapi';
import type { createSearch, SearchResult } from '../sync/report/search.ts';
import { answeredId, answers, instantOrNull, limit, newRoutes, text } from './schema.ts';
import { shownItem, shownSide } from './sides.ts';

export interface SearchParts {
  readonly search: ReturnType<typeof createSearch>;
}

const question = text(2_000).openapi({
  example: 'Korprøve on Thursday',
  description:
    'A title, a person, a room, a date (Thursday, tomorrow, 17 May, 17.5., 2026-05-17, week 50, in English or Norwegian), a time ' +
    '(18:30), a reservation (event/123, or 123), the id of an event in Outlook or its address in Outlook on the web, in any ' +
    'combination. Case, accents and typing errors do not matter.',
});

const result = z
  .object({
    mapping_id: z.number().int().nullable().openapi({
      description: 'Null: the reservation is in no synchronized room, or outside of the window.',
    }),
    reservation_type: z.string().nullable(),
    reservation_id: answeredId.nullable(),
    resource_id: z.number().int(),
    room: z.string(),
    title: z.string().nullable(),
    organizer: z.string().nullable(),
    starts_at: instantOrNull,
    ends_at: instantOrNull,
    status: z.string().openapi({ description: 'Its sync_status; unmapped: no mapping.' }),
    outlook_event_id: z.string().nullable(),
    url: z
      .string()
      .nullable()
      .openapi({ description: 'Its address in the booking system, if the adapter has one.' }),
    outlook: shownItem.openapi({ description: 'As last read from Outlook.' }),
    explain: z.string().nullable().openapi({ example: '/mappings/1/explain' }),
  })
  .openapi('SearchResult');

const searchRoute = createRoute({
  method: 'get',
  path: '/search',
  tags: ['Search'],
  summary: 'Find reservations and events by title, person, room, date or id',
  request: { query: z.object({ q: question, limit: limit(50) }) },
  responses: answers(
    'Best matches first, then nearest to now.',
    z.object({
      success: z.literal(true),
      query: z.string(),
      timezone: z.string(),
      understood: z.object({
        text: z.string().openapi({ description: 'The search words, without case and accents.' }),
        date: z.string().nullable().openapi({ description: 'In `timezone`; the first of several days.' }),
        to: z.string().nullable().openapi({ description: 'The last day; null: there is no date.' }),
        time: z.string().nullable(),
        reservation_type: z.string().nullable(),
        reservation_id: answeredId.nullable(),
      }),
      remark: z.string().nullable().openapi({ description: 'A remark if the search was extended.' }),
      count: z.number().int().openapi({ description: 'The number of listed items.' }),
      total: z.number().int().openapi({ description: 'The number of matches.' }),
      results: z.array(result),
    }),
  ),
});

export const searchRoutes = ({ search }: SearchParts) =>
  newRoutes().openapi(searchRoute, async (c) => {
    const { q, limit: most } = c.req.valid('query');
    return c.json(searched(q, await search.search(q, most)), 200);
  });

/** The answer of the endpoint, also used by the command. */
export function searched(query: string, found: Awaited<ReturnType<SearchParts['search']['search']>>) {
  const { words, days, time, reservation } = found.understood;
  return {
    success: true as const,
    query,
    timezone: found.timezone,
    understood: {
      text: words.join(' '),
      date: days?.from ?? null,
      to: days?.to ?? null,
      time,
      reservation_type: reservation?.type ?? null,
      reservation_id: reservation?.id ?? null,
    },
    remark: found.remark,
    count: found.results.length,
    total: found.total,
    results: found.results.map(printed),
  };
}

const printed = (one: SearchResult) => ({
  ...one,
  outlook: shownSide(one.outlook),
  explain: one.mapping_id === null ? null : `/mappings/${one.mapping_id}/explain`,
});
